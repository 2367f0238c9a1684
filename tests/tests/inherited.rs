//! Listening sockets that a service manager hands over.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use parlour_tests::chat::Talk;
use parlour_tests::client::Client;
use parlour_tests::lines::Next;
use parlour_tests::programs::{Program, found};
use parlour_tests::server::{Ended, Poller, Server, binary};
use parlour_tests::{sys, with_each_poller};

with_each_poller! {
    what_is_handed_over_is_served_and_left_to_the_next_one,
    one_that_listens_no_more_holds_up_none_of_the_others,
}

/// `parlour serve ARGS`, which gets `sockets`. `LISTEN_PID` is `pid`, as the shell expands it.
fn command(args: &[&str], pid: &str, sockets: &[&dyn AsFd]) -> Command {
    let mut command = Command::new("sh");
    let script =
        format!("LISTEN_PID={pid} LISTEN_FDS={} exec '{}' serve \"$@\"", sockets.len(), binary().display());
    command.args(["-c", &script, "parlour"]).args(args).stdin(Stdio::null());
    sys::hand_over(&mut command, sockets).expect("descriptors");
    command
}

fn with_driver<'a>(poller: Poller, args: &[&'a str]) -> Vec<&'a str> {
    let name = match poller {
        Poller::Select => "select",
        Poller::Epoll => "epoll",
    };
    [&["--poller", name], args].concat()
}

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    (listener, address)
}

fn what_is_handed_over_is_served_and_left_to_the_next_one(poller: Poller) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("chat.sock");
    let (tcp, address) = listener();
    let unix = UnixListener::bind(&path).expect("a socket");
    let unix_address = format!("unix:{}", path.display());
    let args = ["--chat", &unix_address, "--echo", "0", "--chat", &address];
    let sockets: [&dyn AsFd; 2] = [&tcp, &unix];
    let server = Server::launch(command(&with_driver(poller, &args), "$$", &sockets));
    let listening: Vec<_> = server.listening().iter().map(|(_, address)| address.clone()).collect();
    assert_eq!([&listening[0], &listening[1]], [&unix_address, &address]);
    for address in [&address, &unix_address] {
        drop(Client::enter(address));
    }
    // A client that connects while nobody accepts waits for the next server.
    server.signal(sys::SIGSTOP);
    let mut early = [Client::connect(&address), Client::connect(&unix_address)];
    server.signal(sys::SIGTERM);
    server.signal(sys::SIGCONT);
    let mut server = server;
    server.wait();
    assert!(path.exists(), "whoever made the file removes it");
    let next = Server::launch(command(&with_driver(poller, &args), "$$", &sockets));
    let welcomes = early.iter_mut().map(Client::line).filter(|line| line.starts_with("-- welcome"));
    let welcomes = welcomes.count();
    next.stop();
    assert!(path.exists(), "whoever made the file removes it");
    let left = std::fs::read_dir(directory.path()).expect("a directory").count();
    assert_eq!(left, 1, "there is no lock where it is not needed");
    assert_eq!(welcomes, 2);
}

fn one_that_listens_no_more_holds_up_none_of_the_others(poller: Poller) {
    let (handed, address) = listener();
    let args = ["--chat", &address, "--chat", "0"];
    let mut server = Server::launch(command(&with_driver(poller, &args), "$$", &[&handed]));
    let other = server.listening()[1].1.clone();
    let mut alice = Client::enter(&address);
    sys::shut_down(&handed).expect("a listener");
    server
        .stderr
        .wait_for("a complaint", |line| line.contains("ERROR") && line.contains("nobody can connect to"));
    alice.expect_nothing();
    let before = server.processor_time();
    alice.expect_silence(Duration::from_millis(600));
    let busy = server.processor_time() - before;
    assert!(busy < Duration::from_millis(150), "no busy loop: {busy:?} of processor time");
    let mut bob = Client::enter(&other);
    bob.say("hi");
    alice.wait_for(&format!("<{}> hi", bob.name()));
    let complaints =
        server.stderr.seen().iter().filter(|line| line.contains("nobody can connect to")).count();
    assert_eq!(complaints, 1);
    server.stop();
}

#[track_caller]
fn expect_refused(ended: &Ended, reason: &str) {
    assert_eq!((ended.code, ended.stderr.len()), (Some(2), 1), "{ended:?}");
    assert!(ended.stderr[0].contains(reason), "{reason:?} in {ended:?}");
    assert_eq!(ended.stdout, [""; 0], "nothing half started");
}

#[test]
fn what_no_listener_is_for_is_refused() {
    let (first, address) = listener();
    let (second, other) = listener();
    let ended = Server::run_command(command(&["--chat", &address], "$$", &[&first, &second]));
    expect_refused(&ended, &format!("handed over a socket on {other}, but no option names that address"));
    let datagrams = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let ended = Server::run_command(command(&["--chat", &address], "$$", &[&first, &datagrams]));
    expect_refused(&ended, "descriptor 4: it is not a listening stream socket");
    let connected = TcpStream::connect(&address).expect("the backlog");
    let ended = Server::run_command(command(&["--chat", &address], "$$", &[&connected]));
    expect_refused(&ended, "descriptor 3: it is not a listening stream socket");
}

#[test]
fn what_is_meant_for_another_process_is_left_alone() {
    let (first, address) = listener();
    for pid in ["1", "", "x"] {
        let ended = Server::run_command(command(&["--chat", &address], pid, &[&first]));
        expect_refused(&ended, "in use");
    }
}

fn expect_echo(address: &str) {
    let mut client = TcpStream::connect(address).expect("a listener");
    client.write_all(b"hello\n").expect("it reads");
    let mut bytes = [0; 6];
    client.read_exact(&mut bytes).expect("it answers");
    assert_eq!(&bytes, b"hello\n");
}

#[test]
fn a_name_says_what_a_socket_is_for_if_no_option_names_its_address() {
    let (relay, of_relay) = listener();
    let (echo, of_echo) = listener();
    let mut command = command(&[&format!("--echo={of_echo}")], "$$", &[&relay, &echo]);
    command.env("LISTEN_FDNAMES", "relay:chat");
    let server = Server::launch(command);
    let listening = [("echo".to_owned(), of_echo.clone()), ("relay".to_owned(), of_relay.clone())];
    assert_eq!(server.listening(), listening);
    expect_echo(&of_echo);
    let mut one = Client::connect(&of_relay);
    let mut other = Client::connect(&of_relay);
    while other.next_within(Duration::from_millis(50)) == Next::Nothing {
        one.say("over");
    }
    server.stop();
}

#[test]
fn a_name_of_no_protocol_says_nothing() {
    let (other, address) = listener();
    let mut command = command(&["--chat", "0"], "$$", &[&other]);
    command.env("LISTEN_FDNAMES", "chit");
    let ended = Server::run_command(command);
    expect_refused(&ended, &format!("handed over a socket on {address}, but no option names that address"));
}

#[test]
fn systemd_hands_over_sockets_by_name() {
    let ports: Vec<_> = (0..2).map(|_| listener().1).collect();
    let args = ["-l", &ports[0], "-l", &ports[1], "--fdname=chat:echo"];
    let mut command = Command::new(found("systemd-socket-activate", "systemd"));
    command.args(args).arg(binary()).arg("serve").args(["--history", "0"]);
    let mut program = Program::start_command(command);
    program.stderr.wait_for("listening sockets", |line| line.contains(&ports[1]));
    // The first client has it started.
    let mut alice = Client::enter(&ports[0]);
    alice.catch_up();
    expect_echo(&ports[1]);
    sys::signal(program.id(), sys::SIGTERM).expect("it runs");
    assert!(program.wait().success());
}
