//! Echo: every byte comes back to its sender in order (RFC 862).

use crate::conn::Slot;
use crate::exchange::Exchange;
use crate::ids::{Cause, Instant};
use crate::protocol::Behaviour;

/// The echo protocol. The private queue is all the memory it has: when the
/// peer stops reading and the queue is full, the peer is not read.
pub(crate) struct Echo;

/// The bytes need no place in an order, so all of them are one entry of the queue.
const SEQ: u64 = 0;

impl Behaviour for Echo {
    fn appetite(&self, x: &Exchange<'_>, slot: Slot) -> usize {
        x.queue_free(slot)
    }

    fn received(&self, x: &mut Exchange<'_>, slot: Slot, input: &[u8]) -> usize {
        let part = input.len().min(x.queue_free(slot));
        // Input that was not taken changes nothing.
        if part > 0 {
            x.enqueue(slot, SEQ, &[&input[..part]]);
        }
        part
    }

    fn ended(&self, x: &mut Exchange<'_>, slot: Slot) {
        // All input goes back, however long the peer takes to read it. Nobody else waits for that.
        x.close(slot, Cause::Left, Instant::NEVER);
    }
}
