//! Many clients in one thread: each sends what is queued for it and reads, unless
//! it is told not to, whenever the test lets the swarm move.
//!
//! Knows sockets and lines; knows nothing of chat.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use crate::client::{ConnectOptions, Stream};
use crate::lines::{LineBuffer, Next, PATIENCE};
use crate::outbox::Outbox;
use crate::sys::{self, POLLIN, POLLOUT, pollfd};

/// The most that one client reads in a turn.
const CHUNK: usize = 64 * 1024;

#[derive(Debug)]
struct Member {
    stream: Option<Stream>,
    outbox: Outbox,
    has_ended: bool,
    reads: bool,
    closed: bool,
    received: LineBuffer,
}

/// Clients that are named by their number, from 0 in the order of connecting.
#[derive(Debug, Default)]
pub struct Swarm {
    members: Vec<Member>,
}

impl Swarm {
    /// Connects one more client to `address`.
    pub fn connect(&mut self, address: &str, options: ConnectOptions) -> usize {
        let stream = Stream::connect(address, options).unwrap_or_else(|error| panic!("{address}: {error}"));
        self.add(stream)
    }

    /// Adds a connected client.
    pub fn add(&mut self, stream: Stream) -> usize {
        stream.set_nonblocking(true).expect("a socket");
        self.members.push(Member {
            stream: Some(stream),
            outbox: Outbox::default(),
            has_ended: false,
            reads: true,
            closed: false,
            received: LineBuffer::default(),
        });
        self.members.len() - 1
    }

    /// How many clients there ever were.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there never was a client.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Queues bytes to be sent by `client`.
    pub fn send(&mut self, client: usize, bytes: &[u8]) {
        self.members[client].outbox.extend(bytes);
    }

    /// How many queued bytes `client` has not yet sent.
    #[must_use]
    pub fn unsent(&self, client: usize) -> usize {
        self.members[client].outbox.len()
    }

    /// Ends the sending direction of `client` once what is queued was sent.
    pub fn half_close(&mut self, client: usize) {
        self.members[client].outbox.end();
    }

    /// Closes `client` by a reset.
    pub fn reset(&mut self, client: usize) {
        if let Some(stream) = self.members[client].stream.take() {
            sys::reset_on_close(&stream).expect("a socket");
        }
        self.members[client].closed = true;
    }

    /// Whether `client` reads from now on.
    pub fn set_reading(&mut self, client: usize, reads: bool) {
        self.members[client].reads = reads;
    }

    /// Whether the server closed `client`; whole lines may still be there.
    #[must_use]
    pub fn is_closed(&self, client: usize) -> bool {
        self.members[client].closed
    }

    /// A line that was already received by `client`.
    pub fn pop_line(&mut self, client: usize) -> Option<Vec<u8>> {
        self.members[client].received.pop_line()
    }

    /// Takes all that `client` received and nobody took, lines or not.
    pub fn take_all(&mut self, client: usize) -> Vec<u8> {
        self.members[client].received.pop_all()
    }

    /// Lets all clients move once. Waits for `timeout` at most until one of them can.
    pub fn turn(&mut self, timeout: Duration) {
        let mut polled = Vec::with_capacity(self.members.len());
        let mut numbers = Vec::with_capacity(self.members.len());
        for (number, member) in self.members.iter().enumerate() {
            let Some(stream) = member.stream.as_ref().filter(|_| !member.closed) else { continue };
            let sends = !member.outbox.is_empty() || member.is_to_end();
            let events = if member.reads { POLLIN } else { 0 } | if sends { POLLOUT } else { 0 };
            // The kernel reports a broken connection even to those that ask for nothing.
            if events != 0 {
                polled.push(pollfd { fd: stream.as_fd().as_raw_fd(), events, revents: 0 });
                numbers.push(number);
            }
        }
        sys::poll(&mut polled, timeout).expect("sockets");
        for (polled, number) in polled.iter().zip(numbers) {
            if polled.revents != 0 {
                self.members[number].move_on();
            }
        }
    }

    /// The next line or the close of `client`, letting all move for at most `timeout`.
    pub fn next_within(&mut self, client: usize, timeout: Duration) -> Next {
        let give_up = Instant::now() + timeout;
        loop {
            let member = &mut self.members[client];
            if let Some(line) = member.received.pop_line() {
                return Next::Line(line);
            }
            if member.closed {
                let rest = member.received.pop_all();
                return if rest.is_empty() { Next::Closed } else { Next::Line(rest) };
            }
            if Instant::now() >= give_up {
                return Next::Nothing;
            }
            self.turn(give_up.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)));
        }
    }

    /// Drops what `client` gets, up to a line that ends with `ending`.
    pub fn wait_for(&mut self, client: usize, ending: &[u8]) {
        loop {
            match self.next_within(client, PATIENCE) {
                Next::Line(line) if line.ends_with(ending) => return,
                Next::Line(_) => {}
                other => panic!("client {client}: {other:?} instead of \"{}\"", ending.escape_ascii()),
            }
        }
    }

    /// Lets all move for `duration`.
    pub fn run_for(&mut self, duration: Duration) {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            // The kernel counts whole milliseconds; zero would be a busy loop.
            let left = end.saturating_duration_since(Instant::now());
            self.turn(left.clamp(Duration::from_millis(1), Duration::from_millis(10)));
        }
    }
}

impl Member {
    fn move_on(&mut self) {
        self.write();
        if self.reads {
            self.read();
        }
    }

    /// Whether all was sent, and the server is to be told that nothing more comes.
    fn is_to_end(&self) -> bool {
        self.outbox.is_at_end() && !self.has_ended
    }

    fn write(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        while !self.outbox.is_empty() {
            let mut is_full = false;
            self.outbox.flush(|bytes| match stream.write(bytes) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    is_full = true;
                    0
                }
                // The server's bytes from before it closed must still be read.
                Err(_) => bytes.len(),
            });
            if is_full {
                return;
            }
        }
        if self.is_to_end() {
            self.has_ended = true;
            // The server may have closed first.
            let _ = self.stream.as_ref().map(Stream::half_close);
        }
    }

    fn read(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        let mut chunk = [0; CHUNK];
        match stream.read(&mut chunk) {
            Ok(0) => self.closed = true,
            Ok(count) => self.received.push(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.closed = true,
        }
    }
}
