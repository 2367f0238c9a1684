//! Hubs that run in processes of their own, as drivers of the conformance suite: the
//! clients are real ones over TCP, and settings are flags of a command line.
//!
//! Knows the flags of `parlour serve` and `cargo firmware run`, which are the same; knows
//! neither of the two.

use std::time::Duration;

use crate::chat::ClientId;
use crate::client::ConnectOptions;
use crate::conformance::{Declared, Driver, OnLag, Settings};
use crate::lines::{Next, PATIENCE};
use crate::swarm::Swarm;

/// Small, so that a client that stops reading is soon noticed.
pub const SMALL_BUFFER: ConnectOptions = ConnectOptions { receive_buffer: Some(8 << 10), source: None };

/// A hub in a process of its own.
pub trait Hub {
    /// Its name, in a word or two.
    fn name(&self) -> &str;
    /// Its abilities.
    fn declared(&self) -> Declared;
    /// Starts it with these arguments.
    fn start(&mut self, args: &[&str]);
    /// Where its chat listens, once it was started.
    fn chat(&self) -> String;
    /// Asks it to shut down.
    fn shutdown(&mut self);
}

/// Such a hub with its clients.
#[derive(Debug, Default)]
pub struct OverTcp<H> {
    hub: H,
    swarm: Swarm,
}

impl<H: Hub> OverTcp<H> {
    /// A hub that is yet to be started.
    pub fn new(hub: H) -> Self {
        Self { hub, swarm: Swarm::default() }
    }
}

impl<H: Hub> Driver for OverTcp<H> {
    fn name(&self) -> &str {
        self.hub.name()
    }

    fn declared(&self) -> Declared {
        self.hub.declared()
    }

    fn start(&mut self, settings: &Settings) {
        let mut args: Vec<String> = Vec::new();
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                args.extend([name.to_string(), value]);
            }
        };
        add("--greeting", settings.greeting.map(str::to_string));
        add("--max-conns", settings.max_conns.map(|count| count.to_string()));
        add("--line-limit", settings.line_limit.map(|bytes| bytes.to_string()));
        add("--log-size", settings.log_size.map(|bytes| bytes.to_string()));
        add("--grace", settings.grace_ms.map(|ms| format!("{ms}ms")));
        add("--idle-timeout", settings.idle_timeout_ms.map(|ms| format!("{ms}ms")));
        let on_lag = match settings.on_lag {
            OnLag::Disconnect => None,
            OnLag::Skip => Some("skip".to_string()),
            OnLag::Replay => Some("replay".to_string()),
        };
        add("--on-lag", on_lag);
        add("--history", Some(settings.history.unwrap_or(0).to_string()));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        self.hub.start(&args);
    }

    fn connect(&mut self) -> ClientId {
        self.swarm.connect(&self.hub.chat(), SMALL_BUFFER)
    }

    fn send(&mut self, client: ClientId, bytes: &[u8]) {
        self.swarm.send(client, bytes);
        // Lets what the script sends in pieces go out in pieces.
        self.swarm.turn(Duration::ZERO);
    }

    fn half_close(&mut self, client: ClientId) {
        self.swarm.half_close(client);
    }

    fn reset(&mut self, client: ClientId) {
        self.swarm.reset(client);
    }

    fn set_reading(&mut self, client: ClientId, reads: bool) {
        self.swarm.set_reading(client, reads);
    }

    fn next(&mut self, client: ClientId) -> Next {
        self.swarm.next_within(client, PATIENCE)
    }

    fn advance(&mut self, ms: u64) {
        self.swarm.run_for(Duration::from_millis(ms));
    }

    fn shutdown(&mut self) {
        self.hub.shutdown();
    }
}
