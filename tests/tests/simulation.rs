//! Random lives of a hub on a simulated network, many of them; for what is played see
//! `parlour_tests::seeds`.

use parlour_tests::seeds::SIMULATION;

#[test]
fn whatever_happens_nobody_is_harmed_and_everything_drains() {
    SIMULATION.play_all(4_000);
}
