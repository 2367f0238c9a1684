//! Judges what a server has stored. It keeps a ledger as for a client that gets all lines, and knows no files.

use std::collections::HashMap;

use memchr::memchr_iter;

use super::book::Book;
use super::ledger::{Faults, Ledger};
use super::line::{Lines, Verdict};

/// The lines of a run that a server has stored.
#[derive(Debug)]
pub(crate) struct Stock {
    lines: Lines,
    ledger: Ledger,
    /// The start of a line that has no end yet, by its author.
    rests: HashMap<i64, Vec<u8>>,
}

impl Stock {
    /// An empty stock. It should get all lines that `book` counts.
    pub(crate) fn new(book: &Book) -> Self {
        Self { lines: book.lines.clone(), ledger: book.ledger.for_all(), rests: HashMap::new() }
    }

    /// Enters the bytes that follow what this author has said before.
    pub(crate) fn take(&mut self, author: i64, bytes: &[u8]) {
        let Self { lines, ledger, rests } = self;
        let rest = rests.entry(author).or_default();
        rest.extend_from_slice(bytes);
        let mut from = 0;
        for end in memchr_iter(b'\n', rest) {
            lines.inspect(&rest[from..end], |verdict| match verdict {
                // It was sent before lines counted.
                Verdict::Whole(id) if id.number < ledger.first() => {}
                verdict => drop(ledger.take(0, verdict)),
            });
            from = end + 1;
        }
        rest.drain(..from);
    }

    /// How many whole lines it has.
    pub(crate) fn count(&self) -> u64 {
        self.ledger.deliveries
    }

    /// Whether the last line of everybody is there.
    pub(crate) fn is_complete(&self) -> bool {
        self.ledger.outstanding(0) == 0
    }

    /// The faults, if nothing comes any more.
    pub(crate) fn close(mut self) -> Faults {
        self.ledger.close(0);
        self.ledger.faults
    }
}
