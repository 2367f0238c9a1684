//! What a hub is told of the time before it began: the history of its rooms, and their topics.
#![cfg(feature = "large")]

use parlour_core::{
    Close, Config, ConnId, Hub, Identity, Input, Instant, Kind, Limits, Listener, ListenerId, Output, Place,
    Protocol, Record, RoomRef, Span, Wanted,
};
use parlour_memory::Memory;

const LIMITS: Limits = Limits {
    conns: 4,
    rooms: 2,
    rooms_per_conn: 2,
    members: 12,
    catch_ups: 12,
    name: 32,
    line: 64,
    queue: 512,
    proposals: 0,
    log: 1024,
    records: 64,
    followers: 0,
    rings: 0,
};
/// The number of the first record of this hub.
const ORIGIN: u64 = 1_000;
/// Messages that a newcomer is shown.
const HISTORY: u32 = 30;

struct Scene<'a> {
    hub: Hub<'a>,
    now: Instant,
}

fn with_hub(test: impl FnOnce(Scene<'_>)) {
    let listeners = [Listener::new(Protocol::Chat)];
    let config = Config {
        origin: ORIGIN,
        history: HISTORY,
        keeps_records: true,
        first_identity: 77,
        ..Config::new(&listeners)
    };
    let mut memory = Memory::new(&LIMITS);
    let hub = Hub::new(config, LIMITS, memory.storage()).unwrap();
    test(Scene { hub, now: Instant::from_millis(0) });
}

impl Scene<'_> {
    fn open(&mut self) -> ConnId {
        self.hub.handle(self.now, Input::Accepted { listener: ListenerId(0), peer: None }).opened().unwrap()
    }

    fn say(&mut self, conn: ConnId, text: &str) {
        assert_eq!(
            self.hub.handle(self.now, Input::Received { conn, bytes: text.as_bytes() }).taken(),
            text.len()
        );
    }

    /// All lines that wait for a connection, but for the welcome.
    fn lines(&mut self, conn: ConnId) -> Vec<String> {
        let (mut all, mut idle) = (Vec::new(), 0);
        while idle < 2 {
            let lent: Vec<u8> = self.hub.transmit(conn).flatten().copied().collect();
            idle = if lent.is_empty() { idle + 1 } else { 0 };
            self.hub.handle(self.now, Input::Sent { conn, count: lent.len() });
            self.hub.handle(self.now, Input::Tick);
            all.extend(lent);
        }
        let text = String::from_utf8(all).unwrap();
        text.lines().filter(|line| !line.contains("welcome to")).map(str::to_owned).collect()
    }

    fn wanted(&mut self) -> Option<Wanted> {
        let mut found = None;
        while let Some(output) = self.hub.next_output() {
            if let Output::Wanted(wanted) = output {
                assert_eq!(found.replace(wanted), None, "one page at a time");
            }
        }
        found
    }

    /// Answers as a driver that keeps so many messages from before, with at most so many records. Returns how many
    /// the hub took.
    fn answer(&mut self, wanted: Wanted, kept: u64, most: usize) -> usize {
        assert_eq!(self.hub.room(wanted.room), Some(Place::Chat("lobby")));
        let texts: Vec<_> = (0..kept).map(|number| format!("old {number}")).collect();
        let first = match wanted.span {
            Span::Last(count) => kept.saturating_sub(u64::from(count)),
            Span::From(from) => from,
        };
        let record = |number: u64| old(wanted.room, number, &texts[number as usize]);
        let records: Vec<_> = (first..kept).take(most).map(record).collect();
        self.hub.handle(self.now, Input::Page { wanted, has_gap: false, records: &records }).taken()
    }

    /// As [`Scene::answer`], until nothing is wanted.
    fn answer_all(&mut self, kept: u64, most: usize) {
        for _ in 0..50 {
            // Its own input comes first, and then its history.
            for _ in 0..2 {
                self.hub.handle(self.now, Input::Tick);
            }
            let Some(wanted) = self.wanted() else { return };
            self.answer(wanted, kept, most);
        }
        panic!("it asks for ever");
    }
}

fn old(room: RoomRef, number: u64, text: &str) -> Record<'_> {
    let (author, kind, place) = (Identity::from_u64(5), Kind::Say, Place::Private);
    Record {
        seq: number,
        unix_ms: 0,
        room,
        place,
        author,
        name: "eve",
        kind,
        is_torn: false,
        text: text.as_bytes(),
    }
}

fn earlier(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|number| format!("-- earlier: <eve> old {number}")).collect()
}

#[test]
fn a_newcomer_is_shown_what_was_said_before_the_hub_began() {
    for most in [1, 7, 1_000] {
        shows_what_was_said_before(most);
    }
}

/// In pages of at most so many records.
fn shows_what_was_said_before(most: usize) {
    with_hub(|mut scene| {
        let alice = scene.open();
        assert_eq!(scene.hub.identity(alice).map(Identity::as_u64), Some(77));
        assert_eq!(scene.lines(alice), [""; 0], "it waits for the driver");
        let mut seen = Vec::new();
        let mut pages = 0;
        while let Some(wanted) = scene.wanted() {
            assert_eq!(wanted.until, ORIGIN);
            let taken = scene.answer(wanted, 100, most);
            assert!(taken == 0 || scene.answer(wanted, 100, most) == 0, "the same page again");
            seen.extend(scene.lines(alice));
            pages += 1;
            assert!(pages < 50, "it asks for ever");
        }
        assert!(pages > 1, "its queue is too small for all of that");
        assert_eq!(seen, [earlier(70..100), vec!["-- here: guest-1".to_owned()]].concat());
        // What the log has need not be asked for.
        scene.say(alice, "new 1\nnew 2\n");
        let bob = scene.open();
        scene.lines(bob);
        let wanted = scene.wanted().expect("the rest");
        assert_eq!(wanted.span, Span::Last(HISTORY - 2));
        scene.answer(wanted, 2, most);
        scene.answer_all(2, most);
        let new = ["-- earlier: <guest-1> new 1", "-- earlier: <guest-1> new 2", "-- here: guest-1, guest-2"];
        assert_eq!(scene.lines(bob), [earlier(0..2), new.map(str::to_owned).to_vec()].concat());
        scene.say(alice, "now\n");
        assert_eq!(scene.lines(bob), ["<guest-1> now"]);
    });
}

#[test]
fn without_an_answer_a_newcomer_waits_for_five_seconds_and_is_shown_the_rest() {
    for answer in [None, Some(0)] {
        with_hub(|mut scene| {
            let alice = scene.open();
            scene.lines(alice);
            let wanted = scene.wanted().expect("the history");
            let early = Input::Received { conn: alice, bytes: b"typed meanwhile\n" };
            assert_eq!(scene.hub.handle(scene.now, early).taken(), 0, "its answers would come too early");
            match answer {
                Some(kept) => drop(scene.answer(wanted, kept, 9)),
                None => {
                    scene.now = Instant::from_millis(4_900);
                    scene.hub.handle(scene.now, Input::Tick);
                    assert_eq!(scene.lines(alice), [""; 0]);
                    scene.now = Instant::from_millis(5_100);
                    scene.hub.handle(scene.now, Input::Tick);
                }
            }
            assert_eq!(scene.lines(alice), ["-- here: guest-1"], "{answer:?}");
            assert_eq!(scene.answer(wanted, 10, 9), 0, "too late");
        });
    }
}

#[test]
fn one_that_has_to_leave_does_not_wait_for_its_history() {
    with_hub(|mut scene| {
        let alice = scene.open();
        scene.lines(alice);
        let wanted = scene.wanted().expect("the history");
        scene.hub.handle(scene.now, Input::Shutdown);
        assert_eq!(scene.lines(alice), ["-- server is shutting down"]);
        assert_eq!(scene.hub.interest(alice).close, Close::Write);
        assert_eq!(scene.answer(wanted, 10, 9), 0, "nobody waits for it");
    });
}

#[test]
fn a_topic_from_before_is_told_to_those_that_wait_and_never_replaces_a_newer_one() {
    with_hub(|mut scene| {
        let alice = scene.open();
        scene.lines(alice);
        let wanted = scene.wanted().expect("the history");
        let room = wanted.room;
        scene.hub.handle(scene.now, Input::Topic { room, topic: "bees" });
        scene.answer(wanted, 1, 9);
        scene.answer_all(1, 9);
        assert_eq!(scene.lines(alice), ["-- topic: bees", "-- earlier: <eve> old 0", "-- here: guest-1"]);
        scene.hub.handle(scene.now, Input::Topic { room, topic: "wasps" });
        scene.say(alice, "/topic\n");
        assert_eq!(scene.lines(alice), ["-- topic: bees"]);
        let gone = RoomRef::from_u64(room.as_u64() + (1 << 32));
        scene.hub.handle(scene.now, Input::Topic { room: gone, topic: "ants" });
        assert_eq!(scene.hub.room(gone), None);
    });
}
