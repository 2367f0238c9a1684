//! `/history` and `/search` in the chat of a server that keeps a journal: after restarts, in each room its own, whatever
//! the others type.

use std::path::PathBuf;
use std::time::Instant;

use parlour_tests::chat::Talk;
use parlour_tests::client::Client;
use parlour_tests::lines::PATIENCE;
use parlour_tests::programs::Program;
use parlour_tests::server::{Poller, Server};
use parlour_tests::with_each_poller;
use rusqlite::Connection;
use tempfile::TempDir;

with_each_poller! {
    the_past_of_a_room_is_shown_after_a_restart,
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    (folder, path)
}

/// The lines that a client is told because of what it says, without the times of those that are past.
fn answers(client: &mut Client, line: &str) -> Vec<String> {
    client.say(line);
    client.say("/ping");
    let lines = client.wait_for("-- pong");
    let without_time =
        |line: &String| match line.strip_prefix("-- earlier (").and_then(|rest| rest.split_once("): ")) {
            Some((_, text)) => format!("earlier {text}"),
            None => line.clone(),
        };
    lines.iter().map(without_time).collect()
}

fn the_past_of_a_room_is_shown_after_a_restart(poller: Poller) {
    let (_folder, path) = folder();
    let args = ["--journal", path.to_str().expect("a path of UTF-8"), "--history", "0"];
    let server = poller.chatting(&args);
    let mut ann = Client::named(server.chat(), "ann");
    let mut bob = Client::named(server.chat(), "bob");
    ann.say("Green T\u{e9}a for all");
    ann.say("/me pours green milk");
    ann.say("/msg bob green tea is a secret");
    ann.say("/topic green tea");
    ann.catch_up();
    bob.say("/join den");
    bob.say("tea in the den");
    bob.catch_up();
    server.stop();

    let server = poller.chatting(&args);
    let mut carol = Client::named(server.chat(), "carol");
    let lobby = ["earlier <ann> Green T\u{e9}a for all", "earlier * ann pours green milk"];
    assert_eq!(answers(&mut carol, "/history"), lobby);
    assert_eq!(answers(&mut carol, "/history 1"), lobby[1..]);
    carol.say("something new");
    assert_eq!(answers(&mut carol, "/history 2"), [lobby[1], "earlier <carol> something new"]);
    assert_eq!(answers(&mut carol, "/search tea"), [lobby[0], "-- 1 found"]);
    assert_eq!(answers(&mut carol, "/search GREEN"), [lobby[0], lobby[1], "-- 2 found"]);
    assert_eq!(answers(&mut carol, "/search new"), ["earlier <carol> something new", "-- 1 found"]);
    assert_eq!(answers(&mut carol, "/search secret"), ["-- nothing found"], "it was for bob alone");
    assert_eq!(answers(&mut carol, "/search tea OR milk"), ["-- nothing found"]);
    // The room is made anew.
    carol.say("/join den");
    carol.catch_up();
    assert_eq!(answers(&mut carol, "/history 9"), ["earlier <bob> tea in the den"]);
    assert_eq!(answers(&mut carol, "/search tea"), ["earlier <bob> tea in the den", "-- 1 found"]);
    assert_eq!(answers(&mut carol, "/search green"), ["-- nothing found"], "it was said in the lobby");
    assert!(answers(&mut carol, "/help").iter().any(|line| line.starts_with("-- /search WORDS: ")));
    server.stop();
}

#[test]
fn without_a_journal_there_is_no_search() {
    let server = Server::chatting(&[]);
    let mut ann = Client::named(server.chat(), "ann");
    ann.say("tea");
    assert_eq!(
        answers(&mut ann, "/search tea"),
        ["-- there is no search here: this server keeps no old messages"]
    );
    assert_eq!(answers(&mut ann, "/history"), ["earlier <ann> tea"]);
    assert!(!answers(&mut ann, "/help").iter().any(|line| line.contains("search")));
    server.stop();
}

#[test]
fn more_than_the_log_has_is_shown_whole_while_others_talk() {
    const ALL: usize = 1_500;
    let (_folder, path) = folder();
    let server = Server::chatting(&["--journal", path.to_str().expect("UTF-8"), "--log-size", "16k"]);
    let mut ann = Client::named(server.chat(), "ann");
    let mut bob = Client::named(server.chat(), "bob");
    for number in 0..ALL {
        ann.say(&format!("line {number} {}", "x".repeat(40)));
    }
    ann.catch_up();
    bob.wait_for(&format!("<ann> line {} {}", ALL - 1, "x".repeat(40)));
    for count in [30, 700, 1_000, 5_000] {
        bob.say(&format!("/history {count}"));
        (0..50).for_each(|number| ann.say(&format!("now {number}")));
        ann.catch_up();
        let lines = {
            bob.say("/ping");
            bob.wait_for("-- pong")
        };
        let live: Vec<_> = lines.iter().filter(|line| line.starts_with("<ann> now ")).collect();
        let wanted: Vec<_> = (0..50).map(|number| format!("<ann> now {number}")).collect();
        // Those that came after the pong are not among them.
        assert!(live.iter().zip(&wanted).all(|(seen, wanted)| *seen == wanted), "{live:?}");
        let past: Vec<_> = lines.iter().filter(|line| line.starts_with("-- earlier")).collect();
        assert_eq!(past.len(), count.min(1_000), "/history {count}");
        assert_eq!(lines.len(), past.len() + live.len(), "nothing else");
        let rest: Vec<_> = wanted[live.len()..].to_vec();
        rest.iter().for_each(|line| assert_eq!(bob.line(), *line));
    }
    server.stop();
}

/// A journal of another room with so many messages of the same words.
fn fill(path: &std::path::Path, count: u32) {
    let mut db = Connection::open(path).expect("a journal");
    let transaction = db.transaction().expect("nobody writes it");
    transaction.execute_batch("INSERT OR IGNORE INTO rooms (id, name) VALUES (77, 'attic')").expect("a room");
    transaction
        .execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) \
             INSERT INTO messages (seq, time, room, client, name, kind, text) \
             SELECT 1000000 + i, 0, 77, NULL, 'old', 'say', CAST('a b c d e f g h i j k l m n o p tea ' || i AS BLOB) FROM n",
            [count],
        )
        .expect("messages");
    transaction.commit().expect("it is written");
}

#[test]
fn searches_in_a_loop_do_not_keep_others_from_their_history() {
    let (_folder, path) = folder();
    let args = ["--journal", path.to_str().expect("UTF-8"), "--history", "5"];
    let server = Server::chatting(&args);
    let mut ann = Client::named(server.chat(), "ann");
    (0..9).for_each(|number| ann.say(&format!("old tea {number}")));
    ann.catch_up();
    server.stop();
    fill(&path, 30_000);
    // The text index is being made meanwhile.
    let server = Server::chatting(&args);
    let questions =
        ["/search a b c d e f g h i j k l m n o p zebra", "/search tea", "/search a*b*c \"a\" NOT NEAR(a b)"];
    let hostile = format!("{}\n", questions.join("\n")).repeat(2_000);
    let mut hostile_clients: Vec<_> = (0..8).map(|_| Client::connect(server.chat())).collect();
    hostile_clients.iter_mut().for_each(|client| client.send_until_stuck(hostile.as_bytes()));
    let start = Instant::now();
    for _ in 0..20 {
        // A newcomer is told its history, and all else, while they search.
        let mut newcomer = Client::connect(server.chat());
        newcomer.line();
        newcomer.say("/ping");
        let seen = newcomer.wait_for("-- pong");
        let past = seen.iter().filter(|line| line.contains("<ann> old tea ")).count();
        assert_eq!(past, 5, "{seen:#?}");
        assert!(!seen.iter().any(|line| line.contains("cannot be read")), "{seen:#?}");
    }
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    // They are answered too, one after the other.
    let first = &mut hostile_clients[0];
    first.wait_for("-- nothing found");
    assert!(first.wait_for("-- 9 found").iter().filter(|line| line.contains("<ann> old tea ")).count() >= 9);
    // A client that hangs up leaves nothing behind.
    drop(hostile_clients);
    let mut last = Client::named(server.chat(), "last");
    assert_eq!(answers(&mut last, "/search 8").last().map(String::as_str), Some("-- 1 found"));
    server.stop();
}

#[test]
fn nc_gets_its_answer_before_it_ends() {
    let (_folder, path) = folder();
    let args = ["--journal", path.to_str().expect("UTF-8")];
    let server = Server::chatting(&args);
    let mut ann = Client::named(server.chat(), "ann");
    ann.say("green tea");
    ann.catch_up();
    server.stop();
    let server = Server::chatting(&args);
    let mut nc = Program::start("nc.openbsd", "netcat-openbsd", &["-N", "127.0.0.1", server.port()]);
    // The last line has no end.
    nc.send("/history\n/search tea\n/search milk");
    nc.end_input();
    for wanted in ["<ann> green tea", "<ann> green tea", "-- 1 found", "-- nothing found"] {
        nc.stdout.wait_for(wanted, |line| line.ends_with(wanted));
    }
    nc.wait();
    server.stop();
}
