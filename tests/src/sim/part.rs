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

/// A part; its methods panic where the hub broke a rule.
pub(super) trait Part {
    /// Writes something, unless it has to wait for an answer.
    fn write(&mut self, rng: &mut fastrand::Rng, ledger: &mut Ledger, out: &mut Outbox);
    /// Takes the received bytes from the front that it can verify by now.
    fn read(&mut self, ledger: &mut Ledger, received: &mut Vec<u8>);
    /// Whether it has written everything, and waits for nothing.
    fn is_done(&self) -> bool;
    /// Whether it waits for an answer before it goes on.
    fn is_waiting(&self) -> bool {
        false
    }
    /// Everything has come to rest; it was connected all the time. `ended` says
    /// of which clients of its kind it is unknown how much the hub has taken.
    fn check_rest(&self, ledger: &Ledger, is_unsure: &dyn Fn(usize) -> bool);
    /// Written behind everything else when it leaves in order.
    fn farewell(&self) -> &'static str {
        ""
    }
}

/// A number that looks random and is the same for the same arguments.
pub(super) fn scramble(a: usize, b: u32, c: u32) -> u64 {
    let seed = (a as u64) << 48 ^ u64::from(b) << 24 ^ u64::from(c);
    fastrand::Rng::with_seed(seed).u64(..)
}
