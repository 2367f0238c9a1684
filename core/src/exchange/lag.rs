//! Lag: when a room is closed, for how long, and how a member skips.
//!
//! A room without space for the longest line is *closed*: the lines of its members wait, and with
//! them their input. The room waits for the members whose cursors hold the log, as long as it has
//! patience; see [`crate::patience`]. For members that can read later what they have not read, it waits no longer than
//! a moment.
//!
//! Followers hold the log as members do, but each has a grace of its own; see [`super::followers`]. The
//! patience of a room is for its members. A room that only followers keep closed does not use it up.
//!
//! To find the hold of the log, the hub looks at each member. It does so when the room seems to be
//! full, and once a turn while it is closed, however many members have moved.

use super::Exchange;
use crate::config::OnLag;
use crate::conn::{Slot, State};
use crate::ids::{Cause, Instant};
use crate::log::{Log, Position, before};
use crate::room::{Member, MemberIndex, Room, RoomIndex};

/// Records that a room keeps free beyond the one that is being appended. So comings and goings can be
/// told even while nobody may speak.
pub(super) const RESERVE: usize = 2;

impl Exchange<'_> {
    /// Whether anybody may speak in a room.
    pub(super) fn has_place(&self, room: RoomIndex) -> bool {
        self.fits(room, 1 + RESERVE)
    }

    /// Whether a notice can be told in a room now.
    pub(crate) fn takes_notice(&self, room: RoomIndex) -> bool {
        self.fits(room, 1)
    }

    /// Finds the hold of a room's log, and whether the room is open. `is_by_force`: the members that
    /// held it were dealt with.
    pub(super) fn refresh(&mut self, room: RoomIndex, is_by_force: bool) {
        self.refresh_rings(room);
        let mut members_hold = self.rooms[room].log.head();
        for member in self.members_in(room).filter(|member| member.holds() && member.log() == room) {
            if before(member.position, members_hold) {
                members_hold = member.position;
            }
        }
        let hold = self.held_from(room, members_hold);
        let log = &mut self.rooms[room].log;
        log.set_hold(hold);
        self.stats.log_most = self.stats.log_most.max(log.held());
        let (now, grace_ms, has_place) = (self.now, self.config.grace_ms, self.has_place(room));
        // It would not be open if all followers had committed everything. Followers hold no ring.
        let by_members = hold == members_hold
            || !self.rings_fit(room, 1 + RESERVE)
            || !self.has_place_behind(room, members_hold);
        let for_members = !has_place && by_members;
        let was_for_members = self.waits_for_members(room);
        let Room { closed, loosened, patience, waiting, busy_since, .. } = &mut self.rooms[room];
        *loosened = false;
        let was_closed = core::mem::replace(closed, !has_place);
        if was_for_members && !for_members {
            let is_over = has_place && !waiting.is_empty();
            let waited_ms = if is_over { now.millis_since(*busy_since) } else { 0 };
            patience.open(now, is_by_force, waited_ms);
        } else if for_members && !was_for_members {
            patience.close(now, grace_ms);
        }
        if was_closed && has_place && !waiting.is_empty() {
            self.agenda.opened(&mut self.rooms, room);
        }
        self.note_closed(room, for_members);
        if !has_place && (!was_closed || for_members != was_for_members) {
            let at = if self.config.leaves_behind() { now } else { self.room_waits_until(room) };
            self.pend(room, at);
        }
    }

    /// When a closed room deals with members that hold its log.
    fn patience_ends_at(&self, room: RoomIndex) -> Instant {
        if !self.waits_for_members(room) {
            return Instant::NEVER;
        }
        let Room { owner, patience, .. } = &self.rooms[room];
        // Only a relay's room has an owner.
        let owner = owner.filter(|_| cfg!(feature = "relay"));
        let listener = owner.and_then(|owner| self.config.listener(owner));
        match listener.map(|listener| listener.on_lag) {
            Some(OnLag::Wait) => Instant::NEVER,
            _ => patience.ends_at(),
        }
    }

    /// When a closed room deals with some of those that hold its log: its members, or followers.
    fn room_waits_until(&self, room: RoomIndex) -> Instant {
        self.patience_ends_at(room).min(self.followers_wait_until(room))
    }

    /// As [`Exchange::has_place`], if everything from `position` on were held.
    pub(super) fn has_place_behind(&self, room: RoomIndex, position: Position) -> bool {
        self.rooms[room].log.fits_behind(position, 1 + RESERVE, self.limits.longest())
    }

    /// The hold of a room's log may have moved. If that matters, the room is looked at in this turn.
    pub(super) fn loosen(&mut self, room: RoomIndex) {
        let Room { closed, loosened, .. } = &mut self.rooms[room];
        if *closed && !core::mem::replace(loosened, true) {
            self.pend(room, self.now);
        }
    }

    /// Notes that a room has something to do at this time.
    pub(super) fn pend(&mut self, room: RoomIndex, at: Instant) {
        self.agenda.pend(&mut self.rooms, room, at);
    }

    /// Whether a member keeps a room closed.
    pub(super) fn holds_up(&self, member: &Member) -> bool {
        let log = self.rooms.log(member.log());
        member.holds() && !log.fits_behind(member.position, 1 + RESERVE, self.longest(member.conn))
    }

    /// Looks whether a closed room can open. If its patience has ended, deals with members that hold it
    /// up, at the `most` this many. Tells the sum of comings and goings when it is due. `may_skip`:
    /// whether a gap does no harm to a connection.
    pub(crate) fn look_after(
        &mut self,
        room: RoomIndex,
        most: &mut usize,
        may_skip: impl Fn(&Self, Slot) -> bool,
    ) {
        if self.rooms[room].is_deserted() {
            return self.look_after_deserted(room);
        }
        if self.rooms[room].loosened {
            self.refresh(room, false);
        }
        let leave_at = self.leave_laggards_behind(room, most);
        let Room { closed, unnamed, tell_at, .. } = self.rooms[room];
        let mut wait_until = if closed { self.room_waits_until(room) } else { Instant::NEVER };
        // Only after everybody was offered everything.
        if closed && unnamed == 0 && wait_until <= self.now {
            let is_over = self.patience_ends_at(room) <= self.now;
            wait_until =
                if is_over { self.cut_loose(room, most, may_skip) } else { self.patience_ends_at(room) };
            self.pass_followers(room);
            wait_until = wait_until.min(self.followers_wait_until(room));
            self.refresh(room, is_over);
        }
        if self.rooms[room].closed {
            self.pend(room, wait_until.min(leave_at));
        } else if tell_at <= self.now {
            self.tell_sum(room);
        } else if tell_at != Instant::NEVER {
            self.pend(room, tell_at);
        }
    }

    /// Leaves members behind that keep a room closed, except those that still have a moment, if their listener replays
    /// and there are pages for them. Returns when there is more to do.
    fn leave_laggards_behind(&mut self, room: RoomIndex, most: &mut usize) -> Instant {
        if !self.rooms[room].closed || !self.config.leaves_behind() {
            return Instant::NEVER;
        }
        // Only after everybody was offered everything.
        if self.rooms[room].unnamed > 0 {
            return self.now;
        }
        let mut leave_at = Instant::NEVER;
        let mut next = self.rooms[room].first;
        while let Some(member) = self.members.get(next) {
            let &Member { conn: slot, taken_at, .. } = member;
            let index: MemberIndex = core::mem::replace(&mut next, member.next);
            if !self.holds_up(member) || !self.replays(slot) {
                continue;
            }
            let moment = self.rooms[room].patience.waits_until(self.now, taken_at);
            if moment > self.now || *most == 0 {
                leave_at = leave_at.min(moment);
                continue;
            }
            *most -= 1;
            self.leave_behind(index);
        }
        self.refresh(room, false);
        leave_at
    }

    fn replays(&self, slot: Slot) -> bool {
        self.listener(slot).is_some_and(|listener| listener.on_lag == OnLag::Replay)
    }

    /// Deals with the members that keep a room closed, except those that still have a moment. The room's
    /// patience is over. Returns when there is more to do.
    fn cut_loose(
        &mut self,
        room: RoomIndex,
        most: &mut usize,
        may_skip: impl Fn(&Self, Slot) -> bool,
    ) -> Instant {
        let mut wait_until = Instant::NEVER;
        let mut next = self.rooms[room].first;
        while let Some(member) = self.members.get(next) {
            let &Member { conn: slot, taken_at, .. } = member;
            let index: MemberIndex = core::mem::replace(&mut next, member.next);
            if !self.holds_up(member) {
                continue;
            }
            let moment = self.rooms[room].patience.waits_until(self.now, taken_at);
            if moment > self.now || *most == 0 {
                wait_until = wait_until.min(moment);
                continue;
            }
            *most -= 1;
            let goes_on =
                self.replays(slot) && self.leave_behind(index) || may_skip(self, slot) && self.skip(index);
            if !goes_on {
                self.stats.lagged += 1;
                self.kill(slot, Cause::Lagged, State::Dead { abort: true });
            }
        }
        wait_until
    }

    /// Moves a cursor to its end and notes what it missed. Returns false if there is no place for the
    /// rest of a half sent record.
    fn skip(&mut self, index: MemberIndex) -> bool {
        let Some(missed_from) = self.set_half_aside(index) else { return false };
        let member = &self.members[index];
        let log = self.rooms.log(member.log());
        let (slot, end) = (member.conn, member.end(log));
        let gap = &mut self.conns[slot].gap;
        gap.missed = gap.missed.saturating_add(missed_messages(log, member, missed_from, end));
        if !gap.open {
            // A number of its own, so later messages come after the notice.
            (gap.open, gap.seq) = (true, self.seq);
            self.seq = self.seq.wrapping_add(1);
        }
        self.members[index].own_ahead = false;
        self.move_cursor(index, end);
        self.members[index].end = end;
        self.stats.lagged += 1;
        self.touch(slot);
        true
    }

    /// Lets a member stand at the sequence number that it has come to, and hold nothing. Returns false if
    /// that is not possible now.
    fn leave_behind(&mut self, index: MemberIndex) -> bool {
        let slot = self.members[index].conn;
        let is_noted = self.let_go_of_log(index, false);
        if is_noted {
            self.stats.lagged += 1;
            self.wake(slot);
            self.touch(slot);
        }
        is_noted
    }

    /// Puts the rest of a half sent record into the private queue. Returns where the next record starts,
    /// or nothing if there is no place.
    pub(super) fn set_half_aside(&mut self, index: MemberIndex) -> Option<Position> {
        let member = &self.members[index];
        let (slot, position, log) = (member.conn, member.position, self.rooms.log(member.log()));
        if position == log.head() {
            return Some(position);
        }
        let number = log.record_at(position);
        let record = log.record(number);
        if record.start == position {
            return Some(position);
        }
        let end = log.end_of(number);
        let (left, right) = log.slices(position, end);
        self.conns.push_front(slot, record.seq, &[left, right]).then_some(end)
    }
}

/// How many messages of others start between two positions.
fn missed_messages(log: &Log<'_>, member: &Member, from: Position, to: Position) -> u32 {
    let (from, to) = (log.record_at(from), log.record_at(to));
    let mut missed = log.count_messages(from, to);
    let mut next = member.own_ahead.then_some(member.own);
    while let Some(own) = next.filter(|&own| before(own, to)) {
        if !before(own, from) {
            missed -= u32::from(log.record(own).kind().is_message());
        }
        next = log.chained(own);
    }
    missed
}
