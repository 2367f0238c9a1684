//! The vocabulary between core and driver: ids, time, what goes in and what
//! comes out. Plain values only; nothing here knows the hub's state.

use core::net::IpAddr;

/// A point in time: milliseconds on a monotonic clock of the driver's choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Instant(u64);

impl Instant {
    /// Later than everything: the deadline of what has none.
    pub(crate) const NEVER: Instant = Instant(u64::MAX);
    /// The clock's zero.
    pub(crate) const ZERO: Instant = Instant(0);

    /// The instant `ms` milliseconds after the clock's zero.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the clock's zero.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Milliseconds from `earlier` to this instant, 0 if it is not earlier.
    pub const fn millis_since(self, earlier: Instant) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The milliseconds, of which only the low bits are kept.
    pub(crate) const fn wrapping_millis(self) -> u32 {
        self.0 as u32
    }

    pub(crate) const fn after(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// Names one connection for as long as it lives. A slot is used again under
/// another generation, so the id of a connection that is gone names nothing:
/// events that bear it are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConnId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl ConnId {
    /// The connection's place in the table, below [`crate::Limits::conns`]: no two
    /// connections have the same one at the same time, so a driver may use it
    /// as the index of its own table.
    pub const fn slot(self) -> usize {
        self.slot as usize
    }
}

/// A listener: its index in [`crate::Config::listeners`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ListenerId(pub u8);

/// What the driver tells the hub. A list of events is a trace: recorded, it
/// can be replayed; generated, it is a test.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A peer connected to a listener. Its address is given where it has one.
    /// Answered by [`Outcome::Opened`] or [`Outcome::Refused`].
    Accepted(ListenerId, Option<IpAddr>),
    /// Bytes arrived. Answered by [`Outcome::Taken`]: the driver keeps the rest
    /// and offers it again, before anything newer, once the connection's read
    /// interest is back.
    Received(ConnId, &'a [u8]),
    /// The transport took this many bytes from the front of what
    /// [`crate::Hub::transmit`] lent. It has to be the next event after that
    /// loan: others may change what goes out next.
    Sent(ConnId, usize),
    /// The peer sends no more, and all it sent was taken.
    PeerClosed(ConnId),
    /// The connection broke; the driver has let go of it.
    Failed(ConnId, Cause),
    /// The driver has closed the connection because [`Interest::close`] asked
    /// for it, and has let go of it.
    Closed(ConnId),
    /// A deadline may have passed.
    Tick,
    /// The hub is to end: tell everyone, flush, close.
    Shutdown,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Cause {
    /// The peer ended it, or asked to.
    Left,
    /// The transport was reset.
    Reset,
    /// Nothing was heard from the peer for too long.
    TimedOut,
    /// The peer made others wait for longer than its grace.
    Lagged,
    /// The operator ended it.
    Kicked,
    /// The hub ends.
    Shutdown,
}

impl Cause {
    /// The cause as the others read it behind `left`; empty where there is
    /// nothing to say.
    pub const fn reason(self) -> &'static str {
        match self {
            Cause::Left | Cause::Shutdown => "",
            Cause::Reset => "connection lost",
            Cause::TimedOut => "timed out",
            Cause::Lagged => "too slow",
            Cause::Kicked => "kicked",
        }
    }
}

/// Why a newcomer was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Refusal {
    /// Every slot is taken.
    Full,
    /// The peer's address has as many connections as one may have.
    PerPeer,
    /// The hub is ending.
    ShuttingDown,
}

/// The answer to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Outcome {
    /// Done; the event has no answer.
    Done,
    /// A newcomer is in.
    Opened(ConnId),
    /// A newcomer is not in: the driver sends [`crate::Hub::refusal_text`] if it
    /// can, and closes.
    Refused(Refusal),
    /// So many bytes were taken.
    Taken(usize),
}

impl Outcome {
    /// How many bytes [`Event::Received`] took.
    pub fn taken(self) -> usize {
        if let Outcome::Taken(n) = self { n } else { 0 }
    }

    /// What became of [`Event::Accepted`].
    ///
    /// # Errors
    /// The refusal.
    pub fn opened(self) -> Result<ConnId, Refusal> {
        match self {
            Outcome::Opened(conn) => Ok(conn),
            Outcome::Refused(refusal) => Err(refusal),
            Outcome::Done | Outcome::Taken(_) => Err(Refusal::Full),
        }
    }
}

/// What the hub wants of a connection now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Interest {
    /// As many bytes as it makes sense to offer at once; 0: it takes none now.
    pub read: usize,
    /// It has bytes to send.
    pub write: bool,
    /// Whether to close it.
    pub close: Close,
}

impl Interest {
    /// That of an id that names nothing: the driver closes what it still holds.
    pub(crate) const GONE: Interest = Interest { read: 0, write: false, close: Close::Abort };
}

/// Whether, and how, a connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Close {
    /// It stays.
    No,
    /// All is sent: close the sending side (a TCP FIN), and go on reading until
    /// the peer closes too. Closing both at once with input unread would
    /// reset the connection and could take the last lines from the peer.
    Write,
    /// Close it.
    Full,
    /// Reset it: what was not sent is of no use any more.
    Abort,
}
