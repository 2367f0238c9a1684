//! A board in its emulator, started as users start it.
//!
//! Knows `cargo firmware run` and the emulator's monitor; knows no protocol but the echo.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parlour_bench::Process;
use parlour_boards::{BOARDS, Run};

use crate::lines::PATIENCE;
use crate::programs::{self, Program};

/// A board that serves; it ends when dropped.
#[derive(Debug)]
pub struct RunningBoard {
    program: Program,
    chat: u16,
    echo: u16,
    monitor: PathBuf,
    _folder: tempfile::TempDir,
}

impl RunningBoard {
    /// Starts the board `name` with further arguments, and waits until it serves.
    #[must_use]
    pub fn start(name: &str, args: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let monitor = folder.path().join("monitor");
        let mut command = Command::new(runner());
        command.args(["run", name, "--chat", "0", "--monitor"]).arg(&monitor).args(args);
        let mut program = Program::start_command(command);
        let [chat, echo] = ["chat", "echo"].map(|service| {
            let line = program.stdout.wait_for("its ports", |line| line.starts_with(service));
            let port = line.rsplit(' ').next().and_then(|port| port.parse().ok());
            port.unwrap_or_else(|| panic!("no port in {line:?}"))
        });
        let mut board = Self { program, chat, echo, monitor, _folder: folder };
        board.wait_for_log("address");
        board.wait_for_echo();
        board
    }

    /// The address of its chat.
    #[must_use]
    pub fn chat(&self) -> String {
        format!("127.0.0.1:{}", self.chat)
    }

    /// The address of its echo.
    #[must_use]
    pub fn echo(&self) -> String {
        format!("127.0.0.1:{}", self.echo)
    }

    /// The next line of its log that has `words` in it.
    pub fn wait_for_log(&mut self, words: &str) -> String {
        self.program.stdout.wait_for(&format!("{words:?}"), |line| line.contains(words))
    }

    /// All lines of its log by now.
    pub fn log(&mut self) -> &[String] {
        self.program.stdout.seen()
    }

    /// Holds its processor still.
    pub fn hold(&self) {
        self.monitor("stop");
    }

    /// Lets its processor go on.
    pub fn go_on(&self) {
        self.monitor("cont");
    }

    /// The processor time that the emulator used.
    #[must_use]
    pub fn processor_time(&self) -> Duration {
        Process::Pid(self.program.id()).cpu_of_all().expect("it runs")
    }

    fn monitor(&self, command: &str) {
        let mut monitor = UnixStream::connect(&self.monitor).expect("the emulator has a monitor");
        monitor.write_all(format!("{command}\n").as_bytes()).expect("it reads");
        // It prompts once before the command, and once after.
        let mut seen = Vec::new();
        let mut chunk = [0; 256];
        while seen.windows(6).filter(|part| part == b"(qemu)").count() < 2 {
            let count = monitor.read(&mut chunk).expect("it answers");
            assert!(count > 0, "the monitor closed: {}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&chunk[..count]);
        }
    }

    /// The emulator accepts connections before the board runs: only an answer tells.
    fn wait_for_echo(&self) {
        let give_up = Instant::now() + PATIENCE;
        while Instant::now() < give_up {
            let mut stream = TcpStream::connect(self.echo()).expect("a forwarded port");
            stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a socket");
            let mut answer = [0];
            if stream.write_all(b"?").is_ok() && stream.read_exact(&mut answer).is_ok() {
                return;
            }
        }
        panic!("the board does not answer");
    }
}

/// The runner. Once for each test program it is built, and by it the programs of all
/// emulated boards: a compiler may take longer than a test has patience.
fn runner() -> &'static Path {
    static RUNNER: OnceLock<PathBuf> = OnceLock::new();
    RUNNER.get_or_init(|| {
        let runner = programs::build("parlour-firmware-runner", "firmware", "dev");
        for board in BOARDS.iter().filter(|board| matches!(board.run, Run::Qemu { .. })) {
            let built =
                Command::new(&runner).args(["build", board.name]).output().expect("the runner starts");
            assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        }
        runner
    })
}
