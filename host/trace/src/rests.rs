//! The input of each connection that the hub did not take. A driver offers it again before anything newer. So a trace
//! need not hold it twice.

use parlour_core::ConnId;

/// By slot.
#[derive(Debug, Default)]
pub(crate) struct Rests(Vec<Vec<u8>>);

impl Rests {
    /// What was not taken.
    pub(crate) fn of(&self, conn: ConnId) -> &[u8] {
        self.0.get(conn.slot()).map_or(&[], Vec::as_slice)
    }

    /// How many of the bytes at the front were offered before, and the other bytes.
    pub(crate) fn split<'b>(&self, conn: ConnId, bytes: &'b [u8]) -> (u32, &'b [u8]) {
        let rest = self.of(conn);
        let rest = &rest[..rest.len().min(bytes.len())];
        // A driver that offers something else is wrong, and its trace is right.
        match bytes.strip_prefix(rest) {
            Some(new) => (rest.len() as u32, new),
            None => (0, bytes),
        }
    }

    /// Notes how many of the bytes the hub took.
    pub(crate) fn note(&mut self, conn: ConnId, bytes: &[u8], taken: usize) {
        let left = &bytes[taken.min(bytes.len())..];
        if left.is_empty() {
            return self.forget(conn);
        }
        if self.0.len() <= conn.slot() {
            // The hub takes all bytes of a connection that is not in its table. So the slot is one of those.
            self.0.resize_with(conn.slot() + 1, Vec::new);
        }
        let rest = &mut self.0[conn.slot()];
        rest.clear();
        rest.extend_from_slice(left);
    }

    /// A connection is gone.
    pub(crate) fn forget(&mut self, conn: ConnId) {
        if let Some(rest) = self.0.get_mut(conn.slot()) {
            *rest = Vec::new();
        }
    }
}
