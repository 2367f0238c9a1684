//! What only an operator may do: disconnect others, and see what the hub has done.

use super::Exchange;
use crate::config::Protocol;
use crate::conn::{Conn, Slot, State};
use crate::ids::Cause;
use crate::record::Kind;
use crate::room::RoomIndex;

impl Exchange<'_> {
    /// Disconnects a client. Its rooms are told the reason, if there is one.
    pub(crate) fn kick(&mut self, slot: Slot, is_told: bool, reason: &str) {
        self.leave_rooms(slot, is_told, Kind::Quit(Cause::Kicked), reason.as_bytes());
        self.close_soon(slot, Cause::Kicked);
        let Conn { line, reason: kept, .. } = &mut self.conns[slot];
        line.clear();
        *kept = core::mem::take(line.text());
        kept.set(reason.as_bytes());
    }

    /// The reason that an operator gave for a kick.
    pub(crate) fn reason(&self, slot: Slot) -> &str {
        core::str::from_utf8(self.conns[slot].reason.as_bytes()).unwrap_or_default()
    }

    /// Says something in all rooms of the chat. `left_out` gets those that wait for a slow client.
    pub(crate) fn proclaim_to_all(&mut self, text: &[u8], mut left_out: impl FnMut(&mut Self, RoomIndex)) {
        let seq = self.next_seq();
        for room in self.room_indices() {
            if !self.is_chat_room(room) {
                continue;
            }
            if self.takes_notice(room) {
                self.proclaim(room, seq, text);
            } else {
                left_out(self, room);
            }
        }
    }

    /// Whether somebody is in the room of a chat, so that it is worth telling something there.
    fn is_chat_room(&self, room: RoomIndex) -> bool {
        !self.rooms[room].is_deserted() && self.rooms[room].owner.is_none()
    }

    /// How many connections there are besides those of operators, and in how many rooms somebody is.
    pub(crate) fn load(&self) -> [usize; 2] {
        let operators = self.slots().filter(|&slot| {
            let conn = &self.conns[slot];
            conn.session.protocol() == Protocol::Console && !matches!(conn.state, State::Free { .. })
        });
        let rooms = self.rooms.indices().filter(|room| self.rooms[*room].present > 0);
        [self.count() - operators.count(), rooms.count()]
    }
}
