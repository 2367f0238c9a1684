//! Records of rooms, and small values of the core, as a file holds them. The core knows no serde. A variant or a field
//! that it gets needs a line here, or this does not compile.

use parlour_core::{
    Cause, ConnId, Identity, Kind, ListenerId, Place, Record, Refusal, RoomRef, Scope, Span, Wanted,
};
use serde::{Deserialize, Serialize};

/// A record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Said<'r> {
    seq: u64,
    unix_ms: u64,
    room: u64,
    #[serde(borrow)]
    place: SaidIn<'r>,
    author: u64,
    name: &'r str,
    #[serde(with = "KindDef")]
    kind: Kind,
    is_torn: bool,
    #[serde(serialize_with = "crate::encoding::bytes")]
    text: &'r [u8],
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum SaidIn<'r> {
    Chat(&'r str),
    Relay(u8),
    Private,
}

impl<'r> From<Record<'r>> for Said<'r> {
    fn from(record: Record<'r>) -> Self {
        let Record { seq, unix_ms, room, place, author, name, kind, is_torn, text } = record;
        let place = match place {
            Place::Chat(name) => SaidIn::Chat(name),
            Place::Relay(ListenerId(index)) => SaidIn::Relay(index),
            Place::Private => SaidIn::Private,
        };
        let (room, author) = (room.as_u64(), author.as_u64());
        Self { seq, unix_ms, room, place, author, name, kind, is_torn, text }
    }
}

impl<'r> From<&Said<'r>> for Record<'r> {
    fn from(said: &Said<'r>) -> Self {
        let Said { seq, unix_ms, room, ref place, author, name, kind, is_torn, text } = *said;
        let place = match *place {
            SaidIn::Chat(name) => Place::Chat(name),
            SaidIn::Relay(index) => Place::Relay(ListenerId(index)),
            SaidIn::Private => Place::Private,
        };
        let (room, author) = (RoomRef::from_u64(room), Identity::from_u64(author));
        Self { seq, unix_ms, room, place, author, name, kind, is_torn, text }
    }
}

/// A page that the hub asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    number: u32,
    conn: u64,
    room: u64,
    #[serde(with = "SpanDef")]
    span: Span,
    until: u64,
    searches: bool,
}

impl From<Wanted> for Asked {
    fn from(Wanted { number, conn, room, span, until, searches }: Wanted) -> Self {
        Self { number, conn: conn.as_u64(), room: room.as_u64(), span, until, searches }
    }
}

impl From<Asked> for Wanted {
    fn from(Asked { number, conn, room, span, until, searches }: Asked) -> Self {
        let (conn, room) = (ConnId::from_u64(conn), RoomRef::from_u64(room));
        Self { number, conn, room, span, until, searches }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Span")]
enum SpanDef {
    From(u64),
    Last(u32),
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Kind")]
enum KindDef {
    Say,
    Action,
    Raw,
    Join,
    Part,
    Quit(#[serde(with = "CauseDef")] Cause),
    Nick,
    Topic,
    Server,
    Direct,
    Sent,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Cause")]
pub(crate) enum CauseDef {
    Left,
    Reset,
    TimedOut,
    Lagged,
    Kicked,
    Shutdown,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Refusal")]
pub(crate) enum RefusalDef {
    Full,
    PerPeer,
    ShuttingDown,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Scope")]
pub(crate) enum ScopeDef {
    All,
    Pinned,
}
