//! Echo: every byte comes back to its sender in order (RFC 862).

use crate::conn::Slot;
use crate::event::{Cause, Instant};
use crate::exchange::Exchange;
use crate::protocol::Behaviour;

/// The echo protocol. The private queue is all the memory it has: when the
/// peer stops reading and the queue is full, the peer is not read.
pub(crate) struct Echo;

/// There is nothing among which the bytes would need a place, so that all of
/// them are one entry of the queue.
const SEQ: u64 = 0;

impl Behaviour for Echo {
    fn appetite(&self, x: &Exchange<'_>, slot: Slot) -> usize {
        x.queue_free(slot)
    }

    fn received(&self, x: &mut Exchange<'_>, slot: Slot, input: &[u8]) -> usize {
        let part = input.len().min(x.queue_free(slot));
        // What was not taken changes nothing.
        if part > 0 {
            x.enqueue(slot, SEQ, &[&input[..part]]);
        }
        part
    }

    fn ended(&self, x: &mut Exchange<'_>, slot: Slot) {
        // All that was received goes back, however long the peer takes: while
        // it does, nobody else has to wait.
        x.close(slot, Cause::Left, Instant::NEVER);
    }
}
