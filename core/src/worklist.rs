//! Connections or rooms with something to do, in the order in which it came up, each at most once.
//! The links are kept in the connections and rooms themselves, so there is always room. The cost of a
//! turn depends only on how many have changed.

use crate::conn::{Conn, Link, NONE};
use crate::room::Room;

/// What can be in lists of work.
pub(crate) trait Listed {
    /// Its link in each of the lists.
    fn links(&mut self) -> &mut [Link];
}

impl Listed for Conn<'_> {
    fn links(&mut self) -> &mut [Link] {
        &mut self.links
    }
}

impl Listed for Room<'_> {
    fn links(&mut self) -> &mut [Link] {
        &mut self.links
    }
}

#[derive(Debug)]
pub(crate) struct Worklist {
    first: u32,
    last: u32,
    which: usize,
}

impl Worklist {
    /// A list that uses the links of this index.
    pub(crate) const fn new(which: usize) -> Self {
        Self { first: NONE, last: NONE, which }
    }

    /// What comes next, if there is anything.
    pub(crate) fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    pub(crate) fn push(&mut self, items: &mut [impl Listed], index: u32) {
        let link = &mut items[index as usize].links()[self.which];
        if *link != Link::OUT {
            return;
        }
        *link = Link(NONE);
        match self.last {
            NONE => self.first = index,
            last => items[last as usize].links()[self.which] = Link(index),
        }
        self.last = index;
    }

    pub(crate) fn pop(&mut self, items: &mut [impl Listed]) -> Option<u32> {
        let index = self.first;
        if index == NONE {
            return None;
        }
        let link = &mut items[index as usize].links()[self.which];
        Link(self.first) = core::mem::replace(link, Link::OUT);
        if self.first == NONE {
            self.last = NONE;
        }
        Some(index)
    }
}
