//! A driver that uses everything that the hub offers, at random and with mistakes. Its traces are replayed: no input,
//! and no other call that changes the hub, is missing in them.

use fastrand::Rng;
use parlour_core::{
    Cause, Config, ConnId, Encoding, Followed, FollowerId, Following, Identity, Input, Instant, Joining,
    Kind, Limits, Listener, ListenerId, NameRules, OnLag, Output, Place, Protocol, Record, Scope, Sink, Span,
    Wanted,
};
use parlour_memory::Memory;
use parlour_tests::seeds::Seeds;
use parlour_trace::{End, Header, Known, Reader, Taped, Writer, replay};

/// An encoding that shows who speaks and where.
#[derive(Debug)]
struct Brief;

impl Encoding for Brief {
    fn render(&self, record: &Record<'_>, is_past: bool, out: &mut Sink<'_>) {
        let mark: &[u8] = if is_past { b"<" } else { b">" };
        [mark, record.name.as_bytes(), b" ", record.text, b"\n"].iter().for_each(|part| out.push(part));
    }

    fn longest(&self, text: usize, name: usize) -> usize {
        text + name + 3
    }
}

const KNOWN: Known<'_> =
    Known { names: &[("plain", NameRules::PLAIN)], encodings: &[("brief", &Brief as &dyn Encoding)] };

const LIMITS: Limits = Limits {
    conns: 8,
    rooms: 4,
    rooms_per_conn: 3,
    members: 14,
    catch_ups: 4,
    name: 13,
    line: 20,
    queue: 200,
    proposals: 400,
    log: 512,
    records: 16,
    followers: 3,
    rings: 3,
};

type Hub<'a> = Taped<'a, Writer<Vec<u8>>>;

/// What the driver knows.
#[derive(Default)]
struct Driver {
    now: u64,
    conns: Vec<ConnId>,
    followers: Vec<FollowerId>,
    wanted: Vec<Wanted>,
    decided: u64,
}

impl Driver {
    fn act(&mut self, hub: &mut Hub<'_>, rng: &mut Rng) {
        let at = Instant::from_millis(self.now);
        let conn = rng.choice(&self.conns).copied();
        match (rng.u32(..16), conn) {
            (0 | 1, _) | (_, None) => {
                let listener = ListenerId(rng.u8(..6));
                let peer = rng.bool().then(|| [127, 0, 0, rng.u8(1..3)].into());
                self.conns.extend(hub.handle(at, Input::Accepted { listener, peer }).opened());
            }
            (2, _) => self.decide(hub, rng),
            (3, _) => self.give_page(hub, rng),
            (4, _) => self.follow(hub, rng),
            (5, Some(conn)) => match rng.u32(..16) {
                0 => drop(hub.handle(at, Input::PeerClosed { conn })),
                1 => drop(hub.handle(at, Input::Failed { conn, cause: Cause::Reset })),
                2 => drop(hub.handle(at, Input::Closed { conn })),
                3 => drop(hub.handle(at, Input::Speaks { conn, listener: ListenerId(rng.u8(..6)) })),
                4 => {
                    hub.handle(at, Input::Clock { unix_ms: rng.u64(..), utc_offset_s: rng.i32(-9..9) });
                }
                5 => self.followers.extend(hub.watch(conn)),
                6 => drop(hub.handle(at, Input::Notice { text: "all is well" })),
                7 => drop(hub.handle(at, Input::Away { conn })),
                8..12 => drop(hub.handle(at, Input::Back { conn })),
                12 => {
                    let identity = Identity::from_u64(rng.u64(..12));
                    hub.handle(at, Input::Known { conn, identity });
                }
                _ => {}
            },
            (6..10, Some(conn)) => {
                let lines: [&[u8]; 12] = [
                    b"hello\n",
                    b"hello\nhello\nhello\n",
                    b"/join b\n",
                    b"/nick zoe\n",
                    b"/who\n",
                    b"half",
                    b"/topic tea\n",
                    b"/msg guest-2 psst\n",
                    b"/kick guest-1 why\n",
                    b"/quit\n",
                    b"/watch b\n",
                    b"\xff\xfa\x01",
                ];
                let bytes = lines[rng.usize(..lines.len())];
                hub.handle(at, Input::Received { conn, bytes });
            }
            (10..14, Some(conn)) => {
                hub.send(at, conn, |lent| {
                    let lent = lent.map(<[u8]>::len).sum();
                    if rng.bool() { lent } else { rng.usize(..=lent) }
                });
            }
            (_, Some(_)) => {
                self.now += rng.u64(..30);
                hub.handle(Instant::from_millis(self.now), Input::Tick);
            }
        }
        for _ in 0..rng.u32(..20) {
            match hub.next_output() {
                Some(Output::Wanted(wanted)) => self.wanted.push(wanted),
                Some(_) => {}
                None => break,
            }
        }
    }

    /// Takes a proposal, and decides about it.
    fn decide(&mut self, hub: &mut Hub<'_>, rng: &mut Rng) {
        let Some(proposal) = hub.next_proposal() else { return };
        let (number, conn, text, name) =
            (proposal.number, proposal.conn, proposal.text.to_vec(), proposal.name.to_owned());
        let record = Record {
            seq: 0,
            unix_ms: 7,
            room: proposal.room,
            place: Place::Chat(""),
            author: proposal.author,
            name: &name,
            kind: proposal.kind,
            is_torn: proposal.is_torn,
            text: &text,
        };
        let at = Instant::from_millis(self.now);
        hub.handle(at, Input::Proposed { number });
        if rng.u32(..4) == 0 {
            hub.handle(at, Input::Withdrawn { conn });
        } else {
            let input = Input::Decided { index: self.decided, conn: Some(conn), record };
            self.decided += hub.handle(at, input).taken() as u64;
        }
    }

    /// Gives a connection that is behind some records of what it wants.
    fn give_page(&mut self, hub: &mut Hub<'_>, rng: &mut Rng) {
        let at = Instant::from_millis(self.now);
        let Some(wanted) = self.wanted.pop() else { return };
        let Wanted { room, span, until, .. } = wanted;
        let from = match span {
            Span::From(from) => from,
            Span::Last(count) => until.wrapping_sub(count.into()),
        };
        let (author, place) = (Identity::from_u64(1), Place::Chat("lobby"));
        let record = |step| {
            let (seq, kind, is_torn) = (from.wrapping_add(step), Kind::Say, false);
            Record { seq, unix_ms: 0, room, place, author, name: "bob", kind, is_torn, text: b"kept" }
        };
        let records: Vec<_> = (0..until.wrapping_sub(from).min(rng.u64(..4))).map(record).collect();
        if rng.bool() {
            hub.handle(at, Input::Topic { room, topic: "what it was before" });
        }
        hub.handle(at, Input::Page { wanted, records: &records, has_gap: rng.bool() });
    }

    /// A follower comes or goes, reads, and commits.
    fn follow(&mut self, hub: &mut Hub<'_>, rng: &mut Rng) {
        let scope = if rng.bool() { Scope::All } else { Scope::Pinned };
        self.followers.extend(hub.follow(Following { grace_ms: rng.bool().then_some(30), scope }));
        let Some(follower) = rng.choice(&self.followers).copied() else { return };
        match rng.u32(..12) {
            0 => hub.unfollow(follower),
            1 => hub.read_again(follower),
            _ => {}
        }
        for _ in 0..rng.u32(..9) {
            let seq = match hub.read(follower) {
                Some(Followed::Record(record)) => record.seq,
                Some(Followed::Lost(lost)) => lost.last,
                None => return,
            };
            if rng.bool() {
                hub.handle(Instant::from_millis(self.now), Input::Committed { follower, seq });
            }
        }
    }
}

#[test]
fn whatever_a_driver_does_can_happen_again() {
    for seed in Seeds::chosen(1_500).one_by_one("whatever_a_driver_does_can_happen_again") {
        let mut rng = Rng::with_seed(seed);
        let on_lag = if rng.bool() { OnLag::Replay } else { OnLag::Skip };
        let listener = |protocol| Listener { on_lag, ..Listener::new(protocol) };
        let brief = Listener { encoding: Some(0), joining: Joining::Several, ..listener(Protocol::Chat) };
        let listeners = [
            listener(Protocol::Chat),
            listener(Protocol::Echo),
            listener(Protocol::Relay),
            listener(Protocol::Console),
            brief,
        ];
        let config = Config {
            first_identity: 10,
            grace_ms: 50,
            history: 3,
            origin: u64::MAX - 50,
            keeps_records: true,
            proposes: rng.bool(),
            encodings: &[&Brief],
            ..Config::new(&listeners)
        };
        let mut memory = Memory::new(&LIMITS);
        let hub = parlour_core::Hub::new(config, LIMITS, memory.storage()).expect("limits that can be kept");
        let (mut hub, mut driver) = (Hub::new(hub), Driver::default());
        let header = Header::new(&config, &LIMITS, "plain", &["brief"]);
        // From the beginning, or from the middle.
        let starts = if rng.bool() { 0 } else { rng.usize(..300) };
        for step in 0..400 {
            if step == starts {
                let header = header.clone();
                let header = if starts == 0 { header } else { header.in_the_middle(hub.saved()) };
                hub.record(Writer::new(Vec::new(), &header).expect("memory"));
            }
            driver.act(&mut hub, &mut rng);
        }
        let (trace, _) = hub.end().expect("a trace");
        let mut reader = Reader::new(&trace[..]).expect("a trace");
        let replayed = replay(&mut reader, KNOWN, None, Some(&mut std::io::sink()));
        let replayed = replayed.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(replayed.end, End::Whole);
    }
}
