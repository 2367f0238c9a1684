//! The `parlour` program: reads the command line and starts what it names.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use clap::error::ErrorKind;
use parlour::output::{Log, complain};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

const EXAMPLES: &str = "\
Examples:
  parlour                                        chat on port 5000, echo on 7777
  nc 127.0.0.1 5000                              a chat client
  parlour --chat 0.0.0.0:5000 --history 20       chat for the whole network

  Merge NMEA sentences of several receivers into one stream:
  parlour --relay 4000,in,flush=off,room=nmea --relay 4001,out,room=nmea
  printf '$GPGLL,5,N*00\\r\\n' | nc -N 127.0.0.1 4000  a sender
  nc -N 127.0.0.1 4001 </dev/null >>nmea.log     a receiver";

const BENCH: &str = "parlour: the load generator is a program of its own, parlour-bench; install it with \
`cargo install --path host/bench`, or run `cargo run --release -p parlour-bench -- ADDR`";

/// A hub that lets many TCP clients talk
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: parlour::serve::Options,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Run the hub; also what parlour does when no command is given
    #[command(after_help = EXAMPLES)]
    Serve(parlour::serve::Options),
    /// Chat from this terminal
    Join(parlour::join::Options),
    /// The load generator was a command once. Its name still leads to where it is now
    #[command(hide = true, disable_help_flag = true)]
    Bench {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        _args: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Err(error) if error.kind() == ErrorKind::ValueValidation => {
            // One line says it all: which value of which option is wrong, and why.
            complain(error.to_string().lines().next().unwrap_or_default());
            return ExitCode::from(2);
        }
        result => result.unwrap_or_else(|error| error.exit()),
    };
    let log = match Log::start() {
        Ok(log) => Arc::new(log),
        Err(error) => {
            complain(format_args!("parlour: the log cannot be written: {error}"));
            return ExitCode::from(2);
        }
    };
    // RUST_LOG=debug shows every connection.
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Arc::clone(&log))
        .with_ansi(io::stderr().is_terminal())
        .log_internal_errors(false)
        .init();
    let code = match cli.command {
        None => parlour::serve::run(&cli.serve),
        Some(Command::Serve(options)) => parlour::serve::run(&options),
        Some(Command::Join(options)) => parlour::join::run(&options),
        Some(Command::Bench { .. }) => {
            complain(BENCH);
            ExitCode::from(2)
        }
    };
    log.finish();
    code
}
