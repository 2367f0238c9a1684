//! The driver: a hub, its sockets and a poller in one thread. It moves bytes
//! and closes what it is asked to close; it decides nothing that the hub can.
//! This file owns its turns; `newcomers` has what is done for those who come, `link`
//! for a connection, `operator` for the one that has no socket.
//!
//! A turn waits until something is ready, reads from those that are, accepts
//! newcomers, and then asks the hub which connections changed: to each that has
//! something it writes once, at once. Only what a socket does not take is left to
//! the poller. A turn that has taken long enough ends, and the next one goes on: it begins
//! with the connection that the last one did not come to, or whose room was full by then.

mod link;
mod newcomers;
mod operator;

use std::io::{self, Read};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant as Clock};

use parlour_core::{ConnId, Event, Hub, Instant, ListenerId};
use socket2::Socket;

use self::link::{Link, READ_SIZE};
use self::operator::Operator;
use super::access::Access;
use super::console::Console;
use super::gate::Gate;
use super::listener::Listener;
use crate::poll::Poller;

/// How long a turn may take, and how much of it reading. All that is done between two looks at
/// the clock takes a few milliseconds at the most.
const TURN: Duration = Duration::from_millis(10);
const READING: Duration = Duration::from_millis(6);
/// Connections that are read, or written to, between two looks at the clock.
const BETWEEN_LOOKS: usize = 16;
/// How often those that are not read are looked at, whether their peers are still there. Those
/// that were gone at the last look are let go of.
const SWEEP_PAUSE: Duration = Duration::from_millis(400);
/// Connections that are looked at so in one turn at the most.
const SWEPT: usize = 1024;
/// How long the end may take: the hub's own 3 s for its connections, standard
/// output among them, and a second for the peers to close theirs.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(4);

/// What a watched descriptor is.
#[derive(Clone, Copy, Debug)]
enum Target {
    Nothing,
    Signals,
    ConsoleInput,
    ConsoleOutput,
    Listener(usize),
    Conn(ConnId),
}

/// The parts of a server that the command line decides on.
#[derive(Debug)]
pub(crate) struct Parts {
    /// In the order of the hub's listeners.
    pub(crate) listeners: Vec<Listener>,
    pub(crate) access: Access,
    pub(crate) gate: Gate<Newcomer>,
    /// With the hub's listener for it.
    pub(crate) console: Option<(Console, ListenerId)>,
    /// Whether the console shows what is said.
    pub(crate) watch: bool,
    /// Gets a byte for each signal that is to end the server.
    pub(crate) signals: std::os::unix::net::UnixStream,
}

/// Somebody who has connected.
#[derive(Debug)]
pub(crate) struct Newcomer {
    listener: ListenerId,
    socket: Socket,
    peer: Option<IpAddr>,
}

/// A server that is running.
pub(crate) struct Server<'a, P> {
    hub: Hub<'a>,
    poller: P,
    started: Clock,
    now: Instant,
    /// By the hub's number; `None` once it is closed.
    listeners: Vec<Option<Listener>>,
    access: Access,
    gate: Gate<Newcomer>,
    operator: Option<Operator>,
    signals: std::os::unix::net::UnixStream,
    /// By slot.
    links: Vec<Option<Link>>,
    /// Bytes of memory that leftovers take.
    left_over: usize,
    /// Links whose sockets are not read now; when they are looked at, and from which slot on.
    unread: usize,
    sweep_at: Option<Clock>,
    sweep_from: usize,
    /// With which descriptors the next turn begins to read and to write.
    read_first: Option<RawFd>,
    write_first: Option<RawFd>,
    /// When this turn has taken long enough.
    turn_ends: Clock,
    /// By descriptor.
    targets: Vec<Target>,
    ready: Vec<RawFd>,
    buffer: Vec<u8>,
    /// When accepting is tried again after it failed for want of descriptors.
    starved_until: Option<Clock>,
    /// Nobody was accepted since that was said.
    is_starved: bool,
    /// When the end has taken long enough.
    give_up_at: Option<Clock>,
}

impl<'a, P: Poller> Server<'a, P> {
    pub(crate) fn new(hub: Hub<'a>, poller: P, parts: Parts) -> Self {
        let Parts { listeners, access, gate, console, watch, signals } = parts;
        let mut server = Self {
            hub,
            poller,
            started: Clock::now(),
            now: Instant::default(),
            listeners: listeners.into_iter().map(Some).collect(),
            access,
            gate,
            operator: None,
            signals,
            links: Vec::new(),
            left_over: 0,
            unread: 0,
            sweep_at: None,
            sweep_from: 0,
            read_first: None,
            write_first: None,
            turn_ends: Clock::now() + TURN,
            targets: Vec::new(),
            ready: Vec::new(),
            buffer: vec![0; READ_SIZE],
            starved_until: None,
            is_starved: false,
            give_up_at: None,
        };
        server.watch(server.signals.as_raw_fd(), Target::Signals, true, false);
        server.watch_listeners(true);
        if let Some((console, listener)) = console {
            server.open_console(console, listener, watch);
        }
        server
    }

    /// Serves until the hub has ended, or a second signal wants it at once.
    ///
    /// # Errors
    /// Those of the poller, which are bugs.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut signals = 0;
        loop {
            if self.hub.is_shutting_down() {
                // Before anybody is told: whoever hears it may start a successor.
                self.close_listeners();
            }
            let is_settled = self.settle();
            if self.hub.is_shutting_down() && (signals > 1 || self.has_ended()) {
                self.operator.iter().for_each(Operator::finish);
                return Ok(());
            }
            let timeout = if is_settled { self.timeout() } else { Some(Duration::ZERO) };
            self.poller.wait(timeout)?;
            self.turn_ends = self.read_clock() + TURN;
            self.note_writable();
            self.read_ready(&mut signals);
            let now = self.read_clock();
            self.handle(Event::Tick);
            self.write_ready();
            if self.starved_until.is_some_and(|until| until <= now) {
                self.starved_until = None;
                self.watch_listeners(true);
            }
            while let Some(newcomer) = self.gate.enter(now) {
                self.welcome(newcomer);
            }
            if self.sweep_at.is_some_and(|at| at <= now) {
                self.sweep(now);
            }
        }
    }

    /// All that happens until the next call of this happens at the same time for the hub:
    /// to read the clock for every event costs more than most events.
    fn read_clock(&mut self) -> Clock {
        let now = Clock::now();
        self.now = Instant::from_millis((now - self.started).as_millis() as u64);
        now
    }

    fn handle(&mut self, event: Event<'_>) -> parlour_core::Outcome {
        self.hub.handle(self.now, event)
    }

    fn timeout(&self) -> Option<Duration> {
        let deadline = self.hub.next_deadline().map(|at| Duration::from_millis(at.as_millis()));
        let deadline = deadline.map(|at| at.saturating_sub(self.started.elapsed()));
        let clocks = [self.starved_until, self.give_up_at, self.sweep_at, self.gate.next_at()];
        let clocks = clocks.into_iter().flatten();
        let clocks = clocks.map(|until| until.saturating_duration_since(Clock::now()));
        deadline.into_iter().chain(clocks).min()
    }

    /// Whether nothing is left to do: no connection, and nothing for standard
    /// output; or whether it took too long.
    fn has_ended(&mut self) -> bool {
        let give_up_at = *self.give_up_at.get_or_insert_with(|| Clock::now() + SHUTDOWN_PATIENCE);
        let is_pending = self.operator.as_ref().is_some_and(Operator::is_pending);
        self.hub.count() == 0 && !is_pending || give_up_at <= Clock::now()
    }

    fn watch(&mut self, fd: RawFd, target: Target, read: bool, write: bool) {
        let index = fd as usize;
        if index >= self.targets.len() {
            self.targets.resize(index + 1, Target::Nothing);
        }
        self.targets[index] = target;
        self.poller.watch(fd, read, write);
    }

    /// Comes before the descriptor is closed.
    fn unwatch(&mut self, fd: RawFd) {
        self.targets[fd as usize] = Target::Nothing;
        self.poller.unwatch(fd);
    }

    // --- A turn ---

    /// Notes whose sockets take bytes again. They are written to when what was read
    /// has been acted on, so that it goes out with the rest.
    fn note_writable(&mut self) {
        self.ready.clear();
        self.ready.extend(self.poller.writable());
        for index in 0..self.ready.len() {
            if let Target::Conn(id) = self.targets[self.ready[index] as usize]
                && let Some(link) = self.link(id)
            {
                link.is_full = false;
            }
        }
    }

    /// Writes to all whose sockets take bytes again, as far as time allows.
    fn write_ready(&mut self) {
        self.ready.clear();
        self.ready.extend(self.poller.writable());
        begin_with(&mut self.ready, self.write_first.take());
        for index in 0..self.ready.len() {
            match self.targets[self.ready[index] as usize] {
                Target::Conn(_) if self.write_first.is_some() => {}
                Target::Conn(id) => {
                    self.service(id);
                    if self.is_late(index, self.turn_ends) {
                        self.write_first = Some(self.ready[index] + 1);
                    }
                }
                Target::ConsoleOutput => self.flush_console(),
                Target::Nothing | Target::Signals | Target::ConsoleInput | Target::Listener(_) => {}
            }
        }
    }

    /// Whether, now that so many connections were looked at, it is later than that.
    fn is_late(&self, index: usize, than: Clock) -> bool {
        index % BETWEEN_LOOKS == BETWEEN_LOOKS - 1 && Clock::now() > than
    }

    /// Reads from all that are ready, as far as time allows; newcomers come last, so that no
    /// descriptor that was closed in this turn is read from for somebody else.
    fn read_ready(&mut self, signals: &mut u32) {
        self.ready.clear();
        self.ready.extend(self.poller.readable());
        begin_with(&mut self.ready, self.read_first.take());
        let until = self.turn_ends - TURN + READING;
        let mut is_late = false;
        for index in 0..self.ready.len() {
            let fd = self.ready[index];
            match self.targets[fd as usize] {
                Target::Conn(_) if is_late => {}
                Target::Conn(id) => {
                    self.read(id);
                    if self.is_late(index, until) {
                        is_late = true;
                        self.read_first = Some(fd + 1);
                    }
                }
                Target::ConsoleInput => self.read_console(),
                Target::Signals => *signals += self.take_signals(),
                Target::ConsoleOutput | Target::Listener(_) | Target::Nothing => {}
            }
        }
        for index in 0..self.ready.len() {
            if let Target::Listener(listener) = self.targets[self.ready[index] as usize] {
                self.accept(listener);
            }
        }
    }

    /// Does what the changed connections ask for, until none does any more, or the turn has taken
    /// long enough; says whether all is done.
    fn settle(&mut self) -> bool {
        let mut count = 0;
        while let Some(id) = self.hub.next_changed() {
            if self.operator.as_ref().is_some_and(|operator| operator.is(id)) {
                self.service_console(id);
            } else {
                self.service(id);
            }
            if self.is_late(count, self.turn_ends) {
                return false;
            }
            count += 1;
        }
        true
    }

    fn take_signals(&mut self) -> u32 {
        let mut bytes = [0; 16];
        let count = self.signals.read(&mut bytes).unwrap_or(0) as u32;
        if count > 0 {
            tracing::info!("shutting down");
            self.handle(Event::Shutdown);
        }
        count
    }
}

/// Puts those from a descriptor on before the others.
fn begin_with(ready: &mut [RawFd], first: Option<RawFd>) {
    if let Some(first) = first {
        ready.sort_unstable();
        let at = ready.partition_point(|fd| *fd < first);
        ready.rotate_left(at);
    }
}
