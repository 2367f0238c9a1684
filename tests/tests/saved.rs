//! A hub as bytes, from the outside: what is refused, and that hostile bytes do no harm. That a restored
//! hub goes on as the one that was saved is a matter of `properties`.

use fastrand::Rng;
use parlour_core::{
    Bound, Cause, Config, Hub, Input, Instant, Limits, Listener, ListenerId, OnLag, Protocol, RelayRules,
    RestoreError,
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
    rings: 0,
};

fn setup() -> Setup {
    let listener = |protocol| Listener { on_lag: OnLag::Skip, ..Listener::new(protocol) };
    let chat = Listener { rate: Some(Bound::for_all(50)), ..listener(Protocol::Chat) };
    let listeners =
        vec![chat, listener(Protocol::Echo), listener(Protocol::Relay), listener(Protocol::Console)];
    // Positions and numbers wrap around on the way.
    let config =
        Config { grace_ms: 50, origin: u64::MAX - 50, per_peer: Some(Bound::for_all(5)), ..Config::new(&[]) };
    Setup { limits: LIMITS, listeners, config }
}

/// Random inputs of a driver that knows the hub's connections, and makes mistakes.
fn play(hub: &mut Hub<'_>, rng: &mut Rng, now: &mut u64, events: usize) {
    for _ in 0..events {
        let at = Instant::from_millis(*now);
        let conns: Vec<_> = hub.conns().collect();
        let conn = rng.choice(conns);
        match (rng.u32(..16), conn) {
            (0..2, _) | (_, None) => {
                let listener = ListenerId(rng.choice([0, 0, 0, 1, 2, 2, 3]).unwrap_or_default());
                let peer = rng.bool().then(|| [127, 0, 0, rng.u8(1..3)].into());
                if let Ok(conn) = hub.handle(at, Input::Accepted { listener, peer }).opened()
                    && listener == ListenerId(3)
                {
                    hub.watch(conn);
                }
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
                let bytes = rng.choice(lines).copied().unwrap_or_default();
                hub.handle(at, Input::Received { conn, bytes });
            }
            (7..11, Some(conn)) => {
                let lent: usize = hub.transmit(conn).map(<[u8]>::len).sum();
                let count = if rng.bool() { lent } else { rng.usize(..=lent) };
                hub.handle(at, Input::Sent { conn, count });
            }
            (11, Some(conn)) if rng.bool() => drop(hub.handle(at, Input::PeerClosed { conn })),
            (11, Some(conn)) => drop(hub.handle(at, Input::Failed { conn, cause: Cause::Reset })),
            (_, Some(_)) => {
                *now += rng.u64(..30);
                hub.handle(Instant::from_millis(*now), Input::Tick);
            }
        }
        for _ in 0..20 {
            let Some(conn) = hub.next_changed() else { break };
            hub.interest(conn);
        }
        hub.next_deadline();
    }
}

/// A hub with much in it, as bytes.
fn busy(seed: u64) -> (Vec<u8>, u64) {
    let mut memory = HubMemory::default();
    let mut hub = memory.hub(&setup());
    let (mut rng, mut now) = (Rng::with_seed(seed), 0);
    play(&mut hub, &mut rng, &mut now, 150);
    (saved(&mut hub), now)
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
        check(&setup(), &bytes[..len], why);
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        let mut memory = HubMemory::default();
        assert!(memory.restore(&setup(), &changed).is_err(), "byte {at}");
    }
    check(&setup(), &[&bytes[..], b"!"].concat(), RestoreError::Damaged);
}

#[test]
fn a_hub_that_does_not_fit_is_refused_and_the_reason_is_named() {
    let (bytes, _) = busy(0);
    let mut limits = [LIMITS; 12];
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
    ];
    for (limits, is_called) in limits.into_iter().zip(smaller) {
        let setup = Setup { limits, ..setup() };
        if is_called.is_empty() {
            HubMemory::default().restore(&setup, &bytes).expect("a higher limit");
        } else {
            check(&setup, &bytes, RestoreError::Smaller(is_called));
        }
    }
    let mut other = setup();
    other.listeners[2].relay = RelayRules { unfinished_ms: None, ..RelayRules::DEFAULT };
    HubMemory::default().restore(&other, &bytes).expect("rules may change");
    other.listeners.swap(1, 2);
    check(&other, &bytes, RestoreError::Listeners);
    other.listeners.pop();
    check(&other, &bytes, RestoreError::Listeners);
    let newer = with_sum(&[&bytes[..8], &3_u32.to_le_bytes(), &bytes[12..]].concat());
    check(&setup(), &newer, RestoreError::Version { saved: 3, wanted: 2 });
}

/// The checksum is right. So only the checks of what is in the bytes stand between them and a panic.
#[test]
fn hostile_bytes_are_refused_or_make_a_hub_that_does_not_panic() {
    let mut accepted = 0;
    for seed in Seeds::chosen(12).one_by_one("hostile bytes") {
        let (bytes, now) = busy(seed);
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
            if let Ok(mut hub) = memory.restore(&setup(), &with_sum(&changed)) {
                accepted += 1;
                play(&mut hub, &mut rng, &mut now.clone(), 60);
            }
        }
    }
    println!("{accepted} were accepted");
}

#[test]
fn what_was_said_is_still_there_in_a_larger_log() {
    let mut setup = setup();
    setup.config.history = 9;
    setup.listeners[0].rate = None;
    let mut memory = HubMemory::default();
    let mut hub = memory.hub(&setup);
    let now = Instant::from_millis(0);
    let accept = |hub: &mut Hub<'_>| {
        hub.handle(now, Input::Accepted { listener: ListenerId(0), peer: None }).opened().expect("a place")
    };
    let read = |hub: &mut Hub<'_>, conn| {
        let mut all = String::new();
        loop {
            let lent: Vec<u8> = hub.transmit(conn).flatten().copied().collect();
            if lent.is_empty() {
                return all;
            }
            all += &String::from_utf8_lossy(&lent);
            hub.handle(now, Input::Sent { conn, count: lent.len() });
        }
    };
    let alice = accept(&mut hub);
    read(&mut hub, alice);
    for number in 0..40 {
        let line = format!("line {number}\n");
        assert_eq!(
            hub.handle(now, Input::Received { conn: alice, bytes: line.as_bytes() }).taken(),
            line.len()
        );
    }
    let bytes = saved(&mut hub);
    setup.limits = Limits { log: 4096, records: 64, queue: 1000, ..LIMITS };
    let mut larger = HubMemory::default();
    let mut hub = larger.restore(&setup, &bytes).expect("higher limits");
    assert_eq!((hub.conns().collect::<Vec<_>>(), hub.name(alice)), (vec![alice], "guest-1"));
    let bob = accept(&mut hub);
    let shown = read(&mut hub, bob);
    let earlier: Vec<_> = shown.lines().filter(|line| line.starts_with("-- earlier")).collect();
    let said = |number| format!("-- earlier: <guest-1> line {number}");
    assert_eq!(earlier, (31..40).map(said).collect::<Vec<_>>());
}
