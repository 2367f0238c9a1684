//! What rooms are told when clients come and go. A few clients of an address are announced one by
//! one, and more of them only as a sum.

use super::Exchange;
use crate::conn::Slot;
use crate::ids::Instant;
use crate::limits::SUM_MS;
use crate::record::Kind;
use crate::room::{Member, MemberIndex, Membership, Room, RoomIndex};
use crate::text::Decimal;

/// The kinds of events in a sum.
#[derive(Clone, Copy)]
enum Way {
    Came = 0,
    Left = 1,
}

/// A client comes or leaves: one event, in however many rooms.
struct News {
    way: Way,
    seq: u64,
    /// Whether it is told, and not only counted; `None`: this was not decided yet.
    is_told: Option<bool>,
}

impl Exchange<'_> {
    /// Tells the others in a room that a connection is there. It does not get that back.
    pub(crate) fn tell_joined(&mut self, slot: Slot, room: RoomIndex) {
        if let Some(member) = self.speaker(slot, room) {
            let mut news = News { way: Way::Came, seq: self.next_seq(), is_told: None };
            self.tell_or_count(room, &mut news, Some(member), (slot, Kind::Join, b""));
        }
    }

    /// Leaves all rooms: those that the connection is in, and those that it is leaving. If they know of
    /// it, `is_told`, it tells them how, by the `kind` of a record and its text.
    pub(crate) fn leave_rooms(&mut self, slot: Slot, is_told: bool, kind: Kind, text: &[u8]) {
        let mut news = News { way: Way::Left, seq: self.next_seq(), is_told: None };
        let mut next = self.conns[slot].first_member;
        while let Some(&Member { state, room, sibling, .. }) = self.members.get(next) {
            let member = core::mem::replace(&mut next, sibling);
            if !matches!(state, Membership::Present | Membership::Leaving) {
                continue;
            }
            self.leave(member, Membership::Leaving);
            if is_told && !self.shutting_down {
                self.tell_or_count(room, &mut news, None, (slot, kind, text));
            }
            self.leave(member, Membership::Draining);
        }
    }

    /// Leaves one room of several, and tells it so.
    pub(crate) fn leave_room(&mut self, slot: Slot, room: RoomIndex) {
        if let Some(member) = self.speaker(slot, room) {
            let mut news = News { way: Way::Left, seq: self.next_seq(), is_told: None };
            self.leave(member, Membership::Leaving);
            self.tell_or_count(room, &mut news, None, (slot, Kind::Part, b""));
            self.leave(member, Membership::Draining);
        }
    }

    /// Tells a room that somebody came or left. If its address was told of too often lately, or the room
    /// has no place, it is counted. A sum tells of it later.
    fn tell_or_count(
        &mut self,
        room: RoomIndex,
        news: &mut News,
        own: Option<MemberIndex>,
        (slot, kind, text): (Slot, Kind, &[u8]),
    ) {
        let (network, now) = (self.conns.network_of(slot), self.now);
        if self.takes_notice(room) && *news.is_told.get_or_insert_with(|| self.notices.take(network, now)) {
            return self.append(room, news.seq, own, (slot, kind, text));
        }
        let sum_at = self.now.after(SUM_MS);
        let Room { untold, tell_at, .. } = &mut self.rooms[room];
        let count = &mut untold[news.way as usize];
        *count = count.saturating_add(1);
        *tell_at = (*tell_at).min(sum_at);
        let at = *tell_at;
        self.pend(room, at);
    }

    /// Tells a room how many came and left without a notice.
    pub(super) fn tell_sum(&mut self, room: RoomIndex) {
        let told = &mut self.rooms[room];
        told.tell_at = Instant::NEVER;
        let [came, left] = core::mem::take(&mut told.untold).map(|count| Decimal::new(count as usize));
        let mut text = heapless::Vec::<u8, 64>::new();
        for part in ["others: ", came.as_str(), " joined, ", left.as_str(), " left"] {
            // There is room for all digits.
            let _ = text.extend_from_slice(part.as_bytes());
        }
        let seq = self.next_seq();
        self.proclaim(room, seq, &text);
    }
}
