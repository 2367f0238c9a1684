//! The findings of one work. The fields have the names of the table columns, in JSON too.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::lines::Faults;

/// The percentiles that are written down for plots.
const PERCENTILES: [f64; 18] = [
    0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.9, 99.95, 99.99,
    100.0,
];

/// The findings of one work.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The work, as on the command line.
    pub work: String,
    /// Length of a line with its LF, in bytes.
    pub line: usize,
    /// The time that was measured, in seconds.
    pub seconds: f64,
    /// Lines that came whole in that time, counted for each receiver.
    pub deliveries: u64,
    /// The same for each second.
    pub throughput: f64,
    /// Processor time of the server for each delivery, in nanoseconds, if its processes are known.
    pub cpu_each: Option<f64>,
    /// The server's use of one processor in percent, if its processes are known.
    pub cpu_server: Option<f64>,
    /// The load generator's use of one processor in percent. Near 100 it may be the bottleneck.
    pub cpu_bench: f64,
    /// Resident memory of the server at the end, in bytes, if its processes are known.
    pub memory: Option<u64>,
    /// The faults, from the first line to the last.
    pub faults: Faults,
    /// The server stopped passing lines on.
    pub stopped: bool,
    /// The time of lines from when they were due.
    #[serde(flatten)]
    pub latency: Option<Latency>,
    /// The effect of clients that never read on the others.
    #[serde(flatten)]
    pub stall: Option<Stall>,
    /// The cost of silent connections.
    #[serde(flatten)]
    pub idle: Option<Idle>,
    /// What the server's journal has.
    #[serde(flatten)]
    pub stored: Option<Stored>,
}

impl Report {
    /// Whether the server did something wrong.
    pub fn has_faults(&self) -> bool {
        self.stopped
            || self.faults.any()
            || self.stored.as_ref().is_some_and(|stored| stored.journal_faults.any())
    }
}

/// Latencies in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the lines came within this time.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p999: f64,
    /// All lines.
    pub max: f64,
    /// Percentiles, and their latencies.
    pub curve: Vec<(f64, f64)>,
}

impl Latency {
    /// From latencies in nanoseconds.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let at = |percentile| histogram.value_at_percentile(percentile) as f64 / 1e3;
        Self {
            p50: at(50.0),
            p99: at(99.0),
            p999: at(99.9),
            max: histogram.max() as f64 / 1e3,
            curve: PERCENTILES.iter().map(|&percentile| (percentile, at(percentile))).collect(),
        }
    }
}

/// Counts from the time in which the buffers of clients that never read filled up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stall {
    /// How many clients never read.
    pub stalled: u32,
    /// How many of their connections the server has closed.
    pub closed: u32,
    /// How many times one of them came back.
    pub came_back: u32,
    /// The longest time in which nobody else received anything, in seconds.
    pub longest_pause: f64,
}

/// What a journal has.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// Lines that came into the journal each second of the time that was measured.
    pub stored: f64,
    /// Processor time of the server for each of them, in nanoseconds, if its processes are known.
    pub cpu_stored: Option<f64>,
    /// The faults of what is in the journal in the end.
    pub journal_faults: Faults,
}

/// The cost of silent connections. Times are medians in microseconds, from connecting.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Idle {
    /// How many connections there were.
    pub connections: u32,
    /// Resident memory of the server for each, in bytes, if its processes are known.
    pub memory_each: Option<f64>,
    /// Until a newcomer has the server's first bytes, if it sends any. No other client is there.
    pub greeted_empty: Option<f64>,
    /// Until another client has a line of the newcomer. If the server announces newcomers to the
    /// others, that came before.
    pub heard_empty: f64,
    /// As `greeted_empty`, with all connections there.
    pub greeted_full: Option<f64>,
    /// As `heard_empty`, with all connections there.
    pub heard_full: f64,
}
