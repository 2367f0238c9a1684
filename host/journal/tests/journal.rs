//! A journal on a real disk: what it refuses, what it keeps, and what it does when it cannot write.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parlour_core::{Cause, Identity, Kind, Place, Record, RoomRef, Span};
use parlour_journal::schema::VERSION;
use parlour_journal::{
    Batch, Event, Gap, Journal, JournalError, Known, Options, Question, Records, Stored, open_to_read,
    read_page,
};
use tempfile::TempDir;

const LOBBY: i64 = 1;
const DEN: i64 = 2;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.db");
    (folder, path)
}

fn record(seq: u64, client: u64, kind: Kind, text: &[u8]) -> Record<'_> {
    let name = if client == 7 { "ann" } else { "bob" };
    Record {
        seq,
        unix_ms: 1_800_000_000_000 + seq,
        room: RoomRef::NONE,
        place: Place::Private,
        author: Identity::from_u64(client),
        name,
        kind,
        is_torn: false,
        text,
    }
}

fn open(path: &Path) -> (Journal<()>, Known) {
    Journal::open(path, Options::default()).expect("a journal")
}

/// Waits for an event that is `wanted`.
fn wait(journal: &Journal<()>, what: &str, wanted: impl Fn(&Event<()>) -> bool) -> Event<()> {
    let start = Instant::now();
    loop {
        if let Some(event) = journal.events().find(&wanted) {
            return event;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "no event: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn wait_stored(journal: &Journal<()>, seq: u64) {
    wait(journal, "stored", |event| matches!(event, Event::Stored(mark) if mark.seq == Some(seq)));
}

/// A lobby in which two clients have said something, and what else happens in a room.
fn some_talk() -> Batch {
    let mut batch = Batch::default();
    batch.add_room(LOBBY, "lobby");
    batch.add_room(DEN, "den");
    batch.add_address(7, "192.0.2.1:5".to_owned());
    batch.push(&record(0, 7, Kind::Join, b""), LOBBY);
    batch.push(&record(1, 7, Kind::Say, b"hello"), LOBBY);
    batch.push(&record(2, 8, Kind::Say, "caf\u{e9} with an elephant".as_bytes()), DEN);
    batch.push(&record(3, 8, Kind::Topic, b"tea"), DEN);
    batch.push(&record(4, 7, Kind::Nick, b"anna"), LOBBY);
    // One event in two rooms.
    batch.push(&record(5, 8, Kind::Quit(Cause::Lagged), b""), LOBBY);
    batch.push(&record(5, 8, Kind::Quit(Cause::Lagged), b""), DEN);
    batch
}

fn stored(records: &Records) -> Vec<Stored> {
    let stored = |record: Record<'_>| Stored {
        seq: record.seq,
        unix_ms: record.unix_ms,
        client: record.author.as_u64(),
        name: record.name.to_owned(),
        kind: record.kind,
        is_torn: record.is_torn,
        text: record.text.to_owned(),
    };
    records.iter(0..records.len(), RoomRef::NONE).map(stored).collect()
}

fn texts(page: &[Stored]) -> Vec<&str> {
    page.iter().map(|stored| std::str::from_utf8(&stored.text).expect("UTF-8")).collect()
}

fn page(path: &Path, room: i64, span: Span, until: u64) -> Vec<Stored> {
    let db = open_to_read(path).expect("a journal");
    stored(&read_page(&db, Question { token: (), room, span, until, words: None }).expect("a page").records)
}

fn one<T: rusqlite::types::FromSql>(path: &Path, sql: &str) -> T {
    let db = open_to_read(path).expect("a journal");
    db.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

#[test]
fn what_was_said_is_there_for_people_and_for_the_next_server() {
    let (_folder, path) = folder();
    let (journal, known) = open(&path);
    assert_eq!((known.next_seq, known.next_client, known.rooms.len(), known.was_clean), (0, 1, 0, true));
    assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    journal.write(&mut some_talk());
    wait_stored(&journal, 5);
    // While it is open.
    assert_eq!(one::<i64>(&path, "SELECT count(*) FROM messages"), 7);
    assert_eq!(one::<String>(&path, "SELECT room || ' ' || text FROM client_7"), "lobby hello");
    assert_eq!(
        one::<String>(&path, "SELECT name || ' ' || address FROM clients WHERE id = 7"),
        "anna 192.0.2.1:5"
    );
    assert_eq!(one::<String>(&path, "SELECT detail FROM messages WHERE kind = 'quit' LIMIT 1"), "too slow");
    journal.close().expect("everything is written");
    let (journal, known) = open(&path);
    assert_eq!((known.next_seq, known.next_client, known.was_clean), (6, 9, true));
    let rooms: Vec<_> =
        known.rooms.iter().map(|room| (room.id, room.name.as_str(), room.topic.as_str())).collect();
    assert_eq!(rooms, [(LOBBY, "lobby", ""), (DEN, "den", "tea")]);
    drop(journal);
}

#[test]
fn pages_have_what_was_asked_for() {
    let (_folder, path) = folder();
    let (journal, _) = open(&path);
    journal.write(&mut some_talk());
    wait_stored(&journal, 5);
    let mut more = Batch::default();
    for seq in 10..3_000 {
        more.push(&record(seq, 7, Kind::Say, format!("line {seq}").as_bytes()), LOBBY);
    }
    journal.write(&mut more);
    journal.ask(Question { token: (), room: LOBBY, span: Span::Last(2), until: 6, words: None });
    let Event::Page(answer) = wait(&journal, "a page", |event| matches!(event, Event::Page(_))) else {
        unreachable!()
    };
    assert_eq!(texts(&stored(&answer.records)), ["hello"]);
    journal.close().expect("everything is written");
    let whole = page(&path, LOBBY, Span::From(0), 10);
    let seqs: Vec<_> = whole.iter().map(|stored| (stored.seq, stored.client, stored.kind)).collect();
    let quit = Kind::Quit(Cause::Lagged);
    assert_eq!(seqs, [(0, 7, Kind::Join), (1, 7, Kind::Say), (4, 7, Kind::Nick), (5, 8, quit)]);
    assert_eq!(whole[1].record(RoomRef::NONE).name, "ann", "as it was called then");
    assert_eq!(texts(&page(&path, LOBBY, Span::Last(3), 11)), ["hello", "line 10"], "messages alone");
    assert_eq!(texts(&page(&path, LOBBY, Span::Last(2), u64::MAX)), ["line 2998", "line 2999"]);
    let long = page(&path, LOBBY, Span::From(10), 3_000);
    assert!((100..=1024).contains(&long.len()) && long[0].seq == 10, "a page is bounded: {}", long.len());
    assert!(page(&path, 99, Span::From(0), 1_000).is_empty());
}

#[test]
fn messages_can_be_searched_a_moment_later() {
    let (_folder, path) = folder();
    let (journal, _) = open(&path);
    journal.write(&mut some_talk());
    journal.close().expect("everything is written");
    // What was not indexed before the end is indexed at the next start.
    let (journal, _) = open(&path);
    let sql = "SELECT count(*) FROM words WHERE words MATCH 'cafe elephant'";
    let start = Instant::now();
    while one::<i64>(&path, sql) == 0 {
        assert!(start.elapsed() < Duration::from_secs(30), "it is not found");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(one::<i64>(&path, "SELECT count(*) FROM words WHERE words MATCH 'joined OR tea'"), 0);
    drop(journal);
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_stays_as_it_was() {
    let (folder, path) = folder();
    let foreign = folder.path().join("foreign.db");
    rusqlite::Connection::open(&foreign)
        .and_then(|db| db.execute_batch("CREATE TABLE t (a)"))
        .expect("a database");
    fs::write(&path, "some text that is long enough to be no database at all".repeat(20)).expect("a file");
    for path in [&foreign, &path] {
        let before = fs::read(path).expect("it can be read");
        assert!(matches!(Journal::<()>::open(path, Options::default()), Err(JournalError::NotAJournal)));
        assert!(matches!(open_to_read(path), Err(JournalError::NotAJournal)));
        assert!(fs::read(path).expect("it can be read") == before, "{}", path.display());
    }
    let newer = folder.path().join("newer.db");
    open(&newer).0.close().expect("a journal");
    let db = rusqlite::Connection::open(&newer).expect("a database");
    db.pragma_update(None, "user_version", 99).expect("a version");
    db.close().expect("closed");
    let before = fs::read(&newer).expect("it can be read");
    let refused = Journal::<()>::open(&newer, Options::default()).expect_err("it is newer");
    assert_eq!(
        refused.to_string(),
        format!("a newer parlour made this journal: its schema is 99, and this one knows {VERSION}")
    );
    assert!(fs::read(&newer).expect("it can be read") == before);
    let nowhere = folder.path().join("no/such/folder.db");
    assert!(matches!(Journal::<()>::open(&nowhere, Options::default()), Err(JournalError::File(_))));
    assert!(matches!(open_to_read(&nowhere), Err(JournalError::File(_))));
}

#[test]
fn one_server_alone_writes_a_journal() {
    let (_folder, path) = folder();
    let (journal, _) = open(&path);
    assert!(matches!(Journal::<()>::open(&path, Options::default()), Err(JournalError::InUse)));
    drop(open_to_read(&path).expect("reading is allowed"));
    journal.close().expect("everything is written");
    open(&path).0.close().expect("now it is free");
}

#[test]
fn a_file_that_was_deleted_is_told_and_a_new_one_takes_its_place() {
    let (_folder, path) = folder();
    let (journal, _) = open(&path);
    journal.write(&mut some_talk());
    wait_stored(&journal, 5);
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{end}", path.display()));
    }
    let mut batch = Batch::default();
    batch.push(&record(6, 7, Kind::Say, b"still here"), DEN);
    journal.write(&mut batch);
    let Event::Failed(error) = wait(&journal, "a failure", |event| matches!(event, Event::Failed(_))) else {
        unreachable!()
    };
    assert_eq!(error.to_string(), "the file was deleted or replaced");
    wait(&journal, "it works again", |event| matches!(event, Event::Works));
    journal.close().expect("everything is written");
    let sql = "SELECT rooms.name || ' ' || CAST(text AS TEXT) FROM messages JOIN rooms ON rooms.id = room";
    assert_eq!(one::<String>(&path, sql), "den still here", "the room is known in the new file too");
}

#[test]
fn what_was_written_twice_is_there_once_and_gaps_are_told() {
    let (_folder, path) = folder();
    let (journal, _) = open(&path);
    journal.write(&mut some_talk());
    journal.write(&mut some_talk());
    let mut batch = Batch::default();
    batch.add_gap(Gap { first: 6, last: 20, records: 12, messages: 11, unix_ms: 5 });
    journal.write(&mut batch);
    journal.close().expect("everything is written");
    assert_eq!(one::<i64>(&path, "SELECT count(*) FROM messages"), 7);
    assert_eq!(one::<i64>(&path, "SELECT messages FROM gaps"), 11);
    let (journal, known) = open(&path);
    assert_eq!(known.next_seq, 21, "a number that was lost is not used again");
    drop(journal);
}

#[test]
fn a_damaged_file_is_refused_after_an_unclean_stop() {
    let (_folder, path) = folder();
    let (journal, _) = open(&path);
    let mut batch = Batch::default();
    batch.add_room(LOBBY, "lobby");
    for seq in 0..5_000 {
        batch.push(&record(seq, 7, Kind::Say, b"a line that fills some pages of the file"), LOBBY);
    }
    journal.write(&mut batch);
    journal.close().expect("everything is written");
    let db = rusqlite::Connection::open(&path).expect("a database");
    db.execute("UPDATE state SET value = 0 WHERE key = 'clean'", []).expect("as after kill -9");
    db.close().expect("closed");
    let mut bytes = fs::read(&path).expect("it can be read");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 20_000].fill(0xA5);
    fs::write(&path, &bytes).expect("it can be written");
    let refused = Journal::<()>::open(&path, Options::default()).expect_err("it is damaged");
    assert!(matches!(refused, JournalError::Damaged(_) | JournalError::Sqlite(_)), "{refused}");
}

/// What a search finds, and whether it has looked at everything.
fn found(journal: &Journal<()>, room: i64, span: Span, until: u64, words: &str) -> (Vec<String>, bool) {
    journal.ask(Question { token: (), room, span, until, words: Some(words.to_owned()) });
    let Event::Page(page) = wait(journal, "a page", |event| matches!(event, Event::Page(_))) else {
        unreachable!("it is a page")
    };
    (texts(&stored(&page.records)).into_iter().map(str::to_owned).collect(), !page.has_gap)
}

#[test]
fn the_last_messages_with_some_words_are_found_whether_the_index_has_them_or_not() {
    let (_folder, path) = folder();
    let (journal, _) = open(&path);
    let mut batch = Batch::default();
    for (id, name) in [(1, "lobby"), (2, "den")] {
        batch.add_room(id, name);
    }
    for seq in 0..6_000 {
        let text =
            format!("Green t\u{e9}a number{seq} \"x*\" NOT {}", if seq % 10 == 0 { "ten-fold" } else { "" });
        batch.push(&record(seq, 5, Kind::Say, text.as_bytes()), 1 + (seq % 2) as i64);
    }
    batch.push(&record(6_000, 5, Kind::Join, b"green tea"), 1);
    journal.write(&mut batch);
    wait_stored(&journal, 6_000);
    let last = |words: &str| found(&journal, 1, Span::Last(3), 7_000, words);
    let numbers = |(texts, is_all): (Vec<String>, bool)| {
        assert!(is_all);
        let number = |text: &String| text.split(' ').nth(2).map(|word| word["number".len()..].to_owned());
        texts.iter().filter_map(number).map(|number| number.parse().expect("a number")).collect::<Vec<u64>>()
    };
    let check = || {
        assert_eq!(numbers(last("TEA green")), [5_994, 5_996, 5_998]);
        assert_eq!(numbers(last("fold ten")), [5_970, 5_980, 5_990]);
        assert_eq!(numbers(last("number4")), [4]);
        assert_eq!(numbers(last("number5 tea")), [0_u64; 0], "it was said in the other room");
        assert_eq!(numbers(found(&journal, 1, Span::Last(3), 500, "tea")), [494, 496, 498]);
        assert_eq!(numbers(found(&journal, 1, Span::From(490), 500, "tea")), [490, 492, 494, 496, 498]);
        assert_eq!(numbers(found(&journal, 3, Span::Last(3), 500, "tea")), [0_u64; 0]);
        // Nothing of it is syntax.
        for words in [
            "tea*",
            "te*",
            "\"green",
            "green OR milk",
            "text:tea",
            "tea AND",
            "(tea",
            "^",
            "\"",
            "NEAR(tea green)",
        ] {
            let (texts, is_all) = last(words);
            let is_found = matches!(words, "tea*" | "\"green" | "(tea");
            assert_eq!((texts.len(), is_all), (if is_found { 3 } else { 0 }, true), "{words}");
        }
        assert_eq!(numbers(last("green NOT tea x*")), [5_994, 5_996, 5_998]);
        // More words than the index is asked for.
        let many = |end: &str| format!("{}-ten-fold {end}", "ten fold ".repeat(9).trim().replace(' ', "-"));
        assert_eq!(last(&many("tea")).0, [""; 0]);
        let all: String = "green tea x not ten fold ".chars().flat_map(char::to_lowercase).collect();
        assert_eq!(numbers(last(&format!("{} number10", all.repeat(30)))), [10]);
        assert_eq!(numbers(last(&format!("{all} a b c d e f g h i j k l m number10"))), [0_u64; 0]);
        assert_eq!(last(&"a*-".repeat(300)).0, [""; 0]);
    };
    check();
    let start = Instant::now();
    while one::<i64>(&path, "SELECT value FROM state WHERE key = 'indexed'") < 6_001 {
        assert!(start.elapsed() < Duration::from_secs(30), "it is not indexed");
        std::thread::sleep(Duration::from_millis(5));
    }
    check();
    drop(journal);
    // Half of it is in the index.
    let db = rusqlite::Connection::open(&path).expect("a journal");
    db.execute_batch("INSERT INTO words (words) VALUES ('delete-all'); UPDATE state SET value = 3000 WHERE key = 'indexed'; \
                      INSERT INTO words (rowid, text) SELECT id, CAST(text AS TEXT) FROM messages WHERE id <= 3000")
        .expect("less is indexed");
    drop(db);
    let (journal, _) = open(&path);
    assert_eq!(numbers(found(&journal, 1, Span::Last(3_000), 7_000, "tea")).len(), 100);
    assert_eq!(numbers(found(&journal, 1, Span::Last(9), 7_000, "number2996 tea")), [2_996]);
    assert_eq!(numbers(found(&journal, 1, Span::Last(9), 7_000, "number4996 tea")), [4_996]);
}

/// What is proposed is in the file until it is settled, and never among the messages as well.
#[test]
fn a_proposal_becomes_one_message() {
    let (_folder, path) = folder();
    let (journal, known) = open(&path);
    let mut batch = Batch::default();
    batch.add_room(LOBBY, "lobby");
    for more in 0..4 {
        batch.propose(&record(known.next_proposal + more, 7, Kind::Say, &[b'a' + more as u8]), LOBBY);
    }
    journal.write(&mut batch);
    let last = Some(known.next_proposal + 3);
    wait(&journal, "stored", |event| matches!(event, Event::Stored(mark) if mark.proposal == last));
    let left = "SELECT coalesce(group_concat(text, ''), '') FROM (SELECT text FROM proposals ORDER BY id)";
    let said = "SELECT coalesce(group_concat(text, ''), '') FROM (SELECT text FROM messages ORDER BY seq)";
    assert_eq!((one::<String>(&path, left), one::<String>(&path, said)), ("abcd".into(), "".into()));
    for (seq, more) in [(0, 0), (1, 1), (2, 3)] {
        batch.push(&record(seq, 7, Kind::Say, &[b'a' + more as u8]), LOBBY);
        batch.settle(known.next_proposal + more);
    }
    journal.write(&mut batch);
    wait_stored(&journal, 2);
    assert_eq!((one::<String>(&path, left), one::<String>(&path, said)), ("c".into(), "abd".into()));
    journal.close().expect("everything is written");
    assert_eq!((one::<String>(&path, left), one::<String>(&path, said)), ("".into(), "abdc".into()));
    let (_journal, later) = open(&path);
    assert_eq!(later.next_seq, 4);
    assert!(later.next_proposal > known.next_proposal + 3);
}
