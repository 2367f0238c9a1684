//! Hubs of random sizes and choices, with listeners of all kinds.

use fastrand::Rng;
use parlour_core::{Config, Joining, Limits, Listener, ListenerId, OnLag, Protocol, RelayRules};

use super::render::{ENCODINGS, View};
use super::store::Quality;
use crate::hub::Setup;

pub(super) const GRACE_MS: u32 = 50;
const NAME: usize = 13;
pub(super) const LINE: usize = 40;

/// A hub that is to be made, and what is outside it.
pub(super) struct Plan {
    pub(super) setup: Setup,
    /// How the clients of each listener see records.
    pub(super) views: Vec<View>,
    pub(super) store: Quality,
}

/// The listeners, and how their clients see records. The first is a chat listener.
fn listeners(rng: &mut Rng) -> (Vec<Listener>, Vec<View>) {
    let views = if rng.bool() { &[View::Chat][..] } else { &[View::Chat, View::Json, View::Brief] };
    let on_lags = [OnLag::Disconnect, OnLag::Skip, OnLag::Replay, OnLag::Replay];
    let mut found = Vec::new();
    let (chats, relays) = (rng.usize(1..=3), rng.usize(0..=3));
    for number in 0..chats + relays {
        let view = rng.choice(views).copied().unwrap_or(View::Chat);
        let protocol = if number < chats { Protocol::Chat } else { Protocol::Relay };
        let mut on_lag = rng.choice(on_lags).unwrap_or(OnLag::Skip);
        if protocol == Protocol::Relay && rng.u8(..8) == 0 {
            on_lag = OnLag::Wait;
        }
        // A relay has a room of its own, or that of the first relay.
        let shares = (number > chats && rng.bool()).then_some(ListenerId(chats as u8));
        let unfinished_ms = rng.bool().then_some(20);
        let relay = RelayRules { unfinished_ms, shares, ..RelayRules::DEFAULT };
        let encoding = view.encoding();
        let chat = Listener::new(protocol);
        found.push((Listener { on_lag, encoding, relay, joining: Joining::One, ..chat }, view));
    }
    found.into_iter().unzip()
}

pub(super) fn random_plan(rng: &mut Rng) -> Plan {
    let (listeners, views) = listeners(rng);
    let has_rings = views.iter().any(|view| *view != View::Chat);
    let proposes = rng.u8(..3) == 0;
    let history = if rng.bool() { 0 } else { rng.u32(1..=5) };
    let store = [Quality::None, Quality::Good, Quality::Good, Quality::Bad][rng.usize(..4)];
    let conns = rng.usize(3..=7);
    let relays = listeners.iter().filter(|listener| listener.protocol == Protocol::Relay).count();
    let limits = Limits {
        conns,
        rooms: 2 + relays,
        rooms_per_conn: 3,
        members: 3 * conns,
        catch_ups: if rng.u8(..4) == 0 { 1 } else { conns },
        name: NAME,
        line: LINE,
        queue: 0,
        proposals: 0,
        log: 0,
        records: 4 << rng.u32(..4),
        followers: 1,
        rings: if has_rings { ENCODINGS.len() * (2 + relays) } else { 0 },
    };
    let chat = limits.longest();
    let longest = if has_rings { ENCODINGS[0].longest(chat, NAME) } else { chat };
    // With place for the welcome and the list of names, so that both come at once, beside what is kept free for the
    // rest of a half sent line.
    let queue = 3 * (longest + 12) + rng.usize(..300) + if rng.u8(..4) == 0 { 4_096 } else { 0 };
    let log = (4 * longest).next_power_of_two() << rng.u32(..2);
    // A header of 27 bytes and one of 12.
    let proposals = if proposes { chat + 39 + rng.usize(..500) } else { 0 };
    let near_the_end = u64::MAX - rng.u64(..2_000);
    let config = Config {
        encodings: if has_rings { ENCODINGS } else { &[] },
        history,
        keeps_records: store != Quality::None,
        proposes,
        grace_ms: GRACE_MS,
        origin: if rng.bool() { near_the_end } else { rng.u64(..) },
        ..Config::new(&[])
    };
    let limits = Limits { queue, log, proposals, ..limits };
    Plan { setup: Setup { limits, listeners, config }, views, store }
}

/// Limits of which each is as it was, or higher.
pub(super) fn grown(rng: &mut Rng, limits: Limits) -> Limits {
    Limits {
        queue: limits.queue + rng.usize(..99),
        log: limits.log << rng.u32(..2),
        records: limits.records << rng.u32(..2),
        // Logs in other encodings stand behind the rooms.
        rooms: limits.rooms + rng.usize(..2),
        rings: limits.rings + if limits.rings > 0 { rng.usize(..3) } else { 0 },
        catch_ups: limits.catch_ups + rng.usize(..2),
        proposals: limits.proposals + rng.usize(..99),
        ..limits
    }
}
