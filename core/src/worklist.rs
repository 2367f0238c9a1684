//! Connections with something to do, in the order in which it came up: each
//! at most once, in links that stand in the connections themselves, so that
//! there is always room and a turn costs what has changed.

use crate::conn::{Conn, Link, NONE, Slot};

/// Which of a connection's links a list uses.
pub(crate) type Which = for<'c, 'a> fn(&'c mut Conn<'a>) -> &'c mut Link;

#[derive(Debug)]
pub(crate) struct Worklist {
    first: Slot,
    last: Slot,
    which: Which,
}

impl Worklist {
    pub(crate) const fn new(which: Which) -> Self {
        Self { first: NONE, last: NONE, which }
    }

    pub(crate) fn push(&mut self, conns: &mut [Conn<'_>], slot: Slot) {
        let link = (self.which)(&mut conns[slot as usize]);
        if *link != Link::OUT {
            return;
        }
        *link = Link(NONE);
        match self.last {
            NONE => self.first = slot,
            last => *(self.which)(&mut conns[last as usize]) = Link(slot),
        }
        self.last = slot;
    }

    pub(crate) fn pop(&mut self, conns: &mut [Conn<'_>]) -> Option<Slot> {
        let slot = self.first;
        if slot == NONE {
            return None;
        }
        let link = (self.which)(&mut conns[slot as usize]);
        Link(self.first) = core::mem::replace(link, Link::OUT);
        if self.first == NONE {
            self.last = NONE;
        }
        Some(slot)
    }
}
