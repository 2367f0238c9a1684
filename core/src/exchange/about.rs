//! What protocols may ask about rooms and connections, for lists and answers.

use core::fmt::Write;

use super::Exchange;
use crate::config::LABEL_BYTES;
use crate::conn::Slot;
use crate::ids::ConnId;
use crate::limits::TOPIC_BYTES;
use crate::record::RoomRef;
use crate::room::RoomIndex;
use crate::text::clipped;

/// A copy of a topic.
pub(crate) type Topic = heapless::Vec<u8, TOPIC_BYTES>;

/// Where a client comes from. The operator reads it after the name.
pub(crate) type Origin = heapless::String<64>;

impl Exchange<'_> {
    pub(crate) fn room_ref(&self, room: RoomIndex) -> RoomRef {
        RoomRef { room, generation: self.rooms[room].generation }
    }

    /// The index of a room, if it is still the same room.
    pub(crate) fn same_room(&self, RoomRef { room, generation }: RoomRef) -> Option<RoomIndex> {
        let is_same = self.rooms.indices().contains(&room) && self.rooms[room].generation == generation;
        is_same.then_some(room)
    }

    /// All rooms, free ones too.
    pub(crate) fn room_indices(&self) -> core::ops::Range<RoomIndex> {
        self.rooms.indices()
    }

    /// Whether a room stands in the list of rooms.
    pub(crate) fn is_listed(&self, room: RoomIndex) -> bool {
        let room = &self.rooms[room];
        room.owner.is_none() && (room.present > 0 || room.pinned)
    }

    /// How many clients are in a room.
    pub(crate) fn present(&self, room: RoomIndex) -> u32 {
        self.rooms[room].present
    }

    pub(crate) fn topic(&self, room: RoomIndex) -> Topic {
        Topic::from_slice(self.rooms[room].topic.as_bytes()).unwrap_or_default()
    }

    /// Sets a topic. Returns it as it is kept: it may have been cut.
    pub(crate) fn set_topic(&mut self, room: RoomIndex, topic: &[u8]) -> Topic {
        self.rooms[room].topic.set(topic);
        self.topic(room)
    }

    /// ` (ADDRESS LISTENER)`, or the part that is known.
    pub(crate) fn origin(&self, slot: Slot) -> Origin {
        let conn = &self.conns[slot];
        let (mut origin, label) = (Origin::new(), self.config.label(conn.listener));
        // It is long enough for every address.
        let _ = match (conn.account.peer(), clipped(label, LABEL_BYTES)) {
            (None, "") => Ok(()),
            (None, label) => write!(origin, " ({label})"),
            (Some(peer), "") => write!(origin, " ({peer})"),
            (Some(peer), label) => write!(origin, " ({peer} {label})"),
        };
        origin
    }

    /// The client of a relay whose line was passed on last, if the line has not ended.
    pub(crate) fn unfinished_by(&self, room: RoomIndex) -> Option<ConnId> {
        self.rooms[room].unfinished_by
    }

    pub(crate) fn set_unfinished_by(&mut self, room: RoomIndex, by: Option<ConnId>) {
        self.rooms[room].unfinished_by = by;
    }
}
