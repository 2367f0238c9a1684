//! A log as bytes: the records that can still be read or are held, and their bytes. Positions and numbers
//! stay what they were. So the ring may be larger afterwards.

use super::{Entry, Log, Position, Stored, before};
use crate::save::{Damaged, Visit, Visitor, ensure};

/// Records in use are never further apart. See [`crate::log`].
const FARTHEST: Position = Position::MAX / 2;

impl Log<'_> {
    /// `seq`: the sequence number of the next record.
    pub(crate) fn visit(&mut self, visitor: &mut Visitor<'_>, seq: u64) -> Result<(), Damaged> {
        // Of a record that is partly sent, the start may be overwritten while its end is held.
        let mut readable = self.first_readable();
        let mut first = if before(self.hold_record, readable) { self.hold_record } else { readable };
        let Self { bytes: _, records: _, head, next, hold, hold_record: _, oldest: _ } = self;
        for number in [head, next, hold, &mut first, &mut readable] {
            number.visit(visitor)?;
        }
        let count = self.next.wrapping_sub(first);
        ensure(count as usize <= self.records.len())?;
        for step in 0..count {
            let index = self.record_index(first.wrapping_add(step));
            self.records[index].visit(visitor)?;
        }
        let mut kept = if count == 0 { 0 } else { self.len_from(first).min(self.bytes.len() as Position) };
        kept.visit(visitor)?;
        ensure(kept as usize <= self.bytes.len())?;
        let from = self.byte_index(self.head.wrapping_sub(kept));
        let until_wrap = (kept as usize).min(self.bytes.len() - from);
        visitor.bytes(&mut self.bytes[from..from + until_wrap])?;
        visitor.bytes(&mut self.bytes[..kept as usize - until_wrap])?;
        if visitor.is_reading() {
            self.oldest = readable;
            self.check(first, kept, seq)?;
        }
        Ok(())
    }

    /// The first record of which all bytes are there.
    fn first_readable(&self) -> Position {
        let mut first = self.next;
        while first != self.oldest_record() {
            let earlier = first.wrapping_sub(1);
            if self.len_from(earlier) as usize > self.bytes.len() {
                break;
            }
            first = earlier;
        }
        first
    }

    /// How many bytes were appended since the start of a record, the record included.
    fn len_from(&self, number: Position) -> Position {
        self.head.wrapping_sub(self.stored(number).start)
    }

    fn stored(&self, number: Position) -> Entry {
        let stored: Stored = self.records[self.record_index(number)];
        stored.into()
    }

    /// Checks what was read, and finds the record that is held first. There are records from `first` on,
    /// and so many bytes.
    fn check(&mut self, first: Position, kept: Position, seq: u64) -> Result<(), Damaged> {
        let count = self.next.wrapping_sub(first);
        let held = self.held();
        ensure(held <= kept && self.next.wrapping_sub(self.oldest) <= count)?;
        ensure(self.oldest == self.next || self.len_from(self.oldest) <= kept)?;
        self.hold_record = self.next;
        let (mut left, mut earlier) = (FARTHEST, None);
        for step in 0..count {
            let number = first.wrapping_add(step);
            let entry = self.stored(number);
            let from_here = self.len_from(number);
            let len = self.end(number).wrapping_sub(entry.start);
            ensure(from_here < left && 0 < len && len <= from_here)?;
            // A name and a text stand one behind the other in their record.
            ensure(entry.len_without_text() <= len as usize)?;
            ensure(entry.next_own < count - step)?;
            // Numbers grow, and are far from those that come after half of all.
            let age = seq.wrapping_sub(entry.seq);
            ensure(earlier.map_or(age < 1 << 62, |earlier| age < earlier) && age > 0)?;
            if held > 0 && held <= from_here {
                self.hold_record = number;
            }
            (left, earlier) = (from_here, Some(age));
        }
        ensure(held == 0 || self.hold_record != self.next)
    }

    /// Checks a chain of records of one author, of which the first is not before `position`. Marks its
    /// end, so that no other chain can have it.
    pub(crate) fn claim_chain(
        &mut self,
        position: Position,
        first: Position,
        last: Position,
    ) -> Result<(), Damaged> {
        let left = |number| self.next.wrapping_sub(number);
        ensure(left(first) <= left(self.hold_record))?;
        let mut at = first;
        while at != last {
            // A mark does not lead on.
            let following = Some(left(at)).filter(|left| *left > 0).and_then(|_| self.chained(at));
            let following = following.ok_or(Damaged)?;
            ensure(left(following) < left(at))?;
            at = following;
        }
        ensure(left(last) > 0 && self.chained(last).is_none())?;
        ensure(self.len_from(first) <= self.head.wrapping_sub(position))?;
        self.chain(last, last.wrapping_sub(1));
        Ok(())
    }

    /// Makes a record the end of its chain again, after [`Log::claim_chain`].
    pub(crate) fn end_chain(&mut self, last: Position) {
        self.chain(last, last);
    }

    /// As [`Log::end_of`], for any record.
    fn end(&self, number: Position) -> Position {
        let following = number.wrapping_add(1);
        if following == self.next { self.head } else { self.stored(following).start }
    }
}
