//! Many random lives of a hub on a simulated network. `parlour_tests::seeds` says which are played.

use parlour_tests::seeds::SIMULATION;

#[test]
fn whatever_happens_nobody_is_harmed_and_everything_drains() {
    SIMULATION.play_all(4_000);
}
