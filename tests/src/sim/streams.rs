//! Clients of echo and relay listeners. They send bytes that are known at every place, and compare the
//! bytes that come.

use super::part::{Ledger, Part, scramble};
use crate::outbox::Outbox;

/// A client of an echo listener.
#[derive(Debug)]
pub(super) struct Shouter {
    id: usize,
    left_to_do: u32,
    sent: u32,
    received: u32,
}

impl Shouter {
    pub(super) fn new(id: usize, left_to_do: u32) -> Self {
        Self { id, left_to_do, sent: 0, received: 0 }
    }

    fn byte(&self, at: u32) -> u8 {
        scramble(self.id, u32::MAX >> 8, at) as u8
    }
}

impl Part for Shouter {
    fn write(&mut self, rng: &mut fastrand::Rng, _: &mut Ledger, out: &mut Outbox) {
        if self.left_to_do > 0 {
            self.left_to_do -= 1;
            let end = self.sent + rng.u32(1..200);
            out.extend((self.sent..end).map(|at| self.byte(at)));
            self.sent = end;
        }
    }

    fn read(&mut self, _: &mut Ledger, received: &mut Vec<u8>) {
        for byte in received.drain(..) {
            assert!(self.received < self.sent, "echo: more than was sent");
            assert_eq!(byte, self.byte(self.received), "echo: byte {}", self.received);
            self.received += 1;
        }
    }

    fn is_done(&self) -> bool {
        self.left_to_do == 0
    }

    fn check_rest(&self, _: &Ledger, _: &dyn Fn(usize) -> bool) {
        assert_eq!(self.received, self.sent, "echo: all that was sent comes back");
    }
}

/// Clients of a relay at the most: each has 32 of the values of a byte for itself.
pub(super) const RELAYERS: usize = 7;

/// A client of a relay listener.
#[derive(Debug)]
pub(super) struct Relayer {
    id: usize,
    line_limit: usize,
    left_to_do: u32,
    /// No line is passed on in parts.
    has_whole_lines: bool,
    /// By sender: the number of its next line, and how much of it came.
    next: [(u32, usize); RELAYERS],
    /// The sender of the line that has no ending yet.
    unfinished: Option<usize>,
}

impl Relayer {
    pub(super) fn new(
        id: usize,
        line_limit: usize,
        left_to_do: u32,
        has_whole_lines: bool,
        ledger: &mut Ledger,
    ) -> Self {
        ledger.relayed.resize(ledger.relayed.len().max(id + 1), 0);
        Self { id, line_limit, left_to_do, has_whole_lines, next: [(0, 0); RELAYERS], unfinished: None }
    }

    /// Line `number` of a sender, in bytes that only that sender uses, and no LF.
    fn text(&self, sender: usize, number: u32) -> impl Iterator<Item = u8> + use<> {
        let random = scramble(sender, u32::MAX >> 9, number);
        let len = 1 + random as usize % (self.line_limit - 1);
        let first = 32 * (sender as u8 + 1);
        (0..len).map(move |at| first + (random.rotate_right(at as u32 * 5) & 31) as u8)
    }

    fn byte(&mut self, byte: u8, ledger: &Ledger) {
        let me = self.id;
        self.unfinished = self.unfinished.filter(|sender| !ledger.relays_reset.contains(sender));
        if byte == b'\n' {
            let is_whole = self.unfinished.take().is_none_or(|sender| self.next[sender].1 == 0);
            assert!(is_whole || !self.has_whole_lines, "relay {me}: a line ends that is not complete");
            return;
        }
        let sender = usize::from(byte / 32).checked_sub(1).expect("a byte that somebody sends");
        assert!(sender != me, "relay {me} got its own");
        let apart = self.unfinished.is_some_and(|other| other != sender);
        assert!(
            !apart || !self.has_whole_lines,
            "relay {me}: {sender} comes into a line of {:?}",
            self.unfinished
        );
        let (number, at) = self.next[sender];
        let expected = self.text(sender, number).nth(at);
        assert_eq!(Some(byte), expected, "relay {me}: line {number} of {sender} at {at}");
        let is_last = self.text(sender, number).count() == at + 1;
        self.next[sender] = if is_last { (number + 1, 0) } else { (number, at + 1) };
        self.unfinished = Some(sender);
    }
}

impl Part for Relayer {
    fn write(&mut self, rng: &mut fastrand::Rng, ledger: &mut Ledger, out: &mut Outbox) {
        for _ in 0..self.left_to_do.min(rng.u32(1..5)).min(u32::from(ledger.has_begun) * 8) {
            self.left_to_do -= 1;
            let number = ledger.relayed[self.id];
            out.extend(self.text(self.id, number));
            out.extend([b'\n']);
            ledger.relayed[self.id] += 1;
        }
    }

    fn read(&mut self, ledger: &mut Ledger, received: &mut Vec<u8>) {
        received.drain(..).for_each(|byte| self.byte(byte, ledger));
    }

    fn is_done(&self) -> bool {
        self.left_to_do == 0
    }

    fn check_rest(&self, ledger: &Ledger, is_unsure: &dyn Fn(usize) -> bool) {
        for (sender, &said) in ledger.relayed.iter().enumerate() {
            if sender != self.id && !is_unsure(sender) {
                assert_eq!(self.next[sender], (said, 0), "relay {}: the lines of {sender}", self.id);
            }
        }
    }
}
