//! Random events against a hub with other encodings, history, catch-up and proposals, all at once, and
//! against one list of everything that was said.
//!
//! A follower that is always up to date writes the list. From it alone follows what a client must be told:
//! what was said in its room since it came, but for what it said itself, and before that the last messages
//! of the room, each as this client sees it. What came out must be that,
//! in this order. What it has asked for of the past may stand anywhere between. Where something is left out, the client must have been told so. `model` knows what
//! happens when; this knows only what each client gets in the end.

mod case;
mod client;
mod council;
mod events;
mod limits;
mod looks;
mod moves;
mod observe;
mod render;
mod said;
mod settle;
mod store;
mod tally;

use self::case::Case;
pub use self::tally::{Tally, WHAT};

/// Events in a case.
const EVENTS: usize = 300;

/// Runs the case of a seed; panics when a client is told something else than it should be.
pub fn run(seed: u64) -> Tally {
    Case::run(seed, EVENTS)
}
