//! The core against its naive model: see `parlour_tests::model`.
//!
//! `PARLOUR_CASES` sets the number of cases; a failing one is replayed by
//! `cargo run -p parlour-tests -- properties SEED`.

use std::panic;
use std::thread;

const CASES: u64 = 50_000;

/// Cases that failed once, each with what was wrong.
const ONCE_FAILED: &[(u64, &str)] = &[
    (
        877_481_905_382_604_840,
        "a client that had ended, and whose last line used up its rate, was told what came after",
    ),
    (16_869_793_491_576_623_750, "the model took a relayed line for another one that begins like it"),
];

#[test]
fn the_hub_does_what_its_model_does() {
    let cases = std::env::var("PARLOUR_CASES").map_or(CASES, |text| text.parse().expect("a number of cases"));
    let first = fastrand::u64(..);
    let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
    thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                (thread..cases).step_by(threads as usize).for_each(|case| run(first.wrapping_add(case)));
            });
        }
    });
    println!("{cases} cases from seed {first}");
}

#[test]
fn what_failed_once_does_not_fail_again() {
    for (seed, what) in ONCE_FAILED {
        println!("{what}");
        run(*seed);
    }
}

fn run(seed: u64) {
    if let Err(cause) = panic::catch_unwind(|| parlour_tests::model::run(seed)) {
        eprintln!("seed {seed} failed; again: cargo run -p parlour-tests -- properties {seed}");
        panic::resume_unwind(cause);
    }
}
