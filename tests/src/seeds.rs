//! The seeds that random tests play: one policy for all of them.
//!
//! An ordinary run plays the same seeds every time, on every machine. So it fails only because of a
//! change. With `PARLOUR_CASES=N` it plays N new seeds in a row from a random one on, and with
//! `PARLOUR_CASES=N@SEED` from that one on. `PARLOUR_SEED=SEED` plays that one only. Every seed is
//! printed when it is played, and `cargo test` shows this if a test fails. A seed that fails is printed
//! with the command that plays it again.

use std::env;
use std::panic;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Seeds in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds {
    first: u64,
    count: u64,
}

impl Seeds {
    /// The seeds to play, as the environment asks. An ordinary run plays `usual` of them.
    ///
    /// # Panics
    /// If it asks for something that is no number.
    #[must_use]
    pub fn chosen(usual: u64) -> Self {
        let [cases, seed] = ["PARLOUR_CASES", "PARLOUR_SEED"].map(|name| env::var(name).ok());
        Self::choose(usual, cases.as_deref(), seed.as_deref(), || fastrand::u64(..))
    }

    /// As [`Seeds::chosen`], for a test that takes long: never more than `usual`.
    ///
    /// # Panics
    /// If the environment asks for something that is no number.
    #[must_use]
    pub fn chosen_few(usual: u64) -> Self {
        let Self { first, count } = Self::chosen(usual);
        Self { first, count: count.min(usual) }
    }

    fn choose(usual: u64, cases: Option<&str>, seed: Option<&str>, random: impl FnOnce() -> u64) -> Self {
        match (seed, cases.map(|cases| cases.split_once('@').ok_or(cases))) {
            (Some(seed), _) => Self { first: number(seed), count: 1 },
            (None, Some(Ok((count, first)))) => Self { first: number(first), count: number(count) },
            (None, Some(Err(count))) => Self { first: random(), count: number(count) },
            (None, None) => Self { first: 0, count: usual },
        }
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = u64> {
        (0..self.count).map(move |number| self.first.wrapping_add(number))
    }

    /// One after the other, each of which is printed as it is played.
    pub fn one_by_one(self, name: &str) -> impl Iterator<Item = u64> {
        self.iter().inspect(move |seed| println!("{name}: again with PARLOUR_SEED={seed}"))
    }
}

/// The seed of a test that plays only one.
///
/// # Panics
/// If the environment asks for something that is no number.
#[must_use]
pub fn one(name: &str) -> u64 {
    Seeds::chosen_few(1).one_by_one(name).next().expect("PARLOUR_CASES is not 0")
}

/// A kind of random test that `parlour-tests VERB SEED` plays again.
pub struct Kind {
    /// The verb.
    pub verb: &'static str,
    /// A description of it.
    pub what: &'static str,
    /// Plays a seed. Panics if something is wrong.
    pub play: fn(u64),
    /// Seeds that failed once, each with what was wrong.
    pub once_failed: &'static [(u64, &'static str)],
}

impl Kind {
    /// Plays as many seeds as are asked for, `usual` of them in an ordinary run, in as many
    /// threads as there are processors, until one fails.
    ///
    /// # Panics
    /// If one fails.
    pub fn play_all(&self, usual: u64) {
        let seeds = Seeds::chosen(usual);
        println!("{}: PARLOUR_CASES={}@{}", self.verb, seeds.count, seeds.first);
        let (next, has_failed) = (AtomicU64::new(0), AtomicBool::new(false));
        let work = || {
            while !has_failed.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= seeds.count {
                    return;
                }
                if !self.plays(seeds.first.wrapping_add(number)) {
                    has_failed.store(true, Ordering::Relaxed);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(work);
            }
        });
        assert!(!has_failed.into_inner(), "{} failed, see above", self.verb);
    }

    /// Plays the seeds that failed once.
    ///
    /// # Panics
    /// If one of them fails again.
    pub fn play_what_failed_once(&self) {
        for (seed, what) in self.once_failed {
            println!("{}: {what}", self.verb);
            assert!(self.plays(*seed), "it fails again: {what}");
        }
    }

    /// Plays a seed, and says how to play it again if it fails.
    fn plays(&self, seed: u64) -> bool {
        let has_passed = panic::catch_unwind(|| (self.play)(seed)).is_ok();
        if !has_passed {
            let verb = self.verb;
            eprintln!("seed {seed} failed; again: cargo run -p parlour-tests -- {verb} {seed}");
        }
        has_passed
    }
}

/// Every kind of random test that is played again by its seed alone.
pub const KINDS: &[Kind] = &[PROPERTIES, TOLD, SIMULATION];

/// Random events against a hub and its naive model.
pub const PROPERTIES: Kind = Kind {
    verb: "properties",
    what: "random events against a hub and its naive model",
    play: crate::model::run,
    once_failed: &[
        (
            877_481_905_382_604_840,
            "a client that had ended, and whose last line used up its rate, was told what came after",
        ),
        (16_869_793_491_576_623_750, "the model took a relayed line for another one that begins like it"),
        (13_464_866_583_199_513_480, "a line that waited for its turn was taken for one that has begun"),
        (3_782, "the model announced a newcomer whose first line had begun too early"),
        (8_283_732_384_780_655_836, "the model took the end of half a line for the end of a line elsewhere"),
    ],
};

/// What clients are told, against one list of all that was said.
pub const TOLD: Kind = Kind {
    verb: "told",
    what: "what clients are told, against one list of all that was said",
    play: |seed| {
        crate::told::run(seed);
    },
    once_failed: &[
        (83, "one that left while it was behind was not told the rest"),
        (411, "after a restore into a larger log the hub asked for a page of which nothing was said"),
        (2_784, "the same in a relay, whose client was then disconnected"),
        (27_718, "the model took what one had proposed that was gone for the words of another of its name"),
    ],
};

/// One life of a hub on the simulated network.
pub const SIMULATION: Kind = Kind {
    verb: "simulation",
    what: "one life of a hub on the simulated network",
    play: |seed| {
        crate::sim::run(seed);
    },
    once_failed: &[],
};

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("{text} is no number of cases, and no seed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(cases: Option<&str>, seed: Option<&str>) -> Vec<u64> {
        Seeds::choose(3, cases, seed, || u64::MAX).iter().collect()
    }

    #[test]
    fn an_ordinary_run_plays_the_same_seeds_every_time() {
        assert_eq!(choose(None, None), [0, 1, 2]);
    }

    #[test]
    fn as_many_new_seeds_as_are_asked_for_start_anywhere() {
        assert_eq!(choose(Some("2"), None), [u64::MAX, 0]);
    }

    #[test]
    fn a_run_of_new_seeds_can_be_played_again() {
        assert_eq!(choose(Some("2@5"), None), [5, 6]);
    }

    #[test]
    #[should_panic(expected = "many is no number")]
    fn what_is_no_number_is_not_passed_over() {
        choose(Some("many"), None);
    }

    #[test]
    fn a_seed_that_is_asked_for_is_played_alone() {
        assert_eq!(choose(None, Some("7")), [7]);
        assert_eq!(choose(Some("2"), Some("7")), [7]);
    }

    const FAILS_AT_FIVE: Kind =
        Kind { verb: "test", what: "", play: |seed| assert_ne!(seed, 5), once_failed: &[(5, "it was 5")] };

    #[test]
    #[should_panic(expected = "test failed")]
    fn a_seed_that_fails_makes_the_whole_fail() {
        FAILS_AT_FIVE.play_all(10);
    }

    #[test]
    #[should_panic(expected = "it fails again: it was 5")]
    fn what_failed_once_must_not_fail_again() {
        FAILS_AT_FIVE.play_what_failed_once();
    }
}
