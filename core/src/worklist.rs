//! Connections or rooms with something to do, in the order in which it came up, each at most once.
//! The lists run through the connections and rooms themselves, so there is always room. The cost of a
//! turn depends only on how many have changed.

use crate::conn::{Conn, NONE, Next};
use crate::room::Room;

/// A thing that can be in lists of work.
pub(crate) trait Listed {
    /// The next thing in each of the lists.
    fn next_in(&mut self) -> &mut [Next];
}

impl Listed for Conn<'_> {
    fn next_in(&mut self) -> &mut [Next] {
        &mut self.next_in
    }
}

impl Listed for Room<'_> {
    fn next_in(&mut self) -> &mut [Next] {
        &mut self.next_in
    }
}

#[derive(Debug)]
pub(crate) struct Worklist {
    first: u32,
    last: u32,
    which: usize,
}

impl Worklist {
    /// The list with this index.
    pub(crate) const fn new(which: usize) -> Self {
        Self { first: NONE, last: NONE, which }
    }

    /// The next thing, if there is one.
    pub(crate) fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    pub(crate) fn push(&mut self, items: &mut [impl Listed], index: u32) {
        let next = &mut items[index as usize].next_in()[self.which];
        if *next != Next::OUT {
            return;
        }
        *next = Next(NONE);
        match self.last {
            NONE => self.first = index,
            last => items[last as usize].next_in()[self.which] = Next(index),
        }
        self.last = index;
    }

    pub(crate) fn pop(&mut self, items: &mut [impl Listed]) -> Option<u32> {
        let index = self.first;
        if index == NONE {
            return None;
        }
        let next = &mut items[index as usize].next_in()[self.which];
        Next(self.first) = core::mem::replace(next, Next::OUT);
        if self.first == NONE {
            self.last = NONE;
        }
        Some(index)
    }
}
