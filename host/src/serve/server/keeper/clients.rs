//! What the journal is told about clients beside what they say: where they have come from, and by which keys they are
//! known again after a restart.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant as Clock};

use parlour_core::Identity;
use parlour_journal::{Batch, KeyHash};

#[derive(Debug)]
pub(super) struct Clients {
    /// Where clients have come from, of whom the journal does not know yet.
    addresses: HashMap<Identity, String>,
    /// The clients whose keys the journal has.
    keyed: HashSet<Identity>,
    /// Clients of the server before this one, by their keys. They may come back until then.
    earlier: HashMap<KeyHash, Identity>,
    until: Clock,
}

impl Clients {
    /// `earlier`: the keys of the server before this one, which are good for this long.
    pub(super) fn new(earlier: Vec<(u64, KeyHash)>, window: Option<Duration>, now: Clock) -> Self {
        let earlier = earlier.into_iter().map(|(client, hash)| (hash, Identity::from_u64(client)));
        let until = now + window.unwrap_or_default();
        Self { addresses: HashMap::new(), keyed: HashSet::new(), earlier: earlier.collect(), until }
    }

    /// Notes where a client has come from.
    pub(super) fn note_address(&mut self, client: Identity, address: String) {
        self.addresses.insert(client, address);
    }

    /// Tells the journal where a client has come from, before the first thing that it says.
    pub(super) fn introduce(&mut self, batch: &mut Batch, client: Identity) {
        if let Some(address) = self.addresses.remove(&client) {
            batch.add_address(client.as_u64(), address);
        }
    }

    /// Notes the key of a client.
    pub(super) fn set_key(&mut self, batch: &mut Batch, client: Identity, hash: KeyHash) {
        self.keyed.insert(client);
        batch.set_key(client.as_u64(), Some(hash));
    }

    /// A client is about to go. `may_return`: it may come back to the next server.
    pub(super) fn forget(&mut self, batch: &mut Batch, client: Identity, may_return: bool) {
        self.addresses.remove(&client);
        if self.keyed.remove(&client) && !may_return {
            batch.set_key(client.as_u64(), None);
        }
    }

    /// Until when clients of the server before this one may come back.
    pub(super) fn awaits_until(&self) -> Option<Clock> {
        (!self.earlier.is_empty()).then_some(self.until)
    }

    /// Forgets those that have not come back in time.
    pub(super) fn expire(&mut self, batch: &mut Batch, now: Clock) {
        if self.until <= now {
            self.earlier.drain().for_each(|(_, client)| batch.set_key(client.as_u64(), None));
        }
    }

    /// The client of the server before this one that has a key.
    pub(super) fn earlier(&self, hash: &KeyHash) -> Option<Identity> {
        self.earlier.get(hash).copied()
    }

    /// It has come back. Until now it was a newcomer. The key is not good again.
    pub(super) fn come_back(&mut self, hash: &KeyHash, client: Identity, newcomer: Identity) {
        self.earlier.remove(hash);
        if let Some(address) = self.addresses.remove(&newcomer) {
            self.addresses.insert(client, address);
        }
        self.keyed.insert(client);
    }
}
