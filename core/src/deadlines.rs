//! The connections' deadlines, the earliest first. The binary heap is kept in the connections
//! themselves, so there is always room.
//!
//! A connection has at most one place in it, for its first deadline or for an earlier time. Every
//! sign of life puts a deadline off, and this leaves the heap as it is. The caller that takes a
//! connection out does what is due, and arms the connection for its next deadline.

use crate::conn::{Conn, NONE, Node, Slot};
use crate::ids::Instant;
#[cfg(feature = "save")]
use crate::save::{Damaged, Visit, Visitor, ensure};

#[derive(Debug)]
pub(crate) struct Deadlines {
    len: u32,
}

impl Deadlines {
    pub(crate) const fn new() -> Self {
        Self { len: 0 }
    }

    /// When the first connection comes up.
    pub(crate) fn first(&self, conns: &[Conn<'_>]) -> Option<Instant> {
        (self.len > 0).then(|| at(conns, 0))
    }

    /// Lets a connection come up at `new`, unless it does so earlier.
    pub(crate) fn arm(&mut self, conns: &mut [Conn<'_>], slot: Slot, new: Instant) {
        let mut place = conns[slot as usize].node.place;
        let old = if place == NONE { Instant::NEVER } else { at(conns, place) };
        if new >= old {
            return;
        }
        if place == NONE {
            place = self.len;
            self.len += 1;
        }
        while place > 0 {
            let parent = (place - 1) / 2;
            if at(conns, parent) <= new {
                break;
            }
            shift(conns, parent, place);
            place = parent;
        }
        put(conns, place, slot, new);
    }

    /// Takes out a connection that comes up at `now` or before.
    pub(crate) fn pop(&mut self, conns: &mut [Conn<'_>], now: Instant) -> Option<Slot> {
        if self.first(conns)? > now {
            return None;
        }
        self.len -= 1;
        let (first, last) = (conns[0].node.slot, conns[self.len as usize].node);
        let mut place = 0;
        loop {
            let mut child = 2 * place + 1;
            if child + 1 < self.len && at(conns, child + 1) < at(conns, child) {
                child += 1;
            }
            if child >= self.len || last.at <= at(conns, child) {
                break;
            }
            shift(conns, child, place);
            place = child;
        }
        put(conns, place, last.slot, last.at);
        conns[first as usize].node.place = NONE;
        Some(first)
    }

    /// The connections in their places.
    #[cfg(feature = "save")]
    pub(crate) fn visit(&mut self, visitor: &mut Visitor<'_>, conns: &mut [Conn<'_>]) -> Result<(), Damaged> {
        let Self { len } = self;
        len.visit(visitor)?;
        for place in 0..*len {
            let Node { mut slot, mut at, place: _ } = conns.get(place as usize).ok_or(Damaged)?.node;
            slot.visit(visitor)?;
            at.visit(visitor)?;
            if visitor.is_reading() {
                ensure(conns.get(slot as usize).is_some_and(|conn| conn.node.place == NONE))?;
                ensure(place == 0 || self::at(conns, (place - 1) / 2) <= at)?;
                put(conns, place, slot, at);
            }
        }
        Ok(())
    }
}

/// When the connection in a place comes up.
fn at(conns: &[Conn<'_>], place: u32) -> Instant {
    conns[place as usize].node.at
}

fn put(conns: &mut [Conn<'_>], place: u32, slot: Slot, at: Instant) {
    let node = &mut conns[place as usize].node;
    (node.slot, node.at) = (slot, at);
    conns[slot as usize].node.place = place;
}

fn shift(conns: &mut [Conn<'_>], from: u32, to: u32) {
    let Node { slot, at, .. } = conns[from as usize].node;
    put(conns, to, slot, at);
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONNS: usize = 40;

    /// Numbers that look random (Marsaglia's xorshift).
    fn next_random(state: &mut u32) -> u32 {
        for (left, shift) in [(true, 13), (false, 17), (true, 5)] {
            *state ^= if left { *state << shift } else { *state >> shift };
        }
        *state
    }

    #[test]
    fn each_comes_up_once_at_the_earliest_time_it_was_armed_for() {
        let mut conns = [const { Conn::EMPTY }; CONNS];
        let mut deadlines = Deadlines::new();
        let mut armed = [Instant::NEVER; CONNS];
        let (mut random, mut now) = (1, 0);
        for _ in 0..100_000 {
            let slot = next_random(&mut random) % CONNS as u32;
            // The times are so near that many are the same.
            let at = Instant::from_millis(now + u64::from(next_random(&mut random) % 50));
            deadlines.arm(&mut conns, slot, at);
            let known = &mut armed[slot as usize];
            *known = at.min(*known);
            now += u64::from(next_random(&mut random) % 3);
            let now = Instant::from_millis(now);
            while let Some(slot) = deadlines.pop(&mut conns, now) {
                let at = core::mem::replace(&mut armed[slot as usize], Instant::NEVER);
                assert!(at <= now, "{slot} comes up at {now:?}, and not at {at:?}");
            }
            let first = armed.iter().copied().min().filter(|&at| at != Instant::NEVER);
            assert!(first.is_none_or(|first| first > now), "one that was due did not come up");
            assert_eq!(deadlines.first(&conns), first);
        }
    }

    #[test]
    fn all_have_a_place_and_come_up_in_order() {
        let mut conns = [const { Conn::EMPTY }; CONNS];
        let mut deadlines = Deadlines::new();
        let mut random = 1;
        for _ in 0..3 {
            for slot in 0..CONNS as u32 {
                let at = u64::from(next_random(&mut random) % 1000);
                deadlines.arm(&mut conns, slot, Instant::from_millis(at));
            }
        }
        let mut before = Instant::from_millis(0);
        for _ in 0..CONNS {
            let first = deadlines.first(&conns).unwrap();
            assert!(before <= first);
            before = first;
            assert!(deadlines.pop(&mut conns, first).is_some());
        }
        assert_eq!(deadlines.first(&conns), None);
    }

    #[test]
    fn what_never_comes_needs_no_place() {
        let mut conns = [const { Conn::EMPTY }; 1];
        let mut deadlines = Deadlines::new();
        deadlines.arm(&mut conns, 0, Instant::NEVER);
        assert_eq!(deadlines.first(&conns), None);
    }
}
