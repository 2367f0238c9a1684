//! The `parlour-bench` program: reads the command line and runs the works.

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use parlour::output::complain;
use parlour_bench::BenchOptions;

fn main() -> ExitCode {
    match BenchOptions::try_parse() {
        Err(error) if error.kind() == ErrorKind::ValueValidation => {
            // The first line is enough: it names the option and the value, and says what is wrong.
            complain(error.to_string().lines().next().unwrap_or_default());
            ExitCode::from(2)
        }
        Err(error) => error.exit(),
        Ok(options) => options.run(),
    }
}
