//! The exchange: connection table, rooms and memberships, and what can be done
//! with them: say something in rooms, tell one connection, join, leave, close.
//! It knows no protocol; the protocols are built on it.
//!
//! Lag is handled here. A room that has no place left for the longest line is
//! *closed*: its members' input waits. Whoever then holds back the log has the
//! grace to take what waited for it at that moment.

use crate::conn::{Conn, Gap, Listing, NONE, Slot, State};
use crate::event::{Cause, Close, ConnId, Instant, Interest, ListenerId};
use crate::limits::{Config, Limits, NAME_BYTES};
use crate::log::{Kind, Log, before};
use crate::room::{Member, MemberIndex, Membership, Room, RoomIndex};
use crate::worklist::Worklist;

/// A copy of a name.
pub(crate) type Name = heapless::Vec<u8, NAME_BYTES>;

/// Records that a room keeps free beyond the one that is being appended: what
/// happens to members can be told even while nobody may speak.
const RESERVE: usize = 2;

/// What a hub has done since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Stats {
    /// Connections that were let in.
    pub accepted: u64,
    /// Newcomers that were not.
    pub refused: u64,
    /// Connections that were closed, or moved on, because others had waited for them.
    pub lagged: u64,
    /// Records that were appended to rooms.
    pub records: u64,
    /// Bytes that were taken from connections.
    pub received_bytes: u64,
    /// Bytes that transports took.
    pub sent_bytes: u64,
}

/// How far ahead of its rate a connection may be.
const BURST_US: u64 = 1_000_000;

/// State shared by all protocols.
pub(crate) struct Exchange<'a> {
    pub(crate) config: Config<'a>,
    pub(crate) limits: Limits,
    pub(crate) conns: &'a mut [Conn<'a>],
    pub(crate) members: &'a mut [Member],
    pub(crate) rooms: &'a mut [Room<'a>],
    /// For one line while it is made fit to be shown.
    pub(crate) scratch: &'a mut [u8],
    pub(crate) now: Instant,
    pub(crate) stats: Stats,
    /// Somebody who may has asked for the end.
    pub(crate) shutdown_wanted: bool,
    pub(crate) shutting_down: bool,
    /// Sequence number of the next record.
    seq: u64,
    /// Connections in the table.
    count: u32,
    /// The free slot to be used next, and the first that was never used.
    free: Slot,
    unused: Slot,
    /// No guest's number below this one is free.
    guest_hint: u32,
    /// No deadline is earlier.
    deadline: Instant,
    changed: Worklist,
    woken: Worklist,
    /// Some room is `changed`; some room is `reopened`.
    rooms_changed: bool,
    rooms_reopened: bool,
}

impl<'a> Exchange<'a> {
    pub(crate) fn new(
        config: Config<'a>,
        limits: Limits,
        conns: &'a mut [Conn<'a>],
        members: &'a mut [Member],
        rooms: &'a mut [Room<'a>],
        scratch: &'a mut [u8],
    ) -> Self {
        Self {
            config,
            limits,
            conns,
            members,
            rooms,
            scratch,
            now: Instant::default(),
            stats: Stats::default(),
            shutdown_wanted: false,
            shutting_down: false,
            seq: config.origin,
            count: 0,
            free: NONE,
            unused: 0,
            guest_hint: 0,
            deadline: Instant::NEVER,
            changed: Worklist::new(|conn| &mut conn.changed),
            woken: Worklist::new(|conn| &mut conn.woken),
            rooms_changed: false,
            rooms_reopened: false,
        }
    }

    // --- The table ---

    /// Connections in the table, those that are closing included.
    pub(crate) fn count(&self) -> usize {
        self.count as usize
    }

    /// Every slot that is, or was, in use.
    pub(crate) fn slots(&self) -> core::ops::Range<Slot> {
        0..self.unused
    }

    pub(crate) fn conn(&self, slot: Slot) -> &Conn<'a> {
        &self.conns[slot as usize]
    }

    pub(crate) fn conn_mut(&mut self, slot: Slot) -> &mut Conn<'a> {
        &mut self.conns[slot as usize]
    }

    /// The slot that `id` names, unless the connection is gone.
    pub(crate) fn find(&self, id: ConnId) -> Option<Slot> {
        let conn = self.conns.get(id.slot as usize)?;
        let is_there = !matches!(conn.state, State::Free | State::Gone);
        (is_there && conn.generation == id.generation).then_some(id.slot)
    }

    /// Takes a free slot for a newcomer.
    pub(crate) fn open(&mut self, listener: ListenerId, peer: Option<core::net::IpAddr>) -> Option<Slot> {
        let slot = if self.free != NONE {
            let slot = self.free;
            self.free = self.conns[slot as usize].next_free;
            slot
        } else if (self.unused as usize) < self.limits.conns {
            self.unused += 1;
            self.unused - 1
        } else {
            return None;
        };
        self.count += 1;
        let now = self.now;
        self.conns[slot as usize].open(listener, peer, now);
        self.touch(slot);
        if let Some(idle_ms) = self.config.idle_ms {
            self.arm(now.after(u64::from(idle_ms)));
        }
        Some(slot)
    }

    /// Frees the slot of a connection of which nothing is left.
    pub(crate) fn release_if_gone(&mut self, slot: Slot) {
        let has_members = self.members_of(slot).any(|m| self.members[m as usize].state != Membership::Free);
        if self.conn(slot).state != State::Gone || has_members {
            return;
        }
        self.unname(slot);
        let free = self.free;
        let conn = self.conn_mut(slot);
        conn.state = State::Free;
        conn.generation = conn.generation.wrapping_add(1);
        conn.next_free = free;
        self.free = slot;
        self.count -= 1;
    }

    // --- Names ---

    pub(crate) fn name(&self, slot: Slot) -> Name {
        Name::from_slice(self.conn(slot).name.as_bytes()).unwrap_or_default()
    }

    /// Who bears `name`, without regard to ASCII case.
    pub(crate) fn named(&self, name: &[u8]) -> Option<Slot> {
        self.slots().find(|&slot| {
            let conn = self.conn(slot);
            conn.state != State::Free && conn.name.as_bytes().eq_ignore_ascii_case(name)
        })
    }

    pub(crate) fn set_name(&mut self, slot: Slot, name: &[u8]) {
        self.unname(slot);
        self.conn_mut(slot).name.set(name);
        if let Some(guest) = self.guest_number(name) {
            self.conns[guest as usize].guest_taken = true;
        }
    }

    /// Gives the lowest free `guest-N`.
    pub(crate) fn set_guest_name(&mut self, slot: Slot) {
        let free = (self.guest_hint as usize..self.conns.len()).find(|&n| !self.conns[n].guest_taken);
        // There are as many numbers as connections, and this one has none.
        let Some(free) = free else { return };
        self.guest_hint = free as u32 + 1;
        let mut name = heapless::String::<16>::new();
        let _ = core::fmt::Write::write_fmt(&mut name, format_args!("guest-{}", free + 1));
        self.set_name(slot, name.as_bytes());
    }

    fn unname(&mut self, slot: Slot) {
        if let Some(guest) = self.guest_number(&self.name(slot)) {
            self.conns[guest as usize].guest_taken = false;
            self.guest_hint = self.guest_hint.min(guest);
        }
        self.conn_mut(slot).name.clear();
    }

    /// N - 1 if the name is `guest-N` with an N that newcomers are given.
    fn guest_number(&self, name: &[u8]) -> Option<u32> {
        let (guest, number) = name.split_at_checked(6)?;
        let number = core::str::from_utf8(number).ok()?;
        let number: u32 =
            (number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0')).then(|| number.parse().ok())??;
        (guest.eq_ignore_ascii_case(b"guest-") && number as usize <= self.conns.len()).then(|| number - 1)
    }

    // --- Memberships ---

    /// The places for memberships of a connection.
    pub(crate) fn members_of(&self, slot: Slot) -> core::ops::Range<MemberIndex> {
        let each = self.limits.rooms_per_conn as u32;
        slot * each..(slot + 1) * each
    }

    /// The first membership of a connection that is in one of the `states`.
    pub(crate) fn member_in(&self, slot: Slot, states: &[Membership]) -> Option<MemberIndex> {
        self.members_of(slot).find(|&m| states.contains(&self.members[m as usize].state))
    }

    /// The room that a connection is in, of several the first.
    pub(crate) fn room_of(&self, slot: Slot) -> Option<RoomIndex> {
        self.member_in(slot, &[Membership::Present]).map(|m| self.members[m as usize].room)
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

    /// What follows when a membership has left or moved: it may be at its
    /// end, and the log may be held no longer.
    fn settle(&mut self, index: MemberIndex) {
        let member = &self.members[index as usize];
        let room = member.room;
        if member.state == Membership::Draining && member.position == member.end {
            self.unlink(index);
        } else if self.rooms[room as usize].closed {
            self.refresh(room);
        }
    }

    fn unlink(&mut self, index: MemberIndex) {
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

    // --- Rooms ---

    /// The room called `name`, without regard to ASCII case.
    pub(crate) fn room_named(&self, name: &[u8]) -> Option<RoomIndex> {
        let found = self.rooms.iter().position(|room| {
            !room.is_free() && room.owner.is_none() && room.name.as_bytes().eq_ignore_ascii_case(name)
        });
        found.map(|index| index as RoomIndex)
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
        let number = log.append(seq, kind, parts);
        self.stats.records += 1;
        if let Some(author) = author {
            let member = &mut self.members[author as usize];
            member.appended_own(log, number);
            member.advance(log, member.position);
        }
        self.rooms[room as usize].changed = true;
        self.rooms_changed = true;
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
        let seq = self.seq;
        let told = self.conn_mut(slot).queue.push(seq, parts);
        self.touch(slot);
        told
    }

    /// The bytes that may be appended to a room before it is looked at again.
    pub(crate) fn place_in(&self, room: RoomIndex) -> usize {
        let Room { closed, log, .. } = &self.rooms[room as usize];
        if *closed { 0 } else { log.free() }
    }

    // --- Lag ---

    fn has_place(&self, room: RoomIndex) -> bool {
        self.rooms[room as usize].log.fits(1 + RESERVE, self.limits.longest())
    }

    /// Finds out anew from where on a room's log is held, and whether the room
    /// is open. Costs a look at each member, so it is done only when the room
    /// has no place, as far as is known, or the last one that held it moved.
    fn refresh(&mut self, room: RoomIndex) {
        let (mut hold, mut at_hold) = (self.rooms[room as usize].log.head(), 0);
        for member in self.members_in(room).filter(|member| member.holds()) {
            if before(member.position, hold) {
                (hold, at_hold) = (member.position, 0);
            }
            at_hold += u32::from(member.position == hold);
        }
        self.rooms[room as usize].log.set_hold(hold);
        self.rooms[room as usize].at_hold = at_hold;
        let was_closed = self.rooms[room as usize].closed;
        let closed = !self.has_place(room);
        self.rooms[room as usize].closed = closed;
        if closed {
            self.mark_laggards(room);
        } else if was_closed {
            self.rooms[room as usize].changed = true;
            self.rooms[room as usize].reopened = true;
            (self.rooms_changed, self.rooms_reopened) = (true, true);
        }
    }

    /// The clock starts for every member that would keep the room closed.
    fn mark_laggards(&mut self, room: RoomIndex) {
        let (now, longest) = (self.now, self.limits.longest());
        let Room { log, first, .. } = &self.rooms[room as usize];
        let (mut next, mut marked) = (*first, false);
        while let Some(member) = self.members.get_mut(next as usize) {
            next = member.next;
            if member.holds()
                && member.waited_since == Instant::NEVER
                && !log.fits_behind(member.position, 1 + RESERVE, longest)
            {
                (member.waited_since, member.catch_up) = (now, log.head());
                marked = true;
            }
        }
        if marked {
            self.arm(now.after(u64::from(self.config.grace_ms)));
        }
    }

    /// Moves a cursor on to `position`.
    pub(crate) fn move_cursor(&mut self, index: MemberIndex, position: u64) {
        let member = &mut self.members[index as usize];
        let room = &mut self.rooms[member.room as usize];
        let held = member.holds() && member.position == room.log.hold();
        let moved = member.advance(&room.log, position);
        if member.state == Membership::Draining && member.position == member.end {
            self.unlink(index);
        } else if moved && held && room.closed {
            room.at_hold = room.at_hold.saturating_sub(1);
            if room.at_hold == 0 {
                let room = member.room;
                self.refresh(room);
            }
        }
    }

    /// Moves a cursor to its end and notes what it missed. What of a record is
    /// half sent goes to the private queue; false: there is no place for it.
    pub(crate) fn skip(&mut self, index: MemberIndex) -> bool {
        let member = &self.members[index as usize];
        let log = &self.rooms[member.room as usize].log;
        let (position, end) = (member.position, member.end(log));
        let conn = &mut self.conns[member.conn as usize];
        let mut missed_from = position;
        if position != log.head() {
            let number = log.record_at(position);
            let record = log.record(number);
            if record.start != position {
                missed_from = log.end_of(number);
                let (left, right) = log.slices(position, missed_from);
                if !conn.queue.push_front(record.seq, &[left, right]) {
                    return false;
                }
            }
        }
        conn.gap.missed = conn.gap.missed.saturating_add(missed_messages(log, member, missed_from, end));
        if !conn.gap.open {
            (conn.gap.open, conn.gap.seq) = (true, self.seq);
        }
        let slot = member.conn;
        self.members[index as usize].own_ahead = false;
        self.move_cursor(index, end);
        self.stats.lagged += 1;
        self.touch(slot);
        true
    }

    // --- Rate ---

    /// Whether a connection may send a line. The limit is a leaky bucket in the
    /// form of ITU-T I.371's GCRA, with a burst of one second.
    pub(crate) fn within_rate(&self, slot: Slot) -> bool {
        self.conn(slot).rate_at_us <= self.now.as_millis().saturating_mul(1_000).saturating_add(BURST_US)
    }

    /// Counts lines that a connection has sent.
    pub(crate) fn charge(&mut self, slot: Slot, lines: u32) {
        let Some(rate) = self.config.rate else { return };
        let now_us = self.now.as_millis().saturating_mul(1_000);
        let conn = self.conn_mut(slot);
        conn.rate_at_us = conn.rate_at_us.max(now_us) + u64::from(lines) * 1_000_000 / u64::from(rate.max(1));
        if !self.within_rate(slot) {
            self.arm_rate(slot);
        }
    }

    /// Notes when a connection that is above the rate may go on.
    pub(crate) fn arm_rate(&mut self, slot: Slot) {
        let at_us = self.conn(slot).rate_at_us.saturating_sub(BURST_US);
        self.arm(Instant::from_millis(at_us.div_ceil(1_000)));
    }

    // --- Ends ---

    /// Starts the end of a connection: nothing more is taken from it, what is
    /// queued goes out until `close_at`, and its rooms are left.
    pub(crate) fn close(&mut self, slot: Slot, cause: Cause, close_at: Instant) {
        if self.conn(slot).state != State::Open {
            return;
        }
        let conn = self.conn_mut(slot);
        conn.state = State::Closing;
        conn.cause = cause;
        conn.listing = Listing::None;
        (conn.blocked, conn.flush_at, conn.close_at) = (false, Instant::NEVER, close_at);
        self.arm(close_at);
        self.leave_all(slot);
    }

    /// As [`Exchange::close`], with as long for what is queued as is usual.
    pub(crate) fn close_soon(&mut self, slot: Slot, cause: Cause) {
        self.close(slot, cause, self.now.after(u64::from(self.config.flush_ms)));
    }

    /// Gives a connection that is closing already no longer than is usual.
    pub(crate) fn hurry(&mut self, slot: Slot) {
        let close_at = self.now.after(u64::from(self.config.flush_ms));
        let conn = self.conn_mut(slot);
        conn.close_at = conn.close_at.min(close_at);
        self.arm(close_at);
    }

    /// Ends a connection at once: what is queued for it is dropped.
    pub(crate) fn kill(&mut self, slot: Slot, cause: Cause, state: State) {
        if self.conn(slot).state == State::Open {
            self.conn_mut(slot).cause = cause;
        }
        let conn = self.conn_mut(slot);
        conn.state = state;
        conn.queue.clear();
        conn.gap = Gap::NONE;
        (conn.flush_at, conn.close_at) = (Instant::NEVER, Instant::NEVER);
        self.leave_all(slot);
        for index in self.members_of(slot) {
            let member = &mut self.members[index as usize];
            if member.state != Membership::Free {
                member.own_ahead = false;
                member.position = member.end;
                self.settle(index);
            }
        }
    }

    fn leave_all(&mut self, slot: Slot) {
        for index in self.members_of(slot) {
            if !matches!(self.members[index as usize].state, Membership::Free | Membership::Draining) {
                self.leave(index, Membership::Leaving);
            }
        }
        self.touch(slot);
        self.wake(slot);
    }

    /// Whether anything waits to be sent to a connection.
    pub(crate) fn has_output(&self, slot: Slot) -> bool {
        let conn = self.conn(slot);
        !conn.queue.is_empty()
            || conn.gap.open
            || self.members_of(slot).any(|index| {
                let member = &self.members[index as usize];
                member.state != Membership::Free
                    && member.position != member.end(&self.rooms[member.room as usize].log)
            })
    }

    /// What a connection wants, whose protocol would take `appetite` bytes.
    pub(crate) fn interest(&self, slot: Slot, appetite: usize) -> Interest {
        let conn = self.conn(slot);
        let write = self.has_output(slot);
        let (read, close) = match conn.state {
            State::Free | State::Gone => return Interest::GONE,
            State::Dead { abort } => {
                let close = if abort { Close::Abort } else { Close::Full };
                return Interest { close, ..Interest::GONE };
            }
            _ if conn.ended && conn.state == State::Closing => (0, if write { Close::No } else { Close::Full }),
            State::Open => (if conn.ended { 0 } else { appetite }, Close::No),
            State::Closing => (usize::MAX, if write { Close::No } else { Close::Write }),
        };
        Interest { read, write, close }
    }

    // --- Work to do, and when ---

    /// Its interest or what goes out to it may have changed.
    pub(crate) fn touch(&mut self, slot: Slot) {
        self.changed.push(self.conns, slot);
    }

    /// The next connection that may have changed.
    pub(crate) fn next_changed(&mut self) -> Option<ConnId> {
        loop {
            while let Some(slot) = self.changed.pop(self.conns) {
                if !matches!(self.conn(slot).state, State::Free | State::Gone) {
                    return Some(self.conn(slot).id(slot));
                }
            }
            if !core::mem::take(&mut self.rooms_changed) {
                return None;
            }
            for room in 0..self.rooms.len() {
                if core::mem::take(&mut self.rooms[room].changed) {
                    each_conn(self.members, self.rooms[room].first, |slot| self.changed.push(self.conns, slot));
                }
            }
        }
    }

    /// Its protocol may go on with what it could not do before.
    pub(crate) fn wake(&mut self, slot: Slot) {
        self.woken.push(self.conns, slot);
    }

    /// The next connection whose protocol may go on.
    pub(crate) fn next_woken(&mut self) -> Option<Slot> {
        loop {
            while let Some(slot) = self.woken.pop(self.conns) {
                if self.conn(slot).state != State::Free {
                    return Some(slot);
                }
            }
            if !core::mem::take(&mut self.rooms_reopened) {
                return None;
            }
            for room in 0..self.rooms.len() {
                if core::mem::take(&mut self.rooms[room].reopened) {
                    each_conn(self.members, self.rooms[room].first, |slot| self.woken.push(self.conns, slot));
                }
            }
        }
    }

    /// Notes a deadline.
    pub(crate) fn arm(&mut self, at: Instant) {
        self.deadline = self.deadline.min(at);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        (self.deadline != Instant::NEVER).then_some(self.deadline)
    }

    /// Forgets all deadlines, to have those noted again that are still to come.
    pub(crate) fn disarm(&mut self) {
        self.deadline = Instant::NEVER;
    }
}

fn each_conn(members: &[Member], first: MemberIndex, mut f: impl FnMut(Slot)) {
    let mut next = first;
    while let Some(member) = members.get(next as usize) {
        f(member.conn);
        next = member.next;
    }
}

/// How many messages of others start from one position to another.
fn missed_messages(log: &Log<'_>, member: &Member, from: u64, to: u64) -> u32 {
    let (mut number, end) = (log.record_at(from), log.record_at(to));
    let (mut own, mut own_ahead) = (member.own, member.own_ahead);
    let mut missed = 0;
    while before(number, end) {
        if own_ahead && own == number {
            match log.chained(own) {
                Some(following) => own = following,
                None => own_ahead = false,
            }
        } else {
            missed += u32::from(log.record(number).kind == Kind::Message);
        }
        number = number.wrapping_add(1);
    }
    missed
}
