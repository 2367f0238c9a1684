//! Memberships and rooms: joining, leaving, and saying something in a room.

use super::lag::RESERVE;
use super::{Exchange, Name};
use crate::conn::{NONE, Slot};
use crate::event::ListenerId;
use crate::log::Kind;
use crate::room::{Member, MemberIndex, Membership, Room, RoomIndex};

impl Exchange<'_> {
    /// The places for memberships of a connection.
    pub(crate) fn members_of(&self, slot: Slot) -> core::ops::Range<MemberIndex> {
        let each = self.limits.rooms_per_conn as u32;
        slot * each..(slot + 1) * each
    }

    /// The memberships of a connection, those that are free included.
    pub(crate) fn memberships(&self, slot: Slot) -> &[Member] {
        let each = self.limits.rooms_per_conn;
        let first = slot as usize * each;
        &self.members[first..first + each]
    }

    /// The first membership of a connection that is in one of the `states`.
    pub(crate) fn member_in(&self, slot: Slot, states: &[Membership]) -> Option<MemberIndex> {
        self.members_of(slot).find(|&m| states.contains(&self.members[m as usize].state))
    }

    /// The room that a connection is in, of several the first.
    pub(crate) fn room_of(&self, slot: Slot) -> Option<RoomIndex> {
        let present = self.memberships(slot).iter().find(|member| member.state == Membership::Present);
        present.map(|member| member.room)
    }

    /// The room's memberships, in the order in which they take turns.
    pub(crate) fn members_in(&self, room: RoomIndex) -> impl Iterator<Item = &Member> {
        let mut next = self.rooms[room as usize].first;
        core::iter::from_fn(move || {
            let member = self.members.get(next as usize)?;
            next = member.next;
            Some(member)
        })
    }

    /// Makes a connection a member; what is said from now on concerns it.
    /// `None` while it has no place for one more room, or has not yet received
    /// what was said in this one before it left.
    pub(crate) fn join(&mut self, slot: Slot, room: RoomIndex, state: Membership) -> Option<MemberIndex> {
        let mut places = self.members_of(slot);
        if places.clone().any(|m| {
            let member = &self.members[m as usize];
            member.state != Membership::Free && member.room == room
        }) {
            return None;
        }
        let index = places.find(|&m| self.members[m as usize].state == Membership::Free)?;
        let room_ref = &mut self.rooms[room as usize];
        let position = room_ref.log.head();
        let previous = core::mem::replace(&mut room_ref.last, index);
        self.members[index as usize] =
            Member { state, room, conn: slot, previous, position, end: position, ..Member::EMPTY };
        match previous {
            NONE => self.rooms[room as usize].first = index,
            previous => self.members[previous as usize].next = index,
        }
        self.rooms[room as usize].present += u32::from(state == Membership::Present);
        Some(index)
    }

    /// Lets a member that waited to join come in.
    pub(crate) fn admit(&mut self, index: MemberIndex) {
        let member = &mut self.members[index as usize];
        let room = &mut self.rooms[member.room as usize];
        member.state = Membership::Present;
        member.position = room.log.head();
        room.present += 1;
        self.touch(self.members[index as usize].conn);
    }

    /// Ends a membership: `state` is `Leaving` while its departure has to be told,
    /// or `Draining`.
    pub(crate) fn leave(&mut self, index: MemberIndex, state: Membership) {
        let member = &mut self.members[index as usize];
        let room = &mut self.rooms[member.room as usize];
        match member.state {
            Membership::Present => room.present -= 1,
            Membership::Joining => return self.unlink(index),
            Membership::Free | Membership::Observing | Membership::Leaving | Membership::Draining => {}
        }
        member.end = member.end(&room.log);
        member.state = state;
        self.settle(index);
    }

    /// Lets go of the memberships that are to be left, where nobody is told.
    pub(crate) fn let_go(&mut self, slot: Slot) {
        while let Some(member) = self.member_in(slot, &[Membership::Leaving]) {
            self.leave(member, Membership::Draining);
        }
    }

    /// What follows when a membership has left or moved: it may be at its
    /// end, and the log may be held no longer.
    pub(super) fn settle(&mut self, index: MemberIndex) {
        let member = &self.members[index as usize];
        let room = member.room;
        if member.state == Membership::Draining && member.position == member.end {
            self.unlink(index);
        } else if self.rooms[room as usize].closed {
            self.refresh(room);
        }
    }

    pub(super) fn unlink(&mut self, index: MemberIndex) {
        let Member { room, previous, next, conn, .. } =
            core::mem::replace(&mut self.members[index as usize], Member::EMPTY);
        match previous {
            NONE => self.rooms[room as usize].first = next,
            previous => self.members[previous as usize].next = next,
        }
        match next {
            NONE => self.rooms[room as usize].last = previous,
            next => self.members[next as usize].previous = previous,
        }
        // Its connection may have waited for a place, or may be gone now.
        self.wake(conn);
        let room_ref = &mut self.rooms[room as usize];
        if room_ref.is_free() {
            room_ref.name.clear();
            room_ref.topic.clear();
        }
        if room_ref.closed {
            self.refresh(room);
        }
    }

    /// Puts the first member last, so that it is not always the same one that is
    /// asked first when a room opens.
    pub(super) fn rotate(&mut self, room: RoomIndex) {
        let Room { first, last, .. } = self.rooms[room as usize];
        if first == last {
            return;
        }
        let second = core::mem::replace(&mut self.members[first as usize].next, NONE);
        self.members[first as usize].previous = last;
        self.members[last as usize].next = first;
        self.members[second as usize].previous = NONE;
        (self.rooms[room as usize].first, self.rooms[room as usize].last) = (second, first);
    }

    /// The room called `name`, without regard to ASCII case.
    pub(crate) fn room_named(&self, name: &[u8]) -> Option<RoomIndex> {
        let found = self.rooms.iter().position(|room| {
            !room.is_free() && room.owner.is_none() && room.name.as_bytes().eq_ignore_ascii_case(name)
        });
        found.map(|index| index as RoomIndex)
    }

    /// A room's name.
    pub(crate) fn room_name(&self, room: RoomIndex) -> Name {
        Name::from_slice(self.rooms[room as usize].name.as_bytes()).unwrap_or_default()
    }

    /// The room of a relay listener.
    pub(crate) fn room_owned(&self, owner: ListenerId) -> Option<RoomIndex> {
        self.rooms.iter().position(|room| room.owner == Some(owner)).map(|index| index as RoomIndex)
    }

    /// The room called `name`, made if there is none. `None`: there are as
    /// many rooms as there may be. A room that nobody joins is free again.
    pub(crate) fn room_or_new(&mut self, name: &[u8]) -> Option<RoomIndex> {
        if let Some(room) = self.room_named(name) {
            return Some(room);
        }
        let free = self.rooms.iter().position(Room::is_free)?;
        self.rooms[free].name.set(name);
        Some(free as RoomIndex)
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

    /// What follows when so many records were appended to a room.
    fn appended(&mut self, room: RoomIndex, count: u64) {
        self.stats.records += count;
        self.changed_rooms.push(self.rooms, room);
        if !self.has_place(room) {
            self.refresh(room);
        }
    }

    /// The sequence number for an event that is about to be appended.
    pub(crate) fn next_seq(&mut self) -> u64 {
        let seq = self.seq;
        self.seq = seq.wrapping_add(1);
        seq
    }

    /// Says something in every room that a connection is in. It gets nothing
    /// of it back.
    pub(crate) fn say(&mut self, slot: Slot, kind: Kind, parts: &[&[u8]]) {
        self.append_to_all(slot, kind, parts, true);
    }

    /// The membership of a connection in the one room that it is in.
    pub(crate) fn only_membership(&self, slot: Slot) -> Option<MemberIndex> {
        let mut present =
            self.members_of(slot).filter(|&m| self.members[m as usize].state == Membership::Present);
        present.next().filter(|_| present.next().is_none())
    }

    /// Says messages in one room, which is open: as many as `next` has, which is asked
    /// only while the room has place for another one.
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
        // Where nothing was said nobody else has changed.
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

    /// As [`Exchange::tell`], at a place of one's choice in the order.
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

    /// The bytes that may be appended to a room before it is looked at again.
    pub(crate) fn place_in(&self, room: RoomIndex) -> usize {
        let Room { closed, log, .. } = &self.rooms[room as usize];
        if *closed { 0 } else { log.free() }
    }
}
