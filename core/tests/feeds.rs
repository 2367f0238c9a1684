//! The relay as a multiplexer of feeds: lines that stay whole, clients that only send or only
//! receive, and rooms that several listeners share.
#![cfg(feature = "relay")]

use parlour_core::{
    Cause, Close, Config, ConnId, Direction, Hub, Input, Instant, Limits, LimitsError, Listener, ListenerId,
    Protocol, RelayRules,
};
use parlour_memory::Memory;

const LIMITS: Limits = Limits {
    conns: 6,
    rooms: 3,
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
};
const IDLE_MS: u32 = 1_000;

/// Listeners of one room: for both directions, in, out, and one with lines only.
const BOTH: u8 = 0;
const IN: u8 = 1;
const OUT: u8 = 2;
const LINES: u8 = 3;

struct Feeds<'a> {
    hub: Hub<'a>,
    now: Instant,
}

fn relay(relay: RelayRules) -> Listener {
    Listener { relay, ..Listener::new(Protocol::Relay) }
}

fn with_feeds(test: impl FnOnce(Feeds<'_>)) {
    let shared = RelayRules { shares: Some(ListenerId(BOTH)), ..RelayRules::DEFAULT };
    let listeners = [
        relay(RelayRules::DEFAULT),
        relay(RelayRules { direction: Direction::In, ..shared }),
        relay(RelayRules { direction: Direction::Out, ..shared }),
        relay(RelayRules { unfinished_ms: None, ..shared }),
    ];
    let config =
        Config { origin: u64::MAX - 2, idle_ms: Some(IDLE_MS), grace_ms: 100, ..Config::new(&listeners) };
    let mut memory = Memory::new(&LIMITS);
    let hub = Hub::new(config, LIMITS, memory.storage()).unwrap();
    test(Feeds { hub, now: Instant::from_millis(0) });
}

impl Feeds<'_> {
    fn handle(&mut self, event: Input<'_>) -> parlour_core::Answer {
        self.hub.handle(self.now, event)
    }

    fn open<const N: usize>(&mut self, listeners: [u8; N]) -> [ConnId; N] {
        listeners.map(|listener| {
            self.handle(Input::Accepted { listener: ListenerId(listener), peer: None }).opened().unwrap()
        })
    }

    fn send(&mut self, conn: ConnId, text: &str) {
        assert_eq!(
            self.handle(Input::Received { conn, bytes: text.as_bytes() }).taken(),
            text.len(),
            "{text:?} is taken"
        );
    }

    fn pass(&mut self, ms: u64) {
        self.now = Instant::from_millis(self.now.as_millis() + ms);
        self.handle(Input::Tick);
    }

    #[track_caller]
    fn receives(&mut self, conn: ConnId, text: &str) {
        let lent: Vec<u8> = self.hub.transmit(conn).flatten().copied().collect();
        self.handle(Input::Sent { conn, count: lent.len() });
        assert_eq!(String::from_utf8(lent).unwrap(), text);
    }

    fn is_open(&self, conn: ConnId) -> bool {
        self.hub.interest(conn).close == Close::No
    }
}

#[test]
fn a_line_of_a_writer_that_breaks_off_does_not_run_into_the_next_writers() {
    for is_flushed in [false, true] {
        with_feeds(|mut feeds| {
            let [reader, dying, other] = feeds.open([BOTH, BOTH, BOTH]);
            feeds.send(dying, "$GPRMC,1234");
            if is_flushed {
                feeds.pass(300);
                feeds.receives(reader, "$GPRMC,1234");
            }
            feeds.handle(Input::Failed { conn: dying, cause: Cause::Reset });
            feeds.send(other, "$GPGLL,5,N*00\r\n");
            feeds.send(other, "next\n");
            let before = if is_flushed { "" } else { "$GPRMC,1234" };
            feeds.receives(reader, &format!("{before}\n$GPGLL,5,N*00\r\nnext\n"));
            feeds.receives(other, "$GPRMC,1234");
        });
    }
}

#[test]
fn nothing_is_added_to_the_bytes_of_one_writer() {
    with_feeds(|mut feeds| {
        let [reader, writer] = feeds.open([BOTH, BOTH]);
        feeds.send(writer, "a file\nwithout an end");
        feeds.handle(Input::PeerClosed { conn: writer });
        assert!(!feeds.is_open(writer));
        feeds.receives(reader, "a file\nwithout an end");
        // Its own next half does not end it either, however long it pauses.
        let [writer] = feeds.open([BOTH]);
        feeds.send(writer, "half");
        feeds.pass(300);
        feeds.send(writer, " and half\n");
        feeds.receives(reader, "\nhalf and half\n");
    });
}

#[test]
fn nothing_is_added_behind_half_a_line_of_one_that_may_still_end_it() {
    with_feeds(|mut feeds| {
        let [reader, slow, other] = feeds.open([BOTH, BOTH, BOTH]);
        feeds.send(slow, "half");
        feeds.pass(300);
        feeds.receives(reader, "half");
        feeds.send(other, "between\n");
        feeds.send(slow, " and half\n");
        feeds.receives(reader, "between\n and half\n");
    });
}

#[test]
fn where_only_lines_go_out_no_pause_mixes_them_and_the_last_one_is_ended() {
    with_feeds(|mut feeds| {
        let [reader, slow, other] = feeds.open([BOTH, LINES, LINES]);
        feeds.send(slow, "$GPRMC,1234");
        feeds.pass(900);
        feeds.send(other, "$GPGLL,5,N*00\r\n");
        feeds.receives(reader, "$GPGLL,5,N*00\r\n");
        feeds.send(slow, "56*11\r\nlast");
        feeds.send(other, "last too");
        feeds.handle(Input::Failed { conn: slow, cause: Cause::Reset });
        feeds.handle(Input::PeerClosed { conn: other });
        feeds.receives(reader, "$GPRMC,123456*11\r\nlast\nlast too\n");
    });
}

#[test]
fn where_only_lines_go_out_a_line_that_is_too_long_leaves_the_others_whole() {
    with_feeds(|mut feeds| {
        let [reader, broken, other] = feeds.open([OUT, LINES, LINES]);
        let piece = "x".repeat(LIMITS.line + 2);
        feeds.send(broken, &piece);
        feeds.send(other, "$GPGLL,5,N*00\r\n");
        feeds.send(broken, "rest\n");
        feeds.receives(reader, &format!("{piece}\n$GPGLL,5,N*00\r\nrest\n"));
    });
}

#[test]
fn a_line_that_is_too_long_goes_out_whole_in_pieces() {
    with_feeds(|mut feeds| {
        let [reader, writer] = feeds.open([BOTH, LINES]);
        let long = "x".repeat(200) + "\n";
        feeds.send(writer, &long);
        feeds.receives(reader, &long);
        let full = "y".repeat(LIMITS.line + 2);
        feeds.send(writer, &full);
        // There is no place for more of it, so it does not wait for more.
        feeds.receives(reader, &full);
        feeds.handle(Input::Failed { conn: writer, cause: Cause::Reset });
        feeds.receives(reader, "");
    });
}

#[test]
fn a_client_that_only_feeds_is_sent_nothing_and_holds_nobody_up() {
    with_feeds(|mut feeds| {
        let [reader, feeder, other] = feeds.open([OUT, IN, BOTH]);
        let line = "x".repeat(60) + "\n";
        for _ in 0..100 {
            feeds.send(other, &line);
            feeds.send(feeder, "fed\n");
            assert_eq!(feeds.hub.transmit(feeder).count(), 0);
            assert!(!feeds.hub.interest(feeder).write);
            feeds.receives(reader, &format!("{line}fed\n"));
            feeds.receives(other, "fed\n");
            feeds.pass(50);
        }
        assert!(feeds.is_open(feeder) && feeds.is_open(other));
        // The end of its input is its end.
        feeds.handle(Input::PeerClosed { conn: feeder });
        assert_eq!(feeds.hub.interest(feeder).close, Close::Full);
    });
}

#[test]
fn a_client_that_feeds_a_room_that_is_full_waits_for_its_turn() {
    with_feeds(|mut feeds| {
        let [stalled, feeder] = feeds.open([BOTH, IN]);
        let line = "x".repeat(60) + "\n";
        let mut said = 0;
        while feeds.hub.interest(feeder).read > 0 {
            feeds.send(feeder, &line);
            said += 1;
            assert!(said < 100, "the room is full at some time");
        }
        feeds.receives(stalled, &line.repeat(said - 1));
        feeds.pass(0);
        feeds.receives(stalled, &line);
        assert!(feeds.hub.interest(feeder).read > 0);
    });
}

#[test]
fn a_client_that_only_listens_is_not_heard_and_may_end_its_input() {
    with_feeds(|mut feeds| {
        let [listener, silent, writer] = feeds.open([OUT, BOTH, IN]);
        feeds.send(listener, "not heard\n");
        // An empty input does not count as speech.
        feeds.send(silent, "");
        feeds.handle(Input::PeerClosed { conn: listener });
        feeds.handle(Input::PeerClosed { conn: silent });
        for _ in 0..3 {
            feeds.send(writer, "line\n");
            feeds.receives(listener, "line\n");
            feeds.receives(silent, "line\n");
            feeds.pass(900);
        }
        assert!(feeds.is_open(listener) && feeds.is_open(silent));
        // A client that has spoken has no more to do when its input ends.
        let [speaker] = feeds.open([BOTH]);
        feeds.send(speaker, "x\n");
        feeds.handle(Input::PeerClosed { conn: speaker });
        assert_eq!(feeds.hub.interest(speaker).close, Close::Full);
    });
}

#[test]
fn silence_is_idleness_in_those_only_that_would_have_to_speak() {
    with_feeds(|mut feeds| {
        let [listener, silent, spoke, feeder, busy] = feeds.open([OUT, BOTH, BOTH, IN, BOTH]);
        for speaker in [spoke, busy] {
            feeds.send(speaker, "one\n");
        }
        for _ in 0..6 {
            feeds.pass(u64::from(IDLE_MS) / 4);
            feeds.send(busy, "two\n");
            // It takes everything that there is. The others take nothing.
            feeds.hub.transmit(spoke).for_each(drop);
            let waiting = feeds.hub.transmit(spoke).map(<[u8]>::len).sum();
            feeds.handle(Input::Sent { conn: spoke, count: waiting });
        }
        for conn in [listener, silent, spoke, busy] {
            assert!(feeds.is_open(conn));
        }
        assert!(!feeds.is_open(feeder), "a feeder that says nothing is idle");
        // This includes the 3 s in which queued output may go out.
        for _ in 0..8 {
            feeds.pass(u64::from(IDLE_MS));
        }
        assert!(feeds.is_open(listener) && feeds.is_open(silent));
        assert!(!feeds.is_open(spoke) && !feeds.is_open(busy));
    });
}

#[test]
fn one_that_has_spoken_is_idle_as_soon_as_it_has_taken_nothing_for_that_long() {
    with_feeds(|mut feeds| {
        let [spoke, other] = feeds.open([BOTH, BOTH]);
        feeds.send(spoke, "one\n");
        feeds.receives(other, "one\n");
        feeds.send(other, "two\n");
        feeds.receives(spoke, "two\n");
        feeds.pass(u64::from(IDLE_MS) - 1);
        assert!(feeds.is_open(spoke));
        feeds.pass(1);
        assert!(!feeds.is_open(spoke));
    });
}

#[test]
fn what_was_received_is_said_before_the_end_and_everybody_gets_it() {
    with_feeds(|mut feeds| {
        let [first, second, third] = feeds.open([BOTH, BOTH, LINES]);
        feeds.send(second, "half");
        feeds.send(third, "a line");
        feeds.handle(Input::Shutdown);
        feeds.pass(0);
        feeds.receives(first, "half\na line\n");
        feeds.receives(second, "\na line\n");
        feeds.receives(third, "half");
        assert!([first, second, third].iter().all(|conn| feeds.hub.interest(*conn).close == Close::Write));
    });
}

#[test]
fn a_relay_can_share_the_room_only_of_one_that_has_its_own() {
    let shares = |other: u8| relay(RelayRules { shares: Some(ListenerId(other)), ..RelayRules::DEFAULT });
    let own = relay(RelayRules::DEFAULT);
    let check = |listeners: &[Listener]| {
        Hub::new(Config::new(listeners), LIMITS, Memory::new(&LIMITS).storage()).err()
    };
    assert_eq!(check(&[shares(1), own]), None);
    assert_eq!(check(&[own, shares(0), shares(1)]), Some(LimitsError::NoSuchRelay));
    assert_eq!(check(&[own, shares(7)]), Some(LimitsError::NoSuchRelay));
    assert_eq!(check(&[Listener::new(Protocol::Chat), shares(0)]), Some(LimitsError::NoSuchRelay));
    assert_eq!(check(&[shares(0)]), Some(LimitsError::NoSuchRelay));
}
