//! What clients of echo listeners send. It is in no room, so no follower reads it.

use std::time::{SystemTime, UNIX_EPOCH};

use parlour_core::{ConnId, Hub, Protocol};

use super::{Keeper, drop_one};

impl Keeper {
    /// Whether bytes of a client of an echo listener wait until they are stored.
    pub(in super::super) fn holds_echo(&self, conn: ConnId) -> bool {
        self.echoes.contains_key(&conn)
    }

    /// Stores what a client has sent before the hub gets it, if that must be so. Then [`Keeper::holds_echo`] is
    /// true until it is stored.
    pub(in super::super) fn hold_echo(&mut self, hub: &Hub<'_>, conn: ConnId, bytes: &[u8]) {
        let is_echo = hub.protocol(conn) == Some(Protocol::Echo);
        if self.proposed.is_some() && is_echo && !self.leaves_out(hub, conn) {
            self.echoes.insert(conn, self.next_echo);
            self.store_echo(hub, conn, bytes);
        }
    }

    /// Keeps what a client has sent, if that is in no room, because its listener is an echo.
    pub(in super::super) fn keep_echo(&mut self, hub: &Hub<'_>, conn: ConnId, bytes: &[u8]) {
        let is_echo = || hub.protocol(conn) == Some(Protocol::Echo);
        if self.proposed.is_none() && !bytes.is_empty() && is_echo() {
            self.store_echo(hub, conn, bytes);
        }
    }

    fn store_echo(&mut self, hub: &Hub<'_>, conn: ConnId, bytes: &[u8]) {
        let label = hub.listener(conn).and_then(|listener| self.shelves.label(listener));
        let Some(name) = label.map(str::to_owned) else { return };
        let unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        self.unix_ms = unix_ms;
        if self.drops() && !self.has_place() {
            drop_one(&mut self.dropped_echo, self.next_echo, true);
            self.next_echo += 1;
            return;
        }
        let (room, _) = self.shelves.named(&mut self.batch, name);
        let author = hub.identity(conn).unwrap_or_default();
        self.clients.introduce(&mut self.batch, author);
        let is_awaited = self.proposed.is_some();
        self.batch.push_bytes(self.next_echo, unix_ms, room, author.as_u64(), bytes, is_awaited);
        self.next_echo += 1;
        self.journal.write(&mut self.batch);
        self.was_full = !self.has_place();
    }
}
