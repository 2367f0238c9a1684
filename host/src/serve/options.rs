//! The options of `serve`, and the limits that follow from them.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::ArgAction;
use parlour_core::{Bound, Config, Limits, Listener, OnLag, Protocol};
use parlour_journal::{Known, Sync};

use super::access::{Access, Network};
use super::echo::EchoPlace;
use super::error::StartError;
use super::keep::Kept;
use super::place::Place;
use super::relay::RelayPlace;
use crate::address::Address;
use crate::output::LogFormat;
use crate::units::{duration, number, positive_duration, size_within};

/// Descriptors beside those of connections and listeners: the standard ones,
/// the signal pipe, the console's, the poller's, and a few to spare.
const OTHER_DESCRIPTORS: u64 = 16;
/// Rooms that a client can be in, or still be receiving from.
const ROOMS_PER_CONN: usize = 3;
/// Bytes of a connection's private queue, if its lines need no more.
const QUEUE: usize = 16 * 1024;
/// Bytes of lines that clients want to say and that the journal has not taken, with `--durable`. A turn reads
/// seldom more; then the rest is read in the next one.
const PROPOSALS: usize = 256 * 1024;
/// Bytes of a room's log for each record of its index.
const BYTES_PER_RECORD: usize = 64;
/// The default limits. They are so high that a person does not notice them.
const CONNS_PER_IP: u32 = 64;
const CONNECT_RATE: u32 = 10;
const CHAT_RATE: u32 = 50;

/// The options of `serve`.
#[derive(Clone, Debug, clap::Args)]
pub struct ServeOptions {
    /// Read options from this TOML file, by the names that they have here. What is given here wins
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Listen for chat clients [default: 5000, if no address is given].
    /// ADDR is PORT, HOST:PORT, [::]:PORT or unix:PATH. Options may follow it, as in
    /// unix:/run/parlour.sock,mode=660,name=local:
    ///   name=NAME       what the log and the console call this listener
    ///   mode=MODE       the mode of a socket file, as chmod writes it
    #[arg(long, value_name = "ADDR[,OPTION]...", verbatim_doc_comment)]
    chat: Vec<Place>,
    /// Listen for clients that get back what they send [default: 7777, if no address is given].
    /// One more option may follow the address, as in 7777,journal=off:
    ///   journal=off     do not keep in the journal what they send
    #[arg(long, value_name = "ADDR[,OPTION]...", verbatim_doc_comment)]
    echo: Vec<EchoPlace>,
    /// Listen for clients whose lines go to all other clients of the same listener.
    /// More options may follow the address, as in 4000,flush=off,in:
    ///   in              clients only send
    ///   out             clients only receive, and may end their input
    ///   flush=DURATION  pass on half a line after this time [default: 200ms]
    ///   flush=off       pass on whole lines only
    ///   room=NAME       share clients with all relays that have the same NAME
    ///   grace=off       wait forever for a client that does not read
    ///   journal=off     do not keep in the journal what is passed on
    #[arg(long, value_name = "ADDR[,OPTION]...", verbatim_doc_comment)]
    relay: Vec<RelayPlace>,
    /// Greet chat clients with this text
    #[arg(long, value_name = "TEXT", default_value = "")]
    greeting: String,
    /// Show the last N messages of a room to each client that comes in; 0 shows none
    #[arg(long, value_name = "N", default_value = "20", value_parser = |text: &str| number(text, 0..=u32::MAX))]
    history: u32,
    /// Accept at most N connections at once
    #[arg(long, value_name = "N", default_value = "1000", value_parser = |text: &str| number(text, 1..=u32::MAX))]
    max_conns: u32,
    /// Accept at most N connections at once from one address, or `off` [default: 64; no limit for
    /// clients on this machine]
    #[arg(long, value_name = "N")]
    max_conns_per_ip: Option<Cap>,
    /// Accept at most N new connections a second from one address, or `off`; others wait [default:
    /// 10; no limit for clients on this machine]
    #[arg(long, value_name = "N")]
    connect_rate: Option<Cap>,
    /// Refuse lines that are longer than this
    #[arg(long, value_name = "SIZE", default_value = "1k", value_parser = |text: &str| size_within(text, 16..=1 << 20))]
    line_limit: u32,
    /// Memory for the log of each room, rounded up to a power of two
    #[arg(long, value_name = "SIZE", default_value = "256k", value_parser = |text: &str| size_within(text, 1..=1 << 30))]
    log_size: u32,
    /// Allow at most N rooms at once
    #[arg(long, value_name = "N", default_value = "64", value_parser = |text: &str| number(text, 1..=65_536))]
    rooms: u32,
    /// Let a room wait this long for a client that does not read. In the long run, a room
    /// waits at most a tenth of the time
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    grace: Duration,
    /// Do this with a client that still does not read after the grace period [default: disconnect; with
    /// a journal: replay]
    #[arg(long, value_name = "POLICY")]
    on_lag: Option<LagPolicy>,
    /// Disconnect a client that has been behind for this long and has not caught up; 0 never does
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    replay_limit: Duration,
    /// Keep the place of a `parlour join` whose connection has broken for this long; 0 does not
    #[arg(long, value_name = "DURATION", default_value = "5min", value_parser = duration)]
    resume_window: Duration,
    /// Disconnect a client that sends nothing for this long [default: never]
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    idle_timeout: Option<Duration>,
    /// Read at most N lines a second from a chat or relay client, or `off` [default: 50 from chat
    /// clients; no limit for relay clients and for clients on this machine]
    #[arg(long, value_name = "N")]
    rate: Option<Cap>,
    /// Accept only clients from this network, such as 192.168.1.0/24; repeat it for more networks
    #[arg(long, value_name = "CIDR")]
    allow: Vec<Network>,
    /// Refuse clients from this network; repeat it for more networks
    #[arg(long, value_name = "CIDR")]
    deny: Vec<Network>,
    /// Keep what is said in this SQLite file. It is made if it does not exist
    #[arg(long, value_name = "FILE")]
    pub(super) journal: Option<PathBuf>,
    /// Let each commit of the journal wait until the disk has it, or only until the system has it
    #[arg(long, value_name = "SYNC", default_value = "full", requires = "journal")]
    journal_sync: JournalSync,
    /// Do this while the journal cannot be written
    #[arg(long, value_name = "POLICY", default_value = "stop", requires = "journal")]
    pub(super) on_journal_failure: OnFailure,
    /// Delete messages from the journal that are older than this, such as 30d, or all but the newest
    /// ones, such as 1000000 [default: never]
    #[arg(long, value_name = "DURATION|COUNT", requires = "journal")]
    keep: Option<Kept>,
    /// Show what clients say only when the journal has it on the disk. So nothing that was seen is
    /// lost, even after a power cut
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        default_value_t = false,
        action = ArgAction::Set,
        hide_default_value = true,
        hide_possible_values = true,
        requires_if("true", "journal")
    )]
    pub(super) durable: bool,
    /// Wait for connections with this system call
    #[arg(long, value_name = "POLLER", alias = "driver", default_value = "select")]
    pub(super) poller: PollerKind,
    /// Show what is said in the lobby and in the relays on standard output
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        default_value_t = false,
        action = ArgAction::Set,
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub(super) watch: bool,
    /// Read operator commands from standard input [default: if it is a terminal]
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        default_value_t = false,
        action = ArgAction::Set,
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub(super) console: bool,
    /// Write the log in this format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
    /// Record all that happens in this file, which must be new, for `parlour replay`
    #[arg(long, value_name = "FILE")]
    pub(super) record: Option<PathBuf>,
}

/// A limit that can be lifted.
#[derive(Clone, Copy, Debug)]
enum Cap {
    Off,
    At(u32),
}

impl Cap {
    /// The limit in force. A limit that was given is for all clients. The default spares clients on
    /// this machine.
    fn bound(cap: Option<Self>, default: u32) -> Option<Bound> {
        match cap {
            None => Some(Bound { most: default, spares_local: true }),
            Some(Cap::Off) => None,
            Some(Cap::At(most)) => Some(Bound::for_all(most)),
        }
    }
}

impl FromStr for Cap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Cap::Off);
        }
        number(text, 1..=u32::MAX).map(Cap::At).map_err(|error| format!("{error}; or `off` for no limit"))
    }
}

/// The policies of `--on-lag`.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum LagPolicy {
    /// Disconnect it
    Disconnect,
    /// Let it jump ahead, and tell it how many messages it missed
    Skip,
    /// Go on without it, and show it later what it missed
    Replay,
}

impl LagPolicy {
    /// What the hub does.
    pub fn on_lag(self) -> OnLag {
        match self {
            LagPolicy::Disconnect => OnLag::Disconnect,
            LagPolicy::Skip => OnLag::Skip,
            LagPolicy::Replay => OnLag::Replay,
        }
    }
}

/// The values of `--journal-sync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum JournalSync {
    /// Nothing that is in the journal is lost, even after a power cut
    Full,
    /// A power cut may cost the last seconds
    Normal,
}

/// What to do while the journal cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OnFailure {
    /// Take no messages until it can be written again
    Stop,
    /// Go on without it, and note how many messages are missing
    Continue,
}

/// The pollers that `--poller` names.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum PollerKind {
    /// select(2), which every Unix has
    Select,
    /// epoll(7), which needs less processor time with thousands of connections
    Epoll,
}

impl ServeOptions {
    /// Where the listeners of the options listen.
    pub(super) fn addresses(&self) -> impl Iterator<Item = &Address> + Clone {
        let of_echo = self.echo.iter().map(|at| &at.0);
        let of_relays = self.relay.iter().map(|at| &at.place);
        self.chat.iter().chain(of_echo).chain(of_relays).map(|place| &place.address)
    }

    /// The listeners and where they listen: those of the options, and those that a service manager has `handed_over`.
    /// Without any of them, chat and echo on their usual ports.
    pub(super) fn services(&self, handed_over: &[(Protocol, Address)]) -> Vec<(Listener, Place)> {
        let usual = if self.journal.is_some() { LagPolicy::Replay } else { LagPolicy::Disconnect };
        let on_lag = self.on_lag.unwrap_or(usual).on_lag();
        let local = |port: u16| Place::at(Address::Tcp(format!("127.0.0.1:{port}")));
        let (mut chat, mut echo, mut relays) = (self.chat.clone(), self.echo.clone(), self.relay.clone());
        for (protocol, address) in handed_over {
            let place = Place::at(address.clone());
            match protocol {
                Protocol::Echo => echo.push(EchoPlace(place)),
                Protocol::Relay => relays.push(RelayPlace::at(place)),
                _ => chat.push(place),
            }
        }
        if chat.is_empty() && echo.is_empty() && relays.is_empty() {
            (chat, echo) = (vec![local(5000)], vec![EchoPlace(local(7777))]);
        }
        let of = |protocol| Listener { on_lag, rate: self.rate(protocol), ..Listener::new(protocol) };
        let chat = chat.into_iter().map(|at| (of(Protocol::Chat), at));
        let echo = echo.into_iter().map(|at| (of(Protocol::Echo), at.0));
        let first = chat.len() + echo.len();
        let rules = RelayPlace::all_rules(&relays, first);
        let relay = relays.iter().zip(rules).map(|(at, rules)| {
            let on_lag = if at.waits_in(&relays) { OnLag::Wait } else { on_lag };
            let place = Place { is_kept: at.is_kept_in(&relays), ..at.place.clone() };
            (Listener { on_lag, relay: rules, ..of(Protocol::Relay) }, place)
        });
        chat.chain(echo).chain(relay).collect()
    }

    pub(super) fn limits(&self, has_console: bool) -> Limits {
        let log = (self.log_size as usize).next_power_of_two();
        let conns = self.max_conns as usize + usize::from(has_console);
        let limits = Limits {
            conns,
            rooms: self.rooms as usize,
            rooms_per_conn: ROOMS_PER_CONN,
            members: conns * ROOMS_PER_CONN,
            catch_ups: conns,
            name: parlour_core::NAME_BYTES,
            line: self.line_limit as usize,
            queue: 0,
            proposals: 0,
            log,
            records: (log / BYTES_PER_RECORD).max(64),
            followers: usize::from(has_console) + usize::from(self.journal.is_some()),
            rings: 0,
        };
        // A proposal is a little longer than its line.
        let place = |usual: usize| usual.max(4 * limits.longest());
        let proposals = if self.durable { place(PROPOSALS) } else { 0 };
        Limits { queue: place(QUEUE), proposals, ..limits }
    }

    /// `before`: what a journal knows from before.
    pub(super) fn config<'a>(
        &'a self,
        listeners: &'a [Listener],
        labels: &'a [&'a str],
        before: Option<&Known>,
    ) -> Config<'a> {
        self.with_choices(Config {
            labels,
            names: crate::names::RULES,
            origin: before.map_or(0, |known| known.next_seq),
            first_identity: before.map_or(1, |known| known.next_client),
            keeps_records: before.is_some(),
            proposes: self.durable,
            ..Config::new(listeners)
        })
    }

    /// A configuration with those choices that may change while the server runs, but for the rates.
    pub(super) fn with_choices<'a>(&'a self, config: Config<'a>) -> Config<'a> {
        let ms = |duration: Duration| duration.as_millis() as u32;
        Config {
            greeting: &self.greeting,
            history: self.history,
            grace_ms: self.grace_ms(),
            behind_ms: Some(ms(self.replay_limit)).filter(|ms| *ms > 0),
            idle_ms: self.idle_timeout.map(ms),
            per_peer: Cap::bound(self.max_conns_per_ip, CONNS_PER_IP),
            ..config
        }
    }

    /// How many lines a second the server reads from a client.
    pub(super) fn rate(&self, protocol: Protocol) -> Option<Bound> {
        match protocol {
            Protocol::Chat => Cap::bound(self.rate, CHAT_RATE),
            // A program may send much more than a person. So a relay has a rate only if one was given.
            Protocol::Relay => self.rate.and_then(|rate| Cap::bound(Some(rate), CHAT_RATE)),
            Protocol::Echo | Protocol::Console => None,
        }
    }

    /// Refuses options with which people would see what may be lost.
    pub(super) fn check_durable(&self) -> Result<(), StartError> {
        if self.durable && self.journal_sync == JournalSync::Normal {
            let why = "a power cut may cost what people have seen";
            return Err(StartError::NotDurable("--journal-sync normal", why));
        }
        if self.durable && self.on_journal_failure == OnFailure::Continue {
            let why = "people would see what is not stored";
            return Err(StartError::NotDurable("--on-journal-failure continue", why));
        }
        Ok(())
    }

    /// How the journal is written.
    pub(super) fn journal_options(&self) -> parlour_journal::Options {
        let sync = match self.journal_sync {
            JournalSync::Full => Sync::Full,
            JournalSync::Normal => Sync::Normal,
        };
        parlour_journal::Options { sync, keep: self.keep.map(|kept| kept.0) }
    }

    /// How the log is written.
    pub fn log_format(&self) -> LogFormat {
        self.log_format
    }

    /// How long a room waits for a member that does not read, in ms.
    pub(super) fn grace_ms(&self) -> u32 {
        self.grace.as_millis() as u32
    }

    /// How long a client whose connection has broken may take to come back.
    pub(super) fn resume_window(&self) -> Option<Duration> {
        Some(self.resume_window).filter(|window| !window.is_zero())
    }

    pub(super) fn access(&self) -> Access {
        Access { allow: self.allow.clone(), deny: self.deny.clone() }
    }

    /// How many clients of one address may connect in a second.
    pub(super) fn connect_rate(&self) -> Option<Bound> {
        Cap::bound(self.connect_rate, CONNECT_RATE)
    }

    /// How many descriptors the server needs: for connections, listeners, locks of socket files, and
    /// the rest.
    pub(super) fn descriptors(&self, listeners: usize) -> u64 {
        u64::from(self.max_conns) + 2 * listeners as u64 + OTHER_DESCRIPTORS
    }
}
