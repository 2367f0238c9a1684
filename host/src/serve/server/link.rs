//! A link: a connection of the hub whose end is a socket. Output that the socket does not take
//! stays with the hub.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, IoSlice, Read};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use parlour_core::{Cause, ConnId};
use socket2::Socket;

use super::leftover::Leftover;
use crate::serve::peer::Peer;

/// Slices that are written at once at the most.
const WRITE_SLICES: usize = 16;

/// A connection as the driver sees it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: ConnId,
    socket: Socket,
    pub(super) peer: Peer,
    /// Input that the hub did not take yet. While there is some, the socket is not read.
    pub(super) leftover: Leftover,
    /// What tells a name from others, as it was reported last.
    name_hash: u32,
    /// What tells what it has missed from what it had, as it was reported last.
    gap: u32,
    /// The poller tells when there is something to read. While it does not, nothing tells that
    /// the peer has gone.
    pub(super) is_read: bool,
    /// The socket took less than there was; the poller tells when it takes more.
    pub(super) is_full: bool,
    /// The sending side is closed.
    pub(super) is_shut: bool,
    /// Sending failed: what is to be sent is dropped, and once what the peer had
    /// sent before is read, the connection has failed.
    pub(super) broken: Option<Cause>,
}

/// What became of output.
pub(super) enum Sent {
    /// The socket took so many bytes; it may take more.
    All(usize),
    /// The socket took so many bytes, and no more now.
    Some(usize),
    /// It never will again.
    Broken(Cause),
}

impl Link {
    pub(super) fn new(id: ConnId, socket: Socket, peer: Peer, name: &str) -> Self {
        Self {
            id,
            socket,
            peer,
            leftover: Leftover::default(),
            name_hash: hash(name),
            gap: 0,
            is_read: true,
            is_full: false,
            is_shut: false,
            broken: None,
        }
    }

    pub(super) fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Whether its name is another one than it was at the last call.
    pub(super) fn is_renamed(&mut self, name: &str) -> bool {
        let hash = hash(name);
        std::mem::replace(&mut self.name_hash, hash) != hash
    }

    /// Whether it has missed something since the last call.
    pub(super) fn has_skipped(&mut self, (missed, gap): (u32, u64)) -> bool {
        // A gap that grows is as good as another one.
        let now = (gap as u32).wrapping_mul(31).wrapping_add(missed);
        std::mem::replace(&mut self.gap, now) != now
    }

    /// Reads what there is; `None` if there is nothing now.
    ///
    /// # Errors
    /// Why the connection has failed.
    pub(super) fn read(&self, buffer: &mut [u8]) -> Result<Option<usize>, Cause> {
        match (&self.socket).read(buffer) {
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
            // As if it were sent: nobody is to wait for one who is gone.
            ([], _) | (_, Some(_)) => Ok(len),
            // A call that costs a little less.
            ([slice], None) => self.socket.send(slice),
            (slices, None) => self.socket.send_vectored(slices),
        };
        match sent {
            Ok(sent) if sent == len => Sent::All(sent),
            Ok(sent) => Sent::Some(sent),
            Err(error) if is_passing(&error) => Sent::Some(0),
            Err(error) => Sent::Broken(cause_of(&error)),
        }
    }

    /// Closes the sending side. A peer that is gone already shows when it is read.
    pub(super) fn shut(&mut self) {
        self.is_shut = true;
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// With a linger time of 0 closing resets the connection (socket(7)).
    pub(super) fn reset_when_closed(&self) {
        let _ = self.socket.set_linger(Some(Duration::ZERO));
    }

    /// Why the peer is gone, if it is: reading would tell, but is not wanted now.
    pub(super) fn take_error(&self) -> Option<Cause> {
        self.socket.take_error().ok().flatten().map(|error| cause_of(&error))
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
