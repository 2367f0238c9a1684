//! `cargo peers`: measures parlour, other installed servers, and reference programs side by side. It
//! writes the results as JSON, as Markdown and as plots.
//!
//! ```text
//! servers, peer, dialects     the servers, their start, their protocols
//! reference, writer           the reference programs, SQLite without a server
//! cases                       the cases that they are measured in
//! results                     the results, and medians
//! markdown, stored            the results as text
//! chart, plots                the results as plots
//! ```
//!
//! The library `parlour_bench` measures.

mod cases;
mod chart;
mod dialects;
mod markdown;
mod pages;
mod peer;
mod plots;
mod reference;
mod results;
mod servers;
mod stored;
mod writer;

use std::cell::Cell;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::time::{Duration, Instant};

use clap::Parser;
use parlour::units::duration;
use parlour_bench::{Plan, pin_to_cpu, raise_descriptor_limit};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::cases::Case;
use crate::pages::{PAGES, Page};
use crate::peer::{Launch, Peer, folder_on};
use crate::reference::REFERENCES;
use crate::results::{Machine, Results, Run};
use crate::servers::PEERS;

/// How often progress is printed.
const SELDOM: Duration = Duration::from_secs(5);

/// Measure parlour and other servers side by side
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct PeersOptions {
    #[command(subcommand)]
    command: Option<Command>,
    /// Measure everything this many times. The servers take turns
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: u32,
    /// How long to measure each server in each case
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = duration)]
    duration: Duration,
    /// How long to run before each measurement begins
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    warmup: Duration,
    /// The processor for the server, counted from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    server_cpu: usize,
    /// The processor for the load, counted from 0
    #[arg(long, value_name = "N", default_value_t = 1)]
    load_cpu: usize,
    /// Measure only servers whose name contains this; repeat it for more
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Measure only cases of this name or kind, such as "fan:100 512 B", fan or stored; repeat it for more
    #[arg(long, value_name = "NAME")]
    case: Vec<String>,
    /// Where the servers store what they keep: a folder on the disk that is to be measured
    #[arg(long, value_name = "FOLDER", default_value_os_t = own_folder())]
    disk: PathBuf,
    /// The folder for the results
    #[arg(long, value_name = "FOLDER", default_value_os_t = benchmarks())]
    to: PathBuf,
    /// Measure nothing, and make the tables and the plots again from results.json and stored.json
    #[arg(long)]
    redraw: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Serve as one of the reference programs
    #[command(hide = true)]
    Reference { name: String, port: u16 },
    /// Become a program that runs on one processor, and that ends together with this program's parent
    #[command(hide = true)]
    On {
        cpu: usize,
        program: PathBuf,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

fn benchmarks() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    workspace.unwrap_or(Path::new(".")).join("benchmarks")
}

/// The folder of this program. Folders for temporary files may be in memory.
fn own_folder() -> PathBuf {
    let program = env::current_exe().ok();
    program.as_deref().and_then(Path::parent).unwrap_or(Path::new(".")).to_owned()
}

fn main() -> ExitCode {
    let options = PeersOptions::parse();
    let outcome = match &options.command {
        Some(Command::Reference { name, port }) => serve(name, *port),
        Some(Command::On { cpu, program, args }) => become_program(*cpu, program, args),
        None if options.redraw => redraw(&options.to),
        None => options.measure(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(name: &str, port: u16) -> Result<(), String> {
    let reference = REFERENCES.iter().find(|reference| reference.name == name);
    let reference = reference.ok_or_else(|| format!("there is no reference program {name}"))?;
    (reference.serve)(port).map_err(|error| format!("{name}: {error}"))
}

/// Becomes `program` on the processor `cpu`. Returns only with an error.
fn become_program(cpu: usize, program: &Path, args: &[OsString]) -> Result<(), String> {
    pin_to_cpu(cpu).map_err(|error| error.in_full())?;
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| format!("prctl: {error}"))?;
    Err(format!("{}: {}", program.display(), process::Command::new(program).args(args).exec()))
}

/// Makes the pages again whose results are in a folder.
fn redraw(folder: &Path) -> Result<(), String> {
    let is_there = |page: &&Page| folder.join(page.name).with_extension("json").exists();
    let pages: Vec<_> = PAGES.iter().filter(is_there).collect();
    if pages.is_empty() {
        return Err(format!("{} has no results", folder.display()));
    }
    pages.into_iter().try_for_each(|page| show(page, folder))
}

/// Makes a page, and its plots, from the results in a folder.
fn show(page: &Page, folder: &Path) -> Result<(), String> {
    let [json, markdown] = ["json", "md"].map(|ending| folder.join(page.name).with_extension(ending));
    let text = fs::read_to_string(&json).map_err(|error| format!("{}: {error}", json.display()))?;
    let results: Results =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", json.display()))?;
    let text = page.text(&results);
    fs::write(&markdown, &text).map_err(|error| format!("{}: {error}", markdown.display()))?;
    if !page.is_about_stores {
        plots::draw(&results, folder)?;
    }
    println!("{text}");
    Ok(())
}

impl PeersOptions {
    fn measure(&self) -> Result<(), String> {
        fs::create_dir_all(&self.to).map_err(|error| format!("{}: {error}", self.to.display()))?;
        // The servers inherit it.
        raise_descriptor_limit().map_err(|error| error.in_full())?;
        for page in &PAGES {
            let wanted =
                |case: &Case| self.case.is_empty() || self.case.iter().any(|name| case.is_called(name));
            let cases = cases::all().into_iter().filter(|case| case.is_stored() == page.is_about_stores);
            let cases: Vec<_> = cases.filter(wanted).collect();
            if PEERS.iter().any(|peer| self.wants(peer, &cases)) {
                self.measure_for(page, &cases)?;
                show(page, &self.to)?;
            }
        }
        Ok(())
    }

    /// Whether a server is asked for, and one of these cases is for it.
    fn wants(&self, peer: &Peer, cases: &[Case]) -> bool {
        let is_named = self.only.is_empty() || self.only.iter().any(|text| peer.name.contains(text));
        is_named && cases.iter().any(|case| case.is_for(peer))
    }

    fn measure_for(&self, page: &Page, cases: &[Case]) -> Result<(), String> {
        let mut results = Results {
            machine: Machine::here(self.duration.as_secs_f64(), self.rounds, &self.disk)
                .map_err(|error| format!("{}: {error}", self.disk.display()))?,
            ..Results::default()
        };
        let peers = self.peers(&mut results, cases);
        pin_to_cpu(self.load_cpu).map_err(|error| error.in_full())?;
        for round in 0..self.rounds {
            for (at, case) in cases.iter().enumerate() {
                for peer in peers.iter().filter(|peer| case.is_for(peer)) {
                    let (round_at, case_at) = (round + 1, at + 1);
                    let (rounds, count) = (self.rounds, cases.len());
                    let place = format!("round {round_at}/{rounds}, case {case_at}/{count}");
                    results.runs.push(self.run(case, peer, round, &place));
                }
                // Write the results so far. They are not lost if the rest is stopped.
                let written = self.write(page, &results);
                written.map_err(|error| format!("{}: {error}", self.to.display()))?;
            }
        }
        Ok(())
    }

    fn write(&self, page: &Page, results: &Results) -> io::Result<()> {
        let text = serde_json::to_string_pretty(results)?;
        fs::write(self.to.join(page.name).with_extension("json"), text + "\n")
    }

    /// The servers that can be started here. Prints why the others cannot.
    fn peers(&self, results: &mut Results, cases: &[Case]) -> Vec<&'static Peer> {
        let mut peers = Vec::new();
        for peer in PEERS.iter().filter(|peer| self.wants(peer, cases)) {
            if let Some(why) = peer.missing() {
                eprintln!("{}: left out, {why}", peer.name);
                results.missing.insert(peer.name.into(), why);
            } else {
                results.versions.insert(peer.name.into(), peer.version());
                peers.push(peer);
            }
        }
        peers
    }

    fn run(&self, case: &Case, peer: &Peer, round: u32, place: &str) -> Run {
        let outcome = self.report(case, peer, place);
        let shown = match &outcome {
            Ok(report) => parlour_bench::tables(std::slice::from_ref(report)),
            Err(error) => format!("{error}\n"),
        };
        eprint!("{}, {}: {place}\n{shown}\n", peer.name, case.name());
        Run {
            case: case.name(),
            peer: peer.name.into(),
            round,
            report: outcome.as_ref().ok().cloned(),
            error: outcome.err(),
        }
    }

    fn report(&self, case: &Case, peer: &Peer, place: &str) -> Result<parlour_bench::Report, String> {
        if let Launch::Sqlite(synchronous) = peer.launch {
            let folder = folder_on(&self.disk)?;
            let (what, how_long) = ((case.line, synchronous), (self.warmup, self.duration));
            return writer::measure(case.work(), what, how_long, (self.server_cpu, folder.path()));
        }
        let server = peer.start(self.server_cpu, &self.disk)?;
        let plan = Plan {
            dialect: (peer.dialect)(case.line),
            line: case.line,
            rate: case.rate,
            burst: case.burst,
            stall: case.stall,
            come_back: case.come_back,
            idle: case.idle,
            duration: self.duration,
            warmup: self.warmup,
            pids: vec![server.pid()],
            journal: server.journal(),
            ..Plan::new(server.address.clone(), case.work())
        };
        let told = Cell::new(Instant::now());
        let progress = |text: &str| {
            if told.get().elapsed() >= SELDOM {
                told.set(Instant::now());
                eprintln!("{}, {}: {place}: {text}", peer.name, case.name());
            }
        };
        parlour_bench::measure(&plan, &progress).map_err(|error| error.in_full())
    }
}
