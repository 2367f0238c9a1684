//! Every limit and every choice of a hub, how the limits relate, and the memory
//! that follows from them.

use core::error::Error;
use core::fmt;
use core::net::IpAddr;

use crate::event::ListenerId;
use crate::name::{NAME_BYTES, NameRules};

/// Bytes of a room's topic that are kept.
pub(crate) const TOPIC_BYTES: usize = 128;
/// Rooms that one connection can be in, whatever [`Limits::rooms_per_conn`] says.
pub(crate) const ROOMS_PER_CONN: usize = 16;
/// The room that newcomers find themselves in.
pub(crate) const LOBBY: &str = "lobby";

/// Connections that one call of [`crate::Hub::handle`] does something for at the most, beside the one
/// that it is about: what is left is done by the next ones, after others had their turn.
pub(crate) const CONNS_AT_ONCE: usize = 512;
/// Lines of one connection that one call acts on at the most, those that are copied as they
/// are not counted.
pub(crate) const LINES_AT_ONCE: u32 = 128;
/// Slots or rooms that are looked at for one line of a list at the most.
pub(crate) const LOOKS_AT_ONCE: u32 = 2048;
/// Connections with something of their own that are named in a row, and members of rooms
/// in a row, before it is the others' turn.
pub(crate) const NAMED_AT_ONCE: u32 = 128;
/// After how long a newcomer that said nothing is announced: who only looks whether somebody
/// listens has gone by then.
pub(crate) const MOMENT_MS: u64 = 500;
/// After how long comings and goings that were not told one by one are told in a sum.
pub(crate) const SUM_MS: u64 = 1_000;

/// What a rendered line may hold besides the text and two names.
const RENDERING: usize = 64;

/// Bytes that an entry of a private queue takes beside its text.
pub(crate) const ENTRY_HEADER: usize = 12;

/// The sizes of a hub, fixed for its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once.
    pub conns: usize,
    /// Rooms at once, the lobby and one for each relay listener among them.
    pub rooms: usize,
    /// Rooms that one connection can be in, those included that it has left
    /// without having received all that was said before: at least 2, to change rooms.
    pub rooms_per_conn: usize,
    /// Bytes in a name: [`NAME_BYTES`], or fewer where memory is dear.
    pub name: usize,
    /// Bytes in a line, its ending not counted.
    pub line: usize,
    /// Bytes of a connection's private queue: replies, direct messages, echo.
    pub queue: usize,
    /// Bytes of a room's log: a power of two.
    pub log: usize,
    /// Records of a room's log: a power of two.
    pub records: usize,
}

/// What is wrong with a hub's limits or storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LimitsError {
    /// A limit is 0, or more than the hub can count.
    OutOfRange(&'static str),
    /// [`Limits::log`] or [`Limits::records`] is no power of two.
    NotPowerOfTwo(&'static str),
    /// A log must hold at least four of the longest lines.
    LogTooSmall {
        /// The smallest log that these limits allow, in bytes.
        least: usize,
    },
    /// A private queue must hold the longest line.
    QueueTooSmall {
        /// The smallest queue that these limits allow, in bytes.
        least: usize,
    },
    /// A listener's protocol was not built in.
    NotBuiltIn(Protocol),
    /// A [`Bound`] is to be kept, and they were not built in.
    NoBounds,
    /// A relay listener shares the room of one that has none of its own.
    NoSuchRelay,
    /// There are fewer rooms than the lobby and the relay listeners need.
    TooFewRooms,
    /// A slice of the storage is shorter than the limits need.
    Storage(&'static str),
}

impl fmt::Display for LimitsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange(limit) => write!(f, "the limit `{limit}` is 0 or too high"),
            Self::NotPowerOfTwo(limit) => write!(f, "the limit `{limit}` is not a power of two"),
            Self::LogTooSmall { least } => write!(f, "the limit `log` must be at least {least} bytes"),
            Self::QueueTooSmall { least } => write!(f, "the limit `queue` must be at least {least} bytes"),
            Self::NotBuiltIn(_) => f.write_str("a listener has a protocol that was not built in"),
            Self::NoBounds => f.write_str("bounds for each address need the feature `large`"),
            Self::NoSuchRelay => f.write_str(
                "a relay listener shares the room of a listener that has no relay room of its own",
            ),
            Self::TooFewRooms => {
                f.write_str("the limit `rooms` must count the lobby and every relay listener")
            }
            Self::Storage(slice) => write!(f, "the storage `{slice}` is too short for the limits"),
        }
    }
}

impl Error for LimitsError {}

impl Limits {
    /// Bytes of the longest record or reply.
    pub const fn longest(&self) -> usize {
        self.line + 2 * self.name + RENDERING
    }

    /// The places to give in [`crate::Storage::order`].
    pub const fn order(&self) -> usize {
        if cfg!(feature = "large") { 3 * self.conns + 2 * self.rooms } else { 0 }
    }

    /// The memberships to give in [`crate::Storage::members`].
    pub const fn members(&self) -> usize {
        self.conns * self.rooms_per_conn
    }

    /// The records to give in [`crate::Storage::records`].
    pub const fn all_records(&self) -> usize {
        self.rooms * self.records
    }

    /// The bytes to give in [`crate::Storage::bytes`].
    pub const fn bytes(&self) -> usize {
        self.conns * self.conn_bytes() + self.rooms * self.room_bytes() + self.longest()
    }

    /// Bytes of buffers for each connection.
    pub const fn conn_bytes(&self) -> usize {
        self.name + self.line_buffer() + self.queue
    }

    /// Bytes of buffers for each room.
    pub const fn room_bytes(&self) -> usize {
        self.name + TOPIC_BYTES + self.log
    }

    /// A line's text, the CR before its LF, and the LF of a relayed line.
    pub(crate) const fn line_buffer(&self) -> usize {
        self.line + 2
    }

    /// Whether the limits can be kept.
    ///
    /// # Errors
    /// The first rule that they break.
    pub const fn check(&self) -> Result<(), LimitsError> {
        const fn outside(value: usize, most: usize) -> bool {
            value == 0 || value > most
        }
        if outside(self.conns, 1 << 24) {
            return Err(LimitsError::OutOfRange("conns"));
        }
        if outside(self.rooms, 1 << 16) {
            return Err(LimitsError::OutOfRange("rooms"));
        }
        if self.rooms_per_conn < 2 || self.rooms_per_conn > ROOMS_PER_CONN {
            return Err(LimitsError::OutOfRange("rooms_per_conn"));
        }
        // A guest's name must fit: `guest-` and seven digits.
        if self.name < 13 || self.name > NAME_BYTES {
            return Err(LimitsError::OutOfRange("name"));
        }
        if self.line < 16 || self.line > 1 << 20 {
            return Err(LimitsError::OutOfRange("line"));
        }
        if !self.log.is_power_of_two() || self.log > 1 << 30 {
            return Err(LimitsError::NotPowerOfTwo("log"));
        }
        if !self.records.is_power_of_two() || self.records < 4 || self.records > 1 << 30 {
            return Err(LimitsError::NotPowerOfTwo("records"));
        }
        if self.log < 4 * self.longest() {
            return Err(LimitsError::LogTooSmall { least: 4 * self.longest() });
        }
        // On a small machine sizes are 32 bits wide, and products of them may be more.
        let conns = self.conns as u64 * self.conn_bytes() as u64;
        let rooms = self.rooms as u64 * (self.room_bytes() as u64 + self.records as u64);
        if conns + rooms > (isize::MAX / 2) as u64 {
            return Err(LimitsError::OutOfRange("bytes"));
        }
        let least = self.longest() + ENTRY_HEADER;
        if self.queue < least || self.queue > 1 << 30 {
            return Err(LimitsError::QueueTooSmall { least });
        }
        Ok(())
    }
}

/// What the bytes of a connection mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Protocol {
    /// Every byte goes back to its sender.
    Echo,
    /// Every byte goes to all others of the same listener.
    Relay,
    /// Rooms, names, messages line by line.
    Chat,
    /// The operator: commands in; replies, and what is said in the rooms, out. A
    /// follower that is no socket is a connection to a listener of this kind.
    Console,
}

impl Protocol {
    /// Whether it was built in; see the features of this crate.
    pub const fn is_built_in(self) -> bool {
        match self {
            Protocol::Echo | Protocol::Chat => true,
            Protocol::Relay => cfg!(feature = "relay"),
            Protocol::Console => cfg!(feature = "console"),
        }
    }
}

/// What a listener speaks, and how it treats its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Listener {
    /// What its bytes mean.
    pub protocol: Protocol,
    /// What becomes of a connection that holds up a room when the room's patience ends.
    pub on_lag: OnLag,
    /// Lines that one chat or relay client may send in a second; `None`: any number.
    /// Above it, its input is not read for a while.
    pub rate: Option<Bound>,
    /// How its clients take part in a relay; of no meaning for other protocols.
    pub relay: RelayRules,
}

impl Listener {
    /// One that disconnects clients that lag, and takes lines at any rate.
    pub const fn new(protocol: Protocol) -> Self {
        Self { protocol, on_lag: OnLag::Disconnect, rate: None, relay: RelayRules::DEFAULT }
    }
}

/// How the clients of a relay listener take part in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RelayRules {
    /// Whether they send, receive, or both.
    pub direction: Direction,
    /// How long the end of an unfinished line is waited for, in ms, before what is there
    /// of it goes out. `None`: for ever, so that only lines go out; one that is longer than
    /// [`Limits::line`] goes out in pieces, and one that breaks off is ended.
    pub unfinished_ms: Option<u32>,
    /// The relay listener in whose room they are; `None`: a room of their own.
    pub shares: Option<ListenerId>,
}

impl RelayRules {
    /// Both directions, 200 ms, a room of their own.
    pub const DEFAULT: Self = Self { direction: Direction::Both, unfinished_ms: Some(200), shares: None };
}

/// Which way the bytes of a relay's clients go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Direction {
    /// What a client sends goes to the others, and it gets what they send. A client that has sent
    /// nothing may end its input, and goes on receiving.
    Both,
    /// In only: it feeds the relay, and is sent nothing.
    In,
    /// Out only: it receives; what it sends is passed over, and it may end its input.
    Out,
}

/// What becomes of a connection that holds up a room when the room's patience ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum OnLag {
    /// It is closed.
    Disconnect,
    /// It goes on with what is current, and is told how many messages it
    /// missed. A protocol in which a gap does harm (relay) disconnects all the same.
    Skip,
    /// The room of a relay waits for it, however long: for those who trust their
    /// clients. Any other protocol disconnects.
    Wait,
}

/// A bound on what one client, or one address, may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Bound {
    /// So much, and no more.
    pub most: u32,
    /// It does not hold for connections from this machine: those of a loopback address, and
    /// those that have none.
    pub spares_local: bool,
}

impl Bound {
    /// One that holds for everybody.
    pub const fn for_all(most: u32) -> Self {
        Self { most, spares_local: false }
    }

    /// How much it allows a peer; `None`: any number.
    pub fn of(self, peer: Option<IpAddr>) -> Option<u32> {
        let is_local = peer.is_none_or(|peer| peer.is_loopback());
        (!self.spares_local || !is_local).then_some(self.most)
    }

    /// The part of an address that one user has: all of an IPv4 address, and of an IPv6 address the
    /// first 64 bits. What is bounded for an address is counted for this part.
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
    /// What names may be, and which look alike.
    pub names: NameRules,
    /// Lines, parted by LF, that a newcomer to a chat is greeted with; empty for none.
    pub greeting: &'a str,
    /// Messages of a room that are told to those who come into it; at the most as many as its
    /// log still has.
    pub history: u32,
    /// How long a room waits at once at the most for those that do not read, in ms.
    pub grace_ms: u32,
    /// After how long without input a connection is closed, in ms; `None`: never.
    pub idle_ms: Option<u32>,
    /// Connections from one address, or from one IPv6 network of 64 bits; `None`: any number.
    pub per_peer: Option<Bound>,
    /// How long what is queued is flushed when the hub closes a connection, in ms.
    pub flush_ms: u32,
    /// Where positions and sequence numbers start. They wrap around, so any
    /// value will do; tests start close to the end.
    pub origin: u64,
}

impl Config<'_> {
    /// The defaults, for these listeners.
    pub const fn new(listeners: &[Listener]) -> Config<'_> {
        Config {
            listeners,
            names: NameRules::PLAIN,
            greeting: "",
            history: 0,
            grace_ms: 5_000,
            idle_ms: None,
            per_peer: None,
            flush_ms: 3_000,
            origin: 0,
        }
    }

    pub(crate) fn listener(&self, id: ListenerId) -> Option<&Listener> {
        self.listeners.get(usize::from(id.0))
    }
}
