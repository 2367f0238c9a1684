//! One client of the server under test: blocking, line by line, with patience.
//!
//! Knows sockets, lines and how a newcomer is welcomed; for many clients at once
//! there is the swarm.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::chat::Talk;
use crate::lines::{LineBuffer, Next, PATIENCE};
use crate::sys;

/// How a client connects.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnectOptions {
    /// The address to come from, for TCP over IPv4.
    pub source: Option<Ipv4Addr>,
    /// The size of the kernel's receive buffer, for TCP over IPv4.
    pub receive_buffer: Option<usize>,
}

/// A TCP or Unix stream.
#[derive(Debug)]
pub enum Stream {
    /// TCP over IPv4 or IPv6.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
}

impl Stream {
    /// Connects to an address as parlour prints it: `HOST:PORT` or `unix:PATH`.
    pub fn connect(address: &str, options: ConnectOptions) -> io::Result<Self> {
        if let Some(path) = address.strip_prefix("unix:") {
            return UnixStream::connect(path).map(Self::Unix);
        }
        let stream = match address.parse() {
            Ok(SocketAddr::V4(address)) => sys::connect(address, options.source, options.receive_buffer)?,
            _ => TcpStream::connect(address)?,
        };
        // If a test sends byte by byte, the bytes must go out one by one.
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    /// Ends the sending direction.
    pub fn half_close(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    /// Whether calls return at once with `WouldBlock`.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nonblocking(nonblocking),
            Self::Unix(stream) => stream.set_nonblocking(nonblocking),
        }
    }

    pub(crate) fn set_timeouts(&self, read: Duration) -> io::Result<()> {
        // Zero would mean forever.
        let read = Some(read.max(Duration::from_millis(1)));
        match self {
            Self::Tcp(stream) => {
                stream.set_write_timeout(Some(PATIENCE))?;
                stream.set_read_timeout(read)
            }
            Self::Unix(stream) => {
                stream.set_write_timeout(Some(PATIENCE))?;
                stream.set_read_timeout(read)
            }
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

/// A connected client.
#[derive(Debug)]
pub struct Client {
    stream: Stream,
    received: LineBuffer,
    closed: bool,
    name: String,
}

impl Client {
    /// Connects to `address`.
    #[must_use]
    pub fn connect(address: &str) -> Self {
        Self::connect_with(address, ConnectOptions::default())
    }

    /// Connects to `address` as `options` say.
    #[must_use]
    pub fn connect_with(address: &str, options: ConnectOptions) -> Self {
        let stream = Stream::connect(address, options).unwrap_or_else(|error| panic!("{address}: {error}"));
        stream.set_timeouts(PATIENCE).expect("a socket");
        Self { stream, received: LineBuffer::default(), closed: false, name: String::new() }
    }

    /// Connects to a chat and reads how it is welcomed.
    #[must_use]
    pub fn enter(address: &str) -> Self {
        Self::enter_with(address, ConnectOptions::default())
    }

    /// Connects to a chat as `options` say and reads how it is welcomed.
    #[must_use]
    pub fn enter_with(address: &str, options: ConnectOptions) -> Self {
        let mut client = Self::connect_with(address, options);
        client.name = client.is_welcomed();
        client
    }

    /// Enters a chat and takes the name `name`.
    #[must_use]
    pub fn named(address: &str, name: &str) -> Self {
        let mut client = Self::enter(address);
        let given = std::mem::take(&mut client.name);
        client.takes_name(&given, name);
        client.name = name.to_string();
        client
    }

    /// The name that the server gave or took.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends bytes as they are, which may fail.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends `bytes` again and again as long as the server takes them. Stops if it takes nothing for a
    /// while.
    pub fn send_until_stuck(&mut self, bytes: &[u8]) {
        const A_WHILE: Duration = Duration::from_millis(300);
        self.stream.set_nonblocking(true).expect("a socket");
        let mut last = Instant::now();
        let mut sent = 0;
        while last.elapsed() < A_WHILE {
            match self.stream.write(&bytes[sent..]) {
                Ok(count) => {
                    sent = (sent + count) % bytes.len();
                    last = Instant::now();
                }
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        self.stream.set_nonblocking(false).expect("a socket");
    }

    /// Ends the sending direction.
    pub fn half_close(&self) {
        self.stream.half_close().expect("an open socket");
    }

    /// Closes by a reset.
    pub fn reset(self) {
        sys::reset_on_close(&self.stream).expect("a socket");
    }

    /// The next line or the close, if there is one within `timeout`.
    pub fn next_within(&mut self, timeout: Duration) -> Next {
        let give_up = Instant::now() + timeout;
        loop {
            if let Some(line) = self.received.pop_line() {
                return Next::Line(line);
            }
            if !self.receive(give_up) {
                return if self.closed { self.rest() } else { Next::Nothing };
            }
        }
    }

    fn rest(&mut self) -> Next {
        let rest = self.received.pop_all();
        if rest.is_empty() { Next::Closed } else { Next::Line(rest) }
    }

    /// Reads once; says whether anything came.
    fn receive(&mut self, give_up: Instant) -> bool {
        if self.closed {
            return false;
        }
        self.stream.set_timeouts(give_up.saturating_duration_since(Instant::now())).expect("a socket");
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => self.closed = true,
            Ok(count) => {
                self.received.push(&chunk[..count]);
                return true;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // A reset is a close as well.
            Err(_) => self.closed = true,
        }
        false
    }

    /// The names in this client's room; chat only.
    pub fn names_here(&mut self) -> Vec<String> {
        self.say("/who");
        let seen = self.catch_up();
        let lists =
            seen.iter().filter(|line| line.starts_with("-- in ")).filter_map(|line| line.split_once(": "));
        lists.flat_map(|(_, names)| names.split(", ")).map(str::to_string).collect()
    }

    /// Nothing may come for `silence`.
    pub fn expect_silence(&mut self, silence: Duration) {
        let next = self.next_within(silence);
        assert_eq!(next, Next::Nothing, "what {} saw", self.name);
    }

    /// Everything up to the close.
    pub fn read_to_close(&mut self) -> Vec<u8> {
        let give_up = Instant::now() + PATIENCE;
        while self.receive(give_up) {}
        assert!(self.closed, "{}: not closed", self.name);
        self.received.pop_all()
    }

    /// The first bytes that come, or none at a close.
    pub fn read_some(&mut self) -> Vec<u8> {
        self.receive(Instant::now() + PATIENCE);
        self.received.pop_all()
    }

    /// Exactly `count` bytes.
    pub fn read_exactly(&mut self, count: usize) -> Vec<u8> {
        let give_up = Instant::now() + PATIENCE;
        let mut bytes = self.received.pop_all();
        while bytes.len() < count && self.receive(give_up) {
            bytes.extend(self.received.pop_all());
        }
        assert!(bytes.len() >= count, "{} of {count} bytes came", bytes.len());
        self.received.push(&bytes.split_off(count));
        bytes
    }

    /// The socket itself, for what this type does not do.
    #[must_use]
    pub fn into_stream(self) -> Stream {
        self.stream
    }
}

impl Talk for Client {
    fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).unwrap_or_else(|error| panic!("{}: sending: {error}", self.name));
    }

    fn next(&mut self) -> Next {
        self.next_within(PATIENCE)
    }

    fn who(&self) -> String {
        if self.name.is_empty() { "a client".into() } else { self.name.clone() }
    }
}
