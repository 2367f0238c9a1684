//! Private queues: bytes for one connection alone. Each entry has the sequence number at which it
//! was made, and goes out in that place among the records of the rooms.
//!
//! The entries follow each other in a buffer, each as `sequence number, length, bytes`. At the end of
//! the buffer they are moved to its front. Most queues are empty most of the time. An empty queue
//! has no buffer: it borrows one for its first entry, and gives it back after the last.

mod buffers;

pub(crate) use self::buffers::Buffers;
use self::buffers::NO_BUFFER;
use crate::limits::ENTRY_HEADER as HEADER;
#[cfg(feature = "large")]
use crate::log::before;
#[cfg(feature = "save")]
use crate::save::{Damaged, Visit, Visitor, ensure};

#[derive(Debug)]
pub(crate) struct Queue {
    /// [`NO_BUFFER`] while there is no entry.
    buffer: u32,
    /// Where the first entry starts.
    head: u32,
    /// Where the last entry starts, if there is one.
    last: u32,
    /// The end of the last entry.
    tail: u32,
    /// A part of the first entry was sent.
    #[cfg(feature = "large")]
    is_torn: bool,
}

/// An entry, or the part of it that is not sent yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) seq: u64,
    start: usize,
    end: usize,
}

impl Entry {
    pub(crate) fn len(self) -> usize {
        self.end - self.start
    }
}

impl Queue {
    pub(crate) const EMPTY: Self = Self {
        buffer: NO_BUFFER,
        head: 0,
        last: 0,
        tail: 0,
        #[cfg(feature = "large")]
        is_torn: false,
    };

    pub(crate) fn is_empty(&self) -> bool {
        self.buffer == NO_BUFFER
    }

    pub(crate) fn clear(&mut self, buffers: &mut Buffers<'_>) {
        if !self.is_empty() {
            buffers.give_back(self.buffer);
        }
        *self = Self::EMPTY;
    }

    /// How long a text [`Queue::push`] would take.
    pub(crate) fn free(&self, buffers: &Buffers<'_>) -> usize {
        self.all_free(buffers).saturating_sub(buffers.reserve())
    }

    /// How long a text [`Queue::push_front`] would take.
    fn all_free(&self, buffers: &Buffers<'_>) -> usize {
        (buffers.size - self.used() as usize).saturating_sub(HEADER)
    }

    /// Bytes that are in use.
    pub(crate) fn used(&self) -> u32 {
        self.tail - self.head
    }

    /// Appends `parts` as one entry, if they fit.
    pub(crate) fn push(&mut self, buffers: &mut Buffers<'_>, seq: u64, parts: &[&[u8]]) -> bool {
        let len = total(parts);
        if len == 0 || len > self.free(buffers) {
            // An empty entry would make the queue look as if it held something.
            return len == 0;
        }
        // Text with the same place in the order needs no entry of its own.
        let mut grown = None;
        if self.is_empty() {
            self.buffer = buffers.borrow();
        } else {
            if self.tail as usize + HEADER + len > buffers.size {
                self.shift(buffers, 0);
            }
            grown = Some(entry_at(buffers.get(self.buffer), self.last)).filter(|last| last.seq == seq);
        }
        let bytes = buffers.get_mut(self.buffer);
        match grown {
            Some(last) => write_header(bytes, self.last, seq, last.len() + len),
            None => {
                self.last = self.tail;
                write_header(bytes, self.tail, seq, len);
                self.tail += HEADER as u32;
            }
        }
        write(bytes, self.tail, parts);
        self.tail += len as u32;
        true
    }

    /// Puts an entry before all others, if it fits.
    pub(crate) fn push_front(&mut self, buffers: &mut Buffers<'_>, seq: u64, parts: &[&[u8]]) -> bool {
        let len = total(parts);
        if len > self.all_free(buffers) {
            return false;
        }
        if self.is_empty() {
            return self.push(buffers, seq, parts);
        }
        if (self.head as usize) < HEADER + len {
            self.shift(buffers, HEADER + len);
        }
        self.head -= (HEADER + len) as u32;
        let bytes = buffers.get_mut(self.buffer);
        write_header(bytes, self.head, seq, len);
        write(bytes, self.head + HEADER as u32, parts);
        true
    }

    /// Puts an entry before all that were made after it, if it fits.
    #[cfg(feature = "large")]
    pub(crate) fn insert(&mut self, buffers: &mut Buffers<'_>, seq: u64, parts: &[&[u8]]) -> bool {
        let mut next = self.first(buffers);
        if self.is_torn {
            next = next.and_then(|torn| self.following(buffers, torn));
        }
        while let Some(entry) = next.filter(|entry| !before(seq, entry.seq)) {
            next = self.following(buffers, entry);
        }
        let Some(entry) = next else { return self.push(buffers, seq, parts) };
        let len = total(parts);
        if len == 0 || len > self.free(buffers) {
            return len == 0;
        }
        let mut at = entry.start - HEADER;
        if self.tail as usize + HEADER + len > buffers.size {
            at -= self.head as usize;
            self.shift(buffers, 0);
        }
        let bytes = buffers.get_mut(self.buffer);
        bytes.copy_within(at..self.tail as usize, at + HEADER + len);
        self.last += (HEADER + len) as u32;
        self.tail += (HEADER + len) as u32;
        write_header(bytes, at as u32, seq, len);
        write(bytes, (at + HEADER) as u32, parts);
        true
    }

    /// A small hub puts in nothing that is older than the rest.
    #[cfg(not(feature = "large"))]
    pub(crate) fn insert(&mut self, buffers: &mut Buffers<'_>, seq: u64, parts: &[&[u8]]) -> bool {
        self.push(buffers, seq, parts)
    }

    /// Whether a part of an entry was sent.
    #[cfg(feature = "large")]
    pub(crate) fn is_half_sent(&self, entry: &Entry) -> bool {
        self.is_torn && self.is_first(entry)
    }

    /// Whether an entry is the first one.
    #[cfg(feature = "large")]
    pub(crate) fn is_first(&self, entry: &Entry) -> bool {
        entry.start == self.head as usize + HEADER
    }

    /// Whether the first entry is older than this place in the order, or was sent in part.
    #[cfg(feature = "large")]
    pub(crate) fn begins_before(&self, buffers: &Buffers<'_>, seq: u64) -> bool {
        self.is_torn || self.first(buffers).is_some_and(|first| !before(seq, first.seq))
    }

    /// Removes `count` bytes of text from the front.
    pub(crate) fn consume(&mut self, buffers: &mut Buffers<'_>, mut count: usize) {
        while count > 0 && !self.is_empty() {
            let bytes = buffers.get_mut(self.buffer);
            let entry = entry_at(bytes, self.head);
            let len = entry.len();
            if count < len {
                // The header moves up over the text that was sent.
                self.last = if self.last == self.head { self.last + count as u32 } else { self.last };
                self.head += count as u32;
                #[cfg(feature = "large")]
                {
                    self.is_torn = true;
                }
                return write_header(bytes, self.head, entry.seq, len - count);
            }
            count -= len;
            #[cfg(feature = "large")]
            {
                self.is_torn = false;
            }
            self.head = entry.end as u32;
            if self.head == self.tail {
                self.clear(buffers);
            }
        }
    }

    /// The first entry.
    pub(crate) fn first(&self, buffers: &Buffers<'_>) -> Option<Entry> {
        (!self.is_empty()).then(|| entry_at(buffers.get(self.buffer), self.head))
    }

    /// The entry after `entry`.
    pub(crate) fn following(&self, buffers: &Buffers<'_>, entry: Entry) -> Option<Entry> {
        let end = entry.end as u32;
        (end < self.tail).then(|| entry_at(buffers.get(self.buffer), end))
    }

    pub(crate) fn text<'b>(&self, buffers: &'b Buffers<'_>, entry: Entry) -> &'b [u8] {
        &buffers.get(self.buffer)[entry.start..entry.end]
    }

    /// Only its bytes are saved: where they stand does not matter.
    #[cfg(feature = "save")]
    pub(crate) fn visit(
        &mut self,
        visitor: &mut Visitor<'_>,
        buffers: &mut Buffers<'_>,
    ) -> Result<(), Damaged> {
        let mut used = self.used();
        used.visit(visitor)?;
        if used == 0 {
            return Ok(());
        }
        if visitor.is_reading() {
            ensure(used as usize <= buffers.size)?;
            *self = Self { buffer: buffers.borrow(), tail: used, ..Self::EMPTY };
        }
        let Self { buffer, head, last, tail, is_torn } = self;
        is_torn.visit(visitor)?;
        let bytes = &mut buffers.get_mut(*buffer)[*head as usize..*tail as usize];
        visitor.bytes(bytes)?;
        let mut at = 0;
        while at < bytes.len() {
            ensure(bytes.len() - at > HEADER)?;
            *last = *head + at as u32;
            let entry = entry_at(bytes, at as u32);
            ensure(entry.start < entry.end && entry.end <= bytes.len())?;
            at = entry.end;
        }
        Ok(())
    }

    /// Moves all entries so that the first starts at `head`.
    fn shift(&mut self, buffers: &mut Buffers<'_>, head: usize) {
        let bytes = buffers.get_mut(self.buffer);
        bytes.copy_within(self.head as usize..self.tail as usize, head);
        self.last = self.last - self.head + head as u32;
        self.tail = self.tail - self.head + head as u32;
        self.head = head as u32;
    }
}

fn total(parts: &[&[u8]]) -> usize {
    parts.iter().map(|part| part.len()).sum()
}

fn entry_at(bytes: &[u8], at: u32) -> Entry {
    let at = at as usize;
    let mut seq = [0; 8];
    seq.copy_from_slice(&bytes[at..at + 8]);
    let mut len = [0; 4];
    len.copy_from_slice(&bytes[at + 8..at + HEADER]);
    let start = at + HEADER;
    Entry { seq: u64::from_le_bytes(seq), start, end: start + u32::from_le_bytes(len) as usize }
}

fn write_header(bytes: &mut [u8], at: u32, seq: u64, len: usize) {
    let at = at as usize;
    bytes[at..at + 8].copy_from_slice(&seq.to_le_bytes());
    bytes[at + 8..at + HEADER].copy_from_slice(&(len as u32).to_le_bytes());
}

fn write(bytes: &mut [u8], at: u32, parts: &[&[u8]]) {
    let mut at = at as usize;
    for part in parts {
        bytes[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A queue with the memory that it borrows from.
    struct Owner<'a> {
        queue: Queue,
        buffers: Buffers<'a>,
    }

    impl<'a> Owner<'a> {
        fn new(bytes: &'a mut [u8]) -> Self {
            let size = bytes.len();
            Self { queue: Queue::EMPTY, buffers: Buffers::new(bytes, size) }
        }

        fn push(&mut self, seq: u64, parts: &[&[u8]]) -> bool {
            self.queue.push(&mut self.buffers, seq, parts)
        }

        fn push_front(&mut self, seq: u64, parts: &[&[u8]]) -> bool {
            self.queue.push_front(&mut self.buffers, seq, parts)
        }

        #[cfg(feature = "large")]
        fn insert(&mut self, seq: u64, parts: &[&[u8]]) -> bool {
            self.queue.insert(&mut self.buffers, seq, parts)
        }

        fn consume(&mut self, count: usize) {
            self.queue.consume(&mut self.buffers, count);
        }

        #[track_caller]
        fn check(&self, want: &[(u64, &[u8])]) {
            let mut got = heapless::Vec::<(u64, &[u8]), 16>::new();
            let mut next = self.queue.first(&self.buffers);
            while let Some(entry) = next {
                got.push((entry.seq, self.queue.text(&self.buffers, entry))).unwrap();
                next = self.queue.following(&self.buffers, entry);
            }
            assert_eq!(&got[..], want);
        }
    }

    #[test]
    fn entries_keep_order_and_sequence_and_merge_where_it_is_the_same() {
        let mut bytes = [0; 64];
        let mut owner = Owner::new(&mut bytes);
        assert!(owner.push(1, &[b"ab", b"c"]) && owner.push(1, &[b"d"]) && owner.push(2, &[b"e"]));
        owner.check(&[(1, b"abcd"), (2, b"e")]);
        owner.consume(3);
        owner.check(&[(1, b"d"), (2, b"e")]);
        owner.consume(2);
        assert!(owner.queue.is_empty());
    }

    #[test]
    fn a_full_queue_takes_nothing_and_loses_nothing() {
        let mut bytes = [0; 32];
        let mut owner = Owner::new(&mut bytes);
        assert!(owner.push(1, &[&[7; 20]]));
        assert!(!owner.push(1, &[b"x"]));
        owner.check(&[(1, &[7; 20])]);
        owner.consume(15);
        assert!(owner.push(2, &[b"xyz"]));
        owner.check(&[(1, &[7; 5]), (2, b"xyz")]);
    }

    #[cfg(feature = "large")]
    #[test]
    fn what_is_older_is_inserted_before_what_is_newer_and_not_into_what_is_half_sent() {
        let mut bytes = [0; 100];
        let mut owner = Owner::new(&mut bytes);
        assert!(owner.insert(3, &[b"c"]) && owner.push(9, &[b"iii"]));
        assert!(owner.insert(9, &[b"-"]) && owner.insert(5, &[b"e", b"e"]) && owner.insert(1, &[b"a"]));
        owner.check(&[(1, b"a"), (3, b"c"), (5, b"ee"), (9, b"iii-")]);
        owner.consume(5);
        owner.check(&[(9, b"ii-")]);
        assert!(owner.insert(2, &[b"b"]) && owner.push(9, &[b"+"]) && owner.insert(4, &[b"d"]));
        owner.check(&[(9, b"ii-"), (2, b"b"), (4, b"d"), (9, b"+")]);
        assert!(owner.insert(3, &[&[7; 20]]), "the entries were moved to the front");
        owner.check(&[(9, b"ii-"), (2, b"b"), (3, &[7; 20]), (4, b"d"), (9, b"+")]);
        assert!(!owner.insert(3, &[&[7; 20]]), "there is no place");
        assert!(owner.insert(3, &[]));
        owner.consume(2);
        owner.check(&[(9, b"-"), (2, b"b"), (3, &[7; 20]), (4, b"d"), (9, b"+")]);
        owner.consume(1);
        assert!(owner.insert(1, &[b"a"]));
        owner.check(&[(1, b"a"), (2, b"b"), (3, &[7; 20]), (4, b"d"), (9, b"+")]);
    }

    #[test]
    fn nothing_is_no_entry() {
        let mut bytes = [0; 32];
        let mut owner = Owner::new(&mut bytes);
        assert!(owner.push(1, &[b""]) && owner.queue.is_empty());
    }

    #[test]
    fn an_entry_can_be_put_in_front() {
        let mut bytes = [0; 64];
        let mut owner = Owner::new(&mut bytes);
        assert!(owner.push(5, &[b"later"]) && owner.push_front(3, &[b"so", b"oner"]));
        owner.check(&[(3, b"sooner"), (5, b"later")]);
        owner.consume(2);
        assert!(owner.push(5, &[b"!"]));
        owner.check(&[(3, b"oner"), (5, b"later!")]);
    }

    #[test]
    fn what_is_put_in_front_takes_the_last_byte_and_not_one_more() {
        for (len, fits) in [(9, true), (10, true), (11, false), (12, false)] {
            let mut bytes = [0; 40];
            let mut owner = Owner::new(&mut bytes);
            assert!(owner.push(5, &[b"laterX"]));
            assert_eq!(owner.push_front(3, &[&[7; 12][..len]]), fits, "{len} bytes");
            match fits {
                true => owner.check(&[(3, &[7; 12][..len]), (5, b"laterX")]),
                false => owner.check(&[(5, b"laterX")]),
            }
        }
    }

    #[test]
    fn all_the_place_can_be_used_wherever_the_entries_stand() {
        for (sent, len) in (0..20).flat_map(|sent| (1..=20).map(move |len| (sent, len))) {
            for in_front in [false, true] {
                let mut bytes = [0; HEADER + 20 + HEADER];
                let mut owner = Owner::new(&mut bytes);
                assert!(owner.push(5, &[&[7; 20]]));
                owner.consume(sent);
                let (rest, new) = ((5, &[7; 20][sent..]), (if in_front { 3 } else { 6 }, &[9; 20][..len]));
                let is_pushed =
                    if in_front { owner.push_front(new.0, &[new.1]) } else { owner.push(new.0, &[new.1]) };
                match (is_pushed, in_front) {
                    (true, true) => owner.check(&[new, rest]),
                    (true, false) => owner.check(&[rest, new]),
                    (false, _) => owner.check(&[rest]),
                }
                assert_eq!(is_pushed, len <= sent, "{len} bytes after {sent} were sent");
            }
        }
    }

    #[test]
    fn growing_the_entry_that_is_being_sent_keeps_it_whole() {
        let mut bytes = [0; 48];
        let mut owner = Owner::new(&mut bytes);
        for round in 0..100u8 {
            assert!(owner.push(9, &[&[round; 10]]));
            if round > 0 {
                owner.consume(10);
            }
            owner.check(&[(9, &[round; 10])]);
        }
    }

    #[test]
    fn who_holds_something_has_a_buffer_of_its_own_and_who_does_not_has_none() {
        let mut bytes = [0; 3 * 16];
        let mut buffers = Buffers::new(&mut bytes, 16);
        let mut queues = [const { Queue::EMPTY }; 3];
        // In every order of coming and going, the buffers are enough.
        for going in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
            for (text, queue) in b"abc".chunks(1).zip(&mut queues) {
                assert!(queue.push(&mut buffers, 7, &[text]));
            }
            for index in going {
                let entry = queues[index].first(&buffers).unwrap();
                assert_eq!(queues[index].text(&buffers, entry), &b"abc"[index..=index]);
                queues[index].consume(&mut buffers, 1);
            }
        }
    }

    #[test]
    fn no_more_buffers_are_touched_than_are_needed_at_once() {
        let mut bytes = [0xEE; 3 * 16];
        let mut buffers = Buffers::new(&mut bytes, 16);
        let mut queues = [const { Queue::EMPTY }; 3];
        for queue in &mut queues {
            assert!(queue.push(&mut buffers, 7, &[b"x"]));
            queue.clear(&mut buffers);
        }
        assert_eq!(bytes[16..], [0xEE; 2 * 16]);
    }
}
