//! The plan that a seed stands for: the hub's limits and choices, the weather, and the clients with
//! their ways to read and to leave.

use parlour_core::{Bound, Config, Limits, Listener, NAME_BYTES, OnLag, Protocol, RelayRules};

use super::streams::RELAYERS;
use super::weather::Weather;
use crate::hub::Setup;

/// How a client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// At once.
    Prompt,
    /// With pauses of up to this many ms.
    Slow(u64),
    /// Not at all from `from` to `to`.
    Stalled { from: u64, to: u64 },
}

/// How a client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    /// At the very end.
    Late,
    /// When it has sent everything, it ends its sending direction.
    WhenDone,
    /// At this time it resets the connection.
    Reset(u64),
}

/// One client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guest {
    pub(super) protocol: Protocol,
    pub(super) comes_at: u64,
    pub(super) reading: Reading,
    pub(super) leaving: Leaving,
    pub(super) lines: u32,
    /// Bytes that the network holds for it, up and down.
    pub(super) pipes: [usize; 2],
}

/// A whole run.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) setup: Setup,
    pub(super) weather: Weather,
    pub(super) guests: Vec<Guest>,
    /// Talkers stay in the lobby, and none leaves before the end.
    pub(super) is_static: bool,
    /// The clock jumps ahead now and then.
    pub(super) has_jumps: bool,
}

/// Clients that do not leave before this time, in ms, begin after everybody came.
pub(super) const COMING_MS: u64 = 500;

fn setup(rng: &mut fastrand::Rng) -> Setup {
    let on_lag = *rng.choice([OnLag::Skip, OnLag::Disconnect, OnLag::Replay].iter()).expect("one of them");
    let (line, name) = (rng.usize(48..200), rng.usize(13..=NAME_BYTES));
    let longest = line + 2 * name + 64;
    let (conns, rooms, rooms_per_conn) = (rng.usize(4..14), rng.usize(2..7), rng.usize(2..4));
    let limits = Limits {
        conns,
        rooms,
        rooms_per_conn,
        members: conns * rooms_per_conn,
        catch_ups: conns,
        name,
        line,
        queue: (longest + 12) * rng.usize(1..4) + rng.usize(..50),
        proposals: 0,
        followers: 1,
        log: (4 * longest).next_power_of_two() << rng.u32(..3),
        records: 4 << rng.u32(..6),
        rings: 0,
    };
    let protocols = [Protocol::Chat, Protocol::Echo, Protocol::Relay];
    let rate = (rng.u8(..4) == 0).then(|| Bound::for_all(rng.u32(2..50)));
    let config = Config {
        greeting: if rng.bool() { "hello\nhello to you" } else { "" },
        keeps_records: on_lag == OnLag::Replay && rng.bool(),
        // What is replayed to a laggard looks like history. So that it can be told apart, there is none.
        history: if on_lag == OnLag::Replay { 0 } else { rng.u32(..30) },
        grace_ms: rng.u32(1_000..5_000),
        idle_ms: (rng.u8(..10) == 0).then_some(60_000),
        origin: if rng.bool() { u64::MAX - rng.u64(..5_000) } else { rng.u64(..) },
        ..Config::new(&[])
    };
    // Either no line is passed on in parts, or many are.
    let unfinished_ms = if rng.bool() { None } else { Some(rng.u32(1..200)) };
    let relay = RelayRules { unfinished_ms, ..RelayRules::DEFAULT };
    Setup {
        limits,
        listeners: protocols
            .map(|protocol| Listener { on_lag, rate, relay, ..Listener::new(protocol) })
            .to_vec(),
        config,
    }
}

fn guest(rng: &mut fastrand::Rng, setup: &Setup, protocol: Protocol, is_static: bool) -> Guest {
    let time = |rng: &mut fastrand::Rng| rng.u64(COMING_MS..10_000);
    let reading = match rng.u8(..10) {
        0..6 => Reading::Prompt,
        6 => Reading::Slow(rng.u64(50..2_000)),
        7 => Reading::Stalled { from: time(rng), to: u64::MAX },
        _ => {
            let from = time(rng);
            Reading::Stalled { from, to: from + rng.u64(10..20_000) }
        }
    };
    let leaving = match rng.u8(..10) {
        _ if is_static => Leaving::Late,
        0..5 => Leaving::Late,
        5..8 => Leaving::WhenDone,
        _ => Leaving::Reset(time(rng)),
    };
    let pipes = match reading {
        // A client that reads at once, even if only at first, gets the whole log within its grace period.
        Reading::Prompt | Reading::Stalled { to: u64::MAX, .. } => [rng.usize(20..2_000), setup.limits.log],
        _ => [rng.usize(20..2_000), rng.usize(20..2 * setup.limits.log)],
    };
    let comes_late = protocol != Protocol::Relay && !is_static;
    let comes_at = if comes_late && rng.bool() { time(rng) } else { rng.u64(..COMING_MS / 2) };
    Guest { protocol, comes_at, reading, leaving, lines: rng.u32(5..100), pipes }
}

impl Life {
    pub(super) fn new(rng: &mut fastrand::Rng) -> Self {
        let setup = setup(rng);
        let is_static = rng.u8(..3) == 0;
        let mut guests: Vec<Guest> = Vec::new();
        // Sometimes there are more clients than places.
        for _ in 0..rng.usize(3..setup.limits.conns + 2) {
            let relayers = guests.iter().filter(|guest| guest.protocol == Protocol::Relay).count();
            let protocol = match rng.u8(..8) {
                0 => Protocol::Echo,
                1 | 2 if relayers < RELAYERS => Protocol::Relay,
                _ => Protocol::Chat,
            };
            guests.push(guest(rng, &setup, protocol, is_static));
        }
        let weather = Weather { delay_ms: rng.u64(..20), is_choppy: rng.bool(), loses_pages: rng.bool() };
        Self { setup, weather, guests, is_static, has_jumps: rng.u8(..5) == 0 }
    }
}
