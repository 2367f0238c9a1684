//! What was said: the kinds of records, and who their author is.

use crate::ids::{Cause, ListenerId};

/// Who said something. An identity outlives the connection that got it, and is never given to another
/// client of the same hub.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Identity(pub(crate) u64);

impl Identity {
    /// The hub itself.
    pub const HUB: Self = Self(0);
    /// Identities are below this number.
    pub(crate) const END: u64 = 1 << 48;

    /// The identity as a number; 0 is the hub.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The identity with a number, for records that come from elsewhere. The upper 16 bits do not count.
    pub const fn from_u64(number: u64) -> Self {
        Self(number & (Self::END - 1))
    }
}

/// Names one room for as long as it exists. When its place gets another room, the generation changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RoomRef {
    pub(crate) room: u32,
    pub(crate) generation: u32,
}

impl RoomRef {
    /// The room as a number that names it in this hub alone.
    pub const fn as_u64(self) -> u64 {
        (self.generation as u64) << 32 | self.room as u64
    }

    /// The room that [`RoomRef::as_u64`] gave this number.
    pub const fn from_u64(number: u64) -> Self {
        Self { room: number as u32, generation: (number >> 32) as u32 }
    }
    /// No room.
    pub const NONE: Self = Self { room: u32::MAX, generation: 0 };
}

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Kind {
    /// The author says the text.
    Say,
    /// The author does what the text says.
    Action,
    /// The author came into the room.
    Join,
    /// The author left for the room that the text names. If the text is empty, it is still in other rooms.
    Part,
    /// The author left the hub. The text is the reason that it gave, or that the operator gave for a
    /// kick; it may be empty.
    Quit(Cause),
    /// The author is now called what the text says. The record has the old name.
    Nick,
    /// The author set the room's topic to the text.
    Topic,
    /// The server says the text. There is no author.
    Server,
    /// Bytes of a relay. The text is any bytes, usually whole lines.
    Raw,
    /// The author says the text to this client alone.
    Direct,
    /// This client has said the text, to the one that is named alone.
    Sent,
}

impl Kind {
    /// Whether a client said something. Other records report what happened.
    pub const fn is_message(self) -> bool {
        matches!(self, Kind::Say | Kind::Action | Kind::Raw | Kind::Direct | Kind::Sent)
    }

    /// Whether the author is told it too. What it says does not come back to it.
    pub(crate) const fn comes_back(self) -> bool {
        matches!(self, Kind::Nick | Kind::Topic)
    }

    /// As a number below 32, which [`Kind::from_code`] understands.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Kind::Say => 0,
            Kind::Action => 1,
            Kind::Raw => 2,
            Kind::Join => 3,
            Kind::Part => 4,
            Kind::Nick => 5,
            Kind::Topic => 6,
            Kind::Server => 7,
            Kind::Quit(cause) => 8 + cause.code(),
            Kind::Direct => 14,
            Kind::Sent => 15,
        }
    }

    pub(crate) const fn from_code(code: u8) -> Self {
        match code {
            0 => Kind::Say,
            1 => Kind::Action,
            2 => Kind::Raw,
            3 => Kind::Join,
            4 => Kind::Part,
            5 => Kind::Nick,
            6 => Kind::Topic,
            7 => Kind::Server,
            14 => Kind::Direct,
            15 => Kind::Sent,
            code => Kind::Quit(Cause::from_code(code - 8)),
        }
    }
}

/// A record: something that was said or that happened in a room. So followers read it, and encodings
/// render it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'r> {
    /// The number of the event. All records of an event, one in each room that it concerns, have the
    /// same number. Later events have higher numbers, but numbers wrap around. What is told to one client alone
    /// ([`Place::Private`]) has the number that the next event will get, so several may have the same.
    pub seq: u64,
    /// When it happened, in ms since 1970-01-01 UTC; 0 if it is not known.
    pub unix_ms: u64,
    /// The room, for as long as it exists; [`RoomRef::NONE`] for [`Place::Private`].
    pub room: RoomRef,
    /// What the room is.
    pub place: Place<'r>,
    /// Who said it.
    pub author: Identity,
    /// What the author was called then, or whom a [`Kind::Sent`] went to; empty for the hub, and for those
    /// that have no name.
    pub name: &'r str,
    /// What it says.
    pub kind: Kind,
    /// Only in the room of a relay: a line that stands before it broke off, because its author is gone. So
    /// this record begins on a line of its own.
    pub is_torn: bool,
    /// The text. It is UTF-8 that may be shown, but for [`Kind::Raw`].
    pub text: &'r [u8],
}

/// What a room is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'r> {
    /// A room of the chat, with its name.
    Chat(&'r str),
    /// The room of a relay listener.
    Relay(ListenerId),
    /// No room: it was told to one client alone.
    Private,
}

/// What a follower reads next.
#[cfg(feature = "console")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed<'r> {
    /// A record.
    Record(Record<'r>),
    /// It has missed records.
    Lost(Lost),
}

/// Records that a follower missed, because it kept a room waiting for longer than its grace. Among them
/// are those that it had read and not committed.
#[cfg(feature = "console")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Lost {
    /// The number of the first record that was lost.
    pub first: u64,
    /// The number of the last one. To commit it commits the loss.
    pub last: u64,
    /// How many records were lost. An event counts once for each room that it concerns.
    pub records: u64,
    /// How many of them were messages; see [`Kind::is_message`].
    pub messages: u64,
}

/// A record as bytes: what stands before the name, the name, what stands between, the text, the end.
pub(crate) type Parts<'t> = [&'t [u8]; 5];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_code_of_its_own() {
        for code in 0..16 {
            assert_eq!(Kind::from_code(code).code(), code);
        }
    }
}
