//! Which memberships of a connection may have something to read. To look at a few is cheap. A connection
//! that has more than that keeps a list of its *active* ones. Each of the others is *idle*, and stands in a
//! list of its room. When something is said there, all of these become active. A membership became idle by
//! the send that finished it, so this costs no more than the sends before. The cost of a delivery
//! does not grow with the quiet rooms of its receiver.

use crate::conn::{Conn, NONE, Slot};
use crate::exchange::Exchange;
use crate::room::{Member, MemberIndex, RoomIndex, Standing};

/// The most memberships of a connection that needs no lists.
const SCAN: usize = 4;

impl Exchange<'_> {
    /// The memberships of a connection that may have something to read, and all that have.
    pub(in crate::exchange) fn reading(&self, slot: Slot) -> impl Iterator<Item = (MemberIndex, &Member)> {
        let Conn { has_lists, active, first_member, .. } = self.conns[slot];
        let mut next = if has_lists { active } else { first_member };
        core::iter::from_fn(move || {
            let index = next;
            let member = self.members.get(index)?;
            next = if has_lists { member.beside[1] } else { member.sibling };
            Some((index, member))
        })
    }

    /// Call this when something was appended to a room. Its author may have nothing to read there.
    #[inline]
    pub(in crate::exchange) fn activate(&mut self, room: RoomIndex) {
        if self.rooms[room].idle != NONE {
            self.activate_idle(room);
        }
    }

    #[inline(never)]
    fn activate_idle(&mut self, room: RoomIndex) {
        let mut next = core::mem::replace(&mut self.rooms[room].idle, NONE);
        while let Some(member) = self.members.get(next) {
            let index = core::mem::replace(&mut next, member.beside[1]);
            let is_read = member.position == self.rooms.log(member.log()).head();
            self.stand(index, if is_read { Standing::Idle } else { Standing::Active });
        }
    }

    /// Puts a new membership where it belongs. If the connection needs lists from now on, the same happens
    /// to its others.
    pub(super) fn enlist(&mut self, slot: Slot, new: MemberIndex) {
        if self.conns[slot].has_lists {
            self.sort_in(new);
        } else if self.memberships(slot).count() > SCAN {
            self.conns[slot].has_lists = true;
            let mut next = new;
            while let Some(member) = self.members.get(next) {
                let index = core::mem::replace(&mut next, member.sibling);
                self.sort_in(index);
            }
        }
    }

    /// Call this when a membership has nothing more to read.
    pub(super) fn rest(&mut self, index: MemberIndex) {
        if self.members[index].standing != Standing::Out {
            self.step_out(index);
            if self.members[index].reads_on() {
                self.stand(index, Standing::Idle);
            }
        }
    }

    /// Call this when a membership was put somewhere else in its log.
    pub(in crate::exchange) fn list_again(&mut self, index: MemberIndex) {
        if self.conns[self.members[index].conn].has_lists {
            self.step_out(index);
            self.sort_in(index);
        }
    }

    /// Takes a membership that is being freed out of the lists. `is_last`: its connection has no other.
    pub(super) fn unlist(&mut self, slot: Slot, index: MemberIndex, is_last: bool) {
        self.step_out(index);
        self.conns[slot].has_lists &= !is_last;
    }

    fn sort_in(&mut self, index: MemberIndex) {
        let member = &self.members[index];
        let has_more = member.position != member.end(self.rooms.log(member.log()));
        match (has_more, member.reads_on()) {
            (true, _) => self.stand(index, Standing::Active),
            (false, true) => self.stand(index, Standing::Idle),
            (false, false) => {}
        }
    }

    /// Puts a membership that is in none of the lists into one.
    #[inline(always)]
    fn stand(&mut self, index: MemberIndex, standing: Standing) {
        let member = &mut self.members[index];
        let first = match standing {
            Standing::Out => return,
            Standing::Active => &mut self.conns[member.conn].active,
            Standing::Idle => &mut self.rooms[member.room].idle,
        };
        let following = core::mem::replace(first, index);
        (member.standing, member.beside) = (standing, [NONE, following]);
        if following != NONE {
            self.members[following].beside[0] = index;
        }
    }

    fn step_out(&mut self, index: MemberIndex) {
        let Member { standing, beside: [before, after], conn, room, .. } = self.members[index];
        match (standing, before) {
            (Standing::Out, _) => return,
            (Standing::Active, NONE) => self.conns[conn].active = after,
            (Standing::Idle, NONE) => self.rooms[room].idle = after,
            (_, before) => self.members[before].beside[1] = after,
        }
        if after != NONE {
            self.members[after].beside[0] = before;
        }
        self.members[index].standing = Standing::Out;
    }
}
