//! Clients whose peer cannot be reached now, and that may come back. One that is away is a member of its rooms
//! like others, and holds nothing. When it is back it catches up, in the order in which all was said: what was
//! put into its private queue meanwhile waits for what was said before that.
//!
//! One that was a client of an earlier hub is a newcomer, but the same author.

use super::Exchange;
use super::catch_up::CatchUp;
use crate::config::Protocol;
use crate::conn::{Conn, Slot, State};
use crate::ids::Cause;
use crate::log::before;
use crate::queue::Entry;
use crate::record::Identity;
use crate::room::{Member, MemberIndex, Membership, RoomIndex};
use crate::session::{Arrival, Guest, Session};

impl Exchange<'_> {
    /// Lets a client be away. Returns false if that is not possible.
    pub(crate) fn go_away(&mut self, slot: Slot) -> bool {
        let is_chat = self.session(slot).protocol() == Protocol::Chat;
        self.conns[slot].is_away = self.is_open(slot) && is_chat && self.let_go_of_logs(slot);
        self.is_away(slot)
    }

    pub(crate) fn is_away(&self, slot: Slot) -> bool {
        self.conns[slot].is_away
    }

    /// A client is back.
    pub(crate) fn come_back(&mut self, slot: Slot) {
        if core::mem::take(&mut self.conns[slot].is_away) {
            self.hear(slot, 1);
            self.begin_to_be_behind(slot);
            self.give_turn(slot);
            self.touch(slot);
            self.wake(slot);
        }
    }

    /// Lets a newcomer to the chat be the author that it was for an earlier hub. Returns false if it cannot be, because
    /// others know of it already, or because the identity is one of this hub.
    pub(crate) fn know_again(&mut self, slot: Slot, identity: Identity) -> bool {
        let is_unseen =
            matches!(self.session(slot), Session::Chat(Guest { arrival, .. }) if *arrival != Arrival::Told);
        let is_earlier = identity != Identity::HUB && identity.as_u64() < self.config.first_identity;
        let is_known = self.is_open(slot) && is_unseen && is_earlier;
        if is_known {
            self.conns[slot].identity = identity;
        }
        is_known
    }

    /// From now on a connection is behind. It may be so for some time.
    pub(super) fn begin_to_be_behind(&mut self, slot: Slot) {
        self.conns[slot].behind_since = self.now.wrapping_millis();
        if let Some(ms) = self.config.behind_ms {
            self.arm(slot, self.now.after(u64::from(ms)));
        }
    }

    /// Disconnects a client that has been behind for too long without a break.
    pub(crate) fn check_behind(&mut self, slot: Slot) {
        let Some(ms) = self.config.behind_ms.filter(|_| self.is_behind(slot) && !self.is_away(slot)) else {
            return;
        };
        let at = self.now.or_after(self.conns[slot].behind_since, ms);
        if at > self.now {
            return self.arm(slot, at);
        }
        self.stats.lagged += 1;
        self.kill(slot, Cause::Lagged, State::Dead { abort: true });
    }

    /// Lets a client that is away hold nothing. It may have come into a room by what it said before.
    pub(crate) fn stay_away(&mut self, slot: Slot) {
        if self.is_away(slot) {
            self.let_go_of_logs(slot);
        }
    }

    /// Lets all memberships of a connection hold nothing. Returns false if there is no place to note how far one
    /// is.
    fn let_go_of_logs(&mut self, slot: Slot) -> bool {
        for has_left in [true, false] {
            let mut next = self.conns[slot].first_member;
            while let Some(member) = self.members.get(next) {
                let index = core::mem::replace(&mut next, member.sibling);
                if has_left == (member.state != Membership::Present) && !self.let_go_of_log(index, true) {
                    return false;
                }
            }
        }
        true
    }

    /// Lets a membership hold nothing. It stands at the sequence number that it has come to. Returns false if there is
    /// no place to note that, or none for the rest of a half sent record. `is_away`: its peer cannot be reached.
    pub(super) fn let_go_of_log(&mut self, index: MemberIndex, is_away: bool) -> bool {
        let &Member { conn: slot, state, is_behind, .. } = &self.members[index];
        if is_behind || !self.members[index].holds() {
            return true;
        }
        if !self.can_detach(slot) {
            return false;
        }
        let Some(position) = self.set_half_aside(index) else { return false };
        let member = &self.members[index];
        let log = self.rooms.log(member.log());
        let (end, head) = (member.end(log), log.head());
        let next = if position == head { self.seq } else { log.record(log.record_at(position)).seq };
        let has_left = state != Membership::Present;
        if position != end || !has_left {
            let until = has_left.then(|| {
                let number = if end == head { log.next_record() } else { log.record_at(end) };
                log.record(number.wrapping_sub(1)).seq.wrapping_add(1)
            });
            let said_before = is_away.then(|| {
                let said = self.said_from(self.members[index].room, next).unwrap_or(0);
                self.rooms[self.members[index].room].messages.wrapping_sub(said)
            });
            let catch_up = CatchUp::of_detached(index, next, until, said_before);
            let Some(place) = self.take_catch_up(slot, catch_up) else { return false };
            let first = &mut self.conns[slot].catch_up;
            if has_left {
                // What was said in a room that it has left comes before all else.
                self.catch_ups.prepend(first, place);
            } else {
                self.catch_ups.append(first, place);
            }
        }
        self.members[index].own_ahead = false;
        self.move_cursor(index, end);
        if self.members[index].is_behind {
            self.members[index].end = end;
        }
        true
    }

    /// How many messages of a room's log have this sequence number or a later one. `None`: records are gone from
    /// there on.
    fn said_from(&self, room: RoomIndex, seq: u64) -> Option<u32> {
        let log = &self.rooms[room].log;
        let first = log.find(seq).ok()?;
        let count = log.next_record().wrapping_sub(first);
        let entries = (0..count).filter_map(|step| log.past(first.wrapping_add(step)));
        Some(entries.filter(|(entry, _)| entry.kind().is_message()).count() as u32)
    }

    /// How many messages a connection that was away has missed, when it has come to records that are there again.
    /// `None`: that is not known.
    pub(super) fn count_missed(&mut self, slot: Slot) -> Option<u32> {
        let CatchUp { member, next, was_away, said_before, .. } = self.catch_ups[self.conns[slot].catch_up];
        let room = self.members[member].room;
        let said = if was_away { self.said_from(room, next) } else { None };
        let now_before = said.map(|said| self.rooms[room].messages.wrapping_sub(said));
        self.catch_ups[self.conns[slot].catch_up].said_before = now_before;
        Some(now_before?.wrapping_sub(said_before?))
    }

    /// The sequence number up to which a connection has been told all, if it was away and catches up. What is
    /// told to it goes out in the order in which it was said.
    pub(super) fn told_in_order(&self, conn: &Conn<'_>) -> Option<u64> {
        self.catch_ups.get(conn.catch_up).filter(|found| found.was_away).map(|found| found.next)
    }

    pub(super) fn is_told_in_order(&self, slot: Slot) -> bool {
        self.told_in_order(&self.conns[slot]).is_some()
    }

    /// Whether an entry of a private queue may go out now: not before what was said earlier and is still to be
    /// told.
    pub(super) fn may_go_out(&self, conn: &Conn<'_>, entry: &Entry) -> bool {
        let Some(next) = self.told_in_order(conn).filter(|_| conn.state.is_open()) else { return true };
        !before(next, entry.seq)
            || conn.queue.is_half_sent(entry)
            // There is no place for what was said earlier, and nothing else makes some.
            || conn.queue.is_first(entry) && conn.queue.free(self.conns.buffers()) < self.place_for_next(conn)
    }

    /// Whether there is place in the queue of a connection for what it is told next.
    pub(super) fn takes_next(&self, slot: Slot) -> bool {
        self.queue_free(slot) >= self.place_for_next(&self.conns[slot])
    }

    /// How much place what a connection is told next needs in its queue. A queue may be as short as one line. If
    /// something waits there, it has no place for every line, but it mostly has place for this one.
    fn place_for_next(&self, conn: &Conn<'_>) -> usize {
        let catch_up = self.catch_ups.get(conn.catch_up);
        let told_as_said =
            catch_up.filter(|it| it.was_away && it.came_at.is_none() && conn.encoding.is_none());
        let next = told_as_said.and_then(|CatchUp { member, next, .. }| {
            let log = &self.rooms[self.members[*member].room].log;
            log.past(log.find(*next).ok()?)
        });
        next.map_or(conn.longest, |(_, [first, rest])| first.len() + rest.len())
    }

    /// Whether nothing that waits for a connection can go out before it is told more.
    pub(super) fn must_be_told_more(&self, slot: Slot) -> bool {
        let conn = &self.conns[slot];
        let next = self.told_in_order(conn);
        next.is_some_and(|next| !conn.queue.begins_before(self.conns.buffers(), next))
    }
}
