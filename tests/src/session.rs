//! A client that speaks of its session by hand (docs/protocol.md, "Resuming"). It sends messages only when it is told
//! to, so it can break every rule.
//!
//! Knows sockets, lines and messages; knows nothing of what is said.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use crate::chat::Talk;
use crate::client::{ConnectOptions, Stream};
use crate::lines::{LineBuffer, Next, PATIENCE};
use crate::server::Server;
use crate::sys;

/// What each message begins and ends with.
pub const START: &[u8] = b"\xff\xfa\x52";
/// See [`START`].
pub const END: &[u8] = b"\xff\xf0";

/// The bytes of a message.
#[must_use]
pub fn message(words: &str) -> Vec<u8> {
    [START, words.as_bytes(), END].concat()
}

/// What a client needs to come back.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// The key of the session.
    pub key: String,
    /// How many bytes of text it has received.
    pub received: u64,
}

/// A connected client.
#[derive(Debug)]
pub struct Speaker {
    stream: Stream,
    name: String,
    key: String,
    /// Bytes that may be the beginning of a message.
    held: Vec<u8>,
    lines: LineBuffer,
    messages: VecDeque<String>,
    received: u64,
    closed: bool,
}

impl Speaker {
    /// Connects to `address`.
    #[must_use]
    pub fn connect(address: &str) -> Self {
        Self::connect_with(address, ConnectOptions::default())
    }

    /// Connects to `address` as `options` say.
    #[must_use]
    pub fn connect_with(address: &str, options: ConnectOptions) -> Self {
        Self::over(Stream::connect(address, options).unwrap_or_else(|error| panic!("{address}: {error}")))
    }

    fn over(stream: Stream) -> Self {
        Self {
            stream,
            name: String::new(),
            key: String::new(),
            held: Vec::new(),
            lines: LineBuffer::default(),
            messages: VecDeque::new(),
            received: 0,
            closed: false,
        }
    }

    /// Connects to a chat, takes a name, and asks for a session.
    #[must_use]
    pub fn enter(address: &str, name: &str) -> Self {
        Self::enter_with(address, name, ConnectOptions::default())
    }

    /// As [`Speaker::enter`], connecting as `options` say.
    #[must_use]
    pub fn enter_with(address: &str, name: &str, options: ConnectOptions) -> Self {
        let mut client = Self::connect_with(address, options);
        let given = client.is_welcomed();
        client.takes_name(&given, name);
        client.name = name.to_owned();
        client.ask();
        client
    }

    /// Connects, and says that it comes back.
    #[must_use]
    pub fn back(address: &str, ticket: &Ticket) -> Self {
        Self::back_with(address, ticket, ConnectOptions::default())
    }

    /// As [`Speaker::back`], connecting as `options` say.
    #[must_use]
    pub fn back_with(address: &str, Ticket { key, received }: &Ticket, options: ConnectOptions) -> Self {
        let mut client = Self::connect_with(address, options);
        client.tell(&format!("resume {key} {received}"));
        (client.key, client.received) = (key.clone(), *received);
        client
    }

    /// What it needs to come back.
    #[must_use]
    pub fn ticket(&self) -> Ticket {
        Ticket { key: self.key.clone(), received: self.received }
    }

    /// Breaks the connection.
    pub fn cut(self) -> Ticket {
        sys::reset_on_close(&self.stream).expect("a socket");
        self.ticket()
    }

    /// Asks for a session.
    pub fn ask(&mut self) {
        self.tell("new");
        let answer = self.message();
        self.key = answer.strip_prefix("key ").unwrap_or_else(|| panic!("{answer:?} is no key")).to_owned();
    }

    /// Sends a message.
    pub fn tell(&mut self, words: &str) {
        self.send(&message(words));
    }

    /// Acknowledges all that has come.
    pub fn acknowledge(&mut self) {
        self.tell(&format!("ack {}", self.received));
    }

    /// The next message.
    pub fn message(&mut self) -> String {
        loop {
            if let Some(message) = self.messages.pop_front() {
                return message;
            }
            assert!(self.receive(), "{}: no message", self.name);
        }
    }

    /// It must be told that its session goes on.
    #[track_caller]
    pub fn expect_resumed(&mut self) {
        let answer = self.message();
        assert!(answer.starts_with("resumed "), "{answer:?}");
    }

    /// The messages that came and were not taken.
    pub fn messages(&mut self) -> Vec<String> {
        self.messages.drain(..).collect()
    }

    /// Ends the sending direction.
    pub fn half_close(&self) {
        self.stream.half_close().expect("an open socket");
    }

    /// Reads up to the close. Returns the lines that came.
    pub fn lines_to_close(&mut self) -> Vec<String> {
        while self.receive() {}
        assert!(self.closed, "{}: not closed", self.name);
        let text = String::from_utf8_lossy(&self.lines.pop_all()).into_owned();
        text.lines().map(str::to_owned).collect()
    }

    /// Reads what has come and what comes within a moment, and drops it.
    pub fn drop_input(&mut self) {
        self.stream.set_timeouts(Duration::from_millis(1)).expect("a socket");
        let mut chunk = [0; 64 * 1024];
        while let Ok(1..) = self.stream.read(&mut chunk) {}
    }

    /// Reads once. Returns whether anything came.
    fn receive(&mut self) -> bool {
        if self.closed {
            return false;
        }
        let give_up = Instant::now() + PATIENCE;
        self.stream.set_timeouts(give_up - Instant::now()).expect("a socket");
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(count @ 1..) => {
                self.take(&chunk[..count]);
                return true;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            // A reset is a close as well.
            Ok(_) | Err(_) => self.closed = true,
        }
        false
    }

    fn take(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        while let Some(at) = self.held.windows(START.len()).position(|bytes| bytes == START) {
            self.take_text(at);
            let Some(len) = self.held.windows(END.len()).position(|bytes| bytes == END) else { return };
            let words = String::from_utf8(self.held[START.len()..len].to_vec()).expect("words");
            self.held.drain(..len + END.len());
            if words.starts_with("key ") {
                self.received = 0;
            }
            self.messages.push_back(words);
        }
        let is_begun = |len: &usize| self.held.ends_with(&START[..*len]);
        let begun = (1..START.len()).rev().find(is_begun).unwrap_or(0);
        self.take_text(self.held.len() - begun);
    }

    fn take_text(&mut self, count: usize) {
        // A test may have claimed anything.
        self.received = self.received.wrapping_add(count as u64);
        self.lines.push(&self.held[..count]);
        self.held.drain(..count);
    }
}

impl Talk for Speaker {
    fn send(&mut self, bytes: &[u8]) {
        let sent = self.stream.write_all(bytes);
        sent.unwrap_or_else(|error| panic!("{}: sending: {error}", self.name));
    }

    fn next(&mut self) -> Next {
        loop {
            if let Some(line) = self.lines.pop_line() {
                return Next::Line(line);
            }
            if !self.receive() {
                return if self.closed { Next::Closed } else { Next::Nothing };
            }
        }
    }

    fn who(&self) -> String {
        if self.name.is_empty() { "a client".into() } else { self.name.clone() }
    }
}

/// Somebody who says that it comes back must not be believed: it is a newcomer.
pub fn expect_unknown(address: &str, ticket: &Ticket) {
    let mut guesser = Speaker::back(address, ticket);
    assert_eq!(guesser.message(), "unknown", "{ticket:?}");
    guesser.expect_matching("a welcome", |line| line.starts_with("-- welcome to parlour, you are guest-"));
}

/// Waits until the server knows that so many more clients are away.
pub fn wait_for_absence(server: &mut Server, count: usize) {
    for _ in 0..count {
        server.stderr.wait_for("a client to be away", |line| line.contains("away, may come back"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_in_whatever_pieces_they_come() {
        let all =
            [b"one\r\n\xff\xfd".as_slice(), &message("ack 5"), b"\r\n", &message("key 1-2"), b"two\r\n"]
                .concat();
        for size in 1..all.len() {
            let (near, _far) = std::os::unix::net::UnixStream::pair().expect("sockets");
            let mut client = Speaker::over(Stream::Unix(near));
            all.chunks(size).for_each(|piece| client.take(piece));
            assert_eq!(client.messages(), ["ack 5", "key 1-2"], "pieces of {size}");
            assert_eq!(client.lines.pop_all(), b"one\r\n\xff\xfd\r\ntwo\r\n");
            assert_eq!(client.received, 5, "after the key");
        }
    }
}
