//! Finds connections by name and by address, and rooms by name. The time grows with the logarithm
//! of their number. A build without the feature `large` has `scan.rs` in place of this file.

use super::Exchange;
use crate::conn::{NONE, Slot};
use crate::limits::{Bound, Limits};
use crate::room::RoomIndex;
use crate::sorted::Sorted;

/// Who is where in which order.
pub(crate) struct Index<'a> {
    /// Connections that have a name, by both numbers of its looks; connections that have an
    /// address; and rooms that have a name.
    names: Sorted<'a>,
    addresses: Sorted<'a>,
    rooms: Sorted<'a>,
}

impl<'a> Index<'a> {
    /// One in memory as large as [`Limits::order`].
    pub(crate) fn new(order: &'a mut [u32], limits: &Limits) -> Self {
        let (names, rest) = order.split_at_mut(2 * limits.conns);
        let (addresses, rooms) = rest.split_at_mut(limits.conns);
        let [names, addresses, rooms] = [names, addresses, rooms].map(Sorted::new);
        Self { names, addresses, rooms }
    }
}

impl Exchange<'_> {
    // --- Connections by name ---

    /// Who bears a name, which is spelled as names are kept, without regard to case.
    pub(crate) fn bearer(&self, name: &str) -> Option<Slot> {
        let is_it = |slot: &Slot| is_same(self.conn(*slot).name.as_bytes(), name);
        self.alike(name).find(is_it)
    }

    /// Somebody else than this connection whose name looks like this one.
    pub(crate) fn look_alike(&self, slot: Slot, name: &str) -> Option<Slot> {
        self.alike(name).find(|other| *other != slot)
    }

    /// Those whose names have a number in common with this one.
    fn alike(&self, name: &str) -> impl Iterator<Item = Slot> {
        let looks = (self.config.names.looks)(name);
        looks.into_iter().flat_map(move |look| {
            let first = self.name_place(look);
            let entries = (first..).map_while(|place| self.index.names.get(place));
            entries.take_while(move |entry| self.name_look(*entry) == look).map(|entry| entry >> 1)
        })
    }

    fn name_look(&self, entry: u32) -> u64 {
        self.conn(entry >> 1).looks[(entry & 1) as usize]
    }

    fn name_place(&self, look: u64) -> usize {
        self.index.names.place(|entry| self.name_look(entry) < look)
    }

    /// Enters a connection under the name that it is about to get.
    pub(super) fn enter_name(&mut self, slot: Slot, name: &str) {
        let looks = (self.config.names.looks)(name);
        self.conn_mut(slot).looks = looks;
        for (which, look) in (0..).zip(looks) {
            self.index.names.insert(self.name_place(look), slot << 1 | which);
        }
    }

    /// Removes a connection that has a name.
    pub(super) fn remove_name(&mut self, slot: Slot) {
        for (which, look) in (0..).zip(self.conn(slot).looks) {
            self.index.names.remove(self.name_place(look), slot << 1 | which);
        }
    }

    // --- Rooms by name ---

    /// The room of a name, which is spelled as names are kept, without regard to case.
    pub(super) fn room_called(&self, name: &str) -> Option<RoomIndex> {
        let is_it = |room: &RoomIndex| is_same(self.rooms[*room as usize].name.as_bytes(), name);
        self.rooms_alike(name).find(is_it)
    }

    /// A room whose name looks like this one.
    pub(crate) fn room_look_alike(&self, name: &str) -> Option<RoomIndex> {
        self.rooms_alike(name).next()
    }

    fn rooms_alike(&self, name: &str) -> impl Iterator<Item = RoomIndex> {
        let looks = (self.config.names.looks)(name);
        looks.into_iter().flat_map(move |look| {
            let first = self.room_place(look);
            let entries = (first..).map_while(|place| self.index.rooms.get(place));
            entries.take_while(move |entry| self.room_look(*entry) == look).map(|entry| entry >> 1)
        })
    }

    fn room_look(&self, entry: u32) -> u64 {
        self.rooms[(entry >> 1) as usize].looks[(entry & 1) as usize]
    }

    fn room_place(&self, look: u64) -> usize {
        self.index.rooms.place(|entry| self.room_look(entry) < look)
    }

    /// Enters a room under the name that it is about to get.
    pub(super) fn enter_room(&mut self, room: RoomIndex, name: &str) {
        let looks = (self.config.names.looks)(name);
        self.rooms[room as usize].looks = looks;
        for (which, look) in (0..).zip(looks) {
            self.index.rooms.insert(self.room_place(look), room << 1 | which);
        }
    }

    /// Removes a room that has a name.
    pub(super) fn remove_room(&mut self, room: RoomIndex) {
        for (which, look) in (0..).zip(self.rooms[room as usize].looks) {
            self.index.rooms.remove(self.room_place(look), room << 1 | which);
        }
    }

    // --- Connections by address ---

    /// Whether there are more connections from where this one comes from than may be.
    pub(crate) fn is_crowded(&self, slot: Slot, bound: Option<Bound>) -> bool {
        let account = &self.conn(slot).account;
        let Some((network, most)) = account.network().zip(account.allowed(bound)) else { return false };
        let count = self.address_place((network, NONE)) - self.address_place((network, 0));
        count > most as usize
    }

    /// Behind those of lower networks, and of the same network those of lower slots.
    fn address_place(&self, key: (u64, Slot)) -> usize {
        self.index.addresses.place(|other| (self.network_of(other), other) < key)
    }

    pub(super) fn enter_address(&mut self, slot: Slot) {
        if let Some(network) = self.conn(slot).account.network() {
            self.index.addresses.insert(self.address_place((network, slot)), slot);
        }
    }

    pub(super) fn remove_address(&mut self, slot: Slot) {
        if let Some(network) = self.conn(slot).account.network() {
            self.index.addresses.remove(self.address_place((network, slot)), slot);
        }
    }
}

/// Whether a name that is kept is this one, but for case.
fn is_same(kept: &[u8], name: &str) -> bool {
    let lower =
        |text: &str| text.chars().flat_map(char::to_lowercase).eq(name.chars().flat_map(char::to_lowercase));
    core::str::from_utf8(kept).is_ok_and(lower)
}
