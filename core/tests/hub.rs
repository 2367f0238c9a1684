//! What a hub does with few connections, told step by step: order, turns, patience.

use parlour_core::{
    Answer, Bound, Cause, Close, Config, ConnId, Hub, Input, Instant, Limits, LimitsError, Listener,
    ListenerId, Output, Protocol, Storage,
};
use parlour_memory::Memory;

const LIMITS: Limits = Limits {
    conns: 4,
    rooms: 5,
    rooms_per_conn: 3,
    members: 12,
    catch_ups: 12,
    name: 32,
    line: 128,
    queue: 512,
    proposals: 0,
    log: 4096,
    records: 64,
    followers: 0,
    rings: 0,
};
/// Rounds of a loop. A loop that needs more does not end.
const ROUNDS: std::ops::Range<u32> = 0..20_000;
const NOW: Instant = Instant::from_millis(0);

fn with_hub(test: impl FnOnce(Hub<'_>)) {
    with_rate(None, test);
}

fn with_rate(rate: Option<u32>, test: impl FnOnce(Hub<'_>)) {
    let rate = rate.map(Bound::for_all);
    let listeners = [Protocol::Chat, Protocol::Console, Protocol::Relay].map(|protocol| {
        // A listener that was not built in has another in its place. No test uses that one.
        let protocol = if protocol.is_built_in() { protocol } else { Protocol::Echo };
        Listener { rate, ..Listener::new(protocol) }
    });
    let config = Config { origin: u64::MAX - 2, ..Config::new(&listeners) };
    test(Hub::new(config, LIMITS, Memory::new(&LIMITS).storage()).unwrap());
}

/// A new connection. A chat client says something, so the others know of it.
fn open(hub: &mut Hub<'_>, listener: u8) -> ConnId {
    let conn =
        hub.handle(NOW, Input::Accepted { listener: ListenerId(listener), peer: None }).opened().unwrap();
    if listener == 0 {
        say(hub, conn, "/ping\n");
    }
    conn
}

fn say(hub: &mut Hub<'_>, conn: ConnId, line: &str) {
    assert_eq!(
        hub.handle(NOW, Input::Received { conn, bytes: line.as_bytes() }),
        Answer::Taken { count: line.len() }
    );
}

/// Everything that waits for a connection, sent `piece` bytes at a time.
fn receive(hub: &mut Hub<'_>, conn: ConnId, piece: usize) -> String {
    let mut all = Vec::new();
    for _ in ROUNDS {
        let lent: Vec<u8> = hub.transmit(conn).flatten().copied().take(piece).collect();
        if lent.is_empty() {
            return String::from_utf8(all).unwrap();
        }
        hub.handle(NOW, Input::Sent { conn, count: lent.len() });
        if hub.next_deadline() == Some(NOW) {
            hub.handle(NOW, Input::Tick);
        }
        all.extend(lent);
    }
    panic!("there is always more to send");
}

/// Does the work of a driver whose peers take nothing.
fn name_all(hub: &mut Hub<'_>) {
    let mut rounds = ROUNDS;
    while hub.next_output().is_some() {
        rounds.next().expect("all are named");
    }
}

/// Says a line until it is not taken any more.
fn say_until_full(hub: &mut Hub<'_>, now: Instant, talker: ConnId, line: &[u8]) {
    let mut rounds = ROUNDS;
    while hub.handle(now, Input::Received { conn: talker, bytes: line }).taken() > 0 {
        rounds.next().expect("the room is full");
    }
}

#[test]
fn several_lines_of_ones_own_among_others_are_passed_over() {
    for piece in [1, 2, 3, 7, 1000] {
        with_hub(|mut hub| {
            let (alice, bob) = (open(&mut hub, 0), open(&mut hub, 0));
            receive(&mut hub, alice, 1000);
            for text in ["1\n", "2\n", "3\n"] {
                say(&mut hub, bob, text);
                say(&mut hub, alice, text);
                say(&mut hub, alice, text);
            }
            let seen = "<guest-2> 1\r\n<guest-2> 2\r\n<guest-2> 3\r\n";
            assert_eq!(receive(&mut hub, alice, piece), seen, "pieces of {piece}");
        });
    }
}

/// A `/join` that waited for its author to read on must not go ahead while
/// the room that it leaves cannot be told.
#[test]
fn a_join_that_had_to_wait_waits_for_its_room_too() {
    with_hub(|mut hub| {
        let (carol, talker) = (open(&mut hub, 0), open(&mut hub, 0));
        // She joins one room after the other and reads nothing, so each still has lines for her.
        for room in ["a", "b"] {
            say(&mut hub, carol, &format!("/join {room}\n"));
            receive(&mut hub, talker, 1000);
            say(&mut hub, talker, &format!("/join {room}\n"));
            receive(&mut hub, talker, 1000);
            say(&mut hub, talker, "hello\n");
        }
        say(&mut hub, carol, "/join c\n");
        // Carol does not read. Short lines fill the room's index of records.
        say_until_full(&mut hub, NOW, talker, b"x\n");
        // Newcomers use up the space that the room keeps free for notices.
        for _ in 0..4 {
            let guest = open(&mut hub, 0);
            receive(&mut hub, guest, 1000);
            hub.handle(NOW, Input::Received { conn: guest, bytes: b"/join b\n" });
            hub.handle(NOW, Input::Failed { conn: guest, cause: Cause::Reset });
        }
        let seen = receive(&mut hub, carol, 7);
        assert!(seen.contains("-- you are in c\r\n"), "{seen}");
    });
}

/// Nobody else is named for input that does not concern them, however many they are.
#[test]
fn who_says_nothing_to_the_room_changes_nobody_else() {
    with_hub(|mut hub| {
        let [alice, bob] = [0, 0].map(|listener| open(&mut hub, listener));
        for conn in [alice, bob] {
            receive(&mut hub, conn, 1000);
        }
        name_all(&mut hub);
        for input in ["/ping\n", "unfinished"] {
            say(&mut hub, alice, input);
            let mut rounds = ROUNDS;
            while let Some(output) = hub.next_output() {
                rounds.next().expect("all are named");
                assert_eq!(output, Output::Changed { conn: alice }, "{input:?}");
            }
        }
    });
}

/// Two clients that never read are at different places in the log. The others must not wait for one, and
/// then as long for the other.
#[test]
fn a_room_that_has_waited_for_one_does_not_wait_for_the_next() {
    with_hub(|mut hub| {
        let [talker, carol, dave] = [0, 0, 0].map(|listener| open(&mut hub, listener));
        for conn in [talker, carol, dave] {
            receive(&mut hub, conn, 1000);
        }
        let line = format!("{}\n", "x".repeat(100));
        for _ in 0..4 {
            say(&mut hub, talker, &line);
            receive(&mut hub, dave, 1000);
        }
        let grace = u64::from(Config::new(&[]).grace_ms);
        // Once it has waited, a room does not wait for one that took nothing for a while.
        for (laggard, from, to) in [(carol, 0, grace), (dave, grace, grace)] {
            let [from, to] = [from, to].map(Instant::from_millis);
            say_until_full(&mut hub, from, talker, line.as_bytes());
            name_all(&mut hub);
            if from < to {
                hub.handle(Instant::from_millis(to.as_millis() - 1), Input::Tick);
                assert_eq!(hub.interest(laggard).close, Close::No);
            }
            hub.handle(to, Input::Tick);
            assert_eq!(hub.interest(laggard).close, Close::Abort);
            hub.handle(to, Input::Closed { conn: laggard });
        }
    });
}

#[cfg(feature = "large")]
#[test]
fn the_rate_holds_for_lines_that_do_not_end_and_those_that_are_too_long() {
    for listener in if cfg!(feature = "relay") { &[0, 2][..] } else { &[0] } {
        with_rate(Some(2), |mut hub| {
            let conn = open(&mut hub, *listener);
            receive(&mut hub, conn, 1000);
            let mut taken = 0;
            for _ in 0..100 {
                taken += hub.handle(NOW, Input::Received { conn, bytes: &[b'x'; 300] }).taken();
                taken += hub.handle(NOW, Input::Received { conn, bytes: b"\n" }).taken();
                receive(&mut hub, conn, 1000);
            }
            assert!(taken < 5 * 301, "listener {listener}: {taken}");
            assert!(hub.next_deadline().is_some(), "it goes on later");
        });
    }
}

#[test]
fn storage_that_is_too_short_is_refused() {
    let listeners = [Listener::new(Protocol::Chat)];
    let storage = Storage {
        conns: &mut [],
        members: &mut [],
        catch_ups: &mut [],
        rooms: &mut [],
        order: &mut [],
        records: &mut [],
        bytes: &mut [],
    };
    let hub = Hub::new(Config::new(&listeners), LIMITS, storage);
    assert_eq!(hub.err(), Some(LimitsError::Storage("conns")));
}

#[test]
fn a_hub_that_cannot_be_says_which_limit_is_wrong() {
    let words = |limits: Limits| limits.check().unwrap_err().to_string();
    assert_eq!(words(Limits { rooms: 0, ..LIMITS }), "the limit `rooms` is 0 or too high");
    assert_eq!(words(Limits { records: 63, ..LIMITS }), "the limit `records` is not a power of two");
    let LimitsError::LogTooSmall { least } = Limits { log: 8, ..LIMITS }.check().unwrap_err() else {
        panic!()
    };
    assert_eq!(words(Limits { log: 8, ..LIMITS }), format!("the limit `log` must be at least {least} bytes"));
}
