//! The part of a simulated client. It writes bytes that can be verified, and verifies the bytes that it
//! reads against the ledger of everybody's bytes.

use crate::outbox::Outbox;

/// The ledger of everybody's bytes. All parts share it.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// How many messages each talker said in each of its stays in a room.
    pub(super) said: Vec<Vec<u32>>,
    /// How many lines each relay client sent.
    pub(super) relayed: Vec<u32>,
    /// Relay clients that reset their connection, perhaps within a line.
    pub(super) relays_reset: Vec<usize>,
    /// Direct messages that the hub told `from` it had taken for `to`: `(from, to)`.
    pub(super) confirmed: Vec<(usize, usize)>,
    /// Everybody may begin.
    pub(super) has_begun: bool,
}

/// A part. Its methods panic if the hub broke a rule.
pub(super) trait Part {
    /// Writes something, unless it has to wait for an answer.
    fn write(&mut self, rng: &mut fastrand::Rng, ledger: &mut Ledger, out: &mut Outbox);
    /// Takes from the front of `received` the bytes that it can verify now.
    fn read(&mut self, ledger: &mut Ledger, received: &mut Vec<u8>);
    /// Whether it has written everything, and waits for nothing.
    fn is_done(&self) -> bool;
    /// Whether it waits for an answer before it goes on.
    fn is_waiting(&self) -> bool {
        false
    }
    /// Checks a client that was connected all the time, after everything has come to rest. `is_unsure`
    /// names the clients of its kind whose input may be only partly taken.
    fn check_rest(&self, ledger: &Ledger, is_unsure: &dyn Fn(usize) -> bool);
    /// Its last bytes when it leaves in order.
    fn farewell(&self) -> &'static str {
        ""
    }
}

/// A number that looks random and is the same for the same arguments.
pub(super) fn scramble(a: usize, b: u32, c: u32) -> u64 {
    let seed = (a as u64) << 48 ^ u64::from(b) << 24 ^ u64::from(c);
    fastrand::Rng::with_seed(seed).u64(..)
}
