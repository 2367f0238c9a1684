//! Small worlds, searched whole: see `parlour_tests::worlds`.

use parlour_core::{OnLag, Protocol};
use parlour_tests::worlds::Step::{self, Accept, Say, Take, Tick};
use parlour_tests::worlds::World;

/// Three clients are in one room. They know of each other, and have read everything.
const KNOWN: &[Step] = &[Accept, Take(0), Accept, Take(1), Accept, Take(2), Tick, Take(0), Take(1), Take(2)];

/// The room is closed: two of them do not read.
const CLOSED: &[Step] = &[
    Accept,
    Take(0),
    Accept,
    Take(1),
    Accept,
    Take(2),
    Tick,
    Take(0),
    Take(1),
    Take(2),
    Tick,
    Say(0),
    Say(0),
];

#[test]
fn everything_from_an_empty_hub() {
    check("an empty hub", Protocol::Chat, OnLag::Disconnect, &[], 6);
}

#[test]
fn everything_among_three_who_know_of_each_other() {
    check("three in a room", Protocol::Chat, OnLag::Disconnect, KNOWN, 4);
}

#[test]
fn everything_in_a_closed_room() {
    check("a closed room", Protocol::Chat, OnLag::Disconnect, CLOSED, 4);
}

#[test]
fn everything_in_a_closed_room_in_which_members_may_jump_ahead() {
    check("a closed room, with gaps", Protocol::Chat, OnLag::Skip, CLOSED, 4);
}

#[test]
fn everything_in_a_relay() {
    check("a relay", Protocol::Relay, OnLag::Disconnect, &[Accept, Accept, Accept], 5);
}

fn check(name: &'static str, protocol: Protocol, on_lag: OnLag, start: &'static [Step], depth: usize) {
    let searched = World { name, protocol, on_lag, start, depth }.search();
    assert!(searched.states > 1_000, "{searched:?}");
}
