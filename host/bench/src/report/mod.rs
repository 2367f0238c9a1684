//! What a work has shown, for people and for machines.
//!
//! ```text
//! columns   the names of all that is told, with units and meanings
//! figures   medians, digits in groups
//! table     the reports as tables
//! ```

mod columns;
mod figures;
mod table;

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

pub(crate) use self::columns::explained;
pub use self::figures::{grouped, median};
pub use self::table::tables;
use crate::lines::Faults;
use crate::process::{Process, cpu_of, resident_of};

/// The percentiles that are written down for plots.
const PERCENTILES: [f64; 18] = [
    0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.9, 99.95, 99.99,
    100.0,
];

/// What one work has shown. The fields are named as the columns of the tables are, and so in JSON.
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

/// A moment of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    at: Instant,
    deliveries: u64,
    own: Duration,
    server: Option<Duration>,
}

impl Sample {
    /// This moment, after so many deliveries of a server with these processes.
    pub(crate) fn take(deliveries: u64, server: &[u32]) -> Self {
        Self {
            at: Instant::now(),
            deliveries,
            own: Process::Own.cpu().unwrap_or_default(),
            server: cpu_of(server),
        }
    }

    /// A report on the time from this moment to `end`, of which nothing else is known.
    pub(crate) fn report(&self, end: &Sample, work: String, line: usize, server: &[u32]) -> Report {
        let seconds = (end.at - self.at).as_secs_f64();
        let deliveries = end.deliveries - self.deliveries;
        let used = self.server.zip(end.server).map(|(from, to)| to.saturating_sub(from));
        let percent = |used: Duration| used.as_secs_f64() / seconds * 100.0;
        Report {
            work,
            line,
            seconds,
            deliveries,
            throughput: deliveries as f64 / seconds,
            cpu_each: used.filter(|_| deliveries > 0).map(|used| used.as_nanos() as f64 / deliveries as f64),
            cpu_server: used.map(percent),
            cpu_bench: percent(end.own.saturating_sub(self.own)),
            memory: resident_of(server),
            faults: Faults::default(),
            stopped: false,
            latency: None,
            stall: None,
            idle: None,
        }
    }
}
