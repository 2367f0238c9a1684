//! The driver: a hub, its sockets and a poller in one thread. It moves bytes, and closes what the hub
//! asks it to close. It leaves every decision to the hub. This file owns the turns. `door` lets
//! newcomers in, `links` has the connected clients, `operator` has the console, which has no socket,
//! and `base` has what all of them share.
//!
//! A turn waits until something is ready. It reads from every ready connection and accepts newcomers.
//! Then it asks the hub which connections changed, and writes once to each that has output. Only what
//! a socket does not take is left to the poller. A turn ends when its time is up. The next turn begins
//! with the first connection that had no turn, or whose room was full.

mod absents;
mod base;
mod door;
mod keeper;
mod knock;
mod leftover;
mod link;
mod links;
mod newcomer;
mod operator;
mod proposed;
mod session;
mod sessions;
mod wall_clock;

use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant as Clock};

use parlour_core::{Config, ConnId, Hub, Input, ListenerId, Output, Stats};
use parlour_journal::Forgot;

use self::base::{Base, Target, Waiters};
use self::door::Door;
pub(super) use self::keeper::Open as OpenJournal;
use self::links::Links;
use self::newcomer::Newcomer;
use self::operator::Operator;
use super::access::Access;
use super::console::Console;
use super::forget;
use super::gate::Gate;
use super::listener::Listener;
use super::manager::Manager;
use super::recording::Recording;
use super::reload::{self, Reader, Reread};
use super::report::Report;
use super::signals::Signals;
use crate::poll::Poller;

/// How long a turn may take, and how much of that reading may take. The work between two looks at
/// the clock takes a few milliseconds at most.
const TURN: Duration = Duration::from_millis(10);
const READING: Duration = Duration::from_millis(6);
/// How many connections are read or written between two looks at the clock.
const BETWEEN_LOOKS: usize = 16;
/// How long the shutdown may take. The hub has 3 s for its connections and for standard output. The
/// peers have another second to close.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(4);

/// The parts of a server that the command line decides on.
pub(crate) struct Parts<'a> {
    /// In the order of the hub's listeners.
    pub(crate) listeners: Vec<Listener>,
    /// Those of the chat.
    pub(crate) chats: Vec<ListenerId>,
    pub(crate) access: Access,
    pub(crate) gate: Gate<Newcomer>,
    pub(crate) report: Report,
    pub(crate) manager: Manager,
    /// The console, and the hub's listener for it.
    pub(crate) console: Option<(Box<dyn Console>, ListenerId)>,
    /// Whether the console shows what is said.
    pub(crate) watch: bool,
    pub(crate) journal: Option<OpenJournal>,
    pub(crate) recording: Option<Recording>,
    /// How long a client whose connection has broken may take to come back; `None`: it cannot.
    pub(crate) resume_window: Option<Duration>,
    pub(crate) signals: Signals,
    /// Reads the options again.
    pub(crate) reader: Option<Reader<'a>>,
    /// What the hub was made with.
    pub(crate) config: Config<'a>,
}

/// A server that is running.
pub(crate) struct Server<'a, P> {
    base: Base<'a, P>,
    links: Links,
    door: Door,
    operator: Option<Operator>,
    manager: Manager,
    signals: Signals,
    reader: Option<Reader<'a>>,
    config: Config<'a>,
    /// How many signals came.
    signal_count: usize,
    /// The hub's counts when all changed connections were last served.
    seen: Stats,
    /// The descriptors with which the next turn begins to read and to write.
    read_first: Option<RawFd>,
    write_first: Option<RawFd>,
    /// When this turn has taken long enough.
    turn_ends: Clock,
    ready: Vec<RawFd>,
    /// When the shutdown has taken long enough.
    give_up_at: Option<Clock>,
}

impl<'a, P: Poller> Server<'a, P> {
    pub(crate) fn new(hub: Hub<'a>, poller: P, parts: Parts<'a>) -> Self {
        let Parts {
            listeners,
            chats,
            access,
            gate,
            report,
            manager,
            console,
            watch,
            journal,
            recording,
            resume_window,
            signals,
            reader,
            config,
        } = parts;
        let mut base = Base::new(hub, poller, report, recording);
        base.watch(signals.end.as_raw_fd(), Target::Signals, true, false);
        if let Some(reload) = &signals.reload {
            base.watch(reload.as_raw_fd(), Target::Reload, true, false);
        }
        if let Some(journal) = journal {
            base.keep(journal);
        }
        let door = Door::new(listeners, chats, access, gate);
        door.watch(&mut base, true);
        let operator =
            console.and_then(|(console, listener)| Operator::open(&mut base, console, listener, watch));
        Self {
            base,
            links: Links::new(resume_window),
            door,
            operator,
            manager,
            signals,
            reader,
            config,
            signal_count: 0,
            seen: Stats::default(),
            read_first: None,
            write_first: None,
            turn_ends: Clock::now() + TURN,
            ready: Vec::new(),
            give_up_at: None,
        }
    }

    /// Serves until the hub has shut down, or until a second signal.
    ///
    /// # Errors
    /// The errors of the poller, which are bugs.
    pub(crate) fn run(mut self) -> io::Result<()> {
        self.manager.tell_ready();
        loop {
            if self.base.hub.is_shutting_down() {
                self.manager.tell_end();
                // This comes before any client is told. A client may start the next server at once.
                self.door.close(&mut self.base, &mut self.links);
                while self.links.make_place(&mut self.base, |_| true) {}
            }
            let is_settled = self.settle();
            if self.base.hub.is_shutting_down() && (self.signal_count > 1 || self.has_ended()) {
                self.base.report.tell_last_sums();
                self.operator.iter_mut().for_each(Operator::finish);
                self.base.close_journal();
                self.base.end_record();
                return Ok(());
            }
            self.base.write_record();
            let timeout = if is_settled { self.timeout() } else { Some(Duration::ZERO) };
            self.base.wait_or_keep(timeout)?;
            let now = self.base.read_clock();
            self.turn_ends = now + TURN;
            self.base.tell_time(now);
            self.note_writable();
            self.read_ready();
            let now = self.base.read_clock();
            self.base.handle(Input::Tick);
            self.write_ready();
            if self.operator.as_ref().and_then(Operator::deadline).is_some_and(|at| at <= now) {
                self.wake_operator(now);
            }
            self.door.let_in(&mut self.base, &mut self.links, now);
            self.links.sweep(&mut self.base, now);
            self.links.expire(&mut self.base, now);
            self.base.expire_keys(now);
            self.base.report.tell_sums(now);
            self.manager.tell_state(now, self.clients());
        }
    }

    fn timeout(&self) -> Option<Duration> {
        let clocks = [
            self.give_up_at,
            self.door.next_at(&self.links),
            self.links.sweep_at(),
            self.base.awaits_until(),
            self.base.report.next_at(),
            self.manager.next_at(),
            self.base.record_at(),
            self.operator.as_ref().and_then(Operator::deadline),
        ];
        let clocks = clocks.into_iter().flatten();
        let clocks = clocks.map(|until| until.saturating_duration_since(Clock::now()));
        self.base.until_deadline().into_iter().chain(clocks).min()
    }

    /// How many clients are connected. The console is none.
    fn clients(&self) -> usize {
        self.base.hub.count() - usize::from(self.operator.is_some())
    }

    /// Whether no connection and no output is left, or the shutdown took too long.
    fn has_ended(&mut self) -> bool {
        let give_up_at = *self.give_up_at.get_or_insert_with(|| Clock::now() + SHUTDOWN_PATIENCE);
        let is_pending = self.operator.as_ref().is_some_and(Operator::is_pending);
        self.base.hub.count() == 0 && !is_pending || give_up_at <= Clock::now()
    }

    /// Notes which sockets take bytes again. They are written after this turn's input was handled, so
    /// new output goes out in the same write.
    fn note_writable(&mut self) {
        self.base.writable(&mut self.ready);
        for fd in &self.ready {
            if let Target::Conn(id) = self.base.target(*fd) {
                self.links.note_writable(id);
            }
        }
    }

    /// Writes to all sockets that take bytes again, as far as time allows.
    fn write_ready(&mut self) {
        self.base.writable(&mut self.ready);
        begin_with(&mut self.ready, self.write_first.take());
        for index in 0..self.ready.len() {
            match self.base.target(self.ready[index]) {
                Target::Conn(_) if self.write_first.is_some() => {}
                Target::Conn(id) => {
                    self.links.service(&mut self.base, id);
                    if is_late(index, self.turn_ends) {
                        self.write_first = Some(self.ready[index] + 1);
                    }
                }
                Target::ConsoleOutput => {
                    self.operator.iter_mut().for_each(|operator| operator.flush(&mut self.base));
                }
                Target::Nothing
                | Target::Signals
                | Target::Reload
                | Target::ConsoleInput
                | Target::ConsoleWaker
                | Target::Journal
                | Target::Knocking
                | Target::Listener(_) => {}
            }
        }
    }

    /// Reads from all that are ready, as far as time allows. Newcomers come last: one may get a
    /// descriptor that was closed in this turn, and its input must not be taken for the old one's.
    fn read_ready(&mut self) {
        self.base.readable(&mut self.ready);
        begin_with(&mut self.ready, self.read_first.take());
        let until = self.turn_ends - TURN + READING;
        let mut has_time = true;
        for index in 0..self.ready.len() {
            let fd = self.ready[index];
            match self.base.target(fd) {
                Target::Conn(_) if !has_time => {}
                Target::Conn(id) => {
                    if self.links.read(&mut self.base, id) {
                        // The connections behind it may have found their room full.
                        self.read_first.get_or_insert(fd + 1);
                    }
                    if is_late(index, until) {
                        has_time = false;
                        self.read_first = Some(fd + 1);
                    }
                }
                Target::ConsoleInput => {
                    self.operator.iter_mut().for_each(|operator| operator.read(&mut self.base, &self.links));
                }
                Target::ConsoleWaker => self.wake_operator(Clock::now()),
                Target::Signals => self.take_signals(),
                Target::Reload => self.reload(),
                Target::Journal => {
                    match self.base.listen_to_journal() {
                        Waiters::All => self.links.service_all(&mut self.base),
                        Waiters::Some(clients) => {
                            clients.into_iter().for_each(|client| self.links.service(&mut self.base, client));
                        }
                    }
                    self.tell_forgotten();
                }
                Target::Knocking => self.door.note_knock(fd),
                Target::ConsoleOutput | Target::Listener(_) | Target::Nothing => {}
            }
        }
        for index in 0..self.ready.len() {
            if let Target::Listener(listener) = self.base.target(self.ready[index]) {
                self.door.accept(&mut self.base, &mut self.links, listener);
            }
        }
    }

    /// Serves the changed connections, and lets be said what may be said, until nothing is left or the turn's time
    /// is up. Returns whether nothing is left.
    fn settle(&mut self) -> bool {
        loop {
            if !self.serve_changed() {
                return false;
            }
            if self.base.answer_some() {
                if Clock::now() > self.turn_ends {
                    return false;
                }
                continue;
            }
            let Some(clients) = self.base.decide(self.turn_ends) else { return true };
            clients.into_iter().for_each(|client| self.links.service(&mut self.base, client));
        }
    }

    fn serve_changed(&mut self) -> bool {
        let mut count = 0;
        while let Some(output) = self.base.hub.next_output() {
            match output {
                Output::Changed { conn } => self.service(conn),
                Output::News { follower } => {
                    if !self.base.note_news(follower) {
                        self.operator.iter_mut().for_each(|operator| operator.watch(&mut self.base));
                    }
                }
                Output::Wanted(wanted) => self.base.want_page(wanted),
                // They are taken when the hub has no more to ask.
                Output::Proposals => {}
                _ => unreachable!("the hub asks for nothing else"),
            }
            if is_late(count, self.turn_ends) {
                return false;
            }
            count += 1;
        }
        self.seen = self.base.hub.stats();
        true
    }

    /// Does what the hub wants with a connection.
    fn service(&mut self, conn: ConnId) {
        match &mut self.operator {
            Some(operator) if operator.is(conn) => operator.service(&mut self.base),
            _ => {
                let stats = self.base.hub.stats();
                if stats.renamed != self.seen.renamed {
                    self.links.report_name(&mut self.base, conn);
                }
                if stats.lagged != self.seen.lagged {
                    self.links.report_skip(&mut self.base, conn);
                }
                self.links.service(&mut self.base, conn);
            }
        }
    }

    fn wake_operator(&mut self, now: Clock) {
        self.operator.iter_mut().for_each(|operator| operator.wake(&mut self.base, &self.links, now));
    }

    /// Tells the operator which clients are forgotten. The log has no names.
    fn tell_forgotten(&mut self) {
        for forgot in self.base.forgotten() {
            let lines = forget::lines(&forgot);
            self.operator.iter_mut().for_each(|operator| operator.tell(&mut self.base, &lines));
            if let Forgot::Done(clients, _) = forgot {
                tracing::info!(clients = clients.len(), "clients are forgotten in the journal");
            }
        }
    }

    /// Reads the options again. If they are right, all of them are in force, but for those that need a restart. If not,
    /// nothing changes.
    fn reload(&mut self) {
        let Some((reader, signals)) = self.reader.zip(self.signals.reload.as_mut()) else { return };
        // Several signals count as one.
        let _ = signals.read(&mut [0; 16]);
        self.manager.tell_reload();
        match reader() {
            Ok(reread) => self.apply(reread),
            Err(faults) => {
                for fault in faults {
                    tracing::error!("nothing is reloaded: {fault}");
                }
            }
        }
        self.manager.tell_ready();
    }

    fn apply(&mut self, reread: Reread) {
        for option in reread.needs_restart() {
            tracing::warn!(option, "has changed, and needs a restart");
        }
        let (access, rate) = (reread.options.access(), reread.options.connect_rate());
        let config = reload::reconfigured(&self.config, reread.options);
        match self.base.reconfigure(config) {
            Ok(()) => {
                self.door.change_rules(access, rate);
                tracing::info!("the options are reloaded");
            }
            Err(error) => tracing::error!("nothing is reloaded: {error}"),
        }
    }

    fn take_signals(&mut self) {
        let mut bytes = [0; 16];
        let count = self.signals.end.read(&mut bytes).unwrap_or(0);
        if count > 0 {
            self.signal_count += count;
            tracing::info!("shutting down");
            self.base.handle(Input::Shutdown);
        }
    }
}

/// Whether it is later than `than`. Looks at the clock only at every [`BETWEEN_LOOKS`]th `index`.
fn is_late(index: usize, than: Clock) -> bool {
    index % BETWEEN_LOOKS == BETWEEN_LOOKS - 1 && Clock::now() > than
}

/// Moves `first` and the descriptors after it to the front.
fn begin_with(ready: &mut [RawFd], first: Option<RawFd>) {
    if let Some(first) = first {
        ready.sort_unstable();
        let at = ready.partition_point(|fd| *fd < first);
        ready.rotate_left(at);
    }
}
