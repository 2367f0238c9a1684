//! Builds a variant of a program. It runs a cargo of its own in a folder of its own, because another
//! compiler must not touch the host's build. If the program does not fit, it tells by how much.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fmt};

use serde_json::Value;

use crate::bill::{Bill, BillError};
use crate::toolchain::{Missing, Purpose, Toolchain};
use crate::variant::Variant;

const PACKAGE: &str = "parlour-firmware";

/// The words of lld for a program that does not fit.
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
    /// A file cannot be read or written.
    File(PathBuf, io::Error),
    /// Cargo cannot be run.
    Cargo(PathBuf, io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Toolchain(_) => write!(f, "a tool is missing"),
            BuildError::TooLarge(bill) => {
                let Bill { max_conns, board, .. } = &**bill;
                write!(
                    f,
                    "{max_conns} chat clients do not fit the memory of {board}; try fewer with --max-conns N"
                )
            }
            BuildError::Failed => write!(f, "the program could not be built; see cargo's messages above"),
            BuildError::Linted => {
                write!(f, "clippy failed, or found something wrong with the program; see its messages above")
            }
            BuildError::Bill(_) => write!(f, "there is no bill of memory"),
            BuildError::File(path, _) => write!(f, "cannot read or write {}", path.display()),
            BuildError::Cargo(path, _) => write!(f, "cannot run {}", path.display()),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BuildError::Toolchain(missing) => Some(missing),
            BuildError::Bill(error) => Some(error),
            BuildError::File(_, error) | BuildError::Cargo(_, error) => Some(error),
            BuildError::TooLarge(_) | BuildError::Failed | BuildError::Linted => None,
        }
    }
}

/// Builds the program, and says on standard error with which tools. Returns the path of
/// an ELF file that no build of another variant will change.
///
/// # Errors
/// Why there is none.
pub fn build(variant: &Variant) -> Result<PathBuf, BuildError> {
    let toolchain = Toolchain::find(variant.board.target, Purpose::Build).map_err(BuildError::Toolchain)?;
    eprintln!("firmware: {toolchain}");
    let folder = folder();
    fs::create_dir_all(&folder).map_err(|error| failed(&folder, error))?;
    // Cargo gives up its own lock before the program is copied.
    let lock = folder.join("lock");
    let locked = File::create(&lock).and_then(|file| file.lock().map(|()| file));
    let _locked = locked.map_err(|error| failed(&lock, error))?;

    match compile(variant, &toolchain, &folder, false)? {
        Compiled::Program(elf) => {
            let program = folder.join(variant.name() + ".elf");
            let copy = folder.join("copy");
            // Renamed, because the old one may be running.
            let copied = fs::copy(&elf, &copy).and_then(|_| fs::rename(&copy, &program));
            copied.map(|()| program).map_err(|error| failed(&elf, error))
        }
        Compiled::TooLarge => {
            eprintln!("firmware: the program does not fit; building it once more to measure it");
            match compile(variant, &toolchain, &folder, true)? {
                Compiled::Program(elf) => Err(BuildError::TooLarge(Box::new(bill_of(variant, &elf)?))),
                Compiled::TooLarge => Err(BuildError::Failed),
            }
        }
    }
}

/// Runs clippy on the program of a variant, and on the workspace's crates in it.
///
/// # Errors
/// Clippy could not run, or found something.
pub fn lint(variant: &Variant) -> Result<(), BuildError> {
    let toolchain = Toolchain::find(variant.board.target, Purpose::Lint).map_err(BuildError::Toolchain)?;
    eprintln!("firmware: {toolchain}");
    let mut command = command("clippy", variant, &toolchain, &folder(), false);
    command.args(["--", "-D", "warnings"]);
    let status = command.status().map_err(|error| BuildError::Cargo(toolchain.compiler.cargo(), error))?;
    if status.success() { Ok(()) } else { Err(BuildError::Linted) }
}

/// The program of a variant, and its bill.
///
/// # Errors
/// Why there is none.
pub fn bill(variant: &Variant) -> Result<Bill, BuildError> {
    bill_of(variant, &build(variant)?)
}

fn bill_of(variant: &Variant, elf: &Path) -> Result<Bill, BuildError> {
    let bytes = fs::read(elf).map_err(|error| failed(elf, error))?;
    Bill::of(variant, &bytes).map_err(BuildError::Bill)
}

fn failed(path: &Path, error: io::Error) -> BuildError {
    BuildError::File(path.to_owned(), error)
}

/// The workspace.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("the runner stands two folders deep").to_owned()
}

/// The folder where programs are built.
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
    variant: &Variant,
    toolchain: &Toolchain,
    folder: &Path,
    measures: bool,
) -> Result<Compiled, BuildError> {
    let is_terminal = io::stderr().is_terminal();
    let messages = if is_terminal { "json-diagnostic-rendered-ansi" } else { "json" };
    let mut command = command("build", variant, toolchain, folder, measures);
    command.args(["--message-format", messages]).stdout(Stdio::piped());
    let system = |error| BuildError::Cargo(toolchain.compiler.cargo(), error);
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

fn command(verb: &str, variant: &Variant, toolchain: &Toolchain, folder: &Path, measures: bool) -> Command {
    let mut command = toolchain.cargo(verb, variant.board.tells_panics);
    command
        .args(["--package", PACKAGE, "--bin", PACKAGE, "--profile", "firmware"])
        .args(["--features", variant.board.name])
        .arg("--target-dir")
        .arg(folder)
        .current_dir(root())
        .stdin(Stdio::null());
    for name in ["PARLOUR_ADDRESS", "PARLOUR_GATEWAY", "PARLOUR_MEASURE"] {
        command.env_remove(name);
    }
    command.env("PARLOUR_MAX_CONNS", variant.max_conns.to_string());
    command.env("PARLOUR_STACK", variant.stack.to_string());
    if let Some((address, gateway)) = variant.fixed {
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
