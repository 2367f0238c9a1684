//! Finding connections by name and by address, and rooms by name, in a time that grows with the
//! logarithm of their number. A build without the feature `large` has `scan.rs` in place of
//! this file.

use super::Exchange;
use crate::conn::{NONE, Slot};
use crate::limits::{Bound, Limits};
use crate::name::Looks;
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

    /// Who bears a name, which is spelled as names are kept, without regard to ASCII case.
    pub(super) fn bearer(&self, name: &str) -> Option<Slot> {
        let slot = self.with_looks((self.config.names.looks)(name), 1)?;
        self.conn(slot).name.as_bytes().eq_ignore_ascii_case(name.as_bytes()).then_some(slot)
    }

    /// Somebody else than this connection whose name looks like this one.
    pub(crate) fn look_alike(&self, slot: Slot, name: &str) -> Option<Slot> {
        let looks = (self.config.names.looks)(name);
        (0..2).filter_map(|which| self.with_looks(looks, which)).find(|other| *other != slot)
    }

    fn with_looks(&self, looks: Looks, which: u32) -> Option<Slot> {
        let entry = self.index.names.get(self.name_place(looks, which))?;
        let slot = entry >> 1;
        (entry & 1 == which && self.conn(slot).looks[which as usize] == looks[which as usize]).then_some(slot)
    }

    fn name_place(&self, looks: Looks, which: u32) -> usize {
        let key = |entry: u32| (entry & 1, self.conn(entry >> 1).looks[(entry & 1) as usize]);
        self.index.names.place(|entry| key(entry) < (which, looks[which as usize]))
    }

    /// Enters a connection under the name that it is about to get.
    pub(super) fn enter_name(&mut self, slot: Slot, name: &str) {
        let looks = (self.config.names.looks)(name);
        self.conn_mut(slot).looks = looks;
        for which in 0..2 {
            self.index.names.insert(self.name_place(looks, which), slot << 1 | which);
        }
    }

    /// Removes a connection that has a name.
    pub(super) fn remove_name(&mut self, slot: Slot) {
        for which in 0..2 {
            self.index.names.remove(self.name_place(self.conn(slot).looks, which), slot << 1 | which);
        }
    }

    // --- Rooms by name ---

    /// The room of a name, which is spelled as names are kept, without regard to ASCII case.
    pub(super) fn room_called(&self, name: &str) -> Option<RoomIndex> {
        let room = self.room_with_looks((self.config.names.looks)(name), 1)?;
        self.rooms[room as usize].name.as_bytes().eq_ignore_ascii_case(name.as_bytes()).then_some(room)
    }

    /// A room whose name looks like this one.
    pub(crate) fn room_look_alike(&self, name: &str) -> Option<RoomIndex> {
        let looks = (self.config.names.looks)(name);
        (0..2).find_map(|which| self.room_with_looks(looks, which))
    }

    fn room_with_looks(&self, looks: Looks, which: u32) -> Option<RoomIndex> {
        let entry = self.index.rooms.get(self.room_place(looks, which))?;
        let found = self.rooms[(entry >> 1) as usize].looks;
        (entry & 1 == which && found[which as usize] == looks[which as usize]).then_some(entry >> 1)
    }

    fn room_place(&self, looks: Looks, which: u32) -> usize {
        let key = |entry: u32| (entry & 1, self.rooms[(entry >> 1) as usize].looks[(entry & 1) as usize]);
        self.index.rooms.place(|entry| key(entry) < (which, looks[which as usize]))
    }

    /// Enters a room under the name that it is about to get.
    pub(super) fn enter_room(&mut self, room: RoomIndex, name: &str) {
        let looks = (self.config.names.looks)(name);
        self.rooms[room as usize].looks = looks;
        for which in 0..2 {
            self.index.rooms.insert(self.room_place(looks, which), room << 1 | which);
        }
    }

    /// Removes a room that has a name.
    pub(super) fn remove_room(&mut self, room: RoomIndex) {
        for which in 0..2 {
            let place = self.room_place(self.rooms[room as usize].looks, which);
            self.index.rooms.remove(place, room << 1 | which);
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
