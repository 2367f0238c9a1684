//! A link: a connection of the hub whose end is a socket. Output that the socket does not take
//! stays with the hub.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, IoSlice, Read};
use std::net::{IpAddr, Shutdown};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use parlour_core::{Cause, ConnId};
use socket2::Socket;

use super::leftover::Leftover;
use super::session::Session;
use crate::resume::{INPUT, Sieve};
use crate::serve::peer::Peer;

/// The most slices in one write.
const WRITE_SLICES: usize = 64;

/// So much of what a session's client sends can be read even if the hub has not taken any of [`INPUT`] bytes before:
/// its acknowledgements.
const MESSAGES: usize = 4 * 1024;

/// A connection as the driver sees it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: ConnId,
    /// `None` while the client is away.
    socket: Option<Socket>,
    pub(super) peer: Peer,
    /// The address for which the hub counts it: the one that it came from first.
    pub(super) counted_for: Option<IpAddr>,
    /// Input that the hub did not take yet. While there is some, the socket is not read.
    pub(super) leftover: Leftover,
    /// The hash of the name that was last reported.
    name_hash: u32,
    /// The gap that was last reported.
    gap: u32,
    /// The poller watches for input. Otherwise nothing tells that the peer has gone.
    pub(super) is_read: bool,
    /// The socket took only a part. The poller watches for when it takes more.
    pub(super) is_full: bool,
    /// The sending side is closed.
    pub(super) is_shut: bool,
    /// Sending failed, so further output is dropped. The connection counts as failed once the peer's
    /// earlier input is read.
    pub(super) broken: Option<Cause>,
    /// Finds the message of a client of the chat that has no session and wants one.
    pub(super) sieve: Sieve,
    /// What it needs to be resumed, if it can be.
    pub(super) session: Option<Box<Session>>,
    /// Whether the peer of a session sends no more.
    pub(super) end: InputEnd,
}

/// Whether the input of a session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputEnd {
    No,
    /// The hub learns that when it has taken what was left.
    Seen,
    Told,
}

/// The result of a write.
pub(super) enum Sent {
    /// The socket took this many bytes, and may take more.
    All(usize),
    /// The socket took this many bytes, and takes no more now.
    Some(usize),
    /// The socket takes no bytes any more.
    Broken(Cause),
}

impl Sent {
    /// Replaces this result. Returns how many bytes the socket took.
    pub(super) fn note(&mut self, sent: Self) -> usize {
        *self = sent;
        match *self {
            Sent::All(count) | Sent::Some(count) => count,
            Sent::Broken(_) => 0,
        }
    }
}

impl Link {
    pub(super) fn new(id: ConnId, socket: Socket, peer: Peer, name: &str) -> Self {
        Self {
            id,
            socket: Some(socket),
            peer,
            counted_for: peer.ip,
            leftover: Leftover::default(),
            name_hash: hash(name),
            gap: 0,
            is_read: true,
            is_full: false,
            is_shut: false,
            broken: None,
            sieve: Sieve::default(),
            session: None,
            end: InputEnd::No,
        }
    }

    /// Changes to another connection.
    pub(super) fn reconnect(&mut self, socket: Socket, peer: Peer) {
        (self.socket, self.peer) = (Some(socket), peer);
        (self.is_read, self.is_full, self.is_shut, self.broken) = (true, false, false, None);
    }

    /// Takes the socket away.
    pub(super) fn disconnect(&mut self) -> Option<Socket> {
        self.socket.take()
    }

    fn socket(&self) -> &Socket {
        self.socket.as_ref().expect("a client that is here has a socket")
    }

    pub(super) fn fd(&self) -> RawFd {
        self.socket().as_raw_fd()
    }

    /// The most bytes that are read now from the client of a session.
    pub(super) fn session_appetite(&self) -> usize {
        let is_over = self.end != InputEnd::No;
        if is_over { 0 } else { (INPUT + MESSAGES).saturating_sub(self.leftover.len()) }
    }

    /// Whether its name has changed since the last call.
    pub(super) fn is_renamed(&mut self, name: &str) -> bool {
        let hash = hash(name);
        std::mem::replace(&mut self.name_hash, hash) != hash
    }

    /// Whether it has missed something since the last call.
    pub(super) fn has_skipped(&mut self, (missed, gap): (u32, u64)) -> bool {
        // A gap that has grown counts as another gap.
        let now = (gap as u32).wrapping_mul(31).wrapping_add(missed);
        std::mem::replace(&mut self.gap, now) != now
    }

    /// Reads once. `None` if there is nothing to read now.
    ///
    /// # Errors
    /// Why the connection has failed.
    pub(super) fn read(&self, buffer: &mut [u8]) -> Result<Option<usize>, Cause> {
        match self.socket().read(buffer) {
            Ok(count) => Ok(Some(count)),
            Err(error) if is_passing(&error) => Ok(None),
            Err(error) => Err(cause_of(&error)),
        }
    }

    /// Writes once.
    pub(super) fn write<'b>(&self, pieces: impl Iterator<Item = &'b [u8]>) -> Sent {
        let mut slices = [IoSlice::new(&[]); WRITE_SLICES];
        let (mut count, mut len) = (0, 0);
        for (slice, bytes) in slices.iter_mut().zip(pieces) {
            *slice = IoSlice::new(bytes);
            count += 1;
            len += bytes.len();
        }
        let sent = match (&slices[..count], self.broken) {
            // Count the bytes as sent, so nobody waits for a client that is gone.
            ([], _) | (_, Some(_)) => Ok(len),
            // This call costs a little less.
            ([slice], None) => self.socket().send(slice),
            (slices, None) => self.socket().send_vectored(slices),
        };
        match sent {
            Ok(sent) if sent == len => Sent::All(sent),
            Ok(sent) => Sent::Some(sent),
            Err(error) if is_passing(&error) => Sent::Some(0),
            Err(error) => Sent::Broken(cause_of(&error)),
        }
    }

    /// Closes the sending side. If the peer is gone already, reading shows it.
    pub(super) fn shut(&mut self) {
        self.is_shut = true;
        let _ = self.socket().shutdown(Shutdown::Write);
    }

    /// Makes closing reset the connection, by a linger time of 0 (socket(7)).
    pub(super) fn reset_when_closed(&self) {
        let _ = self.socket().set_linger(Some(Duration::ZERO));
    }

    /// Why the peer is gone, if it is. For use while the hub does not want to read.
    pub(super) fn take_error(&self) -> Option<Cause> {
        self.socket().take_error().ok().flatten().map(|error| cause_of(&error))
    }
}

fn hash(name: &str) -> u32 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish() as u32
}

/// Whether a call failed only for now.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn cause_of(error: &io::Error) -> Cause {
    if error.kind() == io::ErrorKind::TimedOut { Cause::TimedOut } else { Cause::Reset }
}
