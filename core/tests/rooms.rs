//! Clients in fifty rooms: they get what is said in all of them, in order, and exactly once.
#![cfg(feature = "large")]

use std::collections::BTreeSet;

use parlour_core::{
    Cause, Config, ConnId, Hub, Input, Instant, Joining, Limits, Listener, ListenerId, Protocol,
};
use parlour_memory::Memory;

const ROOMS: usize = 50;

const LIMITS: Limits = Limits {
    // In each room one that talks and one that sees what happens there.
    conns: 2 * ROOMS + 2,
    rooms: ROOMS + 2,
    rooms_per_conn: ROOMS + 1,
    members: 2 * ROOMS + 4 + 3 * ROOMS,
    catch_ups: 8,
    name: 32,
    line: 128,
    queue: 16_384,
    proposals: 0,
    log: 16_384,
    records: 512,
    followers: 0,
    rings: 0,
};

struct Scene<'a> {
    hub: Hub<'a>,
    now: Instant,
}

fn with_rooms(test: impl FnOnce(Scene<'_>)) {
    let chat = Listener::new(Protocol::Chat);
    let listeners = [chat, Listener { joining: Joining::Several, ..chat }];
    let config = Config { origin: u64::MAX - 300, ..Config::new(&listeners) };
    let mut memory = Memory::new(&LIMITS);
    let hub = Hub::new(config, LIMITS, memory.storage()).unwrap();
    test(Scene { hub, now: Instant::from_millis(0) });
}

impl Scene<'_> {
    fn open(&mut self, listener: u8, name: &str) -> ConnId {
        let accepted = Input::Accepted { listener: ListenerId(listener), peer: None };
        let conn = self.hub.handle(self.now, accepted).opened().unwrap();
        self.say(conn, &format!("/nick {name}\n"));
        conn
    }

    /// Each line is offered when the answer to the one before is given.
    fn say(&mut self, conn: ConnId, lines: &str) {
        for line in lines.split_inclusive('\n') {
            let taken = self.hub.handle(self.now, Input::Received { conn, bytes: line.as_bytes() }).taken();
            assert_eq!(taken, line.len(), "of {line:?}");
        }
    }

    /// The transport takes up to this many bytes.
    fn take(&mut self, conn: ConnId, most: usize) -> String {
        let lent: Vec<u8> = self.hub.transmit(conn).flatten().copied().take(most).collect();
        assert!(most == 0 || self.hub.interest(conn).write != lent.is_empty());
        self.hub.handle(self.now, Input::Sent { conn, count: lent.len() });
        String::from_utf8(lent).unwrap()
    }

    /// Everything that waits for a connection, in pieces.
    fn receive(&mut self, conn: ConnId, piece: usize) -> String {
        let mut all = String::new();
        for _ in 0..100_000 {
            let more = self.take(conn, piece);
            if more.is_empty() {
                return all;
            }
            all += &more;
        }
        panic!("it does not end");
    }

    /// Some time passes, so that every coming and going is told one by one.
    fn pass_time(&mut self) {
        self.now = Instant::from_millis(self.now.as_millis() + 1_000);
        while self.hub.next_output().is_some() {}
        self.hub.handle(self.now, Input::Tick);
    }

    fn join_all(&mut self, conn: ConnId) {
        for room in 0..ROOMS {
            self.say(conn, &format!("/join r{room}\n"));
            self.receive(conn, 1_000);
            self.pass_time();
        }
    }
}

/// Numbers without a pattern.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// What was said in one room while the client was in it. Another client there has seen that.
#[derive(Default)]
struct Witness {
    is_inside: bool,
    said: Vec<u32>,
}

impl Witness {
    fn see(&mut self, lines: &str, client: &str) {
        for line in lines.lines() {
            if line == format!("-- {client} joined") {
                self.is_inside = true;
            } else if line.starts_with(&format!("-- {client} left")) {
                self.is_inside = false;
            } else if let Some(number) = number(line).filter(|_| self.is_inside) {
                self.said.push(number);
            }
        }
    }
}

/// The number that a talker has said.
fn number(line: &str) -> Option<u32> {
    line.strip_prefix("<t")?.split_once("> ")?.1.parse().ok()
}

#[test]
fn a_client_in_fifty_rooms_gets_everything_in_order_and_once() {
    for seed in 1..=12 {
        with_rooms(|mut scene| {
            let mut random = Random(seed);
            let people = [("t", 0), ("w", 1)].map(|(letter, _)| -> Vec<ConnId> {
                let mut enter = |room: usize| {
                    let conn = scene.open(0, &format!("{letter}{room}"));
                    scene.say(conn, &format!("/join r{room}\n/ping\n"));
                    conn
                };
                (0..ROOMS).map(&mut enter).collect()
            });
            let mut count = 0;
            for life in 0..3 {
                for conn in people.iter().flatten() {
                    scene.receive(*conn, 1_000);
                    scene.pass_time();
                }
                let name = format!("bridge{life}");
                let mut witnesses: Vec<Witness> = (0..ROOMS).map(|_| Witness::default()).collect();
                let client = scene.open(1, &name);
                scene.join_all(client);
                let mut seen = String::new();
                for _ in 0..300 {
                    let room = random.below(ROOMS);
                    match random.below(12) {
                        0 => seen += &scene.receive(client, 1_000),
                        1..4 => {
                            let most = random.below(120);
                            seen += &scene.take(client, most);
                        }
                        command @ 4..7 if scene.hub.interest(client).read > 0 => scene.say(
                            client,
                            &match command {
                                4 => format!("/part r{room}\n"),
                                5 => format!("/join r{room}\n"),
                                _ => "my own\n".to_owned(),
                            },
                        ),
                        // Few rooms are busy, so the others are quiet for long.
                        _ => {
                            for _ in 0..random.below(4) {
                                let room = if random.below(3) > 0 { room % 3 } else { room };
                                scene.say(people[0][room], &format!("{count}\n"));
                                count += 1;
                            }
                        }
                    }
                    scene.pass_time();
                    for (room, witness) in witnesses.iter_mut().enumerate() {
                        scene.receive(people[0][room], 1_000);
                        witness.see(&scene.receive(people[1][room], 1_000), &name);
                    }
                }
                // Nothing of what it had not read is left to the next in its place.
                if life == 1 {
                    scene.hub.handle(scene.now, Input::Failed { conn: client, cause: Cause::Reset });
                    assert_eq!(scene.hub.count(), 2 * ROOMS);
                    continue;
                }
                seen += &scene.receive(client, 1_000);
                scene.say(client, "/quit\n");
                seen += &scene.receive(client, 1_000);
                scene.hub.handle(scene.now, Input::Closed { conn: client });
                let got: Vec<u32> = seen.lines().filter_map(number).collect();
                assert!(got.is_sorted_by(|a, b| a < b), "seed {seed}: {got:?}");
                let said: BTreeSet<u32> =
                    witnesses.iter().flat_map(|witness| &witness.said).copied().collect();
                assert!(got.iter().eq(&said), "seed {seed}: got {got:?} of {said:?}");
                assert!(got.len() > 50, "seed {seed}: {} lines", got.len());
            }
        });
    }
}

#[test]
fn one_event_in_fifty_rooms_is_seen_once() {
    for piece in [1, 7, 1_000] {
        with_rooms(|mut scene| {
            let [alice, bob] = ["alice", "bob"].map(|name| {
                let conn = scene.open(1, name);
                scene.join_all(conn);
                conn
            });
            scene.receive(alice, 1_000);
            scene.say(bob, "one\n/nick rob\ntwo\n/nick bob\n/quit bye\n");
            let seen =
                "<bob> one\r\n-- bob is now rob\r\n<rob> two\r\n-- rob is now bob\r\n-- bob left: bye\r\n";
            assert_eq!(scene.receive(alice, piece), seen, "pieces of {piece}");
        });
    }
}

#[test]
fn a_client_speaks_in_the_room_that_it_joined_last_and_leaves_those_that_it_names() {
    with_rooms(|mut scene| {
        let [alice, bob, carol] = [(1, "alice"), (0, "bob"), (0, "carol")].map(|(listener, name)| {
            let conn = scene.open(listener, name);
            scene.receive(conn, 1_000);
            conn
        });
        scene.say(carol, "/join den\n/ping\n");
        scene.say(alice, "/join den\n");
        for conn in [alice, bob, carol] {
            scene.receive(conn, 1_000);
        }
        let mut both = |text: &str| {
            scene.say(alice, text);
            [alice, bob, carol].map(|conn| scene.receive(conn, 1_000))
        };
        assert_eq!(both("hi\n"), ["", "", "<alice> hi\r\n"]);
        assert_eq!(both("/join lobby\nhi\n"), ["-- you are in lobby\r\n", "<alice> hi\r\n", ""]);
        let topic = "-- alice set the topic: bees\r\n";
        assert_eq!(both("/topic bees\n"), [topic, topic, ""]);
        assert_eq!(
            both("/part\nhi\n"),
            ["-- you are in den\r\n", "-- alice left the room\r\n", "<alice> hi\r\n"]
        );
        assert_eq!(both("/part lobby\n"), ["-- you are not in that room\r\n", "", ""]);
        assert_eq!(both("/part den\n"), ["-- you are in no other room; /quit leaves\r\n", "", ""]);
    });
}

#[test]
fn a_client_is_in_as_many_rooms_as_it_may_and_no_more() {
    with_rooms(|mut scene| {
        let alice = scene.open(1, "alice");
        scene.join_all(alice);
        scene.say(alice, "/part lobby\n/join r50\n");
        assert!(scene.receive(alice, 1_000).contains("-- you are in r50\r\n"));
        scene.say(alice, "/join lobby\n");
        assert_eq!(scene.receive(alice, 1_000), "-- you are in too many rooms; /part ROOM leaves one\r\n");
    });
}

/// There is a membership for each client, and one more, for a client that is in two rooms.
#[test]
fn the_last_membership_is_given_once_at_a_time_and_none_is_taken_from_newcomers() {
    let limits = Limits { conns: 3, members: 4, ..LIMITS };
    let listeners = [Listener { joining: Joining::Several, ..Listener::new(Protocol::Chat) }];
    let mut memory = Memory::new(&limits);
    let hub = Hub::new(Config::new(&listeners), limits, memory.storage()).unwrap();
    let mut scene = Scene { hub, now: Instant::from_millis(0) };
    let [alice, bob] = ["alice", "bob"].map(|name| scene.open(0, name));
    for _ in 0..3 {
        for conn in [alice, bob] {
            scene.receive(conn, 1_000);
        }
        scene.say(alice, "/join den\n");
        assert!(scene.receive(alice, 1_000).contains("-- you are in den\r\n"));
        scene.say(bob, "/join den\n");
        assert_eq!(scene.receive(bob, 1_000), "-- too many clients change rooms now; try again\r\n");
        // A newcomer has its own.
        let carol = scene.open(0, "carol");
        scene.say(carol, "hi\n");
        assert!(scene.receive(bob, 1_000).ends_with("<carol> hi\r\n"));
        scene.say(alice, "/part den\n");
        scene.receive(alice, 1_000);
        scene.say(bob, "/join den\n");
        assert!(scene.receive(bob, 1_000).contains("-- you are in den\r\n"));
        for (conn, line) in [(bob, "/part den\n"), (carol, "/quit\n")] {
            scene.say(conn, line);
            scene.receive(conn, 1_000);
        }
        scene.hub.handle(scene.now, Input::Closed { conn: carol });
    }
}

/// A new name is told in each of its rooms, so each of them must have place for that.
#[test]
fn a_new_name_waits_for_every_room() {
    with_rooms(|mut scene| {
        let [alice, deaf] = [scene.open(1, "alice"), scene.open(0, "deaf")];
        let talker = scene.open(0, "talker");
        scene.receive(alice, 1_000);
        scene.say(alice, "/join den\n");
        let line = format!("{}\n", "x".repeat(120));
        while scene.hub.interest(talker).read > 0 {
            let bytes = line.as_bytes();
            if scene.hub.handle(scene.now, Input::Received { conn: talker, bytes }).taken() == 0 {
                break;
            }
            scene.receive(talker, 1_000);
            scene.receive(alice, 1_000);
        }
        scene.say(alice, "hi\n");
        for _ in 0..20 {
            scene.hub.handle(scene.now, Input::Received { conn: alice, bytes: b"/nick eve\n" });
            scene.hub.handle(scene.now, Input::Received { conn: alice, bytes: b"/nick alice\n" });
        }
        assert_eq!(scene.hub.name(alice), "alice");
        let seen = scene.receive(deaf, 1_000);
        assert!(seen.lines().filter(|line| line.starts_with("<talker> xxx")).count() > 90, "{}", seen.len());
        scene.pass_time();
        assert_eq!(scene.hub.name(alice), "eve");
    });
}
