//! With `--durable`, whatever anybody was shown is on the disk.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fastrand::Rng;
use parlour_tests::chat::{Talk, line_text};
use parlour_tests::client::Client;
use parlour_tests::journals::{SmallDisk, folder, rows, text, wait_for_rows};
use parlour_tests::lines::Next;
use parlour_tests::seeds::Seeds;
use parlour_tests::server::{Poller, Server};
use parlour_tests::{sys, with_each_poller};

with_each_poller! {
    what_is_said_is_shown_stored_once_and_in_order,
    one_that_ends_its_input_gets_all_its_lines_in,
    what_an_echo_sends_back_is_stored,
    a_room_that_waits_for_a_slow_client_holds_up_no_other,
    what_is_said_last_is_stored_before_the_server_ends,
}

const SAID: &str = "SELECT messages.name || ' ' || CAST(text AS TEXT) FROM messages JOIN rooms ON rooms.id = room \
                    WHERE rooms.name = 'lobby' AND kind = 'say' ORDER BY seq";
/// What is left over when a server has ended.
const LEFT: &str = "SELECT CAST(count(*) AS TEXT) FROM proposals";

fn durable<'a>(path: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    [&["--durable", "--rate", "off", "--journal", text(path)], more].concat()
}

/// The text of what somebody says, from a line.
fn spoken(line: &str) -> Option<String> {
    let (name, text) = line.strip_prefix('<')?.split_once("> ")?;
    Some(format!("{name} {text}"))
}

fn what_is_said_is_shown_stored_once_and_in_order(poller: Poller) {
    const LINES: usize = 3_000;
    let (_folder, path) = folder();
    let server = poller.chatting(&durable(&path, &[]));
    let mut reader = Client::named(server.chat(), "reader");
    let mut talkers: Vec<_> = (0..3).map(|who| Client::named(server.chat(), &format!("t{who}"))).collect();
    reader.catch_up();
    let read = thread::spawn(move || {
        let mut seen: Vec<String> = Vec::new();
        while seen.len() < 3 * LINES {
            seen.extend(spoken(&reader.line()));
        }
        seen
    });
    let talk = talkers.iter_mut().map(|talker| {
        let mut talker = std::mem::replace(talker, Client::connect(server.chat()));
        thread::spawn(move || {
            for number in 0..LINES {
                talker.say(&number.to_string());
            }
            talker.catch_up()
        })
    });
    let talk: Vec<_> = talk.collect();
    let seen = read.join().expect("the reader gets all");
    for talker in talk {
        let seen = talker.join().expect("it said all").iter().filter_map(|line| spoken(line)).count();
        assert!(seen <= 2 * LINES, "nobody is told what it said itself");
    }
    server.stop();
    assert!(rows(&path, SAID) == seen, "the file has what was shown, in that order");
    for who in 0..3 {
        let own = seen.iter().filter_map(|line| line.strip_prefix(&format!("t{who} ")));
        assert!(own.eq((0..LINES).map(|number| number.to_string())), "in the order of t{who}");
    }
    assert_eq!(rows(&path, LEFT), ["0"]);
}

fn one_that_ends_its_input_gets_all_its_lines_in(poller: Poller) {
    const LINES: usize = 5_000;
    let (_folder, path) = folder();
    let server = poller.chatting(&durable(&path, &[]));
    let mut reader = Client::named(server.chat(), "reader");
    let mut nc = Command::new("nc.openbsd");
    nc.args(["-N", "127.0.0.1", server.port()]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut nc = nc.spawn().expect("nc");
    let all: String = (0..LINES).map(|number| format!("{number}\n")).collect();
    nc.stdin.take().expect("a pipe").write_all(all.as_bytes()).expect("nc takes all");
    assert!(nc.wait().expect("nc ends").success());
    let seen = reader.wait_for("-- guest-1 left");
    let seen = seen.iter().filter_map(|line| spoken(line));
    assert!(seen.eq((0..LINES).map(|number| format!("guest-1 {number}"))), "all of it, before it leaves");
    server.stop();
    assert_eq!(rows(&path, SAID).len(), LINES);
}

fn what_an_echo_sends_back_is_stored(poller: Poller) {
    let (_folder, path) = folder();
    let server = poller.start(&durable(&path, &["--echo", "0,name=mirror"]));
    let sent: Vec<u8> = (0..3_u32 << 20).map(|number| (number / 7) as u8).collect();
    let stream = TcpStream::connect(server.address("echo")).expect("a connection");
    let mut writer = stream.try_clone().expect("a socket");
    let bytes = sent.clone();
    let sender = thread::spawn(move || {
        writer.write_all(&bytes).expect("it takes all");
        writer.shutdown(std::net::Shutdown::Write).expect("a socket");
    });
    let mut got = Vec::new();
    std::io::Read::read_to_end(&mut &stream, &mut got).expect("it comes back");
    sender.join().expect("it was sent");
    assert!(got == sent);
    let size = "SELECT CAST(sum(length(text)) AS TEXT) FROM messages";
    assert_eq!(rows(&path, size), [sent.len().to_string()], "before it came back");
    server.stop();
    assert_eq!(rows(&path, size), [sent.len().to_string()]);
}

fn a_room_that_waits_for_a_slow_client_holds_up_no_other(poller: Poller) {
    let (_folder, path) = folder();
    let args = durable(&path, &["--log-size", "16k", "--grace", "1h", "--on-lag", "disconnect"]);
    let server = poller.chatting(&args);
    let mut slow = Client::named(server.chat(), "slow");
    let mut ann = Client::named(server.chat(), "ann");
    let [mut bob, mut eve] = ["bob", "eve"].map(|name| {
        let mut client = Client::named(server.chat(), name);
        client.say("/join den");
        client
    });
    slow.catch_up();
    eve.catch_up();
    ann.send_until_stuck(format!("{}\n", "x".repeat(400)).as_bytes());
    for number in 0..100 {
        bob.say(&number.to_string());
        eve.wait_for(&format!("<bob> {number}"));
    }
    // When the slow one reads on, all goes on.
    let drain = thread::spawn(move || {
        slow.wait_for("<ann> the end");
    });
    ann.say("");
    ann.say("the end");
    drain.join().expect("it gets all");
    server.stop();
    let last = rows(&path, SAID).pop();
    assert_eq!(last.as_deref(), Some("ann the end"));
}

fn what_is_said_last_is_stored_before_the_server_ends(poller: Poller) {
    let (_folder, path) = folder();
    let server = poller.chatting(&durable(&path, &[]));
    let mut ann = Client::named(server.chat(), "ann");
    // The answer says that it was read.
    ann.send(b"/who\nlast words\n");
    ann.expect_matching("who is here", |line| line.starts_with("-- in "));
    server.stop();
    let said = rows(&path, SAID);
    assert_eq!(said, ["ann last words"]);
    assert_eq!(rows(&path, LEFT), ["0"]);
}

// --- A server that is killed ---

/// What one client was shown until the server was gone.
fn watch(mut client: Client) -> JoinHandle<Vec<String>> {
    thread::spawn(move || {
        let mut seen = Vec::new();
        while let Next::Line(line) = client.next() {
            // The last line may be cut off.
            seen.extend(line.ends_with(b"\n").then(|| line_text(&line)).as_deref().and_then(spoken));
        }
        seen
    })
}

/// Says numbers from `first` on until the server is gone. Returns the first one that may not have been sent.
fn talk(mut client: Client, first: usize) -> JoinHandle<usize> {
    thread::spawn(move || {
        let mut number = first;
        while client.try_send(format!("{number}\n").as_bytes()).is_ok() {
            number += 1;
        }
        number
    })
}

/// What each client of one life of a server has seen.
struct Life {
    watchers: Vec<Vec<String>>,
    /// What came out of the relay and of the echo.
    relayed: Vec<u8>,
    echoed: Vec<u8>,
}

const TALKERS: usize = 3;
const WATCHERS: usize = 2;

/// A server lives for a while under load, and is killed.
fn live_and_die(path: &Path, rng: &mut Rng, next: &mut [usize]) -> Life {
    let server = Server::chatting(&durable(path, &["--relay", "0,name=gps", "--echo", "0,name=mirror"]));
    let watchers: Vec<_> = (0..WATCHERS).map(|_| watch(Client::enter(server.chat()))).collect();
    let talkers: Vec<_> = (0..TALKERS).map(|who| Client::named(server.chat(), &format!("t{who}"))).collect();
    let talkers: Vec<_> =
        talkers.into_iter().zip(&*next).map(|(client, first)| talk(client, *first)).collect();
    let mut relay = Client::connect(server.address("relay"));
    let mut feed = Client::connect(server.address("relay"));
    let mut mirrored = Client::connect(server.address("echo"));
    let fed = thread::spawn(move || while feed.try_send(b"$GPGLL,5,N*00\r\n").is_ok() {});
    let mirror = thread::spawn(move || {
        let mut got = Vec::new();
        for number in 0_u64.. {
            if mirrored.try_send(&number.to_le_bytes()).is_err() {
                break;
            }
            let some = mirrored.read_some();
            if some.is_empty() {
                break;
            }
            got.extend(some);
        }
        got
    });
    let relayed = thread::spawn(move || relay.read_to_close());
    thread::sleep(Duration::from_micros(rng.u64(1_000..250_000)));
    server.signal(sys::SIGKILL);
    for (talker, next) in talkers.into_iter().zip(next) {
        *next = talker.join().expect("it was cut off");
    }
    fed.join().expect("it was cut off");
    Life {
        watchers: watchers.into_iter().map(|watcher| watcher.join().expect("it was cut off")).collect(),
        relayed: relayed.join().expect("it was cut off"),
        echoed: mirror.join().expect("it was cut off"),
    }
}

/// The bytes of a room that begin after `from`.
fn bytes_of(path: &Path, room: &str, from: usize) -> Vec<u8> {
    let sql = format!(
        "SELECT hex(text) FROM messages JOIN rooms ON rooms.id = room WHERE rooms.name = '{room}' ORDER BY seq"
    );
    let hex = rows(path, &sql).concat();
    let digits: Vec<_> = hex.bytes().map(|digit| (digit as char).to_digit(16).expect("hex") as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).skip(from).collect()
}

/// What clients were shown stands in the file after `from`, in that order, once, and without a hole.
fn check_shown(said: &[String], from: usize, watchers: &[Vec<String>]) {
    for seen in watchers.iter().filter(|seen| !seen.is_empty()) {
        let begin = said[from..].iter().position(|line| *line == seen[0]);
        let begin = from + begin.unwrap_or_else(|| panic!("{:?} was shown, and is not in the file", seen[0]));
        for (at, line) in seen.iter().enumerate() {
            let stored = said.get(begin + at);
            assert!(stored == Some(line), "{line:?} was shown {at} lines later, and the file has {stored:?}");
        }
    }
}

/// Each of those that talk has said a number after the other, so a line that is there twice, or is missing
/// before one that is there, shows.
fn check_talkers(said: &[String], next: &[usize]) {
    let mut numbers = HashMap::<&str, Vec<usize>>::new();
    for line in said {
        let (name, number) = line.split_once(' ').expect("a name");
        numbers.entry(name).or_default().push(number.parse().expect("a number"));
    }
    for (name, numbers) in numbers {
        assert!(numbers.is_sorted_by(|one, other| one < other), "{name} in order, once");
        let who: usize = name[1..].parse().expect("a talker");
        assert!(numbers.last().is_none_or(|last| *last < next[who]), "nobody has said that");
    }
}

#[test]
fn a_server_that_is_killed_leaves_all_that_was_shown() {
    let (mut shown, mut left) = (0, 0);
    for seed in Seeds::chosen(12).one_by_one("a killed server with --durable") {
        let mut rng = Rng::with_seed(seed);
        let (_folder, path) = folder();
        let mut next = [0; TALKERS];
        for _ in 0..rng.u32(1..=3) {
            let before = if path.exists() {
                let [relayed, echoed] =
                    ["relay gps", "echo mirror"].map(|room| bytes_of(&path, room, 0).len());
                (rows(&path, SAID).len(), relayed, echoed)
            } else {
                (0, 0, 0)
            };
            let life = live_and_die(&path, &mut rng, &mut next);
            assert_eq!(rows(&path, "PRAGMA integrity_check"), ["ok"]);
            left += rows(&path, LEFT)[0].parse::<usize>().expect("a number");
            let server = Server::chatting(&durable(&path, &["--history", "1"]));
            let said = rows(&path, SAID);
            check_shown(&said, before.0, &life.watchers);
            check_talkers(&said, &next);
            let relayed = bytes_of(&path, "relay gps", before.1);
            assert!(relayed.starts_with(&life.relayed), "what the relay passed on");
            assert!(bytes_of(&path, "echo mirror", before.2).starts_with(&life.echoed), "what came back");
            assert_eq!(rows(&path, LEFT), ["0"]);
            // It goes on after all of that.
            let mut client = Client::connect(server.chat());
            client.line();
            if let Some(last) = said.last() {
                let (name, number) = last.split_once(' ').expect("a name");
                client
                    .expect_matching("the last line", |line| line.ends_with(&format!(": <{name}> {number}")));
            }
            client.say("/nick t0");
            client.say(&next[0].to_string());
            client.catch_up();
            server.stop();
            assert_eq!(rows(&path, SAID).last(), Some(&format!("t0 {}", next[0])), "numbers go on");
            next[0] += 1;
            assert_eq!(rows(&path, "PRAGMA integrity_check"), ["ok"]);
            shown += life.watchers.iter().map(Vec::len).sum::<usize>();
        }
    }
    println!("{shown} lines were shown, and {left} were stored for that when the servers were killed");
    assert!(shown > 0, "something was shown");
}

// --- Other files, other disks ---

#[test]
fn a_full_disk_lets_nobody_see_what_is_not_stored() {
    const BEFORE: usize = 20;
    let disk = SmallDisk::start(&["--chat", "0", "--rate", "off", "--durable"]);
    let mut ann = Client::named(disk.server.chat(), "ann");
    let mut bob = Client::named(disk.server.chat(), "bob");
    ann.wait_for("-- guest-1 is now bob");
    let line = |number: usize| format!("{number} {}", "x".repeat(900));
    let mut seen = Vec::new();
    for number in 0..BEFORE {
        ann.say(&line(number));
        seen.push(bob.line());
    }
    disk.fill();
    let stopped = "-- the server cannot store what you say; please wait";
    let talk = thread::spawn(move || {
        let mut all = (BEFORE..4_000).map(line);
        let _ = all.try_for_each(|line| ann.try_send(format!("{line}\n").as_bytes()));
        // If it went now, what the server has not read would be lost.
        ann
    });
    seen.extend(bob.wait_for(stopped));
    let kept = "SELECT CAST(text AS TEXT) FROM (SELECT seq, 0 AS id, text FROM messages WHERE kind = 'say' \
                UNION ALL SELECT 1 << 62, id, text FROM proposals) ORDER BY seq, id";
    let stored = disk.rows(kept);
    let shown: Vec<_> = seen.iter().filter_map(|line| line.strip_prefix("<ann> ")).collect();
    assert!(stored.len() >= shown.len() && shown.iter().zip(&stored).all(|(shown, stored)| shown == stored));
    disk.empty();
    seen.extend(bob.wait_for("-- what you say is stored again"));
    let first = seen.iter().filter(|line| line.starts_with("<ann> ")).count();
    // The disk is too small for all of it. It is enough that people can go on.
    for number in first..first + 50 {
        bob.wait_for(&format!("<ann> {}", line(number)));
    }
    disk.server.signal(sys::SIGKILL);
    drop(talk.join().expect("it was cut off"));
}

#[test]
fn a_journal_of_the_first_version_is_opened_and_goes_on() {
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("journals/version-1.db");
    let (_folder, path) = folder();
    fs::copy(&old, &path).expect("a journal");
    let version = "SELECT CAST(user_version AS TEXT) FROM pragma_user_version";
    assert_eq!(rows(&path, version), ["1"]);
    // To read it changes nothing.
    let shown = Server::run(&["history", text(&path)]);
    assert!(shown.stdout.iter().any(|line| line.ends_with("[lobby] <ann> first line")), "{:?}", shown.stdout);
    assert_eq!(rows(&path, version), ["1"]);
    for more in [&[][..], &["--durable"]] {
        let args = [&["--journal", text(&path), "--history", "9"], more].concat();
        let server = Server::chatting(&args);
        let mut bob = Client::connect(server.chat());
        bob.line();
        bob.expect_line("-- topic: bees");
        bob.expect_matching("what was said", |line| line.ends_with(": <ann> first line"));
        bob.say("/nick bob");
        bob.say("hi");
        bob.catch_up();
        server.stop();
    }
    assert_eq!(rows(&path, SAID), ["ann first line", "bob hi", "bob hi"]);
    assert_eq!(rows(&path, LEFT), ["0"]);
}

/// A line that a server had stored and nobody was shown, when its power was cut.
#[test]
fn what_was_stored_and_not_shown_comes_after_all_others() {
    let (_folder, path) = folder();
    let server = Server::chatting(&durable(&path, &[]));
    let mut ann = Client::named(server.chat(), "ann");
    ann.say("one");
    ann.catch_up();
    server.stop();
    let db = rusqlite::Connection::open(&path).expect("a journal");
    for number in [7, 3, 5] {
        db.execute(
            "INSERT INTO proposals SELECT ?1, time, room, client, name, kind, detail, CAST(CAST(?1 AS TEXT) AS BLOB) \
             FROM messages WHERE kind = 'say'",
            [number],
        )
        .expect("a proposal");
    }
    drop(db);
    let server = Server::chatting(&["--journal", text(&path)]);
    wait_for_rows(&path, SAID, &["ann one", "ann 3", "ann 5", "ann 7"]);
    let mut ann = Client::named(server.chat(), "ann");
    ann.say("two");
    ann.catch_up();
    server.stop();
    assert_eq!(rows(&path, SAID), ["ann one", "ann 3", "ann 5", "ann 7", "ann two"]);
}

#[test]
fn options_that_would_break_the_promise_are_refused() {
    let (_folder, path) = folder();
    for (more, why) in [
        (&["--journal-sync", "normal"], "parlour: --durable cannot be used with --journal-sync normal: "),
        (
            &["--on-journal-failure", "continue"],
            "parlour: --durable cannot be used with --on-journal-failure continue: ",
        ),
    ] {
        let ended = Server::run(&[&["serve", "--chat", "0"], &durable(&path, more)[..]].concat());
        assert_eq!(ended.code, Some(2));
        assert!(ended.stderr[0].starts_with(why), "{:?}", ended.stderr);
        assert!(!path.exists());
    }
    let ended = Server::run(&["serve", "--chat", "0", "--durable"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.iter().any(|line| line.contains("--journal <FILE>")), "{:?}", ended.stderr);
}

#[test]
fn what_was_recorded_is_replayed() {
    let (folder, path) = folder();
    let trace = folder.path().join("trace");
    let server = Server::chatting(&durable(&path, &["--record", text(&trace), "--echo", "0"]));
    let mut ann = Client::named(server.chat(), "ann");
    let mut bob = Client::named(server.chat(), "bob");
    let mut echo = Client::connect(server.address("echo"));
    for number in 0..100 {
        ann.say(&number.to_string());
        bob.wait_for(&format!("<ann> {number}"));
    }
    echo.send(b"abc");
    assert_eq!(echo.read_exactly(3), b"abc");
    server.stop();
    let replayed = Server::run(&["replay", "--quiet", text(&trace)]);
    assert_eq!((replayed.code, replayed.stderr), (Some(0), vec![]));
}
