//! More is said than the disk takes: all of it is in the journal, or a row says what is not. The server never
//! needs much memory for that.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use parlour_tests::chat::{Talk, line_text};
use parlour_tests::client::{Client, ConnectOptions};
use parlour_tests::disk::Disk;
use parlour_tests::journals::{folder, rows, text, wait_for_rows};
use parlour_tests::lines::Next;
use parlour_tests::server::{Poller, Server};
use parlour_tests::talkers::{self, Talker, load};
use parlour_tests::with_each_poller;

with_each_poller! {
    those_who_talk_wait_for_a_slow_disk_and_nothing_is_lost,
    while_the_disk_stands_still_the_room_goes_on_and_a_row_says_what_is_missing,
}

/// The server's memory must stay below this: twice what may wait for the disk, pages of SQLite, and the rest.
const MOST_MEMORY_KIB: u64 = 48 << 10;

/// A server whose journal is on this disk.
fn on(disk: &Disk, poller: Poller, args: &[&str]) -> Server {
    let mut command = poller.command(&[&["--chat", "0", "--rate", "off"], args].concat());
    disk.lend(&mut command);
    Server::launch(command)
}

/// The lines of a client in the journal: sequence number, and number of the line.
fn kept(path: &Path, name: &str) -> Vec<(u64, usize)> {
    let sql = format!(
        "SELECT seq || ' ' || CAST(text AS TEXT) FROM messages WHERE kind = 'say' AND name = '{name}' ORDER BY id"
    );
    let split = |row: &String| {
        let (seq, line) = row.split_once(' ')?;
        Some((seq.parse().ok()?, talkers::number(line.as_bytes())?))
    };
    let kept = rows(path, &sql).iter().map(|row| split(row).expect(row)).collect::<Vec<_>>();
    assert!(kept.is_sorted_by(|(before, _), (seq, _)| before < seq), "they are in order");
    kept
}

/// 200,000 messages a second for 10 s, with `PARLOUR_LOAD=10`. How fast they come does not matter: it is more
/// than the disk takes.
fn those_who_talk_wait_for_a_slow_disk_and_nothing_is_lost(poller: Poller) {
    const TALKERS: [&str; 2] = ["ann", "bob"];
    /// Each of them commits 8 MB at most. So fewer cannot take what is said.
    const LEAST_SYNCS: u64 = 3;
    let lines = 100_000 * load();
    let (_folder, path) = folder();
    let disk = Disk::new();
    // Nothing is lost before the grace period is over, and this machine may be as slow as the disk.
    let server = on(&disk, poller, &["--journal", text(&path), "--grace", "10min"]);
    disk.slow_down(Duration::from_millis(300));
    let before = disk.syncs();
    let talkers = TALKERS.map(|name| Talker::named(server.chat(), name));
    let talkers = talkers.map(|talker| talker.talk(0..lines));
    talkers.into_iter().for_each(|talker| talker.join().expect("all was said"));
    assert!(disk.syncs() >= before + LEAST_SYNCS, "{} syncs", disk.syncs() - before);
    assert!(server.memory_peak_kib() < MOST_MEMORY_KIB, "{} KiB", server.memory_peak_kib());
    server.stop();
    for name in TALKERS {
        let kept = kept(&path, name);
        assert!(kept.iter().map(|(_, number)| *number).eq(0..lines), "{} of {lines}", kept.len());
    }
    assert!(rows(&path, "SELECT CAST(messages AS TEXT) FROM gaps").is_empty());
}

/// Reads what `client` is shown of the lines with these numbers. Returns the numbers. Where one is not there, the
/// client must be told.
fn shown(client: &mut Client, lines: Range<usize>) -> Vec<usize> {
    let (mut shown, mut next, mut is_told) = (Vec::new(), lines.start, false);
    while next < lines.end {
        let Next::Line(line) = client.next() else { panic!("nothing more before line {next}") };
        let line = line_text(&line);
        if line.starts_with("-- you missed ") {
            is_told = true;
        } else if let Some((_, said)) = line.split_once("<ann> ") {
            let number = talkers::number(said.as_bytes()).unwrap_or_else(|| panic!("{line:?}"));
            assert!(number == next || is_told && number > next, "{line:?} instead of line {next}");
            shown.push(number);
            (next, is_told) = (number + 1, false);
        }
    }
    shown
}

/// Ann says the lines with these numbers, and `client` hears all of them.
fn say_and_hear(server: &Server, client: &mut Client, lines: Range<usize>) {
    let ann = Talker::named(server.chat(), "ann").talk(lines.clone());
    assert!(shown(client, lines.clone()).into_iter().eq(lines), "it hears all of it");
    ann.join().expect("all was said");
}

fn while_the_disk_stands_still_the_room_goes_on_and_a_row_says_what_is_missing(poller: Poller) {
    /// More than the kernel holds for a client that does not read. So it waits for nothing.
    const BEFORE: usize = 100_000;
    /// More than may wait for the disk.
    const MEANWHILE: usize = 300_000;
    const LATER: usize = 1_000;
    const LINES: usize = BEFORE + MEANWHILE + LATER;
    let (_folder, path) = folder();
    let disk = Disk::new();
    let mut server = on(&disk, poller, &["--journal", text(&path), "--grace", "1s"]);
    let small = ConnectOptions { receive_buffer: Some(4096), source: None };
    let mut stalled = Client::enter_with(server.chat(), small);
    let mut reader = Client::named(server.chat(), "reader");
    say_and_hear(&server, &mut reader, 0..BEFORE);
    let count = "SELECT CAST(count(*) AS TEXT) FROM messages WHERE kind = 'say'";
    wait_for_rows(&path, count, &[&BEFORE.to_string()]);
    // All of it is said and heard while the disk takes nothing, and the operator knows.
    disk.stop();
    say_and_hear(&server, &mut reader, BEFORE..BEFORE + MEANWHILE);
    server.stderr.wait_for("a warning", |line| line.contains("the journal is too slow"));
    assert!(server.memory_peak_kib() < MOST_MEMORY_KIB, "{} KiB", server.memory_peak_kib());
    disk.slow_down(Duration::ZERO);
    let log = server.stderr.wait_for("the sum", |line| line.contains("the journal was too slow"));
    say_and_hear(&server, &mut reader, LINES - LATER..LINES);
    let shown = shown(&mut stalled, 0..LINES);
    server.stop();

    let kept = kept(&path, "ann");
    let gaps: Vec<Vec<u64>> = rows(
        &path,
        "SELECT first || ' ' || last || ' ' || records || ' ' || messages FROM gaps ORDER BY first",
    )
    .iter()
    .map(|row| row.split(' ').map(|number| number.parse().expect("a number")).collect())
    .collect();
    let [gap] = &gaps[..] else { panic!("{gaps:?}") };
    let [first, last, records, messages] = gap[..] else { panic!("{gap:?}") };
    assert!(log.ends_with(&format!("messages={messages}")), "{log:?}");
    // Rows and what is missing are all that was said, and what is missing stands between the two numbers.
    assert_eq!(kept.len() + messages as usize, LINES);
    let before = kept.iter().take_while(|(seq, _)| *seq < first).count();
    let missing = before..before + messages as usize;
    let numbers = kept.iter().map(|(_, number)| *number);
    assert!(numbers.eq((0..missing.start).chain(missing.end..LINES)), "{gap:?}");
    let seqs = rows(&path, "SELECT CAST(seq AS TEXT) FROM messages ORDER BY id");
    assert!(seqs.iter().map(|seq| seq.parse().expect("a number")).all(|seq: u64| seq < first || seq > last));
    // One record for each message, and what is told of ann's coming and going.
    assert!(records >= messages && records <= last - first + 1, "{gap:?}");
    // Whoever reads later is shown what the journal has, or more.
    assert!(kept.iter().all(|(_, number)| shown.binary_search(number).is_ok()), "{} shown", shown.len());
}
