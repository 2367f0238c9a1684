//! What the simulated driver has done.

/// Counts of the driver's work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Turns, each of which had something to do.
    pub turns: u64,
    /// Deadlines that came.
    pub ticks: u64,
    /// Looks at connections that the hub named.
    pub named: u64,
    /// Reads, writes, newcomers and closes.
    pub acts: u64,
}
