//! The table of memberships: a pool, of which each connection that is in a room has some.

use core::ops::{Index, IndexMut};

use crate::conn::NONE;
#[cfg(feature = "save")]
use crate::room::Membership;
use crate::room::{Member, MemberIndex};
#[cfg(feature = "save")]
use crate::save::{Damaged, Visit, Visitor, check_list, ensure};

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

    /// The memberships that are or were in use. `conns`: how many connections there may be.
    #[cfg(feature = "save")]
    pub(super) fn visit(&mut self, visitor: &mut Visitor<'_>, conns: usize) -> Result<(), Damaged> {
        let Self { table, free, unused, spare } = self;
        let others = (table.len() - conns) as u32;
        let mut taken = others - *spare;
        taken.visit(visitor)?;
        *spare = others.checked_sub(taken).ok_or(Damaged)?;
        free.visit(visitor)?;
        unused.visit(visitor)?;
        for member in table.get_mut(..*unused as usize).ok_or(Damaged)? {
            member.visit(visitor)?;
        }
        Ok(())
    }

    /// Checks what was read. `taken`: how many connections have a membership, and how many memberships
    /// they have together.
    #[cfg(feature = "save")]
    pub(super) fn check(&self, [conns, members]: [usize; 2], all_conns: usize) -> Result<(), Damaged> {
        let used = self.table.get(..self.unused as usize).ok_or(Damaged)?;
        let free = used.iter().filter(|member| member.state == Membership::Free).count();
        check_list(self.free, free, |index| {
            let member = used.get(index as usize)?;
            (member.state == Membership::Free).then_some(member.sibling)
        })?;
        ensure(used.len() - free == members)?;
        ensure(self.table.len() - all_conns - self.spare as usize == members - conns)
    }
}
