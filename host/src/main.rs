//! The `parlour` program: reads the command line and starts what it names.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use clap::error::ErrorKind;
use parlour::output::{Log, complain};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// A hub that lets many TCP clients talk
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: parlour::serve::Options,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Run the hub; also what parlour does when no command is given
    Serve(parlour::serve::Options),
    /// Chat from this terminal
    Join(parlour::join::Options),
    /// Measure a server of lines, this one or another, and verify every line
    Bench(parlour::bench::Options),
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
        Some(Command::Bench(options)) => parlour::bench::run(&options),
    };
    log.finish();
    code
}
