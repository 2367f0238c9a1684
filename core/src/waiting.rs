//! The members whose line waits for a room. They speak in the order in which the lines came, and
//! each has one line only. So no member speaks twice before the others have spoken once. The links
//! are kept in the connections themselves, so there is always room.

use crate::conn::{Conn, NONE, Slot, Turn};
#[cfg(feature = "save")]
use crate::save::{Damaged, Visit, Visitor, ensure};

/// The members that wait for one room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    first: Slot,
    last: Slot,
}

impl Waiting {
    pub(crate) const NOBODY: Self = Self { first: NONE, last: NONE };

    pub(crate) fn is_empty(&self) -> bool {
        self.first == NONE
    }

    /// Appends a connection that does not wait yet. `room` is the room of this queue.
    pub(crate) fn push(&mut self, conns: &mut [Conn<'_>], room: u32, slot: Slot) {
        conns[slot as usize].turn = Turn { room, previous: self.last, next: NONE };
        match self.last {
            NONE => self.first = slot,
            last => conns[last as usize].turn.next = slot,
        }
        self.last = slot;
    }

    /// Takes out the first one.
    pub(crate) fn pop(&mut self, conns: &mut [Conn<'_>]) -> Option<Slot> {
        let first = self.first;
        (first != NONE).then(|| {
            self.remove(conns, first);
            first
        })
    }

    /// Takes out a connection in this queue.
    pub(crate) fn remove(&mut self, conns: &mut [Conn<'_>], slot: Slot) {
        let Turn { previous, next, .. } = core::mem::replace(&mut conns[slot as usize].turn, Turn::NONE);
        match previous {
            NONE => self.first = next,
            previous => conns[previous as usize].turn.next = next,
        }
        match next {
            NONE => self.last = previous,
            next => conns[next as usize].turn.previous = previous,
        }
    }

    /// Those that wait, from the first to the last. To write them, the queue is turned round once.
    #[cfg(feature = "save")]
    pub(crate) fn visit(
        &mut self,
        visitor: &mut Visitor<'_>,
        conns: &mut [Conn<'_>],
        room: u32,
    ) -> Result<(), Damaged> {
        let Self { mut first, last: _ } = *self;
        let behind = |slot: Slot| conns.get(slot as usize).map(|conn| conn.turn.next);
        let mut count = core::iter::from_fn(|| {
            first = behind(first)?;
            Some(())
        })
        .count();
        count.visit(visitor)?;
        for _ in 0..count {
            let mut slot = if visitor.is_reading() { NONE } else { self.pop(conns).unwrap_or(NONE) };
            slot.visit(visitor)?;
            ensure(conns.get(slot as usize).is_some_and(|conn| conn.turn.room == NONE))?;
            self.push(conns, room, slot);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_out_as_they_came_in_whoever_gives_up_meanwhile() {
        for gone in [0, 1, 2] {
            let mut conns = [const { Conn::EMPTY }; 3];
            let mut waiting = Waiting::NOBODY;
            for slot in [2, 0, 1] {
                waiting.push(&mut conns, 7, slot);
            }
            waiting.remove(&mut conns, gone);
            for slot in [2, 0, 1].into_iter().filter(|slot| *slot != gone) {
                assert_eq!(conns[slot as usize].turn.room, 7);
                assert_eq!(waiting.pop(&mut conns), Some(slot));
                assert_eq!(conns[slot as usize].turn.room, NONE);
            }
            assert!(waiting.is_empty() && waiting.pop(&mut conns).is_none());
        }
    }
}
