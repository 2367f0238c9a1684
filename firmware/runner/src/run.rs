//! Runs a program: in the emulator of its board, with its ports on this machine's
//! loopback, or on the real board by probe-rs.
//!
//! This process *becomes* the emulator. So the two end together, with the emulator's status. A child
//! process shows the log until the log ends.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use parlour_boards::{Board, Nic, Run};
use parlour_firmware::PORTS;

use crate::installed;

/// The names of the services of [`PORTS`].
const SERVICES: [&str; PORTS.len()] = ["chat", "echo"];

/// A port of this machine for each of the [`PORTS`].
pub type Forwards = [u16; PORTS.len()];

/// How an emulated board runs.
#[derive(Clone, Debug)]
pub struct Emulation {
    /// The ports on the loopback that lead to the board's.
    pub forwards: Forwards,
    /// A socket for the emulator's monitor.
    pub monitor: Option<PathBuf>,
    /// The settings for the program.
    pub words: Vec<String>,
}

/// Why a program does not run.
#[derive(Debug)]
pub enum RunError {
    /// The command that runs it is not installed.
    NotInstalled(&'static str),
    /// Another program listens on the port of a service.
    PortInUse(&'static str, u16),
    /// A service cannot have its port for another reason.
    Port(&'static str, u16, io::Error),
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
            RunError::PortInUse(service, port) => {
                write!(f, "port {port} is in use by another program; choose one with --{service} PORT")
            }
            RunError::Port(service, port, _) => {
                write!(f, "cannot listen on port {port}; choose another one with --{service} PORT")
            }
            RunError::Start(command, _) => write!(f, "cannot start {}", command.display()),
        }
    }
}

impl Error for RunError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RunError::Port(.., error) | RunError::Start(_, error) => Some(error),
            RunError::NotInstalled(_) | RunError::PortInUse(..) => None,
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

/// Checks what can be checked before there is a program: the board's command and, for an emulated board,
/// the ports. Returns the ports, with a free port for each 0.
///
/// # Errors
/// What is missing.
pub fn prepare(board: &Board, forwards: Forwards) -> Result<Forwards, RunError> {
    installed(command(board)).ok_or(RunError::NotInstalled(command(board)))?;
    match board.run {
        Run::Probe { .. } => Ok(forwards),
        Run::Qemu { .. } => free_ports(forwards),
    }
}

fn free_ports(mut forwards: Forwards) -> Result<Forwards, RunError> {
    // All ports are held until each is known to be free. So no two services get the same port.
    let mut listeners = Vec::new();
    for (port, service) in forwards.iter_mut().zip(SERVICES) {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).map_err(|error| match error.kind() {
                io::ErrorKind::AddrInUse => RunError::PortInUse(service, *port),
                _ => RunError::Port(service, *port, error),
            })?;
        let address = listener.local_addr().map_err(|error| RunError::Port(service, *port, error))?;
        *port = address.port();
        listeners.push(listener);
    }
    Ok(forwards)
}

/// Runs the program `elf`, in place of this one. Returns only if that fails.
pub fn run(board: &Board, emulation: &Emulation, elf: &Path) -> RunError {
    match board.run {
        Run::Qemu { command, args, nic } => {
            let mut emulator = Command::new(command);
            emulator.args(args).args(qemu_args(nic, emulation, elf));
            announce(emulation.forwards);
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
fn announce(forwards: Forwards) {
    let mut output = io::stdout().lock();
    for (name, port) in SERVICES.into_iter().zip(forwards) {
        // A closed standard output is no reason to stop.
        let _ = writeln!(output, "{name}: nc {} {port}", Ipv4Addr::LOCALHOST);
    }
    let _ = output.flush();
}

/// Becomes the emulator. A child reads its standard output, which is the log.
fn emulate(mut emulator: Command, elf: &Path) -> RunError {
    let mut logs = match start_logs(elf) {
        Ok(logs) => logs,
        Err(error) => return RunError::Start("the log".into(), error),
    };
    let log = logs.stdin.take().expect("a pipe");
    let error = emulator.stdin(Stdio::null()).stdout(log).exec();
    // The emulator did not start. Its end of the pipe is closed, so the log ends.
    let name = emulator.get_program().to_owned();
    drop(emulator);
    let _ = logs.wait();
    RunError::Start(name, error)
}

fn start_logs(elf: &Path) -> io::Result<Child> {
    Command::new(env::current_exe()?).arg("logs").arg(elf).stdin(Stdio::piped()).spawn()
}

/// QEMU's arguments besides those for the machine.
fn qemu_args(nic: Nic, emulation: &Emulation, elf: &Path) -> Vec<OsString> {
    let mut network = String::from("user");
    for (inside, outside) in PORTS.into_iter().zip(emulation.forwards) {
        network += &format!(",hostfwd=tcp:{}:{outside}-:{inside}", Ipv4Addr::LOCALHOST);
    }
    let mut semihosting = String::from("enable=on,target=native,arg=parlour");
    for word in &emulation.words {
        semihosting += &format!(",arg={}", word.replace(',', ",,"));
    }
    let monitor = emulation.monitor.as_ref().map_or_else(
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
        let words = vec!["max-conns=2".to_owned(), "greeting=a,b".into()];
        let emulation = Emulation { forwards: [6000, 6001], monitor: Some("/tmp/a,b".into()), words };
        let args = qemu_args(nic, &emulation, Path::new("program.elf"));
        args.iter().map(|arg| arg.to_str().expect("text")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_ports_of_a_card_of_the_machine_are_forwarded() {
        let args = args(Nic::BuiltIn("stellaris"));
        let nic = "-nic user,hostfwd=tcp:127.0.0.1:6000-:5000,hostfwd=tcp:127.0.0.1:6001-:7,model=stellaris ";
        assert!(args.contains(nic) && args.ends_with("-kernel program.elf"), "{args}");
        assert!(args.contains("-monitor unix:/tmp/a,,b,server=on,wait=off "), "{args}");
        assert!(args.contains(",arg=parlour,arg=max-conns=2,arg=greeting=a,,b "), "{args}");
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
        let error = free_ports([port, 0]).expect_err("a port that is taken");
        let words = format!("port {port} is in use by another program; choose one with --chat PORT");
        assert_eq!(error.to_string(), words);
        let error = free_ports([0, port]).expect_err("a port that is taken");
        assert!(error.to_string().ends_with("--echo PORT"), "{error}");
    }

    #[test]
    fn any_free_ports_are_two() {
        let [chat, echo] = free_ports([0, 0]).expect("two free ports");
        assert!(chat > 0 && echo > 0 && chat != echo, "{chat} {echo}");
    }
}
