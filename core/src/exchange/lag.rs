//! Lag: when a room is closed, for how long, and how a member skips.
//!
//! A room without space for the longest line is *closed*: the lines of its members wait, and with
//! them their input. The room waits for the members whose cursors hold the log, as long as it has
//! patience; see [`crate::patience`].
//!
//! To find the hold of the log, the hub looks at each member. It does so when the room seems to be
//! full, and once a turn while it is closed, however many members have moved.

use super::Exchange;
use crate::event::Instant;
use crate::limits::OnLag;
use crate::log::{Kind, Log, Position, before};
use crate::room::{Member, MemberIndex, Membership, Room, RoomIndex};
use crate::worklist::Worklist;

/// Records that a room keeps free beyond the one that is being appended. So comings and goings can be
/// told even while nobody may speak.
pub(super) const RESERVE: usize = 2;

impl Exchange<'_> {
    pub(super) fn has_place(&self, room: RoomIndex) -> bool {
        self.rooms[room as usize].log.fits(1 + RESERVE, self.limits.longest())
    }

    /// Finds the hold of a room's log, and whether the room is open. `is_by_force`: the members that
    /// held it were dealt with.
    pub(crate) fn refresh(&mut self, room: RoomIndex, is_by_force: bool) {
        let mut hold = self.rooms[room as usize].log.head();
        for member in self.members_in(room).filter(|member| member.holds()) {
            if before(member.position, hold) {
                hold = member.position;
            }
        }
        let log = &mut self.rooms[room as usize].log;
        log.set_hold(hold);
        self.stats.log_most = self.stats.log_most.max(log.held());
        let (now, grace_ms, has_place) = (self.now, self.config.grace_ms, self.has_place(room));
        let Room { closed, loosened, patience, waiting, busy_since, .. } = &mut self.rooms[room as usize];
        *loosened = false;
        let was_closed = core::mem::replace(closed, !has_place);
        if was_closed && has_place {
            let waited_ms = if waiting.is_empty() { 0 } else { now.millis_since(*busy_since) };
            patience.open(now, is_by_force, waited_ms);
            if !waiting.is_empty() {
                self.opened_rooms.push(self.rooms, room);
            }
        } else if !was_closed && !has_place {
            patience.close(now, grace_ms);
            self.pend(room, self.room_waits_until(room));
        }
    }

    /// When a closed room deals with those that hold its log.
    pub(crate) fn patience_ends_at(&self, room: RoomIndex) -> Instant {
        let Room { owner, patience, .. } = &self.rooms[room as usize];
        // Only a relay's room has an owner.
        let owner = owner.filter(|_| cfg!(feature = "relay"));
        let listener = owner.and_then(|owner| self.config.listener(owner));
        match listener.map(|listener| listener.on_lag) {
            Some(OnLag::Wait) => Instant::NEVER,
            _ => patience.ends_at(),
        }
    }

    /// When a closed room deals with some of those that hold its log. An operator that watches it has
    /// only a moment.
    pub(crate) fn room_waits_until(&self, room: RoomIndex) -> Instant {
        let patience = self.rooms[room as usize].patience;
        let watching =
            self.members_in(room).filter(|member| self.is_watching(member) && self.holds_up(member));
        let moments = watching.map(|member| patience.watch_waits_until(self.now, member.taken_at));
        moments.fold(self.patience_ends_at(room), Instant::min)
    }

    /// Whether nobody in the room must wait for a member, because it only watches, and can skip.
    pub(crate) fn is_watching(&self, member: &Member) -> bool {
        let listener = self.config.listener(self.conns[member.conn as usize].listener);
        cfg!(feature = "console")
            && member.state == Membership::Observing
            && listener.is_some_and(|listener| listener.on_lag == OnLag::Skip)
    }

    /// The hold of a room's log may have moved. If that matters, the room is looked at in this turn.
    pub(super) fn loosen(&mut self, room: RoomIndex) {
        let Room { closed, loosened, .. } = &mut self.rooms[room as usize];
        if *closed && !core::mem::replace(loosened, true) {
            self.pend(room, self.now);
        }
    }

    /// Notes that a room has something to do at this time.
    pub(crate) fn pend(&mut self, room: RoomIndex, at: Instant) {
        self.pending_rooms.push(self.rooms, room);
        self.room_due = self.room_due.min(at);
    }

    /// The rooms that have noted something to do, if it is time for one of them. The caller must look at
    /// all of them, and note those that have something left.
    pub(crate) fn take_pending_rooms(&mut self) -> Worklist {
        if self.room_due > self.now {
            return Worklist::new(2);
        }
        self.room_due = Instant::NEVER;
        core::mem::replace(&mut self.pending_rooms, Worklist::new(2))
    }

    /// Whether a member keeps a room closed.
    pub(crate) fn holds_up(&self, member: &Member) -> bool {
        let log = &self.rooms[member.room as usize].log;
        member.holds() && !log.fits_behind(member.position, 1 + RESERVE, self.limits.longest())
    }

    /// Moves a cursor on to `position`. Says whether it is not yet at its end.
    pub(crate) fn move_cursor(&mut self, index: MemberIndex, position: Position) -> bool {
        let member = &mut self.members[index as usize];
        let room = &self.rooms[member.room as usize];
        let held = member.position == room.log.hold();
        let moved = member.advance(&room.log, position);
        let is_behind = member.position != member.end(&room.log);
        if member.state == Membership::Draining && !is_behind {
            self.unlink(index);
        } else if moved && held && room.closed {
            let room = member.room;
            self.loosen(room);
        }
        is_behind
    }

    /// Moves a cursor to its end and notes what it missed. The rest of a half sent record goes to the
    /// private queue. Returns false if there is no place for it.
    pub(crate) fn skip(&mut self, index: MemberIndex) -> bool {
        let member = &self.members[index as usize];
        let log = &self.rooms[member.room as usize].log;
        let (position, end) = (member.position, member.end(log));
        let conn = &mut self.conns[member.conn as usize];
        let mut missed_from = position;
        if position != log.head() {
            let number = log.record_at(position);
            let record = log.record(number);
            if record.start != position {
                missed_from = log.end_of(number);
                let (left, right) = log.slices(position, missed_from);
                if !conn.queue.push_front(&mut self.buffers, record.seq, &[left, right]) {
                    return false;
                }
            }
        }
        conn.gap.missed = conn.gap.missed.saturating_add(missed_messages(log, member, missed_from, end));
        if !conn.gap.open {
            // A number of its own, so later messages come after the notice.
            (conn.gap.open, conn.gap.seq) = (true, self.seq);
            self.seq = self.seq.wrapping_add(1);
        }
        let slot = member.conn;
        self.members[index as usize].own_ahead = false;
        self.move_cursor(index, end);
        self.stats.lagged += 1;
        self.touch(slot);
        true
    }
}

/// How many messages of others start between two positions.
fn missed_messages(log: &Log<'_>, member: &Member, from: Position, to: Position) -> u32 {
    let (from, to) = (log.record_at(from), log.record_at(to));
    let mut missed = log.count_messages(from, to);
    let mut next = member.own_ahead.then_some(member.own);
    while let Some(own) = next.filter(|&own| before(own, to)) {
        if !before(own, from) {
            missed -= u32::from(log.record(own).kind() == Kind::Message);
        }
        next = log.chained(own);
    }
    missed
}
