//! Who sends now: lets clients send as the pace of their work allows.

use std::time::{Duration, Instant};

use super::{Run, TURN};
use crate::error::BenchError;
use crate::lines::Pace;
use crate::plan::Kind;

/// The most bytes that one client sends at once.
const BURST: usize = 64 * 1024;
/// The client that sends only to fill the buffers of those that came back. It receives, too.
pub(super) const FILLER: usize = 1;
/// How far ahead it may be. It is little, because a scheduled line waits behind all of these.
const FILLER_AHEAD: u64 = 256;
/// This long before a line is due, and this long after it came, the wait is too coarse. It counts in
/// whole milliseconds, and waking up takes long.
const SPIN: Duration = Duration::from_millis(1);

impl Run<'_> {
    /// Lets every client send as the work's pace allows. Returns how long to wait after that.
    pub(super) fn feed(&mut self) -> Result<Duration, BenchError> {
        let heard = std::mem::take(&mut self.book.heard);
        let timeout = match &self.book.pace {
            Pace::Window { ahead, end } => {
                let (ahead, end) = (*ahead, *end);
                // With clients that never read, the second one sends by another rule.
                let senders = if self.plan.work.kind == Kind::Gather { self.senders } else { 1 };
                let waits = (0..senders).map(|sender| self.send_ahead(sender, ahead, end));
                waits.collect::<Result<Vec<_>, _>>()?.into_iter().min().unwrap_or(TURN)
            }
            Pace::Rounds(rounds) => {
                let end = rounds.end();
                for client in 0..self.senders {
                    self.send_below(client, end)?;
                }
                TURN
            }
            Pace::Echo { ahead } => {
                let (ahead, senders) = (*ahead, self.senders);
                for &client in heard.iter().filter(|&&client| client < senders) {
                    self.send_below(client, self.book.ledger.next(client, client) + ahead)?;
                }
                TURN
            }
            // Scheduled lines go out first.
            Pace::Schedule(_) => self.send_due()?.min(self.refill()?),
        };
        self.book.heard = heard;
        self.book.heard.clear();
        Ok(timeout)
    }

    /// Sends lines of the filler, if a client has come back. Returns how long to wait after that.
    fn refill(&mut self) -> Result<Duration, BenchError> {
        if self.senders <= FILLER || self.book.ledger.sent(FILLER) >= self.filler_end {
            return Ok(TURN);
        }
        self.send_ahead(FILLER, FILLER_AHEAD, self.filler_end)
    }

    /// Sends lines of `sender` up to number `end`, at most `ahead` lines ahead of the slowest receiver.
    /// Returns how long to wait after that.
    fn send_ahead(&mut self, sender: usize, ahead: u64, end: u64) -> Result<Duration, BenchError> {
        let ledger = &self.book.ledger;
        let slowest = self.readers().filter(|&client| ledger.expects(client, sender));
        let slowest = slowest.map(|client| ledger.next(client, sender)).min().unwrap_or(0);
        let all = self.send_below(sender, end.min(slowest + ahead))?;
        Ok(if all || !self.crowd.is_flushed(sender) { TURN } else { Duration::ZERO })
    }

    /// Sends lines of `sender` up to number `end`, but one burst at most. Returns whether that was all.
    fn send_below(&mut self, sender: usize, end: u64) -> Result<bool, BenchError> {
        if self.book.ledger.sent(sender) < end && self.crowd.is_flushed(sender) {
            while self.book.ledger.sent(sender) < end && self.crowd.outbox(sender).len() < BURST {
                self.write_line(sender);
            }
            self.crowd.flush(sender)?;
        }
        Ok(self.book.ledger.sent(sender) >= end)
    }

    /// Sends all lines that are due or overdue. Returns how long to wait after that.
    fn send_due(&mut self) -> Result<Duration, BenchError> {
        let Pace::Schedule(schedule) = &self.book.pace else { return Ok(TURN) };
        let now = Instant::now();
        let (mut due, mut next) = (0, schedule.due(self.book.ledger.sent(0)));
        while next <= now {
            due += 1;
            next = schedule.due(self.book.ledger.sent(0) + due);
        }
        for _ in 0..due {
            self.write_line(0);
        }
        self.crowd.flush(0)?;
        let wait = next - now;
        let busy = due > 0 || now.saturating_duration_since(self.arrived) < SPIN || wait <= SPIN;
        let whole = Duration::from_millis(wait.saturating_sub(SPIN).as_millis() as u64);
        Ok(if busy { Duration::ZERO } else { TURN.min(whole) })
    }
}
