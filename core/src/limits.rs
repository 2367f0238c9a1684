//! All limits and choices of a hub, how the limits relate, and the memory that they need.

use core::error::Error;
use core::fmt;
use core::net::IpAddr;

use crate::io::ListenerId;
use crate::name::{NAME_BYTES, NameRules};

/// Bytes of a room's topic that are kept.
pub(crate) const TOPIC_BYTES: usize = 128;
/// Rooms that one connection can be in, whatever [`Limits::rooms_per_conn`] says.
pub(crate) const ROOMS_PER_CONN: usize = if cfg!(feature = "large") { 64 } else { 4 };
/// The most followers of a hub.
pub(crate) const FOLLOWERS: usize = 4;
/// How long a closed room waits for a console that watches.
#[cfg(feature = "console")]
pub(crate) const WATCH_MS: u32 = 500;
/// The room that newcomers find themselves in.
pub(crate) const LOBBY: &str = "lobby";

/// The most connections that one call of [`crate::Hub::handle`] does something for, besides its own. The
/// next calls do the rest, after others had their turn.
pub(crate) const CONNS_AT_ONCE: usize = 512;
/// The most lines of one connection that one call acts on. Lines that are copied unchanged do not count.
pub(crate) const LINES_AT_ONCE: u32 = 128;
/// The most slots or rooms that are looked at for one line of a list.
pub(crate) const LOOKS_AT_ONCE: u32 = 2048;
/// How many connections with something of their own are named in a row before members of rooms have
/// their turn, and the other way round.
pub(crate) const NAMED_AT_ONCE: u32 = 128;
/// After how long a silent newcomer is announced. A program that only checks the port has gone by then.
pub(crate) const MOMENT_MS: u64 = 500;
/// After how long a sum tells of comings and goings that were not told one by one.
pub(crate) const SUM_MS: u64 = 1_000;

/// Bytes that a rendered line may hold besides the text and two names.
const RENDERING: usize = 64;

/// Bytes of a listener's name that an operator is shown.
pub const LABEL_BYTES: usize = 20;

/// Numbers that an entry of a follower's timeline is stored in.
pub(crate) const ENTRY_WORDS: usize = 2;
/// Bytes that an entry of a private queue takes besides its text.
pub(crate) const ENTRY_HEADER: usize = 12;

/// Bytes of a proposal before its name and its text.
pub(crate) const PROPOSAL_HEADER: usize = 27;

/// The sizes of a hub, fixed for its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once.
    pub conns: usize,
    /// Rooms at once, including the lobby and one for each relay listener.
    pub rooms: usize,
    /// Rooms for each connection, including those that it has left without receiving everything
    /// that was said there before. At least 2, to change rooms.
    pub rooms_per_conn: usize,
    /// Memberships of all connections together. One is kept for each connection. The others are for
    /// those that are in several rooms, or about to change rooms. So there must be at least one more
    /// than connections.
    pub members: usize,
    /// Connections that can catch up at once: newcomers that are shown what was said before, and members
    /// that are behind their room's log.
    pub catch_ups: usize,
    /// Bytes in a name: [`NAME_BYTES`], or fewer to save memory.
    pub name: usize,
    /// Bytes in a line without its ending.
    pub line: usize,
    /// Bytes of a connection's private queue: replies, direct messages, echo.
    pub queue: usize,
    /// Bytes of the lines that clients want to say and that the driver has not taken yet; 0 if nothing is
    /// proposed.
    pub proposals: usize,
    /// Bytes of a room's log: a power of two.
    pub log: usize,
    /// Records of a room's log: a power of two.
    pub records: usize,
    /// Followers at once, at most 4. A console that watches is one. A build without the feature `console` has
    /// none.
    pub followers: usize,
}

/// Why a hub cannot have these limits or this storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LimitsError {
    /// A limit is 0 where it must not be, or more than the hub can count.
    OutOfRange(&'static str),
    /// [`Limits::log`] or [`Limits::records`] is not a power of two.
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
    /// What clients say is proposed, and there is no place for the longest line.
    ProposalsTooSmall {
        /// The smallest [`Limits::proposals`] that these limits allow, in bytes.
        least: usize,
    },
    /// This build does not have the protocol of a listener.
    NotBuiltIn(Protocol),
    /// There is a [`Bound`], and this build cannot keep bounds: it lacks the feature `large`.
    NoBounds,
    /// A relay listener shares the room of a listener that has no room of its own.
    NoSuchRelay,
    /// There are fewer rooms than the lobby and the relay listeners need.
    TooFewRooms,
    /// This slice of the storage is too short for the limits.
    Storage(&'static str),
}

impl fmt::Display for LimitsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange(limit) => write!(f, "the limit `{limit}` is 0 or too high"),
            Self::NotPowerOfTwo(limit) => write!(f, "the limit `{limit}` is not a power of two"),
            Self::LogTooSmall { least } => write!(f, "the limit `log` must be at least {least} bytes"),
            Self::QueueTooSmall { least } => write!(f, "the limit `queue` must be at least {least} bytes"),
            Self::ProposalsTooSmall { least } => {
                write!(f, "the limit `proposals` must be at least {least} bytes")
            }
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

    /// How many places [`crate::Storage::order`] needs.
    pub const fn order(&self) -> usize {
        let followers = if cfg!(feature = "console") { self.followers } else { 0 };
        self.order_of_conns() + self.order_of_rooms() + followers * self.order_of_follower()
    }

    pub(crate) const fn order_of_conns(&self) -> usize {
        if cfg!(feature = "large") { 3 * self.conns } else { 0 }
    }

    pub(crate) const fn order_of_rooms(&self) -> usize {
        if cfg!(feature = "large") { 2 * self.rooms } else { 0 }
    }

    /// A follower may still have to read every record.
    pub(crate) const fn order_of_follower(&self) -> usize {
        self.all_records() * ENTRY_WORDS
    }

    /// How many records [`crate::Storage::records`] needs.
    pub const fn all_records(&self) -> usize {
        self.rooms * self.records
    }

    /// How many bytes [`crate::Storage::bytes`] needs.
    pub const fn bytes(&self) -> usize {
        self.conns * self.conn_bytes() + self.rooms * self.room_bytes() + self.proposals + self.longest()
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

    /// The least for [`Limits::proposals`], if anything is proposed.
    pub(crate) const fn least_proposals(&self) -> usize {
        self.longest() + PROPOSAL_HEADER + ENTRY_HEADER
    }

    /// Checks whether a hub can have these limits.
    ///
    /// # Errors
    /// The first rule that the limits break.
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
        if self.members <= self.conns || self.members > 1 << 28 {
            return Err(LimitsError::OutOfRange("members"));
        }
        if self.catch_ups > 1 << 24 {
            return Err(LimitsError::OutOfRange("catch_ups"));
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
        let record_bytes = 1 + (self.followers * ENTRY_WORDS) as u64 * size_of::<u32>() as u64;
        let rooms = self.rooms as u64 * (self.room_bytes() as u64 + self.records as u64 * record_bytes);
        if conns + rooms > (isize::MAX / 2) as u64 {
            return Err(LimitsError::OutOfRange("bytes"));
        }
        if self.followers > FOLLOWERS {
            return Err(LimitsError::OutOfRange("followers"));
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
    /// How its clients take part in a relay. Other protocols ignore it.
    pub relay: RelayRules,
}

impl Listener {
    /// A listener that disconnects clients that lag, and takes lines at any rate.
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
    /// How long the hub waits for the end of an unfinished line, in ms. Then it passes on the
    /// part that it has. `None`: forever, and only whole lines go out. A line that is longer than
    /// [`Limits::line`] still goes out in pieces, and the hub ends a line that breaks off.
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
    /// is disconnected.
    Replay,
    /// The room of a relay waits for it, however long. Use it only if you trust your clients.
    /// Other protocols disconnect.
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
    /// What names may be, and which look alike.
    pub names: NameRules,
    /// Lines that greet a new chat client, separated by LF; empty for none.
    pub greeting: &'a str,
    /// How many of the last messages a client gets when it comes into a room. It gets no more than
    /// the room's log still has.
    pub history: u32,
    /// Whether the driver keeps the records that the logs no longer have, and answers
    /// [`crate::Hub::next_wanted`].
    pub keeps_records: bool,
    /// Whether the hub proposes what clients say, and the driver decides the order; see
    /// [`crate::Hub::next_proposal`]. If not, the hub appends it at once. It needs the feature `large`.
    pub proposes: bool,
    /// How long a room waits at once for members that do not read, at most, in ms.
    pub grace_ms: u32,
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
            names: NameRules::PLAIN,
            greeting: "",
            history: 0,
            keeps_records: false,
            proposes: false,
            grace_ms: 5_000,
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

    pub(crate) fn listener(&self, id: ListenerId) -> Option<&Listener> {
        self.listeners.get(usize::from(id.0))
    }
}
