//! Where somebody else decides the order: whatever that order is, and however late and often it is told,
//! all clients see the same, each line once, and nobody sees a client leave before what it said.
#![cfg(feature = "large")]

use std::collections::VecDeque;

use parlour_core::{
    Close, Config, ConnId, Hub, Identity, Input, Instant, Kind, Limits, LimitsError, Listener, ListenerId,
    Output, Place, Protocol, Record, RoomRef,
};
use parlour_memory::Memory;

const LIMITS: Limits = Limits {
    conns: 4,
    rooms: 3,
    rooms_per_conn: 2,
    members: 8,
    catch_ups: 0,
    name: 32,
    line: 64,
    queue: 512,
    proposals: 600,
    log: 2048,
    records: 16,
    followers: 0,
    rings: 0,
};

/// Rounds of a loop. A loop that needs more does not end.
const ROUNDS: std::ops::Range<u32> = 0..20_000;

/// Random numbers (Marsaglia's xorshift), so that a case is its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// A proposal that the driver has taken.
#[derive(Clone, Debug)]
struct Taken {
    conn: ConnId,
    room: RoomRef,
    author: Identity,
    name: String,
    kind: Kind,
    is_torn: bool,
    text: Vec<u8>,
}

struct Scene<'a> {
    hub: Hub<'a>,
    now: Instant,
    /// By author, because each author's own order is kept.
    taken: Vec<VecDeque<Taken>>,
    /// What was decided, in order, and how much of it the hub has appended.
    decided: Vec<Taken>,
    appended: usize,
    seen: Vec<Vec<u8>>,
}

fn with_hub(change: impl FnOnce(&mut Config<'_>), test: impl FnOnce(Scene<'_>)) {
    let listeners = [Listener::new(Protocol::Chat), Listener::new(Protocol::Relay)];
    let mut config = Config { origin: u64::MAX - 3, proposes: true, ..Config::new(&listeners) };
    change(&mut config);
    let mut memory = Memory::new(&LIMITS);
    let hub = Hub::new(config, LIMITS, memory.storage()).unwrap();
    let now = Instant::from_millis(0);
    test(Scene {
        hub,
        now,
        taken: vec![VecDeque::new(); LIMITS.conns],
        decided: Vec::new(),
        appended: 0,
        seen: vec![Vec::new(); LIMITS.conns],
    });
}

impl Scene<'_> {
    fn open(&mut self, listener: u8) -> ConnId {
        let listener = ListenerId(listener);
        self.hub.handle(self.now, Input::Accepted { listener, peer: None }).opened().unwrap()
    }

    fn pass(&mut self, ms: u64) {
        while self.hub.next_output().is_some() {}
        self.now = Instant::from_millis(self.now.as_millis() + ms);
        self.hub.handle(self.now, Input::Tick);
    }

    /// Offers bytes as a driver does. Returns how much was taken.
    fn offer(&mut self, conn: ConnId, bytes: &[u8]) -> usize {
        let read = self.hub.interest(conn).read.min(bytes.len());
        if read == 0 {
            0
        } else {
            self.hub.handle(self.now, Input::Received { conn, bytes: &bytes[..read] }).taken()
        }
    }

    fn read(&mut self, conn: ConnId, most: usize) {
        let lent: Vec<u8> = self.hub.transmit(conn).flatten().copied().take(most).collect();
        self.hub.handle(self.now, Input::Sent { conn, count: lent.len() });
        self.seen[conn.slot()].extend(lent);
    }

    /// Takes the first proposal, if there is one.
    fn take(&mut self) -> bool {
        let Some(proposal) = self.hub.next_proposal() else { return false };
        let (number, conn) = (proposal.number, proposal.conn);
        let taken = Taken {
            conn,
            room: proposal.room,
            author: proposal.author,
            name: proposal.name.to_owned(),
            kind: proposal.kind,
            is_torn: proposal.is_torn,
            text: proposal.text.to_owned(),
        };
        self.taken[conn.slot()].push_back(taken);
        self.hub.handle(self.now, Input::Proposed { number });
        true
    }

    /// Decides the first proposal of one of the authors that have any.
    fn decide(&mut self, random: &mut Random) {
        let with_some: Vec<usize> = (0..self.taken.len()).filter(|at| !self.taken[*at].is_empty()).collect();
        if let Some(author) = with_some.get(random.below(with_some.len().max(1))) {
            self.decided.extend(self.taken[*author].pop_front());
        }
    }

    /// Tells the hub a decision. Returns whether it is done with.
    fn tell(&mut self, index: usize) -> bool {
        let Taken { conn, room, author, ref name, kind, is_torn, ref text } = self.decided[index];
        let place = Place::Chat("lobby");
        let record = Record { seq: 0, unix_ms: 0, room, place, author, name, kind, is_torn, text };
        let input = Input::Decided { index: index as u64, conn: Some(conn), record };
        self.hub.handle(self.now, input).taken() == 1
    }

    /// Takes, decides and tells all that there is.
    fn settle(&mut self, random: &mut Random) {
        let mut rounds = ROUNDS;
        let mut goes_on = || rounds.next().expect("it comes to an end");
        loop {
            while self.take() {
                goes_on();
            }
            while self.taken.iter().any(|author| !author.is_empty()) {
                goes_on();
                self.decide(random);
            }
            if self.appended == self.decided.len() {
                return;
            }
            while self.appended < self.decided.len() {
                goes_on();
                if self.tell(self.appended) {
                    self.appended += 1;
                } else {
                    (0..LIMITS.conns).for_each(|slot| self.read_slot(slot));
                    self.pass(10);
                }
            }
        }
    }

    fn read_slot(&mut self, slot: usize) {
        if let Some(conn) = self.decided.iter().map(|one| one.conn).find(|conn| conn.slot() == slot) {
            self.read(conn, usize::MAX);
        }
    }
}

#[test]
fn one_order_for_all_however_it_is_decided_and_told() {
    for seed in 1..400 {
        with_hub(
            |_| {},
            |mut scene| {
                let mut random = Random(seed);
                let conns = [0; 3].map(|_| scene.open(0));
                for conn in conns {
                    scene.pass(1_000);
                    scene.read(conn, usize::MAX);
                }
                conns.iter().for_each(|conn| scene.read(*conn, usize::MAX));
                scene.seen.iter_mut().for_each(Vec::clear);
                let mut wanted: Vec<VecDeque<u8>> = (0..3)
                    .map(|who| (0..20).flat_map(|line| format!("{who} {line}\n").into_bytes()).collect())
                    .collect();
                let mut rounds = ROUNDS;
                while wanted.iter().any(|bytes| !bytes.is_empty()) || scene.appended < scene.decided.len() {
                    rounds.next().expect("all is said, decided and told");
                    let who = random.below(3);
                    match random.below(8) {
                        0 | 1 => {
                            let bytes: Vec<u8> =
                                wanted[who].iter().copied().take(1 + random.below(40)).collect();
                            let taken = scene.offer(conns[who], &bytes);
                            wanted[who].drain(..taken);
                        }
                        2 => drop(scene.take()),
                        3 => scene.decide(&mut random),
                        4 if scene.appended < scene.decided.len() => {
                            scene.appended += usize::from(scene.tell(scene.appended));
                        }
                        // An order that is told again changes nothing.
                        5 if scene.appended > 0 => assert!(scene.tell(random.below(scene.appended))),
                        6 => scene.read(conns[who], random.below(60)),
                        _ => scene.pass(1),
                    }
                }
                scene.settle(&mut random);
                for (who, conn) in conns.into_iter().enumerate() {
                    scene.read(conn, usize::MAX);
                    let others = scene.decided.iter().filter(|one| one.conn != conn);
                    let line =
                        |one: &Taken| format!("<{}> {}\r\n", one.name, String::from_utf8_lossy(&one.text));
                    let all: String = others.map(line).collect();
                    assert_eq!(
                        String::from_utf8_lossy(&scene.seen[conn.slot()]),
                        all,
                        "seed {seed}, client {who}"
                    );
                    let own = scene.decided.iter().filter(|one| one.conn == conn);
                    let said: Vec<_> =
                        own.map(|one| String::from_utf8_lossy(&one.text).into_owned()).collect();
                    let all: Vec<_> = (0..20).map(|line| format!("{who} {line}")).collect();
                    assert_eq!(said, all, "seed {seed}: what client {who} said, in its order");
                }
            },
        );
    }
}

#[test]
fn the_driver_is_told_once_that_there_are_proposals_and_again_when_there_are_more() {
    with_hub(
        |_| {},
        |mut scene| {
            let alice = scene.open(0);
            let mut is_told = |text: &[u8]| {
                assert_eq!(scene.offer(alice, text), text.len());
                let outputs: Vec<_> = std::iter::from_fn(|| scene.hub.next_output()).take(100).collect();
                outputs.iter().filter(|output| **output == Output::Proposals).count()
            };
            assert_eq!([is_told(b"/ping\n"), is_told(b"one\ntwo\n"), is_told(b"three\n")], [0, 1, 1]);
            assert_eq!(is_told(b""), 0);
        },
    );
}

#[test]
fn what_a_client_does_comes_after_what_it_has_said() {
    for end in ["/quit bye\n", "/nick ann\n", "/topic bees\n", "/join den\n", ""] {
        with_hub(
            |_| {},
            |mut scene| {
                let [alice, bob] = [scene.open(0), scene.open(0)];
                scene.pass(1_000);
                scene.read(bob, usize::MAX);
                scene.seen[bob.slot()].clear();
                assert_eq!(scene.offer(alice, b"first\nsecond\n"), 13);
                if end.is_empty() {
                    scene.hub.handle(scene.now, Input::PeerClosed { conn: alice });
                } else {
                    assert_eq!(scene.offer(alice, end.as_bytes()), end.len());
                }
                scene.pass(1_000);
                scene.read(bob, usize::MAX);
                assert_eq!(scene.seen[bob.slot()], b"", "nothing is decided");
                scene.settle(&mut Random(1));
                scene.read(bob, usize::MAX);
                let seen = String::from_utf8_lossy(&scene.seen[bob.slot()]).into_owned();
                assert!(
                    seen.starts_with("<guest-1> first\r\n<guest-1> second\r\n-- guest-1 "),
                    "{end}: {seen}"
                );
            },
        );
    }
}

#[test]
fn one_that_is_withdrawn_keeps_nobody_waiting() {
    with_hub(
        |_| {},
        |mut scene| {
            let [alice, bob] = [scene.open(0), scene.open(0)];
            scene.pass(1_000);
            scene.read(bob, usize::MAX);
            scene.seen[bob.slot()].clear();
            scene.offer(alice, b"lost\n/quit\n");
            assert!(scene.take());
            scene.hub.handle(scene.now, Input::Withdrawn { conn: alice });
            scene.read(bob, usize::MAX);
            assert_eq!(String::from_utf8_lossy(&scene.seen[bob.slot()]), "-- guest-1 left\r\n");
        },
    );
}

#[test]
fn lines_wait_while_the_driver_takes_none() {
    with_hub(
        |_| {},
        |mut scene| {
            let [alice, bob] = [scene.open(0), scene.open(0)];
            scene.pass(1_000);
            let line = [&[b'x'; 60][..], b"\n"].concat();
            let mut said = 0;
            while scene.offer(alice, &line) == line.len() {
                said += 1;
                assert!(said < 20, "nothing holds it up");
            }
            assert!(
                scene.hub.next_deadline().is_none_or(|at| at > scene.now),
                "it does not go round in circles"
            );
            assert_eq!(scene.offer(bob, b"me too\n"), 7);
            assert_eq!(scene.hub.interest(bob).read, 0, "it waits for its turn");
            scene.settle(&mut Random(1));
            scene.pass(1);
            scene.settle(&mut Random(1));
            assert_eq!(scene.decided.len(), said + 1);
            assert!(scene.decided.iter().any(|one| one.conn == bob));
        },
    );
}

#[test]
fn a_relay_proposes_too() {
    with_hub(
        |_| {},
        |mut scene| {
            let [feed, reader] = [scene.open(1), scene.open(1)];
            assert_eq!(scene.offer(feed, b"\xff\x00one\ntwo"), 9);
            scene.hub.handle(scene.now, Input::PeerClosed { conn: feed });
            scene.pass(300);
            assert!(scene.take());
            assert_eq!(
                (scene.taken[feed.slot()][0].kind, scene.hub.interest(feed).close),
                (Kind::Raw, Close::No)
            );
            scene.settle(&mut Random(1));
            scene.read(reader, usize::MAX);
            assert_eq!(scene.seen[reader.slot()], b"\xff\x00one\ntwo");
        },
    );
}

#[test]
fn what_was_decided_elsewhere_is_appended_and_what_does_not_fit_is_not() {
    with_hub(
        |_| {},
        |mut scene| {
            let [alice, bob] = [scene.open(0), scene.open(0)];
            scene.pass(1_000);
            scene.offer(alice, b"here\n");
            scene.take();
            let room = scene.taken[alice.slot()][0].room;
            scene.read(bob, usize::MAX);
            scene.seen[bob.slot()].clear();
            // Besides the text, a record of carol has `<carol> ` and the end of the line.
            let long = vec![b'y'; LIMITS.longest() - 10 + 1];
            let long_name = "z".repeat(LIMITS.name + 1);
            let all = [
                (room, "carol", &b"from afar"[..]),
                (room, "carol", &long),
                (RoomRef::from_u64(room.as_u64() + 1), "carol", b"x"),
                (RoomRef::from_u64(u64::MAX), "carol", b"x"),
                (room, &long_name, b"x"),
                (room, "carol", &long[1..]),
                (room, &long_name[1..], b"x"),
            ];
            for (index, (room, name, text)) in (0..).zip(all) {
                let (author, kind, place) = (Identity::from_u64(77), Kind::Say, Place::Chat("lobby"));
                let record =
                    Record { seq: 9, unix_ms: 5, room, place, author, name, kind, is_torn: false, text };
                let input = Input::Decided { index, conn: None, record };
                assert_eq!(scene.hub.handle(scene.now, input).taken(), 1);
            }
            scene.read(bob, usize::MAX);
            let [longest, name] = [&"y".repeat(long.len() - 1), &long_name[1..]];
            assert_eq!(
                String::from_utf8_lossy(&scene.seen[bob.slot()]),
                format!("<carol> from afar\r\n<carol> {longest}\r\n<{name}> x\r\n")
            );
        },
    );
}

#[test]
fn a_hub_that_proposes_needs_place_for_proposals() {
    let listeners = [Listener::new(Protocol::Chat)];
    let config = Config { proposes: true, ..Config::new(&listeners) };
    let least = LIMITS.line + 2 * LIMITS.name + 64 + 27 + 12;
    for (proposals, error) in [(least - 1, Some(LimitsError::ProposalsTooSmall { least })), (least, None)] {
        let limits = Limits { proposals, ..LIMITS };
        let mut memory = Memory::new(&limits);
        assert_eq!(Hub::new(config, limits, memory.storage()).err(), error);
    }
}
