//! Records that were said before: as they are read again.

use core::ops::Range;

use super::Exchange;
use crate::conn::Slot;
use crate::encoding::chat::{self, Mark};
use crate::log::{Position, before};
use crate::record::{Kind, Place, Record};
use crate::room::{Room, RoomIndex};

impl Exchange<'_> {
    /// The records of a room that have the last so many messages that can still be read.
    pub(crate) fn last_messages(&self, room: RoomIndex, count: u32) -> Option<Range<Position>> {
        let log = &self.rooms[room].log;
        let records = log.last_messages(count).0..log.next_record();
        (records.start != records.end).then_some(records)
    }

    /// Tells a connection the first message in a range of a room's records, marked as past. Returns the
    /// record after it. Messages that are gone are left out.
    pub(crate) fn tell_message_in(
        &mut self,
        slot: Slot,
        room: RoomIndex,
        Range { start: mut number, end }: Range<Position>,
    ) -> Option<Position> {
        let first = self.rooms[room].log.first_readable();
        if before(number, first) {
            number = first;
        }
        while before(number, end) {
            let (entry, _) = self.rooms[room].log.past(number)?;
            if entry.kind().is_message() {
                self.tell_again(slot, (room, number), self.seq, true);
                return Some(number.wrapping_add(1));
            }
            number = number.wrapping_add(1);
        }
        None
    }

    /// Tells a connection a record of a room once more, at a place in the order. If it `is_past`, it is
    /// marked as that, where the encoding can.
    pub(super) fn tell_again(
        &mut self,
        slot: Slot,
        (room, number): (RoomIndex, Position),
        seq: u64,
        is_past: bool,
    ) {
        if self.tell_again_rendered(slot, (room, number), seq, is_past).is_some() {
            return;
        }
        let Some((entry, [left, right])) = self.rooms[room].log.past(number) else { return };
        let in_order = self.is_told_in_order(slot);
        let mark = self.mark_if(is_past, entry.kind(), entry.unix_ms());
        self.conns.put(slot, seq, &[&mark, left, right], in_order);
        self.touch(slot);
    }

    /// The mark of a record that `is_past`, in a chat; otherwise it is empty.
    pub(super) fn mark_if(&self, is_past: bool, kind: Kind, unix_ms: u64) -> Mark {
        if is_past { chat::mark(kind, unix_ms, self.clock()) } else { Mark::new() }
    }

    /// What a room is.
    pub(crate) fn place(&self, room: RoomIndex) -> Place<'_> {
        let Room { owner, name, .. } = &self.rooms[room];
        match owner {
            Some(listener) => Place::Relay(*listener),
            None => Place::Chat(core::str::from_utf8(name.as_bytes()).unwrap_or_default()),
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
        let utf8 = |bytes| core::str::from_utf8(bytes).unwrap_or_default();
        Some(Record {
            seq: entry.seq,
            unix_ms: entry.unix_ms(),
            room: self.room_ref(room),
            place: self.place(room),
            author: entry.author(),
            name: utf8(bytes.get(name).unwrap_or_default()),
            kind: entry.kind(),
            is_torn: entry.is_torn(),
            text: bytes.get(text).unwrap_or_default(),
        })
    }
}
