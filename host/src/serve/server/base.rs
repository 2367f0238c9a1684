//! What all parts of a server share: the hub with its clock, the watched descriptors, and the report.

use std::os::fd::RawFd;
use std::time::{Duration, Instant as Clock};

use parlour_core::{
    Answer, Config, ConnId, FollowerId, Hub, Input, Instant, Protocol, ReconfigureError, Transmit, Wanted,
};
use parlour_journal::{Forgot, Whom};
use parlour_trace::Taped;

use super::keeper::{Keeper, Open};
use super::wall_clock::WallClock;
use crate::poll::Poller;
use crate::resume::Key;
use crate::serve::peer::Peer;
use crate::serve::recording::{self, Recording};
use crate::serve::report::Report;

/// The thing that a watched descriptor belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    Nothing,
    Signals,
    /// Signals to read the options again.
    Reload,
    ConsoleInput,
    ConsoleWaker,
    ConsoleOutput,
    Journal,
    Listener(usize),
    /// Newcomers that have a moment.
    Knocking,
    Conn(ConnId),
}

/// Clients that waited for the journal.
pub(super) enum Waiters {
    /// All clients.
    All,
    /// These alone.
    Some(Vec<ConnId>),
}

/// How long something that is recorded may wait to be written.
const RECORD_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Base<'a, P> {
    pub(super) hub: Taped<'a, Recording>,
    /// When to write what is recorded.
    record_at: Option<Clock>,
    pub(super) report: Report,
    /// `None` without a journal.
    keeper: Option<Keeper>,
    started: Clock,
    now: Instant,
    wall_clock: WallClock,
    poller: P,
    /// By descriptor.
    targets: Vec<Target>,
}

impl<'a, P: Poller> Base<'a, P> {
    pub(super) fn new(hub: Hub<'a>, poller: P, report: Report, recording: Option<Recording>) -> Self {
        let mut hub = Taped::new(hub);
        recording.into_iter().for_each(|recording| hub.record(recording));
        let mut base = Self {
            hub,
            record_at: None,
            report,
            keeper: None,
            started: Clock::now(),
            now: Instant::default(),
            wall_clock: WallClock::default(),
            poller,
            targets: Vec::new(),
        };
        base.tell_time(base.started);
        base
    }

    // --- The journal ---

    /// Begins to keep a journal.
    pub(super) fn keep(&mut self, journal: Open) {
        self.keeper = Keeper::new(&mut self.hub, journal);
        if let Some(fd) = self.keeper.as_ref().map(Keeper::wake_fd) {
            self.watch(fd, Target::Journal, true, false);
        }
    }

    /// Notes that there is something for a follower. Returns whether that is the journal's.
    pub(super) fn note_news(&mut self, follower: FollowerId) -> bool {
        let Some(keeper) = self.keeper.as_mut().filter(|keeper| keeper.is(follower)) else { return false };
        keeper.note_news(&self.hub);
        true
    }

    /// Waits until a descriptor is ready, or `timeout` has passed. First hands over to the journal what there is for it,
    /// if nobody else has something to do, or if it has waited for long. So clients do not wait for it.
    ///
    /// # Errors
    /// The errors of the poller, which are bugs.
    pub(super) fn wait_or_keep(&mut self, timeout: Option<Duration>) -> std::io::Result<()> {
        let Some(keeper) = self.keeper.as_mut().filter(|keeper| keeper.has_news()) else {
            return self.poller.wait(timeout);
        };
        self.poller.wait(Some(Duration::ZERO))?;
        let is_idle = self.poller.readable().next().is_none() && self.poller.writable().next().is_none();
        if is_idle || !keeper.may_wait(&self.hub) {
            keeper.read(&mut self.hub, self.now);
        }
        Ok(())
    }

    pub(super) fn want_page(&mut self, wanted: Wanted) {
        if let Some(keeper) = &mut self.keeper {
            keeper.want(&mut self.hub, self.now, wanted);
        }
    }

    /// Answers some of those that have waited for a page of the journal. Returns whether there were any.
    pub(super) fn answer_some(&mut self) -> bool {
        self.keeper.as_mut().is_some_and(|keeper| keeper.answer_some(&mut self.hub, self.now))
    }

    /// Does what the journal has to say. Returns the clients that must be served, because they may speak now and
    /// could not, or the other way round.
    pub(super) fn listen_to_journal(&mut self) -> Waiters {
        let Some(keeper) = &mut self.keeper else { return Waiters::Some(Vec::new()) };
        let before = (keeper.stops_clients(), keeper.is_full());
        let (notice, released) = keeper.listen(&mut self.hub, self.now);
        let is_same = before == (keeper.stops_clients(), keeper.is_full());
        if let Some(text) = notice {
            self.hub.handle(self.now, Input::Notice { text });
        }
        if is_same { Waiters::Some(released) } else { Waiters::All }
    }

    /// Lets be said what is stored, if only that may be said. Returns the clients that must be served, because they
    /// may speak again; `None` if nothing was done.
    pub(super) fn decide(&mut self, until: Clock) -> Option<Vec<ConnId>> {
        self.keeper.as_mut()?.decide(&mut self.hub, self.now, until)
    }

    /// Whether a client must wait for the journal. Rooms wait for it by themselves, an echo does not.
    pub(super) fn must_wait(&self, conn: ConnId) -> bool {
        let Some(keeper) = &self.keeper else { return false };
        let is_echo = || self.hub.protocol(conn) == Some(Protocol::Echo);
        let is_out = || keeper.leaves_out(&self.hub, conn);
        (keeper.stops_clients() || keeper.is_full() && is_echo()) && !is_out()
            || keeper.holds_echo(conn)
            || keeper.holds_room(conn)
    }

    /// Whether the hub must not have these bytes of a client before they are stored. If so, the client must wait
    /// from now on.
    pub(super) fn hold(&mut self, conn: ConnId, bytes: &[u8]) -> bool {
        let Some(keeper) = &mut self.keeper else { return false };
        keeper.hold_echo(&self.hub, conn, bytes);
        keeper.holds_echo(conn)
    }

    pub(super) fn is_chat(&self, conn: ConnId) -> bool {
        self.hub.protocol(conn) == Some(Protocol::Chat)
    }

    /// Whether a client has left or was disconnected, and is not gone yet.
    pub(super) fn is_ending(&self, conn: ConnId) -> bool {
        self.hub.ending(conn).is_some()
    }

    pub(super) fn has_journal(&self) -> bool {
        self.keeper.is_some()
    }

    /// Deletes all that a client has said so far from the journal.
    pub(super) fn forget(&mut self, whom: Whom) {
        if let Some(keeper) = &mut self.keeper {
            keeper.forget(&mut self.hub, self.now, whom);
        }
    }

    /// What there is to tell about clients that are forgotten.
    pub(super) fn forgotten(&mut self) -> Vec<Forgot> {
        self.keeper.as_mut().map(Keeper::forgotten).unwrap_or_default()
    }

    pub(super) fn note_address(&mut self, conn: ConnId, peer: Peer) {
        if let Some(keeper) = &mut self.keeper {
            keeper.note_address(&self.hub, conn, peer.to_string());
        }
    }

    pub(super) fn note_key(&mut self, conn: ConnId, key: &Key) {
        if let Some(keeper) = &mut self.keeper {
            keeper.note_key(&self.hub, conn, key);
        }
    }

    /// A client is about to go.
    pub(super) fn forget_client(&mut self, conn: ConnId) {
        if let Some(keeper) = &mut self.keeper {
            if keeper.has_news() {
                // Where it came from is written with what it said.
                keeper.read(&mut self.hub, self.now);
            }
            keeper.forget_client(&self.hub, conn);
        }
    }

    /// Until when clients of the server before this one may come back.
    pub(super) fn awaits_until(&self) -> Option<Clock> {
        self.keeper.as_ref().and_then(Keeper::awaits_until)
    }

    /// Forgets those that have not come back in time.
    pub(super) fn expire_keys(&mut self, now: Clock) {
        if let Some(keeper) = self.keeper.as_mut().filter(|keeper| keeper.awaits_until().is_some()) {
            keeper.expire(now);
        }
    }

    /// Lets a newcomer that has the key of a client of the server before this one be that client.
    pub(super) fn know_again(&mut self, conn: ConnId, peer: Peer, key: &Key) {
        let Some(keeper) = &mut self.keeper else { return };
        if let Some(client) = keeper.know_again(&mut self.hub, self.now, conn, key) {
            self.report.known_again(peer, client);
        }
    }

    /// Writes the rest of the journal.
    pub(super) fn close_journal(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.close(&mut self.hub, self.now);
        }
    }

    // --- Time ---

    /// Tells the hub the time of day, if it does not know it.
    pub(super) fn tell_time(&mut self, now: Clock) {
        if let Some(news) = self.wall_clock.news(now) {
            self.handle(news);
        }
    }

    /// Reads the clock. For the hub, everything until the next call happens at this time, because
    /// reading the clock for every input would cost more than most inputs.
    pub(super) fn read_clock(&mut self) -> Clock {
        let now = Clock::now();
        self.now = Instant::from_millis((now - self.started).as_millis() as u64);
        now
    }

    /// Gives the hub another configuration.
    ///
    /// # Errors
    /// See [`Hub::reconfigure`].
    pub(super) fn reconfigure(&mut self, config: Config<'a>) -> Result<(), ReconfigureError> {
        self.hub.reconfigure(self.now, config)
    }

    pub(super) fn handle(&mut self, input: Input<'_>) -> Answer {
        self.hub.handle(self.now, input)
    }

    /// Offers bytes of a client to the hub. Returns how many it took.
    pub(super) fn receive(&mut self, conn: ConnId, bytes: &[u8]) -> usize {
        let taken = self.handle(Input::Received { conn, bytes }).taken();
        if let Some(keeper) = &mut self.keeper {
            keeper.keep_echo(&self.hub, conn, &bytes[..taken]);
        }
        taken
    }

    /// Lends what goes out to a connection next to `write`, which returns how much of it was sent.
    pub(super) fn send(&mut self, conn: ConnId, write: impl FnOnce(Transmit<'_, 'a>) -> usize) {
        self.hub.send(self.now, conn, write);
    }

    /// Writes what was recorded, if that is due.
    pub(super) fn write_record(&mut self) {
        if !self.hub.is_behind() {
            self.record_at = None;
        } else if self.record_at.get_or_insert_with(|| Clock::now() + RECORD_PAUSE) <= &mut Clock::now() {
            self.record_at = None;
            self.hub.flush();
        }
        if let Some(error) = self.hub.take_broken() {
            recording::report(&error);
        }
    }

    /// The time of the next [`Base::write_record`].
    pub(super) fn record_at(&self) -> Option<Clock> {
        self.record_at
    }

    /// Writes the end of what was recorded.
    pub(super) fn end_record(&mut self) {
        if let Some((file, error)) = self.hub.end()
            && let Some(error) = error.or_else(|| file.finish().err())
        {
            recording::report(&error);
        }
    }

    /// How long until the hub has something to do.
    pub(super) fn until_deadline(&self) -> Option<Duration> {
        let deadline = self.hub.next_deadline().map(|at| Duration::from_millis(at.as_millis()));
        deadline.map(|at| at.saturating_sub(self.started.elapsed()))
    }

    pub(super) fn watch(&mut self, fd: RawFd, target: Target, read: bool, write: bool) {
        let index = fd as usize;
        if index >= self.targets.len() {
            self.targets.resize(index + 1, Target::Nothing);
        }
        self.targets[index] = target;
        self.poller.watch(fd, read, write);
    }

    /// Stops watching a descriptor. Call it before the descriptor is closed.
    pub(super) fn unwatch(&mut self, fd: RawFd) {
        self.targets[fd as usize] = Target::Nothing;
        self.poller.unwatch(fd);
    }

    pub(super) fn target(&self, fd: RawFd) -> Target {
        self.targets[fd as usize]
    }

    /// Fills `ready` with the descriptors that can be read.
    pub(super) fn readable(&self, ready: &mut Vec<RawFd>) {
        ready.clear();
        ready.extend(self.poller.readable());
    }

    /// Fills `ready` with the descriptors that take bytes again.
    pub(super) fn writable(&self, ready: &mut Vec<RawFd>) {
        ready.clear();
        ready.extend(self.poller.writable());
    }
}
