//! What clients are told against one list of all that was said: see `parlour_tests::told`.

use parlour_tests::seeds::TOLD;

#[test]
fn each_client_is_told_what_was_said() {
    TOLD.play_all(1_000);
}

#[test]
fn what_failed_once_does_not_fail_again() {
    TOLD.play_what_failed_once();
}
