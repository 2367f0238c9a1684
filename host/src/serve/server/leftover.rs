//! Input that the hub did not take yet. It is offered again before anything newer.

use parlour_core::ConnId;

use super::base::Base;
use crate::poll::Poller;

#[derive(Debug, Default)]
pub(super) struct Leftover {
    bytes: Box<[u8]>,
    /// How many of the bytes the hub has taken.
    taken: u32,
}

impl Leftover {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self { bytes: bytes.into(), taken: 0 }
    }

    /// Adds newer input.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        *self = Self::new(&[self.rest(), bytes].concat());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// How many bytes of input there are.
    pub(super) fn len(&self) -> usize {
        self.rest().len()
    }

    /// Its memory in bytes.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Offers the input to the hub, if the hub wants any.
    pub(super) fn offer<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId) {
        if !self.is_empty() && base.hub.interest(id).read > 0 {
            self.taken += base.receive(id, self.rest()) as u32;
            if self.is_empty() {
                // Free the memory with the last byte.
                *self = Self::default();
            }
        }
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.taken as usize..]
    }
}
