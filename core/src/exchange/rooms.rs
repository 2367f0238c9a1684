//! Memberships and rooms: joining, leaving, and saying something in a room.

use super::lag::RESERVE;
use super::{Exchange, Name};
use crate::conn::{NONE, Slot};
use crate::event::{Instant, ListenerId};
use crate::log::Kind;
use crate::patience::Patience;
use crate::room::{Member, MemberIndex, Membership, Room, RoomIndex};

impl Exchange<'_> {
    /// The places for memberships of a connection.
    pub(crate) fn members_of(&self, slot: Slot) -> core::ops::Range<MemberIndex> {
        let each = self.limits.rooms_per_conn as u32;
        slot * each..(slot + 1) * each
    }

    /// The memberships of a connection, including free ones.
    pub(crate) fn memberships(&self, slot: Slot) -> &[Member] {
        let each = self.limits.rooms_per_conn;
        let first = slot as usize * each;
        &self.members[first..first + each]
    }

    /// The first membership of a connection that is in one of the `states`.
    pub(crate) fn member_in(&self, slot: Slot, states: &[Membership]) -> Option<MemberIndex> {
        self.members_of(slot).find(|&m| states.contains(&self.members[m as usize].state))
    }

    /// The room that a connection is in; the first if there are several.
    pub(crate) fn room_of(&self, slot: Slot) -> Option<RoomIndex> {
        let present = self.memberships(slot).iter().find(|member| member.state == Membership::Present);
        present.map(|member| member.room)
    }

    /// The room's memberships, in the order in which they came.
    pub(crate) fn members_in(&self, room: RoomIndex) -> impl Iterator<Item = &Member> {
        let mut next = self.rooms[room as usize].first;
        core::iter::from_fn(move || {
            let member = self.members.get(next as usize)?;
            next = member.next;
            Some(member)
        })
    }

    /// Whether a connection has a place for one more room. If it was in this room before, it must also
    /// have received everything from that time.
    pub(crate) fn may_join(&self, slot: Slot, room: Option<RoomIndex>) -> bool {
        let memberships = self.memberships(slot);
        let is_there = |member: &Member| member.state != Membership::Free && Some(member.room) == room;
        memberships.iter().any(|member| member.state == Membership::Free) && !memberships.iter().any(is_there)
    }

    /// Makes a connection that may join a member. It gets everything that is said from now on.
    pub(crate) fn join(&mut self, slot: Slot, room: RoomIndex, state: Membership) {
        let Some(index) = self.member_in(slot, &[Membership::Free]) else { return };
        let room_ref = &mut self.rooms[room as usize];
        let position = room_ref.log.head();
        let previous = core::mem::replace(&mut room_ref.last, index);
        room_ref.members += 1;
        // It may stand among the members that still have to be named.
        room_ref.unnamed += u32::from(room_ref.unnamed > 0);
        room_ref.present += u32::from(state == Membership::Present);
        let taken_at = self.now.wrapping_millis();
        self.members[index as usize] =
            Member { state, room, conn: slot, previous, position, end: position, taken_at, ..Member::EMPTY };
        match previous {
            NONE => self.rooms[room as usize].first = index,
            previous => self.members[previous as usize].next = index,
        }
    }

    /// Ends a membership: `state` is `Leaving` while its departure has to be told,
    /// or `Draining`.
    pub(crate) fn leave(&mut self, index: MemberIndex, state: Membership) {
        let member = &mut self.members[index as usize];
        let (slot, room) = (member.conn, &mut self.rooms[member.room as usize]);
        room.present -= u32::from(member.state == Membership::Present);
        member.end = member.end(&room.log);
        member.state = state;
        if self.conns[slot as usize].turn.room == member.room {
            room.waiting.remove(self.conns, slot);
        }
        self.settle(index);
    }

    /// Frees the memberships that are being left, without a notice.
    pub(crate) fn let_go(&mut self, slot: Slot) {
        while let Some(member) = self.member_in(slot, &[Membership::Leaving]) {
            self.leave(member, Membership::Draining);
        }
    }

    /// Call this when a membership has left or moved. It may be at its end, and may not hold the log any
    /// more.
    pub(super) fn settle(&mut self, index: MemberIndex) {
        let member = &self.members[index as usize];
        if member.state == Membership::Draining && member.position == member.end {
            self.unlink(index);
        } else {
            self.loosen(member.room);
        }
    }

    pub(super) fn unlink(&mut self, index: MemberIndex) {
        let Member { room, previous, next, conn, .. } =
            core::mem::replace(&mut self.members[index as usize], Member::EMPTY);
        let room_ref = &mut self.rooms[room as usize];
        room_ref.members -= 1;
        room_ref.unnamed = room_ref.unnamed.min(room_ref.members);
        if room_ref.named == index {
            room_ref.named = next;
        }
        match previous {
            NONE => room_ref.first = next,
            previous => self.members[previous as usize].next = next,
        }
        match next {
            NONE => room_ref.last = previous,
            next => self.members[next as usize].previous = previous,
        }
        // Its connection may have waited for a place, or may be finished now.
        self.wake(conn);
        if self.rooms[room as usize].is_free() {
            self.free_room(room);
        } else {
            self.loosen(room);
        }
    }

    /// Sets up the rooms that exist from the start, and lists the others as free.
    pub(super) fn enter_rooms(&mut self) {
        for room in (0..self.rooms.len() as RoomIndex).rev() {
            if self.rooms[room as usize].is_free() {
                self.free_room(room);
            } else if !self.rooms[room as usize].name.is_empty() {
                let name = self.room_name(room);
                self.enter_room(room, core::str::from_utf8(&name).unwrap_or_default());
            }
            self.rooms[room as usize].patience = Patience::full(self.config.grace_ms);
        }
    }

    /// Makes a room with a name that no room has. `None`: there are as many rooms as allowed. Somebody
    /// must join it. It is free again when the last member has left.
    pub(crate) fn new_room(&mut self, name: &str) -> Option<RoomIndex> {
        let room = self.free_room;
        self.free_room = self.rooms.get(room as usize)?.next_free;
        self.enter_room(room, name);
        self.rooms[room as usize].name.set(name.as_bytes());
        Some(room)
    }

    fn free_room(&mut self, room: RoomIndex) {
        if !self.rooms[room as usize].name.is_empty() {
            self.remove_room(room);
        }
        let grace_ms = self.config.grace_ms;
        let next_free = core::mem::replace(&mut self.free_room, room);
        let room = &mut self.rooms[room as usize];
        (room.next_free, room.generation) = (next_free, room.generation.wrapping_add(1));
        (room.closed, room.loosened, room.patience) = (false, false, Patience::full(grace_ms));
        (room.untold, room.tell_at) = ([0; 2], Instant::NEVER);
        room.name.clear();
        room.topic.clear();
        // The next room in its place must not show the lines of this one.
        room.log.forget();
    }

    /// A room's name.
    pub(crate) fn room_name(&self, room: RoomIndex) -> Name {
        Name::from_slice(self.rooms[room as usize].name.as_bytes()).unwrap_or_default()
    }

    /// The room of a relay listener that has one of its own.
    pub(crate) fn room_owned(&self, owner: ListenerId) -> Option<RoomIndex> {
        self.rooms.iter().position(|room| room.owner == Some(owner)).map(|index| index as RoomIndex)
    }

    /// Whether a notice can be appended now.
    pub(crate) fn takes_notice(&self, room: RoomIndex) -> bool {
        self.rooms[room as usize].log.fits(1, self.limits.longest())
    }

    /// Appends a record to a room that takes it. `author` does not get it back.
    pub(crate) fn append(
        &mut self,
        room: RoomIndex,
        seq: u64,
        author: Option<MemberIndex>,
        kind: Kind,
        parts: &[&[u8]],
    ) {
        let log = &mut self.rooms[room as usize].log;
        let start = log.head();
        let number = log.append(seq, kind, parts);
        if let Some(author) = author {
            self.members[author as usize].appended_own(log, start, number);
        }
        self.appended(room, 1);
    }

    /// As [`Exchange::append`], for a line of a member to its own room, in one part.
    pub(crate) fn append_own(&mut self, member: MemberIndex, bytes: &[u8]) {
        let (room, seq) = (self.members[member as usize].room, self.next_seq());
        let log = &mut self.rooms[room as usize].log;
        let start = log.head();
        let number = log.append(seq, Kind::Message, &[bytes]);
        self.members[member as usize].appended_own(log, start, number);
        self.appended(room, 1);
    }

    /// Call this when this many records were appended to a room.
    fn appended(&mut self, room: RoomIndex, count: u64) {
        self.stats.records += count;
        self.touch_members(room);
        if !self.rooms[room as usize].closed && !self.has_place(room) {
            self.refresh(room, false);
        }
    }

    /// The sequence number for an event that is about to be appended.
    pub(crate) fn next_seq(&mut self) -> u64 {
        let seq = self.seq;
        self.seq = seq.wrapping_add(1);
        seq
    }

    /// Says something in every room that a connection is in. The connection does not get it back.
    pub(crate) fn say(&mut self, slot: Slot, kind: Kind, parts: &[&[u8]]) {
        self.append_to_all(slot, kind, parts, true);
    }

    /// The membership of a connection in the one room that it is in.
    pub(crate) fn only_membership(&self, slot: Slot) -> Option<MemberIndex> {
        let mut present =
            self.members_of(slot).filter(|&m| self.members[m as usize].state == Membership::Present);
        present.next().filter(|_| present.next().is_none())
    }

    /// Says messages in one open room: as many as `next` has. It calls `next` only while the room has
    /// place for another one.
    pub(crate) fn say_all<'t>(
        &mut self,
        member: MemberIndex,
        heading: &[u8],
        mut next: impl FnMut() -> Option<&'t [u8]>,
    ) {
        let (first, longest, mut seq) = (self.seq, self.limits.longest(), self.seq);
        let author = &mut self.members[member as usize];
        let (room, log) = (author.room, &mut self.rooms[author.room as usize].log);
        while log.fits(1 + RESERVE, longest)
            && let Some(text) = next()
        {
            let start = log.head();
            let number = log.append_line(seq, heading, text);
            author.appended_own(log, start, number);
            seq = seq.wrapping_add(1);
        }
        self.seq = seq;
        // If nothing was said, nobody else has changed.
        if seq != first {
            self.appended(room, seq.wrapping_sub(first));
        }
    }

    /// Tells something in every room that a connection is in, to itself too.
    pub(crate) fn announce(&mut self, slot: Slot, parts: &[&[u8]]) {
        self.append_to_all(slot, Kind::Notice, parts, false);
    }

    fn append_to_all(&mut self, slot: Slot, kind: Kind, parts: &[&[u8]], own: bool) {
        let seq = self.next_seq();
        for index in self.members_of(slot) {
            let Member { state, room, .. } = self.members[index as usize];
            if state == Membership::Present {
                self.append(room, seq, own.then_some(index), kind, parts);
            }
        }
    }

    /// Puts a text into a connection's private queue, if it fits.
    pub(crate) fn tell(&mut self, slot: Slot, parts: &[&[u8]]) -> bool {
        self.enqueue(slot, self.seq, parts)
    }

    /// As [`Exchange::tell`], at a given place in the order.
    pub(crate) fn enqueue(&mut self, slot: Slot, seq: u64, parts: &[&[u8]]) -> bool {
        let queue = &mut self.conns[slot as usize].queue;
        let told = queue.push(&mut self.buffers, seq, parts);
        self.stats.queue_most = self.stats.queue_most.max(queue.used());
        self.touch(slot);
        told
    }

    /// How long a text the private queue of a connection would take.
    pub(crate) fn queue_free(&self, slot: Slot) -> usize {
        self.conns[slot as usize].queue.free(&self.buffers)
    }

    /// About how many bytes a connection may say now: as many as its room has place for, and as its rate
    /// allows in a second. It is at least a line. That line waits for its turn if it must.
    pub(crate) fn appetite(&self, slot: Slot) -> usize {
        let member = self.memberships(slot).iter().find(|member| member.speaks());
        let place = member.map_or(0, |member| {
            let room = &self.rooms[member.room as usize];
            if room.closed { 0 } else { room.log.free() }
        });
        let rate = self.rate(slot).map_or(usize::MAX, |rate| self.limits.line.saturating_mul(rate as usize));
        place.min(rate).max(self.limits.line_buffer())
    }

    /// The room whose turn a line must wait for. The room has no place, or others were first. A line
    /// that has already waited for its turn need not wait again.
    pub(crate) fn room_to_wait_for(&self, slot: Slot, has_waited: bool) -> Option<RoomIndex> {
        let has_to_wait = |member: &&Member| {
            let room = &self.rooms[member.room as usize];
            room.closed || !has_waited && !room.waiting.is_empty()
        };
        let mut speaking = self.memberships(slot).iter().filter(|member| member.speaks());
        let member = speaking.find(has_to_wait);
        member.map(|member| member.room)
    }

    /// Whether a line must wait for its turn. If so, its author is woken when the turn has come.
    pub(crate) fn waits_for_turn(&mut self, slot: Slot, has_waited: bool) -> bool {
        let Some(room) = self.room_to_wait_for(slot, has_waited) else { return false };
        if self.conn(slot).turn.room == NONE {
            let Room { waiting, busy_since, closed, .. } = &mut self.rooms[room as usize];
            if waiting.is_empty() {
                *busy_since = self.now;
            }
            waiting.push(self.conns, room, slot);
            if !*closed {
                self.opened_rooms.push(self.rooms, room);
            }
        }
        true
    }
}
