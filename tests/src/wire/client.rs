//! A client's end of a connection: an ordinary smoltcp socket, the bytes that it still has to send, and
//! the bytes that it received.

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{self, State};

use crate::lines::{LineBuffer, Next};
use crate::outbox::Outbox;

/// A client.
#[derive(Debug)]
pub(super) struct Client {
    /// Its socket, for as long as that is of use.
    pub(super) socket: Option<SocketHandle>,
    pub(super) port: u16,
    pub(super) outbox: Outbox,
    pub(super) reads: bool,
    /// It closes when the server does.
    pub(super) closes: bool,
    received: LineBuffer,
    /// All that will ever come has been received.
    has_ended: bool,
}

impl Client {
    pub(super) fn new(socket: SocketHandle, port: u16) -> Self {
        Self {
            socket: Some(socket),
            port,
            outbox: Outbox::default(),
            reads: true,
            closes: true,
            received: LineBuffer::default(),
            has_ended: false,
        }
    }

    /// Sends and receives as much as it can. Returns whether anything moved.
    pub(super) fn step(&mut self, socket: &mut tcp::Socket<'_>) -> bool {
        let sent = self.outbox.flush(|bytes| socket.send_slice(bytes).unwrap_or(0));
        let mut has_moved = sent > 0;
        if self.outbox.is_at_end() && socket.may_send() {
            socket.close();
            has_moved = true;
        }
        while self.reads
            && let Ok(count @ 1..) = socket.recv(|bytes| {
                self.received.push(bytes);
                (bytes.len(), bytes.len())
            })
        {
            has_moved |= count > 0;
        }
        let is_connecting = matches!(socket.state(), State::SynSent | State::SynReceived);
        if !self.has_ended && !is_connecting && !socket.may_recv() {
            self.has_ended = true;
            has_moved = true;
            if self.closes {
                socket.close();
            }
        }
        has_moved
    }

    /// Whether its socket is of no use any more.
    pub(super) fn is_done_with(&self, socket: &tcp::Socket<'_>) -> bool {
        let is_closed = socket.state() == State::Closed && socket.remote_endpoint().is_none();
        self.has_ended && (is_closed || socket.state() == State::TimeWait)
    }

    /// Breaks the connection; nothing more comes.
    pub(super) fn reset(&mut self, socket: &mut tcp::Socket<'_>) {
        socket.abort();
        self.outbox.clear();
        self.has_ended = true;
    }

    /// The next line that it received, or the end.
    pub(super) fn next(&mut self) -> Next {
        match self.received.pop_line() {
            Some(line) => Next::Line(line),
            None if !self.has_ended => Next::Nothing,
            None => match self.received.pop_all() {
                rest if rest.is_empty() => Next::Closed,
                rest => Next::Line(rest),
            },
        }
    }

    /// All that it received and that was not looked at yet.
    pub(super) fn take_all(&mut self) -> Vec<u8> {
        self.received.pop_all()
    }
}
