//! What the driver tells, and what it must be told.

use core::error::Error;
use core::fmt;

use parlour_core::{Cause, ConnId, ListenerId, Refusal};
use smoltcp::time::Instant;

/// A clock with a start of its own choice.
pub trait Clock {
    /// The time now. It never goes back.
    fn now(&self) -> Instant;
}

impl<F: Fn() -> Instant> Clock for F {
    fn now(&self) -> Instant {
        self()
    }
}

/// An event that an operator may want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Note {
    /// A client came in.
    Connected(ConnId, ListenerId),
    /// A newcomer was not let in.
    Refused(ListenerId, Refusal),
    /// A client's connection ended in order, or because the hub wanted it.
    Closed(ConnId),
    /// A client's connection broke.
    Broken(ConnId, Cause),
    /// A client's connection broke, and the client may come back.
    #[cfg(feature = "sessions")]
    Away(ConnId, Cause),
    /// A client has come back.
    #[cfg(feature = "sessions")]
    Resumed(ConnId),
}

/// The part of a driver's memory that is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Shortage {
    /// The storage holds fewer links than [`SocketOptions::links`](crate::SocketOptions::links), or the hub has
    /// more connections than there are links.
    Links,
    /// The buffers are shorter than [`SocketOptions::bytes`](crate::SocketOptions::bytes), or than those of the sessions must be, or a client's
    /// receive buffer has no place behind the window of a session.
    Bytes,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Links => "there are fewer links than sockets, or fewer sockets than connections of the hub",
            Self::Bytes => "the buffers are too short for the sockets, or for the sessions",
        })
    }
}

impl Error for Shortage {}
