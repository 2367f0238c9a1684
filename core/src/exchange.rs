//! The exchange: connection table, rooms and memberships, and what can be done
//! with them: say something in rooms, tell one connection, join, leave, close.
//! It knows no protocol; the protocols are built on it.
//!
//! This file has the table, what is told to one connection, and the lists of work;
//! the files below it have names, rooms, lag, and ends.

mod ends;
mod lag;
mod names;
mod rooms;

use crate::conn::{Conn, NONE, Slot, State};
use crate::deadlines::Deadlines;
use crate::event::{ConnId, Instant, ListenerId};
use crate::limits::{Config, Limits, NAME_BYTES};
use crate::queue::Buffers;
use crate::room::{Member, MemberIndex, Membership, Room};
use crate::worklist::Worklist;

/// A copy of a name.
pub(crate) type Name = heapless::Vec<u8, NAME_BYTES>;

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
    /// Bytes that a room's log had to keep at most, as found whenever one
    /// seemed to have no place.
    pub log_most: u32,
    /// Bytes that a private queue held at most.
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
    /// For one line while it is put together or made fit to be shown.
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
    deadlines: Deadlines,
    /// Of connections.
    changed: Worklist,
    woken: Worklist,
    due: Worklist,
    /// Of rooms.
    changed_rooms: Worklist,
    opened_rooms: Worklist,
}

impl<'a> Exchange<'a> {
    pub(crate) fn new(
        config: Config<'a>,
        limits: Limits,
        conns: &'a mut [Conn<'a>],
        members: &'a mut [Member],
        rooms: &'a mut [Room<'a>],
        buffers: Buffers<'a>,
        scratch: &'a mut [u8],
    ) -> Self {
        Self {
            config,
            limits,
            conns,
            members,
            rooms,
            buffers,
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
            deadlines: Deadlines::new(),
            changed: Worklist::new(0),
            woken: Worklist::new(1),
            due: Worklist::new(2),
            changed_rooms: Worklist::new(0),
            opened_rooms: Worklist::new(1),
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
        let conn = &mut self.conns[slot as usize];
        conn.queue.clear(&mut self.buffers);
        conn.state = State::Free;
        conn.generation = conn.generation.wrapping_add(1);
        conn.next_free = core::mem::replace(&mut self.free, slot);
        self.count -= 1;
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
            let room = self.changed_rooms.pop(self.rooms)?;
            let first = self.rooms[room as usize].first;
            each_conn(self.members, first, |slot| self.changed.push(self.conns, slot));
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
            let room = self.opened_rooms.pop(self.rooms)?;
            let first = self.rooms[room as usize].first;
            each_conn(self.members, first, |slot| self.woken.push(self.conns, slot));
        }
    }

    /// Notes a deadline of a connection. It need not be told when one is put off or has
    /// come to nothing: then the connection is looked at for nothing, once.
    pub(crate) fn arm(&mut self, slot: Slot, at: Instant) {
        self.deadlines.arm(self.conns, slot, at);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadlines.first(self.conns)
    }

    /// Finds the connections of which a deadline has come, and whether their rooms are
    /// closed now. What other deadlines they have is to be noted again.
    pub(crate) fn find_due(&mut self) {
        while let Some(slot) = self.deadlines.pop(self.conns, self.now) {
            self.due.push(self.conns, slot);
            for member in self.members_of(slot) {
                let room = &mut self.rooms[self.members[member as usize].room as usize];
                room.judged = room.closed;
            }
        }
    }

    /// The next of the connections that were found.
    pub(crate) fn next_due(&mut self) -> Option<Slot> {
        self.due.pop(self.conns)
    }
}

fn each_conn(members: &[Member], first: MemberIndex, mut f: impl FnMut(Slot)) {
    let mut next = first;
    while let Some(member) = members.get(next as usize) {
        f(member.conn);
        next = member.next;
    }
}
