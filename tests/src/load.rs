//! The load generator as a child process.
//!
//! Knows its command line and its JSON; knows no server.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::programs;
use crate::server::{Ended, Server};

/// How long it measures, if a test does not say otherwise.
const SHORT: [&str; 4] = ["--duration", "300ms", "--warmup", "100ms"];

/// The program `parlour-bench`. `PARLOUR_BENCH_BIN` may name it. Otherwise it is built here, as users
/// build it, once for each test program.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        programs::named_or("PARLOUR_BENCH_BIN", || {
            programs::build("parlour-bench", "parlour-bench", "release")
        })
    })
}

/// The command `parlour-bench ARGS`, which measures for a moment.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    let short = if args.contains(&"--duration") { &[] } else { &SHORT[..] };
    command.args(short).args(args).stdin(Stdio::null());
    command
}

/// Runs it.
pub fn run(args: &[&str]) -> Ended {
    Server::run_command(command(args))
}

/// The JSON output of a run, and its exit code.
pub fn json(args: &[&str]) -> (Value, Option<i32>) {
    let ended = run(&[args, &["--json"]].concat());
    let json = serde_json::from_str(&ended.stdout.join("\n"));
    let Ok(json @ Value::Object(_)) = json else { panic!("{args:?} printed {ended:#?}") };
    (json, ended.code)
}

/// The reports of a run and its exit code.
pub fn reports(args: &[&str]) -> (Vec<Value>, Option<i32>) {
    let (json, code) = json(args);
    (json["reports"].as_array().expect("a list").clone(), code)
}
