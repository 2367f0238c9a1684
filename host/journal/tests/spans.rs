//! What was said at a time is found, also if the clock was set back, and in a journal that an older parlour made.

use std::path::Path;
use std::time::{Duration, Instant};

use parlour_core::{Identity, Kind, Place, Record, RoomRef};
use parlour_journal::{Batch, Filter, History, Item, Journal, Options};

const COUNT: u64 = 12_000;

/// The time of each message. The clock is set back twice, and once it was wrong by years.
fn time(seq: u64) -> u64 {
    let wrong = match seq {
        0..3_000 => 0,
        3_000..3_050 => 900_000_000_000,
        3_050..7_000 => 2_000_000,
        _ => 500_000,
    };
    1_800_000_000_000 + seq * 1_000 - wrong
}

fn make(path: &Path) {
    let (journal, _) = Journal::<()>::open(path, Options::default()).expect("a journal");
    let mut batch = Batch::default();
    batch.add_room(1, "lobby");
    for seq in 0..COUNT {
        batch.push(
            &Record {
                seq,
                unix_ms: time(seq),
                room: RoomRef::NONE,
                place: Place::Private,
                author: Identity::from_u64(1),
                name: "ann",
                kind: Kind::Say,
                is_torn: false,
                text: b"hello",
            },
            1,
        );
    }
    journal.write(&mut batch);
    wait_until_indexed(path);
    journal.close().expect("everything is written");
}

fn one(path: &Path, sql: &str) -> i64 {
    let db = parlour_journal::open_to_read(path).expect("a journal");
    db.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn wait_until_indexed(path: &Path) {
    let start = Instant::now();
    while one(path, "SELECT coalesce(max(value), 0) FROM state WHERE key = 'indexed'") < COUNT as i64 {
        assert!(start.elapsed() < Duration::from_secs(30), "it is not indexed");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The numbers of what was said then.
fn found(path: &Path, since: Option<u64>, until: Option<u64>) -> Vec<u64> {
    let mut history = History::open(path).expect("a journal");
    let [since, until] = [since, until].map(|time| time.map(|time| time as i64));
    history.select(Filter { since, until, ..Filter::default() }).expect("a filter");
    let mut items = Vec::new();
    while history.read(&mut items).expect("a piece") {}
    let seq = |item: &Item| if let Item::Said(_, stored) = item { stored.seq } else { panic!("{item:?}") };
    items.iter().map(seq).collect()
}

fn check(path: &Path) {
    let times = [0, 1, 2_999, 3_000, 3_049, 3_050, 5_000, 6_999, 7_000, 9_000, COUNT - 1].map(time);
    let times = || times.into_iter().map(Some).chain([None, Some(0), Some(u64::MAX >> 1)]);
    for since in times() {
        for until in times() {
            let is_wanted = |seq: &u64| {
                since.is_none_or(|since| time(*seq) >= since) && until.is_none_or(|until| time(*seq) < until)
            };
            let wanted: Vec<_> = (0..COUNT).filter(is_wanted).collect();
            let found = found(path, since, until);
            assert!(found == wanted, "{since:?} {until:?}: {} of {}", found.len(), wanted.len());
        }
    }
}

#[test]
fn what_was_said_at_a_time_is_found_whatever_the_clock_did() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.db");
    make(&path);
    check(&path);
    assert!((3..=12).contains(&one(&path, "SELECT count(*) FROM spans")), "a span has many messages");
    // A time that few messages have costs few pieces. All of them are six.
    let mut history = History::open(&path).expect("a journal");
    let since = Some(time(COUNT - 1) as i64);
    history.select(Filter { since, ..Filter::default() }).expect("a filter");
    let (mut items, mut pieces) = (Vec::new(), 1);
    while history.read(&mut items).expect("a piece") {
        pieces += 1;
    }
    assert!(pieces <= 2 && items.len() == 1, "{pieces} pieces, {} messages", items.len());
}

#[test]
fn a_journal_of_the_first_version_gets_its_spans_when_it_is_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.db");
    make(&path);
    let db = rusqlite::Connection::open(&path).expect("a database");
    // Two messages are not indexed yet.
    db.execute_batch(
        "DROP TABLE spans; DROP TABLE proposals; DROP TABLE keys; UPDATE state SET value = value - 2 WHERE key = 'indexed'; PRAGMA user_version = 1",
    )
    .expect("an old journal");
    db.close().expect("closed");
    let (journal, known) = Journal::<()>::open(&path, Options::default()).expect("a journal");
    assert_eq!(known.next_seq, COUNT);
    wait_until_indexed(&path);
    journal.close().expect("nothing to write");
    check(&path);
    assert_eq!(one(&path, "SELECT max(last) FROM spans"), COUNT as i64);
    assert_eq!(one(&path, "PRAGMA user_version"), i64::from(parlour_journal::schema::VERSION));
}
