//! Builds the program of a plan, by a cargo of its own in a folder of its own:
//! another compiler must not touch what was built for the host. Tells how much is too
//! much when the program does not fit.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fmt};

use serde_json::Value;

use crate::bill::{Bill, BillError};
use crate::plan::Plan;
use crate::toolchain::{Missing, Purpose, Toolchain};

const PACKAGE: &str = "parlour-firmware";

/// What the linker says of a program that does not fit: lld's words.
const OVERFLOW: &str = "will not fit in region";

/// Why there is no program.
#[derive(Debug)]
pub enum BuildError {
    /// Nothing here can build it.
    Toolchain(Missing),
    /// The board does not have the memory.
    TooLarge(Box<Bill>),
    /// Cargo has said why.
    Failed,
    /// Clippy has said why.
    Linted,
    /// The program cannot be billed.
    Bill(BillError),
    /// A file or a process.
    System(String, io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Toolchain(missing) => missing.fmt(f),
            BuildError::TooLarge(bill) => {
                write!(f, "{} chat clients do not fit the memory of {}", bill.clients, bill.board)
            }
            BuildError::Failed => write!(f, "the program could not be built"),
            BuildError::Linted => write!(f, "the program could not be linted, or something is wrong with it"),
            BuildError::Bill(error) => error.fmt(f),
            BuildError::System(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

/// Builds the program, and says on standard error with which tools. Returns the path of
/// an ELF file that no build for another plan will change.
///
/// # Errors
/// Why there is none.
pub fn build(plan: &Plan) -> Result<PathBuf, BuildError> {
    let toolchain = Toolchain::find(plan.board.target, Purpose::Build).map_err(BuildError::Toolchain)?;
    eprintln!("firmware: {toolchain}");
    let folder = folder();
    fs::create_dir_all(&folder).map_err(|error| failed(&folder, error))?;
    // Cargo's own lock is gone before the program has been copied.
    let lock = folder.join("lock");
    let locked = File::create(&lock).and_then(|file| file.lock().map(|()| file));
    let _locked = locked.map_err(|error| failed(&lock, error))?;

    match compile(plan, &toolchain, &folder, false)? {
        Compiled::Program(elf) => {
            let program = folder.join(plan.name() + ".elf");
            let copy = folder.join("copy");
            // Renamed, because the old one may be running.
            let copied = fs::copy(&elf, &copy).and_then(|_| fs::rename(&copy, &program));
            copied.map(|()| program).map_err(|error| failed(&elf, error))
        }
        Compiled::TooLarge => {
            eprintln!("firmware: it does not fit; building it once more to see how large it is");
            match compile(plan, &toolchain, &folder, true)? {
                Compiled::Program(elf) => Err(BuildError::TooLarge(Box::new(bill_of(plan, &elf)?))),
                Compiled::TooLarge => Err(BuildError::Failed),
            }
        }
    }
}

/// Lets clippy look at the program of a plan, and at all of the workspace that is in it.
///
/// # Errors
/// Why it could not, or that it has found something.
pub fn lint(plan: &Plan) -> Result<(), BuildError> {
    let toolchain = Toolchain::find(plan.board.target, Purpose::Lint).map_err(BuildError::Toolchain)?;
    eprintln!("firmware: {toolchain}");
    let mut command = command("clippy", plan, &toolchain, &folder(), false);
    command.args(["--", "-D", "warnings"]);
    let status = command.status().map_err(|error| failed(&toolchain.compiler.cargo(), error))?;
    if status.success() { Ok(()) } else { Err(BuildError::Linted) }
}

/// The program of a plan, and its bill.
///
/// # Errors
/// Why there is none.
pub fn bill(plan: &Plan) -> Result<Bill, BuildError> {
    bill_of(plan, &build(plan)?)
}

fn bill_of(plan: &Plan, elf: &Path) -> Result<Bill, BuildError> {
    let bytes = fs::read(elf).map_err(|error| failed(elf, error))?;
    Bill::of(plan, &bytes).map_err(BuildError::Bill)
}

/// What went wrong with a file or a program.
fn failed(path: &Path, error: io::Error) -> BuildError {
    BuildError::System(path.display().to_string(), error)
}

/// The workspace.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("the runner stands two folders deep").to_owned()
}

/// Where programs are built.
fn folder() -> PathBuf {
    let here = || env::current_dir().unwrap_or_default();
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| here().join(dir));
    target.join("firmware")
}

/// What the compiler made.
enum Compiled {
    Program(PathBuf),
    TooLarge,
}

/// Runs cargo. A program that is only measured is linked for a memory without bounds.
fn compile(
    plan: &Plan,
    toolchain: &Toolchain,
    folder: &Path,
    measures: bool,
) -> Result<Compiled, BuildError> {
    let is_terminal = io::stderr().is_terminal();
    let messages = if is_terminal { "json-diagnostic-rendered-ansi" } else { "json" };
    let mut command = command("build", plan, toolchain, folder, measures);
    command.args(["--message-format", messages]).stdout(Stdio::piped());
    let system = |error| failed(&toolchain.compiler.cargo(), error);
    let mut cargo = command.spawn().map_err(system)?;
    let output = BufReader::new(cargo.stdout.take().expect("a pipe"));
    let (mut program, mut is_too_large) = (None, false);
    for line in output.lines() {
        let Ok(message) = serde_json::from_str::<Value>(&line.map_err(system)?) else { continue };
        if let Some(text) = message["message"]["rendered"].as_str() {
            // The linker's own words are long, and a bill will follow.
            let is_overflow = !measures && text.contains(OVERFLOW);
            is_too_large |= is_overflow;
            if !is_overflow {
                eprint!("{text}");
            }
        }
        if let Some(path) = message["executable"].as_str() {
            program = Some(PathBuf::from(path));
        }
    }
    let is_built = cargo.wait().map_err(system)?.success();
    match program.filter(|_| is_built) {
        Some(program) => Ok(Compiled::Program(program)),
        None if is_too_large => Ok(Compiled::TooLarge),
        None => Err(BuildError::Failed),
    }
}

fn command(verb: &str, plan: &Plan, toolchain: &Toolchain, folder: &Path, measures: bool) -> Command {
    let mut command = toolchain.cargo(verb, plan.board.tells_panics);
    command
        .args(["--package", PACKAGE, "--bin", PACKAGE, "--profile", "firmware"])
        .args(["--features", plan.board.name])
        .arg("--target-dir")
        .arg(folder)
        .current_dir(root())
        .stdin(Stdio::null());
    for name in ["PARLOUR_ADDRESS", "PARLOUR_GATEWAY", "PARLOUR_MEASURE"] {
        command.env_remove(name);
    }
    command.env("PARLOUR_CLIENTS", plan.clients.to_string());
    command.env("PARLOUR_STACK", plan.stack.to_string());
    if let Some((address, gateway)) = plan.fixed {
        command.env("PARLOUR_ADDRESS", address.to_string()).env("PARLOUR_GATEWAY", gateway.to_string());
    }
    if measures {
        command.env("PARLOUR_MEASURE", "1");
    }
    if env::var_os("DEFMT_LOG").is_none() {
        command.env("DEFMT_LOG", "info");
    }
    command
}
