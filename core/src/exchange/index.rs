//! Finding connections by name and by address, and rooms by name, in a time that grows with the
//! logarithm of their number. A build without the feature `large` has `scan.rs` in place of
//! this file.

use core::cmp::Ordering;

use super::Exchange;
use crate::conn::{NONE, Slot};
use crate::limits::{Bound, Limits};
use crate::room::RoomIndex;
use crate::sorted::Sorted;

/// Who is where in which order.
pub(crate) struct Index<'a> {
    /// Connections that have a name, connections that have an address, and rooms that have a
    /// name.
    names: Sorted<'a>,
    addresses: Sorted<'a>,
    rooms: Sorted<'a>,
}

impl<'a> Index<'a> {
    /// One in memory as large as [`Limits::order`].
    pub(crate) fn new(order: &'a mut [u32], limits: &Limits) -> Self {
        let (names, rest) = order.split_at_mut(limits.conns);
        let (addresses, rooms) = rest.split_at_mut(limits.conns);
        let [names, addresses, rooms] = [names, addresses, rooms].map(Sorted::new);
        Self { names, addresses, rooms }
    }
}

impl Exchange<'_> {
    // --- Connections by name ---

    /// Who bears `name`, without regard to ASCII case.
    pub(crate) fn named(&self, name: &[u8]) -> Option<Slot> {
        let slot = self.index.names.get(self.name_place(name))?;
        self.conn(slot).name.as_bytes().eq_ignore_ascii_case(name).then_some(slot)
    }

    fn name_place(&self, name: &[u8]) -> usize {
        self.index.names.place(|slot| compare(self.conn(slot).name.as_bytes(), name).is_lt())
    }

    /// Enters a connection under the name that it is about to get.
    pub(super) fn enter_name(&mut self, slot: Slot, name: &[u8]) {
        self.index.names.insert(self.name_place(name), slot);
    }

    /// Removes the connection that bears a name.
    pub(super) fn remove_name(&mut self, name: &[u8]) {
        self.index.names.remove(self.name_place(name));
    }

    // --- Rooms by name ---

    /// The room called `name`, without regard to ASCII case.
    pub(crate) fn room_named(&self, name: &[u8]) -> Option<RoomIndex> {
        let room = self.index.rooms.get(self.room_place(name))?;
        self.rooms[room as usize].name.as_bytes().eq_ignore_ascii_case(name).then_some(room)
    }

    fn room_place(&self, name: &[u8]) -> usize {
        self.index.rooms.place(|room| compare(self.rooms[room as usize].name.as_bytes(), name).is_lt())
    }

    /// Enters a room under the name that it is about to get.
    pub(super) fn enter_room(&mut self, room: RoomIndex, name: &[u8]) {
        self.index.rooms.insert(self.room_place(name), room);
    }

    /// Removes the room of a name.
    pub(super) fn remove_room(&mut self, name: &[u8]) {
        self.index.rooms.remove(self.room_place(name));
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
            self.index.addresses.remove(self.address_place((network, slot)));
        }
    }
}

/// The order of names, without regard to ASCII case.
fn compare(a: &[u8], b: &[u8]) -> Ordering {
    a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase))
}
