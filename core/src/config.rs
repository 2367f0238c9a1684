//! All choices of a hub: its listeners, and how it treats their clients.

use core::net::IpAddr;

use crate::encoding::Encoding;
use crate::ids::ListenerId;
use crate::name::NameRules;

/// Bytes of a listener's name that an operator is shown.
pub const LABEL_BYTES: usize = 20;

/// What the bytes of a connection mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Protocol {
    /// Every byte goes back to its sender.
    Echo,
    /// Every byte goes to all other clients of the same listener.
    Relay,
    /// Rooms, names, and messages line by line.
    Chat,
    /// The operator sends commands, and gets the replies. What is said in the rooms goes to a follower; see
    /// [`crate::Hub::watch`].
    Console,
}

impl Protocol {
    /// Whether this build has the protocol; see the features of this crate.
    pub const fn is_built_in(self) -> bool {
        match self {
            Protocol::Echo | Protocol::Chat => true,
            Protocol::Relay => cfg!(feature = "relay"),
            Protocol::Console => cfg!(feature = "console"),
        }
    }
}

/// The protocol of a listener, and how it treats its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Listener {
    /// The meaning of its bytes.
    pub protocol: Protocol,
    /// What happens to a connection that still holds up a room when the room's patience ends.
    pub on_lag: OnLag,
    /// How many lines a second a chat or relay client may send; `None`: any number. If a client
    /// sends more, the hub does not read from it for a while.
    pub rate: Option<Bound>,
    /// In how many rooms its chat clients may be. Other protocols ignore it.
    pub joining: Joining,
    /// How its clients see records: the index in [`Config::encodings`]; `None`: as the chat's lines.
    pub encoding: Option<u8>,
    /// How its clients take part in a relay. Other protocols ignore it.
    pub relay: RelayRules,
}

impl Listener {
    /// A listener that disconnects clients that lag, and takes lines at any rate.
    pub const fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            on_lag: OnLag::Disconnect,
            rate: None,
            joining: Joining::One,
            encoding: None,
            relay: RelayRules::DEFAULT,
        }
    }
}

/// In how many rooms a client of the chat may be at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Joining {
    /// In one. `/join` leaves the room before.
    One,
    /// In as many as [`crate::Limits::rooms_per_conn`] allows, for bots and bridges. `/join` leaves none, and
    /// `/part` leaves one. What the client says goes to the room that it joined last, and `/join` with a
    /// room that it is in makes that one the last. This needs the feature `large`.
    Several,
}

/// How the clients of a relay listener take part in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RelayRules {
    /// Whether they send, receive, or both.
    pub direction: Direction,
    /// How long the hub waits for the end of an unfinished line, in ms. Then it passes on the
    /// part that it has. `None`: forever, and only whole lines go out. A line that is longer than
    /// [`crate::Limits::line`] still goes out in pieces, and the hub ends a line that breaks off.
    pub unfinished_ms: Option<u32>,
    /// The relay listener whose room they share; `None`: they have a room of their own.
    pub shares: Option<ListenerId>,
}

impl RelayRules {
    /// Both directions, 200 ms, and a room of their own.
    pub const DEFAULT: Self = Self { direction: Direction::Both, unfinished_ms: Some(200), shares: None };
}

/// In which direction the bytes of a relay's clients go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Direction {
    /// A client sends to the others and receives from them. If it has sent nothing, it may end
    /// its input and still receives.
    Both,
    /// A client only sends. The hub sends it nothing.
    In,
    /// A client only receives. The hub ignores what it sends, and it may end its input.
    Out,
}

/// What happens to a connection that still holds up a room when the room's patience ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum OnLag {
    /// It is disconnected.
    Disconnect,
    /// It jumps ahead, and is told how many messages it missed. A protocol in which a gap does
    /// harm (relay) disconnects it instead.
    Skip,
    /// It holds nothing any more, and gets later what it has missed, marked as past. It gets what the log
    /// still has, and pages from the driver. If messages are gone, it is told so, and a client of a relay
    /// is disconnected. One that leaves is told first what was said until then. If the driver
    /// [keeps records](Config::keeps_records), a room does not wait for it with all its patience: it is left
    /// behind when it has taken nothing for 50 ms, or 200 ms after the room closed.
    Replay,
    /// The room of a relay waits for it, however long. Use it only if you trust your clients.
    /// Other protocols disconnect. If listeners share a room, only the one that owns it can make it wait.
    Wait,
}

/// A limit for one client or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Bound {
    /// How much is allowed.
    pub most: u32,
    /// Whether connections from this machine have no limit: those from a loopback address, and
    /// those without an address.
    pub spares_local: bool,
}

impl Bound {
    /// A limit that applies to everybody.
    pub const fn for_all(most: u32) -> Self {
        Self { most, spares_local: false }
    }

    /// How much a peer is allowed; `None`: any number.
    pub fn of(self, peer: Option<IpAddr>) -> Option<u32> {
        let is_local = peer.is_none_or(|peer| peer.is_loopback());
        (!self.spares_local || !is_local).then_some(self.most)
    }

    /// The part of an address that belongs to one user: all of an IPv4 address, and the first 64 bits of
    /// an IPv6 address. Limits for an address count by this part.
    pub fn network(address: IpAddr) -> u64 {
        match address {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
        }
    }
}

/// How a hub behaves.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// The listeners: [`ListenerId`] is the index.
    pub listeners: &'a [Listener],
    /// What the listeners are called, in the same order, for the operator: up to
    /// [`LABEL_BYTES`] each are shown. Empty, or left out at the end, for those without a name.
    pub labels: &'a [&'a str],
    /// The encodings besides the chat's: [`Listener::encoding`] is the index. They need the feature
    /// `large`, and [`crate::Limits::rings`].
    pub encodings: &'a [&'a dyn Encoding],
    /// What names may be, and which look alike.
    pub names: NameRules,
    /// Lines that greet a new chat client, separated by LF; empty for none.
    pub greeting: &'a str,
    /// How many of the last messages a client gets when it comes into a room. It gets no more than
    /// the room's log still has.
    pub history: u32,
    /// The [`crate::Identity`] of the first connection, as a number; those after it count on. A hub that goes on
    /// where another one ended begins with one that nobody had.
    pub first_identity: u64,
    /// Whether the driver keeps the records that the logs no longer have, and answers
    /// [`crate::Output::Wanted`].
    pub keeps_records: bool,
    /// Whether the hub proposes what clients say, and the driver decides the order; see
    /// [`crate::Hub::next_proposal`]. If not, the hub appends it at once. It needs the feature `large`.
    pub proposes: bool,
    /// How long a room waits at once for members that do not read, at most, in ms.
    pub grace_ms: u32,
    /// How long a connection may be behind without a break, in ms; `None`: forever. After that it is disconnected. It
    /// needs the feature `large`.
    pub behind_ms: Option<u32>,
    /// How long a connection may send nothing before it is closed, in ms; `None`: forever.
    pub idle_ms: Option<u32>,
    /// Connections from one address, or from one IPv6 network of 64 bits; `None`: any number.
    pub per_peer: Option<Bound>,
    /// How long the hub sends what is queued when it closes a connection, in ms.
    pub flush_ms: u32,
    /// Where positions and sequence numbers start. They wrap around, so any value works. Tests
    /// start close to the end.
    pub origin: u64,
}

impl Config<'_> {
    /// The defaults for these listeners.
    pub const fn new(listeners: &[Listener]) -> Config<'_> {
        Config {
            listeners,
            labels: &[],
            encodings: &[],
            first_identity: 1,
            names: NameRules::PLAIN,
            greeting: "",
            history: 0,
            keeps_records: false,
            proposes: false,
            grace_ms: 5_000,
            behind_ms: None,
            idle_ms: None,
            per_peer: None,
            flush_ms: 3_000,
            origin: 0,
        }
    }

    /// What the operator calls a listener; empty if it has no name.
    pub(crate) fn label(&self, id: ListenerId) -> &str {
        self.labels.get(usize::from(id.0)).copied().unwrap_or_default()
    }

    /// Whether a room waits no longer than a moment for some members: the driver has for them what the log has not.
    pub(crate) fn leaves_behind(&self) -> bool {
        let replays = |listener: &Listener| listener.on_lag == OnLag::Replay;
        cfg!(feature = "large") && self.keeps_records && self.listeners.iter().any(replays)
    }

    pub(crate) fn listener(&self, id: ListenerId) -> Option<&Listener> {
        self.listeners.get(usize::from(id.0))
    }
}
