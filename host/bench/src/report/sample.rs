//! Moments of a run. Two of them make a report.

use std::time::{Duration, Instant};

use super::findings::Report;
use crate::process::{Process, cpu_of, resident_of};

/// A moment of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    at: Instant,
    deliveries: u64,
    own: Duration,
    server: Option<Duration>,
}

impl Sample {
    /// This moment, after this many deliveries of a server with these processes.
    pub(crate) fn take(deliveries: u64, server: &[u32]) -> Self {
        Self {
            at: Instant::now(),
            deliveries,
            own: Process::Own.cpu().unwrap_or_default(),
            server: cpu_of(server),
        }
    }

    /// A report on the time from this moment to `end`, without the other findings.
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
            ..Report::default()
        }
    }
}
