//! The real server as a child process: builds it, starts it, knows where it
//! listens, watches what it uses and ends it.
//!
//! Knows the command line and the `listening` lines; knows no protocol.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parlour_bench::Process;

use crate::lines::{Lines, PATIENCE};
use crate::{programs, sys};

/// The program `parlour`: what `PARLOUR_BIN` names, or else built here, as users
/// build it, once for each test program.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        programs::named_or("PARLOUR_BIN", || programs::build("parlour", "parlour", "release"))
    })
}

/// The server's poller.
#[derive(Clone, Copy, Debug)]
pub enum Poller {
    /// `--poller select`
    Select,
    /// `--poller epoll`
    Epoll,
}

impl Poller {
    /// As [`Server::command`], with this poller.
    #[must_use]
    pub fn command(self, args: &[&str]) -> Command {
        let name = match self {
            Self::Select => "select",
            Self::Epoll => "epoll",
        };
        Server::command(&[&["--poller", name], args].concat())
    }

    /// As [`Server::start`], with this poller.
    #[must_use]
    pub fn start(self, args: &[&str]) -> Server {
        Server::launch(self.command(args))
    }

    /// As [`Server::chatting`], with this poller.
    #[must_use]
    pub fn chatting(self, args: &[&str]) -> Server {
        self.start(&[&["--chat", "0"], args].concat())
    }
}

/// Makes a test with each [`Poller`] of each of these functions.
#[macro_export]
macro_rules! with_each_poller {
    ($($script:ident,)*) => {
        mod select {
            $(#[test] fn $script() { super::$script($crate::server::Poller::Select); })*
        }
        mod epoll {
            $(#[test] fn $script() { super::$script($crate::server::Poller::Epoll); })*
        }
    };
}

/// How a run of the program ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The lines that it wrote to standard output.
    pub stdout: Vec<String>,
    /// The lines that it wrote to standard error.
    pub stderr: Vec<String>,
}

/// A running `parlour serve`; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Its standard output after the `listening` lines.
    pub stdout: Lines,
    /// Its standard error.
    pub stderr: Lines,
    listening: Vec<(String, String)>,
}

impl Server {
    /// Starts `parlour serve ARGS` and waits until all of it listens.
    #[must_use]
    pub fn start(args: &[&str]) -> Self {
        Self::launch(Self::command(args))
    }

    /// Starts with one chat listener on a free port and further arguments.
    #[must_use]
    pub fn chatting(args: &[&str]) -> Self {
        Self::start(&[&["--chat", "0"], args].concat())
    }

    /// The command that [`launch`](Self::launch) starts, to be changed before. Newcomers see nothing of
    /// what was said before, unless `args` have a `--history`. Most tests are about what comes next.
    pub fn command(args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.arg("serve").args(args).stdin(Stdio::null());
        if !args.contains(&"--history") {
            command.args(["--history", "0"]);
        }
        command
    }

    /// Starts `command` and waits for as many `listening` lines as it asks for.
    #[must_use]
    pub fn launch(mut command: Command) -> Self {
        let asked =
            command.get_args().filter(|arg| *arg == "--chat" || *arg == "--echo" || *arg == "--relay");
        let count = match asked.count() {
            0 => 2,
            count => count,
        };
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", binary().display()));
        let stdout = Lines::read_from("stdout of parlour", child.stdout.take().expect("a pipe"));
        let stderr = Lines::read_from("stderr of parlour", child.stderr.take().expect("a pipe"));
        let mut server = Self { child, stdout, stderr, listening: Vec::new() };
        while server.listening.len() < count {
            let Some(line) = server.stdout.next_within(PATIENCE) else {
                panic!("{command:?} does not listen; stderr: {:#?}", server.stderr.seen());
            };
            let mut words = line.splitn(3, ' ');
            match (words.next(), words.next(), words.next()) {
                (Some("listening"), Some(protocol), Some(address)) => {
                    server.listening.push((protocol.to_string(), address.to_string()));
                }
                _ => panic!("{command:?} said {line:?} before it listened"),
            }
        }
        for (protocol, _) in server.listening.clone() {
            let line = server.stdout.next_within(PATIENCE);
            let is_hint = |line: &String| line.starts_with(&protocol) && line.contains(": nc ");
            assert!(line.as_ref().is_some_and(is_hint), "{line:?} does not say how to connect to {protocol}");
        }
        server
    }

    /// Runs `parlour ARGS`, which must end by itself.
    pub fn run(args: &[&str]) -> Ended {
        let mut command = Command::new(binary());
        command.args(args).stdin(Stdio::null());
        Self::run_command(command)
    }

    /// Runs `command`, which must end by itself.
    pub fn run_command(mut command: Command) -> Ended {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("parlour starts");
        let mut stdout = Lines::read_from("stdout", child.stdout.take().expect("a pipe"));
        let mut stderr = Lines::read_from("stderr", child.stderr.take().expect("a pipe"));
        let Some(status) = wait_for_exit(&mut child) else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{command:?} did not end; stdout {:#?}, stderr {:#?}", stdout.to_end(), stderr.to_end());
        };
        Ended { code: status.code(), stdout: stdout.to_end().to_vec(), stderr: stderr.to_end().to_vec() }
    }

    /// All `listening` lines in order: protocol and address.
    #[must_use]
    pub fn listening(&self) -> &[(String, String)] {
        &self.listening
    }

    /// The address of the first listener of `protocol`.
    #[must_use]
    pub fn address(&self, protocol: &str) -> &str {
        let found = self.listening.iter().find(|(name, _)| name == protocol);
        &found.unwrap_or_else(|| panic!("no {protocol} listener in {:?}", self.listening)).1
    }

    /// The address of the first chat listener.
    #[must_use]
    pub fn chat(&self) -> &str {
        self.address("chat")
    }

    /// The port of the first chat listener.
    #[must_use]
    pub fn port(&self) -> &str {
        self.chat().rsplit_once(':').expect("HOST:PORT").1
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to its standard input, which must be a pipe.
    pub fn type_line(&mut self, line: &str) {
        self.type_bytes(format!("{line}\n").as_bytes());
    }

    /// Writes bytes to its standard input, which must be a pipe.
    pub fn type_bytes(&mut self, bytes: &[u8]) {
        let stdin = self.child.stdin.as_mut().expect("standard input is a pipe");
        stdin.write_all(bytes).expect("parlour reads its standard input");
    }

    /// Ends its standard input.
    pub fn end_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) {
        sys::signal(self.pid(), signal).expect("parlour runs");
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self) -> ExitStatus {
        wait_for_exit(&mut self.child).unwrap_or_else(|| panic!("parlour did not end"))
    }

    /// Ends it with SIGTERM, which must be orderly.
    pub fn stop(mut self) {
        self.signal(sys::SIGTERM);
        assert_eq!(self.wait().code(), Some(0), "stderr: {:#?}", self.stderr.seen());
    }

    /// Its resident memory now, in KiB.
    #[must_use]
    pub fn memory_kib(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most resident memory that it ever had, in KiB.
    #[must_use]
    pub fn memory_peak_kib(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("parlour runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the kernel's field");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// The processor time that it used, in user and system mode.
    #[must_use]
    pub fn processor_time(&self) -> Duration {
        Process::Pid(self.pid()).cpu_of_all().expect("parlour runs")
    }

    /// The descriptors that it has open.
    #[must_use]
    pub fn descriptors(&self) -> Vec<u64> {
        let entries = fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("parlour runs");
        let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        numbers.collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for `child` with patience; `None` if it still runs then.
pub fn wait_for_exit(child: &mut Child) -> Option<ExitStatus> {
    let give_up = Instant::now() + PATIENCE;
    while Instant::now() < give_up {
        if let Some(status) = child.try_wait().expect("a child") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}
