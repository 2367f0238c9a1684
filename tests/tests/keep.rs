//! `--keep`: old messages leave the journal while people talk and read.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use parlour_tests::chat::{Talk, past};
use parlour_tests::client::Client;
use parlour_tests::lines::PATIENCE;
use parlour_tests::programs::found;
use parlour_tests::server::{Poller, Server, binary};
use parlour_tests::with_each_poller;
use tempfile::TempDir;

with_each_poller! {
    only_the_newest_stay_and_nothing_that_is_said_waits,
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    (folder, path)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of UTF-8")
}

fn sqlite(path: &Path, sql: &str) -> Vec<String> {
    let output = Command::new(found("sqlite3", "sqlite3"))
        .args(["-cmd", ".timeout 10000", text(path), sql])
        .output()
        .expect("sqlite3 starts");
    assert!(output.status.success() && output.stderr.is_empty(), "{sql}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

fn wait_for(path: &Path, sql: &str, wanted: &str) {
    let start = Instant::now();
    while sqlite(path, sql) != [wanted] {
        assert!(start.elapsed() < PATIENCE, "{sql}: {:?} and not {wanted}", sqlite(path, sql));
        thread::sleep(Duration::from_millis(50));
    }
}

fn history(path: &Path) -> Vec<String> {
    let output = Command::new(binary()).args(["history", text(path)]).output().expect("parlour starts");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

fn only_the_newest_stay_and_nothing_that_is_said_waits(poller: Poller) {
    const LINES: usize = 20_000;
    let (_folder, path) = folder();
    let args = ["--journal", text(&path), "--keep", "500", "--rate", "off"];
    let server = poller.chatting(&args);
    let mut ann = Client::named(server.chat(), "ann");
    let mut bob = Client::named(server.chat(), "bob");
    let talk = thread::spawn(move || {
        for number in 0..LINES {
            ann.say(&format!("line {number}"));
        }
        ann
    });
    // Each reader sees a piece without a hole, to the end of what was said when it began. Bob does not read
    // meanwhile, so he may be told a line later.
    let mut number = 0;
    while number < LINES {
        let line = bob.line();
        if past(&line).unwrap_or(line) != format!("<ann> line {number}") {
            continue;
        }
        number += 1;
        if number % 4_000 == 0 {
            let seen: Vec<usize> =
                history(&path).iter().filter_map(|line| line.rsplit_once(' ')?.1.parse().ok()).collect();
            let first = seen.first().copied().unwrap_or_default();
            assert!(seen.iter().copied().eq(first..first + seen.len()), "{seen:?}");
        }
    }
    drop(talk.join().expect("all is said"));
    wait_for(&path, "SELECT count(*) FROM messages", "500");
    let words = "SELECT count(*) FROM words WHERE words MATCH 'line'";
    wait_for(&path, &format!("SELECT ({words}) = (SELECT count(*) FROM messages WHERE kind = 'say')"), "1");
    let seen = history(&path);
    assert!(seen[0].ends_with(&format!("<ann> line {}", LINES - seen.len())), "{:?}", seen[0]);
    assert!(seen[seen.len() - 1].ends_with(&format!("<ann> line {}", LINES - 1)), "{:?}", seen.last());
    server.stop();
    assert_eq!(sqlite(&path, "SELECT count(*) FROM gaps"), ["0"]);
    assert_eq!(sqlite(&path, "PRAGMA integrity_check"), ["ok"]);
}

#[test]
fn what_is_too_old_is_deleted_at_the_next_start_and_numbers_go_on() {
    let (_folder, path) = folder();
    let server = Server::chatting(&["--journal", text(&path)]);
    let mut ann = Client::named(server.chat(), "ann");
    ann.say("long ago");
    ann.catch_up();
    wait_for(&path, "SELECT count(*) FROM words WHERE words MATCH 'long'", "1");
    server.stop();
    sqlite(
        &path,
        "UPDATE messages SET time = time - 86400000; UPDATE spans SET earliest = earliest - 86400000",
    );
    let last: u64 = sqlite(&path, "SELECT max(seq) FROM messages")[0].parse().expect("a number");
    let server = Server::chatting(&["--journal", text(&path), "--keep", "12h"]);
    wait_for(&path, "SELECT count(*) FROM clients WHERE id = 1", "0");
    let mut bob = Client::named(server.chat(), "bob");
    bob.say("now");
    bob.catch_up();
    server.stop();
    let kept = sqlite(&path, "SELECT seq, name, CAST(text AS TEXT) FROM messages WHERE kind = 'say'");
    let [seq, rest] = &kept[0].splitn(2, '|').collect::<Vec<_>>()[..] else { panic!("{kept:?}") };
    assert_eq!((kept.len(), *rest), (1, "bob|now"));
    assert!(seq.parse::<u64>().expect("a number") > last, "{seq} after {last}");
    assert_eq!(sqlite(&path, "SELECT id FROM clients"), ["2"], "ann is gone, and bob is another client");
}

#[test]
fn a_keep_that_makes_no_sense_is_refused() {
    let (_folder, path) = folder();
    for (args, why) in [
        (&["--journal", text(&path), "--keep", "soon"][..], "write a time, as in 30d or 12h"),
        (&["--journal", text(&path), "--keep", "0"], "0 keeps nothing"),
        (&["--keep", "30d"], "--journal"),
    ] {
        let ended = Server::run(args);
        assert_eq!(ended.code, Some(2));
        assert!(ended.stderr.iter().any(|line| line.contains(why)), "{args:?}: {:?}", ended.stderr);
    }
}
