//! Finds rooms by name. A build without the feature `large` has `scan.rs` in place of this file.

use super::Rooms;
use crate::by_looks::{ByLooks, is_same};
use crate::name::Looks;
use crate::room::RoomIndex;

/// The rooms that have a name.
#[derive(Debug)]
pub(super) struct Index<'a> {
    names: ByLooks<'a>,
    looks: fn(&str) -> Looks,
}

impl<'a> Index<'a> {
    /// An index with two places for each room.
    pub(super) fn new(places: &'a mut [u32], looks: fn(&str) -> Looks) -> Self {
        Self { names: ByLooks::new(places), looks }
    }
}

impl Rooms<'_> {
    /// The room with a name, in the spelling in which names are kept. Case does not matter.
    pub(crate) fn called(&self, name: &str) -> Option<RoomIndex> {
        self.alike(name).find(|room| is_same(self[*room].name.as_bytes(), name))
    }

    /// A room whose name looks like this one.
    pub(crate) fn look_alike(&self, name: &str) -> Option<RoomIndex> {
        self.alike(name).next()
    }

    fn alike(&self, name: &str) -> impl Iterator<Item = RoomIndex> {
        self.index.names.alike((self.index.looks)(name), |room| self[room].looks)
    }

    /// Adds a room under the name that it is about to get.
    pub(super) fn enter(&mut self, room: RoomIndex, name: &str) {
        self.rooms[room as usize].looks = (self.index.looks)(name);
        self.index.names.enter(room, |room| self.rooms[room as usize].looks);
    }

    /// Removes a room that has a name.
    pub(super) fn remove(&mut self, room: RoomIndex) {
        self.index.names.remove(room, |room| self.rooms[room as usize].looks);
    }
}
