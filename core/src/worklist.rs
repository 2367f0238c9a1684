//! Connections or rooms with something to do, in the order in which it came up, each at most once.
//! The lists run through the connections and rooms themselves, so there is always room. The cost of a
//! turn depends only on how many have changed.

use crate::conn::{Conn, NONE, Next};
use crate::room::Room;
#[cfg(feature = "save")]
use crate::save::{Damaged, Visit, Visitor, ensure};

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

    /// The things in the list, from the first to the last. To write them, the list is turned round once.
    #[cfg(feature = "save")]
    pub(crate) fn visit(
        &mut self,
        visitor: &mut Visitor<'_>,
        items: &mut [impl Listed],
    ) -> Result<(), Damaged> {
        let Self { mut first, last: _, which } = *self;
        let mut count = core::iter::from_fn(|| {
            Next(first) = items.get_mut(first as usize)?.next_in()[which];
            Some(())
        })
        .count();
        count.visit(visitor)?;
        for _ in 0..count {
            let mut index = if visitor.is_reading() { NONE } else { self.pop(items).unwrap_or(NONE) };
            index.visit(visitor)?;
            let item = items.get_mut(index as usize).ok_or(Damaged)?;
            ensure(item.next_in()[which] == Next::OUT)?;
            self.push(items, index);
        }
        Ok(())
    }
}
