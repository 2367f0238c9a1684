//! The operator's view: the log, the first lines, and the signals.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use parlour_tests::chat::Talk;
use parlour_tests::client::Client;
use parlour_tests::lines::Lines;
use parlour_tests::server::{Poller, Server, binary};
use parlour_tests::{sys, with_each_poller};

with_each_poller! {
    each_arrival_name_and_end_has_a_line_with_the_clients_address,
    each_refusal_has_a_line_with_its_reason,
    each_lag_has_a_line,
    each_line_is_an_object_of_json,
    a_flood_of_clients_is_told_in_a_sum,
    all_that_the_end_disconnects_are_told_or_counted,
    what_is_watched_names_its_room_and_who_shows_addresses,
}

/// A server with a console on a pipe.
fn with_console(poller: Poller, args: &[&str]) -> Server {
    let mut command = poller.command(&[&["--console"], args].concat());
    command.stdin(Stdio::piped());
    Server::launch(command)
}

/// A client that has been welcomed, and its address.
fn client(address: &str) -> (TcpStream, String) {
    let stream = TcpStream::connect(address).expect("a server");
    let peer = stream.local_addr().expect("an address").to_string();
    let mut lines = BufReader::new(&stream).lines();
    lines
        .find(|line| line.as_ref().is_ok_and(|line| line.contains("welcome")))
        .expect("a welcome")
        .expect("a line");
    (stream, peer)
}

/// Waits for a line of the log, and returns the text behind its level.
#[track_caller]
fn told(log: &mut Lines, what: &str, parts: &[&str]) -> String {
    let line = log.wait_for(what, |line| parts.iter().all(|part| line.contains(part)));
    line.split_once(" INFO ").unwrap_or_else(|| panic!("{line:?} is no line at info")).1.to_owned()
}

fn each_arrival_name_and_end_has_a_line_with_the_clients_address(poller: Poller) {
    let mut server = with_console(poller, &["--chat", "0,name=lan", "--idle-timeout", "1s"]);
    let address = server.chat().to_owned();
    let (mut ann, peer) = client(&address);
    let line = told(&mut server.stderr, "an arrival", &["connected", &peer]);
    assert!(line.ends_with(&format!("connected peer={peer} listener=lan name=guest-1")), "{line}");
    ann.write_all(b"/nick ann\n").expect("a connection");
    let line = told(&mut server.stderr, "a name", &["renamed"]);
    assert!(line.ends_with(&format!("renamed peer={peer} name=ann")), "{line}");
    let (kicked, spammer) = client(&address);
    let (quiet, silent) = client(&address);
    server.type_line("/kick guest-1 spam \x1b[2J");
    let line = told(&mut server.stderr, "a kick", &["disconnected", &spammer]);
    let reason = "reason=\"kicked: spam [2J\"";
    assert!(line.ends_with(&format!("disconnected peer={spammer} name=guest-1 {reason}")), "{line}");
    ann.shutdown(Shutdown::Write).expect("a connection");
    let line = told(&mut server.stderr, "a leave", &["disconnected", &peer]);
    assert!(line.ends_with(&format!("disconnected peer={peer} name=ann reason=\"left\"")), "{line}");
    let line = told(&mut server.stderr, "a timeout", &["disconnected", &silent]);
    assert!(
        line.ends_with(&format!("disconnected peer={silent} name=guest-2 reason=\"timed out\"")),
        "{line}"
    );
    drop((ann, kicked, quiet));
}

fn each_refusal_has_a_line_with_its_reason(poller: Poller) {
    for (args, reason) in [
        (["--max-conns", "1"], "server is full"),
        (["--max-conns-per-ip", "1"], "too many connections from its address"),
        (["--deny", "127.0.0.2"], "its address is not allowed"),
    ] {
        let mut server = poller.chatting(&args);
        let (_first, _) = client(server.chat());
        let source = if args[0] == "--deny" { "127.0.0.2" } else { "127.0.0.1" };
        let options = parlour_tests::client::ConnectOptions {
            receive_buffer: None,
            source: Some(source.parse().expect("an address")),
        };
        let _second = Client::connect_with(server.chat(), options);
        let line = told(&mut server.stderr, "a refusal", &["refused"]);
        assert!(line.contains(&format!("refused peer={source}:")), "{line}");
        assert!(line.ends_with(&format!("listener={} reason=\"{reason}\"", server.chat())), "{line}");
    }
}

fn each_lag_has_a_line(poller: Poller) {
    for (policy, parts) in [
        ("disconnect", ["disconnected", "reason=\"too slow\""]),
        ("skip", ["too slow, skips messages", "missed="]),
    ] {
        let mut server =
            poller.chatting(&["--on-lag", policy, "--grace", "100ms", "--log-size", "16k", "--rate", "off"]);
        let (deaf, peer) = client(server.chat());
        let mut talker = Client::enter(server.chat());
        // More than the kernel takes for the client that does not read.
        for _ in 0..20_000 {
            talker.say(&"x".repeat(1000));
        }
        let line = told(&mut server.stderr, "a lag", &parts);
        assert!(line.contains(&format!("peer={peer} name=guest-1 ")), "{line}");
        drop(deaf);
    }
}

/// Each client comes and goes, which makes more than a hundred lines in a second.
fn a_flood_of_clients_is_told_in_a_sum(poller: Poller) {
    const MANY: usize = 2_000;
    let mut server = poller.start(&["--echo", "0"]);
    let address = server.address("echo").to_owned();
    for _ in 0..MANY {
        drop(TcpStream::connect(&address).expect("a server"));
    }
    let sum = told(&mut server.stderr, "a sum", &["more than 100 lines in a second"]);
    let count = |name| count(&sum, name);
    assert!((1..=MANY).contains(&count("connected")) && (1..=MANY).contains(&count("disconnected")), "{sum}");
    server.signal(sys::SIGTERM);
    assert_eq!(server.wait().code(), Some(0));
    let single = server.stderr.to_end().iter().filter(|line| line.contains("connected peer=")).count();
    assert!(single < MANY, "{single} lines");
}

/// A number in a line that tells a sum.
#[track_caller]
fn count(sum: &str, name: &str) -> usize {
    let text = sum.split_once(&format!(" {name}=")).unwrap_or_else(|| panic!("{sum:?} has no {name}")).1;
    text.split(' ').next().and_then(|text| text.parse().ok()).expect("a number")
}

fn all_that_the_end_disconnects_are_told_or_counted(poller: Poller) {
    const MANY: usize = 300;
    let mut server = poller.chatting(&[]);
    let clients: Vec<_> = (0..MANY).map(|_| client(server.chat()).0).collect();
    server.signal(sys::SIGTERM);
    for mut client in clients {
        client.read_to_end(&mut Vec::new()).expect("an end");
    }
    assert_eq!(server.wait().code(), Some(0));
    let lines = server.stderr.to_end();
    let told = lines.iter().filter(|line| line.contains("disconnected peer=")).count();
    let sums = lines.iter().filter(|line| line.contains(" disconnected="));
    assert_eq!(told + sums.map(|sum| count(sum, "disconnected")).sum::<usize>(), MANY);
}

fn what_is_watched_names_its_room_and_who_shows_addresses(poller: Poller) {
    let relays = ["--relay", "0,name=gps", "--relay", "0"];
    let mut server = with_console(poller, &[&["--chat", "0,name=lan", "--watch"], &relays[..]].concat());
    let mut ann = Client::named(server.chat(), "ann");
    ann.say("hi");
    server.stdout.wait_for("a message", |line| line == "[lobby] <ann> hi");
    let [gps, other] = [1, 2].map(|index| server.listening()[index].1.clone());
    Client::connect(&gps).send(b"$GPGLL\n");
    server.stdout.wait_for("a line", |line| line == "[gps] $GPGLL");
    Client::connect(&other).send(b"x\n");
    server.stdout.wait_for("a line", |line| line == format!("[{other}] x"));
    server.type_line("/who");
    server.stdout.wait_for("who is there", |line| line == "-- in lobby: ann (127.0.0.1 lan)");
    // Nobody else is shown addresses.
    ann.say("/who");
    ann.wait_for("-- in lobby: ann");
}

#[test]
fn it_says_how_to_connect_to_each_listener_and_that_works() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("chat.sock");
    let unix = format!("unix:{},name=local", path.display());
    let mut command = Command::new(binary());
    command.args(["--chat", "0.0.0.0:0", "--chat", &unix, "--echo", "[::]:0"]);
    let mut program = parlour_tests::programs::Program::start_command(command);
    let hints: Vec<String> =
        (0..6).filter_map(|_| program.stdout.next_within(Duration::from_secs(10))).skip(3).collect();
    for ((hint, start), said) in hints
        .iter()
        .zip(["chat: nc 127.0.0.1 ", "chat local: nc -U ", "echo: nc 127.0.0.1 "])
        .zip(["-- welcome", "-- welcome", "hello"])
    {
        assert!(hint.starts_with(start), "{hints:?}");
        let command = hint.split_once(": ").expect("a command").1;
        let output = Command::new("sh")
            .args(["-c", &format!("(echo hello; sleep 1) | {}", command.replace("nc ", "nc.openbsd -N "))])
            .output()
            .expect("a shell");
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(shown.contains(said), "{command} shows {shown:?}");
    }
    assert_eq!(hints.len(), 3);
}

#[test]
fn a_socket_file_has_the_mode_that_was_asked_for_from_its_first_moment() {
    let directory = tempfile::tempdir().expect("a directory");
    for mode in ["600", "660", "666", "0777"] {
        let path = directory.path().join(mode);
        let server = Server::start(&["--chat", &format!("unix:{},mode={mode}", path.display())]);
        let shown = fs::metadata(&path).expect("a file").permissions().mode() & 0o7777;
        assert_eq!(shown, u32::from_str_radix(mode, 8).expect("a mode"));
        drop(Client::enter(server.chat()));
    }
}

#[test]
fn two_listeners_cannot_have_one_name() {
    let ended = Server::run(&["--chat", "0,name=lan", "--echo", "0,name=lan"]);
    assert_eq!(ended.code, Some(2));
    assert_eq!(ended.stderr, ["parlour: two listeners are called lan; give each a name of its own"]);
}

#[test]
fn a_wrong_filter_of_the_log_is_told_and_replaced() {
    for filter in ["inof", "info,,nonsense", "parlour=loud", "\u{fe}"] {
        let mut command = Server::command(&["--chat", "0"]);
        command.env("RUST_LOG", filter);
        let mut server = Server::launch(command);
        let line = server.stderr.wait_for("a complaint", |line| line.contains("RUST_LOG"));
        let expected = format!(
            "RUST_LOG: `{filter}` is not a filter; use one of off, error, warn, info, debug, trace. The log shows `info` now"
        );
        assert!(line.ends_with(&expected), "{line}");
        let (_client, peer) = client(server.chat());
        told(&mut server.stderr, "an arrival", &["connected", &peer]);
    }
    for (filter, is_told) in
        [("warn", false), ("INFO", true), ("parlour=debug", true), ("", true), ("off", false)]
    {
        let mut command = Server::command(&["--chat", "0"]);
        command.env("RUST_LOG", filter);
        let mut server = Server::launch(command);
        drop(client(server.chat()));
        server.signal(sys::SIGTERM);
        assert_eq!(server.wait().code(), Some(0));
        let log = server.stderr.to_end();
        assert_eq!(log.iter().any(|line| line.contains("connected peer=")), is_told, "{filter:?}: {log:?}");
        assert!(!log.iter().any(|line| line.contains("RUST_LOG")), "{log:?}");
    }
}

/// Each line of the log as an object, to the end of the server.
fn objects(mut server: Server) -> Vec<serde_json::Value> {
    server.signal(sys::SIGTERM);
    assert_eq!(server.wait().code(), Some(0));
    let lines = server.stderr.to_end();
    let object = |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    lines.iter().map(object).collect()
}

fn each_line_is_an_object_of_json(poller: Poller) {
    let mut server = with_console(poller, &["--chat", "0,name=lan", "--log-format", "json"]);
    let address = server.chat().to_owned();
    let (mut ann, peer) = client(&address);
    ann.write_all("/nick änn\n".as_bytes()).expect("a connection");
    server.stderr.wait_for("a name", |line| line.contains("renamed"));
    server.type_line("/kick änn \"go\\away\" \u{1b}[31m\u{7f} {}");
    server.stderr.wait_for("an end", |line| line.contains("disconnected"));
    let objects = objects(server);
    let find = |message: &str| {
        let found = objects.iter().find(|object| object["message"] == message);
        found.unwrap_or_else(|| panic!("{message} in {objects:?}"))
    };
    let connected = find("connected");
    assert_eq!((&connected["level"], &connected["peer"]), (&"INFO".into(), &peer.clone().into()));
    assert_eq!((&connected["listener"], &connected["name"]), (&"lan".into(), &"guest-1".into()));
    assert!(connected["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{connected}");
    assert_eq!(find("renamed")["name"], "änn");
    let reason = find("disconnected")["reason"].as_str().expect("a text");
    assert!(reason.starts_with("kicked: \"go\\away\" ") && reason.ends_with(" {}"), "{reason}");
    find("shutting down");
}

#[test]
fn a_hangup_ends_it_in_order_but_not_under_nohup() {
    let mut server = Server::chatting(&[]);
    let mut client = Client::enter(server.chat());
    server.signal(sys::SIGHUP);
    client.wait_for("-- server is shutting down");
    drop(client);
    assert_eq!(server.wait().code(), Some(0));

    let mut command = Command::new("nohup");
    command.arg(binary()).args(["serve", "--chat", "0"]).stdin(Stdio::null());
    let mut server = Server::launch(command);
    server.signal(sys::SIGHUP);
    thread::sleep(Duration::from_millis(300));
    assert!(server.is_running());
    drop(Client::enter(server.chat()));
    server.stop();
}

#[test]
fn signals_that_mean_nothing_do_nothing() {
    let mut server = Server::chatting(&[]);
    for signal in [sys::SIGUSR1, sys::SIGUSR2, sys::SIGALRM, sys::SIGPIPE] {
        server.signal(signal);
        drop(Client::enter(server.chat()));
    }
    assert!(server.is_running());
    server.stop();
}
