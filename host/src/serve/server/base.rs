//! What all parts of a server work on: the hub with its clock, the descriptors that are watched,
//! and the report of what happens.

use std::os::fd::RawFd;
use std::time::{Duration, Instant as Clock};

use parlour_core::{ConnId, Event, Hub, Instant, Outcome};

use crate::poll::Poller;
use crate::serve::report::Report;

/// What a watched descriptor is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    Nothing,
    Signals,
    ConsoleInput,
    ConsoleWaker,
    ConsoleOutput,
    Listener(usize),
    Conn(ConnId),
}

pub(super) struct Base<'a, P> {
    pub(super) hub: Hub<'a>,
    pub(super) report: Report,
    started: Clock,
    now: Instant,
    poller: P,
    /// By descriptor.
    targets: Vec<Target>,
}

impl<'a, P: Poller> Base<'a, P> {
    pub(super) fn new(hub: Hub<'a>, poller: P, report: Report) -> Self {
        Self { hub, report, started: Clock::now(), now: Instant::default(), poller, targets: Vec::new() }
    }

    /// All that happens until the next call of this happens at the same time for the hub:
    /// to read the clock for every event costs more than most events.
    pub(super) fn read_clock(&mut self) -> Clock {
        let now = Clock::now();
        self.now = Instant::from_millis((now - self.started).as_millis() as u64);
        now
    }

    pub(super) fn handle(&mut self, event: Event<'_>) -> Outcome {
        self.hub.handle(self.now, event)
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

    /// Comes before the descriptor is closed.
    pub(super) fn unwatch(&mut self, fd: RawFd) {
        self.targets[fd as usize] = Target::Nothing;
        self.poller.unwatch(fd);
    }

    pub(super) fn target(&self, fd: RawFd) -> Target {
        self.targets[fd as usize]
    }

    /// Waits until a descriptor is ready, or `timeout` has passed.
    ///
    /// # Errors
    /// Those of the poller, which are bugs.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> std::io::Result<()> {
        self.poller.wait(timeout)
    }

    /// Puts the descriptors that can be read into `ready`.
    pub(super) fn readable(&self, ready: &mut Vec<RawFd>) {
        ready.clear();
        ready.extend(self.poller.readable());
    }

    /// Puts the descriptors that take bytes again into `ready`.
    pub(super) fn writable(&self, ready: &mut Vec<RawFd>) {
        ready.clear();
        ready.extend(self.poller.writable());
    }
}
