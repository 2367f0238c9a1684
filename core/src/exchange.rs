//! The exchange: the tables of connections, rooms and memberships, and the operations on them: say
//! something in rooms, tell one connection, join, leave, close. It knows no protocol; the protocols
//! are built on it.
//!
//! This file has the table, messages to one connection, and the lists of work. The files below it
//! have the rest: names and how to find them, rooms, lag, notices of comings and goings, rates, ends.

mod bounds;
mod comings;
mod ends;
#[cfg_attr(not(feature = "large"), path = "exchange/scan.rs")]
mod index;
mod lag;
mod names;
mod rooms;

pub(crate) use self::index::Index;
use crate::account::Account;
use crate::conn::{Conn, NONE, Slot, State};
use crate::deadlines::Deadlines;
use crate::event::{ConnId, Instant, ListenerId};
use crate::limits::{Config, Limits, NAMED_AT_ONCE};
use crate::name::NAME_BYTES;
use crate::notices::Notices;
use crate::queue::Buffers;
use crate::room::{Member, Membership, Room, RoomIndex};
use crate::worklist::Worklist;

/// A copy of a name.
pub(crate) type Name = heapless::Vec<u8, NAME_BYTES>;

/// What a hub has done since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Stats {
    /// Connections that were accepted.
    pub accepted: u64,
    /// Connections that were refused.
    pub refused: u64,
    /// Connections that held up a room for too long, and were disconnected or had to jump ahead.
    pub lagged: u64,
    /// Names that were given up for others.
    pub renamed: u64,
    /// Records that were appended to rooms.
    pub records: u64,
    /// Bytes that the hub took from connections.
    pub received_bytes: u64,
    /// Bytes that transports took from the hub.
    pub sent_bytes: u64,
    /// The most bytes that a room's log had to keep. The hub looks only when a log seems to be
    /// full.
    pub log_most: u32,
    /// The most bytes that a private queue held.
    pub queue_most: u32,
}

/// State shared by all protocols.
pub(crate) struct Exchange<'a> {
    pub(crate) config: Config<'a>,
    pub(crate) limits: Limits,
    pub(crate) conns: &'a mut [Conn<'a>],
    pub(crate) members: &'a mut [Member],
    pub(crate) rooms: &'a mut [Room<'a>],
    pub(crate) buffers: Buffers<'a>,
    /// Space for one line while it is put together or cleaned.
    pub(crate) scratch: &'a mut [u8],
    pub(crate) now: Instant,
    pub(crate) stats: Stats,
    /// An operator has asked for the end.
    pub(crate) shutdown_wanted: bool,
    pub(crate) shutting_down: bool,
    /// While the hub ends: the first slot whose connection is not told yet.
    pub(crate) untold_end: u32,
    /// Sequence number of the next record.
    seq: u64,
    /// Connections in the table.
    count: u32,
    /// The free slot to be used next, and the first that was never used.
    free: Slot,
    unused: Slot,
    /// The free room to be used next.
    free_room: RoomIndex,
    /// No guest's number below this one is free.
    guest_hint: u32,
    index: Index<'a>,
    notices: Notices,
    deadlines: Deadlines,
    /// Connections.
    changed: Worklist,
    woken: Worklist,
    /// Rooms to which something was appended. Rooms that opened while somebody waited. Rooms that are
    /// closed, or have something to tell later, and when the first of these is due.
    changed_rooms: Worklist,
    opened_rooms: Worklist,
    pending_rooms: Worklist,
    room_due: Instant,
    /// How many connections were named as changed.
    named: u32,
}

/// What a hub's tables are made of.
pub(crate) struct Tables<'a> {
    pub(crate) conns: &'a mut [Conn<'a>],
    pub(crate) members: &'a mut [Member],
    pub(crate) rooms: &'a mut [Room<'a>],
    pub(crate) index: Index<'a>,
    pub(crate) buffers: Buffers<'a>,
    pub(crate) scratch: &'a mut [u8],
}

impl<'a> Exchange<'a> {
    /// The rooms that stay have their names and owners already.
    pub(crate) fn new(config: Config<'a>, limits: Limits, tables: Tables<'a>) -> Self {
        let Tables { conns, members, rooms, index, buffers, scratch } = tables;
        let mut x = Self {
            config,
            limits,
            conns,
            members,
            rooms,
            buffers,
            scratch,
            now: Instant::ZERO,
            stats: Stats::default(),
            shutdown_wanted: false,
            shutting_down: false,
            untold_end: NONE,
            seq: config.origin,
            count: 0,
            free: NONE,
            unused: 0,
            free_room: NONE,
            guest_hint: 0,
            index,
            notices: Notices::new(),
            deadlines: Deadlines::new(),
            changed: Worklist::new(0),
            woken: Worklist::new(1),
            changed_rooms: Worklist::new(0),
            opened_rooms: Worklist::new(1),
            pending_rooms: Worklist::new(2),
            room_due: Instant::NEVER,
            named: 0,
        };
        x.enter_rooms();
        x
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
        let rate = self.config.listener(listener).and_then(|listener| listener.rate);
        self.conns[slot as usize].open(listener, Account::new(peer, rate), now);
        self.enter_address(slot);
        self.touch(slot);
        if let Some(idle_ms) = self.config.idle_ms {
            self.arm(slot, now.after(u64::from(idle_ms)));
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
        self.remove_address(slot);
        let conn = &mut self.conns[slot as usize];
        conn.queue.clear(&mut self.buffers);
        conn.state = State::Free;
        conn.generation = conn.generation.wrapping_add(1);
        conn.next_free = core::mem::replace(&mut self.free, slot);
        self.count -= 1;
    }

    // --- Work to do, and when ---

    /// Its interest or its output may have changed.
    pub(crate) fn touch(&mut self, slot: Slot) {
        self.changed.push(self.conns, slot);
    }

    /// The next connection that may have changed. The members of busy rooms may be many. They take turns
    /// with connections that have something of their own.
    pub(crate) fn next_changed(&mut self) -> Option<ConnId> {
        loop {
            let slot = if (self.named / NAMED_AT_ONCE).is_multiple_of(2) {
                self.changed.pop(self.conns).or_else(|| self.next_listener())
            } else {
                self.next_listener().or_else(|| self.changed.pop(self.conns))
            }?;
            self.named = self.named.wrapping_add(1);
            if !matches!(self.conn(slot).state, State::Free | State::Gone) {
                return Some(self.conn(slot).id(slot));
            }
        }
    }

    /// The next member that has something of a room to read. The rooms take turns.
    fn next_listener(&mut self) -> Option<Slot> {
        while let Some(room) = self.changed_rooms.pop(self.rooms) {
            let Room { log, first, named, unnamed, .. } = &mut self.rooms[room as usize];
            while *unnamed > 0 {
                let index = if *named == NONE { *first } else { *named };
                let member = &self.members[index as usize];
                (*named, *unnamed) = (member.next, *unnamed - 1);
                if member.position != member.end(log) {
                    let slot = member.conn;
                    if *unnamed > 0 {
                        self.changed_rooms.push(self.rooms, room);
                    }
                    return Some(slot);
                }
            }
        }
        None
    }

    /// The members of a room have something to read.
    pub(crate) fn touch_members(&mut self, room: RoomIndex) {
        let Room { members, unnamed, .. } = &mut self.rooms[room as usize];
        *unnamed = *members;
        self.changed_rooms.push(self.rooms, room);
    }

    /// Its protocol may now be able to go on.
    pub(crate) fn wake(&mut self, slot: Slot) {
        self.woken.push(self.conns, slot);
    }

    /// The next connection whose protocol may go on. Of those whose line waits for a room, the next one
    /// comes only after the one before has spoken, and only if the room still has place.
    pub(crate) fn next_woken(&mut self) -> Option<Slot> {
        while let Some(slot) = self.woken.pop(self.conns) {
            if self.conn(slot).state != State::Free {
                return Some(slot);
            }
        }
        while let Some(room) = self.opened_rooms.first() {
            let Room { closed, waiting, .. } = &mut self.rooms[room as usize];
            if !*closed && let Some(slot) = waiting.pop(self.conns) {
                return Some(slot);
            }
            self.opened_rooms.pop(self.rooms);
        }
        None
    }

    /// Notes a deadline of a connection. A deadline that is put off or dropped needs no call. Then the
    /// connection is looked at once for nothing.
    pub(crate) fn arm(&mut self, slot: Slot, at: Instant) {
        self.deadlines.arm(self.conns, slot, at);
    }

    /// Lets the protocol of an open connection be called at `at`.
    pub(crate) fn set_timer(&mut self, slot: Slot, at: Instant) {
        self.conn_mut(slot).timer = at;
        self.arm(slot, at);
    }

    /// When something must be done, at the latest.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let is_behind = self.woken.first().or(self.opened_rooms.first()).is_some() || self.untold_end != NONE;
        if is_behind {
            return Some(self.now);
        }
        let room_due = (self.room_due != Instant::NEVER).then_some(self.room_due);
        self.deadlines.first(self.conns).into_iter().chain(room_due).min()
    }

    /// The next connection of which a deadline has come. The caller must note its other deadlines again.
    pub(crate) fn next_due(&mut self) -> Option<Slot> {
        self.deadlines.pop(self.conns, self.now)
    }
}
