//! What one client has said leaves the file: not only the tables, but all its bytes.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parlour_core::{Identity, Kind, Place, Record, RoomRef};
use parlour_journal::{Batch, Event, Forgot, Journal, Keep, Options, Whom, open_to_read};
use tempfile::TempDir;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.db");
    (folder, path)
}

fn open(path: &Path, keep: Option<Keep>) -> Journal<()> {
    Journal::open(path, Options { keep, ..Options::default() }).expect("a journal").0
}

/// A word that nobody else says. It has letters alone, and no other begins with it.
fn secret(client: u64, seq: u64) -> String {
    let letters = |number: u64| -> String {
        number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'g')).collect()
    };
    format!("zz{}y{}x", letters(client), letters(seq))
}

/// Clients say something in turns: mostly short, and sometimes longer than a page.
fn say(journal: &Journal<()>, seqs: std::ops::Range<u64>, clients: u64) {
    let mut batch = Batch::default();
    batch.add_room(1, "lobby");
    for client in 1..=clients {
        batch.add_address(client, format!("address-{}", secret(client, 0)));
    }
    for seq in seqs {
        let client = 1 + seq * 7 % clients;
        let many = if seq.is_multiple_of(101) { 1_000 } else { 1 + seq % 5 };
        let text = format!("{} word{}", secret(client, seq), " and more".repeat(many as usize));
        let name = format!("name-{}", secret(client, 0));
        let kind = if seq.is_multiple_of(53) { Kind::Topic } else { Kind::Say };
        let (room, place, author) = (RoomRef::NONE, Place::Private, Identity::from_u64(client));
        let (name, text) = (name.as_str(), text.as_bytes());
        let unix_ms = 1_800_000_000_000;
        batch.push(&Record { seq, unix_ms, room, place, author, name, kind, is_torn: false, text }, 1);
    }
    journal.write(&mut batch);
}

fn wait_for(journal: &Journal<()>, what: &str, is_wanted: impl Fn(&Forgot) -> bool) -> Forgot {
    let start = Instant::now();
    loop {
        for event in journal.events() {
            if let Event::Forgot(forgot) = event
                && is_wanted(&forgot)
            {
                return forgot;
            }
        }
        assert!(start.elapsed() < Duration::from_secs(60), "no answer: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn is_done(forgot: &Forgot) -> bool {
    matches!(forgot, Forgot::Done(..))
}

fn one(path: &Path, sql: &str) -> i64 {
    let db = open_to_read(path).expect("a journal");
    db.execute_batch("BEGIN; SELECT id FROM messages LIMIT 1").expect("a moment of it");
    db.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn wait_until_indexed(path: &Path, last: u64) {
    let sql = "SELECT coalesce(max(value), 0) FROM state WHERE key = 'indexed'";
    let start = Instant::now();
    while one(path, sql) != last as i64 {
        assert!(start.elapsed() < Duration::from_secs(60), "it is not indexed");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The clients of whose words there is a trace in the bytes of the file and the files beside it. SQLite stores the
/// words of the index without what they have in common with the word before.
fn traces(path: &Path, clients: u64) -> HashSet<u64> {
    let mut found = HashSet::new();
    for end in ["", "-wal", "-shm"] {
        let bytes = fs::read(format!("{}{end}", path.display())).unwrap_or_default();
        for client in 1..=clients {
            let word = secret(client, 0);
            let begin = &word.as_bytes()[..word.find('y').expect("it has one") + 1];
            // The first word of a page of the index stands there whole.
            if bytes.windows(begin.len()).any(|window| window == begin) {
                found.insert(client);
            }
        }
    }
    found
}

fn check(path: &Path) {
    let db = rusqlite::Connection::open(path).expect("a journal");
    let found: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("an answer");
    assert_eq!(found, "ok");
    db.execute_batch("INSERT INTO words (words) VALUES ('integrity-check')").expect("a sound index");
}

#[test]
fn nothing_of_a_forgotten_client_is_left_in_the_bytes_of_the_file() {
    const CLIENTS: u64 = 9;
    let (_folder, path) = folder();
    let journal = open(&path, Some(Keep::Newest(9_000)));
    for round in 0..12 {
        say(&journal, round * 1_000..(round + 1) * 1_000, CLIENTS);
        wait_until_indexed(&path, (round + 1) * 1_000);
    }
    assert_eq!(traces(&path, CLIENTS), (1..=CLIENTS).collect(), "the test finds what is there");
    for client in [3, 7, 4] {
        journal.forget(Whom::Number(client));
    }
    // Others go on meanwhile. That client 2 says something is not forgotten.
    let mut batch = Batch::default();
    let (room, place, author) = (RoomRef::NONE, Place::Private, Identity::from_u64(2));
    let (name, text, kind, unix_ms) = ("bob", &b"later words"[..], Kind::Say, 1_800_000_000_000);
    batch.push(&Record { seq: 50_000, unix_ms, room, place, author, name, kind, is_torn: false, text }, 1);
    journal.write(&mut batch);
    let Forgot::Done(clients, _) = wait_for(&journal, "done", is_done) else { unreachable!() };
    assert_eq!(clients.iter().map(|client| client.id).collect::<Vec<_>>(), [3, 7, 4]);
    assert_eq!(traces(&path, CLIENTS), HashSet::from([1, 2, 5, 6, 8, 9]));
    assert_eq!(one(&path, "SELECT count(*) FROM messages WHERE client IN (3, 7, 4)"), 0);
    assert_eq!(one(&path, "SELECT count(*) FROM clients WHERE id IN (3, 7, 4)"), 0);
    assert_eq!(one(&path, "SELECT count(*) FROM sqlite_schema WHERE name IN ('client_3', 'client_7')"), 0);
    assert_eq!(one(&path, "SELECT count(*) FROM words WHERE words MATCH 'later'"), 1);
    let (words, messages) = (
        "SELECT count(*) FROM words WHERE words MATCH 'word'",
        "SELECT count(*) FROM messages WHERE kind = 'say'",
    );
    assert_eq!(one(&path, words), one(&path, messages) - 1, "what others said is found as before");
    journal.close().expect("everything is written");
    check(&path);
    assert_eq!(traces(&path, CLIENTS), HashSet::from([1, 2, 5, 6, 8, 9]));
}

#[test]
fn what_was_begun_is_ended_by_the_next_server() {
    const CLIENTS: u64 = 3;
    let (_folder, path) = folder();
    let journal = open(&path, None);
    say(&journal, 0..6_000, CLIENTS);
    wait_until_indexed(&path, 6_000);
    journal.forget(Whom::Number(2));
    wait_for(&journal, "begun", |forgot| matches!(forgot, Forgot::Begun(client) if client.id == 2));
    journal.close().expect("everything is written");
    let journal = open(&path, None);
    wait_for(&journal, "done", is_done);
    assert_eq!(traces(&path, CLIENTS), HashSet::from([1, 3]));
    assert_eq!(one(&path, "SELECT count(*) FROM state WHERE key LIKE 'forget%'"), 0);
    journal.close().expect("everything is written");
    check(&path);
}

#[test]
fn a_page_from_before_is_known_to_have_more_than_the_file() {
    let (_folder, path) = folder();
    let journal = open(&path, None);
    say(&journal, 0..100, 3);
    wait_until_indexed(&path, 100);
    let before = journal.removals();
    journal.forget(Whom::Number(9));
    wait_for(&journal, "nobody", |forgot| matches!(forgot, Forgot::Nobody(_)));
    assert_eq!(journal.removals(), before);
    journal.forget(Whom::Number(2));
    wait_for(&journal, "done", is_done);
    assert_ne!(journal.removals().forgotten, before.forgotten);
    assert_eq!(journal.removals().old, before.old);
    journal.close().expect("everything is written");
}

#[test]
fn a_reader_keeps_the_end_waiting_but_no_message() {
    let (_folder, path) = folder();
    let journal = open(&path, None);
    say(&journal, 0..100, 3);
    wait_until_indexed(&path, 100);
    let reader = open_to_read(&path).expect("a journal");
    reader.execute_batch("BEGIN; SELECT id FROM messages LIMIT 1").expect("it reads");
    journal.forget(Whom::Number(2));
    wait_for(&journal, "begun", |forgot| matches!(forgot, Forgot::Begun(_)));
    say(&journal, 100..200, 1);
    let start = Instant::now();
    while one(&path, "SELECT count(*) FROM messages WHERE seq >= 100 OR client = 2") != 100 {
        assert!(start.elapsed() < Duration::from_secs(30), "it is not written");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(traces(&path, 3).contains(&2), "the reader still sees it");
    reader.execute_batch("COMMIT").expect("it ends");
    wait_for(&journal, "done", is_done);
    assert_eq!(traces(&path, 3), HashSet::from([1, 3]));
    journal.close().expect("everything is written");
}

#[test]
fn it_is_told_if_nobody_or_several_are_called_so() {
    let (_folder, path) = folder();
    let journal = open(&path, None);
    say(&journal, 0..20, 3);
    journal.forget(Whom::Name("bob".to_owned()));
    let Forgot::Nobody(whom) = wait_for(&journal, "nobody", |_| true) else { panic!("somebody is") };
    assert_eq!(whom, Whom::Name("bob".to_owned()));
    journal.forget(Whom::Number(9));
    assert!(matches!(wait_for(&journal, "nobody", |_| true), Forgot::Nobody(Whom::Number(9))));
    let db = rusqlite::Connection::open(&path).expect("a journal");
    db.execute_batch("UPDATE clients SET name = 'Bob' WHERE id > 1").expect("other names");
    journal.forget(Whom::Name("bob".to_owned()));
    let Forgot::Several(_, candidates, 2) = wait_for(&journal, "several", |_| true) else { panic!("one is") };
    assert_eq!(candidates.iter().map(|one| one.client.id).collect::<Vec<_>>(), [3, 2]);
    assert_eq!(one(&path, "SELECT count(DISTINCT client) FROM messages"), 3, "nothing is deleted");
    db.execute_batch("UPDATE clients SET name = 'eve' WHERE id = 2").expect("other names");
    journal.forget(Whom::Name("bob".to_owned()));
    wait_for(&journal, "done", is_done);
    assert_eq!(one(&path, "SELECT count(*) FROM messages WHERE client = 3"), 0);
    journal.close().expect("everything is written");
}
