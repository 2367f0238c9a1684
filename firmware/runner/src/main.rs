//! The command line of `cargo firmware`.

use std::fs;
use std::io::{self, IsTerminal};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use ipnet::Ipv4Net;
use parlour_firmware::board::{self, BOARDS, Board, Run};
use parlour_firmware_runner::build::{self, BuildError};
use parlour_firmware_runner::logs;
use parlour_firmware_runner::plan::Plan;
use parlour_firmware_runner::run::{self, Session};
use parlour_firmware_runner::settings::Settings;

/// The first port, unless another is named.
const PORT: u16 = 5000;

/// The parlour hub on microcontrollers: builds, measures and runs it
#[derive(Debug, Parser)]
#[command(bin_name = "cargo firmware", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build the program of a board; its path is the last line of standard output
    Build(Target),
    /// Build the program of a board, and print what flash and RAM go to
    Size {
        #[command(flatten)]
        target: Target,
        /// Print it for programs
        #[arg(long)]
        json: bool,
    },
    /// Build the program of a board, run it, and show its log
    Run {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        emulation: Emulation,
    },
    /// Let clippy look at the program of a board
    Lint(Target),
    /// List the boards
    Boards,
    /// Show the log that a program writes, from standard input
    Logs {
        /// The program
        elf: PathBuf,
    },
}

/// What is built.
#[derive(Debug, Args)]
struct Target {
    /// The board
    #[arg(value_parser = board_names())]
    board: &'static Board,
    /// Chat clients at once [default: the board's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    clients: Option<u16>,
    /// Bytes of the stack, a multiple of 8 [default: the board's]
    #[arg(long, value_name = "BYTES", value_parser = stack)]
    stack: Option<usize>,
    /// The board's address where no DHCP answers, and the bits of its network's mask
    #[arg(long, value_name = "A.B.C.D/N", requires = "gateway")]
    address: Option<Ipv4Net>,
    /// The way from there to other networks
    #[arg(long, value_name = "A.B.C.D", requires = "address")]
    gateway: Option<Ipv4Addr>,
}

fn stack(text: &str) -> Result<usize, String> {
    let bytes: usize = text.parse().map_err(|error: std::num::ParseIntError| error.to_string())?;
    if bytes >= 512 && bytes.is_multiple_of(8) { Ok(bytes) } else { Err("512 or more, by eights".into()) }
}

fn board_names() -> impl TypedValueParser<Value = &'static Board> {
    let names = PossibleValuesParser::new(BOARDS.iter().map(|board| board.name));
    names.map(|name| board::named(&name).expect("one of their names"))
}

/// How an emulated board is run.
#[derive(Debug, Args)]
struct Emulation {
    /// The port on 127.0.0.1 for chat; echo has the next. 0: any that are free [default: 5000]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Serve the emulator's monitor on a unix socket
    #[arg(long, value_name = "PATH")]
    monitor: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// Why there is nothing to show: the words, and the exit code.
struct Failure(String, u8);

impl Failure {
    /// What was asked for cannot be done.
    fn usage(error: impl ToString) -> Self {
        Failure(error.to_string(), 2)
    }

    /// It went wrong.
    fn of(error: impl ToString) -> Self {
        Failure(error.to_string(), 1)
    }
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Err(error) if error.kind() == ErrorKind::ValueValidation => {
            // One line says it all: which value of which option is wrong, and why.
            eprintln!("{}", error.to_string().lines().next().unwrap_or_default());
            return ExitCode::from(2);
        }
        result => result.unwrap_or_else(|error| error.exit()),
    };
    let done = match cli.command {
        Command::Build(target) => build(&target),
        Command::Size { target, json } => size(&target, json),
        Command::Run { target, emulation } => run(&target, &emulation),
        Command::Lint(target) => target.plan().and_then(|plan| build::lint(&plan).map_err(Failure::of)),
        Command::Boards => {
            list();
            Ok(())
        }
        Command::Logs { elf } => show_log(&elf),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(words, code)) => {
            eprintln!("firmware: {words}");
            ExitCode::from(code)
        }
    }
}

impl Target {
    fn plan(&self) -> Result<Plan, Failure> {
        let fixed = self.address.zip(self.gateway);
        let stack = self.stack.unwrap_or(self.board.stack);
        let plan = Plan { fixed, stack, ..Plan::new(self.board, self.clients.map(usize::from)) };
        plan.check().map_err(Failure::usage)?;
        Ok(plan)
    }
}

/// The program of a plan; with the bill, if that is too high.
fn program(plan: &Plan) -> Result<PathBuf, Failure> {
    build::build(plan).map_err(|error| {
        if let BuildError::TooLarge(bill) = &error {
            eprint!("\n{bill}\n");
        }
        Failure::of(error)
    })
}

fn build(target: &Target) -> Result<(), Failure> {
    println!("{}", program(&target.plan()?)?.display());
    Ok(())
}

fn size(target: &Target, json: bool) -> Result<(), Failure> {
    let (bill, result) = match build::bill(&target.plan()?) {
        Ok(bill) => (bill, Ok(())),
        Err(BuildError::TooLarge(bill)) => {
            let words = BuildError::TooLarge(bill.clone());
            (*bill, Err(Failure::of(words)))
        }
        Err(error) => return Err(Failure::of(error)),
    };
    if json {
        println!("{}", bill.json());
    } else {
        print!("{bill}");
    }
    result
}

fn run(target: &Target, emulation: &Emulation) -> Result<(), Failure> {
    let plan = target.plan()?;
    let is_emulated = matches!(plan.board.run, Run::Qemu { .. });
    let words = emulation.settings.words(&plan).map_err(Failure::usage)?;
    if !is_emulated && (emulation.port.is_some() || emulation.monitor.is_some() || !words.is_empty()) {
        return Err(Failure::usage(format!(
            "{} is no emulated board: it takes no settings",
            plan.board.name
        )));
    }
    let port = run::prepare(plan.board, emulation.port.unwrap_or(PORT)).map_err(Failure::of)?;
    let elf = program(&plan)?;
    let session = Session { port, monitor: emulation.monitor.clone(), words };
    Err(Failure::of(run::run(plan.board, &session, &elf)))
}

fn list() {
    for board in BOARDS {
        let Board { name, target, sizes, about, .. } = board;
        println!("{name:<14} {target:<28} {:>3} clients  {about}", sizes.clients);
    }
}

fn show_log(elf: &Path) -> Result<(), Failure> {
    // Ctrl-C is for the emulator; what it logs at the end is still shown.
    signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::default()).map_err(Failure::of)?;
    let program = fs::read(elf).map_err(|error| Failure::of(format!("{}: {error}", elf.display())))?;
    let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    logs::show(&program, io::stdin().lock(), io::stdout().lock(), colours).map_err(Failure::of)
}
