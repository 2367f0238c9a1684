//! `parlour backup`: a whole copy while the server writes, or none at all.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use parlour_tests::chat::Talk;
use parlour_tests::client::Client;
use parlour_tests::lines::PATIENCE;
use parlour_tests::programs::{Program, found};
use parlour_tests::server::{Server, binary};
use parlour_tests::sys;
use tempfile::TempDir;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    (folder, path)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of UTF-8")
}

fn parlour(args: &[&str]) -> Output {
    Command::new(binary()).args(args).output().expect("parlour starts")
}

fn sqlite(path: &Path, sql: &str) -> Vec<String> {
    let mut command = Command::new(found("sqlite3", "sqlite3"));
    let output = command.args([text(path), sql]).output().expect("sqlite3 starts");
    assert!(output.status.success() && output.stderr.is_empty(), "{sql}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

/// What `parlour history` shows, without time and author.
fn said(path: &Path) -> Vec<String> {
    let output = parlour(&["history", text(path)]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| line.split_once("> ").expect("an author").1.to_owned()).collect()
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |entry: Result<fs::DirEntry, _>| entry.expect("an entry").file_name();
    let mut names: Vec<_> = entries.map(|entry| name(entry).into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

/// A journal of many messages that no server writes.
fn large(path: &Path, count: u32) {
    let server = Server::chatting(&["--journal", text(path)]);
    let mut ann = Client::named(server.chat(), "ann");
    ann.say("hello");
    ann.catch_up();
    server.stop();
    sqlite(
        path,
        &format!(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT {count}) \
             INSERT INTO messages (seq, time, room, client, name, kind, text) \
             SELECT 1000 + n, 1, 1, 1, 'ann', 'say', CAST('a line of some length, number ' || n AS BLOB) FROM n"
        ),
    );
}

#[test]
fn a_copy_that_is_made_while_people_talk_is_a_beginning_of_what_was_said() {
    const LINES: usize = 40_000;
    let (folder, path) = folder();
    let server = Server::chatting(&["--journal", text(&path), "--rate", "off"]);
    let mut ann = Client::named(server.chat(), "ann");
    let mut bob = Client::named(server.chat(), "bob");
    let talk = thread::spawn(move || {
        for number in 0..LINES {
            ann.say(&format!("line {number}"));
        }
        ann
    });
    let mut copies = Vec::new();
    for copy in 0..4 {
        let heard = copy * LINES / 4;
        bob.wait_for(&format!("<ann> line {heard}"));
        let to = folder.path().join(format!("copy-{copy}.db"));
        let output = parlour(&["backup", text(&path), text(&to)]);
        assert!(
            output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(),
            "{output:?}"
        );
        copies.push(to);
    }
    bob.wait_for(&format!("<ann> line {}", LINES - 1));
    drop(talk.join().expect("all is said"));
    server.stop();
    assert!(!names(folder.path()).iter().any(|name| name.contains(".part")), "{:?}", names(folder.path()));
    let mut last = 0;
    for copy in &copies {
        assert_eq!(fs::metadata(copy).expect("it is there").permissions().mode() & 0o777, 0o600);
        assert_eq!(sqlite(copy, "PRAGMA integrity_check"), ["ok"]);
        let said = said(copy);
        assert!(said.len() >= last, "{} after {last}", said.len());
        last = said.len();
        for (number, line) in said.iter().enumerate() {
            assert_eq!(*line, format!("line {number}"), "of {last}");
        }
    }
    // A server goes on with a copy.
    let (copy, before) = (&copies[3], last);
    let server = Server::chatting(&["--journal", text(copy), "--history", "1"]);
    let mut carol = Client::named(server.chat(), "carol");
    carol.say("another story");
    carol.catch_up();
    server.stop();
    let said = said(copy);
    assert_eq!((said.len(), said[before].as_str()), (before + 1, "another story"));
    assert_eq!(sqlite(copy, "SELECT count(*) - count(DISTINCT seq) FROM messages WHERE kind = 'say'"), ["0"]);
}

#[test]
fn what_is_there_is_not_replaced_unless_that_is_asked_for() {
    let (folder, path) = folder();
    large(&path, 10);
    let to = folder.path().join("copy.db");
    fs::write(&to, "precious").expect("a file");
    let refused = |args: &[&str], why: &str| {
        let output = parlour(&[&["backup", text(&path)], args].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.starts_with("parlour: ") && told.contains(why), "{told:?}");
    };
    refused(&[text(&to)], "copy.db is there already; choose another name, or replace it with --force");
    assert_eq!(fs::read_to_string(&to).expect("it is there"), "precious");
    refused(&["--force", text(&path)], "the copy would replace the journal");
    let link = folder.path().join("link.db");
    fs::hard_link(&path, &link).expect("a link");
    refused(&["--force", text(&link)], "the copy would replace the journal");
    let other = folder.path().join("other.db");
    let wal = folder.path().join("other.db-wal");
    fs::write(&wal, "").expect("a file");
    refused(&[text(&other)], "other.db-wal belongs to another database");
    let third = folder.path().join("third.db");
    let part = folder.path().join("third.db.part");
    fs::write(&part, "of another").expect("a file");
    refused(&[text(&third)], "third.db.part is there already: another backup writes it, or one was killed");
    assert_eq!(fs::read_to_string(&part).expect("it is there"), "of another");
    let output = parlour(&["backup", text(&path), text(&to), "--force"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(said(&to).len(), 11);
}

#[test]
fn what_cannot_be_read_or_written_is_told() {
    let (folder, path) = folder();
    large(&path, 10);
    let foreign = folder.path().join("notes.txt");
    fs::write(&foreign, "some text that is no database".repeat(100)).expect("a file");
    let nowhere = folder.path().join("no/copy.db");
    for (from, to, code, why) in [
        (&foreign, &path.with_extension("copy"), 2, "notes.txt cannot be read: this file is not a journal"),
        (&nowhere, &path.with_extension("copy"), 2, "no/copy.db cannot be read: No such file or directory"),
        (&path, &nowhere, 1, "no/copy.db.part cannot be written: No such file or directory"),
    ] {
        let output = parlour(&["backup", text(from), text(to)]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(code) && told.contains(why), "{output:?}");
    }
    let left = names(folder.path());
    assert!(left.iter().all(|name| name.starts_with("chat.db") || name == "notes.txt"), "{left:?}");
    assert!(!left.iter().any(|name| name.ends_with("copy") || name.ends_with("part")), "{left:?}");
}

#[test]
fn a_copy_that_is_interrupted_leaves_nothing() {
    let (folder, path) = folder();
    large(&path, 1_000_000);
    for signal in [sys::SIGINT, sys::SIGTERM] {
        let to = folder.path().join("copy.db");
        let part = folder.path().join("copy.db.part");
        let mut command = Command::new(binary());
        command.args(["backup", text(&path), text(&to)]);
        let mut backup = Program::start_command(command);
        let start = Instant::now();
        while fs::metadata(&part).map_or(0, |metadata| metadata.len()) < 1 << 20 {
            assert!(start.elapsed() < PATIENCE, "no copy is begun");
            thread::sleep(Duration::from_millis(1));
        }
        sys::signal(backup.id(), signal).expect("it runs");
        assert_eq!(backup.wait().code(), Some(1));
        backup.stderr.wait_for_line("parlour: interrupted; no copy was made");
        assert!(
            !names(folder.path()).iter().any(|name| name.starts_with("copy")),
            "{:?}",
            names(folder.path())
        );
    }
}

#[test]
fn a_full_disk_leaves_nothing() {
    let (folder, path) = folder();
    large(&path, 100_000);
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).expect("a folder");
    let script = format!(
        "mount -t tmpfs -o size=2m none '{0}' && '{1}' backup '{2}' '{0}/copy.db'; echo $?; ls -A '{0}'",
        disk.display(),
        binary().display(),
        path.display()
    );
    let output = Command::new("unshare").args(["-rm", "sh", "-c", &script]).output().expect("unshare starts");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1\n", "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("copy.db.part cannot be written: no storage space"), "{told:?}");
}
