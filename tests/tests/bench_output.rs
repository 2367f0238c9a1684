//! The output of `parlour-bench` besides faults: the server's processes, their use, and the names of all
//! figures.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use parlour_tests::load::{self, reports};
use parlour_tests::server::Server;
use parlour_tests::sys;
use serde_json::{Value, json};

/// The only report of a run with these arguments.
#[track_caller]
fn report(args: &[&str]) -> Value {
    let (reports, code) = reports(args);
    let [report] = &reports[..] else { panic!("{args:?}: {reports:#?}") };
    assert_eq!(code, Some(0), "{report:#}");
    report.clone()
}

/// The server's memory in a report, if there is any.
fn memory(report: &Value) -> Option<u64> {
    report["memory"].as_u64()
}

#[test]
fn the_servers_process_is_found_by_its_address() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = format!("unix:{}", directory.path().join("a hub").display());
    let server = Server::start(&["--relay", "0", "--relay", "[::]:0", "--relay", &socket]);
    for (_, address) in server.listening() {
        let (found, _) = load::json(&[address, "fan:3"]);
        assert_eq!(found["pids"], json!([server.pid()]), "{address}: {found:#}");
        let report = &found["reports"][0];
        assert!(memory(report) > Some(100_000) && report["cpu_each"].as_f64() > Some(0.0), "{report:#}");
        for off in ["none", "off"] {
            let (off, _) = load::json(&[address, "fan:3", "--pid", off]);
            let report = &off["reports"][0];
            assert_eq!((&off["pids"], memory(report)), (&json!([]), None), "{off:#}");
            assert!(report["cpu_each"].is_null() && report["cpu_server"].is_null(), "{report:#}");
        }
    }
    server.stop();
}

/// All names in an object and in its inner objects, without the kinds of faults.
fn names<'a>(value: &'a Value, to: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                to.insert(name);
                if !name.ends_with("faults") {
                    names(value, to);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| names(value, to)),
        _ => {}
    }
}

#[test]
fn tables_json_and_help_use_the_same_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal.db").display().to_string();
    let server = Server::start(&["--relay", "0", "--journal", &journal]);
    let address = server.address("relay");
    let lines = [address, "fan:3", "latency:3", "--stall", "1", "--journal", &journal];
    let silence = [address, "idle:5"];
    let (table, idle) = (load::run(&lines).stdout, load::run(&silence).stdout);
    let heads: Vec<_> = table.iter().chain(&idle).filter(|line| line.starts_with("work ")).collect();
    assert_eq!(heads.len(), 4, "{table:#?} {idle:#?}");
    let (of_lines, of_silence) = (load::json(&lines).0, load::json(&silence).0);
    let mut in_json = BTreeSet::new();
    names(&of_lines, &mut in_json);
    names(&of_silence, &mut in_json);
    let help = load::run(&["--help"]).stdout;
    let explained = |name: &str| help.iter().any(|line| line.starts_with(&format!("  {name} ")));
    for name in heads.iter().flat_map(|head| head.split_whitespace()) {
        assert!(in_json.contains(name), "{name} is a column, and not in the JSON: {in_json:?}");
    }
    for name in in_json {
        assert!(explained(name), "{name} is in the JSON, and not in --help: {help:#?}");
    }
    for (name, unit) in [("throughput", "lines/s"), ("cpu_each", "ns"), ("p99", "us"), ("longest_pause", "s")]
    {
        let line = help.iter().find(|line| line.starts_with(&format!("  {name} "))).expect("explained");
        assert_eq!(line.split_whitespace().nth(1), Some(unit), "{line}");
    }
    server.stop();
}

#[test]
fn the_json_says_of_what_when_and_by_what_it_is() {
    let server = Server::start(&["--relay", "0"]);
    let before = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time").as_secs();
    let (json, _) = load::json(&[server.address("relay"), "fan:3"]);
    assert_eq!(json["address"], server.address("relay"));
    let version = load::run(&["--version"]).stdout;
    assert_eq!(version, [format!("parlour-bench {}", json["version"].as_str().expect("a text"))]);
    let mut date = Command::new("date");
    date.arg("-u").args(["+%s", "-d"]).arg(json["time"].as_str().expect("a text"));
    let date = date.output().expect("date runs").stdout;
    let time: u64 = String::from_utf8_lossy(&date).trim().parse().expect("a time that date(1) reads");
    assert!((before..before + 3600).contains(&time), "{}", json["time"]);
    assert!(json["time"].as_str().expect("a text").ends_with('Z'), "{}", json["time"]);
    server.stop();
}

#[test]
fn a_line_may_be_given_with_a_unit() {
    let server = Server::start(&["--relay", "0", "--line-limit", "2000"]);
    let address = server.address("relay");
    assert_eq!(report(&[address, "fan:3", "--line", "1k"])["line"], 1024);
    for (line, words) in [
        ("12x", "12x: the unit \"x\" is unknown; use k, M or G, as in 64k"),
        ("1M", "a line has 40 to 16384 bytes"),
    ] {
        let ended = load::run(&[address, "fan:3", "--line", line]);
        let [told] = &ended.stderr[..] else { panic!("{line}: {ended:#?}") };
        assert!(told.contains(words), "{told}");
        assert_eq!(ended.code, Some(2), "{line}");
    }
    server.stop();
}

#[test]
fn several_processes_are_added_up() {
    let (server, other) = (Server::start(&["--relay", "0"]), Server::start(&["--relay", "0"]));
    let (one, two) = (server.pid().to_string(), other.pid().to_string());
    let address = server.address("relay");
    let alone = memory(&report(&[address, "fan:3", "--pid", &one])).expect("memory");
    for args in [&["--pid", &format!("{one},{two}")][..], &["--pid", &one, "--pid", &two]] {
        let both = memory(&report(&[&[address, "fan:3"], args].concat())).expect("memory");
        assert!(both > alone / 2 * 3, "{args:?}: {both} bytes, one has {alone}");
    }
    let twice = memory(&report(&[address, "fan:3", "--pid", &one, "--pid", &one])).expect("memory");
    assert!(twice < alone / 2 * 3, "a process counts once: {twice} bytes, it has {alone}");
    server.stop();
    other.stop();
}

#[test]
fn a_process_that_may_not_be_seen_is_told_of() {
    const NOBODY: u32 = 65534;
    // Root sees all processes, so the test runs a copy as another user.
    let is_root = fs::metadata("/proc/self").expect("this process").uid() == 0;
    sys::hide_descriptors().expect("a request of Linux");
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("a folder of our own");
    let program = folder.path().join("parlour-bench");
    fs::copy(load::binary(), &program).expect("a copy");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    for (args, is_told) in [(&[][..], true), (&["--pid", "none"], false)] {
        let mut command = Command::new(&program);
        command.args([&address, "fan:1", "--patience", "100ms"]).args(args).stdin(Stdio::null());
        if is_root {
            command.uid(NOBODY);
        }
        let ended = Server::run_command(command);
        let note = format!("the process that listens at {address} belongs to another user");
        let told = ended.stderr.iter().any(|line| line.contains(&note) && line.contains("--pid PID"));
        assert_eq!(told, is_told, "{ended:#?}");
    }
}

#[test]
fn a_wrong_number_is_told_with_what_would_be_right() {
    for (args, words) in [
        (&["--pid", "parlour"][..], "write one as in --pid 4711, or none"),
        (&["--cpu", "1000"], "--cpu: there is no such processor, or this process may not use it"),
        (&["--pid", "1,x"], "\"x\" is not a process number"),
        (
            &["--pid", "none", "--pid", "1"],
            "--pid none measures no process; leave it out, or the other --pid",
        ),
    ] {
        let ended = load::run(&[&["5000", "fan:3"], args].concat());
        let [line] = &ended.stderr[..] else { panic!("{args:?}: {ended:#?}") };
        assert!(line.contains(words), "{line}");
        assert_eq!(ended.code, Some(2), "{args:?}");
    }
}
