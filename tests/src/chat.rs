//! What clients of a chat say and see, line by line, whatever carries the lines.
//!
//! Knows how the server's lines are written and how a newcomer is welcomed; knows no
//! sockets, threads or clocks.

use crate::lines::Next;

/// A client, numbered from 0 in the order of connecting.
pub type ClientId = usize;

/// A chat with all its clients.
pub trait Chat {
    /// Connects a client and reads nothing.
    fn newcomer(&mut self) -> ClientId;

    /// Sends bytes as they are.
    fn sends(&mut self, client: ClientId, bytes: &[u8]);

    /// What comes next to `client`, as bytes.
    fn next(&mut self, client: ClientId) -> Next;

    /// When it is, as an addition to the words of a failure.
    fn when(&self) -> String {
        String::new()
    }

    /// Connects a client and reads how it is welcomed; says its name as well.
    fn enter(&mut self) -> (ClientId, String) {
        let client = self.newcomer();
        let welcome =
            self.sees_where(client, "a welcome", |line| line.starts_with("-- welcome to parlour, "));
        self.until_pong(client);
        (client, welcomed_name(&welcome))
    }

    /// Lets a client enter and take `name`.
    fn person(&mut self, name: &str) -> ClientId {
        let (client, given) = self.enter();
        self.says(client, &format!("/nick {name}"));
        self.sees(client, &format!("-- {given} is now {name}"));
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

    /// Sends a line.
    fn says(&mut self, client: ClientId, text: &str) {
        self.sends(client, format!("{text}\n").as_bytes());
    }

    /// The next line without its CR LF (rule 1), which must be UTF-8 (rule 2).
    fn line(&mut self, client: ClientId) -> String {
        match self.next(client) {
            Next::Line(line) => line_text(&line),
            other => panic!("client {client}: {other:?} instead of a line{}", self.when()),
        }
    }

    /// The next line of `client` must be `text`.
    fn sees(&mut self, client: ClientId, text: &str) {
        let line = self.line(client);
        assert!(line == text, "client {client} saw {line:?} instead of {text:?}{}", self.when());
    }

    /// The next line of `client` must satisfy `wanted`; it is returned.
    fn sees_where(&mut self, client: ClientId, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let line = self.line(client);
        assert!(wanted(&line), "client {client} saw {line:?} instead of {what}{}", self.when());
        line
    }

    /// What waits for `client`, up to the answer to a `/ping` of its own, which
    /// comes after all that the hub took in before.
    fn until_pong(&mut self, client: ClientId) -> Vec<String> {
        self.says(client, "/ping");
        let mut before = Vec::new();
        loop {
            match self.line(client) {
                line if line == "-- pong" => return before,
                line => before.push(line),
            }
        }
    }

    /// Nothing waits for `client`, and all that it sent was taken in.
    fn sees_nothing(&mut self, client: ClientId) {
        let seen = self.until_pong(client);
        assert!(seen.is_empty(), "client {client} saw {seen:#?} instead of nothing{}", self.when());
    }

    /// The hub closes the connection of `client`, with nothing before.
    fn sees_close(&mut self, client: ClientId) {
        let next = self.next(client);
        assert!(next == Next::Closed, "client {client}: {next:?} instead of a close{}", self.when());
    }
}

/// The text of a line of the server, which is UTF-8 and ends in CR LF.
#[must_use]
pub fn line_text(line: &[u8]) -> String {
    let text = std::str::from_utf8(line).unwrap_or_else(|_| panic!("not UTF-8: \"{}\"", line.escape_ascii()));
    text.strip_suffix("\r\n").unwrap_or_else(|| panic!("no CR LF at the end of {text:?}")).to_string()
}

/// The name that a newcomer is given in the line that welcomes it.
#[must_use]
pub fn welcomed_name(welcome: &str) -> String {
    let name =
        welcome.split_once("you are ").and_then(|(_, rest)| rest.split_once(';')).map(|(name, _)| name);
    name.unwrap_or_else(|| panic!("no name in {welcome:?}")).to_string()
}
