//! `cargo firmware run` in the emulator: it serves, it shows its log, and the emulator ends with the
//! runner.

use std::io::{BufRead, BufReader, Write};
use std::iter;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use parlour_boards::{BOARDS, Run};

const PATIENCE: Duration = Duration::from_secs(60);
const BOARD: &str = "lm3s6965evb";

fn firmware() -> Command {
    Command::new(env!("CARGO_BIN_EXE_firmware"))
}

/// A board that runs; killed when dropped.
struct RunningBoard {
    runner: Child,
    /// What it says.
    lines: Receiver<String>,
    ports: [u16; 2],
}

impl RunningBoard {
    /// Starts it in a process group of its own, as a shell would, and waits until it has an address.
    fn start(board: &str, args: &[&str]) -> Self {
        // The compiler may take long. The rest may not.
        let built = firmware().args(["build", board]).stdout(Stdio::null()).status();
        assert!(built.expect("the runner starts").success());
        let mut command = firmware();
        command.args(["run", board, "--chat", "0"]).args(args).process_group(0);
        let mut runner = command.stdout(Stdio::piped()).spawn().expect("the runner starts");
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(runner.stdout.take().expect("a pipe"));
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut board = Self { runner, lines, ports: [0; 2] };
        board.ports = ["chat", "echo"].map(|service| {
            let line = board.line();
            let port = line.strip_prefix(&format!("{service}: nc 127.0.0.1 "));
            port.unwrap_or_else(|| panic!("{line}")).parse().expect("a port")
        });
        board
    }

    /// The next line that it says.
    fn line(&mut self) -> String {
        self.lines
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.runner.try_wait()))
    }

    /// Waits for a line of its log.
    fn wait_for(&mut self, words: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(words) {
                return line;
            }
        }
    }

    fn connect(&self, service: usize) -> BufReader<TcpStream> {
        let stream =
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports[service])).expect("a forwarded port");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        BufReader::new(stream)
    }

    /// Sends a signal to its process, or to the whole group.
    fn signal(&self, name: &str, is_group: bool) {
        let target = format!("{}{}", if is_group { "-" } else { "" }, self.runner.id());
        let sent = Command::new("sh").arg("-c").arg(format!("kill -s {name} -- {target}")).status();
        assert!(sent.expect("a shell").success());
    }

    /// Waits until it has ended, with every program that it had started. They hold its output open.
    fn ended(&mut self) -> ExitStatus {
        let give_up = Instant::now() + PATIENCE;
        let status = loop {
            match self.runner.try_wait().expect("a child") {
                Some(status) => break status,
                None if Instant::now() > give_up => panic!("it does not end"),
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        let end = iter::repeat_with(|| self.lines.recv_timeout(PATIENCE)).find_map(Result::err);
        assert_eq!(end, Some(RecvTimeoutError::Disconnected), "what it had started runs on");
        for port in self.ports {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the emulator is gone, and its port free");
        }
        status
    }
}

impl Drop for RunningBoard {
    fn drop(&mut self) {
        // It may have ended already, which is fine.
        let _ = self.runner.kill();
        let _ = self.runner.wait();
    }
}

fn heard(peer: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    peer.read_line(&mut line).expect("a line in time");
    line.trim_end().to_owned()
}

#[test]
fn every_emulated_board_serves_and_shows_its_log() {
    for row in BOARDS.iter().filter(|board| matches!(board.run, Run::Qemu { .. })) {
        let mut board = RunningBoard::start(row.name, &["--greeting", "50% off, naïve", "--grace", "2s"]);
        assert!(board.wait_for("parlour on").starts_with("INFO  "));
        board.wait_for("address 10.0.2.15/24");
        let mut alice = board.connect(0);
        assert_eq!(heard(&mut alice), "-- 50% off, naïve");
        assert!(heard(&mut alice).starts_with("-- welcome to parlour"));
        board.wait_for("connected to service 0");
        let mut echo = board.connect(1);
        echo.get_mut().write_all(b"hello\n").expect("an open connection");
        assert_eq!(heard(&mut echo), "hello");
        board.signal("TERM", false);
        assert_eq!(board.ended().code(), Some(0));
    }
}

#[test]
fn no_more_are_let_in_than_was_asked_for() {
    let mut board = RunningBoard::start(BOARD, &["--max-conns", "2"]);
    board.wait_for("2 chat clients");
    board.wait_for("address");
    let mut clients = [0, 1].map(|_| board.connect(0));
    for client in &mut clients {
        assert!(heard(client).starts_with("-- welcome to parlour"));
    }
    assert_eq!(heard(&mut board.connect(0)), "-- server is full");
}

#[test]
fn whatever_ends_the_runner_ends_the_emulator() {
    for (signal, is_group) in [("INT", true), ("TERM", false), ("KILL", false)] {
        let mut board = RunningBoard::start(BOARD, &[]);
        board.wait_for("address");
        board.signal(signal, is_group);
        let status = board.ended();
        assert_eq!(status.code().is_none(), signal == "KILL", "{signal}: {status}");
    }
}

#[test]
fn a_stack_that_is_too_small_ends_the_runner_with_a_log_and_a_status() {
    let mut board = RunningBoard::start(BOARD, &["--stack", "1024"]);
    assert!(board.wait_for("the stack of 1024 bytes was too small").starts_with("ERROR "));
    assert_eq!(board.ended().code(), Some(1));
}

#[test]
fn a_port_that_is_in_use_is_named() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    for (args, flag) in [(vec!["--chat", &port], "--chat"), (vec!["--chat", "0", "--echo", &port], "--echo")]
    {
        let output = firmware().args(["run", BOARD]).args(args).output().expect("the runner starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        // This line alone: nothing was built.
        let words =
            format!("firmware: port {port} is in use by another program; choose one with {flag} PORT\n");
        assert_eq!(said, words);
    }
}

#[test]
fn the_monitor_holds_the_board_still() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("monitor");
    let mut board = RunningBoard::start(BOARD, &["--monitor", path.to_str().expect("text")]);
    board.wait_for("address");
    let stream = std::os::unix::net::UnixStream::connect(&path).expect("the monitor listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let mut monitor = BufReader::new(stream);
    let mut command = |text: &str, answer: &str| {
        monitor.get_mut().write_all(text.as_bytes()).expect("an open monitor");
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains(answer) {
            assert!(monitor.read_until(b'\n', &mut heard).expect("an answer") > 0, "the monitor has ended");
        }
    };
    command("stop\ninfo status\n", "VM status: paused");
    command("cont\ninfo status\n", "VM status: running");
    board.signal("TERM", false);
    assert_eq!(board.ended().code(), Some(0));
}
