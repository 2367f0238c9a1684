//! The results: every run as it was, and medians.

use std::collections::BTreeMap;
use std::fs;

use parlour_bench::{Report, median};
use serde::{Deserialize, Serialize};

use crate::cases::Case;

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
    /// This machine.
    pub(crate) fn here(seconds: f64, rounds: u32) -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            processor: model.map_or("unknown", |(_, name)| name).to_owned(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
            seconds,
            rounds,
        }
    }
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
            Some(report) => report.faults.any().then(|| report.faults.to_string()),
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
