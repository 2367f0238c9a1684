//! When a client may send its next line. It knows the ledger's numbers and the
//! clock, and no connections.

use std::time::{Duration, Instant};

use super::ledger::{Arrival, Ledger};

/// What a work's clients wait for.
#[derive(Debug)]
pub(super) enum Pace {
    /// The first one, for those who receive: it is at most so many lines ahead
    /// of the slowest, and sends no lines from `end` on.
    Window { ahead: u32, end: u32 },
    /// Each for all others.
    Rounds(Rounds),
    /// Each for its own lines to come back.
    Echo { ahead: u32 },
    /// The first one for the time.
    Schedule(Schedule),
}

/// How far each client has received of all others: in round R are those who
/// have R lines of everybody, but not R+1.
#[derive(Debug)]
pub(super) struct Rounds {
    /// How many lines a client may be ahead of its round.
    pub(super) ahead: u32,
    rounds: Vec<u32>,
    /// For each client: of how many it has no more lines than its round says.
    behind: Vec<u32>,
}

impl Rounds {
    /// All who are in the ledger, as it is now.
    pub(super) fn new(ahead: u32, ledger: &Ledger) -> Self {
        let count = ledger.senders();
        let mut rounds = Self { ahead, rounds: vec![0; count], behind: vec![0; count] };
        for client in 0..count {
            rounds.find(client, ledger);
        }
        rounds
    }

    fn find(&mut self, client: usize, ledger: &Ledger) {
        let heard = (0..ledger.senders()).filter(|&sender| ledger.expects(client, sender));
        let next = |sender| ledger.next(client, sender);
        let round = heard.clone().map(next).min().unwrap_or(0);
        self.rounds[client] = round;
        self.behind[client] = heard.filter(|&sender| next(sender) == round).count() as u32;
    }

    /// Enters what has arrived.
    pub(super) fn arrived(&mut self, client: usize, arrival: Arrival, ledger: &Ledger) {
        let round = self.rounds[client];
        if (arrival.before..arrival.after).contains(&round) {
            self.behind[client] -= 1;
            if self.behind[client] == 0 {
                self.find(client, ledger);
            }
        }
    }

    /// The number from which on `client` has to wait.
    pub(super) fn end(&self, client: usize) -> u32 {
        self.rounds[client] + self.ahead
    }
}

/// Lines at fixed times.
#[derive(Debug)]
pub(super) struct Schedule {
    start: Instant,
    interval: Duration,
    first: u32,
}

impl Schedule {
    /// `rate` lines a second from `start` on, the first of which has the number `first`.
    pub(super) fn new(start: Instant, rate: u32, first: u32) -> Self {
        Self { start, interval: Duration::from_secs(1) / rate, first }
    }

    /// When line `number` is to be sent.
    pub(super) fn due(&self, number: u32) -> Instant {
        self.start + self.interval * (number - self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ledger::Audience;
    use super::super::line::Verdict;
    use super::*;

    #[test]
    fn a_client_goes_on_when_it_has_a_line_of_everybody() {
        let mut ledger = Ledger::new(3, 3, Audience::Others);
        ledger.begin();
        let mut rounds = Rounds::new(1, &ledger);
        let mut take = |ledger: &mut Ledger, receiver, id| {
            let arrival = ledger.take(receiver, Verdict::Whole(id)).expect("a new line");
            rounds.arrived(receiver, arrival, ledger);
            rounds.end(receiver)
        };
        let first: Vec<_> = (0..3).map(|sender| ledger.send(sender)).collect();
        assert_eq!(take(&mut ledger, 0, first[1]), 1);
        let second = ledger.send(1);
        assert_eq!(take(&mut ledger, 0, second), 1);
        assert_eq!(take(&mut ledger, 0, first[2]), 2);
        let second = ledger.send(2);
        assert_eq!(take(&mut ledger, 0, second), 3);
        assert_eq!(take(&mut ledger, 1, first[0]), 1);
        assert!(!ledger.faults.any());
    }
}
