//! What a service manager is told: when the server is ready, how many clients it has, that its loop turns, and that it
//! ends.

use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Command;
use std::time::{Duration, Instant};

use parlour_tests::client::Client;
use parlour_tests::server::{Ended, Poller, Server};
use parlour_tests::{sys, with_each_poller};
use tempfile::TempDir;

with_each_poller! {
    it_hears_of_the_start_of_clients_and_of_the_end,
    the_watchdog_hears_of_a_loop_that_turns_and_of_no_other,
}

/// How long the manager waits for a message.
const PATIENCE: Duration = Duration::from_secs(20);

/// A service manager, as far as it listens.
struct Manager {
    socket: UnixDatagram,
    variable: String,
    _folder: TempDir,
}

impl Manager {
    fn in_a_folder() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        Self { socket, variable: path.to_str().expect("UTF-8").to_owned(), _folder: folder }
    }

    fn without_a_file() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let name = folder.path().to_str().expect("UTF-8").to_owned();
        let address = SocketAddr::from_abstract_name(&name).expect("an address");
        let socket = UnixDatagram::bind_addr(&address).expect("a socket");
        Self { socket, variable: format!("@{name}"), _folder: folder }
    }

    fn command(&self, poller: Poller) -> Command {
        let name = match poller {
            Poller::Select => "select",
            Poller::Epoll => "epoll",
        };
        let mut command = Server::command(&["--chat", "0", "--poller", name]);
        command.env("NOTIFY_SOCKET", &self.variable);
        command
    }

    /// The next message within `time`.
    fn next_within(&self, time: Duration) -> Option<String> {
        let mut bytes = [0; 512];
        self.socket.set_read_timeout(Some(time)).expect("a timeout");
        match self.socket.recv(&mut bytes) {
            Ok(count) => Some(String::from_utf8(bytes[..count].to_vec()).expect("UTF-8")),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }

    #[track_caller]
    fn expect(&self, message: &str) {
        assert_eq!(self.next_within(PATIENCE).as_deref(), Some(message));
    }
}

fn it_hears_of_the_start_of_clients_and_of_the_end(poller: Poller) {
    for manager in [Manager::in_a_folder(), Manager::without_a_file()] {
        let mut server = Server::launch(manager.command(poller));
        manager.expect("READY=1\n");
        let ann = Client::enter(server.chat());
        let bob = Client::enter(server.chat());
        // The first of them may be told alone.
        let mut told = Vec::new();
        while told.last().is_none_or(|last| last != "STATUS=2 clients\n") {
            told.push(manager.next_within(PATIENCE).expect("a count of clients"));
        }
        assert!(told.len() <= 3, "{told:?}");
        drop(bob);
        manager.expect("STATUS=1 client\n");
        server.signal(sys::SIGTERM);
        manager.expect("STOPPING=1\nSTATUS=shutting down\n");
        drop(ann);
        server.wait();
        assert_eq!(manager.next_within(Duration::from_millis(100)), None);
    }
}

fn the_watchdog_hears_of_a_loop_that_turns_and_of_no_other(poller: Poller) {
    let manager = Manager::in_a_folder();
    let mut command = manager.command(poller);
    command.env("WATCHDOG_USEC", "400000");
    let server = Server::launch(command);
    manager.expect("READY=1\n");
    let start = Instant::now();
    let mut heard = 0;
    while heard < 5 {
        let message = manager.next_within(PATIENCE).expect("the loop turns, though nobody is there");
        heard += usize::from(message == "WATCHDOG=1\n");
    }
    assert!(start.elapsed() > Duration::from_millis(600), "it is told no more often than it wants");
    server.signal(sys::SIGSTOP);
    while manager.next_within(Duration::from_millis(500)).is_some() {}
    assert_eq!(manager.next_within(Duration::from_secs(1)), None, "nothing comes from one that stands still");
    server.signal(sys::SIGCONT);
    manager.expect("WATCHDOG=1\n");
}

#[test]
fn the_watchdog_of_another_process_hears_nothing() {
    let manager = Manager::in_a_folder();
    let mut command = manager.command(Poller::Select);
    command.env("WATCHDOG_USEC", "100000").env("WATCHDOG_PID", "1");
    let server = Server::launch(command);
    manager.expect("READY=1\n");
    let heard = manager.next_within(Duration::from_millis(500));
    assert!(heard.as_deref().is_none_or(|text| text == "STATUS=0 clients\n"), "{heard:?}");
    server.stop();
}

#[test]
fn a_manager_that_reads_nothing_holds_up_nobody() {
    let manager = Manager::in_a_folder();
    let mut command = manager.command(Poller::Select);
    command.env("WATCHDOG_USEC", "2000");
    let server = Server::launch(command);
    // The queue of its socket is full after some of these.
    std::thread::sleep(Duration::from_secs(1));
    drop(Client::enter(server.chat()));
    server.stop();
}

#[test]
fn a_manager_that_is_not_there_is_told_of_at_the_start() {
    let mut command = Server::command(&["--chat", "0"]);
    command.env("NOTIFY_SOCKET", "/nowhere/notify");
    let Ended { code, stderr, stdout } = Server::run_command(command);
    assert_eq!((code, stdout.len(), stderr.len()), (Some(2), 0, 1), "{stderr:?}");
    assert!(stderr[0].contains("NOTIFY_SOCKET"), "{stderr:?}");
}
