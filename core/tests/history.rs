//! The history of a room that newcomers are shown.

use parlour_core::{Config, ConnId, Hub, Input, Instant, Limits, Listener, ListenerId, Protocol};
use parlour_memory::Memory;

const LIMITS: Limits = Limits {
    conns: 3,
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
const NOW: Instant = Instant::from_millis(0);

fn with_history(history: u32, test: impl FnOnce(Hub<'_>)) {
    let listeners = [Listener::new(Protocol::Chat)];
    let config = Config { origin: u64::MAX - 2, history, ..Config::new(&listeners) };
    let mut memory = Memory::new(&LIMITS);
    test(Hub::new(config, LIMITS, memory.storage()).unwrap());
}

fn open(hub: &mut Hub<'_>) -> ConnId {
    hub.handle(NOW, Input::Accepted { listener: ListenerId(0), peer: None }).opened().unwrap()
}

#[track_caller]
fn say(hub: &mut Hub<'_>, conn: ConnId, text: &str) {
    assert_eq!(hub.handle(NOW, Input::Received { conn, bytes: text.as_bytes() }).taken(), text.len());
}

/// All lines that wait for a connection, sent `piece` bytes at a time.
fn lines(hub: &mut Hub<'_>, conn: ConnId, piece: usize) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..10_000 {
        let lent: Vec<u8> = hub.transmit(conn).flatten().copied().take(piece).collect();
        if lent.is_empty() {
            return String::from_utf8(all).unwrap().lines().map(str::to_owned).collect();
        }
        hub.handle(NOW, Input::Sent { conn, count: lent.len() });
        hub.handle(NOW, Input::Tick);
        all.extend(lent);
    }
    panic!("it does not end: {}", String::from_utf8_lossy(&all));
}

#[test]
fn a_newcomer_is_shown_the_last_messages_before_who_is_here() {
    for piece in [1, 7, 1_000] {
        with_history(3, |mut hub| {
            let bob = open(&mut hub);
            say(&mut hub, bob, "/nick bob\none\n/topic bees\ntwo\n/me waves\n/msg bob psst\nfour\n");
            lines(&mut hub, bob, 1_000);
            let alice = open(&mut hub);
            let welcome = "-- welcome to parlour, you are guest-1; /help lists the commands";
            assert_eq!(
                lines(&mut hub, alice, piece),
                [
                    welcome,
                    "-- earlier: <bob> two",
                    "-- earlier: * bob waves",
                    "-- earlier: <bob> four",
                    "-- here: bob, guest-1"
                ]
            );
            assert!(lines(&mut hub, bob, piece).is_empty(), "nobody else sees anything of it");
            say(&mut hub, bob, "five\n");
            assert_eq!(lines(&mut hub, alice, piece), ["<bob> five"]);
        });
    }
}

#[test]
fn of_what_happened_before_only_messages_are_shown() {
    with_history(2, |mut hub| {
        let bob = open(&mut hub);
        for line in ["one\n", "two\n", "/topic bees\n", "/nick rob\n", "three\n", "/topic birds\n"] {
            say(&mut hub, bob, line);
            lines(&mut hub, bob, 1_000);
        }
        let alice = open(&mut hub);
        let shown = lines(&mut hub, alice, 1_000);
        let here = "-- here: rob, guest-1";
        assert_eq!(shown[1..], ["-- earlier: <guest-1> two", "-- earlier: <rob> three", here]);
    });
}

/// A hub that can note for one client alone how far it is.
#[test]
fn one_at_a_time_is_shown_it_where_there_is_one_place_and_the_place_is_used_again() {
    let limits = Limits { catch_ups: 1, ..LIMITS };
    let listeners = [Listener::new(Protocol::Chat)];
    let config = Config { history: 3, ..Config::new(&listeners) };
    let mut memory = Memory::new(&limits);
    let mut hub = Hub::new(config, limits, memory.storage()).unwrap();
    let bob = open(&mut hub);
    say(&mut hub, bob, "one\n");
    let count = |shown: &[String]| shown.iter().filter(|line| line.starts_with("-- earlier")).count();
    for _ in 0..3 {
        let newcomers = [open(&mut hub), open(&mut hub)];
        let shown = newcomers.map(|conn| lines(&mut hub, conn, 1_000));
        let mut counts = shown.each_ref().map(|lines| count(lines));
        counts.sort_unstable();
        assert_eq!(counts, [0, 1], "{shown:?}");
        for conn in newcomers {
            hub.handle(NOW, Input::Closed { conn });
        }
    }
}

#[test]
fn as_many_at_once_are_shown_it_as_there_are_places_again_and_again() {
    let limits = Limits { catch_ups: 2, ..LIMITS };
    let listeners = [Listener::new(Protocol::Chat)];
    let config = Config { history: 3, ..Config::new(&listeners) };
    let mut memory = Memory::new(&limits);
    let mut hub = Hub::new(config, limits, memory.storage()).unwrap();
    let bob = open(&mut hub);
    say(&mut hub, bob, "one\n");
    for round in 0..3 {
        let newcomers = [open(&mut hub), open(&mut hub)];
        for conn in newcomers {
            let shown = lines(&mut hub, conn, 1_000);
            assert!(shown.contains(&"-- earlier: <guest-1> one".to_owned()), "round {round}: {shown:?}");
        }
        for conn in newcomers {
            hub.handle(NOW, Input::Closed { conn });
        }
    }
}

#[test]
fn no_more_is_shown_than_the_log_still_has() {
    with_history(1_000, |mut hub| {
        let bob = open(&mut hub);
        lines(&mut hub, bob, 1_000);
        for number in 0..500 {
            say(&mut hub, bob, &format!("line {number}\n"));
            hub.handle(NOW, Input::Tick);
        }
        let alice = open(&mut hub);
        let seen = lines(&mut hub, alice, 1_000);
        let shown: Vec<_> =
            seen.iter().filter_map(|line| line.strip_prefix("-- earlier: <guest-1> line ")).collect();
        let newest: Vec<_> = (500 - shown.len()..500).map(|number| number.to_string()).collect();
        assert_eq!(shown, newest, "the newest, in their order");
        assert!((20..64).contains(&shown.len()), "{} lines in a log of 1,024 bytes", shown.len());
    });
}

#[test]
fn a_room_that_is_made_anew_knows_nothing_of_the_one_before() {
    with_history(10, |mut hub| {
        let [bob, alice] = [open(&mut hub), open(&mut hub)];
        for line in ["/join den\n", "secret\n"] {
            say(&mut hub, bob, line);
            lines(&mut hub, bob, 1_000);
        }
        say(&mut hub, bob, "/join lobby\n");
        lines(&mut hub, bob, 1_000);
        lines(&mut hub, alice, 1_000);
        say(&mut hub, alice, "/join pub\n");
        assert_eq!(lines(&mut hub, alice, 1_000), ["-- you are in pub", "-- here: guest-2"]);
    });
}

#[test]
fn none_is_shown_where_none_is_asked_for() {
    with_history(0, |mut hub| {
        let bob = open(&mut hub);
        say(&mut hub, bob, "one\n");
        let alice = open(&mut hub);
        assert!(!lines(&mut hub, alice, 1_000).iter().any(|line| line.contains("one")));
    });
}

/// The log of its room goes on, and does not wait for it.
#[test]
fn a_newcomer_that_reads_late_is_told_of_what_it_missed_but_not_of_a_history_that_is_gone() {
    for (meanwhile, is_told) in [(20, false), (100, true)] {
        with_history(1_000, |mut hub| {
            let bob = open(&mut hub);
            lines(&mut hub, bob, 1_000);
            let talk = |hub: &mut Hub<'_>, numbers: std::ops::Range<u32>| {
                for number in numbers {
                    say(hub, bob, &format!("line {number}\n"));
                    hub.handle(NOW, Input::Tick);
                }
            };
            talk(&mut hub, 0..100);
            let alice = open(&mut hub);
            talk(&mut hub, 100..100 + meanwhile);
            let seen = lines(&mut hub, alice, 1_000);
            assert_eq!(seen.iter().any(|line| line == "-- you missed some messages"), is_told, "{seen:?}");
            let number_of = |line: &String| line.strip_prefix("<guest-1> line ")?.parse().ok();
            let new: Vec<u32> = seen.iter().filter_map(number_of).collect();
            let first = if is_told { 200 - new.len() as u32 } else { 100 };
            assert_eq!(new, (first..100 + meanwhile).collect::<Vec<_>>());
            assert!(new.len() >= 20, "{new:?}");
            say(&mut hub, bob, "on\n");
            assert_eq!(lines(&mut hub, alice, 1_000), ["<guest-1> on"]);
        });
    }
}
