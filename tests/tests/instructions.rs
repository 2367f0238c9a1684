//! The cost of the core in instructions, counted by valgrind and held to a budget. Other load on the
//! machine does not change it.
//!
//! The counts depend on the compiler, and a little on the C library's memcpy for the
//! processor at hand. Where one of those is new and nothing is slower, write down the
//! new figures; where the core got better, too.

use std::path::{Path, PathBuf};
use std::process::Command;

use parlour_tests::programs;

/// How far above the budget does not count as a regression yet.
const SLACK: f64 = 1.03;

/// Instructions for each message that is delivered to one client, in a work of
/// `core/examples/instructions.rs`.
const BUDGET: &[(&str, f64)] = &[("bulk", 2.81), ("bulk-relay", 0.92), ("lockstep", 32.63), ("ahead", 4.79)];

/// How much more a delivery between two clients may cost among 100,000 than among 100, while
/// all the others are silent but have deadlines. The heap of the deadlines is ten levels
/// deeper then, at some 25 instructions each, which makes 7 % of what a delivery costs; a
/// single instruction for each of the silent would make more than 2,000 %.
const DEEPER: f64 = 1.1;

/// Calls that have to do with everybody among 10,000, and what one may cost: a few milliseconds on
/// a slow machine.
const CALLS: [&str; 3] = ["end", "cut", "msg"];
const MOST_A_CALL: f64 = 4_000_000.0;

fn program() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "-p", "parlour-core", "--example", "instructions"])
        .current_dir(&workspace)
        .status();
    assert!(built.expect("cargo runs").success());
    programs::target().join("release/examples/instructions")
}

/// Messages that were delivered in so many rounds of a work, and instructions.
fn count(program: &Path, work: &str, rounds: usize) -> (f64, f64) {
    let output = Command::new(programs::found("valgrind", "valgrind"))
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([work, &rounds.to_string()])
        .output()
        .expect("valgrind runs");
    let (said, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{log}");
    let collected = log.lines().find_map(|line| line.split_once("Collected : ")).expect("a count").1;
    (said.trim().parse().expect("a number"), collected.trim().parse().expect("a number"))
}

/// Instructions for each message, from runs of so many rounds.
fn each(program: &Path, work: &str, rounds: [usize; 2]) -> f64 {
    // Both runs contain the cost of the start, so it cancels out.
    let [few, many] = rounds.map(|rounds| count(program, work, rounds));
    (many.1 - few.1) / (many.0 - few.0)
}

#[test]
fn a_delivery_costs_no_more_than_its_budget() {
    let program = program();
    let mut is_kept = true;
    for (work, budget) in BUDGET {
        let each = each(&program, work, [4, 12]);
        println!("{work}: {each:.2} instructions for each delivery; the budget is {budget:.2}");
        is_kept &= each <= budget * SLACK;
    }
    assert!(is_kept, "see above");
}

#[test]
fn who_is_silent_costs_nothing() {
    let program = program();
    // In each round deadlines come, and a delivery is made by that.
    let [few, many] = ["among-100", "among-100000"].map(|work| each(&program, work, [4, 504]));
    println!("{few:.0} instructions for each delivery among 100, {many:.0} among 100,000");
    assert!(many <= few * DEEPER, "it costs {many:.0} instructions instead of {few:.0}");
}

/// How much more a delivery may cost if its receiver is in many rooms, of which one is busy.
const QUIET_ROOMS: f64 = 1.05;

#[test]
fn quiet_rooms_cost_their_members_nothing() {
    let program = program();
    for (work, of_one) in [("many-rooms-bulk", "bulk"), ("many-rooms-lockstep", "lockstep")] {
        let [many, one] = [work, of_one].map(|work| each(&program, work, [4, 12]));
        println!("{work}: {many:.2} instructions for each delivery; {one:.2} in one room");
        assert!(many <= one * QUIET_ROOMS, "{work} costs {many:.2} instead of {one:.2}");
    }
}

/// How much more a receiver may cost if it has another encoding than the chat's.
const SECOND_ENCODING: f64 = 1.1;

/// To render a record costs something, but only once. What one receiver more costs is found by a hundred
/// more of them.
#[test]
fn a_receiver_costs_the_same_in_every_encoding() {
    let program = program();
    let of_receivers = |few: &str, many: &str| {
        let [few, many] = [few, many].map(|work| {
            let [start, end] = [4, 12].map(|rounds| count(&program, work, rounds));
            (end.0 - start.0, end.1 - start.1)
        });
        (many.1 - few.1) / (many.0 - few.0)
    };
    let (chat, json) = (of_receivers("bulk", "bulk-201"), of_receivers("bulk-json", "bulk-json-201"));
    println!(
        "{json:.3} instructions for each delivery in JSON to one more receiver; {chat:.3} in the chat's lines"
    );
    assert!(json <= chat * SECOND_ENCODING, "it costs {json:.3} instead of {chat:.3}");
}

#[test]
fn no_call_takes_long_however_many_it_has_to_do_with() {
    let program = program();
    for call in CALLS {
        let each = each(&program, call, [2, 8]);
        println!("{call}: {each:.0} instructions for each call among 10,000");
        assert!(each <= MOST_A_CALL, "{call} costs {each:.0} instructions a call");
    }
}
