//! Decides when a client may send its next line. It knows the ledger's numbers and the
//! clock, and no connections.

use std::time::{Duration, Instant};

use super::ledger::{Arrival, Ledger};

/// The pace of a work: what its clients wait for before they send.
#[derive(Debug)]
pub(crate) enum Pace {
    /// The first client sends, at most this many lines ahead of the slowest receiver, and no lines from
    /// `end` on.
    Window { ahead: u64, end: u64 },
    /// All clients send, and wait for all.
    Rounds(Rounds),
    /// Each client waits for its own lines to come back.
    Echo { ahead: u64 },
    /// The first client sends at fixed times.
    Schedule(Schedule),
}

/// How far each client is with the lines of all others. A client is in round R if it has R lines of
/// every other, but not R+1. The round of the slowest client is the round of all.
#[derive(Debug)]
pub(crate) struct Rounds {
    /// How many lines a client may be ahead of the round.
    ahead: u64,
    round: u64,
    /// How many clients are in that round.
    slowest: usize,
    /// For each client, the round that it is in, and how many senders it has no more lines of.
    rounds: Vec<u64>,
    behind: Vec<u32>,
}

impl Rounds {
    /// The rounds of all clients in the ledger, as it is now.
    pub(crate) fn new(ahead: u64, ledger: &Ledger) -> Self {
        let count = ledger.senders();
        let mut rounds = Self { ahead, round: 0, slowest: 0, rounds: vec![0; count], behind: vec![0; count] };
        for client in 0..count {
            rounds.find(client, ledger);
        }
        rounds.find_slowest();
        rounds
    }

    fn find(&mut self, client: usize, ledger: &Ledger) {
        let heard = (0..ledger.senders()).filter(|&sender| ledger.expects(client, sender));
        let next = |sender| ledger.next(client, sender);
        let round = heard.clone().map(next).min().unwrap_or(0);
        self.rounds[client] = round;
        self.behind[client] = heard.filter(|&sender| next(sender) == round).count() as u32;
    }

    fn find_slowest(&mut self) {
        self.round = self.rounds.iter().copied().min().unwrap_or(0);
        self.slowest = self.rounds.iter().filter(|&&round| round == self.round).count();
    }

    /// Enters what has arrived.
    pub(crate) fn arrived(&mut self, client: usize, arrival: Arrival, ledger: &Ledger) {
        let round = self.rounds[client];
        if !(arrival.before..arrival.after).contains(&round) {
            return;
        }
        self.behind[client] -= 1;
        if self.behind[client] > 0 {
            return;
        }
        self.find(client, ledger);
        if round == self.round {
            self.slowest -= 1;
            if self.slowest == 0 {
                self.find_slowest();
            }
        }
    }

    /// The first number that no client may send yet.
    pub(crate) fn end(&self) -> u64 {
        self.round + self.ahead
    }
}

/// Lines at fixed times.
#[derive(Debug)]
pub(crate) struct Schedule {
    start: Instant,
    interval: Duration,
    burst: u64,
    first: u64,
}

impl Schedule {
    /// `rate` lines a second from `start` on, `burst` of them at a time. The first one has the number `first`.
    pub(crate) fn new(start: Instant, rate: u32, burst: u32, first: u64) -> Self {
        Self { start, interval: Duration::from_secs(1) / rate, burst: burst.into(), first }
    }

    /// When line `number` is due.
    pub(crate) fn due(&self, number: u64) -> Instant {
        let interval = self.interval.as_nanos() as u64;
        let before = number - self.first;
        self.start + Duration::from_nanos(interval * (before - before % self.burst))
    }
}

#[cfg(test)]
mod tests {
    use super::super::ledger::Audience;
    use super::super::line::Verdict;
    use super::*;

    #[test]
    fn lines_of_a_burst_are_due_together() {
        let start = Instant::now();
        let schedule = Schedule::new(start, 1_000, 3, 10);
        let due: Vec<_> = (10..17).map(|number| (schedule.due(number) - start).as_millis()).collect();
        assert_eq!(due, [0, 0, 0, 3, 3, 3, 6]);
    }

    #[test]
    fn all_go_on_when_everybody_has_a_line_of_everybody() {
        let mut ledger = Ledger::new(3, 3, Audience::Others);
        ledger.begin();
        let mut rounds = Rounds::new(1, &ledger);
        for round in 1..4 {
            let ids: Vec<_> = (0..3).map(|sender| ledger.send(sender)).collect();
            for receiver in 0..3 {
                for id in ids.iter().filter(|id| id.sender != receiver) {
                    assert_eq!(rounds.end(), round);
                    let receiver = receiver as usize;
                    let arrival = ledger.take(receiver, Verdict::Whole(*id)).expect("a new line");
                    rounds.arrived(receiver, arrival, &ledger);
                }
            }
            assert_eq!(rounds.end(), round + 1);
        }
        assert!(!ledger.faults.any());
    }

    #[test]
    fn a_line_that_is_lost_stops_nobody_who_may_be_ahead() {
        let mut ledger = Ledger::new(2, 2, Audience::Others);
        ledger.begin();
        let mut rounds = Rounds::new(2, &ledger);
        for sender in [0, 0, 1, 1] {
            let id = ledger.send(sender);
            if (sender, id.number) != (0, 0) {
                let receiver = 1 - sender;
                let arrival = ledger.take(receiver, Verdict::Whole(id)).expect("a new line");
                rounds.arrived(receiver, arrival, &ledger);
            }
        }
        assert_eq!(rounds.end(), 4);
    }
}
