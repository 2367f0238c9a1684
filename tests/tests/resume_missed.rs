//! What a client has missed while it was away: it is told all of it, from the room's log or from the journal. If some
//! of it is in neither, it is told exactly how many messages are gone.

use std::path::Path;

use parlour_tests::chat::Talk;
use parlour_tests::client::Client;
use parlour_tests::server::{Poller, Server};
use parlour_tests::session::{Speaker, wait_for_absence};
use parlour_tests::with_each_poller;

with_each_poller! {
    all_is_told_from_the_log,
    what_the_log_has_lost_is_told_from_the_journal,
    what_is_gone_is_counted,
    what_is_gone_is_counted_each_time,
    what_was_said_to_it_alone_stands_where_it_was_said,
}

/// A server whose rooms keep about 80 lines.
fn forgetful(poller: Poller, args: &[&str]) -> Server {
    poller.chatting(&[&["--line-limit", "256", "--log-size", "4k"], args].concat())
}

fn line(number: usize) -> String {
    format!("{number:04} {}", "x".repeat(40))
}

/// Alice is away while bob says so many lines. She is back.
fn miss(server: &mut Server, bob: &mut Client, alice: Speaker, numbers: std::ops::Range<usize>) -> Speaker {
    let ticket = alice.cut();
    wait_for_absence(server, 1);
    for number in numbers {
        bob.say(&line(number));
    }
    bob.catch_up();
    let mut alice = Speaker::back(server.chat(), &ticket);
    alice.expect_resumed();
    alice
}

fn expect_lines(alice: &mut Speaker, numbers: std::ops::Range<usize>) {
    for number in numbers {
        alice.expect_line(&format!("<bob> {}", line(number)));
    }
}

fn all_is_told_from_the_log(poller: Poller) {
    let mut server = forgetful(poller, &[]);
    let mut bob = Client::named(server.chat(), "bob");
    let alice = Speaker::enter(server.chat(), "alice");
    let mut alice = miss(&mut server, &mut bob, alice, 0..40);
    expect_lines(&mut alice, 0..40);
    alice.expect_nothing();
    server.stop();
}

fn what_the_log_has_lost_is_told_from_the_journal(poller: Poller) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| Path::join(folder.path(), name).display().to_string();
    let mut server = forgetful(poller, &["--journal", &path("chat.db")]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut alice = Speaker::enter(server.chat(), "alice");
    // Again and again, and always from where it was.
    for round in 0..3 {
        let numbers = 1_000 * round..1_000 * (round + 1);
        alice = miss(&mut server, &mut bob, alice, numbers.clone());
        expect_lines(&mut alice, numbers);
        alice.expect_nothing();
    }
    server.stop();
}

/// Takes the line that says how many messages are gone.
fn gone(alice: &mut Speaker) -> usize {
    let told = alice.line();
    let number = told.strip_prefix("-- you missed ").and_then(|rest| rest.strip_suffix(" messages"));
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{told:?} says no number"))
}

fn what_is_gone_is_counted(poller: Poller) {
    let mut server = forgetful(poller, &[]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut alice = Speaker::enter(server.chat(), "alice");
    bob.say("before");
    alice.wait_for("<bob> before");
    let mut alice = miss(&mut server, &mut bob, alice, 0..1_000);
    let gone = gone(&mut alice);
    assert!((900..1_000).contains(&gone), "{gone} of 1000 are gone");
    expect_lines(&mut alice, gone..1_000);
    alice.expect_nothing();
    server.stop();
}

fn what_is_gone_is_counted_each_time(poller: Poller) {
    let mut server = forgetful(poller, &[]);
    let mut bob = Client::named(server.chat(), "bob");
    let mut alice = Speaker::enter(server.chat(), "alice");
    for round in 0..5 {
        let numbers = 300 * round..300 * (round + 1);
        alice = miss(&mut server, &mut bob, alice, numbers.clone());
        let gone = gone(&mut alice);
        expect_lines(&mut alice, numbers.start + gone..numbers.end);
        alice.expect_nothing();
    }
    server.stop();
}

fn what_was_said_to_it_alone_stands_where_it_was_said(poller: Poller) {
    let mut server = forgetful(poller, &[]);
    let mut bob = Client::named(server.chat(), "bob");
    let ticket = Speaker::enter(server.chat(), "alice").cut();
    wait_for_absence(&mut server, 1);
    for number in 0..10 {
        bob.say(&line(number));
        bob.say(&format!("/msg alice psst {number}"));
    }
    bob.say("/join den");
    bob.wait_for("-- you are in den");
    bob.say("/msg alice come here");
    bob.wait_for("[to alice] come here");
    let mut alice = Speaker::back(server.chat(), &ticket);
    alice.expect_resumed();
    for number in 0..10 {
        expect_lines(&mut alice, number..number + 1);
        alice.expect_line(&format!("[bob] psst {number}"));
    }
    alice.expect_line("-- bob went to den");
    alice.expect_line("[bob] come here");
    alice.expect_nothing();
    server.stop();
}
