//! The core against its naive model: see `parlour_tests::model`.
//!
//! `PARLOUR_CASES` sets the number of cases; a failing one is replayed by
//! `cargo run -p parlour-tests -- properties SEED`.

use std::panic;
use std::thread;

const CASES: u64 = 50_000;

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

fn run(seed: u64) {
    if let Err(cause) = panic::catch_unwind(|| parlour_tests::model::run(seed)) {
        eprintln!("seed {seed} failed; again: cargo run -p parlour-tests -- properties {seed}");
        panic::resume_unwind(cause);
    }
}
