//! The life of a membership: a connection joins a room, reads on, leaves, still reads what was said
//! before, and is gone. Nothing else makes, moves or frees a membership.

#[cfg_attr(not(feature = "large"), path = "membership/every.rs")]
mod active;

use super::Exchange;
use crate::config::Joining;
use crate::conn::{NONE, Slot};
use crate::ids::ListenerId;
use crate::log::Position;
use crate::room::{Member, MemberIndex, Membership, RoomIndex};

/// Whether a connection can join a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vacancy {
    /// It can.
    Here,
    /// Not before it has received more of what waits for it.
    Later,
    /// It is in as many rooms as it may.
    Full,
    /// No more rooms can be rendered in its encoding.
    Unrendered,
    /// Others have all the places that there are.
    Nowhere,
}

impl Exchange<'_> {
    // --- Looking ---

    /// A connection's memberships.
    pub(super) fn memberships(&self, slot: Slot) -> impl Iterator<Item = (MemberIndex, &Member)> {
        self.members.from(self.conns[slot].first_member)
    }

    /// The room's memberships, in the order in which they came.
    pub(super) fn members_in(&self, room: RoomIndex) -> impl Iterator<Item = &Member> {
        let mut next = self.rooms[room].first;
        core::iter::from_fn(move || {
            let member = self.members.get(next)?;
            next = member.next;
            Some(member)
        })
    }

    /// A connection's first membership in one of the `states`.
    pub(super) fn member_in(&self, slot: Slot, states: &[Membership]) -> Option<MemberIndex> {
        self.memberships(slot).find(|(_, member)| states.contains(&member.state)).map(|(index, _)| index)
    }

    /// The membership of a connection that may speak in a room.
    pub(super) fn speaker(&self, slot: Slot, room: RoomIndex) -> Option<MemberIndex> {
        let speaks = |(_, member): &(MemberIndex, &Member)| member.room == room && member.speaks();
        self.memberships(slot).find(speaks).map(|(index, _)| index)
    }

    /// The room that a connection is in. If there are several, it is the one that it joined last.
    pub(crate) fn room_of(&self, slot: Slot) -> Option<RoomIndex> {
        let present = self.memberships(slot).find(|(_, member)| member.state == Membership::Present);
        present.map(|(_, member)| member.room)
    }

    /// In how many rooms a connection is.
    pub(crate) fn count_rooms(&self, slot: Slot) -> usize {
        self.memberships(slot).filter(|(_, member)| member.state == Membership::Present).count()
    }

    /// Whether a connection may be in several rooms.
    pub(crate) fn may_be_in_several(&self, slot: Slot) -> bool {
        cfg!(feature = "large")
            && self.listener(slot).is_some_and(|listener| listener.joining == Joining::Several)
    }

    /// Whether a connection is in a room.
    pub(crate) fn is_in(&self, slot: Slot, room: RoomIndex) -> bool {
        self.memberships(slot).any(|(_, member)| member.state == Membership::Present && member.room == room)
    }

    /// The room into which a relay client sends, or from which it receives.
    pub(crate) fn fed_room(&self, slot: Slot) -> Option<RoomIndex> {
        let fed = self.member_in(slot, &[Membership::Present, Membership::Feeding]);
        fed.map(|index| self.members[index].room)
    }

    /// Whether a connection has lately taken something of a room that it is in.
    pub(crate) fn took_something_within(&self, slot: Slot, ms: u32) -> bool {
        let now = self.now.wrapping_millis();
        self.memberships(slot)
            .any(|(_, member)| member.state == Membership::Present && now.wrapping_sub(member.taken_at) < ms)
    }

    // --- Joining ---

    /// Whether a connection can join a room. If it was in this room before, it must have received
    /// everything from that time.
    pub(crate) fn place_for(&self, slot: Slot, room: Option<RoomIndex>) -> Vacancy {
        let most = self.limits.rooms_per_conn;
        if self.count_rooms(slot) >= most {
            return Vacancy::Full;
        }
        if self.memberships(slot).any(|(_, member)| Some(member.room) == room)
            || self.memberships(slot).count() >= most
        {
            return Vacancy::Later;
        }
        if !self.is_rendered(slot, room) {
            return Vacancy::Unrendered;
        }
        if self.members.has_place(self.conns[slot].first_member == NONE) {
            Vacancy::Here
        } else {
            Vacancy::Nowhere
        }
    }

    /// Makes a connection that has a place a member. It gets everything that is said from now on.
    pub(crate) fn join(&mut self, slot: Slot, room: RoomIndex, state: Membership) {
        let sibling = self.conns[slot].first_member;
        let Some(index) = self.members.take(sibling == NONE) else { return };
        self.conns[slot].first_member = index;
        let log = self.log_for(slot, room);
        let position = self.rooms.log(log).head();
        let entered = &mut self.rooms[room];
        let previous = core::mem::replace(&mut entered.last, index);
        entered.members += 1;
        // It may stand among the members that still have to be named.
        entered.unnamed += u32::from(entered.unnamed > 0);
        entered.present += u32::from(state == Membership::Present);
        if previous == NONE {
            entered.first = index;
        }
        let taken_at = self.now.wrapping_millis();
        self.members[index] = Member {
            state,
            room,
            #[cfg(feature = "large")]
            log,
            conn: slot,
            sibling,
            previous,
            position,
            end: position,
            taken_at,
            ..Member::EMPTY
        };
        if previous != NONE {
            self.members[previous].next = index;
        }
        self.enlist(slot, index);
    }

    /// Makes one of several rooms that a connection is in the one that it joined last.
    pub(crate) fn join_again(&mut self, slot: Slot, room: RoomIndex) {
        if let Some(index) = self.speaker(slot, room) {
            self.unchain(slot, index);
            self.members[index].sibling = core::mem::replace(&mut self.conns[slot].first_member, index);
        }
    }

    /// Lets a client of a relay into its listener's room.
    pub(crate) fn join_owned(&mut self, slot: Slot, owner: ListenerId, state: Membership) {
        if let Some(room) = self.rooms.owned(owner) {
            self.join(slot, room, state);
        }
    }

    // --- Reading on ---

    /// Moves a cursor on to `position`. Says whether it is not yet at its end.
    pub(super) fn move_cursor(&mut self, index: MemberIndex, position: Position) -> bool {
        let member = &mut self.members[index];
        let (room, log) = (&self.rooms[member.room], self.rooms.log(member.log()));
        // While followers hold the log as well, a room may wait for members that are not at its hold.
        let held = member.position == log.hold() || room.is_followed();
        let moved = member.advance(log, position);
        let has_more = member.position != member.end(log);
        if member.state == Membership::Draining && !has_more && !member.is_behind {
            self.unlink(index);
            return false;
        }
        if moved && held && room.closed {
            let room = member.room;
            self.loosen(room);
        }
        if !has_more {
            self.rest(index);
        }
        has_more
    }

    // --- Leaving ---

    /// Ends a membership: `state` is `Leaving` while its departure has to be told, or `Draining`.
    pub(super) fn leave(&mut self, index: MemberIndex, state: Membership) {
        let member = &mut self.members[index];
        member.end = member.end(self.rooms.log(member.log()));
        let (slot, room) = (member.conn, &mut self.rooms[member.room]);
        let leaves_now = member.state == Membership::Present;
        room.present -= u32::from(leaves_now);
        member.state = state;
        let is_behind = member.is_behind;
        if self.conns[slot].turn.room == member.room {
            room.waiting.remove(self.conns.all_mut(), slot);
        }
        if member.position == member.end {
            self.rest(index);
        }
        if leaves_now && is_behind {
            self.leave_while_behind(index);
        }
        self.settle(index);
    }

    /// Begins to leave all rooms. The protocol is called, and tells the others.
    pub(super) fn leave_all(&mut self, slot: Slot) {
        self.end_look(slot);
        let mut next = self.conns[slot].first_member;
        while let Some(member) = self.members.get(next) {
            let index = core::mem::replace(&mut next, member.sibling);
            if !matches!(member.state, Membership::Leaving | Membership::Draining) {
                self.leave(index, Membership::Leaving);
            }
        }
        self.touch(slot);
        self.wake(slot);
    }

    /// Frees the memberships that are being left, without a notice.
    pub(crate) fn let_go(&mut self, slot: Slot) {
        while let Some(member) = self.member_in(slot, &[Membership::Leaving]) {
            self.leave(member, Membership::Draining);
        }
    }

    /// Gives up what a connection has not read: nothing more goes out to it.
    pub(super) fn abandon(&mut self, slot: Slot) {
        let mut next = self.conns[slot].first_member;
        while let Some(member) = self.members.get(next) {
            let index = core::mem::replace(&mut next, member.sibling);
            let member = &mut self.members[index];
            member.own_ahead = false;
            member.position = member.end;
            if member.is_behind {
                self.end_catch_up(slot, index);
            }
            self.settle(index);
        }
    }

    /// Call this when a membership has left or moved. It may be at its end, and may not hold the log any
    /// more. One that is behind is not at its end.
    pub(super) fn settle(&mut self, index: MemberIndex) {
        let member = &self.members[index];
        if member.state == Membership::Draining && member.position == member.end && !member.is_behind {
            self.unlink(index);
        } else {
            self.loosen(member.room);
        }
    }

    /// Frees a membership, and its room if nobody is left.
    fn unlink(&mut self, index: MemberIndex) {
        let Member { room, previous, next, conn, .. } = self.members[index];
        self.leave_log(index);
        self.forget_member(conn, index);
        let left = &mut self.rooms[room];
        left.members -= 1;
        left.unnamed = left.unnamed.min(left.members);
        if left.named == index {
            left.named = next;
        }
        match previous {
            NONE => left.first = next,
            previous => self.members[previous].next = next,
        }
        match next {
            NONE => left.last = previous,
            next => self.members[next].previous = previous,
        }
        // Its connection may have waited for a place, or may be finished now.
        self.wake(conn);
        if self.rooms[room].is_deserted() {
            self.rooms.close(room);
            self.free_when_read(room);
        } else {
            self.loosen(room);
        }
    }

    /// Takes a membership out of its connection's list, and gives it back to the pool.
    fn forget_member(&mut self, conn: Slot, index: MemberIndex) {
        self.unchain(conn, index);
        let is_last = self.conns[conn].first_member == NONE;
        self.unlist(conn, index, is_last);
        self.members.give_back(index, is_last);
    }

    /// Takes a membership out of its connection's list.
    fn unchain(&mut self, conn: Slot, index: MemberIndex) {
        let sibling = self.members[index].sibling;
        let before = self.memberships(conn).find(|(_, member)| member.sibling == index);
        match before.map(|(before, _)| before) {
            Some(before) => self.members[before].sibling = sibling,
            None => self.conns[conn].first_member = sibling,
        }
    }
}
