//! One entry of a trace: a call to the hub with its answer, the time that has passed, or a checksum.

use std::net::IpAddr;

use parlour_core::{
    Answer, Cause, ConnId, FollowerId, Identity, Input, ListenerId, Record, Refusal, RoomRef, Scope,
};
use serde::{Deserialize, Serialize};

use crate::header::Choices;
use crate::record::{Asked, CauseDef, RefusalDef, Said, ScopeDef};
use crate::rests::Rests;

/// The name of a connection. The two numbers are small, and so are their encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Conn {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl From<ConnId> for Conn {
    fn from(id: ConnId) -> Self {
        Self { slot: id.as_u64() as u32, generation: (id.as_u64() >> 32) as u32 }
    }
}

impl From<Conn> for ConnId {
    fn from(conn: Conn) -> Self {
        Self::from_u64(u64::from(conn.generation) << 32 | u64::from(conn.slot))
    }
}

/// What the hub answered to a newcomer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Welcome {
    Opened(Conn),
    Refused(#[serde(with = "RefusalDef")] Refusal),
}

/// An entry. All but the first three are steps. Those up to `Shutdown` are inputs; after them come the other calls that
/// change the hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Entry<'e> {
    /// So many ms have passed since the step before.
    Later {
        ms: u64,
    },
    /// The checksum of all that has gone out.
    Check {
        sum: u32,
    },
    /// The same, and the trace ends here.
    End {
        sum: u32,
    },

    Clock {
        unix_ms: u64,
        utc_offset_s: i32,
    },
    Accepted {
        listener: u8,
        peer: Option<IpAddr>,
        welcome: Welcome,
    },
    Speaks {
        conn: Conn,
        listener: u8,
    },
    Received {
        conn: Conn,
        /// How many of the bytes were offered before and not taken. They come first.
        again: u32,
        #[serde(serialize_with = "crate::encoding::bytes")]
        new: &'e [u8],
        /// How many of all the hub did not take.
        left: u32,
    },
    Sent {
        conn: Conn,
        count: u32,
        /// A part of the checksum, so that a difference is found where it happens. It fails once in 256 times.
        check: u8,
    },
    PeerClosed {
        conn: Conn,
    },
    Away {
        conn: Conn,
        is_away: bool,
    },
    Back {
        conn: Conn,
    },
    Known {
        conn: Conn,
        identity: u64,
        is_known: bool,
    },
    Failed {
        conn: Conn,
        #[serde(with = "CauseDef")]
        cause: Cause,
    },
    Closed {
        conn: Conn,
    },
    Page {
        wanted: Asked,
        #[serde(borrow)]
        records: Vec<Said<'e>>,
        has_gap: bool,
        taken: u32,
    },
    Topic {
        room: u64,
        topic: &'e str,
    },
    Proposed {
        number: u64,
    },
    Decided {
        index: u64,
        conn: Option<Conn>,
        record: Said<'e>,
        taken: u32,
    },
    Withdrawn {
        conn: Conn,
    },
    Committed {
        follower: u64,
        seq: u64,
    },
    Notice {
        text: &'e str,
    },
    Tick,
    Shutdown,

    /// The driver asked what to do next.
    Output,
    Follow {
        grace_ms: Option<u32>,
        #[serde(with = "ScopeDef")]
        scope: Scope,
        follower: Option<u64>,
    },
    Unfollow {
        follower: u64,
    },
    ReadAgain {
        follower: u64,
    },
    Watch {
        conn: Conn,
        follower: Option<u64>,
    },
    /// A follower read what comes next.
    Read {
        follower: u64,
    },
    /// The hub got another configuration.
    Reconfigure {
        choices: Box<Choices>,
        is_taken: bool,
    },
}

impl<'e> Entry<'e> {
    /// Whether it tells of a call to the hub.
    pub(crate) fn is_step(&self) -> bool {
        !matches!(self, Entry::Later { .. } | Entry::Check { .. } | Entry::End { .. })
    }

    /// An input and the hub's answer. `sum` is the checksum after the input.
    pub(crate) fn of(input: Input<'e>, answer: Answer, rests: &Rests, sum: u32) -> Self {
        let taken = answer.taken() as u32;
        match input {
            Input::Clock { unix_ms, utc_offset_s } => Entry::Clock { unix_ms, utc_offset_s },
            Input::Accepted { listener: ListenerId(listener), peer } => {
                let welcome = match answer.opened() {
                    Ok(conn) => Welcome::Opened(conn.into()),
                    Err(refusal) => Welcome::Refused(refusal),
                };
                Entry::Accepted { listener, peer, welcome }
            }
            Input::Speaks { conn, listener } => Entry::Speaks { conn: conn.into(), listener: listener.0 },
            Input::Received { conn, bytes } => {
                let (again, new) = rests.split(conn, bytes);
                Entry::Received { conn: conn.into(), again, new, left: bytes.len() as u32 - taken }
            }
            Input::Sent { conn, count } => {
                Entry::Sent { conn: conn.into(), count: count as u32, check: sum as u8 }
            }
            Input::PeerClosed { conn } => Entry::PeerClosed { conn: conn.into() },
            Input::Away { conn } => Entry::Away { conn: conn.into(), is_away: taken > 0 },
            Input::Back { conn } => Entry::Back { conn: conn.into() },
            Input::Known { conn, identity } => {
                Entry::Known { conn: conn.into(), identity: identity.as_u64(), is_known: taken > 0 }
            }
            Input::Failed { conn, cause } => Entry::Failed { conn: conn.into(), cause },
            Input::Closed { conn } => Entry::Closed { conn: conn.into() },
            Input::Page { wanted, records, has_gap } => {
                let records = records.iter().map(|record| Said::from(*record)).collect();
                Entry::Page { wanted: wanted.into(), records, has_gap, taken }
            }
            Input::Topic { room, topic } => Entry::Topic { room: room.as_u64(), topic },
            Input::Proposed { number } => Entry::Proposed { number },
            Input::Decided { index, conn, record } => {
                Entry::Decided { index, conn: conn.map(Conn::from), record: record.into(), taken }
            }
            Input::Withdrawn { conn } => Entry::Withdrawn { conn: conn.into() },
            Input::Committed { follower, seq } => Entry::Committed { follower: follower.as_u64(), seq },
            Input::Notice { text } => Entry::Notice { text },
            Input::Tick => Entry::Tick,
            Input::Shutdown => Entry::Shutdown,
        }
    }

    /// The input that it tells of; `None` if it tells of something else, or if a connection has no such rest. `room` is
    /// memory for what the input borrows.
    pub(crate) fn input<'i>(&'i self, rests: &Rests, room: &'i mut Room<'e>) -> Option<Input<'i>> {
        Some(match *self {
            Entry::Clock { unix_ms, utc_offset_s } => Input::Clock { unix_ms, utc_offset_s },
            Entry::Accepted { listener, peer, .. } => {
                Input::Accepted { listener: ListenerId(listener), peer }
            }
            Entry::Speaks { conn, listener } => {
                Input::Speaks { conn: conn.into(), listener: ListenerId(listener) }
            }
            Entry::Received { conn, again, new, .. } => {
                let conn = ConnId::from(conn);
                let again = rests.of(conn).get(..again as usize)?;
                room.bytes.clear();
                room.bytes.extend_from_slice(again);
                room.bytes.extend_from_slice(new);
                Input::Received { conn, bytes: &room.bytes }
            }
            Entry::Sent { conn, count, .. } => Input::Sent { conn: conn.into(), count: count as usize },
            Entry::PeerClosed { conn } => Input::PeerClosed { conn: conn.into() },
            Entry::Away { conn, .. } => Input::Away { conn: conn.into() },
            Entry::Back { conn } => Input::Back { conn: conn.into() },
            Entry::Known { conn, identity, .. } => {
                Input::Known { conn: conn.into(), identity: Identity::from_u64(identity) }
            }
            Entry::Failed { conn, cause } => Input::Failed { conn: conn.into(), cause },
            Entry::Closed { conn } => Input::Closed { conn: conn.into() },
            Entry::Page { wanted, ref records, has_gap, .. } => {
                room.records.extend(records.iter().map(Record::from));
                Input::Page { wanted: wanted.into(), records: &room.records, has_gap }
            }
            Entry::Topic { room, topic } => Input::Topic { room: RoomRef::from_u64(room), topic },
            Entry::Proposed { number } => Input::Proposed { number },
            Entry::Decided { index, conn, ref record, .. } => {
                Input::Decided { index, conn: conn.map(ConnId::from), record: record.into() }
            }
            Entry::Withdrawn { conn } => Input::Withdrawn { conn: conn.into() },
            Entry::Committed { follower, seq } => {
                Input::Committed { follower: FollowerId::from_u64(follower), seq }
            }
            Entry::Notice { text } => Input::Notice { text },
            Entry::Tick => Input::Tick,
            Entry::Shutdown => Input::Shutdown,
            Entry::Later { .. }
            | Entry::Check { .. }
            | Entry::End { .. }
            | Entry::Output
            | Entry::Follow { .. }
            | Entry::Unfollow { .. }
            | Entry::ReadAgain { .. }
            | Entry::Watch { .. }
            | Entry::Read { .. }
            | Entry::Reconfigure { .. } => return None,
        })
    }
}

/// Memory for what one input borrows.
#[derive(Debug, Default)]
pub(crate) struct Room<'e> {
    bytes: Vec<u8>,
    records: Vec<Record<'e>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::encode;
    use parlour_core::{Kind, Place, Span, Wanted};

    /// Every input, with what can be in it.
    fn inputs(mut each: impl FnMut(Input<'_>, Answer)) {
        let conn = ConnId::from_u64(u64::from(u32::MAX) << 32 | 70_000);
        let follower = FollowerId::from_u64(u64::from(u32::MAX) << 8 | 3);
        let mut done = |input| each(input, Answer::Done);
        done(Input::Clock { unix_ms: u64::MAX, utc_offset_s: i32::MIN });
        done(Input::Speaks { conn, listener: ListenerId(255) });
        done(Input::Sent { conn, count: u32::MAX as usize });
        done(Input::PeerClosed { conn });
        done(Input::Back { conn });
        for cause in
            [Cause::Left, Cause::Reset, Cause::TimedOut, Cause::Lagged, Cause::Kicked, Cause::Shutdown]
        {
            done(Input::Failed { conn, cause });
        }
        done(Input::Closed { conn });
        done(Input::Proposed { number: u64::MAX });
        done(Input::Withdrawn { conn });
        done(Input::Committed { follower, seq: u64::MAX });
        done(Input::Notice { text: "héar" });
        done(Input::Tick);
        done(Input::Shutdown);
        for peer in [None, Some([127, 0, 0, 1].into()), Some([1_u16, 2, 3, 4, 5, 6, 7, 8].into())] {
            let input = Input::Accepted { listener: ListenerId(7), peer };
            each(input, Answer::Opened { conn });
            for refusal in [Refusal::Full, Refusal::PerPeer, Refusal::ShuttingDown] {
                each(input, Answer::Refused { refusal });
            }
        }
        for count in [0, 1] {
            each(Input::Away { conn }, Answer::Taken { count });
            let identity = Identity::from_u64(1 << 40);
            each(Input::Known { conn, identity }, Answer::Taken { count });
        }
        each(Input::Received { conn, bytes: b"" }, Answer::Taken { count: 0 });
        each(Input::Received { conn, bytes: b"\xff\0hello\n" }, Answer::Taken { count: 3 });
        let record = |kind, place| {
            let (room, author) = (RoomRef::from_u64(u64::MAX), Identity::from_u64(1 << 40));
            Record {
                seq: 1 << 60,
                unix_ms: 5,
                room,
                place,
                author,
                name: "zoë",
                kind,
                is_torn: true,
                text: b"\xfft",
            }
        };
        let records = [
            record(Kind::Quit(Cause::Kicked), Place::Chat("den")),
            record(Kind::Raw, Place::Relay(ListenerId(3))),
            record(Kind::Sent, Place::Private),
        ];
        let room = RoomRef::from_u64(u64::MAX);
        for span in [Span::From(u64::MAX), Span::Last(20)] {
            let wanted = Wanted { number: 9, conn, room, span, until: 7, searches: span == Span::Last(20) };
            each(Input::Page { wanted, records: &records, has_gap: true }, Answer::Taken { count: 2 });
            each(Input::Page { wanted, records: &[], has_gap: false }, Answer::Taken { count: 0 });
        }
        each(Input::Topic { room, topic: "tëa" }, Answer::Done);
        for record in records {
            each(Input::Decided { index: 4, conn: Some(conn), record }, Answer::Taken { count: 1 });
            each(Input::Decided { index: 4, conn: None, record }, Answer::Taken { count: 0 });
        }
    }

    #[test]
    fn every_input_is_the_same_after_it_was_written_and_read() {
        let mut count = 0;
        inputs(|input, answer| {
            let (mut bytes, mut room, rests) = (Vec::new(), Room::default(), Rests::default());
            let entry = Entry::of(input, answer, &rests, 0x1ff);
            encode(&entry, &mut bytes);
            let read: Entry<'_> = postcard::from_bytes(&bytes).expect("an entry");
            assert_eq!(read, entry);
            let again = read.input(&rests, &mut room).expect("an input");
            // The core's types have no equality.
            assert_eq!(format!("{again:?}"), format!("{input:?}"));
            // No shorter bytes are an entry, so a file that was cut holds nothing wrong.
            for len in 0..bytes.len() {
                assert!(postcard::from_bytes::<Entry<'_>>(&bytes[..len]).is_err(), "{entry:?} at {len}");
            }
            count += 1;
        });
        assert_eq!(count, 47);
    }

    #[test]
    fn what_was_not_taken_is_written_once() {
        let (conn, mut rests) = (ConnId::from_u64(2), Rests::default());
        let mut offer = |bytes: &[u8], count: usize, new: &[u8]| {
            let input = Input::Received { conn, bytes };
            let entry = Entry::of(input, Answer::Taken { count }, &rests, 0);
            assert!(matches!(entry, Entry::Received { new: found, .. } if found == new), "{entry:?}");
            let mut room = Room::default();
            let again = entry.input(&rests, &mut room).expect("an input");
            assert_eq!(format!("{again:?}"), format!("{input:?}"));
            rests.note(conn, bytes, count);
        };
        offer(b"abcdef", 2, b"abcdef");
        offer(b"cdef", 0, b"");
        offer(b"cdefgh", 3, b"gh");
        // A part of it.
        offer(b"f", 1, b"");
        offer(b"ghi", 1, b"ghi");
        // A driver that offers something else.
        offer(b"xi", 2, b"xi");
        offer(b"hi", 2, b"hi");
        assert!(rests.of(conn).is_empty());
    }

    #[test]
    fn a_rest_that_never_was_is_no_input() {
        let entry = Entry::Received { conn: Conn { slot: 0, generation: 0 }, again: 1, new: b"", left: 0 };
        assert!(entry.input(&Rests::default(), &mut Room::default()).is_none());
    }
}
