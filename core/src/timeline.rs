//! The timeline of a follower: the records that it has not committed, in the order in which they were
//! appended, whatever their rooms. A ring in the memory of [`crate::Storage::order`]. It knows no rooms.

use crate::limits::ENTRY_WORDS;
use crate::log::Position;
use crate::room::RoomIndex;
#[cfg(feature = "save")]
use crate::save::{Damaged, Visit, Visitor, ensure};
use crate::text::no_memory;

/// Where a record is: its room, and its number in the room's log.
pub(crate) type Entry = (RoomIndex, Position);

#[derive(Debug)]
pub(crate) struct Timeline<'a> {
    words: &'a mut [u32],
    /// The place of the first entry.
    start: usize,
    len: usize,
    /// How many of the entries were read.
    read: usize,
}

impl<'a> Timeline<'a> {
    pub(crate) const NONE: Self = Self { words: no_memory(), start: 0, len: 0, read: 0 };

    /// An empty timeline in `words`, [`ENTRY_WORDS`] for each entry.
    pub(crate) fn new(words: &'a mut [u32]) -> Self {
        Self { words, start: 0, len: 0, read: 0 }
    }

    /// Whether there is no memory for entries.
    pub(crate) fn is_missing(&self) -> bool {
        self.words.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether an entry was not read.
    pub(crate) fn has_unread(&self) -> bool {
        self.read < self.len
    }

    /// Appends an entry. There is place for every record that a log can hold.
    pub(crate) fn push(&mut self, entry: Entry) {
        debug_assert!(self.len * ENTRY_WORDS < self.words.len(), "the logs hold no more records");
        self.len += 1;
        self.set(self.len - 1, entry);
    }

    /// The first entry, which is the first one to be committed.
    pub(crate) fn first(&self) -> Option<Entry> {
        (self.len > 0).then(|| self.get(0))
    }

    /// Removes the first entry.
    pub(crate) fn pop(&mut self) -> Option<Entry> {
        let first = self.first()?;
        self.start = self.index(1) / ENTRY_WORDS;
        (self.len, self.read) = (self.len - 1, self.read.saturating_sub(1));
        if self.len == 0 {
            // A follower that keeps up uses few pages of memory.
            self.start = 0;
        }
        Some(first)
    }

    /// Steps over the next entry that was not read, and returns it.
    pub(crate) fn read(&mut self) -> Option<Entry> {
        let entry = self.has_unread().then(|| self.get(self.read))?;
        self.read += 1;
        Some(entry)
    }

    /// All entries count as not read again.
    pub(crate) fn read_again(&mut self) {
        self.read = 0;
    }

    /// Removes the entries of a room.
    pub(crate) fn remove(&mut self, room: RoomIndex) {
        let (len, read) = (self.len, self.read);
        (self.len, self.read) = (0, 0);
        for step in 0..len {
            let entry = self.get(step);
            if entry.0 != room {
                self.set(self.len, entry);
                self.len += 1;
                self.read += usize::from(step < read);
            }
        }
    }

    /// The entries, from the last to the first.
    #[cfg(feature = "save")]
    pub(crate) fn backwards(&self) -> impl Iterator<Item = Entry> {
        (0..self.len).rev().map(|step| self.get(step))
    }

    /// Only its entries are saved: where they stand does not matter.
    #[cfg(feature = "save")]
    pub(crate) fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let Self { words, start: _, len, read } = self;
        len.visit(visitor)?;
        read.visit(visitor)?;
        ensure(*len <= words.len() / ENTRY_WORDS && *read <= *len)?;
        for step in 0..self.len {
            let mut entry = self.get(step);
            entry.visit(visitor)?;
            self.set(step, entry);
        }
        Ok(())
    }

    fn get(&self, step: usize) -> Entry {
        let at = self.index(step);
        (self.words[at], self.words[at + 1])
    }

    fn set(&mut self, step: usize, (room, number): Entry) {
        let at = self.index(step);
        (self.words[at], self.words[at + 1]) = (room, number);
    }

    /// The first word of the entry so many steps after the first.
    fn index(&self, step: usize) -> usize {
        let (at, all) = ((self.start + step) * ENTRY_WORDS, self.words.len());
        if at < all { at } else { at - all }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills the ring again and again, and reads and commits in steps of these lengths.
    #[test]
    fn entries_come_back_in_order_however_the_ring_wraps() {
        let mut words = [0; 5 * ENTRY_WORDS];
        let mut timeline = Timeline::new(&mut words);
        let (mut pushed, mut read, mut popped) = (0, 0, 0);
        for round in 0..40 {
            while pushed - popped < 5 {
                timeline.push((pushed % 3, pushed));
                pushed += 1;
            }
            for _ in 0..round % 6 {
                let entry = timeline.read();
                assert_eq!(entry, (read < pushed).then_some((read % 3, read)));
                read += u32::from(entry.is_some());
            }
            assert_eq!(timeline.has_unread(), read < pushed);
            for _ in 0..=round % 5 {
                assert_eq!(timeline.pop(), Some((popped % 3, popped)));
                popped += 1;
            }
            read = read.max(popped);
            if round % 7 == 0 {
                timeline.read_again();
                read = popped;
            }
        }
    }

    #[test]
    fn the_entries_of_a_room_can_be_removed_from_among_the_others() {
        for (skipped, read) in (0..5).flat_map(|skipped| (0..=5).map(move |read| (skipped, read))) {
            let mut words = [0; 5 * ENTRY_WORDS];
            let mut timeline = Timeline::new(&mut words);
            for number in 0..skipped {
                timeline.push((9, number));
            }
            timeline.push((1, 0));
            for _ in 0..skipped {
                timeline.pop();
            }
            for entry in [(2, 1), (1, 2), (3, 3), (2, 4)] {
                timeline.push(entry);
            }
            for _ in 0..read {
                timeline.read();
            }
            timeline.remove(1);
            let left = [(2, 1), (3, 3), (2, 4)];
            for entry in left.into_iter().filter(|(_, number)| *number >= read) {
                assert_eq!(timeline.read(), Some(entry), "after {read} were read");
            }
            assert_eq!(timeline.read(), None);
            timeline.read_again();
            assert_eq!(
                [(); 4].map(|()| timeline.read()),
                [Some(left[0]), Some(left[1]), Some(left[2]), None]
            );
        }
    }

    #[cfg(feature = "save")]
    #[test]
    fn more_entries_than_there_is_memory_for_are_refused_and_more_read_than_there_are() {
        const ENTRIES: usize = 3;
        for (len, read, is_sound) in [
            (0, 0, true),
            (3, 0, true),
            (3, 3, true),
            (3, 4, false),
            (4, 0, false),
            (4, 4, false),
            (2 * ENTRIES * ENTRY_WORDS, 0, false),
            (usize::MAX, 0, false),
        ] {
            let write = |visitor: &mut Visitor<'_>| {
                let (mut len, mut read) = (len, read);
                len.visit(visitor)?;
                read.visit(visitor)?;
                (0..64).try_for_each(|_| 0_u32.visit(visitor))
            };
            let found = crate::save::written_and_read(write, |visitor| {
                Timeline::new(&mut [0; ENTRIES * ENTRY_WORDS]).visit(visitor)
            });
            assert_eq!(found.is_ok(), is_sound, "{read} of {len}");
        }
    }
}
