//! A connection to the server: bytes in, bytes out, never blocking. It knows no lines and no terminal.
//! Its caller finds out by select(2) when it is ready.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::{Duration, Instant};

use socket2::Socket;

use crate::output::reason;
use crate::poll::{Poller, Select};
use crate::sys;

/// If the server has not yet taken this many bytes, no more are accepted.
pub(super) const OUTBOX_BYTES: usize = 64 * 1024;
/// The most bytes in one read.
const INBOX_BYTES: usize = 16 * 1024;

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Lost {
    /// The server ended it.
    Closed,
    Broken(io::Error),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed by the server"),
            Self::Broken(error) if error.kind() == ErrorKind::BrokenPipe => {
                f.write_str("closed by the server")
            }
            Self::Broken(error) => f.write_str(&reason(error)),
        }
    }
}

impl Error for Lost {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Closed => None,
            Self::Broken(error) => Some(error),
        }
    }
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Socket,
    outbox: VecDeque<u8>,
    since: Instant,
    /// Why nothing more can be sent. Earlier bytes of the server can still be received, so this alone
    /// does not end the connection.
    broken: Option<io::Error>,
}

impl Connection {
    pub(super) fn new(stream: Socket) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        if !stream.peer_addr()?.is_unix() {
            stream.set_tcp_nodelay(true)?;
        }
        Ok(Self { stream, outbox: VecDeque::new(), since: Instant::now(), broken: None })
    }

    /// Queues all of `bytes`. `flush` sends them.
    ///
    /// # Errors
    /// `Full` as long as too much is queued already.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Full> {
        if self.is_full() {
            return Err(Full);
        }
        self.outbox.extend(bytes);
        Ok(())
    }

    /// Queues bytes, however many wait already.
    pub(super) fn push_all(&mut self, bytes: &[u8]) {
        self.outbox.extend(bytes);
    }

    pub(super) fn is_full(&self) -> bool {
        self.outbox.len() >= OUTBOX_BYTES
    }

    /// How many bytes the server's system has not taken yet.
    pub(super) fn pending(&self) -> usize {
        self.outbox.len() + sys::unacknowledged(self.stream.as_fd()).unwrap_or(0)
    }

    pub(super) fn has_outgoing(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// When the connection was opened.
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    pub(super) fn fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    /// Sends as much of the queue as it can without waiting. If the connection has broken, `receive`
    /// reports it.
    pub(super) fn flush(&mut self) {
        while !self.outbox.is_empty() {
            match self.stream.write(self.outbox.as_slices().0) {
                Ok(len) => drop(self.outbox.drain(..len)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => {
                    self.broken = Some(error);
                    self.outbox.clear();
                }
            }
        }
    }

    /// The bytes that the server sent. Empty if there are none now.
    pub(super) fn receive(&mut self) -> Result<Vec<u8>, Lost> {
        let mut bytes = vec![0; INBOX_BYTES];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(self.broken.take().map_or(Lost::Closed, Lost::Broken)),
            Ok(len) => {
                bytes.truncate(len);
                Ok(bytes)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                Ok(Vec::new())
            }
            Err(error) => Err(Lost::Broken(error)),
        }
    }

    /// Tells the server that nothing more will come.
    pub(super) fn end_output(&self) {
        // This fails only if the connection is gone, and then `receive` reports it.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Sends the queue and waits for the server to close, for `limit` at most.
    pub(super) fn finish(mut self, limit: Duration) -> io::Result<()> {
        let deadline = Instant::now() + limit;
        let mut ended = false;
        let mut select = Select::default();
        loop {
            self.flush();
            if !self.has_outgoing() && !ended {
                self.end_output();
                ended = true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            select.watch(self.fd(), true, self.has_outgoing());
            select.wait(Some(left))?;
            if left.is_zero() || self.receive().is_err() {
                return Ok(());
            }
        }
    }
}

/// Too much is queued for the server.
#[derive(Debug)]
pub(super) struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server is too slow and has not taken the lines before; try again later")
    }
}

impl Error for Full {}
