//! The command line of `cargo firmware`.

use std::error::Error;
use std::fmt;
use std::fs;
use std::io::{self, IsTerminal};
use std::iter;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use ipnet::Ipv4Net;
use parlour_boards::{BOARDS, Board, Run};
use parlour_firmware_runner::build::{self, BuildError};
use parlour_firmware_runner::logs;
use parlour_firmware_runner::run::{self, Emulation, Forwards};
use parlour_firmware_runner::settings::Settings;
use parlour_firmware_runner::variant::Variant;

/// The port for chat, unless another is named.
const CHAT: u16 = 5000;

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
    Build(BuildArgs),
    /// Build the program of a board, and print what flash and RAM go to
    Size {
        #[command(flatten)]
        build: BuildArgs,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Build the program of a board, run it, and show its log
    Run {
        #[command(flatten)]
        build: BuildArgs,
        #[command(flatten)]
        run: RunArgs,
    },
    /// Check the program of a board with clippy
    Lint(BuildArgs),
    /// List the boards
    Boards,
    /// Read a board's log from standard input, and show it
    Logs {
        /// The ELF file of the program that writes the log
        elf: PathBuf,
    },
}

/// What is built.
#[derive(Debug, Args)]
struct BuildArgs {
    /// The board
    #[arg(value_parser = board_names())]
    board: &'static Board,
    /// Chat clients at once [default: the board's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    max_conns: Option<u16>,
    /// Bytes of the stack, a multiple of 8 [default: the board's]
    #[arg(long, value_name = "BYTES", value_parser = stack)]
    stack: Option<usize>,
    /// The board's address if no DHCP server answers, and the bits of its network's mask
    #[arg(long, value_name = "A.B.C.D/N", requires = "gateway")]
    address: Option<Ipv4Net>,
    /// The gateway of that network
    #[arg(long, value_name = "A.B.C.D", requires = "address")]
    gateway: Option<Ipv4Addr>,
}

fn stack(text: &str) -> Result<usize, String> {
    let bytes = text.parse().ok().filter(|bytes: &usize| *bytes >= 512 && bytes.is_multiple_of(8));
    bytes.ok_or_else(|| "it must be a multiple of 8, and at least 512".into())
}

fn board_names() -> impl TypedValueParser<Value = &'static Board> {
    let names = PossibleValuesParser::new(BOARDS.iter().map(|board| board.name));
    names.map(|name| parlour_boards::named(&name).expect("one of their names"))
}

/// How a board is run.
#[derive(Debug, Args)]
struct RunArgs {
    /// Serve chat on this port of 127.0.0.1; 0: any free port [default: 5000]
    #[arg(long, value_name = "PORT")]
    chat: Option<u16>,
    /// Serve echo on this port of 127.0.0.1; 0: any free port [default: the next after chat's]
    #[arg(long, value_name = "PORT")]
    echo: Option<u16>,
    /// Serve the emulator's monitor on a unix socket
    #[arg(long, value_name = "PATH")]
    monitor: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// Why the command failed, and the exit code.
struct Failure {
    error: Box<dyn Error>,
    code: u8,
}

impl Failure {
    /// The request cannot be met.
    fn usage(error: impl Into<Box<dyn Error>>) -> Self {
        Failure { error: error.into(), code: 2 }
    }

    /// Something failed on the way.
    fn of(error: impl Into<Box<dyn Error>>) -> Self {
        Failure { error: error.into(), code: 1 }
    }
}

impl fmt::Display for Failure {
    /// The error, then its causes one after the other.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        iter::successors(self.error.source(), |&error| error.source())
            .try_for_each(|error| write!(f, ": {error}"))
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
        Command::Build(args) => build(&args),
        Command::Size { build, json } => size(&build, json),
        Command::Run { build, run: args } => run(&build, &args),
        Command::Lint(args) => lint(&args),
        Command::Boards => {
            list();
            Ok(())
        }
        Command::Logs { elf } => show_log(&elf),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("firmware: {failure}");
            ExitCode::from(failure.code)
        }
    }
}

impl BuildArgs {
    /// The variant of the board's program that was asked for, with this many chat clients.
    fn variant(&self, max_conns: usize) -> Result<Variant, Failure> {
        let fixed = self.address.zip(self.gateway);
        let stack = self.stack.unwrap_or(self.board.stack);
        let variant = Variant { max_conns, fixed, stack, ..Variant::of(self.board) };
        variant.check().map_err(Failure::usage)?;
        Ok(variant)
    }

    fn max_conns(&self) -> usize {
        self.max_conns.map_or(self.board.sizes.max_conns, usize::from)
    }
}

impl RunArgs {
    /// The ports for chat and echo.
    fn forwards(&self) -> Result<Forwards, Failure> {
        let chat = self.chat.unwrap_or(CHAT);
        let next = if chat == 0 { Some(0) } else { chat.checked_add(1) };
        let none = || format!("there is no port after {chat} for echo; choose one with --echo PORT");
        let echo = self.echo.or(next).ok_or_else(|| Failure::usage(none()))?;
        Ok([chat, echo])
    }
}

/// Builds the program of a variant. Prints the bill if the program does not fit.
fn program(variant: &Variant) -> Result<PathBuf, Failure> {
    build::build(variant).map_err(|error| {
        if let BuildError::TooLarge(bill) = &error {
            eprint!("\n{bill}\n");
        }
        Failure::of(error)
    })
}

fn build(args: &BuildArgs) -> Result<(), Failure> {
    println!("{}", program(&args.variant(args.max_conns())?)?.display());
    Ok(())
}

fn lint(args: &BuildArgs) -> Result<(), Failure> {
    build::lint(&args.variant(args.max_conns())?).map_err(Failure::of)
}

fn size(args: &BuildArgs, json: bool) -> Result<(), Failure> {
    let (bill, result) = match build::bill(&args.variant(args.max_conns())?) {
        Ok(bill) => (bill, Ok(())),
        Err(BuildError::TooLarge(bill)) => {
            let error = BuildError::TooLarge(bill.clone());
            (*bill, Err(Failure::of(error)))
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

fn run(build: &BuildArgs, args: &RunArgs) -> Result<(), Failure> {
    let Board { name, sizes, run, .. } = build.board;
    let is_emulated = matches!(run, Run::Qemu { .. });
    let max_conns = build.max_conns();
    // An emulated board can let in fewer clients than it has memory for. That saves a build.
    let variant = build.variant(if is_emulated { max_conns.max(sizes.max_conns) } else { max_conns })?;
    let words = args.settings.words(&variant, max_conns).map_err(Failure::usage)?;
    let has_places = args.chat.is_some() || args.echo.is_some() || args.monitor.is_some();
    if !is_emulated && (has_places || !words.is_empty()) {
        return Err(Failure::usage(format!(
            "{name} is not emulated: its ports and settings are fixed; use only the options of `build`"
        )));
    }
    let forwards = run::prepare(variant.board, args.forwards()?).map_err(Failure::of)?;
    let elf = program(&variant)?;
    let emulation = Emulation { forwards, monitor: args.monitor.clone(), words };
    Err(Failure::of(run::run(variant.board, &emulation, &elf)))
}

fn list() {
    for board in BOARDS {
        let Board { name, target, sizes, about, .. } = board;
        println!("{name:<14} {target:<28} {:>3} clients  {about}", sizes.max_conns);
    }
}

fn show_log(elf: &Path) -> Result<(), Failure> {
    // Ctrl-C is for the emulator. Its last log lines are still shown.
    signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::default()).map_err(Failure::of)?;
    let program = fs::read(elf).map_err(|error| Failure::of(BuildError::File(elf.to_owned(), error)))?;
    let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    logs::show(&program, io::stdin().lock(), io::stdout().lock(), colours).map_err(Failure::of)
}
