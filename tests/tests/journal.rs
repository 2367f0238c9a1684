//! What is said is kept, whatever happens to the server, its clients and its disk.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use parlour_tests::chat::{Talk, line_text};
use parlour_tests::client::{Client, ConnectOptions};
use parlour_tests::journals::{SmallDisk, folder, rows, text, wait_for_rows};
use parlour_tests::lines::{Next, PATIENCE};
use parlour_tests::seeds::Seeds;
use parlour_tests::server::{Poller, Server};
use parlour_tests::{sys, with_each_poller};

with_each_poller! {
    what_was_said_is_shown_after_a_restart,
    those_that_read_nothing_for_a_while_get_all_of_it_later_and_hold_up_nobody,
    what_relays_pass_on_is_kept_as_bytes,
    what_echo_listeners_get_is_kept,
}

/// The lines that a newcomer is told before it is told who is here.
fn shown(address: &str) -> Vec<String> {
    let mut client = Client::connect(address);
    client.line();
    client.say("/ping");
    client.wait_for("-- pong")
}

fn what_was_said_is_shown_after_a_restart(poller: Poller) {
    let (_folder, path) = folder();
    let args = ["--journal", text(&path), "--history", "3"];
    let server = poller.chatting(&args);
    let mut ann = Client::named(server.chat(), "ann");
    for number in 0..5 {
        ann.say(&format!("line {number}"));
    }
    ann.say("/topic bees");
    ann.say("/join den");
    ann.say("/me digs");
    ann.catch_up();
    server.stop();
    let said = "SELECT CAST(text AS TEXT) FROM client_1";
    assert_eq!(rows(&path, said), ["line 0", "line 1", "line 2", "line 3", "line 4", "digs"]);

    let server = poller.chatting(&args);
    let seen = shown(server.chat());
    assert!(seen[0] == "-- topic: bees", "{seen:?}");
    for (line, number) in seen[1..4].iter().zip(2..) {
        assert!(
            line.starts_with("-- earlier (") && line.ends_with(&format!("): <ann> line {number}")),
            "{seen:?}"
        );
    }
    assert_eq!(seen[4], "-- here: guest-1");
    let mut bob = Client::named(server.chat(), "bob");
    bob.say("/join den");
    let seen = bob.wait_for("-- here: bob");
    assert!(seen.last().is_some_and(|line| line.ends_with("* ann digs")), "{seen:?}");
    bob.say("later");
    bob.catch_up();
    server.stop();
    let ordered = "SELECT name FROM messages WHERE kind IN ('say', 'action') ORDER BY seq DESC LIMIT 2";
    assert_eq!(rows(&path, ordered), ["bob", "ann"], "numbers go on");
    assert_eq!(
        rows(&path, "SELECT CAST(count(DISTINCT client) AS TEXT) FROM messages WHERE kind = 'say'"),
        ["2"]
    );
}

fn what_relays_pass_on_is_kept_as_bytes(poller: Poller) {
    let (_folder, path) = folder();
    let server = poller.start(&["--relay", "0,name=gps", "--journal", text(&path)]);
    let mut feed = Client::connect(server.address("relay"));
    feed.send(b"$GPGLL\xFF\x00,1\r\n");
    let kept =
        "SELECT rooms.name || ' ' || kind || ' ' || hex(text) FROM messages JOIN rooms ON rooms.id = room";
    wait_for_rows(&path, kept, &["relay gps raw 244750474C4CFF002C310D0A"]);
    server.stop();
}

fn what_echo_listeners_get_is_kept(poller: Poller) {
    let (_folder, path) = folder();
    let server = poller.start(&["--echo", "0,name=mirror", "--journal", text(&path)]);
    let mut client = Client::connect(server.address("echo"));
    client.send(b"ab\ncd");
    assert_eq!(client.read_exactly(5), b"ab\ncd");
    let kept =
        "SELECT rooms.name || ' ' || client || ' ' || hex(text) FROM messages JOIN rooms ON rooms.id = room";
    wait_for_rows(&path, kept, &["echo mirror 1 61620A6364"]);
    // All of it, though the disk is slower.
    let sent: Vec<u8> = (0..40_u32 << 20).map(|number| (number / 7) as u8).collect();
    let mut stream = TcpStream::connect(server.address("echo")).expect("a connection");
    let mut again = stream.try_clone().expect("a socket");
    let expected = sent.clone();
    let sender = thread::spawn(move || stream.write_all(&sent).expect("it takes all"));
    let mut got = vec![0; expected.len()];
    again.read_exact(&mut got).expect("it comes back");
    sender.join().expect("it was sent");
    assert!(got == expected);
    server.stop();
    let size = "SELECT CAST(sum(length(text)) AS TEXT) FROM messages";
    assert_eq!(rows(&path, size), [(5 + expected.len()).to_string()]);
}

/// More is said than the log and the sockets have place for. So it comes from the journal.
fn those_that_read_nothing_for_a_while_get_all_of_it_later_and_hold_up_nobody(poller: Poller) {
    const LINES: usize = 40_000;
    let (_folder, path) = folder();
    let server = poller.chatting(&["--journal", text(&path), "--log-size", "64k", "--rate", "off"]);
    // With less, the kernel's flow control can take minutes to get going again.
    let small = ConnectOptions { receive_buffer: Some(32 * 1024), source: None };
    let mut stalled: Vec<_> = (0..3).map(|_| Client::enter_with(server.chat(), small)).collect();
    let mut ann = Client::named(server.chat(), "ann");
    let mut reader = Client::named(server.chat(), "bob");
    let line = |number: usize| format!("line {number:06} {}", "x".repeat(80));
    let hear_all = move |client: &mut Client| {
        let mut next = 0;
        while next < LINES {
            let Next::Line(got) = client.next() else { panic!("it was disconnected at line {next}") };
            let got = line_text(&got);
            if got.contains("<ann> line ") {
                assert!(got.ends_with(&format!("<ann> {}", line(next))), "{got:?} instead of line {next}");
                next += 1;
            }
            assert!(!got.contains("missed"), "{got:?} at line {next}");
        }
    };
    let reading = thread::spawn(move || {
        // On a busy machine, it may be too slow for a moment.
        hear_all(&mut reader);
        reader
    });
    for number in 0..LINES {
        ann.say(&line(number));
    }
    let _reader = reading.join().expect("one that reads gets everything before the others read");
    stalled.iter_mut().for_each(hear_all);
    ann.say("and now?");
    for client in &mut stalled {
        client.wait_for("<ann> and now?");
    }
    server.stop();
    assert!(rows(&path, "SELECT CAST(messages AS TEXT) FROM gaps").is_empty());
}

/// At any moment, the journal has a beginning of what was said: in order, once, without a hole.
#[test]
fn a_server_that_is_killed_leaves_a_journal_without_a_hole() {
    for seed in Seeds::chosen(20).one_by_one("a killed server") {
        let mut rng = Rng::with_seed(seed);
        let (_folder, path) = folder();
        let server = Server::chatting(&["--journal", text(&path), "--rate", "off"]);
        let mut ann = Client::named(server.chat(), "ann");
        let talk = thread::spawn(move || {
            let mut said = 0;
            while ann.try_send(format!("{said}\n").as_bytes()).is_ok() {
                said += 1;
            }
            said
        });
        thread::sleep(Duration::from_millis(rng.u64(5..150)));
        server.signal(sys::SIGKILL);
        let said = talk.join().expect("it was cut off");
        drop(server);
        let kept = rows(&path, "SELECT CAST(text AS TEXT) FROM messages WHERE kind = 'say' ORDER BY seq");
        assert!(kept.len() <= said, "{} of {said}", kept.len());
        for (number, text) in kept.iter().enumerate() {
            assert_eq!(*text, number.to_string(), "of {}", kept.len());
        }
        assert_eq!(rows(&path, "PRAGMA integrity_check"), ["ok"]);
        let server = Server::chatting(&["--journal", text(&path), "--history", "1"]);
        let last = kept.last().map(|last| format!("<ann> {last}"));
        let seen = shown(server.chat());
        assert!(last.is_none_or(|last| seen.iter().any(|line| line.ends_with(&last))), "{seen:?}");
        server.stop();
    }
}

#[test]
fn a_full_disk_makes_people_wait_and_costs_nothing() {
    let disk = SmallDisk::start(&["--chat", "0", "--rate", "off"]);
    let mut ann = Client::named(disk.server.chat(), "ann");
    let mut bob = Client::named(disk.server.chat(), "bob");
    ann.wait_for("-- guest-1 is now bob");
    disk.fill();
    let stopped = "-- the server cannot store what you say; please wait";
    let mut said = 0;
    let mut got = Vec::new();
    while !got.iter().any(|line| line == stopped) {
        ann.say(&format!("{said} {}", "x".repeat(900)));
        said += 1;
        got.push(bob.line());
        assert!(said < 10_000, "the disk is never full");
    }
    for _ in 0..5 {
        ann.say(&format!("{said} said while it waits"));
        said += 1;
    }
    disk.empty();
    got.extend(bob.wait_for("-- what you say is stored again"));
    ann.say("the end");
    got.extend(bob.wait_for("<ann> the end"));
    let heard = got.iter().filter(|line| line.starts_with("<ann> ")).count();
    assert_eq!(heard, said, "each line was passed on once");
    let start = Instant::now();
    loop {
        let kept = disk.rows("SELECT CAST(text AS TEXT) FROM messages WHERE kind = 'say' ORDER BY seq");
        if kept.len() == said + 1 {
            let first = |text: &String| text.split(' ').next().unwrap_or_default().to_owned();
            let numbers: Vec<_> = kept.iter().take(said).map(first).collect();
            assert_eq!(numbers, (0..said).map(|number| number.to_string()).collect::<Vec<_>>());
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{} of {said}", kept.len());
        thread::sleep(Duration::from_millis(20));
    }
    disk.server.stop();
}

#[test]
fn a_journal_that_cannot_be_used_is_named_and_the_server_does_not_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let foreign = folder.path().join("notes.txt");
    fs::write(&foreign, "not a database, but a text of some length".repeat(50)).expect("a file");
    let nowhere = folder.path().join("no/journal.db");
    for (path, why) in
        [(&foreign, "this file is not a journal of parlour"), (&nowhere, "No such file or directory")]
    {
        let ended = Server::run(&["--chat", "0", "--journal", text(path)]);
        assert_eq!(ended.code, Some(2));
        let wanted = format!("parlour: the journal {} cannot be used: {why}", path.display());
        assert!(ended.stderr[0].starts_with(&wanted), "{:?}", ended.stderr);
    }
    assert!(fs::read_to_string(&foreign).expect("it is there").starts_with("not a database"));
    let (_other, path) = self::folder();
    let server = Server::chatting(&["--journal", text(&path)]);
    let ended = Server::run(&["--chat", "0", "--journal", text(&path)]);
    assert!(ended.stderr[0].ends_with("another server writes this journal"), "{:?}", ended.stderr);
    server.stop();
}
