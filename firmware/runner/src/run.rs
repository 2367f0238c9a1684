//! Runs a program: in the emulator of its board, with its ports on this machine's
//! loopback, or on the real board by probe-rs.
//!
//! This process *becomes* the emulator: whatever ends the one ends the other, and its
//! status is the emulator's. A child process shows the log as long as there is one.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use parlour_firmware::board::{Board, Nic, Run};
use parlour_firmware::sizes::PORTS;

use crate::installed;

/// What the services of [`PORTS`] are called.
const SERVICES: [&str; PORTS.len()] = ["chat", "echo"];

/// How often a free port is looked for.
const ATTEMPTS: usize = 100;

/// How an emulated board is to run.
#[derive(Clone, Debug)]
pub struct Session {
    /// The first of the ports on the loopback, one after the other for each service;
    /// 0: any that are free.
    pub port: u16,
    /// A socket for the emulator's monitor.
    pub monitor: Option<PathBuf>,
    /// The settings for the program.
    pub words: Vec<String>,
}

/// Why a program does not run.
#[derive(Debug)]
pub enum RunError {
    /// It is run by a command that is not installed.
    NotInstalled(&'static str),
    /// A port on the loopback cannot be had.
    Port(u16, io::Error),
    /// There is no place for all ports from this one on.
    TooHigh(u16),
    /// A process could not start.
    Start(OsString, io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::NotInstalled("probe-rs") => {
                write!(
                    f,
                    "probe-rs is not installed: cargo install --locked probe-rs-tools (https://probe.rs)"
                )
            }
            RunError::NotInstalled(command) => {
                write!(f, "{command} is not installed: apt install qemu-system-arm qemu-system-misc")
            }
            RunError::Port(port, error) => write!(f, "port {port} of 127.0.0.1: {error}"),
            RunError::TooHigh(port) => {
                write!(f, "there are no {} ports from {port} on", PORTS.len())
            }
            RunError::Start(command, error) => write!(f, "{}: {error}", command.display()),
        }
    }
}

/// The command that runs a board's programs.
pub fn command(board: &Board) -> &'static str {
    match board.run {
        Run::Qemu { command, .. } => command,
        Run::Probe { .. } => "probe-rs",
    }
}

/// Looks for what can be found missing before there is a program: the board's
/// command, and for an emulated board the ports. Returns the first of those.
///
/// # Errors
/// What is missing.
pub fn prepare(board: &Board, port: u16) -> Result<u16, RunError> {
    installed(command(board)).ok_or(RunError::NotInstalled(command(board)))?;
    match (board.run, port) {
        (Run::Probe { .. }, _) => Ok(port),
        (Run::Qemu { .. }, 0) => free_ports(),
        (Run::Qemu { .. }, port) => bind_ports(port).map(|()| port),
    }
}

/// Whether all ports from this one on can be had.
fn bind_ports(first: u16) -> Result<(), RunError> {
    for index in 0..PORTS.len() as u16 {
        let port = first.checked_add(index).ok_or(RunError::TooHigh(first))?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| RunError::Port(port, error))?;
    }
    Ok(())
}

fn free_ports() -> Result<u16, RunError> {
    let mut result = Err(RunError::TooHigh(0));
    for _ in 0..ATTEMPTS {
        let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let port = any.map_err(|error| RunError::Port(0, error))?.port();
        result = bind_ports(port).map(|()| port);
        if result.is_ok() {
            break;
        }
    }
    result
}

/// Runs the program `elf`, in place of this one. Returns only if that fails.
pub fn run(board: &Board, session: &Session, elf: &Path) -> RunError {
    match board.run {
        Run::Qemu { command, args, nic } => {
            let mut emulator = Command::new(command);
            emulator.args(args).args(qemu_args(nic, session, elf));
            announce(session.port);
            emulate(emulator, elf)
        }
        Run::Probe { chip } => {
            let mut probe = Command::new(command(board));
            probe.args(["run", "--chip", chip]).arg(elf);
            let error = probe.exec();
            RunError::Start(probe.get_program().into(), error)
        }
    }
}

/// Says how to talk with the board.
fn announce(port: u16) {
    let mut output = io::stdout().lock();
    for (name, port) in SERVICES.into_iter().zip(port..) {
        // Who does not read it does not want to know.
        let _ = writeln!(output, "{name}: nc {} {port}", Ipv4Addr::LOCALHOST);
    }
    let _ = output.flush();
}

/// Becomes the emulator, with a child that reads its standard output, which is the log.
fn emulate(mut emulator: Command, elf: &Path) -> RunError {
    let mut logs = match start_logs(elf) {
        Ok(logs) => logs,
        Err(error) => return RunError::Start("the log".into(), error),
    };
    let log = logs.stdin.take().expect("a pipe");
    let error = emulator.stdin(Stdio::null()).stdout(log).exec();
    // The log has ended with it.
    let name = emulator.get_program().to_owned();
    drop(emulator);
    let _ = logs.wait();
    RunError::Start(name, error)
}

fn start_logs(elf: &Path) -> io::Result<Child> {
    Command::new(env::current_exe()?).arg("logs").arg(elf).stdin(Stdio::piped()).spawn()
}

/// What QEMU is told beside the machine.
fn qemu_args(nic: Nic, session: &Session, elf: &Path) -> Vec<OsString> {
    let mut network = String::from("user");
    for (inside, outside) in PORTS.into_iter().zip(session.port..) {
        network += &format!(",hostfwd=tcp:{}:{outside}-:{inside}", Ipv4Addr::LOCALHOST);
    }
    let mut semihosting = String::from("enable=on,target=native,arg=parlour");
    for word in &session.words {
        semihosting += &format!(",arg={}", word.replace(',', ",,"));
    }
    let monitor = session.monitor.as_ref().map_or_else(
        || "none".to_owned(),
        |path| format!("unix:{},server=on,wait=off", path.display().to_string().replace(',', ",,")),
    );
    let mut args = vec!["-nographic".to_owned(), "-serial".into(), "null".into()];
    args.extend(["-monitor".into(), monitor, "-semihosting-config".into(), semihosting]);
    match nic {
        Nic::BuiltIn(model) => args.extend(["-nic".into(), format!("{network},model={model}")]),
        Nic::Device(device) => {
            let netdev = network.replacen("user", "user,id=net", 1);
            args.extend(["-netdev".into(), netdev, "-device".into(), format!("{device},netdev=net")]);
        }
    }
    args.into_iter().map(OsString::from).chain(["-kernel".into(), elf.into()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(nic: Nic) -> String {
        let words = vec!["clients=2".to_owned(), "greeting=a,b".into()];
        let session = Session { port: 6000, monitor: Some("/tmp/a,b".into()), words };
        let args = qemu_args(nic, &session, Path::new("program.elf"));
        args.iter().map(|arg| arg.to_str().expect("text")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_ports_of_a_card_of_the_machine_are_forwarded() {
        let args = args(Nic::BuiltIn("stellaris"));
        let nic = "-nic user,hostfwd=tcp:127.0.0.1:6000-:5000,hostfwd=tcp:127.0.0.1:6001-:7,model=stellaris ";
        assert!(args.contains(nic) && args.ends_with("-kernel program.elf"), "{args}");
        assert!(args.contains("-monitor unix:/tmp/a,,b,server=on,wait=off "), "{args}");
        assert!(args.contains(",arg=parlour,arg=clients=2,arg=greeting=a,,b "), "{args}");
    }

    #[test]
    fn the_ports_of_a_card_that_is_plugged_in_are_forwarded() {
        let args = args(Nic::Device("virtio-net-device"));
        let nic = "-netdev user,id=net,hostfwd=tcp:127.0.0.1:6000-:5000,hostfwd=tcp:127.0.0.1:6001-:7 \
                   -device virtio-net-device,netdev=net ";
        assert!(args.contains(nic), "{args}");
    }

    #[test]
    fn a_port_that_is_taken_is_named() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = taken.local_addr().expect("an address").port();
        assert!(matches!(bind_ports(port), Err(RunError::Port(found, _)) if found == port));
        assert!(matches!(bind_ports(u16::MAX), Err(RunError::TooHigh(_) | RunError::Port(..))));
        let free = free_ports().expect("two free ports");
        assert!(free > 0);
    }
}
