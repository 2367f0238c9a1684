//! What people on a network do and see in the chat, line by line.

use parlour_firmware::core::{Config, Limits, Listener, OnLag, Protocol};
use parlour_firmware::{Options, Service};
use smoltcp::phy::Device;

use super::{ClientId, Plan, Wire};
use crate::client::line_text;
use crate::hub::Setup;
use crate::lines::Next;

/// The port of the chat.
pub const CHAT: u16 = 5000;
/// The port of the echo.
pub const ECHO: u16 = 7;

impl Plan {
    /// Chat for so many clients, echo for two, and two refusals for each; as large as
    /// on a middling board.
    #[must_use]
    pub fn chat_and_echo(clients: usize) -> Self {
        let limits = Limits {
            conns: clients + 2,
            rooms: 4,
            rooms_per_conn: 2,
            name: 32,
            line: 256,
            queue: 512,
            log: 4 << 10,
            records: 64,
        };
        let on_lag = OnLag::Disconnect;
        let listeners = [Protocol::Chat, Protocol::Echo].map(|protocol| Listener { protocol, on_lag });
        Self {
            setup: Setup { limits, listeners: listeners.to_vec(), config: Config::new(&[]) },
            services: vec![
                Service { port: CHAT, clients, refusals: 2 },
                Service { port: ECHO, clients: 2, refusals: 2 },
            ],
            options: Options::new(256, 512),
            client: [1024; 2],
            seed: 1,
        }
    }
}

impl<D: Device> Wire<'_, D> {
    /// A newcomer to the chat who has been welcomed.
    pub fn enter(&mut self) -> ClientId {
        let client = self.connect(CHAT);
        let welcome = self.line(client);
        assert!(welcome.starts_with("-- welcome to parlour, "), "client {client} saw {welcome:?}");
        self.until_pong(client);
        client
    }

    /// A newcomer of this name.
    pub fn person(&mut self, name: &str) -> ClientId {
        let client = self.enter();
        self.say(client, &format!("/nick {name}"));
        let line = self.line(client);
        assert!(line.ends_with(&format!(" is now {name}")), "client {client} saw {line:?}");
        self.until_pong(client);
        client
    }

    /// Newcomers of these names, who have seen each other come.
    pub fn people<const N: usize>(&mut self, names: [&str; N]) -> [ClientId; N] {
        let clients = names.map(|name| self.person(name));
        for client in clients {
            self.until_pong(client);
        }
        clients
    }

    /// Sends a line.
    pub fn say(&mut self, client: ClientId, text: &str) {
        self.send(client, format!("{text}\n").as_bytes());
    }

    /// The next line that a client gets.
    pub fn line(&mut self, client: ClientId) -> String {
        match self.next(client) {
            Next::Line(line) => line_text(&line),
            other => panic!("client {client}: {other:?} instead of a line, at {}", self.now()),
        }
    }

    /// The next line that a client gets must be this one.
    pub fn sees(&mut self, client: ClientId, text: &str) {
        let line = self.line(client);
        assert_eq!(line, text, "what client {client} saw at {}", self.now());
    }

    /// A client's connection must have ended, with nothing before.
    pub fn sees_close(&mut self, client: ClientId) {
        let next = self.next(client);
        assert_eq!(next, Next::Closed, "what client {client} saw at {}", self.now());
    }

    /// What waits for a client, up to the answer to a `/ping` of its own.
    pub fn until_pong(&mut self, client: ClientId) -> Vec<String> {
        self.say(client, "/ping");
        let mut before = Vec::new();
        loop {
            match self.line(client) {
                line if line == "-- pong" => return before,
                line => before.push(line),
            }
        }
    }

    /// Nothing must wait for a client, and all that it sent was taken in.
    pub fn sees_nothing(&mut self, client: ClientId) {
        let seen = self.until_pong(client);
        assert!(seen.is_empty(), "client {client} saw {seen:#?} at {}", self.now());
    }
}
