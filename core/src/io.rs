//! What the driver tells the hub, what the hub answers, and what it asks of the driver. Plain data with
//! names, so that a list of inputs is a trace.

use core::net::IpAddr;

#[cfg(feature = "console")]
use crate::ids::FollowerId;
use crate::ids::{Cause, ConnId, ListenerId};
#[cfg(feature = "large")]
use crate::record::{Identity, Record, RoomRef};

/// What the driver tells the hub. A list of inputs is a trace. A recorded trace can be replayed,
/// and a generated one is a test.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The time of day. Records that are made from now on have it. Without this input their time is
    /// unknown. Give it at the start, and again when the clock of the system was set.
    Clock {
        /// In ms since 1970-01-01 UTC.
        unix_ms: u64,
        /// How far local time is ahead of UTC, in s. People are shown local time.
        utc_offset_s: i32,
    },
    /// A peer connected to a listener.
    /// The answer is [`Answer::Opened`] or [`Answer::Refused`].
    Accepted {
        /// The listener.
        listener: ListenerId,
        /// Its address, if it has one.
        peer: Option<IpAddr>,
    },
    /// The driver has found out what a connection speaks, by ALPN, say, or by the first bytes. It begins
    /// anew, as a client of another listener. What waits to be sent to it is dropped, so do this before
    /// anything was sent. The hub ignores a listener that does not exist.
    Speaks {
        /// The connection.
        conn: ConnId,
        /// The listener whose protocol it speaks.
        listener: ListenerId,
    },
    /// Bytes arrived. The answer is [`Answer::Taken`]. The driver keeps the rest, and
    /// offers it again before anything newer when the connection has read interest again.
    Received {
        /// The connection.
        conn: ConnId,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// The transport took bytes, from the front of what [`crate::Hub::transmit`] would lend now.
    /// [`crate::Hub::send`] sees to it that these are the bytes that it lent.
    Sent {
        /// The connection.
        conn: ConnId,
        /// How many bytes.
        count: usize,
    },
    /// The peer will send no more, and the hub has taken everything that it sent.
    PeerClosed {
        /// The connection.
        conn: ConnId,
    },
    /// The peer of a chat client cannot be reached now, and may come back. The client keeps its name and its
    /// rooms, and holds nothing. What is said meanwhile it is told after [`Input::Back`], and not marked as
    /// past. The answer is [`Answer::Taken`], with 0 if the hub cannot do that: then report
    /// [`Input::Failed`]. Until the client is back, nothing is sent to it.
    #[cfg(feature = "large")]
    Away {
        /// The connection.
        conn: ConnId,
    },
    /// The peer is back.
    #[cfg(feature = "large")]
    Back {
        /// The connection.
        conn: ConnId,
    },
    /// The driver has found out that a newcomer to the chat was a client of an earlier hub. From now on it is the
    /// author with the identity that it had then. The driver must not say this of two connections at a time. The
    /// answer is [`Answer::Taken`], with 0 if the newcomer was announced already, or if the identity is not below
    /// [`crate::Config::first_identity`].
    #[cfg(feature = "large")]
    Known {
        /// The connection.
        conn: ConnId,
        /// Who it was.
        identity: Identity,
    },
    /// The connection broke, and the driver has forgotten it.
    Failed {
        /// The connection.
        conn: ConnId,
        /// Why it broke.
        cause: Cause,
    },
    /// The driver has closed the connection, as [`crate::Interest::close`] asked, and has forgotten it.
    Closed {
        /// The connection.
        conn: ConnId,
    },
    /// Records of a page that the hub asked for; see [`Output::Wanted`]. They have the room and the numbers with
    /// which a follower read them; [`Record::place`] does not count. They are in their order, and none is left
    /// out between them. They may begin before what was asked for, have a record twice, and end early. A record
    /// of another room ends the page, and so does one that the hub has itself. No records: there are none. The
    /// texts must be what the hub gave out; it does not check them again. The answer is [`Answer::Taken`], with
    /// the number of records. If it is not all of them, the hub asks for the others later. It ignores pages
    /// that it does not wait for.
    #[cfg(feature = "large")]
    Page {
        /// What the hub asked for.
        wanted: Wanted,
        /// Records are missing before the first of these: the driver does not have them. The client is told
        /// there that it missed messages, and a client of a relay is disconnected. One that has asked for old
        /// messages is told that there may be more.
        has_gap: bool,
        /// The records.
        records: &'a [Record<'a>],
    },
    /// The topic that a room had before the hub began, or before the room was empty. A topic that was set
    /// since then stays. Clients that wait for their room's history are told.
    #[cfg(feature = "large")]
    Topic {
        /// The room.
        room: RoomRef,
        /// Its topic.
        topic: &'a str,
    },
    /// The driver has taken the proposals up to this one, and will see to it that each of them is
    /// decided; see [`crate::Hub::next_proposal`].
    #[cfg(feature = "large")]
    Proposed {
        /// The number of the last one.
        number: u64,
    },
    /// A record has its place in the order, and is appended. The answer is [`Answer::Taken`], with 0 if
    /// its room has no place now. Then offer it again before anything that comes after it. The answer is 1, and
    /// nothing is appended, if the room is gone, or if the text or the name is too long. The hub does not check
    /// the text otherwise. It takes such records also where [`crate::Config::proposes`] is false.
    #[cfg(feature = "large")]
    Decided {
        /// Its place in the order of all decisions. The hub ignores places that it had before.
        index: u64,
        /// The connection that proposed it, if that was one of this hub.
        conn: Option<ConnId>,
        /// The record. Its sequence number does not count: the hub gives it one.
        record: Record<'a>,
    },
    /// One proposal of a connection will not be appended.
    #[cfg(feature = "large")]
    Withdrawn {
        /// The connection.
        conn: ConnId,
    },
    /// A follower needs nothing more up to and including a record: it has what it read, or does not want it.
    /// Commit an event only when all of its records were read, one for each room that it concerns. The hub
    /// ignores a number that no record has yet, and one before those that are left. Many records are committed at
    /// the price of one: commit the last of them. A [`crate::Lost`] that is not committed grows.
    #[cfg(feature = "console")]
    Committed {
        /// The follower.
        follower: FollowerId,
        /// The number of the record, [`crate::Record::seq`], or [`crate::Lost::last`].
        seq: u64,
    },
    /// The server says something to everybody in the rooms of the chat. A room that waits for a slow client is left
    /// out.
    #[cfg(feature = "console")]
    Notice {
        /// What it says.
        text: &'a str,
    },
    /// A deadline may have passed.
    Tick,
    /// The hub must end: it tells everyone, flushes, and closes all connections.
    Shutdown,
}

/// The answer to an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Answer {
    /// The input has no answer.
    Done,
    /// The new connection is in the table.
    Opened {
        /// The connection.
        conn: ConnId,
    },
    /// The new connection was refused. The driver sends [`crate::Hub::refusal_text`] if it can,
    /// and closes the connection.
    Refused {
        /// Why.
        refusal: Refusal,
    },
    /// The hub took bytes.
    Taken {
        /// How many.
        count: usize,
    },
}

impl Answer {
    /// How many bytes the hub took from [`Input::Received`].
    pub fn taken(self) -> usize {
        if let Answer::Taken { count } = self { count } else { 0 }
    }

    /// The answer to [`Input::Accepted`].
    ///
    /// # Errors
    /// The connection was refused.
    pub fn opened(self) -> Result<ConnId, Refusal> {
        match self {
            Answer::Opened { conn } => Ok(conn),
            Answer::Refused { refusal } => Err(refusal),
            Answer::Done | Answer::Taken { .. } => Err(Refusal::Full),
        }
    }
}

/// What the hub asks of the driver; see [`crate::Hub::next_output`]. Each is named once, and again when there
/// is more of it. Nothing is lost if the driver does it later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Output {
    /// The interest of a connection, or the bytes to send to it, may have changed. The driver need not
    /// look at the others. A connection is not named because everything was sent: the driver reported that
    /// itself, and looks at the interest anyway.
    Changed {
        /// The connection.
        conn: ConnId,
    },
    /// A client is further behind than the log goes back, or has asked for old messages. The driver answers with
    /// [`Input::Page`], at once or later, but within 5 s: after that, the client is told that it missed messages.
    /// The hub asks only if [`crate::Config::keeps_records`] is true, and only once for each page. A client that is
    /// behind in several rooms catches up in one after the other.
    #[cfg(feature = "large")]
    Wanted(Wanted),
    /// Clients want to say something; see [`crate::Hub::next_proposal`].
    #[cfg(feature = "large")]
    Proposals,
    /// A follower has something to read; see [`crate::Hub::read`].
    #[cfg(feature = "console")]
    News {
        /// The follower.
        follower: FollowerId,
    },
}

/// A page of records that the hub wants.
#[cfg(feature = "large")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Wanted {
    /// Names this request. Of each connection, the hub takes a page for the latest one alone.
    pub number: u32,
    /// The connection that is to get them.
    pub conn: ConnId,
    /// The room.
    pub room: RoomRef,
    /// Which of its records.
    pub span: Span,
    /// The sequence number of the first record that the hub has itself. It needs none from there on.
    pub until: u64,
    /// Only messages that have all the words of [`crate::Hub::words`] are wanted, in one page. A driver that could
    /// not look at all messages answers with what it has found, and says that there is a gap.
    pub searches: bool,
}

/// Which records of a room a page is about.
#[cfg(feature = "large")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Span {
    /// Those with this sequence number and later ones. Sequence numbers wrap around.
    From(u64),
    /// The last so many messages; see [`crate::Kind::is_message`]. A page that does not have all of them has the
    /// first of them.
    Last(u32),
}

/// Why the hub refused a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Refusal {
    /// Every slot is taken.
    Full,
    /// The peer's address already has [`crate::Config::per_peer`] connections.
    PerPeer,
    /// The hub is ending.
    ShuttingDown,
}

/// What the hub wants of a connection now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Interest {
    /// How many bytes to offer at once. If it is 0, the hub takes none now.
    pub read: usize,
    /// Whether there are bytes to send.
    pub write: bool,
    /// Whether, and how, to close the connection.
    pub close: Close,
}

impl Interest {
    /// The interest of an id that names nothing: the driver closes what it still has.
    pub(crate) const GONE: Interest = Interest { read: 0, write: false, close: Close::Abort };
}

/// Whether, and how, the driver must close a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Close {
    /// Keep it open.
    No,
    /// Everything is sent. Close the sending side (a TCP FIN), and go on reading until the peer
    /// closes too. To close both sides with unread input would reset the connection, and the peer
    /// might lose the last lines.
    Write,
    /// Close it.
    Full,
    /// Reset it. Bytes that were not sent are lost.
    Abort,
}

/// How a follower reads.
#[cfg(feature = "console")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Following {
    /// How long a closed room waits for the follower, in ms. Then the follower loses all that it has not
    /// committed, and reads that it did. `None`: forever. Use it only for a follower that never stops: a room
    /// that everybody has left also stays until it is read.
    pub grace_ms: Option<u32>,
    /// The rooms that it reads.
    pub scope: Scope,
}

/// The rooms that a follower reads.
#[cfg(feature = "console")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Scope {
    /// All rooms, also those that are made later.
    All,
    /// The rooms that stay when they are empty: the lobby, and those of the relays.
    Pinned,
}
