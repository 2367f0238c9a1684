//! Records what happens in a world.

use parlour_trace::{Header, Writer};

use super::world::World;

/// A trace in memory.
pub(super) type Recorder = Writer<Vec<u8>>;

impl World<'_> {
    /// Records from now on. The header is that of the hub as it is now.
    ///
    /// # Panics
    /// Never: memory takes everything.
    pub fn record(&mut self, header: &Header) {
        self.hub.record(Writer::new(Vec::new(), header).expect("memory"));
    }

    /// The hub as bytes, for the header of a trace that begins now.
    pub fn saved(&mut self) -> Vec<u8> {
        self.hub.saved()
    }

    /// Ends the trace that [`World::record`] began, if it did.
    pub fn trace(&mut self) -> Option<Vec<u8>> {
        Some(self.hub.end()?.0)
    }
}
