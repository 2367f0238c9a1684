//! The table of rooms: which exist, what they are called, and what their logs may overwrite.

#[cfg_attr(not(feature = "large"), path = "rooms/scan.rs")]
mod index;
#[cfg_attr(not(feature = "large"), path = "rooms/no_rings.rs")]
mod rings;

use core::ops::{Index, IndexMut, Range};

use super::conns::Name;
use crate::conn::NONE;
use crate::ids::{Instant, ListenerId};
use crate::log::Log;
use crate::name::Looks;
use crate::patience::Patience;
use crate::room::{Room, RoomIndex};
#[cfg(feature = "save")]
use crate::save::{Damaged, Visit, Visitor, check_list, ensure};

/// The table of rooms.
#[derive(Debug)]
pub(crate) struct Rooms<'a> {
    /// The rooms, and the rings behind them.
    rooms: &'a mut [Room<'a>],
    /// Rooms that are not rings.
    count: u32,
    index: index::Index<'a>,
    /// The free room to be used next.
    free: RoomIndex,
    #[cfg(feature = "large")]
    free_ring: RoomIndex,
    grace_ms: u32,
}

impl<'a> Index<RoomIndex> for Rooms<'a> {
    type Output = Room<'a>;

    fn index(&self, room: RoomIndex) -> &Room<'a> {
        &self.rooms[room as usize]
    }
}

impl<'a> IndexMut<RoomIndex> for Rooms<'a> {
    fn index_mut(&mut self, room: RoomIndex) -> &mut Room<'a> {
        &mut self.rooms[room as usize]
    }
}

impl<'a> Rooms<'a> {
    /// A table in which the rooms that stay have their names and owners already. `places` is the memory
    /// for the index.
    pub(crate) fn new(
        (rooms, count): (&'a mut [Room<'a>], usize),
        places: &'a mut [u32],
        looks: fn(&str) -> Looks,
        grace_ms: u32,
    ) -> Self {
        let index = index::Index::new(places, looks);
        let mut table = Self {
            rooms,
            count: count as u32,
            index,
            free: NONE,
            #[cfg(feature = "large")]
            free_ring: NONE,
            grace_ms,
        };
        table.free_rings();
        for room in table.indices().rev() {
            if table[room].is_deserted() {
                table.free(room);
            } else if !table[room].name.is_empty() {
                let name = table.name(room);
                table.enter(room, core::str::from_utf8(&name).unwrap_or_default());
            }
            table[room].patience = Patience::full(grace_ms);
        }
        table
    }

    pub(crate) fn indices(&self) -> Range<RoomIndex> {
        0..self.count
    }

    /// One of the logs of a room: its own, or that of a ring.
    #[inline(always)]
    pub(super) fn log(&self, log: RoomIndex) -> &Log<'a> {
        &self[log].log
    }

    /// All rooms, for lists that run through them.
    pub(super) fn all_mut(&mut self) -> &mut [Room<'a>] {
        self.rooms
    }

    /// Whether a room can be made.
    pub(super) fn has_free(&self) -> bool {
        self.rooms.get(self.free as usize).is_some()
    }

    /// Changes the grace period. A room has all of the new one when it has had time to get it back.
    pub(super) fn set_grace(&mut self, grace_ms: u32) {
        self.grace_ms = grace_ms;
    }

    /// Makes a room with a name that no room has. `None`: there are as many rooms as allowed. Somebody
    /// must join it. It is free again when the last member has left.
    pub(super) fn make(&mut self, name: &str) -> Option<RoomIndex> {
        let room = self.free;
        self.free = self.rooms.get(room as usize)?.next_free;
        self.enter(room, name);
        self[room].name.set(name.as_bytes());
        Some(room)
    }

    /// Closes a room that nobody is in any more. It is found no more, and another room may get its name.
    pub(super) fn close(&mut self, room: RoomIndex) {
        self.remove(room);
        let room = &mut self[room];
        (room.untold, room.tell_at) = ([0; 2], Instant::NEVER);
        room.topic.clear();
    }

    /// Frees a room that was closed, or was never used.
    pub(super) fn free(&mut self, room: RoomIndex) {
        let grace_ms = self.grace_ms;
        let next_free = core::mem::replace(&mut self.free, room);
        let room = &mut self[room];
        (room.next_free, room.generation) = (next_free, room.generation.wrapping_add(1));
        (room.closed, room.loosened, room.patience) = (false, false, Patience::full(grace_ms));
        #[cfg(feature = "console")]
        {
            room.readers = crate::room::Readers::NONE;
        }
        room.name.clear();
        // The next room in its place must not show the lines of this one.
        room.log.forget();
    }

    /// A room's name.
    pub(crate) fn name(&self, room: RoomIndex) -> Name {
        Name::from_slice(self[room].name.as_bytes()).unwrap_or_default()
    }

    /// The room of a relay listener that has one of its own.
    pub(crate) fn owned(&self, owner: ListenerId) -> Option<RoomIndex> {
        self.indices().find(|room| self[*room].owner == Some(owner))
    }

    // --- As bytes ---

    /// The rooms that there could be when they were saved. Those that are new are free, and are used
    /// last. `seq`: the number of the next record.
    #[cfg(feature = "save")]
    pub(super) fn visit(&mut self, visitor: &mut Visitor<'_>, seq: u64) -> Result<(), Damaged> {
        let Self { rooms: _, count, index: _, free, free_ring, grace_ms: _ } = self;
        free.visit(visitor)?;
        visitor.ring(free_ring)?;
        let first_ring = *count;
        let saved = visitor.limits().rooms as RoomIndex;
        for room in 0..saved {
            let had_name = self.name(room);
            if visitor.is_reading() && !had_name.is_empty() {
                self.remove(room);
            }
            self[room].visit(visitor, seq)?;
            let name = self.name(room);
            let text = core::str::from_utf8(&name).map_err(|_| Damaged)?;
            if visitor.is_reading() && !name.is_empty() {
                ensure(!self[room].is_free() && (!self[room].pinned || name == had_name))?;
                if !self[room].is_deserted() {
                    self.enter(room, text);
                }
            }
            ensure(self[room].is_free() || self[room].pinned || !name.is_empty())?;
        }
        for ring in first_ring..first_ring + visitor.limits().rings as RoomIndex {
            self[ring].visit_ring(visitor, seq)?;
        }
        if visitor.is_reading() {
            self.check_free(saved)?;
        }
        Ok(())
    }

    /// Checks that each room is in use, or free to be used once. The rooms from `saved` on are new.
    #[cfg(feature = "save")]
    fn check_free(&mut self, saved: RoomIndex) -> Result<(), Damaged> {
        let count = (0..saved).filter(|room| self[*room].is_free()).count();
        let mut last = None;
        check_list(self.free, count, |room| {
            last = Some(room).filter(|room| *room < saved && self[*room].is_free());
            last.map(|room| self[room].next_free)
        })?;
        let first_new = if saved < self.indices().end { saved } else { NONE };
        match last {
            Some(last) => self[last].next_free = first_new,
            None => self.free = first_new,
        }
        Ok(())
    }
}
