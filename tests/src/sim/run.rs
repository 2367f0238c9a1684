//! A random life of a hub from a seed. Guests come, talk and misbehave. Then the faults stop, and
//! everything must come to rest.

use parlour_core::{ListenerId, OnLag, Protocol};

use super::counters::Counters;
use super::life::{COMING_MS, Guest, Leaving, Life, Reading};
use super::part::{Ledger, Part};
use super::peer::Peer;
use super::streams::{Relayer, Shouter};
use super::talker::Talker;
use super::weather::Weather;
use super::world::World;
use crate::hub::HubMemory;

/// The time within which every client that can must have sent everything, in virtual ms.
const MOST_MS: u64 = 30 * 60_000;
/// How long it may take until all is at rest once the faults have stopped.
const REST_MS: u64 = 60_000;
/// The longest delay besides the grace period: by the rate limit and the network.
const SLACK_MS: u64 = 2_000;
/// How long a hub waits for a page.
const PAGE_MS: u64 = 5_000;

/// A guest and where it stands.
struct Actor {
    guest: Guest,
    /// Among those of its protocol.
    id: usize,
    part: Box<dyn Part>,
    peer: Option<Peer>,
    next_at: u64,
    was_refused: bool,
    was_reset: bool,
}

impl Actor {
    /// Whether it was connected all the time and still is.
    fn is_there(&self, world: &World<'_>) -> bool {
        self.peer.as_ref().is_some_and(|peer| !peer.is_closed() && world.is_held(peer.socket()))
    }

    fn can_finish(&self) -> bool {
        !matches!(self.guest.reading, Reading::Stalled { to: u64::MAX, .. })
    }

    fn has_finished(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| {
            peer.is_closed()
                || self.part.is_done() && peer.outbox.is_empty() && self.guest.leaving == Leaving::Late
        })
    }

    fn has_left_in_order(&self) -> bool {
        let is_closed_behind_all = |peer: &Peer| peer.outbox.is_ending() && peer.was_closed_in_order();
        !self.was_refused && self.peer.as_ref().is_some_and(is_closed_behind_all)
    }
}

struct Run<'a> {
    plan: Life,
    world: World<'a>,
    rng: fastrand::Rng,
    ledger: Ledger,
    actors: Vec<Actor>,
    has_jumped: bool,
    /// In how many steps it begins to be recorded.
    recorded_in: Option<u32>,
}

/// Plays the run that `seed` stands for, and panics where the hub breaks a rule.
pub fn run(seed: u64) -> Counters {
    play(seed, None).0
}

/// Plays the same, and returns a trace that begins after so many steps; `None` if there are not so many.
pub fn recorded(seed: u64, steps: u32) -> Option<Vec<u8>> {
    play(seed, Some(steps)).1
}

fn play(seed: u64, recorded_in: Option<u32>) -> (Counters, Option<Vec<u8>>) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let plan = Life::new(&mut rng);
    let mut memory = HubMemory::default();
    let world = World::new(&mut memory, &plan.setup, plan.weather, rng.u64(..));
    let (ledger, actors, has_jumped) = (Ledger::default(), Vec::new(), false);
    let mut run = Run { plan, world, rng, ledger, actors, has_jumped, recorded_in };
    run.invite();
    run.play();
    run.rest();
    run.check_rest();
    run.leave();
    run.fill_and_shut_down();
    run.check_effort();
    (run.world.counters(), run.world.trace())
}

impl Run<'_> {
    fn invite(&mut self) {
        let limits = self.plan.setup.limits;
        let waits_for_ends =
            self.plan.setup.listeners.iter().all(|listener| listener.relay.unfinished_ms.is_none());
        // Where time jumps, a client may be idle for too long in the middle of a line, which ends then.
        let may_be_cut = self.plan.has_jumps && self.plan.setup.config.idle_ms.is_some();
        let has_whole_lines = waits_for_ends && !may_be_cut;
        let is_replayed = self.plan.setup.listeners[0].on_lag == OnLag::Replay;
        // Where time jumps, pages come too late.
        let is_kept =
            self.plan.setup.config.keeps_records && !self.plan.weather.loses_pages && !self.plan.has_jumps;
        for guest in self.plan.guests.clone() {
            let id = self.actors.iter().filter(|actor| actor.guest.protocol == guest.protocol).count();
            let (line, lines, ledger) = (limits.line, guest.lines, &mut self.ledger);
            let part: Box<dyn Part> = match guest.protocol {
                Protocol::Echo => Box::new(Shouter::new(id, lines)),
                Protocol::Relay => Box::new(Relayer::new(id, line, lines, has_whole_lines, ledger)),
                _ => Box::new(Talker::new(
                    id,
                    line,
                    lines,
                    (self.plan.is_static, is_replayed, is_kept),
                    ledger,
                )),
            };
            let next_at = guest.comes_at;
            let (was_refused, was_reset) = (false, false);
            self.actors.push(Actor { guest, id, part, peer: None, next_at, was_refused, was_reset });
        }
    }

    // --- With faults ---

    fn play(&mut self) {
        while !self
            .actors
            .iter()
            .all(|actor| actor.has_finished() || !actor.can_finish() && actor.peer.is_some())
        {
            let now = self.world.now();
            assert!(
                now < MOST_MS || self.has_jumped && now < 10 * MOST_MS,
                "these clients never finish:{}",
                self.stuck()
            );
            let has_come = |actor: &Actor| actor.peer.is_some() || actor.guest.comes_at >= COMING_MS;
            self.ledger.has_begun |= now >= COMING_MS && self.actors.iter().all(has_come);
            self.step();
            if self.plan.has_jumps && self.rng.u16(..400) == 0 {
                let to = self.world.now() + self.rng.u64(1_000..200_000);
                self.world.jump_to(to);
                self.has_jumped = true;
            }
        }
    }

    fn stuck(&self) -> String {
        let stuck = self.actors.iter().filter(|actor| !actor.has_finished());
        stuck.map(|actor| format!(" {:?} {}: {:?}", actor.guest.protocol, actor.id, actor.guest)).collect()
    }

    /// Goes on to the next time at which something happens.
    fn step(&mut self) {
        if self.recorded_in == Some(0) {
            let header = self.plan.setup.header().in_the_middle(self.world.saved());
            self.world.record(&header);
        }
        self.recorded_in = self.recorded_in.and_then(|steps| steps.checked_sub(1));
        let next_act = self.actors.iter().map(|actor| actor.next_at).min();
        let next_turn = self.world.next_turn_at();
        let next = next_act.into_iter().chain(next_turn).min().unwrap_or(u64::MAX);
        self.world.jump_to(next.min(self.world.now() + 1_000));
        self.world.run();
        for index in 0..self.actors.len() {
            if self.actors[index].next_at <= self.world.now() {
                self.act(index);
            }
        }
        self.world.run();
        self.check_delays();
    }

    fn act(&mut self, index: usize) {
        let (world, actor, rng) = (&mut self.world, &mut self.actors[index], &mut self.rng);
        let now = world.now();
        let Some(peer) = &mut actor.peer else {
            let listener = match actor.guest.protocol {
                Protocol::Echo => 1,
                Protocol::Relay => 2,
                _ => 0,
            };
            let [up, down] = actor.guest.pipes;
            let peer = Peer::connect(world, ListenerId(listener), up, down);
            world.run();
            actor.was_refused = !world.is_held(peer.socket());
            actor.peer = Some(peer);
            return;
        };
        if peer.is_closed() {
            actor.next_at = u64::MAX;
            return;
        }
        if matches!(actor.guest.leaving, Leaving::Reset(at) if at <= now) {
            actor.was_reset = true;
            if actor.guest.protocol == Protocol::Relay {
                self.ledger.relays_reset.push(actor.id);
            }
            return peer.reset(world);
        }
        peer.reads =
            !matches!(actor.guest.reading, Reading::Stalled { from, to } if (from..to).contains(&now));
        peer.receive(world, if self.plan.weather.is_choppy { rng.usize(1..2_000) } else { usize::MAX });
        actor.part.read(&mut self.ledger, &mut peer.inbox);
        if peer.outbox.is_empty() && !peer.outbox.is_ending() {
            if actor.guest.leaving == Leaving::WhenDone && actor.part.is_done() {
                peer.outbox.extend(actor.part.farewell().bytes());
                peer.outbox.end();
            } else {
                actor.part.write(rng, &mut self.ledger, &mut peer.outbox);
            }
        }
        peer.send(world);
        self.plan_next(index);
    }

    fn plan_next(&mut self, index: usize) {
        let (now, actor) = (self.world.now(), &mut self.actors[index]);
        let Some(peer) = &actor.peer else { return };
        let pause = match actor.guest.reading {
            Reading::Slow(most) => self.rng.u64(1..=most),
            _ => self.rng.u64(1..10),
        };
        let is_idle = actor.part.is_done() || actor.part.is_waiting();
        let writes_on = !peer.outbox.is_empty() || !is_idle;
        let leaves =
            actor.guest.leaving == Leaving::WhenDone && actor.part.is_done() && !peer.outbox.is_ending();
        let arrival = self.world.arrival_at(peer.socket()).filter(|_| peer.reads);
        let next = match arrival {
            _ if writes_on || leaves => now + pause,
            Some(at) => at.max(now) + pause,
            // Looks again soon, because later something may have come.
            None => now + 20,
        };
        actor.next_at = match actor.guest.leaving {
            Leaving::Reset(at) => next.min(at.max(now + 1)),
            _ => next,
        };
    }

    /// A client that reads at once is not disconnected. It waits for others no longer than they may
    /// take.
    fn check_delays(&self) {
        if self.has_jumped {
            return;
        }
        let config = &self.plan.setup.config;
        let lagging = |actor: &&Actor| actor.guest.reading != Reading::Prompt;
        let laggards = self.actors.iter().filter(lagging).count() as u64;
        // One may begin to lag when another has just been cut.
        let mut patience_ms = u64::from(config.grace_ms) * laggards + SLACK_MS + self.rate_ms();
        if self.plan.weather.loses_pages {
            // One that is behind says nothing while it waits for a page.
            patience_ms += PAGE_MS;
        }
        let is_any_slow = self.actors.iter().filter(lagging).any(Actor::can_finish);
        for actor in self.actors.iter().filter(|actor| actor.guest.reading == Reading::Prompt) {
            let Some(peer) = &actor.peer else { continue };
            let who = (actor.guest.protocol, actor.id);
            let ms_since = |since: Option<u64>| since.map_or(0, |since| self.world.now() - since);
            let waits = ms_since(self.world.all_waiting_since(peer.socket()));
            assert!(waits <= patience_ms, "{who:?} waits for {waits} ms, in which nobody is served");
            // A client that reads a little at a time sets the pace for all, and others may have the
            // next turn.
            let waits = if is_any_slow { 0 } else { ms_since(self.world.waiting_since(peer.socket())) };
            assert!(waits <= patience_ms, "{who:?} waits for {waits} ms");
            let may_end = peer.outbox.is_ending() || actor.was_refused || actor.was_reset;
            // A room does not wait for one that can have pages. If these do not come, a relay disconnects it.
            let may_lack = self.plan.weather.loses_pages && actor.guest.protocol == Protocol::Relay;
            assert!(!peer.is_closed() || may_end || may_lack || config.idle_ms.is_some(), "{who:?} is cut");
        }
    }

    // --- Without faults ---

    fn rest(&mut self) {
        self.ledger.has_begun = true;
        self.plan.has_jumps = false;
        self.plan.weather = Weather { is_choppy: false, ..self.plan.weather };
        self.world.set_weather(self.plan.weather);
        for actor in &mut self.actors {
            actor.guest.reading = Reading::Prompt;
            actor.next_at = self.world.now();
        }
        // Resets that are planned for later still come, within this time.
        self.has_jumped = true;
        // A client that is idle for too long has gone by then.
        let idle_ms = u64::from(self.plan.setup.config.idle_ms.unwrap_or(0));
        // Pages take their time.
        let pages_ms = if self.plan.setup.config.keeps_records { 2 * REST_MS } else { 0 };
        self.pass(self.lines_left_ms() + 2 * idle_ms + pages_ms + REST_MS);
    }

    /// How long the stalled clients still need at their rate.
    fn lines_left_ms(&self) -> u64 {
        self.actors.iter().map(|actor| u64::from(actor.guest.lines) * self.rate_ms() / 20).max().unwrap_or(0)
    }

    /// How long the rate may delay the input that is taken at once. A relay takes many lines at once.
    fn rate_ms(&self) -> u64 {
        let many = self.plan.setup.limits.line as u64 / 2;
        many * 1_000 / u64::from(self.plan.setup.listeners[0].rate.map_or(u32::MAX, |rate| rate.most))
    }

    fn pass(&mut self, ms: u64) {
        let end = self.world.now() + ms;
        while self.world.now() < end {
            self.step();
        }
    }

    fn check_rest(&self) {
        let is_unsure = |protocol: Protocol, id: usize| {
            let actor = self.actors.iter().find(|actor| actor.guest.protocol == protocol && actor.id == id);
            let may_time_out = self.plan.setup.config.idle_ms.is_some();
            !actor.is_some_and(|actor| {
                actor.is_there(&self.world) || actor.has_left_in_order() && !may_time_out
            })
        };
        let there = self.actors.iter().filter(|actor| actor.is_there(&self.world));
        for actor in there.clone() {
            let peer = actor.peer.as_ref().expect("one who is there");
            let is_at_rest = self.world.waiting_since(peer.socket()).is_none() && peer.outbox.is_empty();
            let who = (actor.guest.protocol, actor.id);
            assert!(actor.part.is_done() && is_at_rest, "{who:?} is stuck");
        }
        for actor in there.clone() {
            let protocol = actor.guest.protocol;
            actor.part.check_rest(&self.ledger, &|id| is_unsure(protocol, id));
        }
        let gone: Vec<&Guest> = self
            .actors
            .iter()
            .filter(|actor| !actor.is_there(&self.world))
            .map(|actor| &actor.guest)
            .collect();
        assert_eq!(self.world.count(), there.count(), "the slots of those who left are free: {gone:?}");
    }

    fn leave(&mut self) {
        for actor in &mut self.actors {
            if let Some(peer) = actor.peer.as_mut().filter(|peer| !peer.is_closed()) {
                peer.outbox.extend(actor.part.farewell().bytes());
                peer.outbox.end();
                actor.next_at = self.world.now();
            }
        }
        self.pass(REST_MS / 4);
        assert_eq!(self.world.count(), 0, "everybody has left");
    }

    /// Every slot can be used again, and is free again at the end.
    fn fill_and_shut_down(&mut self) {
        let conns = self.plan.setup.limits.conns;
        let mut peers: Vec<Peer> =
            (0..=conns).map(|_| Peer::connect(&mut self.world, ListenerId(0), 100, 10_000)).collect();
        self.pass(1_000);
        let held = peers.iter().filter(|peer| self.world.is_held(peer.socket())).count();
        assert_eq!((held, self.world.count()), (conns, conns), "as many get in as there are slots");
        self.world.shut_down();
        let flush_ms = u64::from(self.plan.setup.config.flush_ms);
        for _ in 0..flush_ms / 10 + 10 {
            self.pass(10);
            for peer in &mut peers {
                peer.receive(&mut self.world, usize::MAX);
            }
        }
        assert_eq!(self.world.count(), 0, "everybody is closed");
    }

    /// Checks that the driver's work is in proportion to the events.
    fn check_effort(&self) {
        let Counters { turns, ticks, named, acts } = self.world.counters();
        assert!(turns <= acts + ticks, "{turns} turns for {acts} acts and {ticks} ticks");
        assert!(ticks <= 3 * acts + 100, "{ticks} ticks for {acts} acts");
        let conns = self.plan.setup.limits.conns as u64;
        assert!(named <= (conns + 2) * (acts + ticks), "{named} connections named for {acts} acts");
    }
}
