//! Lag: when a room is closed, who is to blame, and what it means to skip; and
//! the rate limit.
//!
//! A room that has no place left for the longest line is *closed*: its members'
//! input waits. Whoever then holds back the log has the grace to take what waited
//! for it at that moment.

use super::Exchange;
use crate::conn::{Conn, Slot};
use crate::event::Instant;
use crate::limits::Config;
use crate::log::{Kind, Log, Position, before};
use crate::room::{Member, MemberIndex, Membership, Room, RoomIndex};

/// Records that a room keeps free beyond the one that is being appended: what
/// happens to members can be told even while nobody may speak.
pub(super) const RESERVE: usize = 2;

/// How far ahead of its rate a connection may be.
const BURST_US: u64 = 1_000_000;

impl Exchange<'_> {
    pub(super) fn has_place(&self, room: RoomIndex) -> bool {
        self.rooms[room as usize].log.fits(1 + RESERVE, self.limits.longest())
    }

    /// Finds out anew from where on a room's log is held, and whether the room
    /// is open. Costs a look at each member, so it is done only when the room
    /// has no place, as far as is known, or the last one that held it moved.
    pub(super) fn refresh(&mut self, room: RoomIndex) {
        let (mut hold, mut at_hold) = (self.rooms[room as usize].log.head(), 0);
        for member in self.members_in(room).filter(|member| member.holds()) {
            if before(member.position, hold) {
                (hold, at_hold) = (member.position, 0);
            }
            at_hold += u32::from(member.position == hold);
        }
        let log = &mut self.rooms[room as usize].log;
        log.set_hold(hold);
        self.stats.log_most = self.stats.log_most.max(log.held());
        self.rooms[room as usize].at_hold = at_hold;
        let was_closed = self.rooms[room as usize].closed;
        let closed = !self.has_place(room);
        self.rooms[room as usize].closed = closed;
        if closed {
            self.mark_laggards(room);
        } else if was_closed {
            self.rotate(room);
            self.changed_rooms.push(self.rooms, room);
            self.opened_rooms.push(self.rooms, room);
        }
    }

    /// The clock starts for every member that keeps the room closed, and for those that
    /// would do so next: each on its own clock, they could keep it closed one after another.
    fn mark_laggards(&mut self, room: RoomIndex) {
        let (now, longest) = (self.now, self.limits.longest());
        let Room { log, first, .. } = &self.rooms[room as usize];
        let mut next = *first;
        while let Some(member) = self.members.get_mut(next as usize) {
            next = member.next;
            if member.holds()
                && member.waited_since == Instant::NEVER
                && (!log.fits_behind(member.position, 1 + RESERVE, longest)
                    || log.is_far_behind(member.position))
            {
                (member.waited_since, member.catch_up) = (now, member.end(log));
                let due = now.after(grace_ms(&self.config, &self.conns[member.conn as usize]));
                self.deadlines.arm(self.conns, member.conn, due);
            }
        }
    }

    /// When a member has to be cut loose; `NEVER` if no room waits for it.
    pub(crate) fn lag_deadline(&self, index: MemberIndex) -> Instant {
        let member = &self.members[index as usize];
        if member.waited_since == Instant::NEVER || !member.holds() {
            return Instant::NEVER;
        }
        member.waited_since.after(grace_ms(&self.config, &self.conns[member.conn as usize]))
    }

    /// Moves a cursor on to `position`. Says whether it is not yet at its end.
    pub(crate) fn move_cursor(&mut self, index: MemberIndex, position: Position) -> bool {
        let member = &mut self.members[index as usize];
        let room = &mut self.rooms[member.room as usize];
        let held = member.holds() && member.position == room.log.hold();
        let moved = member.advance(&room.log, position);
        let is_behind = member.position != member.end(&room.log);
        if member.state == Membership::Draining && !is_behind {
            self.unlink(index);
        } else if moved && held && room.closed {
            room.at_hold = room.at_hold.saturating_sub(1);
            if room.at_hold == 0 {
                let room = member.room;
                self.refresh(room);
            }
        }
        is_behind
    }

    /// Moves a cursor to its end and notes what it missed. What of a record is
    /// half sent goes to the private queue; false: there is no place for it.
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
            // A number of its own: what is made from now on comes behind the notice.
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

    /// Whether a connection may send a line. The limit is a leaky bucket in the
    /// form of ITU-T I.371's GCRA, with a burst of one second.
    pub(crate) fn within_rate(&self, slot: Slot) -> bool {
        self.conn(slot).rate_at_us <= self.now.as_millis().saturating_mul(1_000).saturating_add(BURST_US)
    }

    /// Counts lines that a connection has sent.
    pub(crate) fn charge(&mut self, slot: Slot, lines: u32) {
        let Some(rate) = self.config.rate else { return };
        let now_us = self.now.as_millis().saturating_mul(1_000);
        let conn = self.conn_mut(slot);
        conn.rate_at_us = conn.rate_at_us.max(now_us) + u64::from(lines) * 1_000_000 / u64::from(rate.max(1));
        if !self.within_rate(slot) {
            self.arm_rate(slot);
        }
    }

    /// Notes when a connection that is above the rate may go on.
    pub(crate) fn arm_rate(&mut self, slot: Slot) {
        let at_us = self.conn(slot).rate_at_us.saturating_sub(BURST_US);
        self.arm(slot, Instant::from_millis(at_us.div_ceil(1_000)));
    }
}

/// How long a room waits for a connection. Who has not even taken the notice of
/// what it missed before has had its grace.
fn grace_ms(config: &Config<'_>, conn: &Conn<'_>) -> u64 {
    if conn.gap.open { 0 } else { u64::from(config.grace_ms) }
}

/// How many messages of others start from one position to another.
fn missed_messages(log: &Log<'_>, member: &Member, from: Position, to: Position) -> u32 {
    let (mut number, end) = (log.record_at(from), log.record_at(to));
    let (mut own, mut own_ahead) = (member.own, member.own_ahead);
    let mut missed = 0;
    while before(number, end) {
        if own_ahead && own == number {
            match log.chained(own) {
                Some(following) => own = following,
                None => own_ahead = false,
            }
        } else {
            missed += u32::from(log.record(number).kind() == Kind::Message);
        }
        number = number.wrapping_add(1);
    }
    missed
}
