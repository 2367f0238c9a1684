//! The core against its naive model: see `parlour_tests::model`.
//!
//! `PARLOUR_CASES` sets the number of cases; a failing one is replayed by
//! `cargo run -p parlour-tests -- properties SEED`.

use std::panic;

const CASES: u64 = 10_000;

#[test]
fn the_hub_does_what_its_model_does() {
    let cases = std::env::var("PARLOUR_CASES").map_or(CASES, |text| text.parse().expect("a number of cases"));
    let first = std::env::var("PARLOUR_SEED").map_or_else(|_| fastrand::u64(..), |s| s.parse().unwrap());
    for case in 0..cases {
        let seed = first.wrapping_add(case);
        if let Err(cause) = panic::catch_unwind(|| parlour_tests::model::run(seed)) {
            eprintln!("seed {seed}; again: cargo run -p parlour-tests -- properties {seed}");
            panic::resume_unwind(cause);
        }
    }
    println!("{cases} cases from seed {first}");
}
