//! Reading a log again: what was given up can be read until it is overwritten.

use super::{Entry, Log, Position, before};

impl Log<'_> {
    /// The first record that can still be read: its bytes are all there.
    pub(crate) fn first_readable(&self) -> Position {
        let is_gone = |entry: Entry| self.head.wrapping_sub(entry.start) as usize > self.bytes.len();
        self.partition_from(self.oldest_record(), is_gone)
    }

    /// The first record that can still be read and whose sequence number is not before `seq`; the next
    /// one if there is none. `Err`: records from `seq` on are gone. It has the first one that is left.
    pub(crate) fn find(&self, seq: u64) -> Result<Position, Position> {
        let mut first = self.first_readable();
        // The record before the first one tells whether any is missing. So the index must have it too. In a
        // log that was restored, another entry may stand for one that the index did not have.
        let is_full = self.next.wrapping_sub(first) == self.records.len() as Position;
        let is_unknown = first != self.oldest && self.entry(first.wrapping_sub(1)).is_empty();
        first = first.wrapping_add(u32::from(is_full || is_unknown && first != self.next));
        if first != self.oldest && !before(self.entry(first.wrapping_sub(1)).seq, seq) {
            return Err(first);
        }
        Ok(self.partition_from(first, |entry| before(entry.seq, seq)))
    }

    /// The first of the last so many messages that can still be read, and how many there are fewer; the next
    /// record if there is none.
    pub(crate) fn last_messages(&self, count: u32) -> (Position, u32) {
        let (mut first, mut number, mut left) = (self.next, self.next, count);
        let oldest = self.first_readable();
        while left > 0 && number != oldest {
            number = number.wrapping_sub(1);
            if self.entry(number).kind().is_message() {
                (first, left) = (number, left - 1);
            }
        }
        (first, left)
    }

    /// A record that can still be read, and its bytes, in the two parts of the ring.
    pub(crate) fn past(&self, number: Position) -> Option<(Entry, [&[u8]; 2])> {
        if before(number, self.first_readable()) || !before(number, self.next) {
            return None;
        }
        let (found, following) = (self.entry(number), number.wrapping_add(1));
        let end = if following == self.next { self.head } else { self.entry(following).start };
        Some((found, self.slices(found.start, end).into()))
    }

    /// An entry of the index, whether it is held or not.
    pub(super) fn entry(&self, number: Position) -> Entry {
        self.records[self.record_index(number)].into()
    }
}
