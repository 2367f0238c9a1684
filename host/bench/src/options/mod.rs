//! The command line of `parlour-bench`: its options, and the output.

mod pid;
mod status;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use parlour::Address;
use parlour::output::complain;
use parlour::units::{duration, size};

use self::pid::Pid;
use self::status::Status;
use crate::error::BenchError;
use crate::lines::{LONGEST_LINE, SHORTEST_LINE};
use crate::measure::{measure, pin_to_cpu};
use crate::plan::{Dialect, Kind, Plan, Work};
use crate::report::{Report, explained, tables};

const MORE: &str = "--help explains the columns of the tables, and the names in the JSON.";

const EXIT_CODES: &str = "

Exit codes: 0 if every line came back as it should; 1 if the server or its journal lost or damaged
lines, or the server closed connections or stopped; 2 if a WORK could not be run.";

/// Puts load on a server that passes lines on, and checks every line that comes back
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "parlour-bench", version, after_help = MORE, after_long_help = explained() + EXIT_CODES)]
pub struct BenchOptions {
    /// Where the server listens: PORT (on 127.0.0.1), HOST:PORT or unix:PATH
    #[arg(value_name = "ADDR")]
    address: Address,
    /// What the clients do [default: fan, lockstep, ahead and latency]:
    ///   fan:N       one sends as fast as it can, N receive
    ///   lockstep:N  N each send a line, and the next one when all have it
    ///   ahead:NxK   the same, but each may be up to K lines ahead
    ///   gather:NxK  N send as fast as they can, up to K lines ahead, and one receives
    ///   echo:NxK    N get back what they send, with K lines on the way
    ///   latency:N   one sends --rate lines a second, N receive
    ///   idle:N      N are silent
    #[arg(value_name = "WORK", verbatim_doc_comment)]
    works: Vec<Work>,
    /// Length of a line with its LF, such as 512 or 4k
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = line_length)]
    line: usize,
    /// In latency, send this many lines a second
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// In latency, send this many lines at a time. There is so much more time between
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    burst: u32,
    /// In fan and latency, let this many of the receivers never read
    #[arg(long, value_name = "N", default_value_t = 0)]
    stall: u32,
    /// Let the clients of --stall connect again as soon as the server disconnects them. In latency,
    /// a second client then fills their buffers again
    #[arg(long)]
    come_back: bool,
    /// In echo, open this many silent connections too
    #[arg(long, value_name = "N", default_value_t = 0)]
    idle: u32,
    /// How long to measure
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    duration: Duration,
    /// How long to run before the measurement begins
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    warmup: Duration,
    /// Count a line as lost if nothing came for this long
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    patience: Duration,
    /// The server's processes, for the CPU columns; repeat it, or write commas between. none (or
    /// off) measures no process. Default: the processes that listen at ADDR
    ///
    /// Several processes are added up. Without --pid, parlour-bench looks on this machine for the
    /// processes that listen at ADDR. It reads /proc/net, and the descriptors in /proc/PID/fd,
    /// which only the same user and root may read. If it may not read them, it says so on standard
    /// error, and the CPU columns show "-"; --pid works for processes of other users too. The
    /// columns also show "-" if the server runs on another machine, in another network namespace,
    /// or in a virtual machine.
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    pid: Vec<Pid>,
    /// The server's journal (parlour --journal FILE): count the lines that come into it, and check
    /// that it has every line
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Run parlour-bench on this processor only, counted from 0
    #[arg(long, value_name = "N")]
    cpu: Option<usize>,
    /// Print JSON, with the same names as the columns of the tables
    #[arg(long)]
    json: bool,
}

/// The output of `--json`.
#[derive(serde::Serialize)]
struct Output {
    version: &'static str,
    time: String,
    address: String,
    pids: Vec<u32>,
    reports: Vec<Report>,
}

fn line_length(text: &str) -> Result<usize, String> {
    match size(text)?.try_into() {
        Ok(bytes @ SHORTEST_LINE..=LONGEST_LINE) => Ok(bytes),
        _ => Err(format!("a line has {SHORTEST_LINE} to {LONGEST_LINE} bytes")),
    }
}

impl BenchOptions {
    /// Runs the works of the command line, and prints the reports. Exit code 1: the server lost or
    /// damaged lines, or stopped. Exit code 2: a work could not be run.
    pub fn run(&self) -> ExitCode {
        let mut output = Output {
            version: env!("CARGO_PKG_VERSION"),
            time: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            address: self.address.to_string(),
            pids: Vec::new(),
            reports: Vec::new(),
        };
        let outcome = self.measure_all(&mut output);
        let text = match self.json {
            true => serde_json::to_string_pretty(&output).expect("reports are plain values") + "\n",
            false => tables(&output.reports),
        };
        // If the reader is gone, the rest is not needed.
        let _ = io::stdout().write_all(text.as_bytes());
        if let Err(complaint) = outcome {
            complain(format_args!("parlour-bench: {complaint}"));
            return ExitCode::from(2);
        }
        ExitCode::from(u8::from(output.reports.iter().any(Report::has_faults)))
    }

    fn measure_all(&self, output: &mut Output) -> Result<(), String> {
        if let Some(cpu) = self.cpu {
            pin_to_cpu(cpu).map_err(|error| error.in_full())?;
        }
        output.pids = pid::of_server(&self.pid, &self.address)?;
        let default = [Kind::Fan, Kind::Lockstep, Kind::Ahead, Kind::Latency].map(Work::new);
        for &work in if self.works.is_empty() { &default[..] } else { &self.works } {
            let status = Status::new(work);
            let told = |error: BenchError| format!("{work}: {}", error.in_full());
            let plan = self.plan(work, &output.pids);
            output.reports.push(measure(&plan, &|text| status.show(text)).map_err(told)?);
        }
        Ok(())
    }

    fn plan(&self, work: Work, pids: &[u32]) -> Plan {
        Plan {
            address: self.address.clone(),
            dialect: Dialect::raw(),
            work,
            line: self.line,
            rate: self.rate,
            burst: self.burst,
            stall: self.stall,
            come_back: self.come_back,
            idle: self.idle,
            duration: self.duration,
            warmup: self.warmup,
            patience: self.patience,
            pids: pids.to_vec(),
            journal: self.journal.clone(),
        }
    }
}
