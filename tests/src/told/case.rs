//! One case: a hub, its clients, what is outside it, and the list of everything that was said.

use fastrand::Rng;
use parlour_core::{FollowerId, Following, Hub, Identity, Input, Instant, ListenerId, Protocol, Scope};

use super::client::{Client, Terms};
use super::council::{Council, Decided};
use super::limits::{self, Plan};
use super::render::{OFFSET_S, View};
use super::said::{Said, Where};
use super::store::{Quality, Store};
use super::tally::Tally;
use crate::hub::{HubMemory, Setup, saved};

/// Noon, so that all that happens is on one day.
const NOON_MS: u64 = 1_795_867_200_000;

pub(super) const LOBBY: &str = "lobby";

/// A hub and all that has to do with it.
pub(super) struct Case<'a> {
    pub(super) rng: Rng,
    pub(super) hub: Hub<'a>,
    pub(super) now: Instant,
    began: Instant,
    pub(super) setup: Setup,
    pub(super) views: Vec<View>,
    pub(super) terms: Terms,
    knows_time: bool,
    /// A follower that is always up to date.
    pub(super) follower: FollowerId,
    /// Everything that was said.
    pub(super) said: Vec<Said>,
    pub(super) clients: Vec<Client>,
    /// The identities of clients that are gone.
    pub(super) gone: Vec<Identity>,
    pub(super) store: Store,
    pub(super) council: Council,
    /// A decision that the hub must make a record of now.
    pub(super) expected: Option<Decided>,
    /// Memory that the hub moves to when it is saved and restored.
    spare: std::slice::IterMut<'a, HubMemory<'a>>,
    /// Lines so far: each has a number of its own in it.
    pub(super) lines: u32,
    pub(super) tally: Tally,
    /// How many lagged when this was last looked at.
    pub(super) lagged: u64,
}

impl Case<'_> {
    /// Plays a seed.
    pub(super) fn run(seed: u64, events: usize) -> Tally {
        let mut rng = Rng::with_seed(seed);
        let Plan { setup, views, store } = limits::random_plan(&mut rng);
        let mut memory: [HubMemory<'_>; 4] = Default::default();
        let mut spare = memory.iter_mut();
        let mut hub = spare.next().expect("there are four").hub(&setup);
        let now = Instant::from_millis(rng.u64(..1 << 40));
        let knows_time = rng.bool();
        if knows_time {
            hub.handle(now, Input::Clock { unix_ms: NOON_MS, utc_offset_s: OFFSET_S });
        }
        let following = Following { grace_ms: None, scope: Scope::All };
        let follower = hub.follow(following).expect("a place");
        let terms = Terms {
            is_good: store == Quality::Good,
            has_history: setup.config.history > 0,
            is_short: setup.limits.catch_ups < setup.limits.conns,
        };
        let case = Case {
            rng,
            hub,
            now,
            began: now,
            setup,
            views,
            terms,
            knows_time,
            follower,
            said: Vec::new(),
            clients: Vec::new(),
            gone: Vec::new(),
            store: Store::new(store),
            council: Council::default(),
            expected: None,
            spare,
            lines: 0,
            tally: Tally::default(),
            lagged: 0,
        };
        case.play(events)
    }

    fn play(mut self, events: usize) -> Tally {
        for _ in 0..events {
            self.random_event();
        }
        self.settle();
        for client in (0..self.clients.len()).rev() {
            self.fail(client);
        }
        assert_eq!(self.hub.count(), 0, "slots are lost");
        self.tally
    }

    fn random_event(&mut self) {
        match self.rng.u32(..100) {
            0..6 => self.connect(),
            6..40 => self.with_client(Self::say),
            40..62 => self.with_client(Self::read),
            62..64 => self.with_client(Self::change_appetite),
            64..65 => self.with_client(Self::half_close),
            65..66 => self.with_client(Self::fail),
            66..69 => self.with_client(Self::go_elsewhere),
            69..71 => self.with_client(Self::look_back),
            71..82 => self.order(),
            82..86 => self.hear(),
            86..90 => self.answer_a_page(),
            90..91 => self.save_and_restore(),
            91..92 => self.settle(),
            _ => {
                let ms = if self.rng.u8(..8) == 0 { self.rng.u64(..700) } else { self.rng.u64(..40) };
                self.advance(ms);
            }
        }
    }

    fn with_client(&mut self, act: impl FnOnce(&mut Self, usize)) {
        if !self.clients.is_empty() {
            let client = self.rng.usize(..self.clients.len());
            act(self, client);
        }
    }

    /// The time of day; 0 if the hub does not know it.
    pub(super) fn unix_ms(&self) -> u64 {
        if self.knows_time { NOON_MS + self.now.millis_since(self.began) } else { 0 }
    }

    /// The room of a listener's clients, where they begin.
    pub(super) fn place_of(&self, listener: ListenerId) -> Where {
        let found = &self.setup.listeners[usize::from(listener.0)];
        match found.protocol {
            Protocol::Chat => Where::Chat(LOBBY.to_owned()),
            _ => Where::Relay(found.relay.shares.unwrap_or(listener)),
        }
    }

    /// Saves the hub, and goes on with the one that is restored from the bytes. It may have higher limits.
    fn save_and_restore(&mut self) {
        let Some(memory) = self.spare.next() else { return };
        if self.rng.bool() {
            self.setup.limits = limits::grown(&mut self.rng, self.setup.limits);
        }
        let bytes = saved(&mut self.hub);
        self.hub = memory.restore(&self.setup, &bytes).expect("what was saved can be restored");
        self.tally.note("restored");
    }
}
