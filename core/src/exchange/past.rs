//! Records that were said before: as they are read again.

use super::Exchange;
use crate::conn::Slot;
use crate::log::Position;
use crate::record::{Place, Record};
use crate::room::RoomIndex;
use crate::text::Text;

impl Exchange<'_> {
    /// Tells a connection a message from before it came, if that was not overwritten.
    pub(crate) fn tell_past(&mut self, slot: Slot, room: RoomIndex, number: Position) {
        if self.tell_past_rendered(slot, room, number).is_some() {
            return;
        }
        let scratch = core::mem::take(&mut self.scratch);
        let mut line = Text::new(scratch);
        if let Some([left, right]) = self.past_message(room, number) {
            line.push(left);
            line.push(right);
            self.tell(slot, &[b"-- earlier: ", line.as_bytes()]);
        }
        self.scratch = line.into_bytes();
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
            place: match from.owner {
                Some(listener) => Place::Relay(listener),
                None => Place::Chat(utf8(from.name.as_bytes())),
            },
            author: entry.author(),
            name: utf8(bytes.get(name).unwrap_or_default()),
            kind: entry.kind(),
            text: bytes.get(text).unwrap_or_default(),
        })
    }
}
