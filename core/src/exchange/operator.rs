//! What only an operator may do: read along, disconnect others, and see what the hub has done.

use super::Exchange;
use crate::conn::{Conn, Slot, State};
use crate::io::Cause;
use crate::limits::Protocol;
use crate::record::Kind;
use crate::room::{Membership, RoomIndex};

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

    /// Lets a connection read along in the rooms that stay, as far as it has places.
    pub(crate) fn watch_pinned(&mut self, slot: Slot) {
        for room in self.rooms.indices() {
            if self.rooms[room].pinned {
                self.watch(slot, room);
            }
        }
    }

    /// Lets a connection read along in a room. Returns false if it has no place, or does so already.
    pub(crate) fn watch(&mut self, slot: Slot, room: RoomIndex) -> bool {
        let has_place = self.place_for(slot, Some(room)) == super::Vacancy::Here;
        if has_place {
            self.join(slot, room, Membership::Observing);
        }
        has_place
    }

    /// Ends that. Returns false if it did not read along.
    pub(crate) fn unwatch(&mut self, slot: Slot, room: RoomIndex) -> bool {
        let mut memberships = self.memberships(slot);
        let watched =
            memberships.find(|(_, member)| member.state == Membership::Observing && member.room == room);
        let Some((index, _)) = watched else { return false };
        drop(memberships);
        self.leave(index, Membership::Draining);
        true
    }

    /// Whether somebody is in the room of a chat, so that it is worth telling something there.
    pub(crate) fn is_chat_room(&self, room: RoomIndex) -> bool {
        !self.rooms[room].is_free() && self.rooms[room].owner.is_none()
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
