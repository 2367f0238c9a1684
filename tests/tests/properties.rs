//! The core against its naive model: see `parlour_tests::model`. `parlour_tests::seeds` says which cases
//! are played.

use parlour_tests::seeds::PROPERTIES;

#[test]
fn the_hub_does_what_its_model_does() {
    PROPERTIES.play_all(50_000);
}

#[test]
fn what_failed_once_does_not_fail_again() {
    PROPERTIES.play_what_failed_once();
}
