//! `cargo firmware build` and `size` as programs see them: exit codes, paths, bills.
//! The compiler is a real one.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use object::elf::{SHF_ALLOC, SHF_WRITE};
use object::read::elf::{ElfFile32, SectionHeader};
use object::{Endianness, Object, ObjectSection, ObjectSymbol};
use parlour_boards::{BOARDS, Board};
use parlour_firmware::{limits, socket_options};
use serde_json::Value;

fn firmware(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_firmware")).args(args).output().expect("the runner starts")
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("text")
}

/// Runs it, and expects this exit code.
fn ended(args: &[&str], code: i32) -> Output {
    let output = firmware(args);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output.stderr));
    output
}

/// The last line of standard output.
fn last_line(output: &Output) -> &str {
    text(&output.stdout).lines().last().unwrap_or_default()
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))).expect("not that large")
}

fn item<'a>(usage: &'a Value, name: &str) -> &'a Value {
    let items = usage["items"].as_array().expect("items");
    items.iter().find(|item| item["name"] == name).unwrap_or_else(|| panic!("no {name} in {usage}"))
}

fn sum(usage: &Value) -> usize {
    usage["items"].as_array().expect("items").iter().map(|item| number(&item["bytes"])).sum()
}

/// Where the variables of a program begin and end, and where its stack does.
fn places(elf: &[u8]) -> (usize, usize, usize, usize) {
    let elf = ElfFile32::<Endianness>::parse(elf).expect("an ELF file");
    let of = |name| {
        let found = elf.symbols().find(|symbol| symbol.name() == Ok(name));
        found.unwrap_or_else(|| panic!("no {name}")).address() as usize
    };
    let writable = u64::from(SHF_ALLOC | SHF_WRITE) as u32;
    let sections = elf.sections().filter(|section| {
        let flags = section.elf_section_header().sh_flags(elf.endian());
        flags & writable == writable && section.size() > 0 && section.name() != Ok(".stack")
    });
    let (mut first, mut end) = (usize::MAX, 0);
    for section in sections {
        let start = section.address() as usize;
        (first, end) = (first.min(start), end.max(start + section.size() as usize));
    }
    (of("_stack_end"), of("_stack_start"), first, end)
}

fn check_bill(board: &Board) {
    let built = ended(&["build", board.name], 0);
    let elf = fs::read(last_line(&built)).expect("the program");
    let bill: Value =
        serde_json::from_slice(&ended(&["size", board.name, "--json"], 0).stdout).expect("JSON");
    let ram = &bill["ram"];
    assert_eq!((number(&ram["len"]), &bill["fits"]), (board.ram.len, &Value::Bool(true)));
    assert_eq!(sum(ram) + number(&ram["free"]), board.ram.len, "{ram}");
    assert_eq!(sum(&bill["flash"]) + number(&bill["flash"]["free"]), board.flash.len);

    // All of RAM in the order of its addresses: the stack, variables, what is free.
    let (stack_end, stack_start, first, end) = places(&elf);
    assert_eq!(stack_end, board.ram.origin, "the stack is below all else");
    assert_eq!(stack_start - stack_end, board.stack);
    assert_eq!(number(&item(ram, "stack")["bytes"]), board.stack);
    assert!((0..64).contains(&(first - stack_start)), "variables follow the stack");
    let free = board.ram.origin + board.ram.len - end;
    assert_eq!(number(&ram["free"]), free + (first - stack_start), "{ram}");

    // The large things have been found.
    let (limits, options) = (limits(board, board.sizes.max_conns), socket_options(board));
    let queues = item(ram, "queues and lines");
    assert_eq!(number(&queues["bytes"]), limits.conns * limits.conn_bytes());
    assert!(number(&item(ram, "log")["bytes"]) >= limits.rooms * limits.log, "{ram}");
    let buffers = item(ram, "socket buffers");
    assert_eq!(number(&buffers["each"]), options.receive + options.send);
    assert!(number(&buffers["bytes"]) >= limits.conns * (options.receive + options.send), "{ram}");
    for name in ["table", "socket slots", "network interface and frames"] {
        assert!(number(&item(ram, name)["bytes"]) > 0, "{name} in {ram}");
    }
}

#[test]
fn every_board_is_built_and_its_bill_adds_up() {
    for board in BOARDS {
        check_bill(board);
    }
}

/// The smallest board has limits that hold whatever is added to the hub. The use of its stack is
/// measured where it runs.
#[test]
fn the_program_for_64_kb_keeps_to_its_budget() {
    let output = ended(&["size", "lm3s6965evb", "--json"], 0);
    let bill: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(number(&item(&bill["flash"], "text")["bytes"]) <= 72 * 1024, "{bill}");
    assert_eq!(number(&bill["ram"]["len"]), 64 * 1024);
    assert!(number(&bill["ram"]["used"]) <= 64 * 1024, "{bill}");
}

#[test]
fn too_many_clients_fail_with_the_bill_and_leave_other_programs_alone() {
    let before = ended(&["build", "lm3s6965evb"], 0);
    let program = fs::read(last_line(&before)).expect("the program");

    let output = ended(&["size", "lm3s6965evb", "--max-conns", "60", "--json"], 1);
    let bill: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(bill["fits"], Value::Bool(false));
    let (used, len) = (number(&bill["ram"]["used"]), number(&bill["ram"]["len"]));
    assert_eq!(number(&bill["ram"]["excess"]), used - len);
    assert_eq!(sum(&bill["ram"]), used);
    assert!(text(&output.stderr).contains("60 chat clients do not fit the memory of lm3s6965evb"));

    let output = ended(&["build", "lm3s6965evb", "--max-conns", "60"], 1);
    assert_eq!(text(&output.stdout), "", "there is no program");
    let bill = text(&output.stderr);
    assert!(bill.contains("\nA client takes "), "{bill}");
    for line in ["log", "table", "queues and lines", "socket buffers", "stack", "too much"] {
        assert!(bill.contains(&format!("\n  {line} ")), "{line} in {bill}");
    }
    assert!(
        fs::read(last_line(&before)).expect("the program") == program,
        "the program of another variant changed"
    );
}

#[test]
fn what_was_chosen_is_in_the_program_and_in_its_name() {
    let args =
        ["build", "lm3s6965evb", "--max-conns", "4", "--address", "10.1.2.3/16", "--gateway", "10.1.0.1"];
    let output = ended(&args, 0);
    let path = Path::new(last_line(&output));
    let name = path.file_name().expect("a name").to_string_lossy();
    assert_eq!(name, "lm3s6965evb-4-10.1.2.3-16-10.1.0.1.elf");
    let said = text(&output.stderr).lines().find(|line| line.starts_with("firmware: thumbv7m-none-eabi: "));
    assert!(said.is_some_and(|line| line.contains("rustc, core library ")), "what it is built with");
}

#[test]
fn a_client_takes_what_the_bill_says() {
    let ram = |clients: &str| {
        let output = ended(&["size", "lm3s6965evb", "--json", "--max-conns", clients], 0);
        let bill: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        bill["ram"].clone()
    };
    let (few, more) = (ram("4"), ram("12"));
    let (taken, billed) = (number(&more["used"]) - number(&few["used"]), 8 * number(&few["each"]));
    // Shares are whole bytes, and the gaps between variables differ.
    assert!(taken.abs_diff(billed) < 100, "8 clients take {taken} bytes, the bill says {billed}");
}

#[test]
fn what_cannot_be_asked_for_is_said_in_a_line() {
    let board = "lm3s6965evb";
    let cases: [(&[&str], &str); 15] = [
        (&["size", "lm3s"], "invalid value 'lm3s' for '<BOARD>'"),
        (&["build"], "<BOARD>"),
        (&["build", board, "--max-conns", "0"], "'0' for '--max-conns <N>'"),
        (&["build", board, "--max-conns", "many"], "'many' for '--max-conns <N>'"),
        (&["build", board, "--address", "10.0.0.2", "--gateway", "10.0.0.1"], "'10.0.0.2' for '--address"),
        (&["build", board, "--address", "10.0.0.2/24"], "--gateway <A.B.C.D>"),
        (&["build", board, "--gateway", "10.0.0.1"], "--address <A.B.C.D/N>"),
        (
            &["build", board, "--address", "10.0.0.0/24", "--gateway", "10.0.0.1"],
            "is not the address of a host",
        ),
        (
            &["build", board, "--address", "10.0.0.2/24", "--gateway", "10.0.1.1"],
            "is not another host in the network",
        ),
        (&["run", board, "--grace", "soon"], "'soon' for '--grace <DURATION>'"),
        (&["run", board, "--chat", "65536"], "'65536' for '--chat <PORT>'"),
        (&["run", board, "--chat", "65535"], "there is no port after 65535 for echo"),
        (&["run", board, "--line-limit", "129"], "--line-limit takes at most 128 bytes on this board"),
        (&["run", board, "--log-size", "64"], "--log-size must be at least"),
        (&["run", "nucleo-f429zi", "--grace", "1s"], "nucleo-f429zi is not emulated"),
    ];
    for (args, words) in cases {
        let output = ended(args, 2);
        let said = text(&output.stderr);
        assert!(said.contains(words), "{args:?} says {said}");
        assert!(!said.contains("core library"), "{args:?} has built something");
    }
}

#[test]
fn a_command_that_is_not_installed_is_named_before_anything_is_built() {
    let nowhere = tempfile::tempdir().expect("a temporary folder");
    for (board, words) in [("lm3s6965evb", "apt install qemu-system-arm"), ("nucleo-f429zi", "cargo install")]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firmware"));
        let output = command.args(["run", board]).env("PATH", nowhere.path()).output();
        let output = output.expect("the runner starts");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("is not installed: ") && said.contains(words), "{said}");
    }
}

#[test]
fn what_went_wrong_is_told_with_its_cause() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("program.elf");
    let logs = || {
        let output = ended(&["logs", path.to_str().expect("text")], 1);
        text(&output.stderr).to_owned()
    };
    let file = format!("firmware: cannot read or write {}: No such file", path.display());
    assert!(logs().starts_with(&file), "{}", logs());
    fs::write(&path, "no program").expect("a writable folder");
    let said = logs();
    assert!(said.starts_with("firmware: the program's log cannot be understood: "), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn the_list_has_every_board() {
    let output = ended(&["boards"], 0);
    let rows: Vec<Vec<_>> =
        text(&output.stdout).lines().map(|row| row.split_whitespace().collect()).collect();
    let named: Vec<_> = rows.iter().map(|row| (row[0], row[1])).collect();
    assert_eq!(named, BOARDS.iter().map(|board| (board.name, board.target)).collect::<Vec<_>>());
}
