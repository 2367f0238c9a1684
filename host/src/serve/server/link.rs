//! A link: a connection of the hub whose end is a socket. Input that the hub does
//! not take yet is kept, and until it is taken the socket is not read; output that
//! the socket does not take stays with the hub. When to read, write and close the
//! hub decides.

use std::io::{self, IoSlice, Read};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant as Clock};

use parlour_core::{Cause, Close, ConnId, Event};
use socket2::Socket;

use super::{SWEEP_PAUSE, SWEPT, Server, Target};
use crate::poll::Poller;

/// Bytes that are read at once at the most, and while much input is left over.
pub(super) const READ_SIZE: usize = 128 * 1024;
const SMALL_READ_SIZE: usize = 4 * 1024;
/// How much may be left over before reads are small.
const MANY_LEFTOVERS: usize = 4 * 1024 * 1024;
/// Slices that are written at once at the most.
const WRITE_SLICES: usize = 16;

/// Input that the hub did not take yet.
#[derive(Debug, Default)]
pub(super) struct Leftover {
    bytes: Vec<u8>,
    /// So many of them were taken meanwhile.
    taken: usize,
}

impl Leftover {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), taken: 0 }
    }

    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    /// Its memory goes with the last byte.
    fn take(&mut self, count: usize) {
        self.taken += count;
        if self.rest().is_empty() {
            *self = Self::default();
        }
    }
}

/// A connection as the driver sees it.
#[derive(Debug)]
pub(super) struct Link {
    id: ConnId,
    socket: Socket,
    leftover: Leftover,
    /// The poller tells when there is something to read. While it does not, nothing tells that
    /// the peer has gone.
    is_read: bool,
    /// The socket took less than there was; the poller tells when it takes more.
    pub(super) is_full: bool,
    /// The sending side is closed.
    is_shut: bool,
    /// Sending failed: what is to be sent is dropped, and once what the peer had
    /// sent before is read, the connection has failed.
    broken: Option<Cause>,
}

impl<P: Poller> Server<'_, P> {
    pub(super) fn open_link(&mut self, id: ConnId, socket: Socket) {
        let (index, fd) = (id.slot(), socket.as_raw_fd());
        if index >= self.links.len() {
            self.links.resize_with(index + 1, || None);
        }
        self.links[index] = Some(Link {
            id,
            socket,
            leftover: Leftover::default(),
            is_read: true,
            is_full: false,
            is_shut: false,
            broken: None,
        });
        self.watch(fd, Target::Conn(id), true, false);
    }

    pub(super) fn link(&mut self, id: ConnId) -> Option<&mut Link> {
        self.links.get_mut(id.slot())?.as_mut().filter(|link| link.id == id)
    }

    pub(super) fn read(&mut self, id: ConnId) {
        let most = if self.left_over > MANY_LEFTOVERS { SMALL_READ_SIZE } else { READ_SIZE };
        let appetite = self.hub.interest(id).read.min(most);
        let mut buffer = std::mem::take(&mut self.buffer);
        let Some(link) = self.link(id).filter(|link| appetite > 0 && link.leftover.rest().is_empty()) else {
            self.buffer = buffer;
            return self.service(id);
        };
        let broken = link.broken;
        match (&link.socket).read(&mut buffer[..appetite]) {
            Ok(0) => match broken {
                Some(cause) => self.fail(id, cause),
                None => drop(self.handle(Event::PeerClosed(id))),
            },
            Ok(count) => {
                let fd = link.socket.as_raw_fd();
                let taken = self.handle(Event::Received(id, &buffer[..count])).taken();
                self.keep(id, Leftover::new(&buffer[taken..count]));
                if taken < count {
                    // Those behind it may have found their room full.
                    self.read_first.get_or_insert(fd + 1);
                }
            }
            Err(error) if is_passing(&error) => {}
            Err(error) => self.fail(id, cause_of(&error)),
        }
        self.buffer = buffer;
    }

    /// Brings a connection to where the hub wants it: offers what input is left,
    /// writes, closes, and watches for the rest.
    pub(super) fn service(&mut self, id: ConnId) {
        self.offer_leftover(id);
        self.write(id);
        let interest = self.hub.interest(id);
        let Some(link) = self.link(id) else { return };
        match interest.close {
            Close::No => {}
            Close::Write if link.is_shut => {}
            Close::Write => {
                link.is_shut = true;
                // A peer that is gone already shows when it is read.
                let _ = link.socket.shutdown(Shutdown::Write);
            }
            Close::Full => return self.close(id),
            Close::Abort => {
                // With a linger time of 0 closing resets the connection (socket(7)).
                let _ = link.socket.set_linger(Some(Duration::ZERO));
                return self.close(id);
            }
        }
        let read = interest.read > 0 && link.leftover.rest().is_empty();
        let write = interest.write && link.is_full;
        let fd = link.socket.as_raw_fd();
        if std::mem::replace(&mut link.is_read, read) != read {
            self.count_unread(read);
        }
        self.watch(fd, Target::Conn(id), read, write);
    }

    /// One more is read, or one more is not.
    fn count_unread(&mut self, is_read: bool) {
        if is_read {
            self.unread -= 1;
        } else {
            self.unread += 1;
            self.sweep_at.get_or_insert_with(|| Clock::now() + SWEEP_PAUSE);
        }
    }

    /// Finds which of the peers that are not read have gone, and lets go of those that were gone
    /// at the last look: until then what they had said before may still be said.
    pub(super) fn sweep(&mut self, now: Clock) {
        let mut looks = 0;
        while looks < SWEPT && self.sweep_from < self.links.len() {
            let link = self.links[self.sweep_from].as_mut();
            self.sweep_from += 1;
            let Some(link) = link.filter(|link| !link.is_read) else { continue };
            looks += 1;
            let id = link.id;
            if let Some(cause) = link.broken {
                self.fail(id, cause);
            } else if let Ok(Some(error)) = link.socket.take_error() {
                link.broken = Some(cause_of(&error));
                self.service(id);
            }
        }
        if self.sweep_from < self.links.len() {
            self.sweep_at = Some(now);
        } else {
            self.sweep_from = 0;
            self.sweep_at = (self.unread > 0).then_some(now + SWEEP_PAUSE);
        }
    }

    fn offer_leftover(&mut self, id: ConnId) {
        let Some(link) = self.link(id).filter(|link| !link.leftover.rest().is_empty()) else { return };
        let leftover = std::mem::take(&mut link.leftover);
        self.left_over -= leftover.bytes.len();
        let leftover = self.offer(id, leftover);
        self.keep(id, leftover);
    }

    fn keep(&mut self, id: ConnId, leftover: Leftover) {
        let len = leftover.bytes.len();
        if let Some(link) = self.link(id) {
            link.leftover = leftover;
            self.left_over += len;
        }
    }

    /// Offers input to the hub if it wants any; returns what is left of it.
    pub(super) fn offer(&mut self, id: ConnId, mut input: Leftover) -> Leftover {
        if !input.rest().is_empty() && self.hub.interest(id).read > 0 {
            let taken = self.handle(Event::Received(id, input.rest())).taken();
            input.take(taken);
        }
        input
    }

    /// Writes once what there is to be sent, if there is anything.
    fn write(&mut self, id: ConnId) {
        let Some(link) = self.links.get(id.slot()).and_then(Option::as_ref) else { return };
        if link.id != id || link.is_full {
            return;
        }
        let mut slices = [IoSlice::new(&[]); WRITE_SLICES];
        let (mut count, mut len) = (0, 0);
        for (slice, bytes) in slices.iter_mut().zip(self.hub.transmit(id)) {
            *slice = IoSlice::new(bytes);
            count += 1;
            len += bytes.len();
        }
        let sent = match (&slices[..count], link.broken) {
            ([], _) => return,
            // As if it were sent: nobody is to wait for one who is gone.
            (_, Some(_)) => Ok(len),
            // A call that costs a little less.
            ([slice], None) => link.socket.send(slice),
            (slices, None) => link.socket.send_vectored(slices),
        };
        match sent {
            Ok(sent) => {
                self.handle(Event::Sent(id, sent));
                if let Some(link) = self.link(id) {
                    link.is_full = sent < len;
                }
            }
            Err(error) => {
                let Some(link) = self.link(id) else { return };
                if is_passing(&error) {
                    link.is_full = true;
                } else {
                    link.broken = Some(cause_of(&error));
                    self.write(id);
                }
            }
        }
    }

    fn fail(&mut self, id: ConnId, cause: Cause) {
        self.drop_link(id);
        self.handle(Event::Failed(id, cause));
    }

    fn close(&mut self, id: ConnId) {
        self.drop_link(id);
        self.handle(Event::Closed(id));
    }

    fn drop_link(&mut self, id: ConnId) {
        let Some(link) = self.links.get_mut(id.slot()).and_then(Option::take) else { return };
        tracing::debug!(slot = id.slot(), "closed");
        self.left_over -= link.leftover.bytes.len();
        self.unread -= usize::from(!link.is_read);
        self.unwatch(link.socket.as_raw_fd());
        if self.starved_until.is_some() {
            // Its descriptor is free for a newcomer.
            self.starved_until = Some(Clock::now());
        }
    }
}

/// Whether a call failed only for now.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn cause_of(error: &io::Error) -> Cause {
    if error.kind() == io::ErrorKind::TimedOut { Cause::TimedOut } else { Cause::Reset }
}
