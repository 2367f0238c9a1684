//! `parlour-bench --journal` finds every line in the journal of a server, and names each fault of a journal that
//! somebody has tampered with.

use std::path::{Path, PathBuf};
use std::process::Command;

use parlour_tests::load;
use parlour_tests::programs::found;
use parlour_tests::server::Server;
use serde_json::Value;
use tempfile::TempDir;

/// A folder, and the path of a journal in it.
fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.db");
    (folder, path)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of UTF-8")
}

/// The counts of a kind of faults that are not 0.
fn counts<'a>(report: &'a Value, kind: &str) -> Vec<(&'a str, u64)> {
    let counts = report[kind].as_object().unwrap_or_else(|| panic!("no {kind}: {report:#}"));
    let counts = counts.iter().map(|(name, count)| (name.as_str(), count.as_u64().expect("a count")));
    counts.filter(|&(_, count)| count > 0).collect()
}

#[test]
fn a_journal_has_every_line() {
    let (_folder, path) = folder();
    let args = ["--chat", "0", "--relay", "0", "--echo", "0", "--journal", text(&path)];
    let server = Server::start(&args);
    let works: [(&str, &[&str]); 3] = [
        ("chat", &["fan:3", "lockstep:5", "ahead:5", "gather:5", "latency:3"]),
        ("relay", &["fan:3", "ahead:5", "gather:5"]),
        ("echo", &["echo:5", "echo:3x32"]),
    ];
    let (mut stored, mut used) = (0.0, 0.0);
    for (service, works) in works {
        let args = [&[server.address(service)], works, &["--journal", text(&path)]].concat();
        let (reports, code) = load::reports(&args);
        assert_eq!((reports.len(), code), (works.len(), Some(0)), "{reports:#?}");
        for report in &reports {
            assert_eq!((counts(report, "faults"), counts(report, "journal_faults")), (vec![], vec![]));
            stored += report["stored"].as_f64().expect("a number");
            used += report["cpu_stored"].as_f64().unwrap_or_default();
        }
    }
    // A disk that is slow may store nothing in the time of one work.
    assert!(stored > 0.0 && used > 0.0);
    server.stop();
}

/// Expects the load generator to find these faults, and no others, in a journal in which this is done after each
/// message whose row is called `new`.
#[track_caller]
fn finds(expected: &str, tampering: &str) {
    let (_folder, path) = folder();
    let server = Server::chatting(&["--journal", text(&path)]);
    let sql = format!(
        "CREATE TRIGGER tampering AFTER INSERT ON messages WHEN new.kind = 'say' AND new.id = 300 BEGIN {tampering}; END"
    );
    let sqlite = Command::new(found("sqlite3", "sqlite3")).arg(&path).args([".timeout 10000", &sql]).status();
    assert!(sqlite.expect("it starts").success());
    let args = [server.chat(), "fan:1", "--journal", text(&path)];
    let (reports, code) = load::reports(&args);
    assert_eq!(counts(&reports[0], "faults"), []);
    assert_eq!(counts(&reports[0], "journal_faults"), [(expected, 1)]);
    assert_eq!(code, Some(1));
    server.stop();
}

#[test]
fn a_line_that_the_journal_lacks_is_found() {
    finds("lost", "DELETE FROM messages WHERE id = new.id");
}

#[test]
fn a_line_that_the_journal_has_cut_is_found() {
    finds("cut", "UPDATE messages SET text = substr(text, 1, 50) WHERE id = new.id");
}

#[test]
fn a_line_that_the_journal_has_damaged_is_found() {
    finds(
        "corrupt",
        "UPDATE messages SET text = CAST(replace(text, substr(text, 60, 1), '!') AS BLOB) WHERE id = new.id",
    );
}

#[test]
fn a_line_that_the_journal_has_twice_is_found() {
    finds(
        "doubled",
        "INSERT INTO messages SELECT id + 1000000000, -seq, time, room, client, name, kind, detail, text FROM messages \
         WHERE id = new.id",
    );
}

#[test]
fn a_journal_that_has_nothing_is_no_success() {
    let (_folder, path) = folder();
    let server = Server::start(&["--relay", "0,journal=off", "--journal", text(&path)]);
    let args = [server.address("relay"), "fan:2", "--patience", "4s", "--journal", text(&path)];
    let (reports, code) = load::reports(&args);
    let [("lost", lost)] = counts(&reports[0], "journal_faults")[..] else { panic!("{:#}", reports[0]) };
    assert!(lost > 0 && counts(&reports[0], "faults").is_empty(), "{:#}", reports[0]);
    assert_eq!((reports[0]["stored"].as_f64(), code), (Some(0.0), Some(1)));
    server.stop();
}

#[test]
fn what_cannot_be_read_is_said_in_one_line() {
    let (folder, path) = folder();
    let server = Server::chatting(&["--journal", text(&path)]);
    let other = folder.path().join("other.db");
    for (work, journal, words) in [
        ("fan:3", &other, "cannot be read: No such file"),
        ("idle:3", &path, "--journal does not work with idle"),
    ] {
        let ended = load::run(&[server.chat(), work, "--journal", text(journal)]);
        let last = ended.stderr.last().map(String::as_str).unwrap_or_default();
        assert!(last.starts_with(&format!("parlour-bench: {work}")) && last.contains(words), "{ended:#?}");
        assert_eq!(ended.code, Some(2), "{work}");
    }
    server.stop();
}
