//! What clients are told against one list of all that was said: see `parlour_tests::told`.

use parlour_tests::seeds::TOLD;
use parlour_tests::told::{self, Tally};

#[test]
fn each_client_is_told_what_was_said() {
    TOLD.play_all(30_000);
}

#[test]
fn what_failed_once_does_not_fail_again() {
    TOLD.play_what_failed_once();
}

#[test]
fn cases_lead_everywhere() {
    let mut tally = Tally::default();
    (0..300).for_each(|seed| tally.add(&told::run(seed)));
    for what in told::WHAT {
        assert!(tally.count(what) > 10, "{what}: {tally:?}");
    }
    println!("{tally:?}");
}
