//! What goes wrong on the simulated network.

/// How the network behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// The longest that bytes are under way.
    pub delay_ms: u64,
    /// Reads and writes are cut short, and readiness comes in any order.
    pub is_choppy: bool,
    /// The driver's store of what was said loses pages.
    pub loses_pages: bool,
}
