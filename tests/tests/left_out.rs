//! What the journal does not have: listeners that are left out, and bytes of echo listeners that found no place.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use parlour_tests::chat::Talk;
use parlour_tests::client::Client;
use parlour_tests::lines::PATIENCE;
use parlour_tests::server::{Poller, Server, binary};
use parlour_tests::with_each_poller;
use rusqlite::{Connection, OpenFlags};

with_each_poller! {
    the_journal_has_nothing_of_a_listener_that_is_left_out,
    nor_has_one_that_is_durable,
    history_does_not_wait_for_what_is_said_to_a_listener_that_is_left_out,
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of UTF-8")
}

fn rows(path: &Path, sql: &str) -> Vec<String> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("a journal");
    db.busy_timeout(PATIENCE).expect("a time");
    let mut statement = db.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.map(|row| row.unwrap_or_else(|error| panic!("{sql}: {error}"))).collect()
}

/// A server whose journal is on a disk of its own, which only it sees; and the path of that disk.
fn on_small_disk(folder: &Path, size: &str, args: &[&str]) -> (Server, PathBuf) {
    let mut command = Command::new("unshare");
    let disk = folder.join("disk");
    fs::create_dir(&disk).expect("a folder");
    let script = format!(
        "mount -t tmpfs -o size={size} none '{0}' && exec '{1}' serve --journal '{0}/journal.db' \"$@\"",
        disk.display(),
        binary().display()
    );
    command.args(["-rm", "sh", "-c", &script, "parlour"]).args(args).stdin(Stdio::null());
    let server = Server::launch(command);
    let disk = format!("/proc/{}/root{}", server.pid(), disk.display());
    (server, disk.into())
}

/// Sends bytes to an echo, and reads them back.
fn echo(address: &str, count: usize) {
    let sent: Vec<u8> = (0..count).map(|number| (number / 7) as u8).collect();
    let mut stream = TcpStream::connect(address).expect("a connection");
    let mut again = stream.try_clone().expect("a socket");
    let expected = sent.clone();
    let sender = thread::spawn(move || stream.write_all(&sent).expect("it takes all"));
    let mut got = vec![0; count];
    again.read_exact(&mut got).expect("it comes back");
    sender.join().expect("it was sent");
    assert!(got == expected);
}

fn the_journal_has_nothing_of_a_listener_that_is_left_out(poller: Poller) {
    leave_out(poller, &[]);
}

fn nor_has_one_that_is_durable(poller: Poller) {
    leave_out(poller, &["--durable"]);
}

fn leave_out(poller: Poller, more: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.db");
    let relays = ["--relay", "0,name=gps", "--relay", "0,name=ais,journal=off"];
    let echoes = ["--echo", "0,name=loud", "--echo", "0,name=quiet,journal=off"];
    let server = poller.start(&[&relays[..], &echoes, &["--journal", text(&path)], more].concat());
    let addresses = |wanted: &str| -> Vec<String> {
        let all = server.listening().iter();
        all.filter(|(protocol, _)| protocol == wanted).map(|(_, address)| address.clone()).collect()
    };
    let (relays, echoes) = (addresses("relay"), addresses("echo"));
    let mut receiver = Client::connect(&relays[1]);
    receiver.send(b"I am here\r\n");
    let mut feed = Client::connect(&relays[1]);
    feed.send(b"confidential 1\r\n");
    receiver.wait_for("confidential 1");
    let mut client = Client::connect(&echoes[1]);
    client.send(b"confidential 2\r\n");
    client.wait_for("confidential 2");
    let mut client = Client::connect(&echoes[0]);
    client.send(b"loud\r\n");
    client.wait_for("loud");
    let mut feed = Client::connect(&relays[0]);
    feed.send(b"$GPGLL,1\r\n");
    let kept = "SELECT rooms.name || ' ' || CAST(text AS TEXT) FROM messages JOIN rooms ON rooms.id = room \
                ORDER BY rooms.name";
    let start = Instant::now();
    while rows(&path, kept) != ["echo loud loud\r\n", "relay gps $GPGLL,1\r\n"] {
        assert!(start.elapsed() < PATIENCE, "{:?}", rows(&path, kept));
        thread::sleep(Duration::from_millis(10));
    }
    server.stop();
    assert_eq!(rows(&path, "SELECT name FROM rooms ORDER BY name"), ["echo loud", "relay gps"]);
    let bytes = fs::read(&path).expect("it is there");
    assert!(!bytes.windows(12).any(|window| window == b"confidential"));
}

fn history_does_not_wait_for_what_is_said_to_a_listener_that_is_left_out(poller: Poller) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.db");
    let args = ["--relay", "0,journal=off", "--journal", text(&path)];
    let server = poller.chatting(&args);
    let mut ann = Client::named(server.chat(), "ann");
    ann.say("long ago");
    ann.catch_up();
    server.stop();
    let server = poller.chatting(&args);
    let mut bob = Client::named(server.chat(), "bob");
    bob.say("now");
    let [mut feed, mut receiver] = [(); 2].map(|()| Client::connect(server.address("relay")));
    receiver.send(b"I am here\r\n");
    feed.wait_for("I am here");
    bob.catch_up();
    bob.say("/history 50");
    bob.expect_matching("what was said before", |line| line.ends_with("<ann> long ago"));
    bob.expect_matching("what was said now", |line| line.ends_with("<bob> now"));
    server.stop();
}

/// All chat clients wait. A relay that is left out has nothing to wait for.
#[test]
fn a_listener_that_is_left_out_goes_on_while_the_journal_cannot_be_written() {
    for more in [&[][..], &["--durable"]] {
        go_on(more);
    }
}

fn go_on(more: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let args = [&["--chat", "0", "--relay", "0,journal=off", "--rate", "off"], more].concat();
    let (server, disk) = on_small_disk(folder.path(), "2m", &args);
    let mut ann = Client::named(server.chat(), "ann");
    let mut bob = Client::named(server.chat(), "bob");
    let mut receiver = Client::connect(server.address("relay"));
    receiver.send(b"I am here\r\n");
    let _ = fs::write(disk.join("filler"), vec![0; 2 << 20]);
    let stopped = "-- the server cannot store what you say; please wait";
    let mut said = 0;
    loop {
        ann.say(&format!("{said} {}", "x".repeat(900)));
        if bob.line() == stopped {
            break;
        }
        said += 1;
        assert!(said < 10_000, "the disk is never full");
    }
    let mut feed = Client::connect(server.address("relay"));
    for number in 0..100 {
        feed.send(format!("$GPGLL,{number}\r\n").as_bytes());
        receiver.wait_for(&format!("$GPGLL,{number}"));
    }
    fs::remove_file(disk.join("filler")).expect("the filler is there");
    bob.wait_for("-- what you say is stored again");
    server.stop();
}

/// One that is too slow gets what the log still has. More is not in the journal, so it is disconnected as without one.
#[test]
fn what_a_log_without_a_journal_has_lost_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.db");
    let args =
        ["--relay", "0,journal=off", "--journal", text(&path), "--log-size", "64k", "--grace", "100ms"];
    let server = Server::start(&args);
    let mut slow = Client::connect(server.address("relay"));
    slow.send(b"I am here\r\n");
    let mut feed = Client::connect(server.address("relay"));
    let line = [&[b'x'; 99][..], b"\n"].concat();
    for _ in 0..160_000 {
        feed.send(&line);
    }
    let got = slow.read_to_close();
    assert!(got.len() < 16_000_000, "all of it has come from somewhere");
    server.stop();
    assert!(rows(&path, "SELECT name FROM rooms").is_empty());
}

#[test]
fn gaps_count_what_echo_listeners_got_while_the_journal_failed() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["--echo", "0", "--on-journal-failure", "continue"];
    let (mut server, disk) = on_small_disk(folder.path(), "64m", &args);
    echo(server.address("echo"), 1_000);
    let filler = disk.join("filler");
    let _ = fs::write(&filler, vec![0; 64 << 20]);
    echo(server.address("echo"), 1 << 20);
    server.stderr.wait_for("the failure", |line| line.contains("going on without it"));
    // More than waits for a disk.
    echo(server.address("echo"), 24 << 20);
    fs::remove_file(&filler).expect("the filler is there");
    server.stderr.wait_for("the end of it", |line| line.contains("messages are missing in it"));
    echo(server.address("echo"), 1_000);
    let copy = folder.path().join("copy.db");
    let counts = "SELECT (SELECT max(seq) - min(seq) + 1 FROM messages) \
                  = (SELECT count(*) FROM messages) + (SELECT sum(messages) FROM gaps) \
                  AND (SELECT sum(records) FROM gaps) = (SELECT sum(last - first + 1) FROM gaps) \
                  AND (SELECT min(time) FROM gaps) > 0";
    let start = Instant::now();
    loop {
        for end in ["", "-wal"] {
            let name = format!("{}{end}", disk.join("journal.db").display());
            fs::copy(name, format!("{}{end}", copy.display())).expect("it is there");
        }
        let db = Connection::open(&copy).expect("a copy");
        let is_right: Option<bool> = db.query_row(counts, [], |row| row.get(0)).unwrap_or_default();
        if is_right == Some(true) {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "the counts are {is_right:?}");
        thread::sleep(Duration::from_millis(50));
    }
    server.stop();
}
