//! Records that were said before: as they are read again.

use super::Exchange;
use crate::conn::Slot;
use crate::encoding::chat;
use crate::log::{Position, before};
use crate::record::{Kind, Place, Record};
use crate::room::RoomIndex;

impl Exchange<'_> {
    /// The first of the last so many messages of a room that can still be read.
    pub(crate) fn last_messages(&self, room: RoomIndex, count: u32) -> Option<Position> {
        let log = &self.rooms[room].log;
        Some(log.last_messages(count)).filter(|first| *first != log.next_record())
    }

    /// Tells a connection the first message of a room from a record on, marked as past. Returns the
    /// record after it. Messages that are gone are left out.
    pub(crate) fn tell_message_from(
        &mut self,
        slot: Slot,
        room: RoomIndex,
        mut number: Position,
    ) -> Option<Position> {
        let log = &self.rooms[room].log;
        let first = log.first_readable();
        if before(number, first) {
            number = first;
        }
        loop {
            let (entry, [left, right]) = log.past(number)?;
            number = number.wrapping_add(1);
            if entry.kind().is_message() {
                let mark = chat::mark(entry.kind(), entry.unix_ms(), self.clock());
                self.conns.push(slot, self.seq, &[&mark, left, right]);
                self.touch(slot);
                return Some(number);
            }
        }
    }

    /// A record of a room; `None` if it was overwritten. Its bytes are put together in the scratch if the
    /// ring wraps within them.
    pub(super) fn record(&mut self, room: RoomIndex, number: Position) -> Option<Record<'_>> {
        let (_, [left, right]) = self.rooms[room].log.past(number)?;
        let len = left.len() + right.len();
        let is_cut = !right.is_empty();
        if is_cut {
            let (start, end) = self.scratch.get_mut(..len)?.split_at_mut(left.len());
            start.copy_from_slice(left);
            end.copy_from_slice(right);
        }
        let from = &self.rooms[room];
        let (entry, [whole, _]) = from.log.past(number)?;
        let bytes = if is_cut { &self.scratch[..len] } else { whole };
        let [name, text] = entry.places(len);
        let is_torn = entry.kind() == Kind::Raw && text.start > name.end;
        let utf8 = |bytes| core::str::from_utf8(bytes).unwrap_or_default();
        Some(Record {
            seq: entry.seq,
            unix_ms: entry.unix_ms(),
            room: self.room_ref(room),
            place: match from.owner {
                Some(listener) => Place::Relay(listener),
                None => Place::Chat(utf8(from.name.as_bytes())),
            },
            author: entry.author(),
            name: utf8(bytes.get(name).unwrap_or_default()),
            kind: entry.kind(),
            is_torn,
            text: bytes.get(text).unwrap_or_default(),
        })
    }
}
