//! How connections end, and their interest until then.

use super::Exchange;
use crate::conn::{Gap, Listing, Slot, State};
use crate::event::{Cause, Close, Instant, Interest};
use crate::room::Membership;

impl Exchange<'_> {
    /// Starts the end of a connection. Nothing more is taken from it, queued output goes out until
    /// `close_at`, and it leaves its rooms.
    pub(crate) fn close(&mut self, slot: Slot, cause: Cause, close_at: Instant) {
        if self.conn(slot).state != State::Open {
            return;
        }
        let conn = self.conn_mut(slot);
        conn.state = State::Closing;
        conn.cause = cause;
        conn.listing = Listing::None;
        (conn.blocked, conn.timer) = (false, close_at);
        self.arm(slot, close_at);
        self.leave_all(slot);
    }

    /// As [`Exchange::close`], with the usual time for queued output.
    pub(crate) fn close_soon(&mut self, slot: Slot, cause: Cause) {
        self.close(slot, cause, self.now.after(u64::from(self.config.flush_ms)));
    }

    /// Gives a connection that is already closing no more than the usual time.
    pub(crate) fn hurry(&mut self, slot: Slot) {
        let close_at = self.now.after(u64::from(self.config.flush_ms));
        let conn = self.conn_mut(slot);
        conn.timer = conn.timer.min(close_at);
        self.arm(slot, close_at);
    }

    /// Ends a connection at once. Its queued output is dropped.
    pub(crate) fn kill(&mut self, slot: Slot, cause: Cause, state: State) {
        if self.conn(slot).state == State::Open {
            self.conn_mut(slot).cause = cause;
        }
        let conn = &mut self.conns[slot as usize];
        conn.state = state;
        conn.queue.clear(&mut self.buffers);
        conn.gap = Gap::NONE;
        conn.timer = Instant::NEVER;
        self.leave_all(slot);
        for index in self.members_of(slot) {
            let member = &mut self.members[index as usize];
            if member.state != Membership::Free {
                member.own_ahead = false;
                member.position = member.end;
                self.settle(index);
            }
        }
    }

    pub(super) fn leave_all(&mut self, slot: Slot) {
        for index in self.members_of(slot) {
            if !matches!(self.members[index as usize].state, Membership::Free | Membership::Draining) {
                self.leave(index, Membership::Leaving);
            }
        }
        self.touch(slot);
        self.wake(slot);
    }

    /// Whether anything waits to be sent to a connection.
    pub(crate) fn has_output(&self, slot: Slot) -> bool {
        let conn = self.conn(slot);
        !conn.queue.is_empty()
            || conn.gap.open
            || self.memberships(slot).iter().any(|member| {
                member.state != Membership::Free
                    && member.position != member.end(&self.rooms[member.room as usize].log)
            })
    }

    /// The interest of a connection whose protocol would take `appetite` bytes.
    pub(crate) fn interest(&self, slot: Slot, appetite: usize) -> Interest {
        let conn = self.conn(slot);
        let write = self.has_output(slot);
        let (read, close) = match conn.state {
            State::Free | State::Gone => return Interest::GONE,
            State::Dead { abort } => {
                let close = if abort { Close::Abort } else { Close::Full };
                return Interest { close, ..Interest::GONE };
            }
            _ if conn.ended && conn.state == State::Closing => {
                (0, if write { Close::No } else { Close::Full })
            }
            State::Open => (if conn.ended { 0 } else { appetite }, Close::No),
            State::Closing => (usize::MAX, if write { Close::No } else { Close::Write }),
        };
        Interest { read, write, close }
    }
}
