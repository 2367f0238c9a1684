//! Random events against the hub and against a naive model of it: queues of
//! copies, no log, no cursors. What waits for a connection must be, byte for
//! byte, what the model says.
//!
//! The model learns from the hub how much of an input was taken, and from
//! observers that are always up to date in which order rooms were told what could
//! not be told at once; all else it knows for itself. It knows nothing of
//! sockets: a case is a seed.

mod case;
mod checks;
mod peer;
mod reader;
mod rules;

pub use case::Case;

/// Events in a case.
pub const EVENTS: usize = 200;

/// Runs the case of a seed; panics when hub and model differ.
pub fn run(seed: u64) {
    Case::run(seed, EVENTS);
}
