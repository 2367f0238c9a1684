//! Finds connections by name and by address. The time grows with the logarithm of their number. A
//! build without the feature `large` has `scan.rs` in place of this file.

use super::Conns;
use crate::by_looks::{ByLooks, is_same};
use crate::config::Bound;
use crate::conn::{NONE, Slot};
use crate::name::Looks;
use crate::sorted::Sorted;

/// The sorted lists.
#[derive(Debug)]
pub(super) struct Index<'a> {
    names: ByLooks<'a>,
    /// Connections that have an address.
    addresses: Sorted<'a>,
    looks: fn(&str) -> Looks,
}

impl<'a> Index<'a> {
    /// An index with three places for each connection.
    pub(super) fn new(places: &'a mut [u32], looks: fn(&str) -> Looks) -> Self {
        let (addresses, names) = places.split_at_mut(places.len() / 3);
        Self { names: ByLooks::new(names), addresses: Sorted::new(addresses), looks }
    }
}

impl Conns<'_> {
    /// The connection with a name, in the spelling in which names are kept. Case does not matter.
    pub(crate) fn bearer(&self, name: &str) -> Option<Slot> {
        self.alike(name).find(|slot| is_same(self[*slot].name.as_bytes(), name))
    }

    /// Another connection whose name looks like this one.
    pub(crate) fn look_alike(&self, slot: Slot, name: &str) -> Option<Slot> {
        self.alike(name).find(|other| *other != slot)
    }

    fn alike(&self, name: &str) -> impl Iterator<Item = Slot> {
        self.index.names.alike((self.index.looks)(name), |slot| self[slot].looks)
    }

    /// Adds a connection under the name that it is about to get.
    pub(super) fn enter_name(&mut self, slot: Slot, name: &str) {
        self.slots[slot as usize].looks = (self.index.looks)(name);
        self.index.names.enter(slot, |slot| self.slots[slot as usize].looks);
    }

    /// Removes a connection that has a name.
    pub(super) fn remove_name(&mut self, slot: Slot) {
        self.index.names.remove(slot, |slot| self.slots[slot as usize].looks);
    }

    /// Whether this connection's network has more connections than it may have.
    pub(crate) fn is_crowded(&self, slot: Slot, bound: Option<Bound>) -> bool {
        let account = &self[slot].account;
        let Some((network, most)) = account.network().zip(account.allowed(bound)) else { return false };
        let count = self.address_place((network, NONE)) - self.address_place((network, 0));
        count > most as usize
    }

    /// The order: by network, and within a network by slot.
    fn address_place(&self, key: (u64, Slot)) -> usize {
        self.index.addresses.place(|other| (self.network_of(other), other) < key)
    }

    pub(super) fn enter_address(&mut self, slot: Slot) {
        if let Some(network) = self[slot].account.network() {
            self.index.addresses.insert(self.address_place((network, slot)), slot);
        }
    }

    pub(super) fn remove_address(&mut self, slot: Slot) {
        if let Some(network) = self[slot].account.network() {
            self.index.addresses.remove(self.address_place((network, slot)), slot);
        }
    }
}
