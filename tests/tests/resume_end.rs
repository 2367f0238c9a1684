//! A session that is over is over: its key is worth nothing any more.

use std::process::Stdio;

use parlour_tests::chat::Talk;
use parlour_tests::client::Client;
use parlour_tests::lines::Next;
use parlour_tests::server::{Poller, Server};
use parlour_tests::session::{Speaker, expect_unknown, wait_for_absence};
use parlour_tests::with_each_poller;

with_each_poller! {
    a_client_that_has_left_cannot_come_back,
    a_client_that_has_left_before_it_was_told_all_cannot_come_back,
    a_client_that_has_said_bye_cannot_come_back,
    a_client_that_was_kicked_cannot_come_back,
    a_client_that_was_away_for_too_long_cannot_come_back,
}

fn a_client_that_has_left_cannot_come_back(poller: Poller) {
    let server = poller.chatting(&["--idle-timeout", "2s"]);
    type End = fn(&mut Speaker);
    let ends: [(&str, End); 3] = [
        ("-- alice left: good night", |alice| alice.say("/quit good night")),
        ("-- alice left", |alice| alice.send(b"\x04")),
        ("-- alice left (timed out)", |_| {}),
    ];
    for (told, end) in ends {
        let mut bob = Client::named(server.chat(), "bob");
        let mut alice = Speaker::enter(server.chat(), "alice");
        bob.catch_up();
        let ticket = alice.ticket();
        end(&mut alice);
        alice.lines_to_close();
        assert_eq!(alice.messages(), ["bye"], "{told}");
        expect_unknown(server.chat(), &ticket);
        // He may have been idle for as long.
        while let Next::Line(line) = bob.next() {
            if line == format!("{told}\r\n").as_bytes() {
                break;
            }
            assert!(!line.starts_with(b"-- alice"), "{}", line.escape_ascii());
        }
    }
    server.stop();
}

/// More than is kept for a client, and less than a room waits for.
fn flood() -> Vec<String> {
    (0..1_500).map(|number| format!("{number} {}", "x".repeat(100))).collect()
}

fn a_client_that_has_left_before_it_was_told_all_cannot_come_back(poller: Poller) {
    let server = poller.chatting(&[]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut alice = Speaker::enter(server.chat(), "alice");
    let ticket = alice.ticket();
    for line in flood() {
        bob.say(&line);
    }
    bob.catch_up();
    alice.say("/quit");
    bob.wait_for("-- alice left");
    expect_unknown(server.chat(), &ticket);
    server.stop();
}

/// It says so itself, and the server says that it has got all.
fn a_client_that_has_said_bye_cannot_come_back(poller: Poller) {
    let server = poller.chatting(&[]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut alice = Speaker::enter(server.chat(), "alice");
    let ticket = alice.ticket();
    alice.say("good night");
    alice.tell("bye");
    alice.half_close();
    assert_eq!(alice.lines_to_close(), [""; 0]);
    assert_eq!(alice.messages(), ["ack 11"]);
    expect_unknown(server.chat(), &ticket);
    bob.wait_for("<alice> good night");
    bob.expect_line("-- alice left");
    server.stop();
}

/// A server whose console is typed into.
fn with_console(poller: Poller, args: &[&str]) -> Server {
    let mut command = poller.command(&[&["--chat", "0", "--console"], args].concat());
    command.stdin(Stdio::piped());
    Server::launch(command)
}

fn a_client_that_was_kicked_cannot_come_back(poller: Poller) {
    let mut server = with_console(poller, &[]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut alice = Speaker::enter(server.chat(), "alice");
    let ticket = alice.ticket();
    server.type_line("/kick alice spam");
    bob.wait_for("-- alice left (kicked: spam)");
    expect_unknown(server.chat(), &ticket);
    alice.lines_to_close();
    assert_eq!(alice.messages(), ["bye"]);
    drop(alice);
    // One that is away, too.
    let ticket = Speaker::enter(server.chat(), "alice").cut();
    wait_for_absence(&mut server, 1);
    server.type_line("/kick alice spam");
    bob.wait_for("-- alice left (kicked: spam)");
    expect_unknown(server.chat(), &ticket);
    server.stop();
}

fn a_client_that_was_away_for_too_long_cannot_come_back(poller: Poller) {
    let server = poller.chatting(&["--resume-window", "1s"]);
    let mut bob = Client::named(server.chat(), "bob");
    let ticket = Speaker::enter(server.chat(), "alice").cut();
    bob.wait_for("-- alice left (connection lost)");
    expect_unknown(server.chat(), &ticket);
    server.stop();
}
