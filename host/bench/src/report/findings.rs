//! What one work has found. The fields are named as the columns of the tables are, and so in JSON.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::lines::Faults;

/// The percentiles that are written down for plots.
const PERCENTILES: [f64; 18] = [
    0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.9, 99.95, 99.99,
    100.0,
];

/// What one work has found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The work as it is written on the command line.
    pub work: String,
    /// Bytes of a line, its LF counted.
    pub line: usize,
    /// The time that was measured, in seconds.
    pub seconds: f64,
    /// Lines that came whole in that time, counted for each receiver.
    pub deliveries: u64,
    /// The same for a second.
    pub throughput: f64,
    /// Processor time of the server for each delivery, in nanoseconds, if its processes are known.
    pub cpu_each: Option<f64>,
    /// What the server used of one processor, in percent, if its processes are known.
    pub cpu_server: Option<f64>,
    /// What the load generator used of one processor, in percent. Near 100 it may be the limit.
    pub cpu_bench: f64,
    /// Resident memory of the server at the end, in bytes, if its processes are known.
    pub memory: Option<u64>,
    /// What was wrong, from the first line to the last.
    pub faults: Faults,
    /// The server stopped passing on lines.
    pub stopped: bool,
    /// How long lines took from when they were due.
    #[serde(flatten)]
    pub latency: Option<Latency>,
    /// What clients that never read did to the others.
    #[serde(flatten)]
    pub stall: Option<Stall>,
    /// What connections that say nothing cost.
    #[serde(flatten)]
    pub idle: Option<Idle>,
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
    /// All of them.
    pub max: f64,
    /// Percentiles with their latencies.
    pub curve: Vec<(f64, f64)>,
}

impl Latency {
    /// Of latencies in nanoseconds.
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

/// What happened while the buffers of clients that never read filled.
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

/// What connections that say nothing cost. Times are medians in microseconds, from connecting.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Idle {
    /// How many there were.
    pub connections: u32,
    /// Resident memory of the server for each, in bytes, if its processes are known.
    pub memory_each: Option<f64>,
    /// Until a newcomer has something from the server, if that says anything. Nobody else is there.
    pub greeted_empty: Option<f64>,
    /// Until somebody has a line of the newcomer's. Where the others are told of each newcomer,
    /// that has come first.
    pub heard_empty: f64,
    /// As `greeted_empty`, with all connections there.
    pub greeted_full: Option<f64>,
    /// As `heard_empty`, with all connections there.
    pub heard_full: f64,
}
