//! The most that one call does, whatever comes together. It is counted, not timed.

use parlour_core::{
    Cause, Close, Config, ConnId, Hub, Input, Instant, Limits, Listener, ListenerId, Protocol,
};
use parlour_memory::Memory;

/// The most connections that one call does something for, besides its own.
const AT_ONCE: usize = 512;
/// More connections than a few calls can do something for.
const MANY: usize = 2_000;
const GRACE_MS: u64 = 5_000;
/// Rounds of a loop. A loop that needs more does not end.
const ROUNDS: std::ops::Range<u32> = 0..20_000;
const CHAT: u8 = 0;

fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

/// A hub with place for this many, under a configuration that differs in some way from the usual.
fn with_hub(conns: usize, change: impl FnOnce(&mut Config<'_>, &mut [Listener]), test: impl FnOnce(Hub<'_>)) {
    let limits = Limits {
        conns,
        rooms: 8,
        rooms_per_conn: 2,
        members: 2 * conns,
        catch_ups: 2 * conns,
        name: 32,
        line: 128,
        queue: 600,
        proposals: 0,
        log: 16 << 10,
        records: 512,
        followers: 0,
        rings: 0,
    };
    let mut listeners = [Protocol::Chat, Protocol::Echo].map(Listener::new);
    let mut config = Config::new(&[]);
    change(&mut config, &mut listeners);
    let config = Config { listeners: &listeners, ..config };
    test(Hub::new(config, limits, Memory::new(&limits).storage()).unwrap());
}

fn with_many(test: impl FnOnce(Hub<'_>, Vec<ConnId>)) {
    with_hub(
        MANY + 1,
        |_, _| {},
        |mut hub| {
            let conns = (0..MANY).map(|_| open(&mut hub, CHAT)).collect();
            test(hub, conns);
        },
    );
}

fn open(hub: &mut Hub<'_>, listener: u8) -> ConnId {
    hub.handle(at(0), Input::Accepted { listener: ListenerId(listener), peer: None }).opened().unwrap()
}

fn say(hub: &mut Hub<'_>, now: Instant, conn: ConnId, line: &str) -> usize {
    hub.handle(now, Input::Received { conn, bytes: line.as_bytes() }).taken()
}

/// Does the work of a driver whose peers take nothing.
fn name_all(hub: &mut Hub<'_>) {
    let mut rounds = ROUNDS;
    while hub.next_output().is_some() {
        rounds.next().expect("all are named");
    }
}

/// Everything that waits for a connection, and everything that follows when that was taken.
fn receive(hub: &mut Hub<'_>, now: Instant, conn: ConnId) -> String {
    let mut all = Vec::new();
    for _ in ROUNDS {
        let lent: Vec<u8> = hub.transmit(conn).flatten().copied().collect();
        if !lent.is_empty() {
            hub.handle(now, Input::Sent { conn, count: lent.len() });
            all.extend(lent);
        } else if hub.next_deadline().is_some_and(|deadline| deadline <= now) {
            hub.handle(now, Input::Tick);
        } else {
            return String::from_utf8(all).unwrap();
        }
    }
    panic!("there is always more to send");
}

/// Ticks until nothing is due any more; checks that no tick concerns more of `conns` than it may,
/// and that all of them are concerned in the end.
#[track_caller]
fn tick_in_pieces(
    hub: &mut Hub<'_>,
    now: Instant,
    conns: &[ConnId],
    is_done: impl Fn(&Hub<'_>, ConnId) -> bool,
) {
    let count = |hub: &Hub<'_>| conns.iter().filter(|&&conn| is_done(hub, conn)).count();
    let (mut done, mut ticks) = (count(hub), 0);
    while done < conns.len() {
        let deadline = hub.next_deadline();
        assert!(
            deadline.is_some_and(|deadline| deadline <= now),
            "{done} are done; the next at {deadline:?}"
        );
        hub.handle(now, Input::Tick);
        let before = std::mem::replace(&mut done, count(hub));
        assert!(done - before <= AT_ONCE, "{} in one call", done - before);
        ticks += 1;
        assert!(ticks <= 2 * MANY.div_ceil(AT_ONCE), "{done} after {ticks} ticks");
        name_all(hub);
    }
}

#[test]
fn those_who_never_read_are_cut_some_at_a_time_and_the_room_opens() {
    with_many(|mut hub, deaf| {
        let talker = open(&mut hub, CHAT);
        receive(&mut hub, at(0), talker);
        let line = format!("{}\n", "x".repeat(100));
        let (mut now, mut rounds) = (at(0), ROUNDS);
        // Longer than a moment after the last of them came.
        while say(&mut hub, now, talker, &line) > 0 {
            rounds.next().expect("the room is full");
            now = at(1_000);
            receive(&mut hub, now, talker);
        }
        name_all(&mut hub);
        hub.handle(at(1_000 + GRACE_MS - 1), Input::Tick);
        name_all(&mut hub);
        assert!(deaf.iter().all(|&conn| hub.interest(conn).close == Close::No));
        let now = at(1_000 + GRACE_MS);
        tick_in_pieces(&mut hub, now, &deaf, |hub, conn| hub.interest(conn).close == Close::Abort);
        assert_eq!(hub.stats().lagged, MANY as u64);
        for conn in deaf {
            hub.handle(now, Input::Closed { conn });
        }
        receive(&mut hub, now, talker);
        assert_eq!(hub.count(), 1);
        assert_eq!(say(&mut hub, now, talker, &line), line.len(), "the room is open");
    });
}

#[test]
fn those_who_are_idle_too_long_at_one_instant_are_closed_some_at_a_time() {
    with_hub(
        MANY,
        |config, _| config.idle_ms = Some(60_000),
        |mut hub| {
            let conns: Vec<ConnId> = (0..MANY).map(|_| open(&mut hub, CHAT)).collect();
            hub.handle(at(59_999), Input::Tick);
            let is_closing = |hub: &Hub<'_>, conn| hub.interest(conn).read == usize::MAX;
            assert!(conns.iter().all(|&conn| !is_closing(&hub, conn)));
            tick_in_pieces(&mut hub, at(60_000), &conns, is_closing);
        },
    );
}

#[test]
fn the_end_is_told_to_some_at_a_time() {
    with_many(|mut hub, conns| {
        let is_closing = |hub: &Hub<'_>, conn| hub.interest(conn).read == usize::MAX;
        hub.handle(at(0), Input::Shutdown);
        assert!(conns.iter().filter(|&&conn| is_closing(&hub, conn)).count() <= AT_ONCE);
        tick_in_pieces(&mut hub, at(0), &conns, is_closing);
        // None of them reads: all are given up at once, and yet one after the other.
        let flushed = at(u64::from(Config::new(&[]).flush_ms));
        tick_in_pieces(&mut hub, flushed, &conns, |hub, conn| hub.interest(conn).close == Close::Abort);
    });
}

#[test]
fn those_who_leave_together_leave_nothing_behind() {
    with_many(|mut hub, conns| {
        let witness = open(&mut hub, CHAT);
        receive(&mut hub, at(0), witness);
        for &conn in &conns {
            say(&mut hub, at(0), conn, "/ping\n");
        }
        for ms in [5_000, 10_000] {
            receive(&mut hub, at(ms), witness);
        }
        let mut count = hub.count();
        for conn in conns {
            hub.handle(at(20_000), Input::Failed { conn, cause: Cause::Reset });
            assert!(count - hub.count() <= AT_ONCE);
            count = hub.count();
        }
        let seen = receive(&mut hub, at(20_000), witness);
        assert_eq!(seen.lines().count(), 20, "{seen}");
        let sum = format!("-- others: 0 joined, {} left\r\n", MANY - 20);
        assert_eq!(receive(&mut hub, at(21_000), witness), sum);
        assert_eq!(hub.count(), 1);
        assert!(hub.next_deadline().is_none_or(|deadline| deadline > at(21_000)), "nothing is left to do");
    });
}

/// Each may hand in one line while its room is closed. When it opens, all these lines are there.
#[test]
fn lines_that_waited_are_said_some_at_a_time() {
    with_many(|mut hub, conns| {
        let mut now = at(0);
        for &conn in &conns {
            let mut rounds = ROUNDS;
            while hub.next_deadline() == Some(now) {
                rounds.next().expect("all is done");
                hub.handle(now, Input::Tick);
            }
            receive(&mut hub, now, conn);
        }
        let deaf = open(&mut hub, CHAT);
        now = at(1_000);
        let mut waiting = 0;
        for &conn in conns.iter().cycle().take(2 * MANY) {
            waiting += usize::from(say(&mut hub, now, conn, "x\n") > 0);
        }
        let before = hub.stats().records;
        assert!(waiting > MANY && before < MANY as u64, "{waiting} lines, {before} records");
        for &conn in &conns {
            name_all(&mut hub);
            let mut rounds = ROUNDS;
            while hub.transmit(conn).next().is_some() {
                rounds.next().expect("all is sent");
                let count = hub.transmit(conn).map(<[u8]>::len).sum();
                hub.handle(now, Input::Sent { conn, count });
            }
        }
        assert_eq!(hub.stats().records, before, "the room waits for one");
        let mut said = before;
        hub.handle(now, Input::Failed { conn: deaf, cause: Cause::Reset });
        for _ in 0..100 {
            let more = hub.stats().records - said;
            assert!(more <= AT_ONCE as u64 + 2, "{more} lines in one call");
            said += more;
            for &conn in &conns {
                let count = hub.transmit(conn).map(<[u8]>::len).sum();
                hub.handle(now, Input::Sent { conn, count });
                let more = hub.stats().records - said;
                assert!(more <= AT_ONCE as u64 + 2, "{more} lines in one call");
                said += more;
            }
            if hub.next_deadline().is_none_or(|deadline| deadline > now) {
                break;
            }
            hub.handle(now, Input::Tick);
        }
        assert!(said - before >= MANY as u64, "all are said: {}", said - before);
    });
}

/// The last two of very many connections are in a room. To find them takes several pieces.
#[cfg(feature = "large")]
#[test]
fn who_is_in_a_room_is_found_a_piece_at_a_time() {
    const ECHO: u8 = 1;
    for (conns, pieces) in [(5_000, 1), (100_000, 4)] {
        with_hub(
            conns,
            |_, _| {},
            |mut hub| {
                for _ in 0..conns - 2 {
                    open(&mut hub, ECHO);
                }
                let [first, second] = [(); 2].map(|()| open(&mut hub, CHAT));
                for conn in [first, second] {
                    receive(&mut hub, at(0), conn);
                    say(&mut hub, at(0), conn, "/join den\n");
                    receive(&mut hub, at(0), conn);
                }
                receive(&mut hub, at(0), first);
                say(&mut hub, at(0), first, "/who den\n");
                let mut calls = 1;
                while hub.transmit(first).next().is_none() {
                    assert_eq!(hub.next_deadline(), Some(at(0)), "after {calls} calls");
                    assert!(calls < pieces, "nobody is found");
                    hub.handle(at(0), Input::Tick);
                    calls += 1;
                }
                assert_eq!(calls, pieces);
                let seen = receive(&mut hub, at(0), first);
                let names = seen.trim_end().strip_prefix("-- in den: ").expect("one line");
                assert_eq!(names.split(", ").count(), 2, "{seen}");
                assert!(hub.next_deadline().is_none_or(|deadline| deadline > at(0)), "nothing is left to do");
            },
        );
    }
}

/// A room's place in the table is used again. A list of the old room must tell nothing about the new
/// one.
#[test]
fn a_list_of_a_room_that_is_gone_tells_nothing_of_the_one_in_its_place() {
    with_hub(
        300,
        |_, _| {},
        |mut hub| {
            let asker = open(&mut hub, CHAT);
            receive(&mut hub, at(0), asker);
            let enter = |hub: &mut Hub<'_>, room: &str, name: &str| {
                let conn = open(hub, CHAT);
                receive(hub, at(0), conn);
                say(hub, at(0), conn, &format!("/nick {name}\n/join {room}\n"));
                receive(hub, at(0), conn);
                conn
            };
            let old: Vec<ConnId> =
                (0..100).map(|number| enter(&mut hub, "den", &format!("old-{number:020}"))).collect();
            receive(&mut hub, at(0), asker);
            say(&mut hub, at(0), asker, "/who den\n");
            // A part of the answer waits to be sent. The rest follows when that is gone.
            for conn in old {
                hub.handle(at(0), Input::Failed { conn, cause: Cause::Reset });
            }
            for number in 0..100 {
                enter(&mut hub, "secret", &format!("new-{number}"));
            }
            let seen = receive(&mut hub, at(0), asker);
            assert!(seen.starts_with("-- in den: old-"), "{seen}");
            assert!(!seen.contains("new-"), "{seen}");
            let told =
                seen.lines().filter(|line| line.starts_with("-- in ")).flat_map(|line| line.split(", "));
            assert!(told.count() < 100, "all were told before they left");
            // The asker can go on.
            say(&mut hub, at(0), asker, "/ping\n");
            assert_eq!(receive(&mut hub, at(0), asker), "-- pong\r\n");
            say(&mut hub, at(0), asker, "/who secret\n");
            assert_eq!(receive(&mut hub, at(0), asker).matches("new-").count(), 100);
        },
    );
}

/// How many `/ping` a client may send at once after a `/join` and earlier lines.
#[cfg(feature = "large")]
fn pings_behind_a_join(has_to_wait: bool) -> usize {
    let limit = |_: &mut Config<'_>, listeners: &mut [Listener]| {
        listeners[0].rate = Some(parlour_core::Bound::for_all(20));
    };
    let mut pings = 0;
    with_hub(8, limit, |mut hub| {
        let (carol, talker) = (open(&mut hub, CHAT), open(&mut hub, CHAT));
        for conn in [carol, talker] {
            receive(&mut hub, at(0), conn);
        }
        // Carol reads the lobby's lines only later. Until then she is in two rooms.
        for number in 0..9 {
            say(&mut hub, at(0), talker, &format!("{number}\n"));
        }
        for room in ["a", "b"] {
            if !has_to_wait {
                receive(&mut hub, at(0), carol);
            }
            say(&mut hub, at(0), carol, &format!("/join {room}\n"));
        }
        let is_in = hub.interest(carol).read > 0;
        // Each byte that she reads wakes her.
        let (mut seen, mut rounds) = (Vec::new(), ROUNDS);
        while let Some(byte) = hub.transmit(carol).flatten().next().copied() {
            rounds.next().expect("all is sent");
            hub.handle(at(0), Input::Sent { conn: carol, count: 1 });
            seen.push(byte);
        }
        assert_eq!(is_in, !has_to_wait);
        assert!(String::from_utf8_lossy(&seen).contains("-- you are in b\r\n"));
        while hub.interest(carol).read > 0 {
            pings += usize::from(say(&mut hub, at(0), carol, "/ping\n") > 0);
            receive(&mut hub, at(0), carol);
            assert!(pings < 100, "the rate holds");
        }
    });
    pings
}

#[cfg(feature = "large")]
#[test]
fn a_join_that_has_to_wait_is_charged_once() {
    let pings = pings_behind_a_join(false);
    assert!(pings > 10, "{pings}");
    assert_eq!(pings_behind_a_join(true), pings);
}
