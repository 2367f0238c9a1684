//! `parlour bench`: a load generator for servers of lines, which verifies every
//! line that comes back. This file owns its options, and what they ask for.
//!
//! ```text
//! line      how a line is written, and judged when it comes
//! ledger    who has received what of whom; faults
//! stream    the same for many lines at once
//! pace      who may send when
//! book      bytes that came, by way of these
//! crowd     connections, and the wait for all of them
//! run, idle one work from the first connection to the report
//! process   what the server uses
//! report    what a work has shown
//! ```
//!
//! [`measure`] does a work for programs; [`run`] for people.

mod book;
mod crowd;
mod dialect;
mod idle;
mod ledger;
mod line;
mod pace;
mod process;
mod report;
mod run;
mod stream;
mod work;

use std::cell::Cell;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use crate::address::Address;
use crate::output::complain;
use crate::sys;

pub use self::dialect::Dialect;
pub use self::ledger::Faults;
pub use self::line::{LONGEST_LINE, SHORTEST_LINE};
pub use self::process::Process;
pub use self::report::{Idle, Join, Latency, Report, ServerUse, Stall, tables};
pub use self::work::{Kind, Work};

/// Descriptors beside those of connections.
const OTHER_DESCRIPTORS: u64 = 16;
/// How often progress is told where it is no terminal that is told.
const SELDOM: Duration = Duration::from_secs(2);

/// Measure a server of lines, this one or another, and verify every line
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Where it listens: PORT (on 127.0.0.1), HOST:PORT or unix:PATH
    #[arg(value_name = "ADDR")]
    address: Address,
    /// What to have it do: fan, lockstep, ahead, echo, latency or idle, with :CLIENTS and xDEPTH,
    /// such as fan:100, ahead:100x16, echo:500x32 [default: fan, lockstep, ahead and latency]
    #[arg(value_name = "WORK")]
    works: Vec<Work>,
    /// Bytes of a line, its LF counted
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = line_length)]
    line: usize,
    /// Lines a second, for latency
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// How many of the receivers never read, in fan and latency
    #[arg(long, value_name = "N", default_value_t = 0)]
    stall: u32,
    /// Those who never read come back as soon as the server cuts them. In latency a second
    /// client then fills their buffers again
    #[arg(long)]
    come_back: bool,
    /// Connections that say nothing beside those of echo
    #[arg(long, value_name = "N", default_value_t = 0)]
    idle: u32,
    /// How long to measure
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// How long to go on before that
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = humantime::parse_duration)]
    warmup: Duration,
    /// What has not come when nothing came for so long is lost
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = humantime::parse_duration)]
    patience: Duration,
    /// The server's process, to tell what it uses
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// Run on this processor alone
    #[arg(long, value_name = "N")]
    cpu: Option<usize>,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

fn line_length(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bytes @ SHORTEST_LINE..=LONGEST_LINE) => Ok(bytes),
        _ => Err(format!("{text} is not a number from {SHORTEST_LINE} to {LONGEST_LINE}")),
    }
}

/// A work, the server that it is for, and how long to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the server listens.
    pub address: Address,
    /// How it wants lines to be said.
    pub dialect: Dialect,
    /// What to do.
    pub work: Work,
    /// Bytes of a line, its LF counted.
    pub line: usize,
    /// Lines a second, for [`Kind::Latency`].
    pub rate: u32,
    /// How many of the receivers never read.
    pub stall: u32,
    /// They come back as soon as the server closes them. In [`Kind::Latency`] a second client then
    /// fills their buffers again, beside the lines that are timed.
    pub come_back: bool,
    /// Connections that say nothing, beside those of [`Kind::Echo`].
    pub idle: u32,
    /// How long to measure.
    pub duration: Duration,
    /// How long to go on before that.
    pub warmup: Duration,
    /// What has not come when nothing came for so long is lost.
    pub patience: Duration,
    /// The server's process.
    pub pid: Option<u32>,
}

impl Plan {
    /// To do `work` at `address`, with the options' defaults.
    pub fn new(address: Address, work: Work) -> Self {
        Self {
            address,
            dialect: Dialect::raw(),
            work,
            line: 64,
            rate: 200,
            stall: 0,
            come_back: false,
            idle: 0,
            duration: Duration::from_secs(5),
            warmup: Duration::from_secs(1),
            patience: Duration::from_secs(10),
            pid: None,
        }
    }

    fn check(&self) -> Result<(), BenchError> {
        let has_stalled = matches!(self.work.kind, Kind::Fan | Kind::Latency);
        if self.stall > 0 && !(has_stalled && self.stall < self.work.clients) {
            return Err(BenchError::Plan("--stall is for fan and latency, and leaves somebody who reads"));
        }
        if self.come_back && self.stall == 0 {
            return Err(BenchError::Plan("--come-back is for those of --stall"));
        }
        if self.idle > 0 && self.work.kind != Kind::Echo {
            return Err(BenchError::Plan("--idle is for echo"));
        }
        if self.pid.is_some_and(|pid| Process::Pid(pid).cpu().is_none()) {
            return Err(BenchError::Plan("there is no process with the number of --pid"));
        }
        let wanted = u64::from(self.work.clients) + u64::from(self.idle) + OTHER_DESCRIPTORS;
        let most = sys::raise_descriptor_limit().map_err(|error| BenchError::System("setrlimit", error))?;
        if wanted > most { Err(BenchError::Descriptors { wanted, most }) } else { Ok(()) }
    }
}

/// Why a work cannot be done, or not be gone on with.
#[derive(Debug)]
pub enum BenchError {
    /// The options do not fit each other.
    Plan(&'static str),
    /// There are fewer descriptors than connections are asked for.
    Descriptors {
        /// How many it takes.
        wanted: u64,
        /// How many there are.
        most: u64,
    },
    /// After so many connections there is no further one.
    Connect(Address, usize, io::Error),
    /// The server closed a connection before anything was measured.
    Closed {
        /// The last line of its own.
        said: String,
    },
    /// Nothing of what was sent comes through to some clients.
    Deaf {
        /// To how many.
        waiting: usize,
        /// Of how many.
        clients: usize,
        /// What may be the reason.
        hint: &'static str,
    },
    /// A system call failed.
    System(&'static str, io::Error),
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BenchError::Plan(text) => f.write_str(text),
            BenchError::Descriptors { wanted, most } => {
                write!(f, "this needs {wanted} descriptors, and the limit (ulimit -Hn) is {most}")
            }
            BenchError::Connect(address, 0, error) => write!(f, "cannot connect to {address}: {error}"),
            BenchError::Connect(address, count, error) => {
                write!(f, "cannot connect to {address} once more after {count} connections: {error}")
            }
            BenchError::Closed { said } if said.is_empty() => f.write_str("the server closed a connection"),
            BenchError::Closed { said } => {
                // No control characters of a server's reach the terminal.
                let said = said.trim_end().escape_debug();
                write!(f, "the server closed a connection; it had said \"{said}\"")
            }
            BenchError::Deaf { waiting, clients, hint } => {
                write!(f, "{waiting} of {clients} clients never got a line: {hint}")
            }
            BenchError::System(call, error) => write!(f, "{call}: {error}"),
        }
    }
}

impl std::error::Error for BenchError {}

/// Told from time to time what a work is at.
pub type Progress<'a> = &'a dyn Fn(&str);

/// Does the work of `plan`, on the calling thread.
///
/// # Errors
/// When there is nothing to report. Lines that the server did not treat well
/// are no error but in the report.
pub fn measure(plan: &Plan, progress: Progress<'_>) -> Result<Report, BenchError> {
    plan.check()?;
    // Lines of an earlier run that a server may have kept are told apart.
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    run::measure(plan, since.as_millis() as u16, progress)
}

/// Lets the calling thread run on the processor `cpu` alone.
///
/// # Errors
/// When there is no such processor for this process.
pub fn pin_to_cpu(cpu: usize) -> Result<(), BenchError> {
    sys::pin_to_cpu(cpu).map_err(|error| BenchError::System("--cpu: sched_setaffinity", error))
}

/// Does what the command line asks for, and prints the reports. Exit code 1: the server
/// did not pass on every line as it should; 2: a work could not be done.
pub fn run(options: &Options) -> ExitCode {
    let mut reports = Vec::new();
    let outcome = options.run_all(&mut reports);
    let text = match options.json {
        true => serde_json::to_string_pretty(&reports).expect("reports are plain values") + "\n",
        false => tables(&reports),
    };
    // Who does not read it does not want to know.
    let _ = io::stdout().write_all(text.as_bytes());
    if let Err((work, error)) = outcome {
        complain(format_args!("parlour: {work}: {error}"));
        return ExitCode::from(2);
    }
    ExitCode::from(u8::from(reports.iter().any(|report| report.faults.any() || report.stopped)))
}

impl Options {
    fn run_all(&self, reports: &mut Vec<Report>) -> Result<(), (String, BenchError)> {
        if let Some(cpu) = self.cpu {
            pin_to_cpu(cpu).map_err(|error| ("bench".into(), error))?;
        }
        let default = [Kind::Fan, Kind::Lockstep, Kind::Ahead, Kind::Latency].map(Work::new);
        for &work in if self.works.is_empty() { &default[..] } else { &self.works } {
            let line = Status::new(work);
            let plan = self.plan(work);
            reports.push(measure(&plan, &|text| line.show(text)).map_err(|error| (work.to_string(), error))?);
        }
        Ok(())
    }

    fn plan(&self, work: Work) -> Plan {
        Plan {
            address: self.address.clone(),
            dialect: Dialect::raw(),
            work,
            line: self.line,
            rate: self.rate,
            stall: self.stall,
            come_back: self.come_back,
            idle: self.idle,
            duration: self.duration,
            warmup: self.warmup,
            patience: self.patience,
            pid: self.pid,
        }
    }
}

/// The line on standard error that says what a work is at. On a terminal it is
/// one line; elsewhere there is another one now and then.
struct Status {
    work: Work,
    overwrites: bool,
    shown: Cell<Option<Instant>>,
}

impl Status {
    fn new(work: Work) -> Self {
        Self { work, overwrites: io::stderr().is_terminal(), shown: Cell::new(None) }
    }

    fn show(&self, text: &str) {
        let shown = self.shown.get();
        if !self.overwrites && shown.is_some_and(|at| at.elapsed() < SELDOM) {
            return;
        }
        self.shown.set(Some(Instant::now()));
        let (start, end) = if self.overwrites { ("\r\x1b[K", "") } else { ("", "\n") };
        // A standard error that is gone is no reason to stop.
        let _ = write!(io::stderr(), "{start}{}: {text}{end}", self.work);
    }
}

impl Drop for Status {
    fn drop(&mut self) {
        if self.overwrites {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
