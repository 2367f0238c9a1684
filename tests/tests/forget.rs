//! `/forget` on the console: what one client has said leaves the journal, and the bytes of its file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use parlour_tests::chat::Talk;
use parlour_tests::client::{Client, ConnectOptions};
use parlour_tests::lines::PATIENCE;
use parlour_tests::programs::found;
use parlour_tests::server::{Poller, Server};
use parlour_tests::with_each_poller;
use tempfile::TempDir;

with_each_poller! {
    a_client_is_forgotten_and_others_are_not,
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    (folder, path)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of UTF-8")
}

fn with_console(poller: Poller, args: &[&str]) -> Server {
    let mut command = poller.command(&[&["--chat", "0", "--console"], args].concat());
    command.stdin(Stdio::piped());
    Server::launch(command)
}

fn sqlite(path: &Path, sql: &str) -> Vec<String> {
    let output = Command::new(found("sqlite3", "sqlite3"))
        .args(["-cmd", ".timeout 10000", text(path), sql])
        .output()
        .expect("sqlite3 starts");
    assert!(output.status.success() && output.stderr.is_empty(), "{sql}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

/// Whether these bytes are in the file, or in the files beside it.
fn is_in_bytes(path: &Path, word: &str) -> bool {
    ["", "-wal", "-shm"].iter().any(|end| {
        let bytes = fs::read(format!("{}{end}", path.display())).unwrap_or_default();
        bytes.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
    })
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// All that was shown until a line with `end`.
fn answer(server: &mut Server, command: &str, end: &str) -> Vec<String> {
    server.type_line(command);
    server.stdout.wait_for(end, |line| line.contains(end));
    server.stdout.seen().to_vec()
}

fn a_client_is_forgotten_and_others_are_not(poller: Poller) {
    let (_folder, path) = folder();
    let mut server = with_console(poller, &["--journal", text(&path), "--rate", "off"]);
    let mut ann = Client::named(server.chat(), "ann");
    let mut bob = Client::named(server.chat(), "Zebedee");
    for number in 0..300 {
        bob.say(&format!("xylophone{number} quagmire"));
        ann.say(&format!("harmless {number}"));
    }
    bob.say("/topic kumquat season");
    bob.say("/quit flamingo");
    bob.read_to_close();
    ann.catch_up();
    let indexed = "SELECT count(*) FROM words WHERE words MATCH 'quagmire'";
    wait_until("it is indexed", || sqlite(&path, indexed) == ["300"]);
    for word in ["zebedee", "xylophone", "quagmire", "kumquat", "flamingo"] {
        assert!(is_in_bytes(&path, word), "the test finds {word}");
    }
    let told = answer(&mut server, "/forget zebedee", "that the server has in its memory");
    assert!(told.iter().any(|line| line == "-- forgetting Zebedee (#3)"), "{told:?}");
    let end = "-- forgotten: Zebedee (#3); nothing is left in the journal";
    assert!(told.iter().any(|line| line == end), "{told:?}");
    for word in ["zebedee", "xylophone", "quagmire", "kumquat", "flamingo"] {
        assert!(!is_in_bytes(&path, word), "{word} is still in the file");
    }
    assert_eq!(sqlite(&path, indexed), ["0"]);
    assert_eq!(sqlite(&path, "SELECT count(*) FROM words WHERE words MATCH 'harmless'"), ["300"]);
    assert_eq!(sqlite(&path, "SELECT count(*) FROM client_2"), ["300"]);
    assert_eq!(sqlite(&path, "SELECT name FROM clients"), ["ann"]);
    assert_eq!(sqlite(&path, "SELECT name FROM sqlite_schema WHERE type = 'view'"), ["client_2"]);
    ann.say("still here");
    ann.catch_up();
    server.stop();
    assert_eq!(sqlite(&path, "PRAGMA integrity_check"), ["ok"]);
    assert!(!is_in_bytes(&path, "xylophone"));
    assert_eq!(sqlite(&path, "SELECT count(*) FROM messages WHERE text = CAST('still here' AS BLOB)"), ["1"]);
}

#[test]
fn if_several_were_called_so_one_is_chosen_by_its_number() {
    let (_folder, path) = folder();
    let mut server = with_console(Poller::Select, &["--journal", text(&path)]);
    // The console is the first client.
    for number in 0..3 {
        let mut bob = Client::named(server.chat(), "bob");
        bob.say(&format!("visit {number}"));
        bob.say("/quit");
        bob.read_to_close();
    }
    let told = answer(&mut server, "/forget bob", "#2 bob");
    let head = "-- 3 clients were last called bob; choose one, as in /forget #4";
    assert!(told.iter().any(|line| line == head), "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("-- #3 bob, from 127.0.0.1:")), "{told:?}");
    answer(&mut server, "/forget nobody", "-- no client in the journal was last called nobody");
    answer(&mut server, "/forget #99", "-- the journal has no client #99");
    answer(&mut server, "/forget", "-- /forget needs a name or a number");
    answer(&mut server, "/forget #3", "forgotten: bob (#3)");
    let said = "SELECT client, CAST(text AS TEXT) FROM messages WHERE kind = 'say'";
    assert_eq!(sqlite(&path, said), ["2|visit 0", "4|visit 2"]);
    server.stop();
}

#[test]
fn the_help_has_it_only_with_a_journal() {
    let (_folder, path) = folder();
    let mut server = with_console(Poller::Select, &["--journal", text(&path)]);
    let help = answer(&mut server, "/help", "/who");
    let line = "-- /forget NAME: delete all that a client has said from the journal";
    assert!(help.iter().any(|shown| shown == line), "{help:?}");
    server.stop();
    let mut server = with_console(Poller::Select, &[]);
    let help = answer(&mut server, "/help", "/who");
    assert!(!help.iter().any(|line| line.contains("forget")), "{help:?}");
    answer(&mut server, "/forget bob", "unknown command /forget");
    server.stop();
}

/// One reader has let the server read all pages, so they are there for another one, who gets no more of them.
#[test]
fn what_is_forgotten_is_in_no_page_that_was_read_before() {
    // Few enough for all pages to be kept.
    const LINES: usize = 5_000;
    let (_folder, path) = folder();
    let args = ["--journal", text(&path), "--rate", "off", "--log-size", "64K"];
    let mut server = with_console(Poller::Epoll, &args);
    let small = ConnectOptions { receive_buffer: Some(4096), source: None };
    let [mut first, mut second] = [(); 2].map(|()| Client::enter_with(server.chat(), small));
    let mut ann = Client::named(server.chat(), "ann");
    let mut zebedee = Client::named(server.chat(), "Zebedee");
    let fill = "xylophone ".repeat(40);
    for number in 0..LINES {
        zebedee.say(&format!("{fill}{number}"));
    }
    zebedee.say("/quit");
    zebedee.read_to_close();
    // The server's own memory has only what ann says.
    for number in 0..2_000 {
        ann.say(&format!("{} {number}", "harmless ".repeat(10)));
    }
    ann.say("the end");
    ann.catch_up();
    let heard = |client: &mut Client| {
        let (mut count, mut line) = (0, String::new());
        while !line.contains("<ann> the end") {
            line = client.line();
            count += usize::from(line.contains("<Zebedee> xylophone"));
        }
        count
    };
    assert_eq!(heard(&mut first), LINES);
    let told = answer(&mut server, "/forget zebedee", "that the server has in its memory");
    assert!(told.iter().any(|line| line.ends_with("nothing is left in the journal")), "{told:?}");
    let heard = heard(&mut second);
    println!("{heard} of {LINES} messages were on their way");
    assert!(heard < LINES / 2, "it gets {heard} of {LINES} messages that are forgotten");
    server.stop();
}
