//! What is said: records for rooms, and texts for one connection alone.

use super::Exchange;
use super::lag::RESERVE;
use crate::conn::{NONE, Slot};
use crate::encoding::chat;
use crate::log::Stamp;
use crate::record::{Identity, Kind, Parts};
use crate::room::{Member, MemberIndex, Membership, Room, RoomIndex};
use crate::text::Text;

impl Exchange<'_> {
    // --- In a room ---

    /// Says something in a room that a connection may speak in. The connection does not get it back.
    pub(crate) fn say(&mut self, slot: Slot, room: RoomIndex, kind: Kind, text: &[u8]) {
        #[cfg(feature = "large")]
        if self.config.proposes {
            return self.propose(slot, room, kind, false, text);
        }
        if let Some(member) = self.speaker(slot, room) {
            let seq = self.next_seq();
            // It gets back what the others say. One that gets nothing has nothing to pass over.
            let own = (self.members[member].state == Membership::Present).then_some(member);
            self.append(room, seq, own, (slot, kind, text));
        }
    }

    /// Says messages in one open room: as many as `next` has. It calls `next` only while the room has
    /// place for another one.
    pub(crate) fn say_all<'t>(
        &mut self,
        slot: Slot,
        room: RoomIndex,
        mut next: impl FnMut() -> Option<&'t [u8]>,
    ) {
        if self.rooms[room].has_rings() {
            while self.has_place(room)
                && let Some(text) = next()
            {
                self.say(slot, room, Kind::Say, text);
            }
            return;
        }
        let Some(member) = self.speaker(slot, room) else { return };
        let scratch = core::mem::take(&mut self.scratch);
        let conn = &self.conns[slot];
        let parts = chat::parts(Kind::Say, conn.name.as_bytes(), b"");
        let stamp = Stamp::new((conn.identity, Kind::Say), self.unix_ms(), &parts);
        let mut heading = Text::new(scratch);
        for part in &parts[..3] {
            heading.push(part);
        }
        let (first, longest, mut seq) = (self.seq, self.limits.longest(), self.seq);
        let speaker = &mut self.members[member];
        let log = &mut self.rooms[room].log;
        while log.fits(1 + RESERVE, longest)
            && let Some(text) = next()
        {
            let start = log.head();
            let number = log.append_line(seq, stamp, heading.as_bytes(), text);
            speaker.appended_own(log, start, number);
            seq = seq.wrapping_add(1);
        }
        self.seq = seq;
        self.scratch = heading.into_bytes();
        // If nothing was said, nobody else has changed.
        if seq != first {
            self.rooms[room].count_messages(seq.wrapping_sub(first) as u32);
            self.appended(room, seq.wrapping_sub(first));
        }
    }

    /// Passes on bytes of a relay's client. If `is_torn`, a line of somebody else is ended first.
    pub(crate) fn pass_on(&mut self, slot: Slot, room: RoomIndex, is_torn: bool, bytes: &[u8]) {
        #[cfg(feature = "large")]
        if self.config.proposes {
            return self.propose(slot, room, Kind::Raw, is_torn, bytes);
        }
        let Some(member) = self.speaker(slot, room) else { return };
        let own = (self.members[member].state == Membership::Present).then_some(member);
        let seq = self.next_seq();
        let torn: &[u8] = if is_torn { b"\n" } else { b"" };
        let parts: Parts<'_> = [b"", b"", torn, bytes, b""];
        let stamp = Stamp::new((self.conns[slot].identity, Kind::Raw), self.unix_ms(), &parts);
        // Most have one piece.
        self.append_pieces(room, seq, own, stamp, if is_torn { &parts } else { &parts[3..4] }, [b"", bytes]);
    }

    /// Tells something in every room that a connection is in, to itself too. All of them must take it.
    pub(crate) fn announce(&mut self, slot: Slot, kind: Kind, text: &[u8]) {
        let seq = self.next_seq();
        let mut next = self.conns[slot].first_member;
        while let Some(&Member { state, room, sibling, .. }) = self.members.get(next) {
            next = sibling;
            if state == Membership::Present {
                self.append(room, seq, None, (slot, kind, text));
            }
        }
    }

    /// Tells something in a room that a connection is in, to itself too.
    pub(crate) fn announce_in(&mut self, slot: Slot, room: RoomIndex, kind: Kind, text: &[u8]) {
        let seq = self.next_seq();
        self.append(room, seq, None, (slot, kind, text));
    }

    /// Says something in the server's name, in a room that takes it.
    pub(crate) fn proclaim(&mut self, room: RoomIndex, seq: u64, text: &[u8]) {
        let parts = chat::parts(Kind::Server, b"", text);
        let stamp = Stamp::new((Identity::HUB, Kind::Server), self.unix_ms(), &parts);
        self.append_pieces(room, seq, None, stamp, &parts, [b"", text]);
    }

    /// Appends a record to a room that takes it. `own`: the author's membership, if the author does not
    /// get it back.
    pub(super) fn append(
        &mut self,
        room: RoomIndex,
        seq: u64,
        own: Option<MemberIndex>,
        (slot, kind, text): (Slot, Kind, &[u8]),
    ) {
        // The name is lent for a moment. A copy of it would cost more than all the rest.
        let name = core::mem::take(&mut self.conns[slot].name);
        let parts = chat::parts(kind, name.as_bytes(), text);
        let stamp = Stamp::new((self.conns[slot].identity, kind), self.unix_ms(), &parts);
        self.rooms[room].count_messages(u32::from(kind.is_message()));
        self.append_pieces(room, seq, own, stamp, &parts, [name.as_bytes(), text]);
        self.conns[slot].name = name;
    }

    pub(super) fn append_pieces(
        &mut self,
        room: RoomIndex,
        seq: u64,
        own: Option<MemberIndex>,
        stamp: Stamp,
        pieces: &[&[u8]],
        name_and_text: [&[u8]; 2],
    ) {
        let has_rings = self.rooms[room].has_rings();
        let log = &mut self.rooms[room].log;
        let start = log.head();
        let number = log.append(seq, stamp, pieces);
        if has_rings {
            self.render((room, number), stamp, own, name_and_text);
        } else if let Some(own) = own {
            self.members[own].appended_own(log, start, number);
        }
        self.appended(room, 1);
    }

    /// Call this when this many records were appended to a room.
    fn appended(&mut self, room: RoomIndex, count: u64) {
        self.stats.records += count;
        self.note_appended(room, count);
        self.activate(room);
        self.agenda.touch_members(&mut self.rooms, room);
        if !self.rooms[room].closed && !self.has_place(room) {
            self.refresh(room, false);
        }
    }

    /// The number for an event that is about to be told.
    pub(crate) fn next_seq(&mut self) -> u64 {
        let seq = self.seq;
        self.seq = seq.wrapping_add(1);
        seq
    }

    /// The time of day; 0 if it is not known.
    pub(super) fn unix_ms(&self) -> u64 {
        self.clock().unix_ms
    }

    // --- To one connection ---

    /// Tells a connection something in the server's name, if it fits.
    pub(crate) fn note<T: AsRef<[u8]>>(&mut self, slot: Slot, parts: &[T]) -> bool {
        self.note_at(slot, self.seq, parts)
    }

    /// As [`Exchange::note`], at a given place in the order.
    pub(super) fn note_at<T: AsRef<[u8]>>(&mut self, slot: Slot, seq: u64, parts: &[T]) -> bool {
        self.tell_as(slot, seq, (Kind::Server, Identity::HUB), b"", parts)
    }

    /// Sends a direct message, and shows it to its author too. Returns false if the other one's private
    /// queue has no place for it.
    pub(crate) fn whisper(&mut self, slot: Slot, other: Slot, text: &[u8]) -> bool {
        let (from, to, author) = (self.name(slot), self.name(other), self.conns[slot].identity);
        let seq = self.seq;
        let is_sent = self.tell_as(other, seq, (Kind::Direct, author), &from, &[text]);
        if is_sent {
            self.tell_as(slot, seq, (Kind::Sent, author), &to, &[text]);
        }
        is_sent
    }

    fn tell_as<T: AsRef<[u8]>>(
        &mut self,
        slot: Slot,
        seq: u64,
        (kind, author): (Kind, Identity),
        name: &[u8],
        parts: &[T],
    ) -> bool {
        if let Some(told) = self.tell_rendered(slot, seq, (kind, author), name, parts) {
            return told;
        }
        let mut line = heapless::Vec::<&[u8], 12>::new();
        let [before, name, between, _, end] = chat::parts(kind, name, b"");
        let parts = parts.iter().map(AsRef::as_ref);
        for part in [before, name, between].into_iter().chain(parts).chain([end]) {
            let is_told = line.push(part);
            debug_assert!(is_told.is_ok(), "an answer has no more than eight parts");
        }
        self.enqueue(slot, seq, &line)
    }

    /// Puts bytes as they are into a connection's private queue, if they fit.
    pub(crate) fn tell(&mut self, slot: Slot, parts: &[&[u8]]) -> bool {
        self.enqueue(slot, self.seq, parts)
    }

    /// As [`Exchange::tell`], at a given place in the order.
    pub(crate) fn enqueue(&mut self, slot: Slot, seq: u64, parts: &[&[u8]]) -> bool {
        let told = self.conns.put(slot, seq, parts, self.is_told_in_order(slot));
        self.stats.queue_most = self.stats.queue_most.max(self.conns[slot].queue.used());
        self.touch(slot);
        told
    }

    /// How long a text the private queue of a connection would take.
    pub(crate) fn queue_free(&self, slot: Slot) -> usize {
        self.conns.queue_free(slot)
    }

    /// Whether the private queue of a connection takes every line.
    pub(crate) fn takes_a_line(&self, slot: Slot) -> bool {
        self.queue_free(slot) >= self.longest(slot)
    }

    /// How much waits in the private queue of a connection.
    pub(crate) fn queue_used(&self, slot: Slot) -> u32 {
        self.conns[slot].queue.used()
    }

    // --- Turns ---

    /// About how many bytes a connection may say now: as many as its room has place for, and as its rate
    /// allows in a second. It is at least a line. That line waits for its turn if it must.
    pub(crate) fn appetite(&self, slot: Slot) -> usize {
        let place = self.memberships(slot).find(|(_, member)| member.speaks()).map_or(0, |(_, member)| {
            let room = &self.rooms[member.room];
            if room.closed { 0 } else { room.log.free() }
        });
        let rate = self.rate(slot).map_or(usize::MAX, |rate| self.limits.line.saturating_mul(rate as usize));
        place.min(rate).max(self.limits.line_buffer())
    }

    /// Whether a line must wait for its turn in a room. The room has no place, or others were first. A
    /// line that has already waited for its turn need not wait again.
    pub(crate) fn must_wait(&self, room: RoomIndex, has_waited: bool) -> bool {
        let room = &self.rooms[room];
        room.closed || !self.takes_proposal() || !has_waited && !room.waiting.is_empty()
    }

    /// Nobody decides the order for a small hub.
    #[cfg(not(feature = "large"))]
    pub(super) fn takes_proposal(&self) -> bool {
        true
    }

    /// Nobody decides the order for a small hub.
    #[cfg(not(feature = "large"))]
    pub(crate) fn has_pending(&self, _: Slot) -> bool {
        false
    }

    /// Whether a line must wait for its turn in a room. If so, its author is woken when the turn has
    /// come.
    pub(crate) fn waits_for_turn(&mut self, slot: Slot, room: RoomIndex, has_waited: bool) -> bool {
        if !self.must_wait(room, has_waited) {
            return false;
        }
        if !self.is_waiting(slot) {
            let now = self.now;
            let Room { waiting, busy_since, closed, .. } = &mut self.rooms[room];
            if waiting.is_empty() {
                *busy_since = now;
            }
            waiting.push(self.conns.all_mut(), room, slot);
            if !*closed {
                self.agenda.opened(&mut self.rooms, room);
            }
        }
        true
    }

    /// Whether one of a connection's rooms is closed. If so, the connection is woken when it is open.
    pub(crate) fn waits_for_a_room(&mut self, slot: Slot) -> bool {
        let mut memberships = self.memberships(slot);
        let closed = memberships.find(|(_, member)| member.speaks() && self.rooms[member.room].closed);
        let room = closed.map(|(_, member)| member.room);
        drop(memberships);
        room.is_some_and(|room| self.waits_for_turn(slot, room, true))
    }

    /// Whether a connection waits for its turn in a room.
    pub(crate) fn is_waiting(&self, slot: Slot) -> bool {
        self.conns[slot].turn.room != NONE
    }
}
