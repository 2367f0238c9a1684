//! The rings of rooms: their records in other encodings than the chat's. They stand behind the rooms.

use super::Rooms;
use crate::conn::NONE;
use crate::room::{Room, RoomIndex};

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
}
