//! A log as bytes: the records that can still be read or are held, and their bytes. Positions and numbers
//! stay what they were. So the ring may be larger afterwards.

use super::{Entry, Log, Position};
use crate::save::{Damaged, Visit, Visitor, ensure};

/// Records in use are never further apart. See [`crate::log`].
const FARTHEST: Position = Position::MAX / 2;

impl Log<'_> {
    /// `seq`: the sequence number of the next record.
    pub(crate) fn visit(&mut self, visitor: &mut Visitor<'_>, seq: u64) -> Result<(), Damaged> {
        let mut readable = self.first_readable();
        // The record before it tells which are gone; see [`Log::find`]. It may be partly sent: then its start
        // was overwritten while its end is held.
        let is_known = readable != self.oldest_record();
        let mut first = readable.wrapping_sub(u32::from(is_known));
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
            let was_full = count as usize == visitor.limits().records;
            self.oldest = first;
            self.check([first, readable], kept, seq)?;
            self.mark_gone([first, readable], was_full);
        }
        Ok(())
    }

    /// How many bytes were appended since the start of a record, the record included.
    fn len_from(&self, number: Position) -> Position {
        self.head.wrapping_sub(self.entry(number).start)
    }

    /// Makes the record before the first readable one as gone as it was, because the ring may be larger. If
    /// the index was full, that is none that is known, and another one stands for it.
    fn mark_gone(&mut self, [first, readable]: [Position; 2], was_full: bool) {
        let gone = readable.wrapping_sub(1);
        let mut entry = match first == gone {
            true => self.entry(gone),
            false if was_full && (self.next.wrapping_sub(readable) as usize) < self.records.len() => {
                let seq = self.entry(readable).seq.wrapping_sub(1);
                Entry::empty(seq, self.head)
            }
            false => return,
        };
        let size = self.bytes.len() as Position;
        if self.head.wrapping_sub(entry.start) <= size {
            entry.start = self.head.wrapping_sub(size + 1);
        }
        let index = self.record_index(gone);
        self.records[index] = entry.into();
        self.oldest = gone;
    }

    /// Whether a record is held, and was not begun by those that hold it.
    #[cfg(feature = "console")]
    pub(crate) fn holds(&self, number: Position) -> bool {
        let count = self.next.wrapping_sub(number);
        0 < count && count <= self.next.wrapping_sub(self.hold_record) && self.len_from(number) <= self.held()
    }

    /// Checks what was read, and finds the record that is held first. There are records from `first` on,
    /// which can be read from `readable` on, and so many bytes.
    fn check(&mut self, [first, readable]: [Position; 2], kept: Position, seq: u64) -> Result<(), Damaged> {
        let count = self.next.wrapping_sub(first);
        let held = self.held();
        ensure(
            held <= kept && readable.wrapping_sub(first) <= 1 && self.next.wrapping_sub(readable) <= count,
        )?;
        ensure(readable == self.next || self.len_from(readable) <= kept)?;
        self.hold_record = self.next;
        let (mut left, mut earlier) = (FARTHEST, None);
        for step in 0..count {
            let number = first.wrapping_add(step);
            let entry = self.entry(number);
            let from_here = self.len_from(number);
            let len = self.end(number).wrapping_sub(entry.start);
            ensure(from_here < left && 0 < len && len <= from_here)?;
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

    /// Checks that a name and a text stand one behind the other in each record, as they do in the chat's lines.
    pub(crate) fn check_parts(&self) -> Result<(), Damaged> {
        let count = self.next.wrapping_sub(self.oldest);
        for number in (0..count).map(|step| self.oldest.wrapping_add(step)) {
            let len = self.end(number).wrapping_sub(self.entry(number).start);
            ensure(self.entry(number).len_without_text() <= len as usize)?;
        }
        Ok(())
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
        if following == self.next { self.head } else { self.entry(following).start }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{RECORD_WORDS, Stamp, Stored};
    use crate::record::{Identity, Kind, Parts};

    const ORIGIN: Position = Position::MAX - 10;
    /// The sequence number of the next record.
    const NEXT_SEQ: u64 = 16;

    fn append(log: &mut Log<'_>, seq: u64, parts: &Parts<'_>, bytes: &[u8]) -> Position {
        log.append(seq, Stamp::new((Identity::from_u64(7), Kind::Say), 1_000, parts), &[bytes])
    }

    /// A test of a log with three records of eight bytes, of which the last two are held.
    fn with_log<T>(test: impl FnOnce(&mut Log<'_>) -> T) -> T {
        let (mut bytes, mut records) = ([0; 64], [[0; RECORD_WORDS]; 8]);
        let mut log = Log::new(&mut bytes, &mut records, ORIGIN);
        for seq in [10, 12, 15] {
            append(&mut log, seq, &[b"<", b"a", b"> ", b"hi", b"\r\n"], b"<a> hi\r\n");
        }
        log.set_hold(ORIGIN.wrapping_add(8));
        test(&mut log)
    }

    fn change(log: &mut Log<'_>, number: Position, change: impl FnOnce(&mut Entry)) {
        let index = log.record_index(number);
        let mut entry = Entry::from(log.records[index]);
        change(&mut entry);
        log.records[index] = Stored::from(entry);
    }

    #[test]
    fn a_log_that_contradicts_itself_is_refused() {
        let check = |log: &mut Log<'_>| log.check([ORIGIN, ORIGIN], 24, NEXT_SEQ).is_ok();
        assert!(with_log(check));
        assert!(
            !with_log(|log| log.check([ORIGIN, ORIGIN], 15, NEXT_SEQ).is_ok()),
            "more is held than is kept"
        );
        assert!(!with_log(|log| log.check([ORIGIN, ORIGIN + 2], 24, NEXT_SEQ).is_ok()), "two are half gone");
        let has_none = with_log(|log| {
            append(log, NEXT_SEQ, &[b""; 5], b"");
            log.check([ORIGIN, ORIGIN], 24, NEXT_SEQ + 1).is_ok()
        });
        assert!(!has_none, "a record has no bytes");
        type Change = (&'static str, Position, fn(&mut Entry));
        let changes: [Change; 7] = [
            ("it begins where the one before does", 1, |entry| entry.start = ORIGIN),
            ("the next one of its author was not said yet", 1, |entry| entry.next_own = 2),
            ("its number is that of the one before", 1, |entry| entry.seq = 10),
            ("its number is lower than that of the one before", 1, |entry| entry.seq = 9),
            ("its number was not given yet", 2, |entry| entry.seq = NEXT_SEQ),
            ("its number is too far away", 0, |entry| entry.seq = NEXT_SEQ.wrapping_sub(1 << 62)),
            ("it is longer than the log", 0, |entry| entry.start = ORIGIN.wrapping_sub(41)),
        ];
        for (what, number, how) in changes {
            let is_sound = with_log(|log| {
                change(log, ORIGIN.wrapping_add(number), how);
                check(log)
            });
            assert!(!is_sound, "record {number}: {what}");
        }
    }

    #[test]
    fn parts_that_are_longer_than_their_record_are_refused() {
        let none: Parts<'_> = [b""; 5];
        for part in [0, 1, 2, 4] {
            for (len, is_sound) in [(4, true), (5, false)] {
                let is_found_sound = with_log(|log| {
                    let mut parts = none;
                    parts[part] = &b"xxxxx"[..len];
                    append(log, NEXT_SEQ, &parts, b"four");
                    log.check_parts().is_ok()
                });
                assert_eq!(is_found_sound, is_sound, "part {part} of {len} bytes in a record of four");
            }
        }
    }

    #[test]
    fn what_is_held_first_is_found_again() {
        // Up to a record's start, up to its middle, or all.
        for (given_up, first) in [(8, 1), (11, 1), (16, 2), (24, 3)] {
            with_log(|log| {
                log.set_hold(ORIGIN.wrapping_add(given_up));
                log.hold_record = 0;
                assert!(log.check([ORIGIN, ORIGIN], 24, NEXT_SEQ).is_ok());
                assert_eq!(log.hold_record.wrapping_sub(ORIGIN), first, "{given_up} bytes are given up");
            });
        }
    }

    #[cfg(feature = "console")]
    #[test]
    fn only_records_that_nobody_has_begun_to_read_are_held_for_a_follower() {
        for (given_up, held) in
            [(8, [false, true, true, false]), (11, [false, false, true, false]), (24, [false; 4])]
        {
            with_log(|log| {
                log.set_hold(ORIGIN.wrapping_add(given_up));
                let found = [0, 1, 2, 3].map(|number| log.holds(ORIGIN.wrapping_add(number)));
                assert_eq!(found, held, "{given_up} bytes are given up");
            });
        }
    }

    #[test]
    fn a_chain_ends_at_a_record_of_which_no_other_chain_has_a_part() {
        let number = |step| ORIGIN.wrapping_add(step);
        let claim = |log: &mut Log<'_>, first, last| {
            log.claim_chain(ORIGIN.wrapping_add(8), number(first), number(last)).is_ok()
        };
        with_log(|log| {
            log.chain(number(1), number(2));
            assert!(!claim(log, 1, 1), "it goes on");
            assert!(!claim(log, 2, 1), "it goes back");
            for (first, last) in [(3, 3), (1, 3), (3, 1)] {
                assert!(!claim(log, first, last), "nothing was said there yet");
            }
            assert!(claim(log, 1, 2));
            assert!(!claim(log, 2, 2), "another one has it");
            log.end_chain(number(2));
            assert_eq!((log.chained(number(1)), log.chained(number(2))), (Some(number(2)), None));
        });
    }
}
