//! The operator can rely on this: the server ends in order, leaves its addresses to the next server, and
//! never waits for readers of its output.

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use parlour_tests::chat::Talk;
use parlour_tests::client::{Client, ConnectOptions};
use parlour_tests::lines::{Lines, PATIENCE};
use parlour_tests::programs::Program;
use parlour_tests::server::{Poller, Server, wait_for_exit};
use parlour_tests::{sys, with_each_poller};

with_each_poller! {
    newcomers_at_the_end_are_told_or_refused_at_once,
    a_successor_starts_while_the_last_lines_are_sent,
    a_log_that_nobody_reads_holds_up_nothing_and_tells_what_is_lost,
    a_log_that_cannot_be_written_does_not_keep_it_from_ending_in_order,
    a_standard_output_that_is_not_read_holds_up_nobody_whatever_it_is,
    no_pieces_put_together_command_the_operators_terminal,
}

/// A client that does not read, with more waiting output than the kernel takes. A server with a long
/// grace period takes three seconds to end.
fn stall(address: &str) -> Client {
    let small = ConnectOptions { receive_buffer: Some(4096), source: None };
    let stalled = Client::enter_with(address, small);
    let mut talker = Client::enter(address);
    talker.send_until_stuck(format!("{}\n", "x".repeat(1000)).as_bytes());
    stalled
}

fn newcomers_at_the_end_are_told_or_refused_at_once(poller: Poller) {
    /// More clients than may come in at once, and more than may wait for their turn.
    const MANY: usize = 150;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("chat.sock");
    let unix = format!("unix:{}", path.display());
    let mut server = poller.chatting(&["--chat", &unix, "--connect-rate", "10", "--grace", "1h"]);
    let stalled = stall(server.chat());
    // Stopped, the server finds them all when it is to end.
    server.signal(sys::SIGSTOP);
    let mut newcomers: Vec<Client> = (0..MANY).map(|_| Client::connect(server.chat())).collect();
    newcomers.extend((0..MANY).map(|_| Client::connect(&unix)));
    server.signal(sys::SIGTERM);
    server.signal(sys::SIGCONT);
    let start = Instant::now();
    for (number, newcomer) in newcomers.iter_mut().enumerate() {
        let seen = newcomer.read_to_close();
        let seen = String::from_utf8_lossy(&seen);
        let is_turned_away = seen.starts_with("-- too many connections from your address");
        let is_told = seen.ends_with("-- server is shutting down\r\n");
        assert!(is_told || is_turned_away, "number {number} saw {seen:?}");
    }
    assert!(TcpStream::connect(server.chat()).is_err(), "nobody listens");
    assert!(UnixStream::connect(&path).is_err(), "nobody listens");
    assert!(start.elapsed() < Duration::from_secs(2), "took {:?}", start.elapsed());
    assert!(server.is_running(), "it still waits for the one that does not read");
    drop(stalled);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn of_many_that_start_at_once_on_a_unix_socket_one_listens() {
    const ROUNDS: usize = 20;
    const AT_ONCE: usize = 4;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("chat.sock");
    let unix = format!("unix:{}", path.display());
    for round in 0..ROUNDS {
        if round % 2 == 0 {
            // A stale file, as a killed program leaves it.
            let _ = fs::remove_file(&path);
            drop(UnixListener::bind(&path).expect("a socket"));
        }
        let start = |_| Program::start_command(Server::command(&["--chat", &unix]));
        let mut all: Vec<Program> = (0..AT_ONCE).map(start).collect();
        let says = |program: &mut Program| program.stdout.next_within(PATIENCE);
        let listening = all.iter_mut().filter_map(says).collect::<Vec<_>>();
        assert_eq!(listening, [format!("listening chat {unix}")], "round {round}");
        drop(Client::enter(&unix));
        // Killed, they leave the file and the lock behind.
        drop(all);
        assert!(path.exists());
    }
    Server::start(&["--chat", &unix]).stop();
    let left: Vec<_> = fs::read_dir(directory.path()).expect("a directory").collect();
    assert!(left.is_empty(), "nothing is left: {left:?}");
}

#[test]
fn a_server_removes_no_socket_but_its_own() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("chat.sock");
    let lock = directory.path().join("chat.sock.lock");
    let unix = format!("unix:{}", path.display());
    let former = Server::start(&["--chat", &unix]);
    fs::remove_file(&path).expect("the socket file");
    let refused = Server::run(&["--chat", &unix]);
    assert_eq!(refused.code, Some(2));
    let expected = format!(
        "parlour: cannot listen on {unix}: it is in use by another program; stop that program, or choose another address"
    );
    assert_eq!(refused.stderr, [expected], "it still runs");
    // Somebody cleans up altogether.
    fs::remove_file(&lock).expect("the lock file");
    let latter = Server::start(&["--chat", &unix]);
    former.stop();
    drop(Client::enter(&unix));
    assert!(lock.exists());
    latter.stop();
    assert!(!path.exists() && !lock.exists());
}

#[test]
fn a_socket_file_is_not_replaced_while_another_has_its_lock() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("chat.sock");
    let unix = format!("unix:{}", path.display());
    // As one has it that is about to listen.
    let lock = fs::File::create(directory.path().join("chat.sock.lock")).expect("a file");
    lock.lock().expect("a file that is new");
    drop(UnixListener::bind(&path).expect("a socket"));
    let refused = Server::run(&["--chat", &unix]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr[0]
            .ends_with("it is in use by another program; stop that program, or choose another address"),
        "{refused:?}"
    );
    assert!(path.exists());
    drop(lock);
    Server::start(&["--chat", &unix]).stop();
}

#[test]
fn a_lock_that_is_a_link_is_not_followed() {
    let directory = tempfile::tempdir().expect("a directory");
    let unix = format!("unix:{}", directory.path().join("chat.sock").display());
    let victim = directory.path().join("victim");
    symlink(&victim, directory.path().join("chat.sock.lock")).expect("a link");
    let refused = Server::run(&["--chat", &unix]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr[0].contains("chat.sock.lock"), "{refused:?}");
    assert!(!victim.exists());
}

fn a_successor_starts_while_the_last_lines_are_sent(poller: Poller) {
    let directory = tempfile::tempdir().expect("a directory");
    let unix = format!("unix:{}", directory.path().join("chat.sock").display());
    let mut server = poller.chatting(&["--chat", &unix, "--grace", "1h"]);
    let address = server.chat().to_owned();
    let stalled = stall(&address);
    let mut witness = Client::connect(&unix);
    witness.expect_matching("a welcome", |line| line.starts_with("-- welcome"));
    server.signal(sys::SIGTERM);
    witness.wait_for("-- server is shutting down");
    let successor = poller.start(&["--chat", &address, "--chat", &unix]);
    assert!(server.is_running(), "it still waits for the one that does not read");
    drop(stalled);
    assert_eq!(server.wait().code(), Some(0));
    for address in [&address, &unix] {
        drop(Client::enter(address));
    }
    successor.stop();
}

/// Starts a server that logs every connection, with pipes that nobody reads yet. Returns its address.
fn logging(poller: Poller, stderr: Stdio, args: &[&str]) -> (Child, String) {
    let mut command = poller.command(&[&["--chat", "0"], args].concat());
    command.env("RUST_LOG", "debug").stdout(Stdio::piped()).stderr(stderr);
    let mut server = command.spawn().expect("the program");
    let address = address(server.stdout.as_mut().expect("its standard output"));
    (server, address)
}

/// Reads the address of a server from its standard output, and nothing behind it.
fn address(output: &mut impl Read) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        let mut byte = [0];
        output.read_exact(&mut byte).expect("where it listens");
        line.push(byte[0]);
    }
    let line = String::from_utf8(line).expect("text");
    line.trim_end().rsplit_once(' ').expect("words").1.to_owned()
}

fn a_log_that_nobody_reads_holds_up_nothing_and_tells_what_is_lost(poller: Poller) {
    // Two lines each, of about a hundred bytes: more than a pipe and what stands before it take.
    const MANY: usize = 2_000;
    let (mut server, address) = logging(poller, Stdio::piped(), &[]);
    let mut alice = Client::enter(&address);
    for _ in 0..MANY {
        let mut client = Client::connect(&address);
        client.expect_matching("a welcome", |line| line.starts_with("-- welcome"));
        client.reset();
    }
    alice.catch_up();
    let mut log = Lines::read_from("the log", server.stderr.take().expect("a pipe"));
    let notice = log.wait_for("a notice", |line| line.contains("lines of the log are lost"));
    let count = notice.split_once(" WARN ").expect("as other lines").1;
    let lost: usize = count.split(' ').next().and_then(|count| count.parse().ok()).expect("a number");
    assert!((1..2 * MANY).contains(&lost), "{notice:?}");
    // Now that it is read, it is whole again, and its last line is not lost.
    drop(Client::enter(&address));
    sys::signal(server.id(), sys::SIGTERM).expect("it runs");
    alice.wait_for("-- server is shutting down");
    assert_eq!(wait_for_exit(&mut server).expect("it ends").code(), Some(0));
    assert!(log.to_end().iter().any(|line| line.contains("shutting down")), "{:?}", log.seen().last());
}

fn a_log_that_cannot_be_written_does_not_keep_it_from_ending_in_order(poller: Poller) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("chat.sock");
    let unix = format!("unix:{}", path.display());
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").expect("a device").into();
    for (what, stderr) in [("closed", Stdio::piped()), ("not read", Stdio::piped()), ("full", full())] {
        let (mut server, address) = logging(poller, stderr, &["--chat", &unix]);
        let mut alice = Client::enter(&address);
        let log = server.stderr.take();
        if what == "closed" {
            drop(log);
        }
        alice.catch_up();
        drop(Client::enter(&address));
        sys::signal(server.id(), sys::SIGTERM).expect("it runs");
        alice.wait_for("-- server is shutting down");
        assert_eq!(wait_for_exit(&mut server).expect("it ends").code(), Some(0), "{what}");
        assert!(!path.exists(), "{what}: the socket file is removed");
    }
}

fn a_standard_output_that_is_not_read_holds_up_nobody_whatever_it_is(poller: Poller) {
    const LINES: usize = 2_000;
    let (near, far) = UnixStream::pair().expect("sockets");
    let (reader, writer) = io::pipe().expect("a pipe");
    let (screen, program) = sys::open_pty(24, 80).expect("a pseudo-terminal");
    let outputs: [(OwnedFd, OwnedFd); 3] =
        [(near.into(), far.into()), (reader.into(), writer.into()), (screen, program)];
    for (number, (near, far)) in outputs.into_iter().enumerate() {
        // As where many share it.
        let other = far.try_clone().expect("a descriptor");
        let mut command = poller.command(&["--chat", "0", "--watch", "--grace", "100ms"]);
        command.stdout(far).stderr(Stdio::null());
        let mut server = command.spawn().expect("the program");
        drop(command);
        let mut near = File::from(near);
        let mut alice = Client::enter(&address(&mut near));
        for _ in 0..LINES {
            alice.say(&"x".repeat(900));
        }
        alice.catch_up();
        assert!(!sys::is_nonblocking(&other).expect("open"), "number {number} is as it was for the others");
        sys::signal(server.id(), sys::SIGTERM).expect("it runs");
        alice.wait_for("-- server is shutting down");
        // It would wait some seconds for what it has to say.
        sys::signal(server.id(), sys::SIGTERM).expect("it runs");
        assert_eq!(wait_for_exit(&mut server).expect("it ends").code(), Some(0), "number {number}");
    }
}

fn no_pieces_put_together_command_the_operators_terminal(poller: Poller) {
    let (screen, program) = sys::open_pty(24, 80).expect("a pseudo-terminal");
    let mut command = poller.command(&["--relay", "0", "--watch"]);
    command.stdout(program).stderr(Stdio::null());
    let mut server = command.spawn().expect("the program");
    drop(command);
    let mut screen = File::from(screen);
    let address = address(&mut screen);
    let mut harmless_until = |wanted: &str| {
        let mut seen = Vec::new();
        while !seen.ends_with(wanted.as_bytes()) {
            let mut byte = [0];
            screen.read_exact(&mut byte).expect("more");
            seen.push(byte[0]);
        }
        let text = String::from_utf8(seen).expect("whole characters");
        let is_harmful = |c: char| c.is_control() && c != '\r' && c != '\n' || "\u{202e}\u{2066}".contains(c);
        assert!(!text.contains(is_harmful), "{text:?}");
    };
    let (mut eve, mut mallory) = (Client::connect(&address), Client::connect(&address));
    for (number, pieces) in
        [&[&b"\xc2"[..], b"\x9b"][..], &[b"\xe2", b"\x80\xae"], &[b"\xe2\x81", b"\xa6"], &[b"\x1b", b"[2J"]]
            .into_iter()
            .enumerate()
    {
        // From one, and from two that work together.
        for others in [false, true] {
            eve.send(format!("{number}{others}:").as_bytes());
            eve.send(pieces[0]);
            harmless_until(&format!("{number}{others}:"));
            let second = if others { &mut mallory } else { &mut eve };
            second.send(pieces[1]);
            second.send(b" end\n");
            harmless_until(" end\r\n");
        }
    }
    sys::signal(server.id(), sys::SIGTERM).expect("it runs");
    assert_eq!(wait_for_exit(&mut server).expect("it ends").code(), Some(0));
}
