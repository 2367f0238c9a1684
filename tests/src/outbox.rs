//! The bytes that a client still has to send, over any transport, and whether more will follow.

use std::collections::VecDeque;

/// Bytes that wait to be sent.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: VecDeque<u8>,
    ends: bool,
}

impl Outbox {
    /// How many bytes wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Drops what waits.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Nothing more will be added: the sending direction ends behind what waits.
    pub fn end(&mut self) {
        self.ends = true;
    }

    /// Whether [`Outbox::end`] was called.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ends
    }

    /// Whether all was sent and the sending direction ends now.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.ends && self.bytes.is_empty()
    }

    /// Sends as much as the transport takes. `send` gets all waiting bytes, and returns how many of them
    /// were taken. This returns the same.
    pub fn flush(&mut self, send: impl FnOnce(&[u8]) -> usize) -> usize {
        let sent = send(self.bytes.make_contiguous());
        self.bytes.drain(..sent);
        sent
    }
}

impl Extend<u8> for Outbox {
    fn extend<T: IntoIterator<Item = u8>>(&mut self, bytes: T) {
        self.bytes.extend(bytes);
    }
}

impl<'b> Extend<&'b u8> for Outbox {
    fn extend<T: IntoIterator<Item = &'b u8>>(&mut self, bytes: T) {
        self.bytes.extend(bytes);
    }
}
