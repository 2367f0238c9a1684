//! What a work has shown, for people and for machines.

mod figures;

use std::fmt::Write;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

pub use self::figures::{grouped, median};
use crate::lines::Faults;
use crate::process::{Process, cpu_of, resident_of};

/// The percentiles that are written down for plots.
const PERCENTILES: [f64; 18] = [
    0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.9, 99.95, 99.99,
    100.0,
];

/// What one work has shown.
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
    /// What was wrong, from the first line to the last.
    pub faults: Faults,
    /// The server stopped passing on lines.
    pub stopped: bool,
    /// What the load generator used of one processor; at 1 it may be what is measured.
    pub generator_load: f64,
    /// What the server used, if it is known which process it is.
    pub server: Option<ServerUse>,
    /// How long lines took from when they were due.
    pub latency: Option<Latency>,
    /// What clients who never read did to the others.
    pub stall: Option<Stall>,
    /// What connections that say nothing cost.
    pub idle: Option<Idle>,
}

/// What the server used in the time that was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerUse {
    /// Of one processor.
    pub load: f64,
    /// Processor time for each delivery, in nanoseconds.
    pub nanoseconds_per_delivery: Option<f64>,
    /// Resident memory at the end, in bytes.
    pub resident: u64,
}

/// Latencies in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the lines came within this.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p99_9: f64,
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
            p99_9: at(99.9),
            max: histogram.max() as f64 / 1e3,
            curve: PERCENTILES.iter().map(|&percentile| (percentile, at(percentile))).collect(),
        }
    }
}

/// What happened while the buffers of those who never read filled.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stall {
    /// How many never read.
    pub clients: u32,
    /// The longest time in which nobody else received anything, in seconds.
    pub longest_pause: f64,
    /// How many of their connections the server has closed.
    pub closed: u32,
    /// How many times one of them came back.
    #[serde(default)]
    pub came_back: u32,
}

/// What connections that say nothing cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Idle {
    /// How many there were.
    pub connections: u32,
    /// Resident memory of the server for each, in bytes.
    pub bytes_each: Option<f64>,
    /// How long it takes to join with nobody else there.
    pub first: Join,
    /// The same with all of them there.
    pub next: Join,
}

/// How long it takes to join, from connecting: medians in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Join {
    /// Until the newcomer has something from the server, if that says anything.
    pub greeted: Option<f64>,
    /// Until somebody has a line of the newcomer's. Where the others are told of each
    /// newcomer, that has come first.
    pub heard: f64,
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
        let server = used.map(|used| ServerUse {
            load: used.as_secs_f64() / seconds,
            nanoseconds_per_delivery: (deliveries > 0).then(|| used.as_nanos() as f64 / deliveries as f64),
            resident: resident_of(server).unwrap_or(0),
        });
        Report {
            work,
            line,
            seconds,
            deliveries,
            faults: Faults::default(),
            stopped: false,
            generator_load: (end.own - self.own).as_secs_f64() / seconds,
            server,
            latency: None,
            stall: None,
            idle: None,
        }
    }
}

/// The reports as tables: one of throughput, and where there are any, one of
/// latencies and one of idle connections.
pub fn tables(reports: &[Report]) -> String {
    let mut text = String::new();
    let throughput = reports.iter().filter(|report| report.idle.is_none());
    table(
        &mut text,
        &["work", "line", "deliveries/s", "CPU each", "server", "bench", "faults"],
        throughput.map(|report| {
            let server = report.server;
            vec![
                report.work.clone(),
                format!("{} B", report.line),
                if report.stopped {
                    "stopped".into()
                } else {
                    grouped(report.deliveries as f64 / report.seconds)
                },
                or_dash(server.and_then(|used| used.nanoseconds_per_delivery), |ns| format!("{ns:.1} ns")),
                or_dash(server, |used| percent(used.load)),
                percent(report.generator_load),
                report.faults.to_string(),
            ]
        }),
    );
    table(
        &mut text,
        &["latency", "p50", "p99", "p99.9", "max", "stalled", "closed", "came back", "longest pause"],
        reports.iter().filter_map(|report| report.latency.as_ref().map(|latency| (report, latency))).map(
            |(report, latency)| {
                vec![
                    report.work.clone(),
                    us(latency.p50),
                    us(latency.p99),
                    us(latency.p99_9),
                    us(latency.max),
                    or_dash(report.stall, |stall| stall.clients.to_string()),
                    or_dash(report.stall, |stall| stall.closed.to_string()),
                    or_dash(report.stall, |stall| stall.came_back.to_string()),
                    or_dash(report.stall, |stall| format!("{:.1} s", stall.longest_pause)),
                ]
            },
        ),
    );
    table(
        &mut text,
        &["idle", "memory each", "server", "first: greeted", "heard", "next: greeted", "heard"],
        reports.iter().filter_map(|report| report.idle.map(|idle| (report, idle))).map(|(report, idle)| {
            vec![
                report.work.clone(),
                or_dash(idle.bytes_each, |bytes| format!("{} B", grouped(bytes))),
                or_dash(report.server, |used| format!("{:.2} %", used.load * 100.0)),
                or_dash(idle.first.greeted, us),
                us(idle.first.heard),
                or_dash(idle.next.greeted, us),
                us(idle.next.heard),
            ]
        }),
    );
    text
}

fn us(value: f64) -> String {
    format!("{} us", grouped(value))
}

fn or_dash<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "-".into(), show)
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// Appends a table with its columns as wide as they need to be; nothing, if it has no rows.
fn table(text: &mut String, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    if rows.len() == 1 {
        return;
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let widths: Vec<_> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0))
        .collect();
    for row in rows {
        let mut line = format!("{:<1$}", row[0], widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            // Writing to a string does not fail.
            let _ = write!(line, "  {cell:>width$}");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_as_wide_as_it_needs_to_be() {
        let mut text = String::new();
        table(&mut text, &["work", "n"], [vec!["fan:100".into(), grouped(1_234_567.0)]].into_iter());
        assert_eq!(text, "work             n\nfan:100  1,234,567\n");
        table(&mut text, &["nothing"], std::iter::empty());
        assert_eq!(text.lines().count(), 2);
    }
}
