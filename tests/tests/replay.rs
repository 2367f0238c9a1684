//! `parlour serve --record FILE` and `parlour replay FILE`: what a trace of a real server holds, and what becomes of it
//! when the disk is full or the server is killed. The traces in `tests/traces` are replayed.
//!
//! If what parlour says was changed on purpose, those of them that these tests make are made again by
//! `PARLOUR_TRACES=new cargo test -p parlour-tests --test replay`.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use parlour::replay::known;
use parlour_boards::named;
use parlour_core::{Config, ListenerId, OnLag};
use parlour_firmware::{limits, listeners};
use parlour_tests::chat::Talk;
use parlour_tests::client::{Client, ConnectOptions};
use parlour_tests::hub::{HubMemory, Setup};
use parlour_tests::lines::PATIENCE;
use parlour_tests::server::{Ended, Poller, Server, binary};
use parlour_tests::sim::{Peer, Weather, World};
use parlour_tests::{sys, with_each_poller};
use parlour_trace::{End, Reader, VERSION, replay};

with_each_poller! {
    a_replay_prints_what_the_clients_got,
    a_relay_that_waits_for_a_slow_client_is_replayed,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("traces")
}

/// Puts a trace into the folder, if that was asked for.
fn keep(name: &str, trace: &[u8]) {
    if env::var_os("PARLOUR_TRACES").is_some() {
        fs::write(folder().join(name).with_extension("trace"), trace).expect("a file");
    }
}

fn path_of(file: &Path) -> &str {
    file.to_str().expect("text")
}

/// What is in the quotes of a line of a replay.
fn unquoted(line: &str) -> Vec<u8> {
    let (_, text) = line.split_once('"').expect("a quote");
    let mut text = text.strip_suffix('"').expect("a quote").chars();
    let mut bytes = Vec::new();
    while let Some(c) = text.next() {
        let escaped = (c == '\\').then(|| text.next().expect("an escape"));
        let c = match escaped {
            None | Some('\\' | '"') => escaped.unwrap_or(c),
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('0') => '\0',
            Some('x') => {
                let digits: String = text.by_ref().take(2).collect();
                bytes.push(u8::from_str_radix(&digits, 16).expect("digits"));
                continue;
            }
            Some('u') => {
                let digits: String = text.by_ref().skip(1).take_while(|c| *c != '}').collect();
                u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32).expect("a character")
            }
            Some(other) => panic!("{other} in {line}"),
        };
        bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    bytes
}

/// The lines of a replay, each with what went to whom, in the order in which they first got something.
fn got(replayed: &Ended) -> BTreeMap<String, Vec<u8>> {
    let mut got: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for line in &replayed.stdout {
        let (_, what) = line.split_at(19);
        if let Some(rest) = what.strip_prefix("out  ")
            && rest.starts_with(['#', 'r'])
            && rest.ends_with('"')
        {
            let name = rest.split(' ').next().unwrap_or_default();
            got.entry(name.to_owned()).or_default().extend(unquoted(rest));
        }
    }
    got
}

/// Replays a trace, which must go well.
fn replayed(file: &Path) -> Ended {
    let quiet = Server::run(&["replay", "--quiet", path_of(file)]);
    assert_eq!((quiet.code, quiet.stdout.len(), quiet.stderr.len()), (Some(0), 0, 0), "{quiet:?}");
    let replayed = Server::run(&["replay", path_of(file)]);
    assert_eq!(replayed.code, Some(0), "{:?}", replayed.stderr);
    assert!(replayed.stderr[0].ends_with("go as they were recorded"), "{:?}", replayed.stderr);
    replayed
}

fn a_replay_prints_what_the_clients_got(poller: Poller) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("chat.trace");
    let mut command = poller.command(&[
        "--chat",
        "0",
        "--echo",
        "0",
        "--max-conns",
        "4",
        "--grace",
        "1s",
        "--log-size",
        "8k",
        "--history",
        "3",
        "--greeting",
        "hi \u{1f44b}",
        "--console",
        "--watch",
        "--record",
        path_of(&file),
    ]);
    command.stdin(Stdio::piped());
    let mut server = Server::launch(command);
    let [mut alice, mut bob] = ["alice", "bob"].map(|name| {
        let mut client = Client::connect(server.chat());
        client.say(&format!("/nick {name}"));
        server.stderr.wait_for("a name", |line| line.contains("renamed"));
        client
    });
    let mut echo = Client::connect(server.address("echo"));
    let shout = b"\xff\0\"quoted\" \\ 'and' \xe6\xbc\xa2\x1b[m\n";
    echo.send(shout);
    let said = echo.read_exactly(shout.len());
    bob.say("I read \u{e9}verything");
    server.stdout.wait_for("his line", |line| line.contains("I read"));
    let bob = thread::spawn(move || bob.read_to_close());
    // One that does not read, and is too slow in the end.
    let small = ConnectOptions { receive_buffer: Some(4096), source: None };
    let stalled = Client::connect_with(server.chat(), small);
    let mut refused = Client::connect(server.chat());
    let refusal = refused.read_to_close();
    let line = format!("{}\n", "x".repeat(900));
    while !server.stderr.seen().iter().any(|line| line.contains("too slow")) {
        alice.send(line.as_bytes());
        sleep(Duration::from_millis(1));
    }
    server.type_line("/kick bob go away");
    let bobs = bob.join().expect("he reads all");
    drop(stalled);
    server.type_line("/shutdown");
    let [alices, echoes] = [&mut alice, &mut echo].map(Client::read_to_close);
    assert_eq!(server.wait().code(), Some(0));

    let mode = fs::metadata(&file).expect("a trace").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "clients say in confidence what is in it");
    let replayed = replayed(&file);
    let got = got(&replayed);
    // The console is the first.
    assert!(got["#1.0"] == alices, "{} instead of {} bytes", got["#1.0"].len(), alices.len());
    // To one that is kicked nothing is sent any more, but the hub does not know that.
    assert!(got["#2.0"].starts_with(&bobs), "{} instead of {} bytes", got["#2.0"].len(), bobs.len());
    assert_eq!(got["#3.0"], [said, echoes].concat());
    assert_eq!(got["refused"], refusal);
    let has = |text: &str| assert!(replayed.stdout.iter().any(|line| line.contains(text)), "{text}");
    has(r#"in   #0.0 "/kick bob go away\n""#);
    has("out  follower 0 [lobby] \"<bob> I read \u{e9}verything\\r\\n\"");
    has("refused (the server is full) to listener 0 from 127.0.0.1");
    has("out  #4.0 reset");
    has(r#"in   #3.0 "\xff\0\"quoted\" \\ 'and' 漢\u{1b}[m\n""#);
}

fn a_relay_that_waits_for_a_slow_client_is_replayed(poller: Poller) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("relay.trace");
    let mut server =
        poller.start(&["--relay", "0,flush=off", "--log-size", "8k", "--record", path_of(&file)]);
    let address = server.address("relay").to_owned();
    let small = ConnectOptions { receive_buffer: Some(4096), source: None };
    let [mut sender, mut prompt] = [0, 1].map(|_| Client::connect(&address));
    let mut slow = Client::connect_with(&address, small);
    for _ in 0..3 {
        // Who comes later gets less.
        server.stderr.wait_for("a client", |line| line.contains(" connected "));
    }
    let lines: Vec<u8> = (0..600).flat_map(|number| format!("line {number:>20}\n").into_bytes()).collect();
    // The hub takes only a part at a time, and is offered the rest again.
    sender.send(&lines);
    assert_eq!(prompt.read_exactly(8 * 1024).len(), 8 * 1024);
    assert_eq!(slow.read_exactly(lines.len()), lines);
    server.stop();
    let got = got(&replayed(&file));
    assert_eq!(got.values().filter(|bytes| **bytes == lines).count(), 2);
    // What was offered again is in it once.
    let len = fs::metadata(&file).expect("a trace").len();
    assert!(len < lines.len() as u64 + 4096, "{len} bytes");
    keep("relay", &fs::read(&file).expect("a trace"));
}

#[test]
fn what_a_journal_has_from_before_is_in_the_trace() {
    let directory = tempfile::tempdir().expect("a directory");
    let [journal, file] = ["chat.journal", "chat.trace"].map(|name| directory.path().join(name));
    let server = Server::chatting(&["--journal", path_of(&journal)]);
    let mut alice = Client::enter(server.chat());
    for line in ["/topic tea", "this is from before"] {
        alice.say(line);
    }
    alice.catch_up();
    server.stop();
    let args = ["--journal", path_of(&journal), "--history", "5", "--record", path_of(&file)];
    let server = Server::chatting(&args);
    let mut bob = Client::connect(server.chat());
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("from before") {
        seen.extend(bob.read_some());
    }
    bob.half_close();
    seen.extend(bob.read_to_close());
    server.stop();
    assert_eq!(got(&replayed(&file)).into_values().collect::<Vec<_>>(), [seen]);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error_and_a_part_can_be_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("some.trace");
    let server = Server::chatting(&["--record", path_of(&file)]);
    for _ in 0..20 {
        drop(Client::enter(server.chat()));
    }
    server.stop();
    let mut child = Command::new(binary())
        .args(["replay", path_of(&file)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("parlour starts");
    let mut first = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut first).expect("a line");
    let output = child.wait_with_output().expect("a child");
    assert!(output.status.success(), "{output:?}");
    assert!(first.contains("ms since 1970"), "{first}");
    let part = Server::run(&["replay", "--until", "5", path_of(&file)]);
    assert_eq!(part.code, Some(0));
    let number = |line: &String| line.split_whitespace().next().and_then(|word| word.parse().ok());
    assert!(part.stdout.iter().filter_map(number).all(|step: u64| step <= 5), "{part:?}");
    assert_eq!(part.stderr, ["parlour: all 5 steps go as they were recorded"]);
}

#[test]
fn what_cannot_be_replayed_is_refused_in_one_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("some.trace");
    let server = Server::chatting(&["--record", path_of(&file)]);
    drop(Client::enter(server.chat()));
    server.stop();
    let again = Server::run(&["--record", path_of(&file)]);
    assert_eq!(again.code, Some(2));
    assert!(again.stderr[0].contains("is there already; move it away"), "{again:?}");
    let trace = fs::read(&file).expect("a trace");
    let mut newer = trace.clone();
    newer[8] += 1;
    let mut changed = trace.clone();
    changed[trace.len() / 2] ^= 1;
    for (bytes, why) in [
        (b"hello\n".to_vec(), "this is not a trace".to_owned()),
        (newer, format!("version {} of the format, and this parlour reads version {VERSION}", VERSION + 1)),
        (changed, "damaged".to_owned()),
        (trace[..40].to_vec(), "ends in the header".to_owned()),
    ] {
        fs::write(&file, bytes).expect("a file");
        let refused = Server::run(&["replay", path_of(&file)]);
        assert_eq!((refused.code, refused.stderr.len()), (Some(2), 1), "{refused:?}");
        assert!(refused.stderr[0].contains(&why), "{refused:?}");
    }
}

#[test]
fn a_server_that_is_killed_leaves_what_happened_until_the_second_before() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("killed.trace");
    let mut server = Server::chatting(&["--record", path_of(&file)]);
    let mut alice = Client::enter(server.chat());
    alice.say("these are my last words");
    alice.catch_up();
    let written = || String::from_utf8_lossy(&fs::read(&file).expect("a trace")).contains("last words");
    let start = Instant::now();
    while !written() {
        assert!(start.elapsed() < PATIENCE, "it is not written, though nothing else happens");
        sleep(Duration::from_millis(20));
    }
    server.signal(sys::SIGKILL);
    server.wait();
    let replayed = Server::run(&["replay", path_of(&file)]);
    assert_eq!(replayed.code, Some(0), "{replayed:?}");
    assert!(replayed.stdout.iter().any(|line| line.contains("these are my last words")), "{replayed:?}");
    assert!(replayed.stderr[0].contains("ends early, after step "), "{replayed:?}");
}

#[test]
fn a_full_disk_ends_the_recording_and_not_the_server() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("full.trace");
    // The file may have 4 KiB. SIGXFSZ would kill the server, so it is ignored as a full disk has none.
    let limited = "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", limited]).arg(binary());
    command.args(["serve", "--chat", "0", "--rate", "off", "--record", path_of(&file)]).stdin(Stdio::null());
    let mut server = Server::launch(command);
    let [mut alice, mut bob] = ["alice", "bob"].map(|_| Client::enter(server.chat()));
    let complaints = |server: &mut Server| {
        server.stderr.seen().iter().filter(|line| line.contains("nothing more is recorded")).count()
    };
    let start = Instant::now();
    while complaints(&mut server) == 0 {
        assert!(start.elapsed() < PATIENCE, "it does not say so");
        for _ in 0..100 {
            alice.say("much is said here, and nobody knows how much of it will be of use");
        }
        alice.catch_up();
        bob.catch_up();
        sleep(Duration::from_millis(50));
    }
    alice.say("we go on");
    bob.expect_matching("the line", |line| line.ends_with("we go on"));
    assert_eq!(complaints(&mut server), 1, "{:?}", server.stderr.seen());
    server.stop();
    let replayed = Server::run(&["replay", "--quiet", path_of(&file)]);
    assert_eq!(replayed.code, Some(0), "{replayed:?}");
    assert!(replayed.stderr[0].contains("ends early"), "{replayed:?}");
}

/// A hub as small as that of a board, with as many clients as it takes.
#[test]
fn a_hub_of_the_smallest_board_can_be_replayed() {
    let board = named("lm3s6965evb").expect("a board of the table");
    let clients = board.sizes.max_conns;
    let listeners = listeners(OnLag::Skip).to_vec();
    let config = Config { greeting: "hello", history: 20, grace_ms: 500, ..Config::new(&[]) };
    let setup = Setup { limits: limits(board, clients), listeners, config };
    let mut memory = HubMemory::default();
    let mut world = World::new(&mut memory, &setup, Weather { delay_ms: 5, ..Weather::default() }, 7);
    world.record(&setup.header());
    let connect = |number| Peer::connect(&mut world, ListenerId((number % 11 == 10).into()), 128, 256);
    let mut peers: Vec<Peer> = (0..clients + 4).map(connect).collect();
    for round in 0..40 {
        world.run();
        for (number, peer) in peers.iter_mut().enumerate() {
            // Some do not read for a while, and one never.
            peer.reads = number > 2 && (number > 5 || !(10..25).contains(&round));
            peer.receive(&mut world, usize::MAX);
            let line = match (round + number) % 40 {
                0 => format!("/nick client{number}\n"),
                10 => "/join den\n".to_owned(),
                20 => format!("/msg client{} psst\n", number / 2),
                30 => "/who\n".to_owned(),
                at if at % 7 == 3 => format!("{number} says something in round {round}\n"),
                _ => continue,
            };
            if !peer.is_closed() {
                peer.outbox.extend(line.as_bytes());
                peer.send(&mut world);
            }
        }
        world.jump_to(world.now() + 50);
    }
    world.shut_down();
    while let Some(at) = world.next_turn_at().filter(|at| *at < 20_000) {
        world.jump_to(at);
        world.run();
        for peer in &mut peers {
            peer.receive(&mut world, usize::MAX);
        }
    }
    let trace = world.trace().expect("a trace");
    let mut lines = Vec::new();
    let mut reader = Reader::new(&trace[..]).expect("a trace");
    let replayed = replay(&mut reader, known(), None, Some(&mut lines)).expect("it happens again");
    assert_eq!(replayed.end, End::Whole);
    let lines = String::from_utf8(lines).expect("text");
    for seen in ["server is full", "you missed", "went to den", "says something in round 39"] {
        assert!(lines.contains(seen), "{seen}");
    }
    keep("lm3s6965evb", &trace);
}

#[test]
fn all_traces_in_the_folder_go_as_they_were_recorded() {
    if env::var_os("PARLOUR_TRACES").is_some() {
        // Other tests are about to replace them.
        return;
    }
    let mut count = 0;
    for entry in fs::read_dir(folder()).expect("tests/traces") {
        let path = entry.expect("its entries").path();
        if path.extension().is_none_or(|ending| ending != "trace") {
            continue;
        }
        let mut reader = Reader::new(File::open(&path).expect("a file")).expect("a trace");
        let replayed = replay(&mut reader, known(), None, None);
        assert!(replayed.is_ok(), "{}: {replayed:?}; see the top of this test", path.display());
        count += 1;
    }
    assert!(count >= 2, "there are traces");
}
