//! The `parlour-bench` program: reads the command line and does what it asks for.

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use parlour::output::complain;
use parlour_bench::Options;

fn main() -> ExitCode {
    match Options::try_parse() {
        Err(error) if error.kind() == ErrorKind::ValueValidation => {
            // The first line says it all: which value of which option is wrong, and why.
            complain(error.to_string().lines().next().unwrap_or_default());
            ExitCode::from(2)
        }
        Err(error) => error.exit(),
        Ok(options) => options.run(),
    }
}
