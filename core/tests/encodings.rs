//! Clients that see records in another way than the chat's: as JSON lines, or not all of them.
#![cfg(feature = "large")]

mod json;

use json::Json;
use parlour_core::{
    Cause, Config, ConnId, Encoding, Hub, Input, Instant, Joining, Kind, Limits, LimitsError, Listener,
    ListenerId, OnLag, Protocol, Record, Refusal, Sink,
};
#[cfg(feature = "console")]
use parlour_core::{Close, Followed, Following, Scope};
use parlour_memory::Memory;

const LIMITS: Limits = Limits {
    conns: 8,
    rooms: 5,
    rooms_per_conn: 4,
    members: 24,
    catch_ups: 8,
    name: 32,
    line: 128,
    queue: 2_048,
    proposals: 0,
    log: 4_096,
    records: 64,
    followers: 1,
    rings: 4,
};

/// Only what was said, without a word of who comes and goes: an encoding that hides records.
#[derive(Debug)]
struct Texts;

impl Encoding for Texts {
    fn render(&self, record: &Record<'_>, _: bool, out: &mut Sink<'_>) {
        if record.kind.is_message() {
            for part in [record.name.as_bytes(), b"|", record.text, b"\n"] {
                out.push(part);
            }
        } else if record.kind == Kind::Server {
            out.push(b"!\n");
        }
    }

    fn longest(&self, text: usize, name: usize) -> usize {
        text + name + 2
    }
}

const CHAT: u8 = 0;
const JSON: u8 = 1;
const TEXTS: u8 = 2;
const SEVERAL: u8 = 3;

struct Scene<'a> {
    hub: Hub<'a>,
    now: Instant,
}

fn with_hub(history: u32, on_lag: OnLag, test: impl FnOnce(Scene<'_>)) {
    let chat = Listener { on_lag, ..Listener::new(Protocol::Chat) };
    let listeners = [
        chat,
        Listener { encoding: Some(0), ..chat },
        Listener { encoding: Some(1), ..chat },
        Listener { encoding: Some(0), joining: Joining::Several, ..chat },
    ];
    let config =
        Config { origin: u64::MAX - 30, encodings: &[&Json, &Texts], history, ..Config::new(&listeners) };
    let mut memory = Memory::new(&LIMITS);
    let hub = Hub::new(config, LIMITS, memory.storage()).unwrap();
    test(Scene { hub, now: Instant::from_millis(0) });
}

impl Scene<'_> {
    fn accept(&mut self, listener: u8) -> ConnId {
        let accepted = Input::Accepted { listener: ListenerId(listener), peer: None };
        self.hub.handle(self.now, accepted).opened().unwrap()
    }

    /// A client that has read everything so far, and that the others know of.
    fn open(&mut self, listener: u8, name: &str) -> ConnId {
        let conn = self.accept(listener);
        self.say(conn, &format!("/nick {name}\n"));
        self.receive(conn, 1_000);
        conn
    }

    fn offer(&mut self, conn: ConnId, line: &str) -> usize {
        self.hub.handle(self.now, Input::Received { conn, bytes: line.as_bytes() }).taken()
    }

    fn say(&mut self, conn: ConnId, lines: &str) {
        for line in lines.split_inclusive('\n') {
            assert_eq!(self.offer(conn, line), line.len(), "of {line:?}");
        }
    }

    /// Everything that waits for a connection, in pieces.
    fn receive(&mut self, conn: ConnId, piece: usize) -> String {
        let mut all = Vec::new();
        loop {
            let lent: Vec<u8> = self.hub.transmit(conn).flatten().copied().take(piece).collect();
            assert_eq!(self.hub.interest(conn).write, !lent.is_empty());
            if lent.is_empty() {
                return String::from_utf8(all).unwrap();
            }
            self.hub.handle(self.now, Input::Sent { conn, count: lent.len() });
            self.hub.handle(self.now, Input::Tick);
            all.extend(lent);
        }
    }

    fn at(&mut self, ms: u64) {
        self.now = Instant::from_millis(ms);
        for _ in 0..100 {
            while self.hub.next_output().is_some() {}
            self.hub.handle(self.now, Input::Tick);
        }
    }
}

/// Each line without its number and time, which differ from run to run of a test.
fn told(lines: &str) -> Vec<&str> {
    let told = |line| {
        let object: &str = str::strip_suffix(line, "}").unwrap_or_else(|| panic!("{line:?} is no object"));
        object.split_once("\"kind\":").unwrap_or_else(|| panic!("{line:?} has no kind")).1
    };
    lines.lines().map(told).collect()
}

#[test]
fn each_sees_the_same_records_in_its_encoding_its_own_excepted() {
    for piece in [1, 7, 1_000] {
        with_hub(0, OnLag::Disconnect, |mut scene| {
            let [alice, bob, carol] = [(CHAT, "alice"), (JSON, "bob"), (TEXTS, "carol")]
                .map(|(listener, name)| scene.open(listener, name));
            for conn in [alice, bob, carol] {
                scene.receive(conn, 1_000);
            }
            scene.hub.handle(scene.now, Input::Clock { unix_ms: 1_000, utc_offset_s: 0 });
            scene.say(alice, "one \"1\"\n/me waves\n");
            scene.say(bob, "my own\n");
            scene.say(carol, "three\n/topic bees\n");
            scene.say(bob, "mine again\n/nick rob\nlast\n");
            scene.say(alice, "four\n");
            assert_eq!(
                told(&scene.receive(bob, piece)),
                [
                    r#""say","room":"lobby","name":"alice","text":"one \"1\"""#,
                    r#""action","room":"lobby","name":"alice","text":"waves""#,
                    r#""say","room":"lobby","name":"carol","text":"three""#,
                    r#""topic","room":"lobby","name":"carol","text":"bees""#,
                    r#""nick","room":"lobby","name":"bob","text":"rob""#,
                    r#""say","room":"lobby","name":"alice","text":"four""#,
                ],
                "pieces of {piece}"
            );
            assert_eq!(
                scene.receive(alice, piece),
                "<bob> my own\r\n<carol> three\r\n-- carol set the topic: bees\r\n<bob> mine again\r\n\
                 -- bob is now rob\r\n<rob> last\r\n"
            );
            let said = "alice|one \"1\"\nalice|waves\nbob|my own\nbob|mine again\nrob|last\nalice|four\n";
            assert_eq!(scene.receive(carol, piece), said);
        });
    }
}

#[test]
fn one_that_is_handed_over_gets_the_encoding_of_its_new_listener() {
    with_hub(0, OnLag::Disconnect, |mut scene| {
        let alice = scene.open(CHAT, "alice");
        let bob = scene.accept(CHAT);
        let speaks = |listener| Input::Speaks { conn: bob, listener: ListenerId(listener) };
        scene.hub.handle(scene.now, speaks(JSON));
        scene.receive(bob, 1_000);
        scene.say(alice, "hi\n");
        let said = r#""say","room":"lobby","name":"alice","text":"hi""#;
        assert_eq!(told(&scene.receive(bob, 1_000)), [said]);
        scene.hub.handle(scene.now, speaks(CHAT));
        scene.receive(bob, 1_000);
        scene.say(alice, "ho\n");
        assert_eq!(scene.receive(bob, 1_000), "<alice> ho\r\n");
    });
}

#[test]
fn what_one_client_alone_is_told_is_a_record_too() {
    with_hub(2, OnLag::Disconnect, |mut scene| {
        let alice = scene.open(CHAT, "alice");
        scene.say(alice, "early\n");
        let bob = scene.accept(JSON);
        assert_eq!(
            told(&scene.receive(bob, 1_000)),
            [
                r#""server","text":"welcome to parlour, you are guest-1; /help lists the commands""#,
                r#""say","room":"lobby","name":"alice","text":"early","past":true"#,
                r#""server","text":"here: alice, guest-1""#,
            ]
        );
        scene.say(alice, "/msg guest-1 psst\n");
        scene.say(bob, "/msg alice what\n/ping\n/msg nobody x\n/nothing\n");
        assert_eq!(
            told(&scene.receive(bob, 1_000)),
            [
                r#""direct","name":"alice","text":"psst""#,
                r#""sent","name":"alice","text":"what""#,
                r#""server","text":"pong""#,
                r#""server","text":"nobody here is called nobody""#,
                r#""server","text":"unknown command /nothing; /help lists the commands""#,
            ]
        );
        for command in ["/help\n", "/who\n", "/rooms\n", "/topic\n", "/topic x\n", "/join den\n"] {
            scene.say(bob, command);
            assert!(!told(&scene.receive(bob, 13)).is_empty(), "{command}");
        }
        assert_eq!(scene.hub.refusal_text(ListenerId(JSON), Refusal::Full), "");
    });
}

/// Fills a room until it is closed.
fn fill(scene: &mut Scene<'_>, talker: ConnId) -> u32 {
    let mut count = 0;
    while scene.offer(talker, &format!("line {count} {}\n", "\"".repeat(60))) > 0 {
        count += 1;
        scene.receive(talker, 1_000);
    }
    count
}

#[test]
fn a_client_that_does_not_read_holds_the_room_in_any_encoding() {
    for (slow, quick) in [(JSON, CHAT), (CHAT, JSON), (TEXTS, JSON), (JSON, JSON)] {
        with_hub(0, OnLag::Disconnect, |mut scene| {
            let [talker, slow, quick] = [(CHAT, "talker"), (slow, "slow"), (quick, "quick")]
                .map(|(listener, name)| scene.open(listener, name));
            for conn in [talker, slow, quick] {
                scene.receive(conn, 1_000);
            }
            for _ in 0..3 {
                let count = fill(&mut scene, talker);
                assert!((8..60).contains(&count), "{count} lines");
                for (conn, piece) in [(slow, 17), (quick, 1_000)] {
                    let seen = scene.receive(conn, piece);
                    let numbers =
                        seen.lines().filter_map(|line| line.split_once("line ")?.1.split(' ').next());
                    let numbers: Vec<u32> = numbers.map(|number| number.parse().unwrap()).collect();
                    // The last line waited for its turn.
                    assert_eq!(numbers[..count as usize - 1], (0..count - 1).collect::<Vec<_>>());
                }
                scene.receive(slow, 1_000);
                scene.receive(quick, 1_000);
            }
            // One that never reads is cut.
            while fill(&mut scene, talker) > 0 {
                scene.receive(quick, 1_000);
            }
            scene.at(6_000);
            assert_eq!(scene.hub.ending(slow).map(|(cause, _)| cause), Some(Cause::Lagged));
            assert_eq!(scene.hub.ending(quick), None);
            scene.hub.handle(scene.now, Input::Closed { conn: slow });
            assert!(scene.receive(quick, 1_000).contains("slow"), "it is told who left");
        });
    }
}

#[test]
fn a_client_that_skips_is_told_so_in_its_encoding() {
    for piece in [1, 50, 1_000] {
        with_hub(0, OnLag::Skip, |mut scene| {
            let [talker, slow] =
                [(CHAT, "talker"), (JSON, "slow")].map(|(listener, name)| scene.open(listener, name));
            scene.receive(talker, 1_000);
            scene.receive(slow, 1_000);
            // Half of a record is sent when it jumps ahead.
            scene.say(talker, "first\n");
            scene.hub.handle(scene.now, Input::Sent { conn: slow, count: 40 });
            let count = fill(&mut scene, talker);
            scene.at(6_000);
            scene.receive(talker, 1_000);
            scene.say(talker, "after\n");
            let rest = scene.receive(slow, piece);
            let (first, rest) = rest.split_once('\n').unwrap();
            assert!(first.ends_with(r#""name":"talker","text":"first"}"#), "{first}");
            let seen = told(rest);
            assert!(seen[0].starts_with(r#""server","text":"you missed "#), "{}", seen[0]);
            let missed = seen[0].split(' ').nth(2).unwrap().parse::<u32>().unwrap();
            assert!(missed >= count - 1, "{missed} of {count}");
            assert!(seen.last().unwrap().ends_with(r#""text":"after""#), "{seen:?}");
        });
    }
}

#[test]
fn rooms_have_rings_only_while_somebody_reads_them() {
    with_hub(0, OnLag::Disconnect, |mut scene| {
        // Two rings stay: the lobby's. The other two are for rooms that come and go.
        let clients = ["a1", "a2", "a3"].map(|name| scene.open(JSON, name));
        let chat = scene.open(CHAT, "chat");
        for round in 0..5 {
            scene.say(clients[0], "/join den\n");
            scene.say(clients[1], "/join pub\n");
            scene.say(clients[2], "/join bar\n");
            let refused = scene.receive(clients[2], 1_000);
            assert!(refused.contains("there are too many rooms for clients like you"), "{refused}");
            scene.say(chat, "/join bar\n");
            scene.say(clients[2], "/join den\n");
            for conn in clients {
                scene.receive(conn, 1_000);
            }
            scene.say(clients[0], &format!("round {round}\n"));
            let seen = scene.receive(clients[2], 1_000);
            assert!(
                seen.contains(&format!("\"room\":\"den\",\"name\":\"a1\",\"text\":\"round {round}\"")),
                "{seen}"
            );
            assert_eq!(scene.receive(clients[1], 1_000), "");
            for conn in clients.into_iter().chain([chat]) {
                scene.say(conn, "/join lobby\n");
                scene.receive(conn, 1_000);
            }
        }
    });
}

#[test]
fn a_client_in_several_rooms_gets_their_records_in_one_order() {
    for piece in [1, 30, 1_000] {
        with_hub(0, OnLag::Disconnect, |mut scene| {
            let [bridge, alice, bob] = [(SEVERAL, "bridge"), (CHAT, "alice"), (TEXTS, "bob")]
                .map(|(listener, name)| scene.open(listener, name));
            scene.say(bob, "/join den\n");
            scene.say(bridge, "/join den\n");
            for conn in [bridge, alice, bob] {
                scene.receive(conn, 1_000);
            }
            scene.say(alice, "1\n");
            scene.say(bob, "2\n3\n");
            scene.say(bridge, "mine\n");
            scene.say(alice, "4\n");
            scene.say(bob, "5\n");
            let seen = scene.receive(bridge, piece);
            let want = ["1", "2", "3", "4", "5"].map(|number| format!("\"text\":\"{number}\""));
            let seen = told(&seen);
            assert!(
                seen.iter().zip(&want).all(|(line, want)| line.contains(want)) && seen.len() == 5,
                "{seen:?}"
            );
        });
    }
}

#[test]
fn a_hub_whose_limits_do_not_fit_its_encodings_says_why() {
    let chat = Listener::new(Protocol::Chat);
    let check = |encoding, limits: Limits| {
        let listeners = [chat, Listener { encoding: Some(encoding), ..chat }];
        let config = Config { encodings: &[&Json], ..Config::new(&listeners) };
        Hub::new(config, limits, Memory::new(&limits).storage()).err()
    };
    assert_eq!(check(0, LIMITS), None);
    assert_eq!(check(1, LIMITS), Some(LimitsError::NoSuchEncoding));
    assert_eq!(check(0, Limits { rings: 0, ..LIMITS }), Some(LimitsError::TooFewRings));
    assert_eq!(check(0, Limits { log: 2_048, ..LIMITS }), Some(LimitsError::LogTooSmall { least: 4 * 840 }));
    assert_eq!(check(0, Limits { queue: 851, ..LIMITS }), Some(LimitsError::QueueTooSmall { least: 852 }));
}

/// A record in JSON as the chat's line; nothing for what one client alone was told.
fn as_line(object: &str) -> Option<String> {
    let field = |key: &str| {
        let (_, rest) = object.split_once(&format!("\"{key}\":\""))?;
        Some(rest.split_once('"')?.0)
    };
    field("room")?;
    let (name, text) = (field("name").unwrap_or_default(), field("text").unwrap_or_default());
    Some(match field("kind").expect("a kind") {
        "say" => format!("<{name}> {text}"),
        "action" => format!("* {name} {text}"),
        "topic" => format!("-- {name} set the topic: {text}"),
        "nick" => format!("-- {name} is now {text}"),
        "join" => format!("-- {name} joined"),
        "quit" if text.is_empty() => format!("-- {name} left"),
        "quit" => format!("-- {name} left: {text}"),
        "server" => format!("-- {text}"),
        other => panic!("{other} in a room"),
    })
}

/// One with the chat's encoding that reads at once sees what it should have been.
#[test]
fn whatever_is_said_and_however_it_is_read_both_encodings_tell_the_same() {
    let (mut replayed, mut lost) = (0, 0);
    for (seed, on_lag) in (1..150).flat_map(|seed| [(seed, OnLag::Disconnect), (seed, OnLag::Replay)]) {
        with_hub(0, on_lag, |mut scene| {
            let mut state: u64 = seed * 0x9e37_79b9;
            let mut random = |end: u64| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state % end
            };
            let witness = scene.open(CHAT, "witness");
            let [slow, slower] = ["slow", "slower"].map(|name| scene.open(JSON, name));
            let mut talkers = [(CHAT, "a0"), (JSON, "b0")].map(|(listener, name)| scene.open(listener, name));
            for conn in [witness, slow, slower] {
                scene.receive(conn, 1_000);
            }
            let (mut seen, mut wanted) = ([Vec::new(), Vec::new()], String::new());
            let mut take = |scene: &mut Scene<'_>, who: usize, most: usize| {
                let conn = [slow, slower][who];
                let lent: Vec<u8> = scene.hub.transmit(conn).flatten().copied().take(most).collect();
                scene.hub.handle(scene.now, Input::Sent { conn, count: lent.len() });
                seen[who].extend(lent);
            };
            for number in 0..200 {
                let who = random(2) as usize;
                let line = match random(12) {
                    0 => format!("/me acts {number}\n"),
                    1 => format!("/topic t{number}\n"),
                    2 => format!("/nick n{number}\n"),
                    3 => "/quit bye\n".to_owned(),
                    _ => format!("line {number} {}\n", "x".repeat(random(60) as usize)),
                };
                // What it does not take now is not said.
                if scene.offer(talkers[who], &line) > 0 && line.starts_with("/quit") {
                    scene.receive(talkers[who], 1_000);
                    scene.hub.handle(scene.now, Input::Closed { conn: talkers[who] });
                    talkers[who] = scene.open([CHAT, JSON][who], &format!("again{number}"));
                }
                scene.receive(talkers[who], 1_000);
                wanted += &scene.receive(witness, 1_000);
                match random(4) {
                    0 => take(&mut scene, 0, random(400) as usize),
                    1 => take(&mut scene, 1, random(100) as usize),
                    2 if on_lag == OnLag::Replay => scene.at(scene.now.as_millis() + random(2_000)),
                    _ => {}
                }
            }
            for _ in 0..2_000 {
                take(&mut scene, 0, 500);
                take(&mut scene, 1, 500);
                scene.at(scene.now.as_millis() + 1);
                wanted += &scene.receive(witness, 1_000);
                talkers.iter().for_each(|talker| drop(scene.receive(*talker, 1_000)));
            }
            let wanted: Vec<String> = wanted.lines().map(|line| line.replace("-- earlier: ", "")).collect();
            for (who, seen) in seen.iter().enumerate() {
                let seen = String::from_utf8_lossy(seen);
                let told: Vec<String> = seen.lines().filter_map(as_line).collect();
                replayed += seen.matches("\"past\":true").count();
                if seen.contains("you missed some messages") {
                    lost += 1;
                    // Where records are gone, those that are left are the same.
                    let mut rest = wanted.iter();
                    assert!(told.iter().all(|line| rest.any(|other| other == line)), "seed {seed}, {who}");
                } else {
                    assert_eq!(told, wanted, "seed {seed}, {on_lag:?}, reader {who}");
                }
            }
        });
    }
    assert!(
        replayed > 1_000 && (1..400).contains(&lost),
        "{replayed} records were told late, {lost} had gaps"
    );
}

/// Whatever a follower holds, and whether it has a grace.
#[cfg(feature = "console")]
#[test]
fn a_room_whose_ring_is_full_loses_its_patience_with_the_member_that_holds_it() {
    for grace_ms in [None, Some(1_000)] {
        with_hub(0, OnLag::Disconnect, |mut scene| {
            let follower = scene.hub.follow(Following { grace_ms, scope: Scope::All }).expect("a place");
            let alice = scene.open(CHAT, "alice");
            let deaf = scene.accept(JSON);
            scene.at(2_000);
            for second in 3..60 {
                scene.offer(alice, "a line that fills the ring of its room\n");
                scene.receive(alice, 1_000);
                // It commits all but the last.
                while let Some(Followed::Record(record)) = scene.hub.read(follower) {
                    let seq = record.seq.wrapping_sub(1);
                    scene.hub.handle(scene.now, Input::Committed { follower, seq });
                }
                scene.at(1_000 * second);
            }
            assert_eq!(scene.hub.interest(deaf).close, Close::Abort, "{grace_ms:?}");
            assert!(scene.hub.interest(alice).read > 0, "the room is open");
        });
    }
}
