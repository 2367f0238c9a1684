//! Catch-up: members that stand behind the log get what they have missed, from the log and from the
//! driver's pages, each line once and in order.
#![cfg(all(feature = "large", feature = "relay"))]

use std::collections::VecDeque;

use parlour_core::{
    Close, Config, ConnId, Hub, Identity, Input, Instant, Joining, Kind, Limits, Listener, ListenerId, OnLag,
    Output, Place, Protocol, Record, RoomRef, Span, Wanted,
};
#[cfg(feature = "console")]
use parlour_core::{Followed, FollowerId, Following, Scope};
use parlour_memory::Memory;

const LIMITS: Limits = Limits {
    conns: 4,
    rooms: 2,
    rooms_per_conn: 2,
    members: 8,
    catch_ups: 4,
    name: 32,
    line: 64,
    queue: 512,
    proposals: 0,
    log: 1024,
    records: 16,
    followers: 1,
    rings: 0,
};
const GRACE_MS: u32 = 100;

struct Scene<'a> {
    hub: Hub<'a>,
    now: Instant,
    /// The pages that were asked for.
    wanted: VecDeque<Wanted>,
}

fn with_hub(protocol: Protocol, keeps_records: bool, test: impl FnOnce(Scene<'_>)) {
    let one = Listener { on_lag: OnLag::Replay, ..Listener::new(protocol) };
    let listeners = [one, Listener { joining: Joining::Several, ..one }];
    let config =
        Config { origin: u64::MAX - 5, grace_ms: GRACE_MS, keeps_records, ..Config::new(&listeners) };
    let mut memory = Memory::new(&LIMITS);
    let hub = Hub::new(config, LIMITS, memory.storage()).unwrap();
    test(Scene { hub, now: Instant::from_millis(0), wanted: VecDeque::new() });
}

impl Scene<'_> {
    fn open(&mut self) -> ConnId {
        self.open_at(ListenerId(0))
    }

    fn open_at(&mut self, listener: ListenerId) -> ConnId {
        self.hub.handle(self.now, Input::Accepted { listener, peer: None }).opened().unwrap()
    }

    /// The next page that the hub wants.
    fn next_wanted(&mut self) -> Option<Wanted> {
        while let Some(output) = self.hub.next_output() {
            if let Output::Wanted(wanted) = output {
                self.wanted.push_back(wanted);
            }
        }
        self.wanted.pop_front()
    }

    /// Lets time pass, after everybody was offered everything.
    fn pass(&mut self, ms: u64) {
        if let Some(wanted) = self.next_wanted() {
            self.wanted.push_front(wanted);
        }
        self.now = Instant::from_millis(self.now.as_millis() + ms);
        self.hub.handle(self.now, Input::Tick);
    }

    /// Says a line. Lets the room wait until it takes the line.
    fn say(&mut self, conn: ConnId, text: &str) {
        let mut rest = text.as_bytes();
        for _ in 0..100 {
            let taken = self.hub.handle(self.now, Input::Received { conn, bytes: rest }).taken();
            rest = &rest[taken..];
            if rest.is_empty() {
                return;
            }
            self.pass(u64::from(GRACE_MS));
        }
        panic!("nobody takes {text:?}");
    }

    /// As [`Scene::say`], by a client that reads meanwhile. Returns what it has read.
    fn say_reading(&mut self, conn: ConnId, text: &str) -> String {
        let mut seen = String::new();
        let mut rest = text.as_bytes();
        for _ in 0..1_000 {
            let taken = self.hub.handle(self.now, Input::Received { conn, bytes: rest }).taken();
            rest = &rest[taken..];
            seen += &self.take(conn, 100);
            self.hub.handle(self.now, Input::Tick);
            if rest.is_empty() {
                return seen;
            }
        }
        panic!("nobody takes {text:?}");
    }

    /// Takes at most so many bytes of what waits for a connection.
    fn take(&mut self, conn: ConnId, most: usize) -> String {
        let lent: Vec<u8> = self.hub.transmit(conn).flatten().copied().take(most).collect();
        self.hub.handle(self.now, Input::Sent { conn, count: lent.len() });
        String::from_utf8(lent).unwrap()
    }

    /// Takes all that waits, and what comes because of that.
    fn take_all(&mut self, conn: ConnId) -> String {
        let (mut all, mut idle) = (String::new(), 0);
        for _ in 0..1_000 {
            let text = self.take(conn, usize::MAX);
            idle = if text.is_empty() { idle + 1 } else { 0 };
            all += &text;
            self.hub.handle(self.now, Input::Tick);
            if idle == 2 {
                return all;
            }
        }
        panic!("it does not end: {all}");
    }

    fn page(&mut self, wanted: Wanted, records: &[Record<'_>]) -> usize {
        self.hub.handle(self.now, Input::Page { wanted, records }).taken()
    }
}

/// Line `number` of bob as the driver keeps it. Each line has one number of the order.
fn kept<'t>(room: RoomRef, seq: u64, text: &'t str) -> Record<'t> {
    let (author, kind, place) = (Identity::from_u64(1), Kind::Say, Place::Chat("lobby"));
    Record { seq, unix_ms: 0, room, place, author, name: "bob", kind, is_torn: false, text: text.as_bytes() }
}

/// Two clients, of whom one has stopped to read and is behind; and how many lines were said.
fn someone_behind(scene: &mut Scene<'_>, lines: usize) -> [ConnId; 2] {
    let [bob, deaf] = [scene.open(), scene.open()];
    scene.say(bob, "/nick bob\n");
    scene.pass(1_000);
    scene.take_all(deaf);
    for number in 0..lines {
        scene.say(bob, &format!("line {number:03}\n"));
        scene.take_all(bob);
    }
    [bob, deaf]
}

#[test]
fn newcomers_see_the_last_messages_with_their_times() {
    let listeners = [Listener::new(Protocol::Chat)];
    let config = Config { history: 2, ..Config::new(&listeners) };
    let mut memory = Memory::new(&LIMITS);
    let hub = Hub::new(config, LIMITS, memory.storage()).unwrap();
    let mut scene = Scene { hub, now: Instant::from_millis(5_000), wanted: VecDeque::new() };
    let bob = scene.open();
    scene.say(bob, "nobody knows when\n");
    // 2026-11-27 22:59:59 UTC, an hour behind the people.
    scene.hub.handle(scene.now, Input::Clock { unix_ms: 1_795_820_399_000, utc_offset_s: 3_600 });
    scene.say(bob, "at a minute to midnight\n");
    scene.pass(1_000);
    scene.say(bob, "/me sleeps\n");
    scene.take_all(bob);
    let alice = scene.open();
    assert_eq!(
        scene.take_all(alice).lines().skip(1).collect::<Vec<_>>(),
        [
            "-- earlier (2026-11-27 23:59): <guest-1> at a minute to midnight",
            "-- earlier (00:00): * guest-1 sleeps",
            "-- here: guest-1, guest-2"
        ]
    );
    scene.say(alice, "/history 3\n");
    assert_eq!(
        scene.take_all(alice).lines().next(),
        Some("-- earlier: <guest-1> nobody knows when"),
        "a time that is not known is not told"
    );
    for (asked, answer) in [("0", "-- /history needs a number"), ("x", "-- /history needs a number")] {
        scene.say(alice, &format!("/history {asked}\n"));
        assert!(scene.take_all(alice).starts_with(answer), "{asked}");
    }
}

#[test]
fn one_that_is_behind_holds_nothing_and_gets_all_that_the_log_still_has() {
    for piece in [1, 5, 1_000] {
        with_hub(Protocol::Chat, false, |mut scene| {
            // The last one waits for a place, and the room for the one that does not read.
            let [bob, deaf] = someone_behind(&mut scene, 15);
            scene.pass(u64::from(GRACE_MS));
            let mut seen = String::new();
            for number in 15..18 {
                for _ in 0..500 {
                    seen += &scene.take(deaf, piece);
                    scene.hub.handle(scene.now, Input::Tick);
                }
                scene.say(bob, &format!("line {number:03}\n"));
            }
            seen += &scene.take_all(deaf);
            let plain = seen.replace("-- earlier: ", "");
            let said: String = (0..18).map(|number| format!("<bob> line {number:03}\r\n")).collect();
            assert_eq!(plain, said, "in pieces of {piece}");
            assert!(seen.contains("-- earlier") && seen.ends_with("\n<bob> line 017\r\n"), "{seen}");
        });
    }
}

#[test]
fn what_it_says_while_it_is_behind_does_not_come_back() {
    with_hub(Protocol::Chat, false, |mut scene| {
        let [bob, deaf] = someone_behind(&mut scene, 14);
        scene.say(deaf, "mine\n");
        scene.say(bob, "after it\n");
        let seen = scene.say_reading(deaf, "/nick eve\n");
        let seen = (seen + &scene.take_all(deaf)).replace("-- earlier: ", "");
        let told: Vec<_> = seen.lines().filter(|line| !line.starts_with("<bob> line")).collect();
        assert_eq!(told, ["<bob> after it", "-- guest-2 is now eve"]);
        assert!(scene.take_all(bob).contains("<guest-2> mine"));
    });
}

#[test]
fn without_a_driver_that_keeps_records_it_is_told_that_some_are_gone() {
    with_hub(Protocol::Chat, false, |mut scene| {
        let [bob, deaf] = someone_behind(&mut scene, 60);
        let seen = scene.take_all(deaf);
        let lines: Vec<_> = seen.lines().map(|line| line.trim_start_matches("-- earlier: ")).collect();
        let gap = lines.iter().rposition(|line| *line == "-- you missed some messages").expect("a gap");
        let last: Vec<String> =
            (60 - (lines.len() - gap - 1)..60).map(|n| format!("<bob> line {n:03}")).collect();
        assert_eq!(lines[gap + 1..], last, "the newest");
        assert!(last.len() > 5);
        scene.say(bob, "on\n");
        assert_eq!(scene.take_all(deaf), "<bob> on\r\n", "it is attached again");
        assert_eq!(scene.next_wanted(), None);
    });
}

#[test]
fn a_relay_gets_its_bytes_or_is_disconnected() {
    for (lines, is_whole) in [(10, true), (100, false)] {
        with_hub(Protocol::Relay, false, |mut scene| {
            let [bob, deaf] = [scene.open(), scene.open()];
            for number in 0..lines {
                scene.say(bob, &format!("{number:050}\n"));
                scene.pass(u64::from(GRACE_MS));
            }
            let seen = scene.take_all(deaf);
            let said: String = (0..lines).map(|number| format!("{number:050}\n")).collect();
            assert_eq!(seen == said, is_whole);
            assert!(said.starts_with(&seen));
            assert_eq!(scene.hub.interest(deaf).close, if is_whole { Close::No } else { Close::Abort });
            let lagged = scene.hub.stats().lagged;
            assert!(if is_whole { lagged <= 1 } else { lagged >= 2 }, "{lagged} times");
        });
    }
}

/// Where a page begins.
fn from(wanted: Wanted) -> u64 {
    let Span::From(from) = wanted.span else { panic!("{wanted:?} is the history of a newcomer") };
    from
}

/// The hub's numbers of bob's lines, as it asks for them.
fn first_wanted(scene: &mut Scene<'_>, deaf: ConnId) -> (String, Wanted) {
    let seen = scene.take_all(deaf);
    let wanted = scene.next_wanted().expect("a page is wanted");
    assert_eq!((wanted.conn, scene.next_wanted()), (deaf, None), "it asks once");
    (seen, wanted)
}

#[test]
fn pages_fill_what_the_log_has_not_whatever_happens_to_them() {
    // How the pages come: all at once, one record at a time, doubled, beginning too early.
    for way in 0..4 {
        with_hub(Protocol::Chat, true, |mut scene| {
            let [bob, deaf] = someone_behind(&mut scene, 60);
            let (mut seen, first) = first_wanted(&mut scene, deaf);
            let texts: Vec<String> = (0..61).map(|number| format!("line {number:03}")).collect();
            // What it has taken are lines from 0 on, and each line is one number of the order.
            let told = seen.lines().count() as u64;
            let record = |seq: u64| {
                let number = seq.wrapping_sub(from(first)).wrapping_add(told);
                kept(first.room, seq, texts.get(number as usize).map_or("before all", String::as_str))
            };
            let mut wanted = Some(first);
            let mut pages = 0;
            while let Some(page) = wanted {
                let count = page.until.wrapping_sub(from(page));
                let all: Vec<_> = (0..count).map(|step| record(from(page).wrapping_add(step))).collect();
                let early = [record(from(page).wrapping_sub(1))];
                let begin = all[..1].to_vec();
                match way {
                    0 => drop(scene.page(page, &all)),
                    1 => drop(scene.page(page, &all[..1])),
                    2 => {
                        assert!(scene.page(page, &all) > 0);
                        assert_eq!(scene.page(page, &all), 0, "the same page again");
                    }
                    _ => drop(scene.page(page, &[&early[..], &begin[..]].concat())),
                }
                pages += 1;
                assert!(pages < 100, "way {way}: it asks for ever");
                seen += &scene.take_all(deaf);
                wanted = scene.next_wanted();
            }
            scene.say(bob, "line 060\n");
            seen += &scene.take_all(deaf);
            let said: String = texts.iter().map(|text| format!("<bob> {text}\r\n")).collect();
            assert_eq!(seen.replace("-- earlier: ", ""), said, "way {way}");
            assert!(seen.ends_with("\n<bob> line 060\r\n"));
        });
    }
}

#[test]
fn records_that_nobody_has_are_given_up_and_told() {
    for way in ["never", "empty", "of another room", "useless"] {
        with_hub(Protocol::Chat, true, |mut scene| {
            let [bob, deaf] = someone_behind(&mut scene, 60);
            let (_, wanted) = first_wanted(&mut scene, deaf);
            let elsewhere = RoomRef::from_u64(wanted.room.as_u64() + 1);
            let text = "not asked for";
            match way {
                "never" => {
                    scene.pass(4_999);
                    assert_eq!(scene.take_all(deaf), "");
                    scene.pass(1);
                }
                "empty" => assert_eq!(scene.page(wanted, &[]), 0),
                "of another room" => {
                    assert_ne!(elsewhere, wanted.room);
                    assert_eq!(scene.page(wanted, &[kept(elsewhere, from(wanted), text)]), 0);
                }
                _ => {
                    let before = from(wanted).wrapping_sub(1);
                    assert_eq!(scene.page(wanted, &[kept(wanted.room, before, text)]), 1);
                }
            }
            let seen = scene.take_all(deaf);
            assert!(
                seen.starts_with("-- you missed some messages\r\n-- earlier: <bob> line 0"),
                "{way}: {seen}"
            );
            assert!(!seen.contains(text));
            // Now it comes. It is too late.
            assert_eq!(scene.page(wanted, &[kept(wanted.room, from(wanted), text)]), 0);
            scene.say(bob, "on\n");
            assert_eq!(scene.take_all(deaf), "<bob> on\r\n", "{way}");
        });
    }
}

#[test]
fn one_that_leaves_while_it_is_behind_leaves_nothing_behind() {
    with_hub(Protocol::Chat, true, |mut scene| {
        for round in 0..10 {
            let [bob, deaf] = someone_behind(&mut scene, 40);
            match round % 3 {
                0 => drop(scene.say_reading(deaf, "/join den\n")),
                1 => drop(scene.hub.handle(scene.now, Input::Closed { conn: deaf })),
                _ => drop(scene.say_reading(deaf, "/quit\n")),
            }
            let wanted = scene.next_wanted();
            for conn in [bob, deaf] {
                scene.take_all(conn);
                scene.hub.handle(scene.now, Input::Closed { conn });
            }
            if let Some(wanted) = wanted {
                assert_eq!(scene.page(wanted, &[]), 0);
            }
            assert_eq!(scene.hub.count(), 0, "round {round}");
        }
    });
}

/// What was said, as a driver keeps it.
#[cfg(feature = "console")]
#[derive(Default)]
struct Kept(Vec<(u64, RoomRef, Identity, Kind, Vec<u8>)>);

#[cfg(feature = "console")]
impl Kept {
    fn keep(&mut self, scene: &mut Scene<'_>, follower: FollowerId) {
        while let Some(followed) = scene.hub.read(follower) {
            let Followed::Record(record) = followed else {
                panic!("a follower without a grace lost something")
            };
            let Record { seq, room, author, kind, text, .. } = record;
            self.0.push((seq, room, author, kind, text.to_vec()));
            scene.hub.handle(scene.now, Input::Committed { follower, seq });
        }
    }

    /// Answers with up to three records.
    fn answer(&self, scene: &mut Scene<'_>, wanted: Wanted) {
        let Wanted { room, .. } = wanted;
        let from = from(wanted);
        let records: Vec<_> = self
            .0
            .iter()
            .filter(|(seq, place, ..)| *place == room && (seq.wrapping_sub(from) as i64) >= 0)
            .take(3)
            .map(|&(seq, room, author, kind, ref text)| {
                let place = Place::Chat("");
                Record { seq, unix_ms: 0, room, place, author, name: "x", kind, is_torn: false, text }
            })
            .collect();
        scene.hub.handle(scene.now, Input::Page { wanted, records: &records });
    }
}

#[cfg(feature = "console")]
#[test]
fn one_that_is_behind_in_two_rooms_gets_all_that_was_said_in_both() {
    with_hub(Protocol::Chat, true, |mut scene| {
        let [bob, carol, deaf] = [0, 0, 1].map(|listener| scene.open_at(ListenerId(listener)));
        let follower = scene.hub.follow(Following { grace_ms: None, scope: Scope::All }).expect("a place");
        for conn in [carol, deaf] {
            scene.say(conn, "/join den\n");
        }
        let mut seen = scene.take_all(deaf);
        let mut kept = Kept::default();
        for number in 0..60 {
            scene.say(bob, &format!("of bob {number}\n"));
            scene.say(carol, &format!("of carol {number}\n"));
            scene.take_all(bob);
            scene.take_all(carol);
            kept.keep(&mut scene, follower);
        }
        let mut pages = 0;
        loop {
            let more = scene.take_all(deaf);
            let wanted = scene.next_wanted();
            if more.is_empty() && wanted.is_none() {
                break;
            }
            seen += &more;
            if let Some(wanted) = wanted {
                pages += 1;
                assert!(pages < 1_000, "it asks for ever");
                kept.answer(&mut scene, wanted);
            }
        }
        assert!(pages > 10, "{pages} pages: the logs cannot have all of that");
        for name in ["bob", "carol"] {
            let of = format!("of {name} ");
            let numbers: Vec<u32> =
                seen.lines().filter_map(|line| line.split_once(&of)?.1.parse().ok()).collect();
            assert_eq!(numbers, (0..60).collect::<Vec<_>>(), "{name}");
        }
        for (conn, name) in [(bob, "bob"), (carol, "carol")] {
            scene.say(conn, &format!("of {name} now\n"));
            assert!(scene.take_all(deaf).ends_with(&format!("of {name} now\r\n")), "it is attached again");
        }
    });
}
