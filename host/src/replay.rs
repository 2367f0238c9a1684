//! `parlour replay`: plays a trace to a hub, prints what went in and out, and checks that it is what was recorded.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use parlour_core::NameRules;
use parlour_trace::{End, Known, ReadError, Reader, ReplayError, Replayed, replay};

use crate::names;
use crate::output::{complain, reason};

/// The rules for names that a hub can have had.
const NAMES: [(&str, NameRules); 2] = [(names::LABEL, names::RULES), ("plain", NameRules::PLAIN)];

/// The options of `replay`.
#[derive(Clone, Debug, clap::Args)]
pub struct ReplayOptions {
    /// A file that `parlour serve --record FILE` has made
    file: PathBuf,
    /// End after step N; the steps are the numbers in front of the lines
    #[arg(long, value_name = "N")]
    until: Option<u64>,
    /// Only check that all goes as it was recorded, and print nothing if it does
    #[arg(long)]
    quiet: bool,
}

/// What traces have by name that is code.
pub fn known() -> Known<'static> {
    Known { names: &NAMES, encodings: &[] }
}

/// Replays a trace. Exit code 1: it goes otherwise now. 2: it cannot be replayed.
pub fn run(options: &ReplayOptions) -> ExitCode {
    let file = options.file.display();
    match play(options) {
        Ok(Replayed { steps, end: End::Cut, .. }) => {
            complain(format_args!(
                "parlour: {file} ends early, after step {steps}: the server was killed, or could not write any \
                 more. Up to there it all goes as it was recorded"
            ));
            ExitCode::SUCCESS
        }
        Ok(Replayed { steps, .. }) => {
            if !options.quiet {
                complain(format_args!("parlour: all {steps} steps go as they were recorded"));
            }
            ExitCode::SUCCESS
        }
        // The reader of the lines has seen enough, as head(1) has.
        Err(ReplayError::Show(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(ReplayError::Show(error)) => {
            complain(format_args!("parlour: cannot write the lines: {}", reason(&error)));
            ExitCode::from(2)
        }
        Err(error @ ReplayError::Differs { .. }) => {
            complain(format_args!("parlour: {file}: {error}"));
            ExitCode::from(1)
        }
        Err(ReplayError::Read(ReadError::File(error))) => {
            complain(format_args!("parlour: cannot read {file}: {}", reason(&error)));
            ExitCode::from(2)
        }
        Err(error) => {
            complain(format_args!("parlour: cannot replay {file}: {error}"));
            ExitCode::from(2)
        }
    }
}

fn play(options: &ReplayOptions) -> Result<Replayed, ReplayError> {
    let file = File::open(&options.file).map_err(ReadError::File)?;
    let mut reader = Reader::new(BufReader::new(file))?;
    if options.quiet {
        return replay(&mut reader, known(), options.until, None);
    }
    let mut lines = BufWriter::new(io::stdout().lock());
    let replayed = replay(&mut reader, known(), options.until, Some(&mut lines));
    // What led to an error comes before the error.
    lines.flush().map_err(ReplayError::Show)?;
    replayed
}
