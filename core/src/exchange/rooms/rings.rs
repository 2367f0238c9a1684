//! The rings of rooms: their records in other encodings than the chat's. They stand behind the rooms.

use super::Rooms;
use crate::conn::NONE;
use crate::room::{Room, RoomIndex};
#[cfg(feature = "save")]
use crate::save::{Damaged, check_list, ensure};

impl<'a> Rooms<'a> {
    /// Makes all rings free. They have their memory already.
    pub(super) fn free_rings(&mut self) {
        for ring in (self.count..self.rooms.len() as RoomIndex).rev() {
            self[ring].next_ring = core::mem::replace(&mut self.free_ring, ring);
        }
    }

    /// The rings of a room.
    pub(in crate::exchange) fn rings(&self, room: RoomIndex) -> impl Iterator<Item = (RoomIndex, &Room<'a>)> {
        let mut next = self[room].next_ring;
        core::iter::from_fn(move || {
            let index = next;
            let ring = self.rooms.get(index as usize)?;
            next = ring.next_ring;
            Some((index, ring))
        })
    }

    /// The ring of a room in an encoding, if it has one.
    pub(in crate::exchange) fn ring_in(&self, room: RoomIndex, encoding: u8) -> Option<RoomIndex> {
        self.rings(room).find(|(_, ring)| ring.encoding == encoding).map(|(index, _)| index)
    }

    /// Whether a room can get one more ring.
    pub(in crate::exchange) fn has_free_ring(&self) -> bool {
        self.free_ring != NONE
    }

    /// Gives a room a ring in an encoding, if one is free.
    pub(in crate::exchange) fn add_ring(
        &mut self,
        room: RoomIndex,
        encoding: u8,
        longest: usize,
    ) -> Option<RoomIndex> {
        let index = self.free_ring;
        let following = self[room].next_ring;
        let ring = self.rooms.get_mut(index as usize)?;
        self.free_ring = core::mem::replace(&mut ring.next_ring, following);
        (ring.encoding, ring.longest) = (encoding, longest);
        self[room].next_ring = index;
        Some(index)
    }

    /// Takes a ring, which nobody reads, from its room.
    pub(in crate::exchange) fn remove_ring(&mut self, room: RoomIndex, ring: RoomIndex) {
        let before =
            self.rings(room).find(|(_, other)| other.next_ring == ring).map_or(room, |(index, _)| index);
        self[before].next_ring = self[ring].next_ring;
        self[ring].next_ring = core::mem::replace(&mut self.free_ring, ring);
    }

    /// Checks that each of the rings that were saved is in one room's list, or is free. Those that are new are
    /// used last. `longest`: that of an encoding, if there is one.
    #[cfg(feature = "save")]
    pub(in crate::exchange) fn check_rings(
        &mut self,
        saved: usize,
        longest: impl Fn(u8) -> Option<usize>,
    ) -> Result<(), Damaged> {
        let first_new = self.count + saved as RoomIndex;
        let mut in_use = 0;
        for room in self.indices() {
            let mut next = self[room].next_ring;
            while next != NONE {
                let encoding = self[next].encoding;
                // A ring has a longest record only when it was met.
                ensure(self[next].longest == 0 && self.ring_in(room, encoding) == Some(next))?;
                self[next].longest = longest(encoding).ok_or(Damaged)?;
                next = self[next].next_ring;
                in_use += 1;
            }
        }
        let mut last = None;
        check_list(self.free_ring, saved.checked_sub(in_use).ok_or(Damaged)?, |ring| {
            last = Some(ring).filter(|ring| *ring < first_new && self[*ring].longest == 0);
            last.map(|ring| self[ring].next_ring)
        })?;
        let new = if (first_new as usize) < self.rooms.len() { first_new } else { NONE };
        match last {
            Some(last) => self[last].next_ring = new,
            None => self.free_ring = new,
        }
        Ok(())
    }
}
