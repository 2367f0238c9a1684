//! The `parlour` program: reads the command line and starts the server, the client or another command.

use std::env;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use parlour::cli::{Cli, Command};
use parlour::config::{CommandLine, ConfigError};
use parlour::output::{Log, LogFormat, complain};
use parlour::serve::Reader;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

const BENCH: &str = "parlour: the load generator is now a separate program, parlour-bench; install it with \
`cargo install --path host/bench`, or run `cargo run --release -p parlour-bench -- ADDR`";

fn main() -> ExitCode {
    let line = match CommandLine::with_file(&Cli::command(), env::args_os().collect()) {
        Ok(line) => line,
        Err(faults) => {
            faults.iter().for_each(complain);
            return ExitCode::from(2);
        }
    };
    let cli = match Cli::try_parse_from(&line.arguments) {
        Err(error) if error.kind() == ErrorKind::ValueValidation => {
            // The first line is enough: it names the option and the value, and says what is wrong.
            complain(error.to_string().lines().next().unwrap_or_default());
            return ExitCode::from(2);
        }
        result => result.unwrap_or_else(|error| error.exit()),
    };
    let format = match &cli.command {
        None => cli.serve.log_format(),
        Some(Command::Serve(options)) => options.log_format(),
        Some(_) => LogFormat::Text,
    };
    let log = match Log::start(format) {
        Ok(log) => Arc::new(log),
        Err(error) => {
            complain(format_args!("parlour: cannot start the log: {error}"));
            return ExitCode::from(2);
        }
    };
    let (filter, complaint) = filter();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Arc::clone(&log))
        .log_internal_errors(false)
        .with_target(false);
    match format {
        LogFormat::Text => subscriber.with_ansi(has_colours()).init(),
        LogFormat::Json => {
            let subscriber = subscriber.with_ansi(false).json().flatten_event(true);
            subscriber.with_current_span(false).with_span_list(false).init();
        }
    }
    if let Some(complaint) = complaint {
        tracing::warn!("{complaint}");
    }
    let reread = || {
        let words = |faults: Vec<ConfigError>| faults.iter().map(ToString::to_string).collect();
        line.reread(&Cli::command()).map_err(words)
    };
    let reader = line.has_file().then_some(&reread as Reader<'_>);
    let code = match cli.command {
        None => parlour::serve::run(&cli.serve, reader, &log),
        Some(Command::Serve(options)) => parlour::serve::run(&options, reader, &log),
        Some(Command::Check(options)) => parlour::config::check(&options),
        Some(Command::Config(_)) => parlour::config::show(&line, &Cli::command()),
        Some(Command::Replay(options)) => parlour::replay::run(&options),
        Some(Command::Join(options)) => parlour::join::run(&options),
        Some(Command::History(options)) => parlour::history::run(&options),
        Some(Command::Backup(options)) => parlour::backup::run(&options),
        Some(Command::Bench { .. }) => {
            complain(BENCH);
            ExitCode::from(2)
        }
    };
    log.finish();
    code
}

/// Whether the log goes to a terminal with colours; see no-color.org.
fn has_colours() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal()
        && !is_set("NO_COLOR")
        && env::var_os("TERM").is_some_and(|term| term != "dumb")
}

/// The filter of the log: `RUST_LOG`, or `info` if that is not set. If `RUST_LOG` is wrong, also a
/// complaint about it.
fn filter() -> (EnvFilter, Option<String>) {
    let usual = || EnvFilter::default().add_directive(LevelFilter::INFO.into());
    let variable = EnvFilter::DEFAULT_ENV;
    let Some(text) = env::var_os(variable).filter(|text| !text.is_empty()) else { return (usual(), None) };
    // A single word is a level or a module. A misspelt level would count as a module, and hide all
    // lines.
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let parsed = text.to_str().and_then(|text| EnvFilter::try_new(text).ok());
    let names_nothing = |word: &str| {
        !word.contains(['=', '['])
            && !levels.contains(&word.to_ascii_lowercase().as_str())
            && !word.starts_with("parlour")
    };
    let is_misspelt = text.to_str().is_some_and(|text| text.split(',').map(str::trim).any(names_nothing));
    match parsed.filter(|_| !is_misspelt) {
        Some(filter) => (filter, None),
        None => {
            let text = text.to_string_lossy();
            let levels = levels.join(", ");
            (
                usual(),
                Some(format!(
                    "{variable}: `{text}` is not a filter; use one of {levels}. The log shows `info` now"
                )),
            )
        }
    }
}
