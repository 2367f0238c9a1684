//! What the one who runs the server relies on: it ends in order, leaves its addresses to the next
//! one, and never waits for who reads what it says.

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use parlour_tests::client::{Client, Options};
use parlour_tests::server::Driver;
use parlour_tests::{sys, with_each_driver};

with_each_driver! {
    newcomers_at_the_end_are_told_or_refused_at_once,
    a_successor_starts_while_the_last_lines_are_sent,
}

/// A client that does not read, and for which more waits than the kernel takes: the server takes
/// three seconds to end.
fn stall(address: &str) -> Client {
    let small = Options { receive_buffer: Some(4096), source: None };
    let stalled = Client::enter_with(address, small);
    let mut talker = Client::enter(address);
    talker.send_until_stuck(format!("{}\n", "x".repeat(1000)).as_bytes());
    stalled
}

fn newcomers_at_the_end_are_told_or_refused_at_once(driver: Driver) {
    /// More than come in at once, and more than may wait for their turn.
    const MANY: usize = 150;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("chat.sock");
    let unix = format!("unix:{}", path.display());
    let mut server = driver.chatting(&["--chat", &unix, "--connect-rate", "10"]);
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

fn a_successor_starts_while_the_last_lines_are_sent(driver: Driver) {
    let directory = tempfile::tempdir().expect("a directory");
    let unix = format!("unix:{}", directory.path().join("chat.sock").display());
    let mut server = driver.chatting(&["--chat", &unix]);
    let address = server.chat().to_owned();
    let stalled = stall(&address);
    let mut witness = Client::enter(&unix);
    server.signal(sys::SIGTERM);
    witness.wait_for("-- server is shutting down");
    let successor = driver.start(&["--chat", &address, "--chat", &unix]);
    assert!(server.is_running(), "it still waits for the one that does not read");
    drop(stalled);
    assert_eq!(server.wait().code(), Some(0));
    for address in [&address, &unix] {
        drop(Client::enter(address));
    }
    successor.stop();
}
