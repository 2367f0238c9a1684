//! After a restart, a client that comes back with its key is the client that it was: what it says stands with what it
//! said before.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use parlour_tests::chat::Talk;
use parlour_tests::client::Client;
use parlour_tests::joined::join;
use parlour_tests::journals::{folder, rows, text, wait_for_rows};
use parlour_tests::server::{Poller, Server};
use parlour_tests::session::{Speaker, Ticket};
use parlour_tests::terminal::Terminal;
use parlour_tests::{sys, with_each_poller};

with_each_poller! {
    one_that_comes_back_is_the_client_that_it_was,
    one_that_says_late_that_it_comes_back_is_known_too,
    a_key_is_good_once,
    one_that_has_left_is_not_known_again,
    one_that_comes_too_late_is_not_known_again,
    one_that_others_know_of_is_not_known_again_and_its_key_is_forgotten,
}

/// How many clients have said something, and all that they have said.
const SAID: &str = "SELECT count(DISTINCT client) || ': ' || coalesce(group_concat(CAST(text AS TEXT)), '') \
                    FROM (SELECT * FROM messages WHERE kind = 'say' ORDER BY seq)";
const KEYS: &str = "SELECT CAST(count(*) AS TEXT) FROM keys";

fn start(poller: Poller, path: &Path, more: &[&str]) -> Server {
    poller.chatting(&[&["--journal", text(path)], more].concat())
}

/// A client that has a session and has said something, which the journal knows.
fn enter(server: &Server, path: &Path, line: &str) -> Speaker {
    let mut alice = Speaker::enter(server.chat(), "alice");
    alice.say(line);
    alice.say("/ping");
    alice.expect_matching("an answer", |line| line == "-- pong");
    wait_for_rows(path, KEYS, &["1"]);
    let is_said = format!("SELECT CAST(count(*) AS TEXT) FROM messages WHERE CAST(text AS TEXT) = '{line}'");
    wait_for_rows(path, &is_said, &["1"]);
    alice
}

/// Comes back as a newcomer, and says something.
fn come_back(server: &Server, ticket: &Ticket, line: &str) -> Speaker {
    let mut alice = Speaker::back(server.chat(), ticket);
    assert_eq!(alice.message(), "unknown");
    alice.say(line);
    alice.say("/ping");
    alice.wait_for("-- pong");
    alice
}

fn kill(mut server: Server) {
    server.signal(sys::SIGKILL);
    server.wait();
}

fn one_that_comes_back_is_the_client_that_it_was(poller: Poller) {
    type End = fn(Server);
    let ends: [(&str, End); 2] = [("killed", kill), ("stopped", Server::stop)];
    for (end, end_server) in ends {
        for more in [&[][..], &["--durable"]] {
            let (_folder, path) = folder();
            let server = start(poller, &path, more);
            let mut alice = enter(&server, &path, "one");
            end_server(server);
            // With the key that it has got from each of them.
            for line in ["two", "three"] {
                let mut server = start(poller, &path, more);
                let mut bob = Client::named(server.chat(), "bob");
                alice = come_back(&server, &alice.ticket(), line);
                server
                    .stderr
                    .wait_for("a line of the log", |line| line.contains("known from before the restart"));
                bob.wait_for(&format!("<guest-1> {line}"));
                let before = rows(&path, "SELECT hex(hash) FROM keys");
                alice.ask();
                wait_for_rows(&path, &format!("{KEYS} WHERE hex(hash) <> '{}'", before[0]), &["1"]);
                end_server(server);
            }
            assert_eq!(rows(&path, SAID), ["1: one,two,three"], "{end} {more:?}");
            let client =
                &rows(&path, "SELECT DISTINCT CAST(client AS TEXT) FROM messages WHERE kind = 'say'")[0];
            let view = format!("SELECT text FROM client_{client}");
            assert_eq!(rows(&path, &view), ["one", "two", "three"], "{end} {more:?}");
        }
    }
}

/// It was welcomed as a newcomer, and nobody else knows of it yet.
fn one_that_says_late_that_it_comes_back_is_known_too(poller: Poller) {
    let (_folder, path) = folder();
    let server = start(poller, &path, &[]);
    let Ticket { key, received } = enter(&server, &path, "one").ticket();
    kill(server);
    let server = start(poller, &path, &[]);
    let mut alice = Speaker::connect(server.chat());
    alice.expect_matching("a welcome", |line| line.starts_with("-- welcome to parlour"));
    alice.tell(&format!("resume {key} {received}"));
    assert_eq!(alice.message(), "unknown");
    alice.say("two");
    alice.say("/ping");
    alice.wait_for("-- pong");
    server.stop();
    assert_eq!(rows(&path, SAID), ["1: one,two"]);
}

fn a_key_is_good_once(poller: Poller) {
    let (_folder, path) = folder();
    let server = start(poller, &path, &[]);
    let ticket = enter(&server, &path, "one").ticket();
    kill(server);
    let server = start(poller, &path, &[]);
    // Its last digit is another one.
    let last = if ticket.key.ends_with('0') { '1' } else { '0' };
    let key = format!("{}{last}", &ticket.key[..ticket.key.len() - 1]);
    drop(come_back(&server, &Ticket { key, received: 0 }, "guessed"));
    let _alice = come_back(&server, &ticket, "two");
    let _thief = come_back(&server, &ticket, "three");
    server.stop();
    let authors = "SELECT count(DISTINCT client) || ' ' || count(*) FROM messages \
                   WHERE CAST(text AS TEXT) IN ('one', 'two')";
    assert_eq!(rows(&path, authors), ["1 2"]);
    let thief = "SELECT CAST(count(*) AS TEXT) FROM messages WHERE client = \
                 (SELECT client FROM messages WHERE CAST(text AS TEXT) = 'three')";
    assert_eq!(rows(&path, &format!("{thief} AND kind = 'say'")), ["1"]);
}

fn one_that_has_left_is_not_known_again(poller: Poller) {
    type End = fn(&mut Server, Speaker);
    let ends: [(&str, End); 3] = [
        ("it has quit", |_, mut alice| {
            alice.say("/quit");
            alice.lines_to_close();
        }),
        ("it was kicked", |server, mut alice| {
            server.type_line("/kick alice");
            alice.lines_to_close();
        }),
        ("the operator has forgotten it", |server, alice| {
            server.type_line("/forget alice");
            server.stderr.wait_for("it to be forgotten", |line| line.contains("forgotten"));
            drop(alice.cut());
        }),
    ];
    for (how, end) in ends {
        let (_folder, path) = folder();
        let mut command = poller.command(&["--chat", "0", "--console", "--journal", text(&path)]);
        command.stdin(Stdio::piped());
        let mut server = Server::launch(command);
        let alice = enter(&server, &path, "one");
        let ticket = alice.ticket();
        end(&mut server, alice);
        wait_for_rows(&path, KEYS, &["0"]);
        kill(server);
        let server = start(poller, &path, &[]);
        drop(come_back(&server, &ticket, "two"));
        server.stop();
        let authors =
            "SELECT CAST(count(*) AS TEXT) FROM (SELECT DISTINCT client FROM messages WHERE kind = 'say')";
        let expected = if how.contains("forgotten") { "1" } else { "2" };
        assert_eq!(rows(&path, authors), [expected], "{how}");
    }
}

fn one_that_comes_too_late_is_not_known_again(poller: Poller) {
    for window in ["1s", "0"] {
        let (_folder, path) = folder();
        let server = start(poller, &path, &[]);
        let ticket = enter(&server, &path, "one").ticket();
        kill(server);
        let server = start(poller, &path, &["--resume-window", window]);
        // It forgets the key by itself.
        wait_for_rows(&path, KEYS, &["0"]);
        drop(come_back_to_any(&server, &ticket, "two"));
        server.stop();
        assert_eq!(rows(&path, SAID), ["2: one,two"], "{window}");
    }
}

fn one_that_others_know_of_is_not_known_again_and_its_key_is_forgotten(poller: Poller) {
    let (_folder, path) = folder();
    let server = start(poller, &path, &[]);
    let Ticket { key, received } = enter(&server, &path, "one").ticket();
    kill(server);
    let server = start(poller, &path, &["--resume-window", "2s"]);
    let mut alice = Speaker::connect(server.chat());
    alice.say("two");
    alice.say("/ping");
    alice.wait_for("-- pong");
    alice.tell(&format!("resume {key} {received}"));
    assert_eq!(alice.message(), "unknown");
    alice.say("three");
    // No later server may take the key.
    wait_for_rows(&path, KEYS, &["0"]);
    server.stop();
    assert_eq!(rows(&path, SAID), ["2: one,two,three"]);
}

/// As [`come_back`], where nobody may be listening for those who come back.
fn come_back_to_any(server: &Server, ticket: &Ticket, line: &str) -> Speaker {
    let mut alice = Speaker::back(server.chat(), ticket);
    alice.say(line);
    alice.say("/ping");
    alice.wait_for("-- pong");
    alice
}

/// It has a session and has said nothing, so the journal has nothing but its key.
#[test]
fn nobody_else_gets_the_number_of_one_that_has_said_nothing() {
    let (_folder, path) = folder();
    let server = Server::chatting(&["--journal", text(&path)]);
    let mut silent = Speaker::connect(server.chat());
    silent.expect_matching("a welcome", |line| line.starts_with("-- welcome to parlour"));
    silent.ask();
    wait_for_rows(&path, KEYS, &["1"]);
    let number = rows(&path, "SELECT CAST(client AS TEXT) FROM keys");
    kill(server);
    let server = Server::chatting(&["--journal", text(&path)]);
    let mut bob = Client::named(server.chat(), "bob");
    bob.say("hello");
    bob.catch_up();
    drop(come_back(&server, &silent.ticket(), "it is me"));
    server.stop();
    let author = "SELECT CAST(client AS TEXT) FROM messages WHERE CAST(text AS TEXT) = 'it is me'";
    assert_eq!(rows(&path, author), number);
    assert_ne!(rows(&path, &author.replace("it is me", "hello")), number);
}

#[test]
fn no_key_can_be_read_in_the_file() {
    let (folder, path) = folder();
    let server = Server::chatting(&["--journal", text(&path)]);
    let ticket = enter(&server, &path, "one").ticket();
    let (_, secret) = ticket.key.split(' ').next().expect("a key").split_once('-').expect("a secret");
    let bytes: Vec<u8> = (0..secret.len() / 2)
        .map(|at| u8::from_str_radix(&secret[2 * at..2 * at + 2], 16).expect("a number"))
        .collect();
    let contains = |all: &[u8], part: &[u8]| all.windows(part.len()).any(|window| window == part);
    let mut looked_at = 0;
    for file in fs::read_dir(folder.path()).expect("a folder") {
        let content = fs::read(file.expect("a file").path()).expect("a file");
        assert!(!contains(&content, &bytes) && !contains(&content, secret.as_bytes()));
        looked_at += content.len();
    }
    assert!(looked_at > 4096, "{looked_at}");
    server.stop();
}

/// The real client. It has its name back, too.
#[test]
fn a_person_need_not_do_anything() {
    for signal in [sys::SIGKILL, sys::SIGTERM] {
        let (_folder, path) = folder();
        let mut server = Server::chatting(&["--journal", text(&path)]);
        let port = server.port().to_owned();
        let mut terminal = Terminal::start(join(&["--nick", "alice", &port]));
        terminal.wait_for("-- guest-1 is now alice");
        terminal.press("one\r");
        wait_for_rows(&path, SAID, &["1: one"]);
        wait_for_rows(&path, KEYS, &["1"]);
        server.signal(signal);
        server.wait();
        let mut server = Server::start(&["--chat", &port, "--journal", text(&path)]);
        server.stderr.wait_for("it to be known", |line| line.contains("known from before the restart"));
        terminal.wait_for(&format!("-- connected to 127.0.0.1:{port} again"));
        terminal.press("two\r");
        wait_for_rows(&path, SAID, &["1: one,two"]);
        let names = "SELECT DISTINCT name FROM messages WHERE kind = 'say'";
        assert_eq!(rows(&path, names), ["alice"]);
        terminal.press("/quit\r");
        wait_for_rows(&path, KEYS, &["0"]);
        server.signal(sys::SIGTERM);
        server.wait();
    }
}
