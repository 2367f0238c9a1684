//! A hub on a simulated network: an honest driver in virtual time.
//!
//! It does no more than the contract asks of a driver. It looks only at connections that the hub named
//! or whose socket became ready, and ticks only when the deadline has come. So it panics if the hub
//! does not tell of a change, or if a deadline comes too late or again and again.

use parlour_core::{Cause, Close, ConnId, Input, Instant, Interest, ListenerId, Output};
use parlour_trace::Taped;

use super::counters::Counters;
use super::net::{Read, Socket, SocketId};
use super::recording::Recorder;
use super::store::Store;
use super::weather::Weather;
use crate::hub::{HubMemory, Setup};

/// Bytes that are read at once at the most.
pub const READ_SIZE: usize = 4096;
/// Ticks in a row at one instant at the most: one deadline may lead to another.
const TICKS_AT_ONCE: u32 = 4;
/// How long after a reset the client's earlier input may still be taken, in ms. It is the longest time
/// that the host's driver needs to look twice.
const GHOST_MS: u64 = 800;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Backlog(ListenerId),
    Open(ConnId),
    Gone,
}

/// A connection as the driver sees it.
#[derive(Debug)]
struct Link {
    id: ConnId,
    listener: ListenerId,
    socket: SocketId,
    /// Input that the hub did not take yet.
    leftover: Vec<u8>,
    is_full: bool,
    is_shut: bool,
    /// Sending failed: all output is lost from now on.
    is_broken: bool,
    has_ended: bool,
    /// The hub's interest when it was last asked.
    wants: Interest,
    /// Since when there is input of which the hub takes nothing.
    waiting_since: Option<u64>,
    /// When the driver lets go of it if its input is still unread. Its client has reset it.
    gives_up_at: Option<u64>,
}

impl Link {
    fn is_read(&self) -> bool {
        self.wants.read > 0 && self.leftover.is_empty()
    }
}

/// The hub, its driver and its network.
#[derive(Debug)]
pub struct World<'a> {
    pub(super) hub: Taped<'a, Recorder>,
    now: u64,
    rng: fastrand::Rng,
    weather: Weather,
    sockets: Vec<(State, Socket)>,
    /// Those of them that are not accepted yet.
    backlog: Vec<SocketId>,
    /// By slot.
    links: Vec<Option<Link>>,
    buffer: Vec<u8>,
    counters: Counters,
    /// What was said before, if the driver keeps it.
    store: Option<Store>,
    /// By listener: when the hub last took something from one of its connections.
    taken_at: Vec<u64>,
}

impl<'a> World<'a> {
    /// A hub that nobody is connected to, at time 0.
    pub fn new(memory: &'a mut HubMemory<'a>, setup: &Setup, weather: Weather, seed: u64) -> Self {
        let mut hub = Taped::new(memory.hub(setup));
        let store = setup.config.keeps_records.then(|| Store::new(&mut hub, weather.loses_pages));
        let links = (0..setup.limits.conns).map(|_| None).collect();
        let (counters, taken_at) = (Counters::default(), vec![0; setup.listeners.len()]);
        Self {
            hub,
            now: 0,
            rng: fastrand::Rng::with_seed(seed),
            weather,
            sockets: Vec::new(),
            backlog: Vec::new(),
            links,
            buffer: Vec::new(),
            counters,
            store,
            taken_at,
        }
    }

    /// The virtual time, in ms.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Lets time pass at once, as when the whole machine was asleep.
    pub fn jump_to(&mut self, now: u64) {
        self.now = self.now.max(now);
    }

    /// Changes how the network behaves from now on.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// What the driver has done.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Connections in the hub's table.
    pub fn count(&self) -> usize {
        self.hub.count()
    }

    /// Asks the hub to end.
    pub fn shut_down(&mut self) {
        self.handle(Input::Shutdown);
        self.settle();
    }

    // --- The clients' side ---

    /// Connects to a listener, over pipes of these capacities.
    pub fn connect(&mut self, listener: ListenerId, up: usize, down: usize) -> SocketId {
        let socket = self.sockets.len();
        self.sockets.push((State::Backlog(listener), Socket::new(up, down)));
        self.backlog.push(socket);
        socket
    }

    /// Sends the part of `bytes` that the connection takes now, and returns its length.
    pub fn send(&mut self, socket: SocketId, bytes: &[u8]) -> usize {
        let at = self.arrival();
        self.sockets[socket].1.up.write(at, bytes)
    }

    /// Ends the client's sending direction.
    pub fn finish(&mut self, socket: SocketId) {
        let at = self.arrival();
        self.sockets[socket].1.up.finish(at);
    }

    /// Breaks the connection from the client's side.
    pub fn reset(&mut self, socket: SocketId) {
        let keeps_sent = self.rng.bool();
        self.sockets[socket].1.reset(keeps_sent);
        let at = self.now + GHOST_MS;
        if let Some(link) = self.conn(socket).and_then(|id| self.link(id)) {
            link.gives_up_at = Some(at);
        }
    }

    /// Reads up to `most` bytes that have come for the client.
    pub fn receive(&mut self, socket: SocketId, most: usize, into: &mut Vec<u8>) -> Read {
        self.sockets[socket].1.down.read(self.now, most, into)
    }

    /// When there is something to read for the client.
    pub fn arrival_at(&self, socket: SocketId) -> Option<u64> {
        self.sockets[socket].1.down.arrival()
    }

    /// Since when the hub takes none of the client's input.
    pub fn waiting_since(&self, socket: SocketId) -> Option<u64> {
        self.links[self.conn(socket)?.slot()].as_ref().and_then(|link| link.waiting_since)
    }

    /// Since when the hub takes no input of any client at the listener of this connection.
    pub fn all_waiting_since(&self, socket: SocketId) -> Option<u64> {
        let listener = usize::from(self.links[self.conn(socket)?.slot()].as_ref()?.listener.0);
        self.waiting_since(socket).map(|since| since.max(self.taken_at[listener]))
    }

    /// Whether the hub holds the connection.
    pub fn is_held(&self, socket: SocketId) -> bool {
        self.conn(socket).is_some()
    }

    pub(super) fn conn(&self, socket: SocketId) -> Option<ConnId> {
        if let State::Open(id) = self.sockets[socket].0 { Some(id) } else { None }
    }

    fn arrival(&mut self) -> u64 {
        self.now + self.rng.u64(..=self.weather.delay_ms)
    }

    // --- The driver ---

    /// When the driver has something to do, if no client does anything before.
    pub fn next_turn_at(&self) -> Option<u64> {
        let deadline = self.hub.next_deadline().map(Instant::as_millis);
        let arrivals = self.links.iter().flatten().filter_map(|link| {
            let socket = &self.sockets[link.socket].1;
            if Self::is_writable(link, socket) {
                Some(0)
            } else if link.is_read() {
                socket.up.arrival()
            } else {
                link.gives_up_at
            }
        });
        let backlog = (!self.backlog.is_empty()).then_some(0);
        let page = self.store.as_ref().and_then(|store| store.next_at(&self.hub));
        deadline.into_iter().chain(arrivals).chain(backlog).chain(page).min().map(|at| at.max(self.now))
    }

    /// Does everything that is due at this time.
    pub fn run(&mut self) {
        let mut ticks = 0;
        while self.next_turn_at().is_some_and(|at| at <= self.now) {
            let before = self.counters;
            self.turn();
            let (acts, ticked) = (self.counters.acts - before.acts, self.counters.ticks - before.ticks);
            ticks = if acts == 0 { ticks + ticked } else { 0 };
            assert!(acts + ticked > 0, "a turn in which nothing could be done: the driver would spin");
            assert!(ticks <= u64::from(TICKS_AT_ONCE), "the deadline stays at {} for ever", self.now);
        }
    }

    fn turn(&mut self) {
        self.counters.turns += 1;
        let is_due = self.hub.next_deadline().is_some_and(|at| at.as_millis() <= self.now);
        let mut slots: Vec<usize> =
            (0..self.links.len()).filter(|&slot| self.links[slot].is_some()).collect();
        if self.weather.is_choppy {
            self.rng.shuffle(&mut slots);
        }
        for slot in slots {
            self.look_if_ready(slot);
        }
        for socket in std::mem::take(&mut self.backlog) {
            if let State::Backlog(listener) = self.sockets[socket].0 {
                self.accept(socket, listener);
            }
        }
        if is_due {
            self.counters.ticks += 1;
            self.hub.handle(Instant::from_millis(self.now), Input::Tick);
        }
        if let Some(store) = &mut self.store {
            self.counters.acts += store.keep(&mut self.hub, self.now);
            self.counters.acts += store.answer(&mut self.hub, self.now, &mut self.rng);
        }
        self.settle();
    }

    fn look_if_ready(&mut self, slot: usize) {
        let Some(link) = &mut self.links[slot] else { return };
        let (id, socket) = (link.id, &self.sockets[link.socket].1);
        let reads = link.is_read() && socket.up.is_readable(self.now);
        let gives_up = !link.is_read() && link.gives_up_at.is_some_and(|at| at <= self.now);
        if Self::is_writable(link, socket) {
            link.is_full = false;
            self.service(id);
        }
        if reads {
            self.read(id);
        } else if gives_up {
            self.fail(id);
        }
    }

    fn is_writable(link: &Link, socket: &Socket) -> bool {
        link.wants.write && link.is_full && (socket.down.free() > 0 || socket.down.is_broken())
    }

    /// The time that the hub is told. Clocks that go back a little do no harm.
    fn input_at(&mut self) -> Instant {
        let back = if self.rng.u8(..) == 0 { self.rng.u64(..3) } else { 0 };
        Instant::from_millis(self.now.saturating_sub(back))
    }

    fn handle(&mut self, event: Input<'_>) -> parlour_core::Answer {
        let at = self.input_at();
        self.hub.handle(at, event)
    }

    /// Serves the changed connections until there are none.
    fn settle(&mut self) {
        let start = self.counters;
        while let Some(output) = self.hub.next_output() {
            let conn = match output {
                Output::Changed { conn } => conn,
                Output::Wanted(wanted) => {
                    let store = self.store.as_mut().expect("only a store is asked for pages");
                    store.want(wanted, self.now, &mut self.rng);
                    continue;
                }
                // The store reads once in each turn.
                _ => continue,
            };
            self.counters.named += 1;
            let (named, acts) = (self.counters.named - start.named, self.counters.acts - start.acts);
            // Any event may concern every client.
            let enough = 4 * (self.links.len() as u64 + 1) * (acts + 4);
            assert!(named <= enough, "connections are named without end: {named} times after {acts} acts");
            self.service(conn);
        }
        // If a tick is already due, it may change more connections.
        let is_settled = self.hub.next_deadline().is_none_or(|at| at.as_millis() > self.now);
        for slot in 0..self.links.len() {
            if is_settled {
                self.check_named(slot);
            }
            self.note_waiting(slot);
        }
    }

    /// A connection that was not named needs no look: nothing it wants may have changed.
    fn check_named(&self, slot: usize) {
        let Some(link) = &self.links[slot] else { return };
        let now = self.hub.interest(link.id);
        let shown = |interest: Interest| (interest.read > 0, interest.write, interest.close);
        assert_eq!(shown(now), shown(link.wants), "slot {slot} changed and was not named (now, last seen)");
        let waits_for_write = link.is_full && !link.is_broken;
        assert!(!now.write || waits_for_write, "slot {slot} has bytes to send and was not named");
        assert!(now.read == 0 || link.leftover.is_empty(), "slot {slot} takes input and was not named");
    }

    fn note_waiting(&mut self, slot: usize) {
        let Some(link) = &mut self.links[slot] else { return };
        let has_input = !link.leftover.is_empty() || self.sockets[link.socket].1.up.has_bytes(self.now);
        link.waiting_since = has_input.then(|| link.waiting_since.unwrap_or(self.now));
    }

    fn accept(&mut self, socket: SocketId, listener: ListenerId) {
        self.counters.acts += 1;
        // It may be gone before it was accepted.
        let gives_up_at = self.sockets[socket].1.down.is_broken().then_some(self.now + GHOST_MS);
        match self.handle(Input::Accepted { listener, peer: None }).opened() {
            Ok(id) => {
                self.sockets[socket].0 = State::Open(id);
                let taken = self.links[id.slot()].replace(Link {
                    id,
                    listener,
                    socket,
                    leftover: Vec::new(),
                    is_full: false,
                    is_shut: false,
                    is_broken: false,
                    has_ended: false,
                    wants: Interest { read: 0, write: false, close: Close::No },
                    waiting_since: None,
                    gives_up_at,
                });
                assert!(taken.is_none(), "slot {} was given twice", id.slot());
            }
            Err(refusal) => {
                let text = self.hub.refusal_text(listener, refusal);
                let (state, socket) = &mut self.sockets[socket];
                *state = State::Gone;
                socket.down.write(self.now, text.as_bytes());
                socket.down.finish(self.now);
                socket.up.close_reader();
            }
        }
    }

    fn link(&mut self, id: ConnId) -> Option<&mut Link> {
        self.links[id.slot()].as_mut().filter(|link| link.id == id)
    }

    fn read(&mut self, id: ConnId) {
        let appetite = self.hub.interest(id).read;
        let Some(link) = self.links[id.slot()].as_mut().filter(|link| link.id == id) else { return };
        if appetite == 0 || !link.leftover.is_empty() {
            return self.service(id);
        }
        // Half of the drivers read all input, even if the hub wants less.
        let most = if self.rng.bool() { appetite.min(READ_SIZE) } else { READ_SIZE };
        let most = if self.weather.is_choppy { self.rng.usize(1..=most) } else { most };
        let (mut buffer, is_broken) = (std::mem::take(&mut self.buffer), link.is_broken);
        buffer.clear();
        match self.sockets[link.socket].1.up.read(self.now, most, &mut buffer) {
            Read::Bytes(_) => {
                let rest = self.offer(id, &buffer);
                if let Some(link) = self.link(id) {
                    link.leftover.extend_from_slice(&buffer[rest..]);
                }
            }
            Read::End if is_broken => self.fail(id),
            Read::End => {
                link.has_ended = true;
                self.counters.acts += 1;
                self.handle(Input::PeerClosed { conn: id });
            }
            Read::Broken => self.fail(id),
            Read::Nothing => {}
        }
        self.buffer = buffer;
    }

    /// Offers input that the hub wants, and returns how much it took.
    fn offer(&mut self, id: ConnId, bytes: &[u8]) -> usize {
        let taken = self.handle(Input::Received { conn: id, bytes }).taken();
        assert!(taken <= bytes.len(), "more taken than offered");
        assert!(taken > 0, "slot {} wanted input and took nothing of {}", id.slot(), bytes.len());
        self.counters.acts += 1;
        let now = self.now;
        if let Some(link) = self.link(id) {
            link.waiting_since = None;
            let listener = usize::from(link.listener.0);
            self.taken_at[listener] = now;
        }
        taken
    }

    /// Does what the hub wants with a connection.
    fn service(&mut self, id: ConnId) {
        let appetite = self.hub.interest(id).read;
        if let Some(link) = self.link(id)
            && appetite > 0
            && !link.leftover.is_empty()
        {
            let mut leftover = std::mem::take(&mut link.leftover);
            let taken = self.offer(id, &leftover);
            leftover.drain(..taken);
            if let Some(link) = self.link(id) {
                link.leftover = leftover;
            }
        }
        if self.hub.interest(id).write {
            self.write(id);
        }
        let interest = self.hub.interest(id);
        let Some(link) = self.link(id) else { return };
        link.wants = interest;
        let (socket, was_shut) = (link.socket, link.is_shut);
        match interest.close {
            Close::No => {}
            Close::Write => {
                link.is_shut = true;
                if !was_shut {
                    let at = self.arrival();
                    self.sockets[socket].1.down.finish(at);
                }
            }
            Close::Full => {
                let at = self.arrival();
                self.sockets[socket].1.down.finish(at);
                self.let_go(id, Input::Closed { conn: id });
            }
            Close::Abort => {
                self.sockets[socket].1.down.break_off(false);
                self.let_go(id, Input::Closed { conn: id });
            }
        }
    }

    fn write(&mut self, id: ConnId) {
        let Some(link) = self.links[id.slot()].as_ref().filter(|link| link.id == id && !link.is_full) else {
            return;
        };
        let (socket, is_broken) =
            (link.socket, link.is_broken || self.sockets[link.socket].1.down.is_broken());
        if is_broken && link.has_ended {
            return self.fail(id);
        }
        let (mut lent, at, now) = (0, self.arrival(), self.input_at());
        let (down, rng, is_choppy) =
            (&mut self.sockets[socket].1.down, &mut self.rng, self.weather.is_choppy);
        let sent = self.hub.send(now, id, |transmit| {
            let bytes = transmit.collect::<Vec<_>>().concat();
            lent = bytes.len();
            assert!(lent > 0, "slot {} wanted to send and had nothing", id.slot());
            let part = if is_choppy { rng.usize(1..=lent) } else { lent };
            if is_broken { lent } else { down.write(at, &bytes[..part]) }
        });
        self.counters.acts += u64::from(sent > 0);
        if let Some(link) = self.link(id) {
            (link.is_full, link.is_broken) = (sent < lent, is_broken);
        }
    }

    fn fail(&mut self, id: ConnId) {
        self.let_go(id, Input::Failed { conn: id, cause: Cause::Reset });
    }

    fn let_go(&mut self, id: ConnId, event: Input<'_>) {
        let Some(link) = self.links[id.slot()].take() else { return };
        self.counters.acts += 1;
        let (state, socket) = &mut self.sockets[link.socket];
        *state = State::Gone;
        socket.up.close_reader();
        self.handle(event);
    }
}
