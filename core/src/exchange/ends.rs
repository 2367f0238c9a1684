//! How connections come and end, and their interest in between.

use core::net::IpAddr;

use super::Exchange;
use crate::conn::{Conn, Gap, NONE, Slot, State};
use crate::ids::{Cause, Instant, ListenerId};
use crate::io::{Close, Interest, Refusal};
use crate::limits::CONNS_AT_ONCE;

/// How long a peer may take to close its side after the hub has closed the sending side.
const LINGER_MS: u64 = 1_000;

impl Exchange<'_> {
    // --- Coming ---

    /// Lets a newcomer in.
    pub(crate) fn let_in(&mut self, listener: ListenerId, peer: Option<IpAddr>) -> Result<Slot, Refusal> {
        let found = self.config.listener(listener).filter(|_| !self.shutting_down);
        let ending = if self.shutting_down { Refusal::ShuttingDown } else { Refusal::Full };
        let slot = found.ok_or(ending).and_then(|found| {
            let slot = self.conns.open((listener, found), peer, self.now).ok_or(Refusal::Full)?;
            if self.conns.is_crowded(slot, self.config.per_peer) {
                self.conns.release(slot);
                return Err(Refusal::PerPeer);
            }
            Ok(slot)
        });
        match slot {
            Ok(slot) => {
                self.choose_encoding(slot);
                self.stats.accepted += 1;
                self.touch(slot);
                if let Some(idle_ms) = self.config.idle_ms {
                    self.arm(slot, self.now.after(u64::from(idle_ms)));
                }
            }
            Err(_) => self.stats.refused += 1,
        }
        slot
    }

    /// Hands an open connection on to the protocol of another listener, which begins anew with it and
    /// gets the rest of its input. What waits to be sent to it is dropped, and nobody is told that it
    /// leaves. Returns whether that was done.
    pub(crate) fn hand_over(&mut self, slot: Slot, listener: ListenerId) -> bool {
        let found = self.config.listener(listener).copied();
        let Some(found) = found.filter(|_| self.is_open(slot)) else { return false };
        self.leave_all(slot);
        self.let_go(slot);
        self.abandon(slot);
        self.stop_timer(slot);
        self.conns.begin_anew(slot, (listener, &found));
        self.choose_encoding(slot);
        self.touch(slot);
        true
    }

    /// Notes that input was offered: a sign of life, unless it was offered before.
    pub(crate) fn hear(&mut self, slot: Slot, count: usize) {
        let now = self.now.wrapping_millis();
        let conn = &mut self.conns[slot];
        if count > conn.refused as usize
            && let State::Open { heard_at, .. } = &mut conn.state
        {
            *heard_at = now;
        }
    }

    /// Notes how much of the input that was offered was taken.
    pub(crate) fn took(&mut self, slot: Slot, taken: usize, offered: usize) {
        self.conns[slot].refused = (offered - taken) as u32;
        self.stats.received_bytes += taken as u64;
        // Input that was not taken changes nothing. Otherwise the driver would go round in circles.
        if taken > 0 {
            self.touch(slot);
        }
    }

    /// The peer sends no more.
    pub(crate) fn end_input(&mut self, slot: Slot) {
        self.conns[slot].ended = true;
        self.wake(slot);
    }

    pub(crate) fn has_ended(&self, slot: Slot) -> bool {
        self.conns[slot].ended
    }

    /// Whether the hub acts on the input of a connection.
    pub(crate) fn is_open(&self, slot: Slot) -> bool {
        self.conns[slot].state.is_open()
    }

    pub(crate) fn is_closing(&self, slot: Slot) -> bool {
        matches!(self.conns[slot].state, State::Closing { .. })
    }

    /// Why a connection is ending, if it is.
    pub(crate) fn cause(&self, slot: Slot) -> Cause {
        self.conns[slot].cause
    }

    /// The reason that an operator gave for a kick; nobody can give one without a console.
    #[cfg(not(feature = "console"))]
    pub(crate) fn reason(&self, _: Slot) -> &str {
        ""
    }

    // --- Ending ---

    /// Starts the end of a connection. Nothing more is taken from it, queued output goes out until
    /// `close_at`, and it leaves its rooms.
    pub(crate) fn close(&mut self, slot: Slot, cause: Cause, close_at: Instant) {
        let conn = &mut self.conns[slot];
        let State::Open { heard_at, .. } = conn.state else { return };
        conn.state = State::Closing { close_at, moved_at: heard_at };
        (conn.cause, conn.blocked, conn.paused) = (cause, false, false);
        self.arm(slot, close_at);
        self.leave_all(slot);
    }

    /// As [`Exchange::close`], with the usual time for queued output.
    pub(crate) fn close_soon(&mut self, slot: Slot, cause: Cause) {
        self.close(slot, cause, self.now.after(u64::from(self.config.flush_ms)));
    }

    /// Closes a connection that waits only for the peer to close its side. Gives it no more than a
    /// moment.
    pub(crate) fn linger(&mut self, slot: Slot) {
        if !self.has_more(slot) {
            self.close_by(slot, self.now.after(LINGER_MS));
        }
    }

    /// Gives a connection that is already closing no more than the usual time.
    pub(crate) fn hurry(&mut self, slot: Slot) {
        self.close_by(slot, self.now.after(u64::from(self.config.flush_ms)));
    }

    fn close_by(&mut self, slot: Slot, latest: Instant) {
        if let State::Closing { close_at, .. } = &mut self.conns[slot].state {
            *close_at = latest.min(*close_at);
            self.arm(slot, latest);
        }
    }

    /// Ends a closing connection whose time is over.
    pub(crate) fn close_in_time(&mut self, slot: Slot) {
        let State::Closing { close_at, moved_at } = self.conns[slot].state else { return };
        // A peer that takes nothing more is idle too.
        let idle_at = self.config.idle_ms.map(|ms| self.now.or_after(moved_at, ms));
        let close_at = close_at.min(idle_at.unwrap_or(Instant::NEVER));
        if close_at > self.now {
            return self.arm(slot, close_at);
        }
        let abort = self.has_more(slot);
        self.kill(slot, Cause::Left, State::Dead { abort });
    }

    /// The driver has let go of a connection.
    pub(crate) fn forget(&mut self, slot: Slot, cause: Cause) {
        self.kill(slot, cause, State::Gone);
    }

    /// Ends a connection at once. Its queued output is dropped.
    pub(super) fn kill(&mut self, slot: Slot, cause: Cause, state: State) {
        let conn = &mut self.conns[slot];
        if conn.state.is_open() {
            conn.cause = cause;
        }
        conn.state = state;
        conn.gap = Gap::NONE;
        self.conns.clear_queue(slot);
        self.leave_all(slot);
        self.abandon(slot);
        self.unwatch_all(slot);
    }

    /// Frees the slot of a connection of which nothing is left.
    pub(crate) fn release_if_gone(&mut self, slot: Slot) {
        let Conn { state, first_member, .. } = self.conns[slot];
        if state == State::Gone && first_member == NONE {
            self.conns.release(slot);
        }
    }

    /// The next connections that have to be told that the hub ends, some at a time: first all of them
    /// for their last words, then all of them for their end.
    pub(crate) fn next_ends(&mut self) -> Option<(core::ops::Range<u32>, Slot)> {
        let all = self.conns.slots().end;
        let from = self.untold_end;
        if from == NONE {
            return None;
        }
        let end = (2 * all).min(from.saturating_add(CONNS_AT_ONCE as Slot));
        self.untold_end = if end < 2 * all { end } else { NONE };
        Some((from..end, all))
    }

    // --- Meanwhile ---

    /// Whether anything waits to be sent to a connection.
    pub(crate) fn has_output(&self, slot: Slot) -> bool {
        let conn = &self.conns[slot];
        !conn.queue.is_empty()
            || conn.gap.open
            || self
                .reading(slot)
                .any(|(_, member)| member.position != member.end(self.rooms.log(member.log())))
    }

    /// Whether something is or will be sent to a connection, even if nothing more is said.
    fn has_more(&self, slot: Slot) -> bool {
        self.has_output(slot) || self.is_behind(slot)
    }

    /// The interest of a connection whose protocol would take `appetite` bytes.
    pub(crate) fn interest(&self, slot: Slot, appetite: usize) -> Interest {
        let conn = &self.conns[slot];
        let (write, has_more) = (self.has_output(slot), self.has_more(slot));
        let (read, close) = match conn.state {
            State::Free { .. } | State::Gone => return Interest::GONE,
            State::Dead { abort } => {
                let close = if abort { Close::Abort } else { Close::Full };
                return Interest { close, ..Interest::GONE };
            }
            State::Closing { .. } if conn.ended => (0, if has_more { Close::No } else { Close::Full }),
            State::Open { .. } => (if conn.ended { 0 } else { appetite }, Close::No),
            State::Closing { .. } => (usize::MAX, if has_more { Close::No } else { Close::Write }),
        };
        Interest { read, write, close }
    }

    /// Lets the protocol of an open connection be called at `at`.
    pub(crate) fn set_timer(&mut self, slot: Slot, at: Instant) {
        if let State::Open { timer, .. } = &mut self.conns[slot].state {
            *timer = at;
            self.arm(slot, at);
        }
    }

    /// Drops the timer of an open connection, if it is due. Returns whether it was.
    pub(crate) fn timer_is_due(&mut self, slot: Slot) -> bool {
        let now = self.now;
        let State::Open { timer, .. } = &mut self.conns[slot].state else { return false };
        if *timer <= now {
            *timer = Instant::NEVER;
            return true;
        }
        let at = *timer;
        self.arm(slot, at);
        false
    }

    /// Drops the timer of an open connection.
    pub(crate) fn stop_timer(&mut self, slot: Slot) {
        if let State::Open { timer, .. } = &mut self.conns[slot].state {
            *timer = Instant::NEVER;
        }
    }

    /// When an open connection that sends nothing more becomes idle.
    pub(crate) fn idle_at(&self, slot: Slot) -> Option<Instant> {
        match self.conns[slot].state {
            State::Open { heard_at, .. } => self.config.idle_ms.map(|ms| self.now.or_after(heard_at, ms)),
            _ => None,
        }
    }

    /// Lets a protocol be called again when some of the connection's output is gone.
    pub(crate) fn block(&mut self, slot: Slot) {
        self.conns[slot].blocked = true;
    }

    pub(crate) fn unblock(&mut self, slot: Slot) {
        self.conns[slot].blocked = false;
    }

    /// Lets a protocol be called again when others had their turn.
    pub(crate) fn pause(&mut self, slot: Slot) {
        self.conns[slot].paused = true;
        self.arm(slot, self.now);
    }

    /// Wakes a connection whose protocol had paused.
    pub(crate) fn end_pause(&mut self, slot: Slot) {
        if core::mem::take(&mut self.conns[slot].paused) {
            self.give_turn(slot);
            self.wake(slot);
        }
    }
}
