//! One case: a hub of random limits, its model, and random events for both.

use std::collections::VecDeque;

use fastrand::Rng;
use parlour_core::{
    Answer, Bound, Cause, Close, Config, ConnId, FollowerId, Following, Hub, Input, Instant, Limits,
    Listener, ListenerId, OnLag, Protocol, Refusal, RelayRules, Scope,
};

use super::peer::{Kind, Life, Peer, Room};
use super::reader::Reader;
use crate::hub::{HubMemory, Setup, saved};

const CHAT: ListenerId = ListenerId(0);
pub(super) const ECHO: ListenerId = ListenerId(1);
pub(super) const RELAYS: [ListenerId; 2] = [ListenerId(2), ListenerId(3)];
const CONSOLE: ListenerId = ListenerId(4);

/// The rooms: that of the chat, and those of the relays.
pub(super) const LOBBY: Room = 0;
pub(super) const ROOMS: usize = 3;

const FOLLOWERS: usize = 2;

pub(super) const GRACE_MS: u32 = 50;
pub(super) const UNFINISHED_MS: u32 = 20;
/// The others are told of a silent newcomer after this time.
pub(super) const MOMENT_MS: u64 = 500;

/// A hub and its model, fed with the same random events.
pub struct Case<'a> {
    pub(super) rng: Rng,
    pub(super) hub: Hub<'a>,
    pub(super) limits: Limits,
    pub(super) now: Instant,
    /// Observers that are always up to date: a client of each relay, and a follower of all rooms.
    pub(super) oracles: [ConnId; RELAYS.len()],
    pub(super) all: FollowerId,
    /// A follower that lags.
    pub(super) reader: Reader,
    pub(super) peers: Vec<Peer>,
    /// How many came to the lobby and left it without a notice so far.
    pub(super) untold: [u32; 2],
    /// The peers whose line waits for the turn of a room, in the order in which they wait.
    pub(super) turns: [VecDeque<ConnId>; ROOMS],
    /// The peer whose half line is the last in a relay's room.
    pub(super) unfinished_by: [Option<ConnId>; ROOMS],
    /// Ids of the peers that are gone.
    pub(super) stale: Vec<ConnId>,
    pub(super) lagged: u64,
    pub(super) is_rated: bool,
    setup: Setup,
    /// Memory that the hub moves to when it is saved and restored.
    spare: std::slice::IterMut<'a, HubMemory<'a>>,
    /// It says when. With numbers of its own, because the seeds that failed once must stay what they are.
    moves: Rng,
}

impl Case<'_> {
    /// Runs `events` random events of a seed, then lets all faults stop and
    /// looks whether everything drains.
    pub fn run(seed: u64, events: usize) {
        let mut rng = Rng::with_seed(seed);
        let limits = random_limits(&mut rng);
        let rate = rng.choice([None, None, Some(Bound::for_all(20))]).unwrap_or_default();
        let on_lag = |rng: &mut Rng| if rng.bool() { OnLag::Skip } else { OnLag::Disconnect };
        let listeners = [Protocol::Chat, Protocol::Echo, Protocol::Relay, Protocol::Relay, Protocol::Console]
            .map(|protocol| Listener {
                on_lag: on_lag(&mut rng),
                rate,
                relay: RelayRules { unfinished_ms: Some(UNFINISHED_MS), ..RelayRules::DEFAULT },
                ..Listener::new(protocol)
            });
        let near_the_end = u64::MAX - rng.u64(..5_000);
        let anywhere = rng.u64(..);
        let mut memory: [HubMemory<'_>; 4] = Default::default();
        let mut spare = memory.iter_mut();
        let config = Config {
            grace_ms: GRACE_MS,
            origin: rng.choice([0, near_the_end, anywhere]).unwrap_or_default(),
            ..Config::new(&[])
        };
        let setup = Setup { limits, listeners: listeners.to_vec(), config };
        let mut hub = spare.next().expect("there are four").hub(&setup);
        let now = Instant::from_millis(rng.u64(..1 << 40));
        let mut open =
            |listener| hub.handle(now, Input::Accepted { listener, peer: None }).opened().expect("a place");
        let oracles = RELAYS.map(&mut open);
        let all = hub.follow(Following { grace_ms: None, scope: Scope::All }).expect("a place");
        let slow = Following { grace_ms: Some(GRACE_MS), scope: Scope::All };
        let reader = Reader::new(hub.follow(slow).expect("a place"));
        let case = Case {
            rng,
            hub,
            limits,
            now,
            oracles,
            all,
            reader,
            peers: Vec::new(),
            untold: [0; 2],
            turns: Default::default(),
            unfinished_by: [None; ROOMS],
            stale: Vec::new(),
            lagged: 0,
            is_rated: rate.is_some(),
            setup,
            spare,
            moves: Rng::with_seed(seed),
        };
        case.play(events);
    }

    fn play(mut self, events: usize) {
        for _ in 0..events {
            self.random_event();
            if self.moves.usize(..events) < 2 {
                self.save_and_restore();
            }
            self.check_counts();
        }
        self.check_all_output();
        self.stalled_peer_delays_for_the_grace_at_most();
        self.drain_everything();
        self.every_slot_is_free_again();
    }

    fn random_event(&mut self) {
        match self.rng.u32(..100) {
            0..12 => self.connect(),
            12..50 => self.with_peer(Self::send),
            50..78 => self.with_peer(Self::transmit),
            78..81 => self.with_peer(Self::half_close),
            81..83 => self.with_peer(|case, peer| case.fail(peer, Cause::Reset)),
            83..85 => self.stale_event(),
            85..88 => {
                let most = self.rng.usize(..20);
                self.follow(most);
            }
            _ => self.tick(),
        }
    }

    /// Saves the hub, and goes on with the one that is restored from the bytes. It may have higher limits.
    fn save_and_restore(&mut self) {
        let Some(memory) = self.spare.next() else { return };
        let has_grown = self.moves.bool();
        if has_grown {
            self.setup.limits = grown(&mut self.moves, self.limits);
        }
        let bytes = saved(&mut self.hub);
        self.hub = memory.restore(&self.setup, &bytes).expect("what was saved can be restored");
        if has_grown {
            self.limits = self.setup.limits;
            self.advance(0);
        } else {
            assert!(saved(&mut self.hub) == bytes, "the same hub is the same bytes");
        }
    }

    fn with_peer(&mut self, act: impl FnOnce(&mut Self, usize)) {
        if !self.peers.is_empty() {
            let peer = self.rng.usize(..self.peers.len());
            act(self, peer);
        }
    }

    fn connect(&mut self) {
        let kinds = [
            (CHAT, Kind::Chat),
            (CHAT, Kind::Chat),
            (ECHO, Kind::Echo),
            (RELAYS[0], Kind::Relay),
            (RELAYS[1], Kind::Relay),
            (CONSOLE, Kind::Console),
        ];
        let (listener, kind) = kinds[self.rng.usize(..kinds.len())];
        let is_full = self.hub.count() == self.limits.conns;
        let outcome = self.hub.handle(self.now, Input::Accepted { listener, peer: None });
        assert_eq!(
            is_full,
            outcome == Answer::Refused { refusal: Refusal::Full },
            "who finds a free slot is let in"
        );
        let Ok(id) = outcome.opened() else { return };
        let mut peer = Peer::new(id, kind);
        match kind {
            Kind::Echo | Kind::Console => {}
            Kind::Relay => peer.rooms = vec![usize::from(listener.0) - 1],
            Kind::Chat => {
                peer.rooms = vec![LOBBY];
                peer.told_by = Some(Instant::from_millis(self.now.as_millis() + MOMENT_MS));
                peer.name = self.lowest_free_guest();
                let welcome =
                    format!("-- welcome to parlour, you are {}; /help lists the commands\r\n", peer.name);
                peer.tell(welcome, self.now);
                peer.tell(self.roster(&peer), self.now);
            }
        }
        self.peers.push(peer);
        self.observe();
    }

    /// The names in the lobby, with a newcomer's.
    fn roster(&self, newcomer: &Peer) -> String {
        let is_in = |peer: &&Peer| peer.kind == Kind::Chat && peer.life == Life::Open;
        let mut present: Vec<_> = self.peers.iter().filter(is_in).chain([newcomer]).collect();
        present.sort_by_key(|peer| peer.id.slot());
        let names: Vec<_> = present.iter().map(|peer| peer.name.as_str()).collect();
        format!("-- here: {}\r\n", names.join(", "))
    }

    fn lowest_free_guest(&self) -> String {
        let is_taken = |name: &String| self.peers.iter().any(|peer| peer.name == *name);
        (1..).map(|n| format!("guest-{n}")).find(|name| !is_taken(name)).unwrap_or_default()
    }

    fn send(&mut self, peer: usize) {
        if self.peers[peer].ended || self.peers[peer].life == Life::Closing {
            return;
        }
        let Peer { id, kind, .. } = self.peers[peer];
        let more = self.random_input(kind, id.slot());
        self.peers[peer].leftover.extend(more);
        self.offer(peer);
    }

    fn random_input(&mut self, kind: Kind, slot: usize) -> Vec<u8> {
        let mut input = Vec::new();
        for _ in 0..self.rng.usize(..4) {
            let longest = if self.rng.u32(..4) == 0 { self.limits.line } else { 12 };
            let len = self.rng.usize(..=longest);
            let text: Vec<u8> = std::iter::repeat_with(|| self.rng.u8(b'a'..=b'z')).take(len).collect();
            match kind {
                // Lines that may be too long, each client's of bytes of its own, so that
                // it can be told whose an unfinished one is.
                Kind::Echo | Kind::Relay => {
                    input.push(0x80 | (slot as u8) << 3);
                    input.extend(text.iter().map(|byte| 0x80 | (slot as u8) << 3 | byte & 7));
                    input.extend(self.rng.choice([&b"\n"[..], b"\r\n", b""]).unwrap_or_default());
                }
                Kind::Chat => {
                    input.extend(text);
                    input.extend(self.rng.choice([&b"\n"[..], b"\r\n", b"\r"]).unwrap_or_default());
                }
                Kind::Console if self.rng.u32(..8) == 0 => input.extend(b"/unwatch lobby\n"),
                Kind::Console => input.extend([b"/say x", &text[..text.len().min(8)], b"\n"].concat()),
            }
        }
        // The input is cut anywhere.
        input.truncate(input.len() - self.rng.usize(..=input.len().min(3)));
        if matches!(kind, Kind::Console | Kind::Chat) {
            // The rest comes later, so that lines stay as they are.
            let rest = input.iter().rposition(|&byte| byte == b'\n' || byte == b'\r').map_or(0, |at| at + 1);
            input.truncate(rest);
        }
        input
    }

    /// Offers what a peer has sent, in a piece of any length.
    pub(super) fn offer(&mut self, peer: usize) {
        let Peer { id, leftover, .. } = &self.peers[peer];
        let len = if self.rng.bool() { leftover.len() } else { self.rng.usize(..=leftover.len()) };
        let piece = leftover[..len].to_vec();
        let appetite = self.hub.interest(*id).read;
        let taken = self.hub.handle(self.now, Input::Received { conn: *id, bytes: &piece }).taken();
        assert!(taken <= len);
        assert!(len == 0 || (appetite > 0) == (taken > 0), "what is wanted is taken: {appetite}, {taken}");
        self.peers[peer].leftover.drain(..taken);
        self.took(peer, &piece[..taken]);
        self.observe();
    }

    fn transmit(&mut self, peer: usize) {
        let lent = self.check_output(peer);
        let count = match self.rng.u32(..3) {
            0 => lent,
            _ => self.rng.usize(..=lent),
        };
        // More than was lent is a driver's mistake that must do no harm.
        let claimed = if count == lent && self.rng.u32(..20) == 0 { count + 7 } else { count };
        let id = self.peers[peer].id;
        self.hub.handle(self.now, Input::Sent { conn: id, count: claimed });
        self.peers[peer].commit(count);
        self.observe();
    }

    pub(super) fn half_close(&mut self, peer: usize) {
        let Peer { id, kind, ended, .. } = self.peers[peer];
        // When a client that has to wait for its rate is closed at last cannot be seen.
        let is_heard = self.peers[peer].leftover.is_empty() && self.hub.interest(id).read > 0;
        if !is_heard || ended || self.peers[peer].life == Life::Closing {
            return;
        }
        if kind == Kind::Chat && self.rng.bool() && !self.is_rated {
            // A last line without an ending.
            self.peers[peer].leftover.extend(b"bye");
            while !self.peers[peer].leftover.is_empty() {
                self.offer(peer);
            }
        }
        self.peers[peer].ended = true;
        self.hub.handle(self.now, Input::PeerClosed { conn: id });
        self.ended(peer);
        self.observe();
    }

    pub(super) fn fail(&mut self, peer: usize, cause: Cause) {
        let id = self.peers[peer].id;
        // A relay passes on what it has of an unfinished line, if its room takes it.
        self.peers[peer].flush_at = Some(self.now);
        self.hub.handle(self.now, Input::Failed { conn: id, cause });
        self.gone(peer);
    }

    fn stale_event(&mut self) {
        let Some(&id) = self.stale.get(self.rng.usize(..self.stale.len().max(1))) else { return };
        let event = match self.rng.u32(..5) {
            0 => Input::Received { conn: id, bytes: b"stale\n" },
            1 => Input::Sent { conn: id, count: 10 },
            2 => Input::PeerClosed { conn: id },
            3 => Input::Failed { conn: id, cause: Cause::Reset },
            _ => Input::Closed { conn: id },
        };
        self.hub.handle(self.now, event);
        assert_eq!(self.hub.interest(id).close, Close::Abort);
        assert_eq!(self.hub.transmit(id).count(), 0);
        self.observe();
    }

    fn tick(&mut self) {
        let ms = self.rng.u64(..40);
        self.advance(ms);
    }

    pub(super) fn advance(&mut self, ms: u64) {
        self.now = Instant::from_millis(self.now.as_millis() + ms);
        self.hub.handle(self.now, Input::Tick);
        let before: Vec<_> = self.peers.iter().map(|peer| peer.waiting.len()).collect();
        let told = self.told();
        self.count_newcomers(&told);
        self.explain(told);
        self.find_skips(&before);
        self.observe();
    }
}

fn random_limits(rng: &mut Rng) -> Limits {
    let line = rng.usize(90..=120);
    let (conns, rooms_per_conn) = (RELAYS.len() + rng.usize(1..=7), ROOMS + rng.usize(..2));
    let limits = Limits {
        conns,
        rooms: ROOMS,
        rooms_per_conn,
        members: conns * rooms_per_conn,
        catch_ups: conns,
        name: 13,
        line,
        queue: 0,
        proposals: 0,
        log: 0,
        records: 4 << rng.u32(..5),
        followers: FOLLOWERS,
        rings: 0,
    };
    let least = 4 * limits.longest();
    let log = least.next_power_of_two() << rng.u32(..3);
    // With place for the welcome and the list of names: so both come at once.
    Limits { queue: 2 * (limits.longest() + 12) + rng.usize(..300), log, ..limits }
}

/// Limits of which each is as it was, or higher.
fn grown(rng: &mut Rng, limits: Limits) -> Limits {
    let Limits {
        conns,
        rooms,
        rooms_per_conn,
        members,
        catch_ups,
        name,
        line,
        queue,
        proposals,
        log,
        records,
        followers,
        rings,
    } = limits;
    let more = |rng: &mut Rng, most: usize| rng.usize(..=most);
    let (more_conns, more_longest) = (more(rng, 2), more(rng, 9));
    let larger = Limits {
        conns: conns + more_conns,
        rooms: rooms + more(rng, 2),
        rooms_per_conn: rooms_per_conn + more(rng, 1),
        members: members + more_conns * (rooms_per_conn + 1) + more(rng, 9),
        catch_ups: catch_ups + more(rng, 2),
        name: name + more_longest,
        line: line + more_longest,
        queue: queue + 6 * more_longest + more(rng, 99),
        proposals: proposals + more(rng, 99),
        records: records << more(rng, 2),
        followers: (followers + more(rng, 2)).min(4),
        rings,
        log,
    };
    let least = log.max(4 * larger.longest()).next_power_of_two();
    Limits { log: least << more(rng, 2), ..larger }
}
