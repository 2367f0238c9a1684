//! Finds connections by name and by address, and rooms by name. The time grows with the logarithm
//! of their number. A build without the feature `large` has `scan.rs` in place of this file.

use super::Exchange;
use crate::conn::{NONE, Slot};
use crate::limits::{Bound, Limits};
use crate::name::Looks;
use crate::room::RoomIndex;
use crate::sorted::Sorted;

/// The sorted lists.
pub(crate) struct Index<'a> {
    names: ByLooks<'a>,
    /// Connections that have an address.
    addresses: Sorted<'a>,
    rooms: ByLooks<'a>,
}

impl<'a> Index<'a> {
    /// An index in memory as large as [`Limits::order`].
    pub(crate) fn new(order: &'a mut [u32], limits: &Limits) -> Self {
        let (names, rest) = order.split_at_mut(2 * limits.conns);
        let (addresses, rooms) = rest.split_at_mut(limits.conns);
        let [names, addresses, rooms] = [names, addresses, rooms].map(Sorted::new);
        Self { names: ByLooks(names), addresses, rooms: ByLooks(rooms) }
    }
}

/// Things that have a name, sorted by both numbers of its looks. It does not keep the looks: `looks_of`
/// returns those of a thing.
struct ByLooks<'a>(Sorted<'a>);

impl ByLooks<'_> {
    /// The things that share a number with these looks.
    fn alike(&self, looks: Looks, looks_of: impl Fn(u32) -> Looks + Copy) -> impl Iterator<Item = u32> {
        looks.into_iter().flat_map(move |look| {
            let first = self.place(look, looks_of);
            let entries = (first..).map_while(|place| self.0.get(place));
            entries.take_while(move |entry| look_of(*entry, looks_of) == look).map(|entry| entry >> 1)
        })
    }

    fn enter(&mut self, thing: u32, looks_of: impl Fn(u32) -> Looks + Copy) {
        for (which, look) in (0..).zip(looks_of(thing)) {
            self.0.insert(self.place(look, looks_of), thing << 1 | which);
        }
    }

    fn remove(&mut self, thing: u32, looks_of: impl Fn(u32) -> Looks + Copy) {
        for (which, look) in (0..).zip(looks_of(thing)) {
            self.0.remove(self.place(look, looks_of), thing << 1 | which);
        }
    }

    fn place(&self, look: u64, looks_of: impl Fn(u32) -> Looks + Copy) -> usize {
        self.0.place(|entry| look_of(entry, looks_of) < look)
    }
}

/// An entry is a thing, and which number of its looks.
fn look_of(entry: u32, looks_of: impl Fn(u32) -> Looks) -> u64 {
    looks_of(entry >> 1)[(entry & 1) as usize]
}

impl Exchange<'_> {
    // --- Connections by name ---

    /// The connection with a name, in the spelling in which names are kept. Case does not matter.
    pub(crate) fn bearer(&self, name: &str) -> Option<Slot> {
        self.alike(name).find(|slot| is_same(self.conn(*slot).name.as_bytes(), name))
    }

    /// Another connection whose name looks like this one.
    pub(crate) fn look_alike(&self, slot: Slot, name: &str) -> Option<Slot> {
        self.alike(name).find(|other| *other != slot)
    }

    fn alike(&self, name: &str) -> impl Iterator<Item = Slot> {
        self.index.names.alike((self.config.names.looks)(name), |slot| self.conn(slot).looks)
    }

    /// Adds a connection under the name that it is about to get.
    pub(super) fn enter_name(&mut self, slot: Slot, name: &str) {
        self.conn_mut(slot).looks = (self.config.names.looks)(name);
        self.index.names.enter(slot, |slot| self.conns[slot as usize].looks);
    }

    /// Removes a connection that has a name.
    pub(super) fn remove_name(&mut self, slot: Slot) {
        self.index.names.remove(slot, |slot| self.conns[slot as usize].looks);
    }

    // --- Rooms by name ---

    /// The room with a name, in the spelling in which names are kept. Case does not matter.
    pub(super) fn room_called(&self, name: &str) -> Option<RoomIndex> {
        self.rooms_alike(name).find(|room| is_same(self.rooms[*room as usize].name.as_bytes(), name))
    }

    /// A room whose name looks like this one.
    pub(crate) fn room_look_alike(&self, name: &str) -> Option<RoomIndex> {
        self.rooms_alike(name).next()
    }

    fn rooms_alike(&self, name: &str) -> impl Iterator<Item = RoomIndex> {
        self.index.rooms.alike((self.config.names.looks)(name), |room| self.rooms[room as usize].looks)
    }

    /// Adds a room under the name that it is about to get.
    pub(super) fn enter_room(&mut self, room: RoomIndex, name: &str) {
        self.rooms[room as usize].looks = (self.config.names.looks)(name);
        self.index.rooms.enter(room, |room| self.rooms[room as usize].looks);
    }

    /// Removes a room that has a name.
    pub(super) fn remove_room(&mut self, room: RoomIndex) {
        self.index.rooms.remove(room, |room| self.rooms[room as usize].looks);
    }

    // --- Connections by address ---

    /// Whether this connection's network has more connections than it may have.
    pub(crate) fn is_crowded(&self, slot: Slot, bound: Option<Bound>) -> bool {
        let account = &self.conn(slot).account;
        let Some((network, most)) = account.network().zip(account.allowed(bound)) else { return false };
        let count = self.address_place((network, NONE)) - self.address_place((network, 0));
        count > most as usize
    }

    /// The order: by network, and within a network by slot.
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

/// Whether a kept name is this one, apart from case.
fn is_same(kept: &[u8], name: &str) -> bool {
    let lower =
        |text: &str| text.chars().flat_map(char::to_lowercase).eq(name.chars().flat_map(char::to_lowercase));
    core::str::from_utf8(kept).is_ok_and(lower)
}
