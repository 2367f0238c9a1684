//! All limits of a hub, how they relate, and the memory that they need.

use core::error::Error;
use core::fmt;

use crate::config::{Config, Protocol};
use crate::encoding::Encoding;
use crate::name::NAME_BYTES;

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
    /// How many rooms can have a log in one more encoding at once. If a room has two more, both
    /// count. Each of these logs is as large as a room's. If none is free, a client with another encoding cannot
    /// join, and is told so. Without the feature `large` there is none.
    pub rings: usize,
}

/// Why a hub cannot have these limits or this storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LimitsError {
    /// A limit is 0 where it must not be, or more than the hub can count.
    OutOfRange(&'static str),
    /// [`Limits::log`] or [`Limits::records`] is not a power of two.
    NotPowerOfTwo(&'static str),
    /// A log must hold at least four of the longest lines, and four of the longest records of an encoding.
    LogTooSmall {
        /// The smallest log that these limits allow, in bytes.
        least: usize,
    },
    /// A private queue must hold the longest line, and the longest record of an encoding.
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
    /// There is a [`crate::Bound`], and this build cannot keep bounds: it lacks the feature `large`.
    NoBounds,
    /// A listener lets its clients into several rooms, and this build lacks the feature `large`.
    SeveralRooms,
    /// A listener has an encoding that [`crate::Config::encodings`] has not, or this build lacks the feature
    /// `large`.
    NoSuchEncoding,
    /// An encoding's notice of missed messages is longer than the hub can keep: 248 bytes.
    NoticeTooLong,
    /// There are fewer rings than the lobby and the relays need, one for each encoding of their clients.
    TooFewRings,
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
            Self::SeveralRooms => f.write_str("clients in several rooms need the feature `large`"),
            Self::NoSuchEncoding => f.write_str("a listener has an encoding that the hub does not have"),
            Self::NoticeTooLong => f.write_str("an encoding makes too much of the notice of missed messages"),
            Self::TooFewRings => f.write_str(
                "the limit `rings` must count the encodings in the lobby and in the rooms of the relays",
            ),
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

    /// Bytes of the longest record or reply in an encoding.
    pub(crate) fn longest_in(&self, encoding: &dyn Encoding) -> usize {
        encoding.longest(self.longest(), self.name)
    }

    /// How much of a private queue is kept free for the rest of a half sent line, so that a member can be left behind
    /// whatever waits for it. A queue with less than two of the longest lines has place for less.
    pub(crate) fn reserve(&self, config: &Config<'_>) -> usize {
        if !config.leaves_behind() {
            return 0;
        }
        let encoded = config.encodings.iter().map(|encoding| self.longest_in(*encoding));
        let longest = encoded.fold(self.longest(), usize::max) + ENTRY_HEADER;
        longest.min(self.queue.saturating_sub(longest))
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

    /// How many rooms [`crate::Storage::rooms`] needs.
    pub const fn all_rooms(&self) -> usize {
        self.rooms + self.rings
    }

    /// How many records [`crate::Storage::records`] needs.
    pub const fn all_records(&self) -> usize {
        self.all_rooms() * self.records
    }

    /// How many bytes [`crate::Storage::bytes`] needs.
    pub const fn bytes(&self) -> usize {
        self.conns * self.conn_bytes()
            + self.rooms * self.room_bytes()
            + self.rings * self.log
            + self.proposals
            + self.longest()
            + self.rendering()
    }

    /// Bytes of the space in which a text for one client is rendered: the text, and the longest record of
    /// an encoding.
    pub(crate) const fn rendering(&self) -> usize {
        if self.rings > 0 { self.longest() + self.log / 4 } else { 0 }
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
        if self.rings > if cfg!(feature = "large") { 1 << 16 } else { 0 } {
            return Err(LimitsError::OutOfRange("rings"));
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
        let rings = self.rings as u64 * (self.log as u64 + self.records as u64);
        if conns + rooms + rings > (isize::MAX / 2) as u64 {
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
