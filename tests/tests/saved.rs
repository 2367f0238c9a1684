//! A hub as bytes, from the outside: what is refused, and that hostile bytes do no harm. That a restored
//! hub goes on as the one that was saved is a matter of `properties`.

use fastrand::Rng;
use parlour_core::{
    Bound, Cause, Config, ConnId, Encoding, Followed, FollowerId, Following, Hub, Identity, Input, Instant,
    Joining, Kind, Limits, Listener, ListenerId, OnLag, Output, Place, Proposal, Protocol, Record,
    RelayRules, RestoreError, RoomRef, Scope, Sink, Span, Wanted,
};
use parlour_tests::hub::{HubMemory, Setup, saved};
use parlour_tests::seeds::Seeds;

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

/// An encoding that hides who comes and goes.
#[derive(Debug)]
struct Brief;

impl Encoding for Brief {
    fn render(&self, record: &Record<'_>, _: bool, out: &mut Sink<'_>) {
        let parts: &[&[u8]] = match record.kind {
            Kind::Server => &[b"!", record.text, b"\n"],
            kind if kind.is_message() => &[record.name.as_bytes(), b"|", record.text, b"\n"],
            _ => &[],
        };
        parts.iter().for_each(|part| out.push(part));
    }

    fn longest(&self, text: usize, name: usize) -> usize {
        text + name + 2
    }
}

/// Of every four seeds, two are of hubs whose members are replayed to, and every second is of one that
/// proposes.
fn setup(seed: u64) -> Setup {
    let on_lag = if seed % 4 < 2 { OnLag::Replay } else { OnLag::Skip };
    let listener = |protocol| Listener { on_lag, ..Listener::new(protocol) };
    let rate = Some(Bound::for_all(50)).filter(|_| seed % 8 < 4);
    let chat = Listener { rate, ..listener(Protocol::Chat) };
    let brief = Listener { encoding: Some(0), joining: Joining::Several, ..chat };
    let [echo, relay, console] = [Protocol::Echo, Protocol::Relay, Protocol::Console].map(listener);
    let listeners = vec![chat, echo, relay, console, brief];
    // Positions and numbers wrap around on the way.
    let config = Config {
        grace_ms: 50,
        origin: u64::MAX - 50,
        per_peer: Some(Bound::for_all(5)),
        history: 3,
        keeps_records: true,
        proposes: seed % 2 == 1,
        encodings: &[&Brief],
        ..Config::new(&[])
    };
    Setup { limits: LIMITS, listeners, config }
}

/// A line that somebody else decides about.
#[derive(Clone)]
struct Taken {
    conn: ConnId,
    room: RoomRef,
    author: Identity,
    name: String,
    kind: Kind,
    is_torn: bool,
    text: Vec<u8>,
}

/// What the driver of a hub knows.
#[derive(Clone, Default)]
struct Driver {
    now: u64,
    followers: Vec<FollowerId>,
    wanted: Vec<Wanted>,
    taken: Vec<Taken>,
    decided: u64,
}

impl Driver {
    /// Decides about proposals, in any order, some of them late.
    fn decide(&mut self, hub: &mut Hub<'_>, rng: &mut Rng) {
        let at = Instant::from_millis(self.now);
        while let Some(proposal) = hub.next_proposal()
            && rng.u32(..4) > 0
        {
            let Proposal { number, conn, room, author, name, kind, is_torn, text } = proposal;
            let (name, text) = (name.to_owned(), text.to_vec());
            self.taken.push(Taken { conn, room, author, name, kind, is_torn, text });
            hub.handle(at, Input::Proposed { number });
        }
        while !self.taken.is_empty() && rng.u32(..3) > 0 {
            let next = rng.usize(..self.taken.len());
            let Taken { conn, room, author, ref name, kind, is_torn, ref text } = self.taken[next];
            let place = Place::Chat("");
            let record = Record { seq: 0, unix_ms: 7, room, place, author, name, kind, is_torn, text };
            let input = match rng.u32(..9) {
                0 => Input::Withdrawn { conn },
                // What was decided before is told again.
                1 => Input::Decided { index: self.decided.wrapping_sub(1), conn: Some(conn), record },
                _ => Input::Decided { index: self.decided, conn: Some(conn), record },
            };
            let is_withdrawn = matches!(input, Input::Withdrawn { .. });
            if hub.handle(at, input).taken() == 0 && !is_withdrawn {
                break;
            }
            self.decided += u64::from(!is_withdrawn);
            self.taken.remove(next);
        }
    }

    /// Gives connections that are behind a page of what they want, or none.
    fn give_pages(&mut self, hub: &mut Hub<'_>, rng: &mut Rng) {
        for wanted in self.wanted.drain(..) {
            let Wanted { room, span, until, .. } = wanted;
            let from = match span {
                Span::From(from) => from,
                Span::Last(count) => until.wrapping_sub(u64::from(count)),
            };
            let count = until.wrapping_sub(from).min(rng.u64(..4));
            let (author, kind, place) = (Identity::from_u64(1), Kind::Say, Place::Chat("lobby"));
            let record = |step| {
                let (seq, is_torn) = (from.wrapping_add(step), false);
                Record { seq, unix_ms: 0, room, place, author, name: "bob", kind, is_torn, text: b"kept" }
            };
            let records: Vec<_> = (0..count).map(record).collect();
            if rng.u32(..4) > 0 {
                let records = &records[..];
                hub.handle(Instant::from_millis(self.now), Input::Page { wanted, has_gap: false, records });
            }
        }
    }

    /// Followers come and go, read, and commit.
    fn follow(&mut self, hub: &mut Hub<'_>, rng: &mut Rng) {
        let at = Instant::from_millis(self.now);
        if rng.u32(..4) == 0 {
            let grace_ms = rng.bool().then_some(30);
            let scope = if rng.bool() { Scope::All } else { Scope::Pinned };
            self.followers.extend(hub.follow(Following { grace_ms, scope }));
        }
        let known = rng.choice(self.followers.iter().copied());
        let follower = if rng.bool() { known } else { rng.choice(hub.followers().collect::<Vec<_>>()) };
        let Some(follower) = follower else { return };
        match rng.u32(..12) {
            0 => hub.unfollow(follower),
            1 => hub.read_again(follower),
            _ => {}
        }
        let mut last = None;
        for _ in 0..rng.u32(..9) {
            last = match hub.read(follower) {
                Some(Followed::Record(record)) => Some(record.seq),
                Some(Followed::Lost(lost)) => Some(lost.last),
                None => break,
            };
        }
        if let Some(seq) = last.filter(|_| rng.u32(..3) > 0) {
            hub.handle(at, Input::Committed { follower, seq });
        }
    }
}

/// Random inputs of a driver that knows the hub's connections, and makes mistakes.
fn play(hub: &mut Hub<'_>, rng: &mut Rng, driver: &mut Driver, events: usize) {
    for _ in 0..events {
        let at = Instant::from_millis(driver.now);
        let conns: Vec<_> = hub.conns().collect();
        let conn = rng.choice(conns);
        match (rng.u32(..20), conn) {
            (0..2, _) | (_, None) => {
                let listener = ListenerId(rng.choice([0, 0, 0, 1, 2, 2, 3, 4, 4]).unwrap_or_default());
                let peer = rng.bool().then(|| [127, 0, 0, rng.u8(1..3)].into());
                if let Ok(conn) = hub.handle(at, Input::Accepted { listener, peer }).opened()
                    && listener == ListenerId(3)
                {
                    hub.watch(conn);
                }
            }
            (16, _) if rng.u32(..8) == 0 => {
                let utc_offset_s = rng.i32(-50_000..50_000);
                hub.handle(at, Input::Clock { unix_ms: 1_795_858_200_000 + driver.now, utc_offset_s });
            }
            (16, _) => driver.decide(hub, rng),
            (17, _) if rng.u32(..3) == 0 => driver.give_pages(hub, rng),
            (17..19, _) => driver.follow(hub, rng),
            (19, Some(conn)) if rng.u32(..8) == 0 => {
                let listener = ListenerId(rng.u8(..6));
                hub.handle(at, Input::Speaks { conn, listener });
            }
            (2..7, Some(conn)) => {
                let lines: &[&[u8]] = &[
                    b"hello\n",
                    b"hello\nhello\nhello\n",
                    b"/join b\n",
                    b"/join lobby\n",
                    b"/nick zoe\n",
                    b"/who\n",
                    b"/help\n",
                    b"/rooms\n",
                    b"/topic tea\n",
                    b"/msg guest-2 psst\n",
                    b"/kick guest-1 why\n",
                    b"/quit\n",
                    b"half",
                    b"\xff\xfa\x01",
                    b"/say to all\n",
                    b"/watch b\n",
                    b"/unwatch lobby\n",
                    b"/me waves\r",
                ];
                // Most of the time they talk.
                let bytes = if rng.bool() { lines[1] } else { lines[rng.usize(..lines.len())] };
                hub.handle(at, Input::Received { conn, bytes });
            }
            (7..11, Some(conn)) => {
                let lent: usize = hub.transmit(conn).map(<[u8]>::len).sum();
                let count = if rng.bool() { lent } else { rng.usize(..=lent) };
                hub.handle(at, Input::Sent { conn, count });
            }
            (11, Some(conn)) if rng.u32(..4) == 0 => drop(hub.handle(at, Input::PeerClosed { conn })),
            (11, Some(conn)) if rng.u32(..4) == 0 => {
                hub.handle(at, Input::Failed { conn, cause: Cause::Reset });
            }
            (_, Some(_)) => {
                driver.now += rng.u64(..30);
                hub.handle(Instant::from_millis(driver.now), Input::Tick);
            }
        }
        for _ in 0..20 {
            match hub.next_output() {
                Some(Output::Changed { conn }) => drop(hub.interest(conn)),
                Some(Output::Wanted(wanted)) => driver.wanted.push(wanted),
                Some(_) => {}
                None => break,
            }
        }
        hub.next_deadline();
    }
}

/// A hub with much in it, as bytes, and what its driver knows.
fn busy(seed: u64) -> (Vec<u8>, Driver) {
    let mut memory = HubMemory::default();
    let mut hub = memory.hub(&setup(seed));
    let (mut rng, mut driver) = (Rng::with_seed(seed), Driver::default());
    play(&mut hub, &mut rng, &mut driver, 150);
    (saved(&mut hub), driver)
}

#[track_caller]
fn check(setup: &Setup, bytes: &[u8], why: RestoreError) {
    let mut memory = HubMemory::default();
    assert_eq!(memory.restore(setup, bytes).map(|_| ()), Err(why));
}

/// The bytes with the checksum that belongs to them (FNV-1a).
fn with_sum(bytes: &[u8]) -> Vec<u8> {
    let body = &bytes[..bytes.len() - 8];
    let sum = body
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    [body, &sum.to_le_bytes()].concat()
}

#[test]
fn bytes_that_were_cut_or_changed_are_refused() {
    let (bytes, _) = busy(0);
    assert_eq!(with_sum(&bytes), bytes);
    for len in 0..bytes.len() {
        let why = if len < 8 { RestoreError::NotSaved } else { RestoreError::Damaged };
        check(&setup(0), &bytes[..len], why);
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        let mut memory = HubMemory::default();
        assert!(memory.restore(&setup(0), &changed).is_err(), "byte {at}");
    }
    check(&setup(0), &[&bytes[..], b"!"].concat(), RestoreError::Damaged);
}

#[test]
fn a_hub_that_does_not_fit_is_refused_and_the_reason_is_named() {
    let (bytes, _) = busy(0);
    let mut limits = [LIMITS; 13];
    limits[0].conns -= 1;
    limits[1].rooms -= 1;
    limits[2].rooms_per_conn -= 1;
    limits[3].members -= 1;
    limits[4] = Limits { name: 14, ..LIMITS };
    limits[5].line -= 1;
    limits[6].queue -= 1;
    limits[7] = Limits { log: 1024, records: 8, ..LIMITS };
    limits[8].conns += 1;
    limits[9].catch_ups -= 1;
    limits[10].proposals -= 1;
    limits[11].followers -= 1;
    limits[12].rings -= 1;
    let smaller = [
        "conns",
        "rooms",
        "rooms_per_conn",
        "members",
        "",
        "line",
        "queue",
        "records",
        "members",
        "catch_ups",
        "proposals",
        "followers",
        "rings",
    ];
    for (limits, is_called) in limits.into_iter().zip(smaller) {
        let setup = Setup { limits, ..setup(0) };
        if is_called.is_empty() {
            HubMemory::default().restore(&setup, &bytes).expect("a higher limit");
        } else {
            check(&setup, &bytes, RestoreError::Smaller(is_called));
        }
    }
    let mut other = setup(0);
    other.listeners[2].relay = RelayRules { unfinished_ms: None, ..RelayRules::DEFAULT };
    HubMemory::default().restore(&other, &bytes).expect("rules may change");
    other.listeners[4].encoding = None;
    check(&other, &bytes, RestoreError::Listeners);
    other.listeners[4].encoding = Some(0);
    other.listeners.swap(1, 2);
    check(&other, &bytes, RestoreError::Listeners);
    other.listeners.pop();
    check(&other, &bytes, RestoreError::Listeners);
    let newer = with_sum(&[&bytes[..8], &6_u32.to_le_bytes(), &bytes[12..]].concat());
    check(&setup(0), &newer, RestoreError::Version { saved: 6, wanted: 5 });
}

#[test]
fn a_restored_hub_goes_on_as_the_one_that_was_saved() {
    for seed in Seeds::chosen(3_000).one_by_one("a restored hub") {
        let mut memory: [HubMemory<'_>; 3] = Default::default();
        let [first, second, third] = &mut memory;
        let (setup, mut rng, mut driver) = (setup(seed), Rng::with_seed(seed), Driver::default());
        let mut hub = first.hub(&setup);
        let events = rng.usize(50..800);
        play(&mut hub, &mut rng, &mut driver, events);
        let bytes = saved(&mut hub);
        let mut restored = second.restore(&setup, &bytes).expect("what was saved can be restored");
        assert!(saved(&mut restored) == bytes, "the same hub is the same bytes");
        // A longer line needs a larger log.
        let (log, line) = if rng.bool() { (512, 20) } else { (2048, 25) };
        let limits = Limits {
            conns: 9,
            rooms: 6,
            members: 20,
            catch_ups: 5,
            line,
            queue: 240,
            proposals: 500,
            log,
            records: if rng.bool() { 16 } else { 64 },
            followers: 4,
            rings: 5,
            ..LIMITS
        };
        let larger = Setup { limits, ..setup.clone() };
        let mut larger = third.restore(&larger, &bytes).expect("higher limits");
        for hub in [&mut hub, &mut restored, &mut larger] {
            play(hub, &mut rng.clone(), &mut driver.clone(), 300);
        }
        assert!(saved(&mut hub) == saved(&mut restored), "both have the same state");
    }
}

/// The checksum is right. So only the checks of what is in the bytes stand between them and a panic.
#[test]
fn hostile_bytes_are_refused_or_make_a_hub_that_does_not_panic() {
    let mut accepted = 0;
    for seed in Seeds::chosen(12).one_by_one("hostile bytes") {
        let (bytes, driver) = busy(seed);
        let mut rng = Rng::with_seed(seed);
        for at in 0..bytes.len() - 8 {
            let mut changed = bytes.clone();
            changed[at] = match rng.u32(..4) {
                0 => changed[at].wrapping_add(1),
                1 => changed[at].wrapping_sub(1),
                2 => 0xFF,
                _ => rng.u8(..),
            };
            if rng.u32(..4) == 0 {
                let other = rng.usize(..bytes.len());
                changed[other] = rng.u8(..);
            }
            let mut memory = HubMemory::default();
            if let Ok(mut hub) = memory.restore(&setup(seed), &with_sum(&changed)) {
                accepted += 1;
                play(&mut hub, &mut rng, &mut driver.clone(), 60);
            }
        }
    }
    println!("{accepted} were accepted");
}
