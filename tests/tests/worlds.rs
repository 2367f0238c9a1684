//! Small worlds, searched whole: see `parlour_tests::worlds`.

use parlour_core::{OnLag, Protocol};
use parlour_tests::worlds::World;

/// Nobody is there yet.
const EMPTY: World =
    World { name: "an empty hub", protocol: Protocol::Chat, on_lag: OnLag::Disconnect, start: &[], depth: 5 };

#[test]
fn from_an_empty_hub() {
    let _ = EMPTY.search();
}
