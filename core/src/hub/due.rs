//! Work that is due because time has passed: deadlines of connections, closed rooms, and the shutdown.
//! It is done in pieces, so no call takes long.

use super::Hub;
use crate::config::{OnLag, Protocol};
use crate::conn::Slot;
use crate::exchange::Exchange;
use crate::ids::Cause;
use crate::limits::CONNS_AT_ONCE;
use crate::protocol::behaviour;

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
        while let Some(room) = self.x.next_pending(&mut pending) {
            self.x.look_after(room, &mut most, may_skip);
        }
        self.tell_the_end();
    }

    /// Does what is due for one connection.
    fn do_due(&mut self, slot: Slot) {
        if self.x.is_closing(slot) {
            self.x.close_in_time(slot);
            self.x.end_pause(slot);
        } else if self.x.is_open(slot) {
            self.check_idle(slot);
            self.check_timer(slot);
            self.check_rate(slot);
            self.x.check_behind(slot);
            self.x.end_pause(slot);
        }
    }

    fn check_idle(&mut self, slot: Slot) {
        let Some((idle_ms, due)) = self.x.config().idle_ms.zip(self.x.idle_at(slot)) else { return };
        if self.x.session(slot).protocol() == Protocol::Console {
            return;
        }
        if due > self.x.now() {
            return self.x.arm(slot, due);
        }
        if self.x.is_away(slot) || self.behaviour(slot).may_be_silent(&self.x, slot, idle_ms) {
            return self.x.arm(slot, self.x.now().after(u64::from(idle_ms)));
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
        if self.x.timer_is_due(slot) {
            self.behaviour(slot).timer(&mut self.x, slot);
            self.x.touch(slot);
        }
    }

    /// Tells everyone of the end, some at a time. First acts on everyone's input. Queued output goes out
    /// before everything is closed.
    pub(super) fn tell_the_end(&mut self) {
        let Some((steps, all)) = self.x.next_ends() else { return };
        for step in steps {
            match step.checked_sub(all) {
                None => self.last_words(step),
                Some(slot) => self.end(slot),
            }
        }
    }

    fn end(&mut self, slot: Slot) {
        if self.x.is_open(slot) || self.x.is_closing(slot) {
            self.behaviour(slot).tell(&mut self.x, slot, "server is shutting down");
            self.x.close_soon(slot, Cause::Shutdown);
            self.x.hurry(slot);
        }
    }
}

/// Whether a connection may jump ahead when it lags.
fn may_skip(x: &Exchange<'_>, slot: Slot) -> bool {
    x.listener(slot).is_some_and(|listener| matches!(listener.on_lag, OnLag::Skip | OnLag::Replay))
        && !behaviour(x.session(slot).protocol()).gap(0).is_empty()
}
