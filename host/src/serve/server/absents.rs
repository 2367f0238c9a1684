//! The clients that are away, and how long they may be.

use std::collections::VecDeque;
use std::time::{Duration, Instant as Clock};

use parlour_core::{Cause, ConnId};

use super::link::Link;

/// The most bytes that are kept for a client until it has acknowledged them. If there are many sessions, it is less, so
/// that all of them together have so much, but never so little that the client need not acknowledge any.
pub(super) const WINDOW: usize = 64 * 1024;
const ALL_WINDOWS: usize = 16 * 1024 * 1024;
const SMALL_WINDOW: usize = 16 * 1024;

/// A client that is away.
#[derive(Debug)]
pub(super) struct Absent {
    pub(super) link: Link,
    since: Clock,
    pub(super) cause: Cause,
}

/// The clients that are away, and how long they may be.
#[derive(Debug)]
pub(super) struct Absents {
    window: Option<Duration>,
    /// In the order in which they went.
    absents: VecDeque<Absent>,
    /// How many sessions there are, with those of clients that are here.
    sessions: usize,
}

impl Absents {
    pub(super) fn new(window: Option<Duration>) -> Self {
        Self { window, absents: VecDeque::new(), sessions: 0 }
    }

    fn position(&self, id: ConnId) -> Option<usize> {
        self.absents.iter().position(|absent| absent.link.id == id)
    }

    pub(super) fn take(&mut self, id: ConnId) -> Option<Absent> {
        self.position(id).and_then(|index| self.absents.remove(index))
    }

    pub(super) fn link(&self, id: ConnId) -> Option<&Link> {
        self.position(id).map(|index| &self.absents[index].link)
    }

    /// The links of all of them, in the order in which they went.
    pub(super) fn links(&self) -> impl Iterator<Item = &Link> {
        self.absents.iter().map(|absent| &absent.link)
    }

    /// Whether clients may come back at all.
    pub(super) fn may_return(&self) -> bool {
        self.window.is_some()
    }

    /// Whether somebody may come back.
    pub(super) fn has_sessions(&self) -> bool {
        self.sessions > 0
    }

    /// A client has a session from now on.
    pub(super) fn count(&mut self) {
        self.sessions += 1;
    }

    /// A client is away from now on.
    pub(super) fn push(&mut self, link: Link, cause: Cause) {
        self.absents.push_back(Absent { link, since: Clock::now(), cause });
    }

    pub(super) fn link_mut(&mut self, id: ConnId) -> Option<&mut Link> {
        self.position(id).map(|index| &mut self.absents[index].link)
    }

    /// A link is gone.
    pub(super) fn forget(&mut self, link: &Link) {
        self.sessions -= usize::from(link.session.is_some());
    }

    /// The most bytes that are kept for one client. If there are many, each has less.
    pub(super) fn place(&self) -> usize {
        (ALL_WINDOWS / self.sessions.max(1)).clamp(SMALL_WINDOW, WINDOW)
    }

    /// One whose time is over.
    pub(super) fn late(&self, now: Clock) -> Option<ConnId> {
        self.next_at().filter(|at| *at <= now)?;
        self.absents.front().map(|absent| absent.link.id)
    }

    /// When the time of the first one is over.
    pub(super) fn next_at(&self) -> Option<Clock> {
        self.absents.front().zip(self.window).map(|(absent, window)| absent.since + window)
    }
}
