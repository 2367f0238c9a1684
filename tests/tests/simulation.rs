//! Random lives of a hub on a simulated network, many of them.
//!
//! `PARLOUR_SEEDS` says how many, `PARLOUR_SEED` plays only one.

use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};

use parlour_tests::sim;

const SEEDS: u64 = 4_000;

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} is no number: {value}")))
}

fn play(seed: u64) -> Option<u64> {
    let result = panic::catch_unwind(|| sim::run(seed));
    if result.is_err() {
        eprintln!("seed {seed} failed; again: cargo run -p parlour-tests -- simulation {seed}");
    }
    result.is_err().then_some(seed)
}

#[test]
fn whatever_happens_nobody_is_harmed_and_everything_drains() {
    if let Some(seed) = number("PARLOUR_SEED") {
        assert_eq!(play(seed), None);
        return;
    }
    let (seeds, next) = (number("PARLOUR_SEEDS").unwrap_or(SEEDS), AtomicU64::new(0));
    let work = || -> Vec<u64> {
        std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed))
            .take_while(|&seed| seed < seeds)
            .filter_map(play)
            .collect()
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let failed: Vec<u64> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("panics are caught")).collect()
    });
    assert!(failed.is_empty(), "seeds that failed: {failed:?}");
}
