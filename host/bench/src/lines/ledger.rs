//! The ledger notes which lines of each sender every client has received, and all faults. It knows a
//! line by its sender and number, and knows no connections.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::line::{Id, Verdict};

/// The faults of a server that should pass lines on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Faults {
    /// Lines that never came.
    pub lost: u64,
    /// Lines that came with bytes missing.
    pub cut: u64,
    /// Lines that came again.
    pub doubled: u64,
    /// Lines that came after a later one of their sender.
    pub reordered: u64,
    /// Lines with bytes that nobody sent.
    pub corrupt: u64,
    /// Lines that came to a client that should not get them.
    pub stray: u64,
    /// Connections that the server closed. The lines that they missed are not counted.
    pub closed: u64,
}

impl Faults {
    /// The kinds of faults, and how often each was found.
    pub fn counts(&self) -> [(&'static str, u64); 7] {
        [
            ("lost", self.lost),
            ("cut", self.cut),
            ("doubled", self.doubled),
            ("reordered", self.reordered),
            ("corrupt", self.corrupt),
            ("stray", self.stray),
            ("closed", self.closed),
        ]
    }

    /// Whether there is any fault.
    pub fn any(&self) -> bool {
        self.counts().iter().any(|&(_, count)| count > 0)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.counts().into_iter().filter(|&(_, count)| count > 0);
        let text: Vec<_> = found.map(|(name, count)| format!("{count} {name}")).collect();
        f.write_str(if text.is_empty() { "none".into() } else { text.join(", ") }.as_str())
    }
}

/// Which clients must get a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// All clients but its sender.
    Others,
    /// All clients. Some servers send a client its own lines too.
    All,
    /// Its sender alone.
    Sender,
    /// The last client alone. Some servers send it to others too, which does not count.
    Last,
}

/// A line that came. The receiver had the first `before` lines of its sender, and now has the first
/// `after`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) id: Id,
    pub(crate) before: u64,
    pub(crate) after: u64,
}

/// Counts lines, by receiver and sender.
#[derive(Debug)]
pub(crate) struct Ledger {
    receivers: usize,
    senders: usize,
    pub(crate) audience: Audience,
    /// How many lines each sender has sent.
    sent: Vec<u64>,
    /// The next number, for each receiver and sender.
    next: Vec<u64>,
    /// The numbers below `next` that have not come.
    missing: HashMap<(usize, u32), BTreeSet<u64>>,
    /// Nothing is a fault yet, because the audience is still being found out.
    probing: bool,
    /// Lines count from this number on.
    first: u64,
    pub(crate) faults: Faults,
    /// Lines that came whole.
    pub(crate) deliveries: u64,
}

impl Ledger {
    /// A ledger for `receivers`, of which the first `senders` send. It is probing.
    pub(crate) fn new(receivers: usize, senders: usize, audience: Audience) -> Self {
        Self {
            receivers,
            senders,
            audience,
            sent: vec![0; senders],
            next: vec![0; receivers * senders],
            missing: HashMap::new(),
            probing: true,
            first: 0,
            faults: Faults::default(),
            deliveries: 0,
        }
    }

    pub(crate) fn senders(&self) -> usize {
        self.senders
    }

    /// How many lines `sender` has sent.
    pub(crate) fn sent(&self, sender: usize) -> u64 {
        self.sent[sender]
    }

    /// Notes that the next line of `sender` goes out now. Returns its number.
    pub(crate) fn send(&mut self, sender: usize) -> Id {
        let number = self.sent[sender];
        self.sent[sender] += 1;
        Id { sender: sender as u32, number }
    }

    /// The number that `receiver` gets next from `sender`.
    pub(crate) fn next(&self, receiver: usize, sender: usize) -> u64 {
        self.next[receiver * self.senders + sender]
    }

    /// Whether `receiver` should get the lines of `sender`.
    pub(crate) fn expects(&self, receiver: usize, sender: usize) -> bool {
        match self.audience {
            Audience::Others => receiver != sender,
            Audience::All => true,
            Audience::Sender => receiver == sender,
            Audience::Last => self.listens(receiver),
        }
    }

    /// Whether it counts what `client` gets.
    pub(crate) fn listens(&self, client: usize) -> bool {
        client < self.receivers && (self.audience != Audience::Last || client + 1 == self.receivers)
    }

    /// From now on everything counts. All clients go on with the same number, and lines that were sent
    /// so far count as received.
    pub(crate) fn begin(&mut self) {
        let first = self.sent.iter().copied().max().unwrap_or(0);
        self.sent.fill(first);
        self.next.fill(first);
        self.deliveries = 0;
        self.probing = false;
        self.first = first;
    }

    /// Lines count from this number on, since [`Ledger::begin`].
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// A ledger of one receiver that should get all lines, and has none yet.
    pub(crate) fn for_all(&self) -> Self {
        Self {
            sent: self.sent.clone(),
            next: vec![self.first; self.senders],
            probing: false,
            first: self.first,
            ..Self::new(1, self.senders, Audience::All)
        }
    }

    /// Enters `count` whole lines of `sender` that came in order.
    pub(crate) fn take_many(&mut self, receiver: usize, sender: usize, count: u64) {
        self.next[receiver * self.senders + sender] += count;
        self.deliveries += count;
    }

    /// Enters a line that came, as it was judged. Returns which line it was, if that could be read and
    /// the line is new.
    pub(crate) fn take(&mut self, receiver: usize, verdict: Verdict) -> Option<Arrival> {
        let id = match verdict {
            Verdict::Whole(id) => Some(id),
            Verdict::Cut(id) | Verdict::Corrupt(id) => id,
        };
        // If the number was never sent, the line was damaged on the way.
        let id = id.filter(|id| self.sent.get(id.sender as usize).is_some_and(|&sent| id.number < sent));
        let stray = id.is_some_and(|id| !self.expects(receiver, id.sender as usize));
        match verdict {
            _ if self.probing => {}
            Verdict::Whole(_) if stray => self.faults.stray += 1,
            Verdict::Whole(_) if id.is_some() => self.deliveries += 1,
            Verdict::Cut(_) => self.faults.cut += 1,
            Verdict::Whole(_) | Verdict::Corrupt(_) => self.faults.corrupt += 1,
        }
        if stray && !self.probing { None } else { self.enter(receiver, id?) }
    }

    fn enter(&mut self, receiver: usize, id: Id) -> Option<Arrival> {
        let next = &mut self.next[receiver * self.senders + id.sender as usize];
        let before = *next;
        *next = before.max(id.number + 1);
        let after = *next;
        if id.number != before && !self.probing {
            self.out_of_order(receiver, id, before);
        }
        (after > before).then_some(Arrival { id, before, after })
    }

    #[cold]
    fn out_of_order(&mut self, receiver: usize, id: Id, before: u64) {
        let missing = self.missing.entry((receiver, id.sender)).or_default();
        if id.number > before {
            missing.extend(before..id.number);
        } else if missing.remove(&id.number) {
            self.faults.reordered += 1;
        } else {
            self.faults.doubled += 1;
        }
    }

    /// How many lines `receiver` has yet to get, without those that later lines overtook.
    pub(crate) fn outstanding(&self, receiver: usize) -> u64 {
        let senders = (0..self.senders).filter(|&sender| self.expects(receiver, sender));
        senders.map(|sender| self.sent[sender] - self.next(receiver, sender)).sum()
    }

    /// Counts the lines that never came to `receiver` as lost.
    pub(crate) fn close(&mut self, receiver: usize) {
        let overtaken: usize = (0..self.senders)
            .filter(|&sender| self.expects(receiver, sender))
            .filter_map(|sender| self.missing.get(&(receiver, sender as u32)))
            .map(BTreeSet::len)
            .sum();
        self.faults.lost += self.outstanding(receiver) + overtaken as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The faults when the second client gets these of the first one's six lines.
    #[track_caller]
    fn check(verdicts: &[Verdict], expected: Faults) {
        let mut ledger = Ledger::new(2, 1, Audience::Others);
        ledger.begin();
        for _ in 0..6 {
            ledger.send(0);
        }
        for &verdict in verdicts {
            ledger.take(1, verdict);
        }
        ledger.close(1);
        assert_eq!(ledger.faults, expected);
    }

    fn id(number: u64) -> Id {
        Id { sender: 0, number }
    }

    fn whole<const N: usize>(numbers: [u64; N]) -> [Verdict; N] {
        numbers.map(|number| Verdict::Whole(id(number)))
    }

    #[test]
    fn each_fault_is_called_by_its_name() {
        let none = Faults::default();
        check(&whole([0, 1, 2, 3, 4, 5]), none);
        check(&whole([0, 1, 2, 4, 5]), Faults { lost: 1, ..none });
        check(&whole([0, 1, 2]), Faults { lost: 3, ..none });
        check(&whole([0, 1, 1, 2, 3, 4, 5, 0]), Faults { doubled: 2, ..none });
        check(&whole([0, 2, 1, 3, 4, 5]), Faults { reordered: 1, ..none });
        check(&whole([3, 0, 1, 2, 4, 5]), Faults { reordered: 3, ..none });
        check(&whole([0, 1, 2, 3, 4, 5, 6]), Faults { corrupt: 1, ..none });
    }

    #[test]
    fn a_damaged_line_is_not_lost_if_it_says_which_it_is() {
        let with = |verdict| [&whole([0, 1, 2])[..], &[verdict], &whole([4, 5])].concat();
        let none = Faults::default();
        check(&with(Verdict::Cut(Some(id(3)))), Faults { cut: 1, ..none });
        check(&with(Verdict::Cut(None)), Faults { cut: 1, lost: 1, ..none });
        check(&with(Verdict::Corrupt(Some(id(3)))), Faults { corrupt: 1, ..none });
    }

    #[test]
    fn a_line_for_others_is_stray() {
        let mut ledger = Ledger::new(2, 2, Audience::Sender);
        ledger.begin();
        let id = ledger.send(0);
        assert!(ledger.take(1, Verdict::Whole(id)).is_none());
        assert_eq!(ledger.faults, Faults { stray: 1, ..Faults::default() });
        assert!(ledger.take(0, Verdict::Whole(id)).is_some());
        assert_eq!(ledger.deliveries, 1);
    }
}
