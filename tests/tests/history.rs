//! What `parlour history` shows is what was said: in each format, of each part, while the server writes. `sqlite3`
//! reads the same.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use parlour_tests::chat::Talk;
use parlour_tests::client::Client;
use parlour_tests::lines::PATIENCE;
use parlour_tests::programs::{Program, found};
use parlour_tests::server::{Server, binary};
use parlour_tests::sys;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

/// A folder, and the path of a journal in it.
fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    (folder, path)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of UTF-8")
}

/// The command, in UTC.
fn command(path: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(["history", text(path)]).args(args).env("TZ", "UTC");
    command
}

/// What is shown, byte by byte.
fn bytes(mut command: Command) -> String {
    let output = command.output().expect("parlour starts");
    assert!(output.status.success() && output.stderr.is_empty(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn shown(path: &Path, args: &[&str]) -> Vec<String> {
    bytes(command(path, args)).lines().map(str::to_owned).collect()
}

/// What is shown, without the times.
fn said(path: &Path, args: &[&str]) -> Vec<String> {
    const TIME: &str = "2026-11-28 13:00:05 ";
    let lines = shown(path, args).into_iter();
    lines.map(|line| line.get(TIME.len()..).unwrap_or_else(|| panic!("{line:?}")).to_owned()).collect()
}

fn objects(path: &Path, args: &[&str]) -> Vec<Value> {
    let lines = shown(path, &[&["--format", "jsonl"], args].concat());
    lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{line}: {why}")))
        .collect()
}

/// Waits until a message is in the file.
fn wait_until_shown(path: &Path, end: &str) {
    let start = Instant::now();
    while !shown(path, &[]).iter().any(|line| line.ends_with(end)) {
        assert!(start.elapsed() < PATIENCE, "{end:?} is not there: {:#?}", shown(path, &[]));
        thread::sleep(Duration::from_millis(10));
    }
}

/// Changes a journal that no server writes.
fn change(path: &Path, sql: &str) {
    let db = Connection::open(path).expect("a journal");
    db.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// A journal after a talk in two rooms. Its server has ended.
fn some_talk(path: &Path) {
    let server = Server::chatting(&["--journal", text(path)]);
    let mut ann = Client::named(server.chat(), "ann");
    ann.say("hello, \"bob\"");
    ann.catch_up();
    let mut bob = Client::named(server.chat(), "bob");
    bob.say("/me drinks Green T\u{e9}a");
    bob.say("/nick robert");
    bob.say("/msg ann a secret");
    bob.say("/topic tea");
    bob.catch_up();
    ann.say("/join den");
    ann.say("digs NOT");
    ann.say("/quit good night");
    ann.read_to_close();
    bob.catch_up();
    server.stop();
}

/// The messages of [`some_talk`].
const TALK: [&str; 3] =
    ["[lobby] <ann> hello, \"bob\"", "[lobby] * bob drinks Green T\u{e9}a", "[den] <ann> digs NOT"];

#[test]
fn messages_are_shown_as_in_the_chat_and_all_else_if_asked() {
    let (_folder, path) = folder();
    some_talk(&path);
    assert_eq!(said(&path, &[]), TALK);
    let all = said(&path, &["--all"]);
    for line in TALK.iter().chain(&[
        "[den] -- ann joined",
        "[lobby] -- bob is now robert",
        "[lobby] -- robert set the topic: tea",
        "[lobby] -- ann went to den",
        "[den] -- ann left: good night",
    ]) {
        assert!(all.contains(&(*line).to_owned()), "{line}: {all:#?}");
    }
    assert!(!all.iter().any(|line| line.contains("secret")), "{all:#?}");
}

#[test]
fn each_format_has_the_same_messages() {
    let (_folder, path) = folder();
    some_talk(&path);
    let objects = objects(&path, &[]);
    let field = |object: &Value, key: &str| object[key].as_str().unwrap_or_default().to_owned();
    let found: Vec<_> = objects
        .iter()
        .map(|object| ["room", "name", "kind", "text"].map(|key| field(object, key)).join("|"))
        .collect();
    let expected =
        ["lobby|ann|say|hello, \"bob\"", "lobby|bob|action|drinks Green T\u{e9}a", "den|ann|say|digs NOT"];
    assert_eq!(found, expected);
    assert_eq!([&objects[0], &objects[1]].map(|object| object["client"].as_i64()), [Some(1), Some(2)]);
    assert!(objects.windows(2).all(|pair| pair[0]["seq"].as_i64() < pair[1]["seq"].as_i64()), "{objects:?}");
    let times: Vec<_> = objects.iter().map(|object| field(object, "time")).collect();
    let local: Vec<_> = shown(&path, &[]).iter().map(|line| line[..19].replace(' ', "T")).collect();
    assert!(times.iter().zip(&local).all(|(utc, local)| utc.starts_with(local)), "{times:?} {local:?}");

    let csv = bytes(command(&path, &["--format", "csv"]));
    let seq = &objects[0]["seq"];
    let first = format!("{seq},{},lobby,1,ann,say,,\"hello, \"\"bob\"\"\"", times[0]);
    let lines: Vec<_> = csv.split("\r\n").collect();
    assert_eq!(lines[..2], ["seq,time,room,client,name,kind,detail,text", &first]);
    assert_eq!((lines.len(), lines[4]), (5, ""));
    let all = bytes(command(&path, &["--format", "csv", "--all"]));
    assert!(all.contains(",ann,quit,left,good night\r\n"), "{all}");
}

#[test]
fn one_room_and_one_client_under_any_of_its_names_can_be_chosen() {
    let (_folder, path) = folder();
    some_talk(&path);
    assert_eq!(said(&path, &["--room", "den"]), ["<ann> digs NOT"]);
    for client in ["2", "bob", "robert", "guest-1"] {
        let found = said(&path, &["--client", client]);
        assert!(found.contains(&TALK[1].to_owned()), "{client}: {found:?}");
        assert_eq!(found.contains(&TALK[0].to_owned()), client == "guest-1", "{client}: {found:?}");
    }
    assert_eq!(said(&path, &["--client", "ann", "--room", "lobby"]), ["<ann> hello, \"bob\""]);
    let ended = Server::run(&["history", text(&path), "--room", "cellar"]);
    assert_eq!(ended.stderr, ["parlour: the journal has no room cellar; its rooms are lobby, den"]);
    assert_eq!(ended.code, Some(2));
    let more =
        "INSERT INTO clients SELECT 10 + value, 'c' || value, '', 0, 0 FROM json_each('[1,2,3,4,5,6,7,8,9]')";
    change(&path, more);
    let ended = Server::run(&["history", text(&path), "--client", "eve"]);
    let there = "its last clients are c9 (19), c8 (18), c7 (17), c6 (16), c5 (15), c4 (14), c3 (13), c2 (12), \
                 c1 (11), robert (2), and 1 more";
    assert_eq!(ended.stderr, [format!("parlour: nobody in the journal has been called eve; {there}")]);
    assert_eq!(ended.code, Some(2));
}

#[test]
fn times_are_local_and_a_day_counts_to_its_end() {
    let (_folder, path) = folder();
    some_talk(&path);
    let at = |number: i64, time: &str| {
        format!("UPDATE messages SET time = 1000 * unixepoch('{time}') WHERE text LIKE '%{number}%';")
    };
    // The times of the spans would be wrong. Without spans, all is read.
    let texts = "DELETE FROM spans;
        UPDATE messages SET text = CAST('1 one' AS BLOB) WHERE kind = 'action';
        UPDATE messages SET text = CAST('2 two' AS BLOB) WHERE kind = 'say';
        DELETE FROM messages WHERE name = 'ann' AND room = 1;";
    change(&path, &format!("{texts}{}{}", at(1, "2026-03-01 23:30:00"), at(2, "2026-03-02 00:10:00")));
    let check = |args: &[&str], zone: &str, expected: &[&str]| {
        let mut command = command(&path, args);
        command.env("TZ", zone);
        let lines: Vec<_> = bytes(command).lines().map(str::to_owned).collect();
        assert_eq!(lines, expected, "{args:?} {zone}");
    };
    let (one, two) = ("2026-03-01 23:30:00 [lobby] * bob 1 one", "2026-03-02 00:10:00 [den] <ann> 2 two");
    check(&["--until", "2026-03-01"], "UTC", &[one]);
    check(&["--since", "2026-03-02"], "UTC", &[two]);
    check(&["--since", "2026-03-01 23:30", "--until", "2026-03-02T00:10"], "UTC", &[one]);
    check(&["--since", "2026-03-01T23:30:01Z"], "UTC", &[two]);
    check(&["--since", "1h"], "UTC", &[]);
    check(&["--until", "1h"], "UTC", &[one, two]);
    // Half an hour east, and five hours west.
    let (one, two) = ("2026-03-02 00:00:00 [lobby] * bob 1 one", "2026-03-02 00:40:00 [den] <ann> 2 two");
    check(&["--since", "2026-03-02", "--until", "2026-03-02"], "XYZ-0:30", &[one, two]);
    check(&["--since", "2026-03-01 18:31"], "EST5", &["2026-03-01 19:10:00 [den] <ann> 2 two"]);
}

#[test]
fn words_are_found_whether_they_are_in_the_index_or_not() {
    let (_folder, path) = folder();
    some_talk(&path);
    let check =
        |words: &str, expected: &[&str]| assert_eq!(said(&path, &["--search", words]), expected, "{words}");
    for indexed in ["(SELECT max(id) FROM messages)", "(SELECT id FROM messages WHERE kind = 'action')", "0"]
    {
        let rows = format!(
            "INSERT INTO words (words) VALUES ('delete-all');
             INSERT INTO words (rowid, text) SELECT id, CAST(text AS TEXT) FROM messages
                 WHERE id <= {indexed} AND kind IN ('say', 'action', 'raw');
             INSERT INTO state VALUES ('indexed', {indexed}) ON CONFLICT DO UPDATE SET value = {indexed}"
        );
        change(&path, &rows);
        check("HELLO", &TALK[..1]);
        check("tea green", &TALK[1..2]);
        check("tea hello", &[]);
        // A word of FTS5's language is a word.
        check("NOT", &TALK[2..]);
        for harmless in ["\"bob", "bob*", "(bob", "text:bob -", "NEAR(bob", "bob OR"] {
            let found = said(&path, &["--search", harmless]);
            assert!(found.is_empty() || found == TALK[..1], "{harmless}: {found:?}");
        }
        check("\"bob\" * ( hello", &TALK[..1]);
        assert_eq!(said(&path, &["--search", "digs", "--client", "bob"]).len(), 0);
    }
    assert_eq!(Server::run(&["history", text(&path), "--search", "\"*"]).code, Some(2));
}

#[test]
fn what_is_written_later_follows_until_a_signal_comes() {
    let (_folder, path) = folder();
    let server = Server::chatting(&["--journal", text(&path)]);
    let mut ann = Client::named(server.chat(), "ann");
    ann.say("before");
    wait_until_shown(&path, "<ann> before");
    let mut all = Program::start_command(command(&path, &["--follow"]));
    let mut of_ann = Program::start_command(command(&path, &["-f", "--client", "ann", "--search", "cake"]));
    all.stdout.wait_for("what was said before", |line| line.ends_with(" [lobby] <ann> before"));
    let mut bob = Client::named(server.chat(), "bob");
    bob.say("/join den");
    bob.say("cake in a new room");
    all.stdout.wait_for("a new room", |line| line.ends_with(" [den] <bob> cake in a new room"));
    // Another client takes the name.
    ann.say("/nick anna");
    ann.wait_for("-- ann is now anna");
    let mut other = Client::named(server.chat(), "ann");
    other.say("more cake");
    of_ann.stdout.wait_for("cake", |line| line.ends_with(" [lobby] <ann> more cake"));
    assert_eq!(of_ann.stdout.seen().len(), 1, "{:?}", of_ann.stdout.seen());
    server.stop();
    for program in [&mut all, &mut of_ann] {
        sys::signal(program.id(), sys::SIGINT).expect("it runs");
        assert_eq!(program.wait().signal(), Some(sys::SIGINT));
        assert!(program.stderr.to_end().is_empty());
    }
}

#[test]
fn who_follows_a_file_that_is_deleted_is_told() {
    let (_folder, path) = folder();
    some_talk(&path);
    let mut follower = Program::start_command(command(&path, &["--follow"]));
    follower.stdout.wait_for("the end", |line| line.ends_with("digs NOT"));
    fs::remove_file(&path).expect("it is there");
    assert_eq!(follower.wait().code(), Some(2));
    assert!(follower.stderr.to_end()[0].ends_with("the file was deleted or replaced"));
}

/// A journal with many more messages.
fn much_talk(path: &Path, count: u32) {
    some_talk(path);
    change(
        path,
        &format!(
            "WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {count})
             INSERT INTO messages (seq, time, room, client, name, kind, text)
             SELECT 1000 + n, 1790000000000 + n, 1, 1, 'ann', 'say', CAST(printf('%0500d', n) AS BLOB) FROM counted"
        ),
    );
}

/// A pipe whose reader wants one line.
#[track_caller]
fn check_head(path: &Path, args: &str) {
    let program = binary().display();
    let script = format!("set -o pipefail; '{program}' history '{}' {args} | head -1", text(path));
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]);
    let ended = Server::run_command(shell);
    assert_eq!((ended.code, ended.stdout.len(), ended.stderr.len()), (Some(0), 1, 0), "{args}: {ended:?}");
}

#[test]
fn who_follows_ends_with_the_reader_of_its_pipe_even_if_nothing_more_is_said() {
    let (_folder, path) = folder();
    some_talk(&path);
    check_head(&path, "--follow");
}

#[test]
fn a_pipe_may_end_early_and_memory_does_not_grow() {
    const COUNT: u32 = 100_000;
    let (_folder, path) = folder();
    much_talk(&path, COUNT);
    for args in ["", "--follow", "--format jsonl", "--format csv"] {
        check_head(&path, args);
    }
    let mut follower = Program::start_command(command(&path, &["--follow"]));
    let end = format!("{COUNT:0500}");
    follower.stdout.wait_for("the last message", |line| line.ends_with(&end));
    assert_eq!(follower.stdout.seen().len(), 3 + COUNT as usize);
    let status = fs::read_to_string(format!("/proc/{}/status", follower.id())).expect("it runs");
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel's field");
    let most: u64 = most.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(most < 24 << 10, "{most} KiB for a journal of 50 MB");
}

#[test]
fn nothing_that_anybody_said_commands_a_terminal() {
    let (_folder, path) = folder();
    let server = Server::start(&["--relay", "0,name=feed", "--journal", text(&path)]);
    let mut feed = Client::connect(server.address("relay"));
    feed.send(b"one\x1b[2J\xff\r\ntwo\x07\xc2\x9b1m\xe2\x80\xae\n");
    wait_until_shown(&path, "two\u{fffd}\u{fffd}1m\u{fffd}");
    server.stop();
    change(&path, "UPDATE rooms SET name = 'a' || char(27) || 'b'; UPDATE clients SET name = char(155)");
    for format in ["text", "jsonl", "csv"] {
        let output = bytes(command(&path, &["--format", format, "--all"]));
        let is_harmful = |c: char| (c.is_control() && !"\n\r".contains(c)) || c == '\u{202e}';
        assert!(!output.contains(is_harmful), "{output:?}");
        assert!(format == "csv" || !output.contains('\r'), "{output:?}");
    }
    let ended = Server::run(&["history", text(&path), "--room", "x\x1b"]);
    assert!(ended.stderr[0].contains("no room x\u{fffd}; its rooms are a\u{fffd}b"), "{:?}", ended.stderr);
    let found = objects(&path, &[]);
    assert_eq!(found[0]["room"], "a\x1bb");
    let encoded = "b25lG1sySv8NCnR3bwfCmzFt4oCuCg==";
    assert!(found.iter().any(|object| object["text_base64"] == encoded), "{found:?}");
}

#[test]
fn a_gap_is_told_where_something_is_missing() {
    let (_folder, path) = folder();
    some_talk(&path);
    change(
        &path,
        "UPDATE messages SET seq = seq * 100, time = 1000;
         INSERT INTO gaps SELECT seq + 1, seq + 50, 40, 37, 2000 FROM messages WHERE kind = 'action';
         INSERT INTO gaps VALUES (100000, 100009, 9, 0, 3000)",
    );
    let gap = "-- 37 messages are missing here";
    assert_eq!(said(&path, &[]), [TALK[0], TALK[1], gap, TALK[2]]);
    assert_eq!(said(&path, &["--room", "den"]), [gap, "<ann> digs NOT"]);
    assert_eq!(said(&path, &["--all"]).last().map(String::as_str), Some("-- 9 events are missing here"));
    assert_eq!(said(&path, &["--search", "digs"]), TALK[2..]);
    let found = objects(&path, &["--since", "1970-01-01T00:00:02Z"]);
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0]["kind"], &found[0]["messages"]), (&"gap".into(), &37.into()));
    let csv = bytes(command(&path, &["--format", "csv"]));
    assert!(csv.contains(",1970-01-01T00:00:02.000Z,,,,gap,"), "{csv}");
}

#[test]
fn what_is_no_journal_is_named() {
    let (folder, path) = folder();
    let check = |path: &Path, why: &str| {
        let ended = Server::run(&["history", text(path)]);
        assert_eq!(ended.stderr, [format!("parlour: the journal {} cannot be read: {why}", path.display())]);
        assert_eq!((ended.code, ended.stdout.len()), (Some(2), 0));
    };
    check(&path, "No such file or directory");
    check(folder.path(), "is a directory");
    fs::write(&path, "not a database, but a text of some length".repeat(50)).expect("a file");
    check(&path, "this file is not a journal of parlour");
    fs::remove_file(&path).expect("it is there");
    change(&path, "CREATE TABLE messages (id)");
    check(&path, "this file is not a journal of parlour");
    fs::remove_file(&path).expect("it is there");
    some_talk(&path);
    change(&path, "PRAGMA user_version = 9");
    check(&path, "a newer parlour made this journal: its schema is 9, and this one knows 4");
    let ended = Server::run(&["history", text(&path), "--since", "soon"]);
    assert_eq!((ended.code, ended.stderr.len()), (Some(2), 1), "{:?}", ended.stderr);
}

// --- sqlite3 ---

/// What `sqlite3` says.
fn sqlite3(path: &Path, command: &str) -> Vec<String> {
    let mut program = Command::new(found("sqlite3", "sqlite3"));
    program.arg(path).arg(command);
    let ended = Server::run_command(program);
    assert!(ended.code == Some(0) && ended.stderr.is_empty(), "{command}: {ended:?}");
    ended.stdout
}

/// The commands in docs/journal.md.
fn documented() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/journal.md");
    let page = fs::read_to_string(page).expect("docs/journal.md");
    let commands = page.split("    sqlite3 chat.db \"").skip(1);
    commands.map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn what_the_page_says_to_sqlite3_works_while_the_server_writes() {
    let (folder, path) = folder();
    let server = Server::chatting(&["--journal", text(&path)]);
    let mut ann = Client::named(server.chat(), "ann");
    for line in ["hello", "some green tea", "/topic tea"] {
        ann.say(line);
    }
    wait_until_shown(&path, "green tea");
    let start = Instant::now();
    while sqlite3(&path, "SELECT 1 FROM words WHERE words MATCH 'green'").is_empty() {
        assert!(start.elapsed() < PATIENCE, "the index is never made");
        thread::sleep(Duration::from_millis(10));
    }
    let (backups, queries): (Vec<_>, Vec<_>) =
        documented().into_iter().partition(|command| command.contains("copy.db"));
    let answers: Vec<_> = queries.iter().map(|query| sqlite3(&path, query)).collect();
    assert_eq!(answers.len(), 6, "{queries:#?}");
    assert!(answers[0][0].ends_with("|lobby|hello") && answers[0].len() == 2, "{answers:#?}");
    assert!(answers[1][0].ends_with("|ann|some green tea"), "{answers:#?}");
    assert_eq!(
        (&answers[2][..], &answers[3][..]),
        (&["ann|some green tea".into()][..], &["ann|2".into()][..])
    );
    assert!(answers[4][0].starts_with("1|ann|127.0.0.1:"), "{answers:#?}");
    assert!(answers[5].is_empty(), "{answers:#?}");
    assert_eq!(backups.len(), 1);
    let copy = folder.path().join("copy.db");
    for backup in backups {
        sqlite3(&path, &backup.replace("copy.db", text(&copy)));
        assert_eq!(said(&copy, &[]), ["<ann> hello", "<ann> some green tea"]);
        fs::remove_file(&copy).expect("it was made");
    }
    // A reader that ends must not take the file away to which the server writes.
    ann.say("and cake");
    wait_until_shown(&path, "cake");
    server.signal(sys::SIGKILL);
    drop(server);
    assert_eq!(
        sqlite3(&path, "SELECT text FROM client_1 WHERE kind = 'say'"),
        ["hello", "some green tea", "and cake"]
    );
    assert_eq!(sqlite3(&path, "PRAGMA integrity_check"), ["ok"]);
}
