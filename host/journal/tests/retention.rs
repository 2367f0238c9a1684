//! Old messages leave the file, with all that belongs to them. Numbers go on.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parlour_core::{Identity, Kind, Place, Record, RoomRef};
use parlour_journal::{Batch, Gap, Journal, Keep, Known, Options, open_to_read};
use rusqlite::Connection;
use tempfile::TempDir;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.db");
    (folder, path)
}

fn open(path: &Path, keep: Option<Keep>) -> (Journal<()>, Known) {
    Journal::open(path, Options { keep, ..Options::default() }).expect("a journal")
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64
}

fn days_ago(days: u64) -> u64 {
    now_ms() - days * DAY.as_millis() as u64
}

/// Says something in each number. Each client says ten things at once.
fn say(journal: &Journal<()>, seqs: std::ops::Range<u64>, unix_ms: u64) {
    let mut batch = Batch::default();
    batch.add_room(1, "lobby");
    for seq in seqs {
        let author = Identity::from_u64(1 + seq / 10 % 1_000);
        let (room, place, text) = (RoomRef::NONE, Place::Private, format!("word{seq} common"));
        let (name, kind, text) = ("ann", Kind::Say, text.as_bytes());
        batch.push(&Record { seq, unix_ms, room, place, author, name, kind, is_torn: false, text }, 1);
    }
    journal.write(&mut batch);
}

fn one(path: &Path, sql: &str) -> i64 {
    let db = open_to_read(path).expect("a journal");
    // FTS5 reads its tables when it is first asked. They must not change meanwhile.
    db.execute_batch("BEGIN; SELECT id FROM messages LIMIT 1").expect("a moment of it");
    db.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn wait_for(path: &Path, sql: &str, wanted: i64) {
    let start = Instant::now();
    while one(path, sql) != wanted {
        assert!(start.elapsed() < Duration::from_secs(60), "{sql}: {} and not {wanted}", one(path, sql));
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn wait_until_indexed(path: &Path, last: i64) {
    wait_for(path, "SELECT coalesce(max(value), 0) FROM state WHERE key = 'indexed'", last);
}

/// What SQLite finds wrong, also in the full-text index.
fn check(path: &Path) {
    let db = Connection::open(path).expect("a journal");
    let found: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("an answer");
    assert_eq!(found, "ok");
    db.execute_batch("INSERT INTO words (words) VALUES ('integrity-check')").expect("a sound index");
}

#[test]
fn what_is_older_is_deleted_with_its_words_clients_views_and_gaps() {
    let (_folder, path) = folder();
    let (journal, _) = open(&path, None);
    say(&journal, 0..5_000, days_ago(40));
    let mut batch = Batch::default();
    batch.add_gap(Gap { first: 5_000, last: 5_009, records: 10, messages: 10, unix_ms: days_ago(40) });
    journal.write(&mut batch);
    say(&journal, 5_010..9_000, days_ago(2));
    batch.add_gap(Gap { first: 9_000, last: 9_009, records: 10, messages: 10, unix_ms: days_ago(2) });
    journal.write(&mut batch);
    wait_until_indexed(&path, 8_990);
    journal.close().expect("everything is written");

    let (journal, known) = open(&path, Some(Keep::For(30 * DAY)));
    assert_eq!(known.next_seq, 9_010);
    wait_for(&path, "SELECT count(*) FROM gaps", 1);
    assert_eq!(one(&path, "SELECT count(*) FROM messages"), 3_990);
    assert_eq!(one(&path, "SELECT min(seq) FROM messages"), 5_010);
    assert_eq!(one(&path, "SELECT count(*) FROM words WHERE words MATCH 'common'"), 3_990);
    assert_eq!(one(&path, "SELECT count(*) FROM words WHERE words MATCH 'word77'"), 0);
    assert_eq!(one(&path, "SELECT count(*) FROM words WHERE words MATCH 'word7777'"), 1);
    assert_eq!(one(&path, "SELECT min(id) FROM clients"), 502);
    assert_eq!(one(&path, "SELECT count(*) FROM sqlite_schema WHERE type = 'view'"), 399);
    assert_eq!(one(&path, "SELECT count(*) FROM gaps WHERE first = 9000"), 1);
    assert_eq!(one(&path, "SELECT min(earliest) >= unixepoch() * 1000 - 259200000 FROM spans"), 1);
    journal.close().expect("everything is written");
    check(&path);
}

#[test]
fn when_nothing_is_left_numbers_go_on_and_new_messages_are_found() {
    let (_folder, path) = folder();
    let (journal, _) = open(&path, None);
    say(&journal, 0..500, days_ago(40));
    wait_until_indexed(&path, 500);
    journal.close().expect("everything is written");
    let (journal, known) = open(&path, Some(Keep::For(DAY)));
    assert_eq!((known.next_seq, known.next_client), (500, 51));
    wait_for(&path, "SELECT count(*) FROM clients", 0);
    journal.close().expect("everything is written");
    let (journal, known) = open(&path, Some(Keep::For(DAY)));
    assert_eq!((known.next_seq, known.next_client), (500, 51), "no number is used twice");
    say(&journal, 500..510, now_ms());
    wait_until_indexed(&path, 510);
    assert_eq!(one(&path, "SELECT id FROM messages WHERE seq = 500"), 501);
    assert_eq!(one(&path, "SELECT count(*) FROM client_51"), 10);
    assert_eq!(one(&path, "SELECT rowid FROM words WHERE words MATCH 'word509'"), 510);
    journal.close().expect("everything is written");
    check(&path);
}

#[test]
fn the_newest_stay_if_a_number_of_them_is_kept_and_free_pages_are_used_again() {
    let (_folder, path) = folder();
    let (journal, _) = open(&path, Some(Keep::Newest(1_000)));
    let (mut sizes, oldest) = (Vec::new(), "SELECT coalesce(min(seq), 0) FROM messages");
    for round in 1..=6 {
        say(&journal, (round - 1) * 4_000..round * 4_000, now_ms());
        wait_for(&path, oldest, round as i64 * 4_000 - 1_000);
        wait_until_indexed(&path, round as i64 * 4_000);
        assert_eq!(one(&path, "SELECT count(*) FROM messages"), 1_000);
        sizes.push(one(&path, "PRAGMA page_count"));
    }
    assert!(sizes[5] < 2 * sizes[0], "the file grows: {sizes:?}");
    journal.close().expect("everything is written");
    check(&path);
}

/// A client that has lost its row and its view, because it was silent for long, gets them again.
#[test]
fn one_that_speaks_again_after_all_it_said_is_gone_is_there_again() {
    let (_folder, path) = folder();
    let (journal, _) = open(&path, Some(Keep::Newest(5)));
    say(&journal, 0..10, now_ms());
    say(&journal, 100..110, now_ms());
    wait_for(&path, "SELECT count(*) FROM clients", 1);
    say(&journal, 5..6, now_ms());
    wait_for(&path, "SELECT count(*) FROM clients", 2);
    assert_eq!(one(&path, "SELECT count(*) FROM client_1"), 1);
    journal.close().expect("everything is written");
}

/// A client whose only words are proposed stays, and what it has proposed is a message with a number of its own.
#[test]
fn one_that_is_about_to_speak_stays_when_all_it_said_is_gone() {
    let (_folder, path) = folder();
    let (journal, known) = open(&path, Some(Keep::Newest(0)));
    say(&journal, 0..20, now_ms());
    wait_for(&path, "SELECT count(*) FROM clients", 0);
    let (room, place, author) = (RoomRef::NONE, Place::Private, Identity::from_u64(2));
    let (name, kind, text) = ("ann", Kind::Say, b"at last".as_slice());
    let (seq, unix_ms) = (known.next_proposal, now_ms());
    let mut batch = Batch::default();
    batch.propose(&Record { seq, unix_ms, room, place, author, name, kind, is_torn: false, text }, 1);
    journal.write(&mut batch);
    wait_for(&path, "SELECT count(*) FROM clients", 1);
    // Another client has the next number, and goes.
    say(&journal, 20..30, now_ms());
    wait_for(&path, "SELECT value FROM state WHERE key = 'last_client'", 3);
    assert_eq!(one(&path, "SELECT id FROM clients"), 2);
    journal.close().expect("everything is written");
    assert_eq!(one(&path, "SELECT id FROM messages WHERE seq = 30"), 31);
    let (journal, _) = open(&path, None);
    wait_until_indexed(&path, 31);
    assert_eq!(one(&path, "SELECT rowid FROM words WHERE words MATCH 'last'"), 31);
    assert_eq!(one(&path, "SELECT count(*) FROM client_2"), 1);
    journal.close().expect("everything is written");
    check(&path);
}

/// Messages that were never in the full-text index are deleted from it neither.
#[test]
fn the_index_stays_sound_if_what_is_deleted_was_not_indexed() {
    let (_folder, path) = folder();
    let (journal, _) = open(&path, Some(Keep::Newest(100)));
    for round in 0..30 {
        say(&journal, round * 3_000..(round + 1) * 3_000, now_ms());
    }
    wait_for(&path, "SELECT coalesce(min(seq), 0) FROM messages", 89_900);
    wait_until_indexed(&path, 90_000);
    assert_eq!(one(&path, "SELECT count(*) FROM words WHERE words MATCH 'common'"), 100);
    assert_eq!(one(&path, "SELECT count(*) FROM words WHERE words MATCH 'word89950'"), 1);
    journal.close().expect("everything is written");
    check(&path);
}
