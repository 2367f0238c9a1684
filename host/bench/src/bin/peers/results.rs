//! The results: every run as it was, and medians.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use parlour_bench::{Report, median};
use serde::{Deserialize, Serialize};

use crate::cases::Case;

/// How often the disk is tried.
const SYNCS: u32 = 101;

/// Reads a figure from a report, if it is there.
pub(crate) type Value = fn(&Report) -> Option<f64>;

/// All findings of one run of this program.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    /// The servers with their versions.
    pub(crate) versions: BTreeMap<String, String>,
    /// The servers that were left out, and why.
    pub(crate) missing: BTreeMap<String, String>,
    pub(crate) runs: Vec<Run>,
}

/// The machine.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) processors: usize,
    pub(crate) kernel: String,
    /// How long each run was measured, in seconds.
    pub(crate) seconds: f64,
    pub(crate) rounds: u32,
    /// How long the disk takes for a small write that must stay: the median, in microseconds.
    #[serde(default)]
    pub(crate) sync: Option<f64>,
}

/// One run of one server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) case: String,
    pub(crate) peer: String,
    pub(crate) round: u32,
    /// Missing when there is an error.
    pub(crate) report: Option<Report>,
    pub(crate) error: Option<String>,
}

impl Machine {
    /// This machine, and the disk of this folder.
    pub(crate) fn here(seconds: f64, rounds: u32, disk: &Path) -> io::Result<Self> {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Ok(Self {
            processor: model.map_or("unknown", |(_, name)| name).to_owned(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
            seconds,
            rounds,
            sync: time_of_sync(disk)?,
        })
    }
}

/// How long a write of 4 KiB and fdatasync(2) take in this folder: the median of some tries, in microseconds.
fn time_of_sync(folder: &Path) -> io::Result<Option<f64>> {
    let mut file = tempfile::tempfile_in(folder)?;
    let mut times = Vec::new();
    for _ in 0..SYNCS {
        let start = Instant::now();
        file.write_all(&[b'x'; 4096])?;
        file.sync_data()?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(times))
}

impl Results {
    /// The runs of a server in a case, by rounds.
    fn runs(&self, case: &Case, peer: &str) -> impl Iterator<Item = &Run> {
        let case = case.name();
        self.runs.iter().filter(move |run| run.case == case && run.peer == peer)
    }

    /// The reports of a server in a case.
    pub(crate) fn reports(&self, case: &Case, peer: &str) -> impl Iterator<Item = &Report> {
        self.runs(case, peer).filter_map(|run| run.report.as_ref())
    }

    /// The trouble with a server in a case in a word or two, if there was any.
    pub(crate) fn trouble(&self, case: &Case, peer: &str) -> Option<String> {
        let of = |run: &Run| match &run.report {
            None => Some("failed".to_owned()),
            Some(report) if report.stopped => Some("stopped".to_owned()),
            Some(report) if report.faults.any() => Some(report.faults.to_string()),
            Some(report) => {
                let stored = report.stored.filter(|_| report.has_faults())?;
                Some(format!("journal: {}", stored.journal_faults))
            }
        };
        self.runs(case, peer).find_map(of)
    }

    /// The servers and cases that could not be measured, and why.
    pub(crate) fn failures(&self) -> BTreeMap<String, String> {
        let failed = |run: &Run| Some((format!("{}, {}", run.peer, run.case), run.error.clone()?));
        self.runs.iter().filter_map(failed).collect()
    }

    /// The median over the rounds.
    pub(crate) fn median(&self, case: &Case, peer: &str, value: Value) -> Option<f64> {
        median(self.reports(case, peer).filter_map(value).collect())
    }

    /// The ratio to the value of `other`: the median over the rounds.
    pub(crate) fn ratio(&self, case: &Case, (peer, other): (&str, &str), value: Value) -> Option<f64> {
        let of = |peer, round| {
            let mut runs = self.runs(case, peer).filter(|run| run.round == round);
            runs.find_map(|run| value(run.report.as_ref()?))
        };
        let rounds = 0..self.machine.rounds;
        median(rounds.filter_map(|round| Some(of(peer, round)? / of(other, round)?)).collect())
    }
}

/// Processor time of the server for each delivery, in nanoseconds.
pub(crate) fn cost(report: &Report) -> Option<f64> {
    report.cpu_each
}
