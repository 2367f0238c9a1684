//! The table of memberships: a pool, of which each connection that is in a room has some.

use core::ops::{Index, IndexMut};

use crate::conn::NONE;
use crate::room::{Member, MemberIndex};

/// The table of memberships. One of them is kept for each connection. The others are for connections
/// that need more than one.
#[derive(Debug)]
pub(crate) struct Members<'a> {
    table: &'a mut [Member],
    /// The free membership to be used next, and the first that was never used.
    free: MemberIndex,
    unused: MemberIndex,
    /// How many of the others are free.
    spare: u32,
}

impl Index<MemberIndex> for Members<'_> {
    type Output = Member;

    fn index(&self, index: MemberIndex) -> &Member {
        &self.table[index as usize]
    }
}

impl IndexMut<MemberIndex> for Members<'_> {
    fn index_mut(&mut self, index: MemberIndex) -> &mut Member {
        &mut self.table[index as usize]
    }
}

impl<'a> Members<'a> {
    /// A pool in which each of so many connections may have one.
    pub(crate) fn new(table: &'a mut [Member], conns: usize) -> Self {
        let spare = table.len().saturating_sub(conns) as u32;
        Self { table, free: NONE, unused: 0, spare }
    }

    /// The membership with an index, unless the index is [`NONE`].
    pub(super) fn get(&self, index: MemberIndex) -> Option<&Member> {
        self.table.get(index as usize)
    }

    /// Whether there is a membership for a connection; `is_first`: it has none yet.
    pub(super) fn has_place(&self, is_first: bool) -> bool {
        is_first || self.spare > 0
    }

    /// Takes a free membership, if there is one.
    pub(super) fn take(&mut self, is_first: bool) -> Option<MemberIndex> {
        if !self.has_place(is_first) {
            return None;
        }
        let index = match self.free {
            NONE if (self.unused as usize) < self.table.len() => {
                self.unused += 1;
                self.unused - 1
            }
            NONE => return None,
            free => {
                self.free = self[free].sibling;
                free
            }
        };
        self.spare -= u32::from(!is_first);
        Some(index)
    }

    /// Gives a membership back; `is_last`: its connection has no other.
    pub(super) fn give_back(&mut self, index: MemberIndex, is_last: bool) {
        let sibling = core::mem::replace(&mut self.free, index);
        self[index] = Member { sibling, ..Member::EMPTY };
        self.spare += u32::from(!is_last);
    }

    /// The memberships from this one on, of a connection that has it first.
    pub(super) fn from(&self, mut next: MemberIndex) -> impl Iterator<Item = (MemberIndex, &Member)> {
        core::iter::from_fn(move || {
            let index = next;
            let member = self.get(index)?;
            next = member.sibling;
            Some((index, member))
        })
    }
}
