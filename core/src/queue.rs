//! A connection's private queue: what is for it alone. Each entry bears the
//! sequence number at which it was made, so that it goes out in that place
//! among the records of the rooms.
//!
//! Entries stand one after the other in a line of bytes that is moved to the
//! front when its end is reached: `sequence number, length, bytes` each.

use crate::limits::ENTRY_HEADER as HEADER;
use crate::text::no_memory;

#[derive(Debug)]
pub(crate) struct Queue<'a> {
    bytes: &'a mut [u8],
    /// Where the first entry starts.
    head: u32,
    /// Where the last entry starts, if there is any.
    last: u32,
    /// Behind the last entry.
    tail: u32,
}

/// An entry, or what of it was not sent yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) seq: u64,
    start: usize,
    end: usize,
}

impl<'a> Queue<'a> {
    pub(crate) const EMPTY: Self = Self { bytes: no_memory(), head: 0, last: 0, tail: 0 };

    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, ..Self::EMPTY }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    pub(crate) fn clear(&mut self) {
        (self.head, self.last, self.tail) = (0, 0, 0);
    }

    /// How long a text [`Queue::push`] would take.
    pub(crate) fn free(&self) -> usize {
        (self.bytes.len() - self.used() as usize).saturating_sub(HEADER)
    }

    /// Bytes that are in use.
    pub(crate) fn used(&self) -> u32 {
        self.tail - self.head
    }

    /// Appends `parts` as one entry, if they fit.
    pub(crate) fn push(&mut self, seq: u64, parts: &[&[u8]]) -> bool {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if len == 0 || len > self.free() {
            // An entry of nothing would make the queue look as if it held something.
            return len == 0;
        }
        if self.tail as usize + HEADER + len > self.bytes.len() {
            self.shift(0);
        }
        // What was made at the same place in the order needs no entry of its own.
        let last =
            (!self.is_empty()).then(|| self.entry_at(self.last as usize)).filter(|last| last.seq == seq);
        match last {
            Some(last) => self.write_header(self.last as usize, seq, last.end - last.start + len),
            None => {
                self.last = self.tail;
                self.write_header(self.tail as usize, seq, len);
                self.tail += HEADER as u32;
            }
        }
        for part in parts {
            let at = self.tail as usize;
            self.bytes[at..at + part.len()].copy_from_slice(part);
            self.tail += part.len() as u32;
        }
        true
    }

    /// Puts an entry before all others, if it fits.
    pub(crate) fn push_front(&mut self, seq: u64, parts: &[&[u8]]) -> bool {
        if self.is_empty() {
            return self.push(seq, parts);
        }
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if len > self.free() {
            return false;
        }
        if (self.head as usize) < HEADER + len {
            self.shift(HEADER + len);
        }
        self.head -= (HEADER + len) as u32;
        let mut at = self.head as usize;
        self.write_header(at, seq, len);
        at += HEADER;
        for part in parts {
            self.bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        true
    }

    /// Removes `count` bytes of text from the front.
    pub(crate) fn consume(&mut self, mut count: usize) {
        while count > 0 && !self.is_empty() {
            let entry = self.entry_at(self.head as usize);
            let len = entry.end - entry.start;
            if count < len {
                // The header moves up over the text that is gone.
                self.last = if self.last == self.head { self.last + count as u32 } else { self.last };
                self.head += count as u32;
                self.write_header(self.head as usize, entry.seq, len - count);
                return;
            }
            count -= len;
            self.head = entry.end as u32;
        }
        if self.is_empty() {
            // From the start again, so that few pages of memory are touched.
            self.clear();
        }
    }

    /// The first entry.
    pub(crate) fn first(&self) -> Option<Entry> {
        (!self.is_empty()).then(|| self.entry_at(self.head as usize))
    }

    /// The entry behind `entry`.
    pub(crate) fn following(&self, entry: Entry) -> Option<Entry> {
        (entry.end < self.tail as usize).then(|| self.entry_at(entry.end))
    }

    pub(crate) fn text(&self, entry: Entry) -> &[u8] {
        &self.bytes[entry.start..entry.end]
    }

    fn entry_at(&self, at: usize) -> Entry {
        let mut seq = [0; 8];
        seq.copy_from_slice(&self.bytes[at..at + 8]);
        let mut len = [0; 4];
        len.copy_from_slice(&self.bytes[at + 8..at + HEADER]);
        let start = at + HEADER;
        Entry { seq: u64::from_le_bytes(seq), start, end: start + u32::from_le_bytes(len) as usize }
    }

    fn write_header(&mut self, at: usize, seq: u64, len: usize) {
        self.bytes[at..at + 8].copy_from_slice(&seq.to_le_bytes());
        self.bytes[at + 8..at + HEADER].copy_from_slice(&(len as u32).to_le_bytes());
    }

    /// Moves all entries so that the first starts at `head`.
    fn shift(&mut self, head: usize) {
        self.bytes.copy_within(self.head as usize..self.tail as usize, head);
        self.last = self.last - self.head + head as u32;
        self.tail = self.tail - self.head + head as u32;
        self.head = head as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(queue: &Queue<'_>) -> heapless::Vec<(u64, heapless::Vec<u8, 64>), 16> {
        let mut all = heapless::Vec::new();
        let mut next = queue.first();
        while let Some(entry) = next {
            all.push((entry.seq, heapless::Vec::from_slice(queue.text(entry)).unwrap())).unwrap();
            next = queue.following(entry);
        }
        all
    }

    #[track_caller]
    fn check(queue: &Queue<'_>, want: &[(u64, &[u8])]) {
        let got = texts(queue);
        let got: heapless::Vec<(u64, &[u8]), 16> = got.iter().map(|(seq, text)| (*seq, &text[..])).collect();
        assert_eq!(&got[..], want);
    }

    #[test]
    fn entries_keep_order_and_sequence_and_merge_where_it_is_the_same() {
        let mut bytes = [0; 64];
        let mut queue = Queue::new(&mut bytes);
        assert!(queue.push(1, &[b"ab", b"c"]) && queue.push(1, &[b"d"]) && queue.push(2, &[b"e"]));
        check(&queue, &[(1, b"abcd"), (2, b"e")]);
        queue.consume(3);
        check(&queue, &[(1, b"d"), (2, b"e")]);
        queue.consume(2);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_full_queue_takes_nothing_and_loses_nothing() {
        let mut bytes = [0; 32];
        let mut queue = Queue::new(&mut bytes);
        assert!(queue.push(1, &[&[7; 20]]));
        assert!(!queue.push(1, &[b"x"]));
        check(&queue, &[(1, &[7; 20])]);
        queue.consume(15);
        assert!(queue.push(2, &[b"xyz"]));
        check(&queue, &[(1, &[7; 5]), (2, b"xyz")]);
    }

    #[test]
    fn nothing_is_no_entry() {
        let mut bytes = [0; 32];
        let mut queue = Queue::new(&mut bytes);
        assert!(queue.push(1, &[b""]) && queue.is_empty());
    }

    #[test]
    fn an_entry_can_be_put_in_front() {
        let mut bytes = [0; 64];
        let mut queue = Queue::new(&mut bytes);
        assert!(queue.push(5, &[b"later"]) && queue.push_front(3, &[b"so", b"oner"]));
        check(&queue, &[(3, b"sooner"), (5, b"later")]);
        queue.consume(2);
        assert!(queue.push(5, &[b"!"]));
        check(&queue, &[(3, b"oner"), (5, b"later!")]);
    }

    #[test]
    fn growing_the_entry_that_is_being_sent_keeps_it_whole() {
        let mut bytes = [0; 48];
        let mut queue = Queue::new(&mut bytes);
        for round in 0..100u8 {
            assert!(queue.push(9, &[&[round; 10]]));
            if round > 0 {
                queue.consume(10);
            }
            check(&queue, &[(9, &[round; 10])]);
        }
    }
}
