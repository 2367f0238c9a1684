//! Programs as child processes with pipes: installed ones, and those that cargo builds here.
//!
//! Knows processes; knows nothing of what they say.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use crate::lines::Lines;
use crate::server::wait_for_exit;
use crate::sys;

/// A running program; killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    /// The lines that it writes to standard output.
    pub stdout: Lines,
    /// The lines that it writes to standard error.
    pub stderr: Lines,
}

impl Program {
    /// Starts `name` of the Debian package `package` with `args`.
    #[must_use]
    pub fn start(name: &str, package: &str, args: &[&str]) -> Self {
        let mut command = Command::new(found(name, package));
        command.args(args);
        Self::start_command(command)
    }

    /// Starts `command` with pipes.
    #[must_use]
    pub fn start_command(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = Lines::read_from("stdout", child.stdout.take().expect("a pipe"));
        let stderr = Lines::read_from("stderr", child.stderr.take().expect("a pipe"));
        Self { stdin: child.stdin.take(), child, stdout, stderr }
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes to its standard input.
    pub fn send(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("an open standard input");
        stdin.write_all(text.as_bytes()).expect("the program reads");
    }

    /// Ends its standard input.
    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        sys::signal(self.child.id(), sys::SIGKILL).expect("the program runs");
        self.child.wait().expect("a child");
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let status = wait_for_exit(&mut self.child);
        status.unwrap_or_else(|| panic!("the program did not end; stdout: {:#?}", self.stdout.seen()))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The path of the program `name`, which the Debian package `package` brings.
///
/// # Panics
///
/// If it is not installed. A test that cannot run has failed.
#[must_use]
pub fn found(name: &str, package: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    // Not everybody has the folder of servers in the path.
    let folders = env::split_paths(&path).chain(["/usr/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed: apt-get install {package}"))
}

/// The program of `cargo peers`. `PARLOUR_PEERS_BIN` may name it. Otherwise it is built here, once for
/// each test program.
pub fn peers() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        named_or("PARLOUR_PEERS_BIN", || {
            build_with("parlour-bench", "peers", "release", &["--features", "peers"])
        })
    })
}

/// The program that a variable of the environment names, or else the one that `build` makes.
pub fn named_or(variable: &str, build: impl FnOnce() -> PathBuf) -> PathBuf {
    env::var_os(variable).map_or_else(build, PathBuf::from)
}

/// Builds a program of this workspace, as users build it; returns its path.
///
/// # Panics
///
/// If it cannot be built.
#[must_use]
pub fn build(package: &str, name: &str, profile: &str) -> PathBuf {
    build_with(package, name, profile, &[])
}

fn build_with(package: &str, name: &str, profile: &str, args: &[&str]) -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--profile", profile, "-p", package])
        .args(args)
        .current_dir(workspace())
        .status()
        .expect("cargo runs");
    assert!(built.success(), "cargo build --profile {profile} -p {package} failed");
    let folder = if profile == "dev" { "debug" } else { profile };
    target().join(folder).join(name)
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace")
}

/// The folder in which cargo puts the programs that it builds here.
#[must_use]
pub fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => workspace().join(directory),
        None => workspace().join("target"),
    }
}
