//! `parlour serve`: where it listens, how it starts, refuses to start and ends.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use parlour_tests::chat::{Talk, past};
use parlour_tests::client::{Client, ConnectOptions};
use parlour_tests::server::{Ended, Poller, Server, binary, wait_for_exit};
use parlour_tests::{sys, with_each_poller};

with_each_poller! {
    any_number_of_listeners_in_any_notation,
    a_newcomer_sees_as_much_as_is_asked_for,
    a_unix_socket_is_a_listener_and_gone_at_the_end,
    both_signals_end_it_in_order,
    a_second_signal_ends_it_at_once,
    a_client_that_does_not_read_holds_up_the_end_for_three_seconds_at_most,
    the_end_of_standard_input_does_not_stop_it,
    a_closed_standard_output_does_not_stop_it,
    a_standard_output_that_nobody_reads_does_not_keep_it_from_ending,
}

/// The server must have refused to start: with one line that contains `reason`, and without a
/// `listening` line.
fn expect_refused(ended: &Ended, reason: &str) {
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert_eq!(ended.stdout, [""; 0], "nothing half started");
    assert_eq!(ended.stderr.len(), 1, "one line: {ended:?}");
    assert!(ended.stderr[0].to_lowercase().contains(&reason.to_lowercase()), "{reason:?} in {ended:?}");
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

/// The test uses the ports of the manual. Another program may use them on this machine, so the server
/// gets a network of its own, if the system allows that.
#[test]
fn without_arguments_it_listens_where_the_manual_says() {
    let mut probe = Command::new("true");
    sys::give_own_network(&mut probe);
    let has_own_network = probe.status().is_ok_and(|status| status.success());
    let are_free = ["127.0.0.1:5000", "127.0.0.1:7777"].iter().all(|port| TcpListener::bind(port).is_ok());
    if !has_own_network && !are_free {
        // Not through the harness, which shows nothing of a test that passes.
        let mut aloud = fs::OpenOptions::new().append(true).open("/dev/stderr").expect("standard error");
        writeln!(
            aloud,
            "NOT TESTED where it listens without arguments: another program has port 5000 or 7777"
        )
        .expect("standard error");
        return;
    }
    for args in [&[][..], &["serve"]] {
        let mut command = Command::new(binary());
        command.args(args).stdin(Stdio::null());
        if has_own_network {
            sys::give_own_network(&mut command);
        }
        let server = Server::launch(command);
        let expected = [("chat", "127.0.0.1:5000"), ("echo", "127.0.0.1:7777")];
        assert!(server.listening().iter().map(|(p, a)| (p.as_str(), a.as_str())).eq(expected));
        server.stop();
    }
}

fn a_newcomer_sees_as_much_as_is_asked_for(poller: Poller) {
    for count in [0, 2] {
        let server = poller.chatting(&["--history", &count.to_string()]);
        assert_eq!(seen_of_thirty(&server), count);
        server.stop();
    }
}

#[test]
fn by_default_a_newcomer_sees_the_last_twenty_messages() {
    let mut command = Command::new(binary());
    command.args(["serve", "--chat", "0"]).stdin(Stdio::null());
    assert_eq!(seen_of_thirty(&Server::launch(command)), 20);
}

/// How many of thirty messages a newcomer sees. They must be the last ones.
fn seen_of_thirty(server: &Server) -> usize {
    let mut bob = Client::named(server.chat(), "bob");
    (0..30).for_each(|number| bob.say(&number.to_string()));
    bob.catch_up();
    let mut newcomer = Client::connect(server.chat());
    let seen = newcomer.wait_for("-- here: bob, guest-1");
    let seen: Vec<_> = seen.iter().skip(1).map(|line| past(line).expect("a line from before")).collect();
    let last: Vec<_> = (30 - seen.len()..30).map(|number| format!("<bob> {number}")).collect();
    assert_eq!(seen, last);
    seen.len()
}

#[test]
fn what_was_said_before_has_the_local_time() {
    let minutes = ["UTC0", "XXX-05:30"].map(|zone| {
        let mut command = Server::command(&["--chat", "0", "--history", "1"]);
        command.env("TZ", zone);
        let server = Server::launch(command);
        let mut bob = Client::named(server.chat(), "bob");
        bob.say("hi");
        bob.catch_up();
        let mut newcomer = Client::connect(server.chat());
        let seen = newcomer.wait_for("-- here: bob, guest-1");
        let time =
            seen.last().and_then(|line| line.strip_prefix("-- earlier (")?.strip_suffix("): <bob> hi"));
        // At midnight there is a date before it.
        let (hours, minutes) =
            time.and_then(|time| time.rsplit(' ').next()?.split_once(':')).expect("a time");
        60 * hours.parse::<i32>().expect("hours") + minutes.parse::<i32>().expect("minutes")
    });
    let ahead = (minutes[1] - minutes[0]).rem_euclid(24 * 60);
    assert!((330..=331).contains(&ahead), "{minutes:?}");
}

fn any_number_of_listeners_in_any_notation(poller: Poller) {
    let server = poller.start(&[
        "--echo",
        "0",
        "--chat",
        "0",
        "--chat",
        "127.0.0.1:0",
        "--relay",
        "localhost:0",
        "--chat",
        "[::1]:0",
        "--relay",
        "0",
    ]);
    let protocols =
        |wanted: &str| server.listening().iter().filter(|(protocol, _)| protocol == wanted).count();
    assert_eq!([protocols("chat"), protocols("echo"), protocols("relay")], [3, 1, 2]);
    for (protocol, address) in server.listening() {
        assert!(!address.ends_with(":0"), "{protocol} has a real port: {address}");
        if protocol != "chat" {
            drop(Client::connect(address));
        }
    }
    // All chat listeners share the same rooms.
    let chats = server.listening().iter().filter(|(protocol, _)| protocol == "chat");
    let mut clients: Vec<Client> = chats.map(|(_, address)| Client::enter(address)).collect();
    for client in &mut clients {
        client.catch_up();
    }
    clients[0].say("through another door");
    clients[1].expect_line("<guest-1> through another door");
    clients[2].expect_line("<guest-1> through another door");
    server.stop();
}

#[test]
fn all_addresses_of_both_families() {
    let server = Server::start(&["--chat", "[::]:0"]);
    let port = server.port().to_string();
    assert_eq!(server.chat(), format!("[::]:{port}"));
    drop(Client::enter(&format!("[::1]:{port}")));
}

fn a_unix_socket_is_a_listener_and_gone_at_the_end(poller: Poller) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("chat.sock");
    let address = format!("unix:{}", path.display());
    let server = poller.start(&["--chat", &address, "--chat", "0"]);
    assert_eq!(server.chat(), address);
    let mut alice = Client::named(&address, "alice");
    let mut bob = Client::named(&server.listening()[1].1, "bob");
    alice.catch_up();
    bob.say("hi");
    alice.expect_line("<bob> hi");
    server.stop();
    assert!(!path.exists());
}

#[test]
fn a_stale_unix_socket_is_replaced() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("chat.sock");
    drop(UnixListener::bind(&path).expect("a socket"));
    assert!(is_socket(&path), "closing leaves the file");
    let address = format!("unix:{}", path.display());
    let server = Server::start(&["--chat", &address]);
    drop(Client::enter(&address));
    // A killed server leaves a stale file.
    drop(server);
    assert!(is_socket(&path));
    Server::start(&["--chat", &address]).stop();
    assert!(!path.exists());
}

#[test]
fn a_unix_socket_in_use_is_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("chat.sock");
    let address = format!("unix:{}", path.display());
    let server = Server::start(&["--chat", &address]);
    expect_refused(&Server::run(&["serve", "--chat", &address]), "in use");
    drop(Client::enter(&address));
    server.stop();
}

#[test]
fn what_is_no_socket_is_never_deleted() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("precious");
    fs::write(&path, "contents").expect("a file");
    let ended = Server::run(&["serve", "--chat", "0", "--chat", &format!("unix:{}", path.display())]);
    expect_refused(&ended, "precious");
    assert_eq!(fs::read_to_string(&path).expect("the file"), "contents");
}

#[test]
fn an_address_that_cannot_be_had_is_told_with_what_to_do() {
    for (address, words) in [
        (
            "192.0.2.1:5000",
            "Cannot assign requested address; this machine has no such address, `ip address` lists those it has",
        ),
        ("unix:/nonexistent/x", "/nonexistent/x.lock: No such file or directory; make its directory first"),
    ] {
        let ended = Server::run(&["serve", "--chat", address]);
        assert_eq!(ended.stderr, [format!("parlour: cannot listen on {address}: {words}")]);
        assert_eq!(ended.code, Some(2));
    }
}

#[test]
fn a_port_in_use_is_refused_with_nothing_half_started() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("chat.sock");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("a port").port().to_string();
    let unix = format!("unix:{}", path.display());
    let ended = Server::run(&["serve", "--echo", "0", "--chat", &unix, "--chat", &port, "--relay", "0"]);
    expect_refused(&ended, "in use");
    assert!(ended.stderr[0].contains(&port), "the line says which: {ended:?}");
    assert!(!path.exists(), "no socket file is left");
}

#[test]
fn a_bad_address_is_refused() {
    for address in ["65536", "nonsense", "127.0.0.1", "127.0.0.1:x", "[::1:5000", "unix:", "", "192.0.2.1:0"]
    {
        let ended = Server::run(&["serve", "--chat", address]);
        assert_eq!(ended.code, Some(2), "{address:?}: {ended:?}");
        assert_eq!(ended.stdout, [""; 0]);
        assert!(!ended.stderr.is_empty(), "{address:?}: {ended:?}");
        assert!(ended.stderr[0].contains(address), "the first line names {address:?}: {ended:?}");
    }
}

#[test]
fn more_connections_than_descriptors_are_refused() {
    let mut command = Server::command(&["--chat", "0", "--max-conns", "500"]);
    sys::limit_descriptors(&mut command, 100);
    let ended = Server::run_command(command);
    expect_refused(&ended, "descriptor");
    assert!(ended.stderr[0].contains("100"), "the line says how many there are: {ended:?}");
}

#[test]
fn a_soft_limit_of_descriptors_is_raised() {
    let mut command = Command::new("sh");
    let script = format!("ulimit -S -n 50; exec '{}' serve \"$@\"", binary().display());
    command.args(["-c", &script, "parlour", "--chat", "0", "--max-conns", "200"]).stdin(Stdio::null());
    let server = Server::launch(command);
    let mut clients: Vec<Client> = (0..100).map(|_| Client::enter(server.chat())).collect();
    clients[99].expect_nothing();
    server.stop();
}

fn both_signals_end_it_in_order(poller: Poller) {
    for signal in [sys::SIGTERM, sys::SIGINT] {
        let mut server = poller.start(&["--chat", "0", "--echo", "0", "--relay", "0"]);
        let mut alice = Client::enter(server.chat());
        let mut bob = Client::enter(server.chat());
        let mut echo = Client::connect(server.address("echo"));
        let mut relay = Client::connect(server.address("relay"));
        alice.catch_up();
        server.signal(signal);
        for client in [&mut alice, &mut bob] {
            client.expect_line("-- server is shutting down");
            client.expect_close();
        }
        echo.expect_close();
        relay.expect_close();
        assert_eq!(server.wait().code(), Some(0));
    }
}

fn a_second_signal_ends_it_at_once(poller: Poller) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("chat.sock");
    let mut server = poller.chatting(&["--chat", &format!("unix:{}", path.display())]);
    let stalled = fill_a_client_that_does_not_read(&server);
    server.signal(sys::SIGTERM);
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(200));
    assert!(server.is_running(), "what is queued is sent for up to 3 s");
    server.signal(sys::SIGTERM);
    server.wait();
    assert!(start.elapsed() < Duration::from_millis(2_500), "it did not wait out the 3 s");
    assert!(!path.exists(), "the socket file is removed nevertheless");
    drop(stalled);
}

fn a_client_that_does_not_read_holds_up_the_end_for_three_seconds_at_most(poller: Poller) {
    /// The same time again, for a busy machine.
    const MOST: Duration = Duration::from_secs(2 * 3);
    // Or else the client would be cut for its lag before.
    let mut server = poller.chatting(&["--grace", "1h"]);
    let stalled = fill_a_client_that_does_not_read(&server);
    let start = Instant::now();
    server.signal(sys::SIGTERM);
    assert_eq!(server.wait().code(), Some(0));
    assert!(start.elapsed() < MOST, "it took {:?}", start.elapsed());
    drop(stalled);
}

/// A client with more waiting output than the kernel takes.
fn fill_a_client_that_does_not_read(server: &Server) -> Client {
    let small = ConnectOptions { receive_buffer: Some(4096), source: None };
    let stalled = Client::enter_with(server.chat(), small);
    let mut talker = Client::enter(server.chat());
    let line = format!("{}\n", "x".repeat(1000));
    // The hub takes no more when the kernel's buffers and the log are full.
    talker.send_until_stuck(line.as_bytes());
    stalled
}

fn the_end_of_standard_input_does_not_stop_it(poller: Poller) {
    for args in [&[][..], &["--console"]] {
        let mut command = poller.command(&[&["--chat", "0"], args].concat());
        command.stdin(Stdio::piped());
        let mut server = Server::launch(command);
        server.end_input();
        let mut alice = Client::enter(server.chat());
        std::thread::sleep(Duration::from_millis(300));
        alice.expect_nothing();
        assert!(server.processor_time() < Duration::from_millis(150), "no busy loop");
        server.stop();
    }
}

fn a_closed_standard_output_does_not_stop_it(poller: Poller) {
    let mut server = poller.chatting(&["--watch"]);
    server.stdout.close();
    let mut alice = Client::enter(server.chat());
    for number in 0..100 {
        alice.say(&format!("line {number}"));
        alice.expect_nothing();
    }
    server.stop();
}

fn a_standard_output_that_nobody_reads_does_not_keep_it_from_ending(poller: Poller) {
    let mut command = poller.command(&["--chat", "0", "--watch"]);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = command.spawn().expect("the program");
    let mut output = BufReader::new(server.stdout.take().expect("its standard output"));
    let mut listening = String::new();
    output.read_line(&mut listening).expect("where it listens");
    let address = listening.trim_end().trim_start_matches("listening chat ");
    let mut alice = Client::enter(address);
    for _ in 0..400 {
        alice.say(&"x".repeat(900));
    }
    alice.expect_nothing();
    sys::signal(server.id(), sys::SIGTERM).expect("it runs");
    let status = wait_for_exit(&mut server).expect("it ends all the same");
    assert_eq!(status.code(), Some(0));
    drop(output);
}

#[test]
fn the_greeting_may_have_several_lines() {
    let server = Server::chatting(&["--greeting", "Welcome!\nBe kind."]);
    let mut client = Client::connect(server.chat());
    client.expect_line("-- Welcome!");
    client.expect_line("-- Be kind.");
    client.expect_line("-- welcome to parlour, you are guest-1; /help lists the commands");
}

#[test]
fn a_bad_option_is_refused() {
    for (args, message) in [
        (["--on-lag", "sulk"], "invalid value 'sulk' for '--on-lag <POLICY>'"),
        (
            ["--grace", "soon"],
            "invalid value 'soon' for '--grace <DURATION>': write a number and a unit, as in 200ms, 5s or 1m 30s",
        ),
        (
            ["--max-conns", "many"],
            "invalid value 'many' for '--max-conns <N>': write a whole number, as in 1000",
        ),
        (
            ["--allow", "300.0.0.0/8"],
            "invalid value '300.0.0.0/8' for '--allow <CIDR>': write a network as ADDRESS or ADDRESS/BITS, as in 192.0.2.0/24",
        ),
        (["--rate", "-1"], "unexpected argument '-1' found"),
        (
            ["--rate", "many"],
            "invalid value 'many' for '--rate <N>': write a whole number, as in 1000; or `off` for no limit",
        ),
        (["--log-size", "0"], "invalid value '0' for '--log-size <SIZE>': 0 is too low; 1 is the least"),
        (
            ["--log-size", "1T"],
            "invalid value '1T' for '--log-size <SIZE>': 1T: the unit \"T\" is unknown; use k, M or G, as in 64k",
        ),
        (
            ["--chat", "5000,mode=660"],
            "invalid value '5000,mode=660' for '--chat <ADDR[,OPTION]...>': mode: only a socket file has a mode, as in unix:PATH,mode=660",
        ),
        (["--line-limit", "0"], "invalid value '0' for '--line-limit <SIZE>': 0 is too low; 16 is the least"),
        (["--rooms", "0"], "invalid value '0' for '--rooms <N>': 0 is too low; 1 is the least"),
    ] {
        let ended = Server::run(&[&["serve", "--chat", "0"], &args[..]].concat());
        assert_eq!(ended.code, Some(2), "{args:?}: {ended:?}");
        assert_eq!(ended.stdout, [""; 0]);
        assert_eq!(ended.stderr[0], format!("error: {message}"), "{args:?}");
    }
}
