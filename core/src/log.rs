//! One room's broadcast log: a bounded ring of bytes with absolute positions, and beside it a ring
//! of records that says where each message starts.
//!
//! Positions, record numbers and sequence numbers wrap around. [`before`] says which of two is
//! earlier, if both are in use. Positions and record numbers in use are never further apart than
//! the log is long, so 32 bits are enough for them. Sequence numbers are compared over any
//! distance, and have 64 bits. The log does not know its readers: the room says with
//! [`Log::set_hold`] what may be overwritten.

mod entry;
mod past;
#[cfg(feature = "save")]
mod saved;

pub use self::entry::RECORD_WORDS;
use self::entry::Stored;
pub(crate) use self::entry::{Entry, Stamp};
use crate::text::no_memory;

/// A place in a log, in bytes; or the number of a record in it.
pub(crate) type Position = u32;

/// A number of an order that wraps around.
pub(crate) trait Wrapping: Copy {
    /// Whether `self` comes before `other`, which is less than half of all numbers away.
    fn is_before(self, other: Self) -> bool;
}

impl Wrapping for u32 {
    fn is_before(self, other: Self) -> bool {
        (self.wrapping_sub(other) as i32) < 0
    }
}

impl Wrapping for u64 {
    fn is_before(self, other: Self) -> bool {
        (self.wrapping_sub(other) as i64) < 0
    }
}

/// Whether `a` comes before `b` in an order that wraps around.
pub(crate) fn before<T: Wrapping>(a: T, b: T) -> bool {
    a.is_before(b)
}

#[derive(Debug)]
pub(crate) struct Log<'a> {
    bytes: &'a mut [u8],
    records: &'a mut [Stored],
    /// Position of the byte that is appended next.
    head: Position,
    /// Number of the record that is appended next.
    next: Position,
    /// Nothing from here on may be overwritten; and the record with this position. Earlier bytes can be
    /// read until they are overwritten.
    hold: Position,
    hold_record: Position,
    /// No record before this one is known.
    oldest: Position,
}

impl<'a> Log<'a> {
    pub(crate) const EMPTY: Self = Self {
        bytes: no_memory(),
        records: no_memory(),
        head: 0,
        next: 0,
        hold: 0,
        hold_record: 0,
        oldest: 0,
    };

    /// A log in `bytes` and `records`, both powers of two in length, whose
    /// positions start at `origin`.
    pub(crate) fn new(bytes: &'a mut [u8], records: &'a mut [Stored], origin: Position) -> Self {
        Self { bytes, records, head: origin, next: origin, hold: origin, hold_record: origin, oldest: origin }
    }

    pub(crate) fn head(&self) -> Position {
        self.head
    }

    pub(crate) fn hold(&self) -> Position {
        self.hold
    }

    pub(crate) fn record(&self, number: Position) -> Entry {
        debug_assert!(!before(number, self.hold_record) && before(number, self.next));
        self.records[self.record_index(number)].into()
    }

    /// Position after the last byte of a record.
    pub(crate) fn end_of(&self, number: Position) -> Position {
        let following = number.wrapping_add(1);
        if following == self.next { self.head } else { self.record(following).start }
    }

    /// Notes that `following` is the next record of the same author after `number`.
    pub(crate) fn chain(&mut self, number: Position, following: Position) {
        let [_, place, ..] = &mut self.records[self.record_index(number)];
        *place = u64::from(*place as u32) | u64::from(following.wrapping_sub(number)) << 32;
    }

    /// The author's next record after `number`, if there is one.
    pub(crate) fn chained(&self, number: Position) -> Option<Position> {
        let step = self.record(number).next_own;
        (step != 0).then(|| number.wrapping_add(step))
    }

    /// Bytes that must not be overwritten.
    pub(crate) fn held(&self) -> u32 {
        self.head.wrapping_sub(self.hold)
    }

    /// Bytes that can be appended without overwriting what is held.
    pub(crate) fn free(&self) -> usize {
        self.bytes.len() - self.held() as usize
    }

    /// Whether `count` records of `len` bytes each can be appended without
    /// overwriting what is held.
    pub(crate) fn fits(&self, count: usize, len: usize) -> bool {
        let bytes = self.head.wrapping_sub(self.hold) as usize;
        let records = self.next.wrapping_sub(self.hold_record) as usize;
        self.bytes.len() - bytes >= count * len && self.records.len() - records >= count
    }

    /// As [`Log::fits`], if everything from `position` on were held.
    pub(crate) fn fits_behind(&self, position: Position, count: usize, len: usize) -> bool {
        let bytes = self.head.wrapping_sub(position) as usize;
        let records = self.next.wrapping_sub(self.record_at(position)) as usize;
        self.bytes.len() - bytes >= count * len && self.records.len() - records >= count
    }

    /// How many of the records from one number to another are messages.
    pub(crate) fn count_messages(&self, from: Position, to: Position) -> u32 {
        let count = to.wrapping_sub(from);
        let is_message = |&step: &Position| self.record(from.wrapping_add(step)).kind().is_message();
        (0..count).filter(is_message).count() as u32
    }

    /// Says that everything before `position` may be overwritten.
    pub(crate) fn set_hold(&mut self, position: Position) {
        debug_assert!(!before(position, self.hold), "what was given up cannot be held again");
        self.hold = position;
        self.hold_record = self.record_at(position);
        self.oldest = self.oldest_record();
    }

    /// The position at which a record starts, or will start.
    pub(crate) fn start_of(&self, number: Position) -> Position {
        if number == self.next { self.head } else { self.entry(number).start }
    }

    /// Forgets the content: nobody can read it any more.
    pub(crate) fn forget(&mut self) {
        self.set_hold(self.head);
        self.oldest = self.next;
    }

    /// The oldest record in the index. Its bytes may be overwritten.
    fn oldest_record(&self) -> Position {
        let first = self.next.wrapping_sub(self.records.len() as Position);
        if before(self.oldest, first) { first } else { self.oldest }
    }

    /// The number of the record that is appended next.
    pub(crate) fn next_record(&self) -> Position {
        self.next
    }

    /// Appends a record, which must fit, and returns its number. `pieces` are its bytes.
    pub(crate) fn append(&mut self, seq: u64, stamp: Stamp, pieces: &[&[u8]]) -> Position {
        let (number, at, len) = self.begin(seq, stamp, pieces.iter().map(|piece| piece.len()).sum());
        match self.bytes.get_mut(at..at + len) {
            Some(mut place) => {
                for piece in pieces {
                    let (here, rest) = place.split_at_mut(piece.len());
                    here.copy_from_slice(piece);
                    place = rest;
                }
            }
            None => self.write_around(at, pieces),
        }
        number
    }

    /// As [`Log::append`], for a message of one line, with few instructions.
    pub(crate) fn append_line(&mut self, seq: u64, stamp: Stamp, heading: &[u8], text: &[u8]) -> Position {
        const END: &[u8] = b"\r\n";
        let (number, at, len) = self.begin(seq, stamp, heading.len() + text.len() + END.len());
        if let Some(place) = self.bytes.get_mut(at..at + len) {
            let (start, rest) = place.split_at_mut(heading.len());
            start.copy_from_slice(heading);
            let (middle, end) = rest.split_at_mut(text.len());
            middle.copy_from_slice(text);
            end.copy_from_slice(END);
        } else {
            self.write_around(at, &[heading, text, END]);
        }
        number
    }

    /// The next `most` bytes behind the head, in the two parts of the ring. A record can be written there
    /// before it is appended.
    pub(crate) fn ahead(&mut self, most: usize) -> [&mut [u8]; 2] {
        debug_assert!(self.fits(1, most), "the room asks before it appends");
        let at = self.byte_index(self.head);
        let until_wrap = most.min(self.bytes.len() - at);
        let (start, end) = self.bytes.split_at_mut(at);
        [&mut end[..until_wrap], &mut start[..most - until_wrap]]
    }

    /// As [`Log::append`], for a record whose `len` bytes were written behind the head.
    pub(crate) fn append_written(&mut self, seq: u64, stamp: Stamp, len: usize) -> Position {
        self.begin(seq, stamp, len).0
    }

    /// Enters a record of `len` bytes. Returns its number, and where its bytes go.
    #[inline(always)]
    fn begin(&mut self, seq: u64, stamp: Stamp, len: usize) -> (Position, usize, usize) {
        debug_assert!(self.fits(1, len), "the room asks before it appends");
        let (number, start) = (self.next, self.head);
        let index = self.record_index(number);
        self.records[index] = stamp.at(seq, start).into();
        self.head = start.wrapping_add(len as Position);
        self.next = number.wrapping_add(1);
        (number, self.byte_index(start), len)
    }

    /// Writes the part that goes on at the ring's start.
    #[cold]
    fn write_around(&mut self, mut at: usize, parts: &[&[u8]]) {
        for part in parts {
            let until_wrap = part.len().min(self.bytes.len() - at);
            let (left, right) = part.split_at(until_wrap);
            self.bytes[at..at + left.len()].copy_from_slice(left);
            self.bytes[..right.len()].copy_from_slice(right);
            at = self.byte_index((at + part.len()) as Position);
        }
    }

    /// The bytes from one position to another, in the two parts of the ring.
    pub(crate) fn slices(&self, from: Position, to: Position) -> (&[u8], &[u8]) {
        let len = to.wrapping_sub(from) as usize;
        let at = self.byte_index(from);
        let until_wrap = len.min(self.bytes.len() - at);
        (&self.bytes[at..at + until_wrap], &self.bytes[..len - until_wrap])
    }

    /// The number of the record that holds `position`, which is not before the hold; at
    /// the head, the next one's.
    pub(crate) fn record_at(&self, position: Position) -> Position {
        if position == self.head {
            return self.next;
        }
        self.partition(|record| !before(position, record.start)).wrapping_sub(1)
    }

    /// The position of the first record whose sequence number is not before
    /// `seq`; the head if there is none.
    pub(crate) fn position_of(&self, seq: u64) -> Position {
        let number = self.partition(|record| before(record.seq, seq));
        if number == self.next { self.head } else { self.record(number).start }
    }

    /// The number of the first record that is held and for which `goes_before` is false. All records for
    /// which it is true come before it.
    fn partition(&self, goes_before: impl Fn(Entry) -> bool) -> Position {
        self.partition_from(self.hold_record, goes_before)
    }

    fn partition_from(&self, from: Position, goes_before: impl Fn(Entry) -> bool) -> Position {
        let (mut low, mut high) = (0, self.next.wrapping_sub(from));
        while low < high {
            let middle = low + (high - low) / 2;
            if goes_before(self.entry(from.wrapping_add(middle))) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        from.wrapping_add(low)
    }

    fn byte_index(&self, position: Position) -> usize {
        position as usize & (self.bytes.len() - 1)
    }

    fn record_index(&self, number: Position) -> usize {
        number as usize & (self.records.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Identity, Kind, Parts};

    fn stamp(kind: Kind, parts: &Parts<'_>) -> Stamp {
        Stamp::new((Identity::from_u64(7), kind), 1_000, parts)
    }

    /// Appends a record that is all text.
    fn append(log: &mut Log<'_>, seq: u64, kind: Kind, text: &[u8]) -> Position {
        log.append(seq, stamp(kind, &[b"", b"", b"", text, b""]), &[text])
    }

    const NEAR_THE_END: Position = Position::MAX - 20;

    fn collect(log: &Log<'_>, from: Position, to: Position) -> heapless::Vec<u8, 64> {
        let (left, right) = log.slices(from, to);
        let mut all = heapless::Vec::new();
        all.extend_from_slice(left).unwrap();
        all.extend_from_slice(right).unwrap();
        all
    }

    #[test]
    fn bytes_come_out_as_they_went_in_across_every_wrap() {
        let (mut bytes, mut records) = ([0; 16], [[0; RECORD_WORDS]; 4]);
        let mut log = Log::new(&mut bytes, &mut records, NEAR_THE_END);
        for round in 0..40u8 {
            let start = log.head();
            let parts: Parts<'_> = [b"a", b"b", &[round], b"cd", b"e"];
            let number = log.append(round.into(), stamp(Kind::Topic, &parts), &parts);
            let record = log.record(number);
            assert_eq!((record.kind(), record.author().as_u64(), record.unix_ms()), (Kind::Topic, 7, 1_000));
            assert_eq!(record.places(6), [1..2, 3..5]);
            assert_eq!(collect(&log, start, log.head()).as_slice(), &[b'a', b'b', round, b'c', b'd', b'e']);
            log.set_hold(log.head());
        }
    }

    #[test]
    fn a_line_comes_out_with_its_heading_and_its_end_across_every_wrap() {
        let (mut bytes, mut records) = ([0; 16], [[0; RECORD_WORDS]; 4]);
        let mut log = Log::new(&mut bytes, &mut records, NEAR_THE_END);
        for round in 0..40u8 {
            let start = log.head();
            let stamp = stamp(Kind::Say, &[b"<", b"a", b"> ", b"", b"\r\n"]);
            let number = log.append_line(round.into(), stamp, b"<a> ", &[b'x', round, b'y']);
            assert_eq!(number, NEAR_THE_END.wrapping_add(round.into()));
            let record = log.record(number);
            assert_eq!((record.seq, record.kind()), (round.into(), Kind::Say));
            assert_eq!(
                collect(&log, start, log.head()).as_slice(),
                [b"<a> x", &[round][..], b"y\r\n"].concat()
            );
            log.set_hold(log.head());
        }
    }

    #[test]
    fn what_is_held_is_never_overwritten() {
        let (mut bytes, mut records) = ([0; 16], [[0; RECORD_WORDS]; 4]);
        let mut log = Log::new(&mut bytes, &mut records, NEAR_THE_END);
        assert!(log.fits(2, 8) && !log.fits(3, 8));
        append(&mut log, 1, Kind::Say, b"12345678");
        append(&mut log, 2, Kind::Say, b"12345678");
        assert!(!log.fits(1, 1));
        assert_eq!((log.hold(), log.held(), log.free()), (NEAR_THE_END, 16, 0));
        log.set_hold(NEAR_THE_END.wrapping_add(5));
        assert_eq!((log.hold(), log.held(), log.free()), (NEAR_THE_END + 5, 11, 5));
        log.set_hold(NEAR_THE_END.wrapping_add(8));
        assert!(log.fits(1, 8) && !log.fits(1, 9));
    }

    #[test]
    fn the_next_record_of_an_author_is_found_and_stays_what_it_is() {
        let (mut bytes, mut records) = ([0; 16], [[0; RECORD_WORDS]; 4]);
        let mut log = Log::new(&mut bytes, &mut records, NEAR_THE_END);
        for kinds in [[Kind::Say, Kind::Join], [Kind::Join, Kind::Say]] {
            let start = log.head();
            let [first, second] = kinds.map(|kind| append(&mut log, 7, kind, b"ab"));
            assert_eq!((log.chained(first), log.chained(second)), (None, None));
            log.chain(first, second);
            let third = append(&mut log, 8, Kind::Say, b"c");
            assert_eq!((log.chained(first), log.chained(second)), (Some(second), None));
            log.chain(second, third);
            assert_eq!((log.chained(first), log.chained(second)), (Some(second), Some(third)));
            assert_eq!([first, second].map(|number| log.record(number).kind()), kinds);
            let messages = |from, to| log.count_messages(from, to);
            let first_ones = u32::from(kinds[0] == Kind::Say);
            assert_eq!([messages(first, first), messages(first, second)], [0, first_ones]);
            assert_eq!([messages(first, third), messages(first, third + 1)], [1, 2]);
            assert_eq!([first, second].map(|number| log.record(number).seq), [7; 2]);
            assert_eq!([first, second].map(|number| log.record(number).start), [start, start + 2]);
            log.chain(first, third);
            assert_eq!((log.chained(first), log.record(first).kind()), (Some(third), kinds[0]));
            log.set_hold(log.head());
        }
    }

    #[test]
    fn what_fits_is_known_as_if_more_were_held_or_less() {
        let (mut bytes, mut records) = ([0; 16], [[0; RECORD_WORDS]; 4]);
        let mut log = Log::new(&mut bytes, &mut records, NEAR_THE_END);
        append(&mut log, 1, Kind::Say, b"12345678");
        append(&mut log, 2, Kind::Say, b"1234");
        // If all of it is held, four bytes and two records are left.
        for (count, len, fits) in [(1, 4, true), (1, 5, false), (2, 2, true), (2, 3, false), (3, 1, false)] {
            assert_eq!(log.fits_behind(NEAR_THE_END, count, len), fits, "{count} of {len}");
            assert_eq!(log.fits(count, len), fits, "{count} of {len}");
        }
        // If the second one is held, twelve and three are left.
        for (count, len, fits) in [(1, 12, true), (1, 13, false), (3, 4, true), (3, 5, false), (4, 1, false)]
        {
            assert_eq!(log.fits_behind(NEAR_THE_END + 8, count, len), fits, "{count} of {len}");
        }
        assert!(log.fits_behind(log.head(), 4, 4) && !log.fits_behind(log.head(), 5, 1));
    }

    #[test]
    fn the_record_index_bounds_the_log_too() {
        let (mut bytes, mut records) = ([0; 16], [[0; RECORD_WORDS]; 4]);
        let mut log = Log::new(&mut bytes, &mut records, NEAR_THE_END);
        for seq in 0..4 {
            append(&mut log, seq, Kind::Say, b"x");
        }
        assert!(!log.fits(1, 1));
    }

    #[test]
    fn what_is_not_held_can_be_read_until_it_is_overwritten() {
        let (mut bytes, mut records) = ([0; 16], [[0; RECORD_WORDS]; 8]);
        let mut log = Log::new(&mut bytes, &mut records, NEAR_THE_END);
        assert_eq!((log.last_messages(5).0, log.past(NEAR_THE_END).is_none()), (NEAR_THE_END, true));
        for round in 0..40u8 {
            let kind = if round % 4 == 3 { Kind::Join } else { Kind::Say };
            append(&mut log, u64::from(round), kind, &[round; 3]);
            log.set_hold(log.head());
            // Five records of three bytes fit.
            let messages: heapless::Vec<u8, 8> = (0..=round).rev().take(5).filter(|n| n % 4 != 3).collect();
            for count in 0..messages.len() {
                let first = log.last_messages(count as u32).0.wrapping_sub(NEAR_THE_END) as u8;
                assert_eq!(first, if count == 0 { round + 1 } else { messages[count - 1] });
            }
            let oldest = messages.last().copied().unwrap_or_default();
            assert_eq!(log.last_messages(9).0.wrapping_sub(NEAR_THE_END) as u8, oldest);
            let (_, [left, right]) = log.past(NEAR_THE_END.wrapping_add(oldest.into())).unwrap();
            assert!(left.iter().chain(right).eq(&[oldest; 3]));
            assert!(log.past(log.next_record()).is_none());
            if round >= 5 {
                assert!(log.past(NEAR_THE_END.wrapping_add(u32::from(round) - 5)).is_none());
            }
        }
        log.forget();
        assert_eq!(log.last_messages(5).0, log.next_record());
    }

    #[test]
    fn a_record_can_be_read_until_its_first_byte_is_overwritten() {
        let (mut bytes, mut records) = ([0; 16], [[0; RECORD_WORDS]; 8]);
        let mut log = Log::new(&mut bytes, &mut records, NEAR_THE_END);
        // Four records of four bytes fit exactly.
        for (seq, text, gone) in [(0, "xxxx", 0), (1, "xxxx", 0), (2, "xxxx", 0), (3, "xxxx", 0), (4, "y", 1)]
        {
            append(&mut log, seq, Kind::Say, text.as_bytes());
            log.set_hold(log.head());
            assert_eq!(log.first_readable(), NEAR_THE_END + gone, "after {}", seq + 1);
        }
    }

    #[test]
    fn records_are_found_by_position_and_by_sequence() {
        let (mut bytes, mut records) = ([0; 64], [[0; RECORD_WORDS]; 8]);
        let mut log = Log::new(&mut bytes, &mut records, NEAR_THE_END);
        for (seq, text) in [(10, "a"), (12, "bbbbbbbbbb"), (15, "cccccccccccccc")] {
            append(&mut log, seq, Kind::Say, text.as_bytes());
        }
        let at = |offset: Position| NEAR_THE_END.wrapping_add(offset);
        for (offset, number) in [(0, 0), (1, 1), (10, 1), (11, 2), (24, 2), (25, 3)] {
            assert_eq!(log.record_at(at(offset)), NEAR_THE_END + number, "offset {offset}");
        }
        for (seq, offset) in [(9, 0), (10, 0), (11, 1), (12, 1), (13, 11), (15, 11), (16, 25)] {
            assert_eq!(log.position_of(seq), at(offset), "seq {seq}");
        }
        assert_eq!(log.end_of(NEAR_THE_END + 1), at(11));
    }
}
