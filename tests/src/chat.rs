//! The lines that clients of a chat send and see, over any transport.
//!
//! Knows how the server's lines are written and how a newcomer is welcomed; knows no
//! sockets, threads or clocks.

use crate::lines::Next;

/// One client, which sends bytes and gets lines.
pub trait Talk {
    /// Sends bytes as they are.
    fn send(&mut self, bytes: &[u8]);

    /// The next line or the close, as bytes, if it comes before the test runs out of patience.
    fn next(&mut self) -> Next;

    /// Its name in the message of a failure.
    fn who(&self) -> String;

    /// Sends a line.
    fn say(&mut self, text: &str) {
        self.send(format!("{text}\n").as_bytes());
    }

    /// The next line without its CR LF (rule 1), which must be UTF-8 (rule 2).
    fn line(&mut self) -> String {
        match self.next() {
            Next::Line(line) => line_text(&line),
            other => panic!("{}: {other:?} instead of a line", self.who()),
        }
    }

    /// The next line must be `text`.
    fn expect_line(&mut self, text: &str) {
        let line = self.line();
        assert!(line == text, "{} saw {line:?} instead of {text:?}", self.who());
    }

    /// The next line must satisfy `wanted`; it is returned.
    fn expect_matching(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String
    where
        Self: Sized,
    {
        let line = self.line();
        assert!(wanted(&line), "{} saw {line:?} instead of {what}", self.who());
        line
    }

    /// Takes lines until one is `text`. Returns the lines before it.
    fn wait_for(&mut self, text: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            match self.next() {
                Next::Line(line) if line_text(&line) == text => return before,
                Next::Line(line) => before.push(line_text(&line)),
                other => panic!("{} waited for {text:?}: {other:?} after {before:#?}", self.who()),
            }
        }
    }

    /// Takes all lines that are for this client by now: up to the answer to its own `/ping`. The answer
    /// comes after everything that the hub took in before.
    fn catch_up(&mut self) -> Vec<String> {
        self.say("/ping");
        self.wait_for("-- pong")
    }

    /// Nothing may wait for this client, and all that it sent was taken in.
    fn expect_nothing(&mut self) {
        let seen = self.catch_up();
        assert!(seen.is_empty(), "{} saw {seen:#?} instead of nothing", self.who());
    }

    /// The hub must have closed the connection, with nothing before.
    fn expect_close(&mut self) {
        let next = self.next();
        assert!(next == Next::Closed, "{}: {next:?} instead of a close", self.who());
    }

    /// Reads how it is welcomed; says the name that it is given.
    fn is_welcomed(&mut self) -> String {
        let welcome = self.line();
        assert!(welcome.starts_with("-- welcome to parlour, "), "{} saw {welcome:?} first", self.who());
        self.catch_up();
        welcomed_name(&welcome)
    }

    /// Takes `name` in place of the one that it was `given`.
    fn takes_name(&mut self, given: &str, name: &str) {
        self.say(&format!("/nick {name}"));
        self.expect_line(&format!("-- {given} is now {name}"));
    }
}

/// A client, numbered from 0 in the order of connecting.
pub type ClientId = usize;

/// A chat with all its clients.
pub trait Chat {
    /// Connects a client and reads nothing.
    fn newcomer(&mut self) -> ClientId;

    /// Sends bytes as they are.
    fn sends(&mut self, client: ClientId, bytes: &[u8]);

    /// The next line or the close of `client`, as bytes.
    fn next(&mut self, client: ClientId) -> Next;

    /// The time, as an addition to the message of a failure.
    fn when(&self) -> String {
        String::new()
    }

    /// One of the clients.
    fn one(&mut self, client: ClientId) -> One<'_, Self> {
        One { chat: self, client }
    }

    /// Connects a client and reads how it is welcomed; says its name as well.
    fn enter(&mut self) -> (ClientId, String) {
        let client = self.newcomer();
        let name = self.one(client).is_welcomed();
        (client, name)
    }

    /// Lets a client enter and take `name`.
    fn person(&mut self, name: &str) -> ClientId {
        let (client, given) = self.enter();
        self.one(client).takes_name(&given, name);
        client
    }

    /// Lets one client for each of `names` enter and take that name; then nothing
    /// waits for any of them.
    fn people<const N: usize>(&mut self, names: [&str; N]) -> [ClientId; N] {
        let clients = names.map(|name| self.person(name));
        for client in clients {
            self.until_pong(client);
        }
        clients
    }

    /// See [`Talk::say`].
    fn says(&mut self, client: ClientId, text: &str) {
        self.one(client).say(text);
    }

    /// See [`Talk::line`].
    fn line(&mut self, client: ClientId) -> String {
        self.one(client).line()
    }

    /// See [`Talk::expect_line`].
    fn sees(&mut self, client: ClientId, text: &str) {
        self.one(client).expect_line(text);
    }

    /// See [`Talk::expect_matching`].
    fn sees_where(&mut self, client: ClientId, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        self.one(client).expect_matching(what, wanted)
    }

    /// See [`Talk::catch_up`].
    fn until_pong(&mut self, client: ClientId) -> Vec<String> {
        self.one(client).catch_up()
    }

    /// See [`Talk::expect_nothing`].
    fn sees_nothing(&mut self, client: ClientId) {
        self.one(client).expect_nothing();
    }

    /// See [`Talk::expect_close`].
    fn sees_close(&mut self, client: ClientId) {
        self.one(client).expect_close();
    }
}

/// One of the clients of a chat.
#[derive(Debug)]
pub struct One<'c, C: ?Sized> {
    chat: &'c mut C,
    client: ClientId,
}

impl<C: Chat + ?Sized> Talk for One<'_, C> {
    fn send(&mut self, bytes: &[u8]) {
        self.chat.sends(self.client, bytes);
    }

    fn next(&mut self) -> Next {
        self.chat.next(self.client)
    }

    fn who(&self) -> String {
        format!("client {}{}", self.client, self.chat.when())
    }
}

/// The text of a line of the server, which is UTF-8 and ends in CR LF.
#[must_use]
pub fn line_text(line: &[u8]) -> String {
    let text = std::str::from_utf8(line).unwrap_or_else(|_| panic!("not UTF-8: \"{}\"", line.escape_ascii()));
    text.strip_suffix("\r\n").unwrap_or_else(|| panic!("no CR LF at the end of {text:?}")).to_string()
}

/// The line that the server tells again, as from before, without the time that a server with a clock
/// tells: `-- earlier (09:30): <bob> hi`. `None` if it is another line.
#[must_use]
pub fn past(line: &str) -> Option<String> {
    let rest = line.strip_prefix("-- earlier")?;
    let (time, text) = rest.split_once(": ").unwrap_or_else(|| panic!("no line in {line:?}"));
    if let Some(time) = time.strip_prefix(" (") {
        let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert!(matches!(shape.as_str(), "00:00)" | "0000-00-00 00:00)"), "{line:?} has a strange time");
    } else {
        assert!(time.is_empty(), "{line:?} has a strange time");
    }
    Some(text.to_string())
}

/// The name that a newcomer is given in the line that welcomes it.
#[must_use]
fn welcomed_name(welcome: &str) -> String {
    let name =
        welcome.split_once("you are ").and_then(|(_, rest)| rest.split_once(';')).map(|(name, _)| name);
    name.unwrap_or_else(|| panic!("no name in {welcome:?}")).to_string()
}
