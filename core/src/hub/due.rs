//! Work that is due because time has passed: deadlines of connections, closed rooms, and the shutdown.
//! It is done in pieces, so no call takes long.

use super::Hub;
use crate::conn::{Conn, Listing, NONE, Slot, State};
use crate::event::{Cause, Instant};
use crate::limits::{CONNS_AT_ONCE, OnLag, Protocol};
use crate::protocol::tell_sum;
use crate::room::{Member, MemberIndex, Room, RoomIndex};

/// Connections that are found together before something is done for them.
const DUE_AT_ONCE: usize = 16;

impl Hub<'_> {
    /// Does the work that is due, and notes the work that comes later. It looks only at closed rooms,
    /// and at some of the connections whose deadline has come. If more is due, the next deadline is now.
    pub(super) fn tick(&mut self) {
        for _ in 0..CONNS_AT_ONCE / DUE_AT_ONCE {
            // All of them are found before anything is done. To put one back among those still to be
            // found would cost more.
            let due: heapless::Vec<Slot, DUE_AT_ONCE> =
                core::iter::from_fn(|| self.x.next_due()).take(DUE_AT_ONCE).collect();
            for &slot in &due {
                self.do_due(slot);
            }
            if due.len() < DUE_AT_ONCE {
                break;
            }
        }
        let (mut pending, mut most) = (self.x.take_pending_rooms(), CONNS_AT_ONCE);
        while let Some(room) = pending.pop(self.x.rooms) {
            self.look_after(room, &mut most);
        }
        if self.x.untold_end != NONE {
            self.tell_the_end();
        }
    }

    /// Does what is due for one connection.
    fn do_due(&mut self, slot: Slot) {
        match self.x.conn(slot).state {
            State::Free | State::Gone | State::Dead { .. } => {}
            State::Closing => self.close_in_time(slot),
            State::Open => {
                self.check_idle(slot);
                self.check_timer(slot);
                self.check_rate(slot);
                if self.x.conn(slot).listing != Listing::None {
                    self.x.wake(slot);
                }
            }
        }
    }

    /// Looks whether a closed room can open. If its patience has ended, deals with members that hold it
    /// up, at the `most` this many. Tells the sum of comings and goings when it is due.
    fn look_after(&mut self, room: RoomIndex, most: &mut usize) {
        if self.x.rooms[room as usize].loosened {
            self.x.refresh(room, false);
        }
        let Room { closed, unnamed, tell_at, .. } = self.x.rooms[room as usize];
        let mut wait_until = if closed { self.x.room_waits_until(room) } else { Instant::NEVER };
        // Only after everybody was offered everything.
        if closed && unnamed == 0 && wait_until <= self.x.now {
            let is_over = self.x.patience_ends_at(room) <= self.x.now;
            wait_until = self.cut_loose(room, most, is_over);
            self.x.refresh(room, is_over);
        }
        if self.x.rooms[room as usize].closed {
            self.x.pend(room, wait_until);
        } else if tell_at <= self.x.now {
            tell_sum(&mut self.x, room);
        } else if tell_at != Instant::NEVER {
            self.x.pend(room, tell_at);
        }
    }

    /// Deals with the members that keep a room closed, except those that still have a moment. If the
    /// room's patience `is_over`, this means all members; if not, only those that watch it. Returns when
    /// there is more to do.
    fn cut_loose(&mut self, room: RoomIndex, most: &mut usize, is_over: bool) -> Instant {
        let mut wait_until = if is_over { Instant::NEVER } else { self.x.patience_ends_at(room) };
        let mut next = self.x.rooms[room as usize].first;
        while let Some(member) = self.x.members.get(next as usize) {
            let &Member { conn: slot, taken_at, .. } = member;
            let index: MemberIndex = core::mem::replace(&mut next, member.next);
            if !(is_over || self.x.is_watching(member)) || !self.x.holds_up(member) {
                continue;
            }
            let patience = self.x.rooms[room as usize].patience;
            let moment = if is_over {
                patience.waits_until(self.x.now, taken_at)
            } else {
                patience.watch_waits_until(self.x.now, taken_at)
            };
            if moment > self.x.now || *most == 0 {
                wait_until = wait_until.min(moment);
                continue;
            }
            *most -= 1;
            if !(self.may_skip(slot) && self.x.skip(index)) {
                self.x.stats.lagged += 1;
                self.x.kill(slot, Cause::Lagged, State::Dead { abort: true });
            }
        }
        wait_until
    }

    fn close_in_time(&mut self, slot: Slot) {
        let conn = self.x.conn(slot);
        if conn.state != State::Closing {
            return;
        }
        // A peer that takes nothing more is idle too.
        let idle_at = self.x.config.idle_ms.map(|ms| conn.last_seen.after(u64::from(ms)));
        let close_at = conn.timer.min(idle_at.unwrap_or(Instant::NEVER));
        if close_at > self.x.now {
            return self.x.arm(slot, close_at);
        }
        let abort = self.x.has_output(slot);
        self.x.kill(slot, Cause::Left, State::Dead { abort });
    }

    fn check_idle(&mut self, slot: Slot) {
        let (Some(idle_ms), Some(listener)) = (self.x.config.idle_ms, self.listener(slot)) else { return };
        if listener.protocol == Protocol::Console {
            return;
        }
        let due = self.x.conn(slot).last_seen.after(u64::from(idle_ms));
        if due > self.x.now {
            return self.x.arm(slot, due);
        }
        if self.behaviour(slot).may_be_silent(&self.x, slot, idle_ms) {
            return self.x.arm(slot, self.x.now.after(u64::from(idle_ms)));
        }
        self.last_words(slot);
        self.behaviour(slot).tell(&mut self.x, slot, "you were idle for too long");
        self.x.close_soon(slot, Cause::TimedOut);
    }

    /// Lets a connection go on when its rate allows it again.
    fn check_rate(&mut self, slot: Slot) {
        if self.x.rate(slot).is_none() {
            return;
        }
        if self.x.within_rate(slot) {
            self.x.touch(slot);
            self.x.wake(slot);
        } else {
            self.x.arm(slot, self.x.rate_allows_at(slot));
        }
    }

    fn check_timer(&mut self, slot: Slot) {
        let Conn { state, timer, .. } = *self.x.conn(slot);
        if state != State::Open {
            return;
        }
        if timer > self.x.now {
            return self.x.arm(slot, timer);
        }
        self.x.conn_mut(slot).timer = Instant::NEVER;
        self.behaviour(slot).timer(&mut self.x, slot);
        self.x.touch(slot);
    }

    /// Tells everyone of the end, some at a time. First acts on everyone's input. Queued output goes out
    /// before everything is closed.
    pub(super) fn tell_the_end(&mut self) {
        let (from, all) = (self.x.untold_end, self.x.slots().end);
        let end = (2 * all).min(from.saturating_add(CONNS_AT_ONCE as Slot));
        for step in from..end {
            match step.checked_sub(all) {
                None => self.last_words(step),
                Some(slot) => self.end(slot),
            }
        }
        self.x.untold_end = if end < 2 * all { end } else { NONE };
    }

    fn end(&mut self, slot: Slot) {
        if matches!(self.x.conn(slot).state, State::Open | State::Closing) {
            self.behaviour(slot).tell(&mut self.x, slot, "server is shutting down");
            self.x.close_soon(slot, Cause::Shutdown);
            self.x.hurry(slot);
        }
    }

    fn may_skip(&self, slot: Slot) -> bool {
        self.listener(slot).is_some_and(|listener| listener.on_lag == OnLag::Skip)
            && !self.behaviour(slot).gap(0).is_empty()
    }
}
