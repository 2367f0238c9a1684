//! Pages of the journal that are kept for a while, because many clients read the same ones. What has been stored does
//! not change, so a page stays right until something is taken out of the file.

use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;

use parlour_core::RoomRef;
use parlour_journal::{Records, Removals};

/// The most pages, and the most bytes of them.
const MOST_PAGES: usize = 256;
const MOST_BYTES: usize = 4 << 20;
/// The bytes that a record takes in the queue of a client at least, besides its text.
const HEADER: usize = 12;

/// All records of a room from one number up to another.
#[derive(Debug)]
pub(super) struct Shared {
    /// The room's number in the journal.
    pub(super) room: i64,
    pub(super) from: u64,
    /// The number behind the last one for which it stands.
    pub(super) next: u64,
    /// What was taken out of the file before it was read.
    pub(super) removals: Removals,
    pub(super) records: Records,
}

impl Shared {
    /// Which of its records come from one number on and before another, and are not many more than `most` bytes.
    /// `None`: it does not know of the first of them.
    pub(super) fn range(&self, from: u64, until: u64, most: usize) -> Option<Range<usize>> {
        if !self.covers(self.room, from) {
            return None;
        }
        let begin = self.records.count_before(from);
        let all = begin..self.records.count_before(until).max(begin);
        if all.is_empty() && until > self.next {
            return None;
        }
        let mut size = 0;
        let fits = self.records.iter(all, RoomRef::NONE).take_while(|record| {
            let fits = size < most;
            size += record.text.len() + HEADER;
            fits
        });
        let count = fits.count();
        Some(begin..begin + count)
    }

    fn covers(&self, room: i64, from: u64) -> bool {
        self.room == room && (self.from..self.next).contains(&from)
    }
}

/// The pages that were used last.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// Those that were used longest ago come first.
    pages: VecDeque<Rc<Shared>>,
    size: usize,
    /// What was taken out of the file before all of them were read.
    removals: Removals,
}

impl Pages {
    /// Drops all pages, if something was taken out of the file since they were read.
    pub(super) fn expire(&mut self, now: Removals) {
        if std::mem::replace(&mut self.removals, now) != now {
            self.pages.clear();
            self.size = 0;
        }
    }

    /// The page that has the record with this number, or that knows that there is none.
    pub(super) fn find(&mut self, room: i64, from: u64) -> Option<Rc<Shared>> {
        let found = self.pages.iter().enumerate().filter(|(_, page)| page.covers(room, from));
        let (index, _) = found.max_by_key(|(_, page)| page.next)?;
        let page = self.pages.remove(index)?;
        self.pages.push_back(page.clone());
        Some(page)
    }

    /// Keeps a page, if nothing was taken out of the file since it was read.
    pub(super) fn keep(&mut self, page: &Rc<Shared>) {
        if page.removals != self.removals || page.next <= page.from {
            return;
        }
        self.size += page.records.size();
        self.pages.push_back(page.clone());
        while (self.size > MOST_BYTES || self.pages.len() > MOST_PAGES)
            && let Some(page) = self.pages.pop_front()
        {
            self.size -= page.records.size();
        }
    }
}

#[cfg(test)]
mod tests {
    use parlour_core::Kind;
    use parlour_journal::Stored;

    use super::*;

    const ROOM: i64 = 3;

    fn page(from: u64, next: u64, seqs: &[u64], text: usize) -> Rc<Shared> {
        let stored: Vec<_> = seqs
            .iter()
            .map(|seq| Stored {
                seq: *seq,
                unix_ms: 0,
                client: 1,
                name: "ann".to_owned(),
                kind: Kind::Say,
                is_torn: false,
                text: vec![b'x'; text],
            })
            .collect();
        let records = stored.iter().collect();
        Rc::new(Shared { room: ROOM, from, next, removals: Removals::default(), records })
    }

    #[test]
    fn a_page_says_only_what_it_knows() {
        let page = page(10, 20, &[11, 13, 17], 8);
        assert_eq!(page.range(10, 99, 1000), Some(0..3));
        assert_eq!(page.range(12, 17, 1000), Some(1..2), "up to where it was asked");
        assert_eq!(page.range(18, 20, 1000), Some(3..3), "there are none");
        assert_eq!(page.range(18, 21, 1000), None, "there may be one behind the page");
        assert_eq!(page.range(14, 16, 1000), Some(2..2));
        assert_eq!(page.range(14, 12, 1000), Some(2..2));
        assert_eq!(page.range(9, 20, 1000), None);
        assert_eq!(page.range(20, 30, 1000), None);
        assert_eq!(page.range(10, 99, 21), Some(0..2), "a little more than was wanted");
        assert_eq!(page.range(10, 99, 20), Some(0..1));
    }

    #[test]
    fn the_page_that_goes_on_furthest_is_found() {
        let mut pages = Pages::default();
        pages.keep(&page(10, 20, &[10, 19], 8));
        pages.keep(&page(15, 30, &[15, 29], 8));
        pages.keep(&page(12, 14, &[12, 13], 8));
        let mut next = |room, from| pages.find(room, from).map(|page| page.next);
        assert_eq!([10, 13, 16, 29].map(|from| next(ROOM, from)), [20, 20, 30, 30].map(Some));
        assert_eq!((next(ROOM, 30), next(ROOM, 9), next(ROOM + 1, 16)), (None, None, None));
    }

    #[test]
    fn what_was_used_longest_ago_goes() {
        let mut pages = Pages::default();
        let count = MOST_BYTES / page(0, 1, &[0], 1 << 16).records.size();
        for number in 0..count as u64 {
            pages.keep(&page(number, number + 1, &[number], 1 << 16));
        }
        assert!(pages.find(ROOM, 0).is_some());
        pages.keep(&page(count as u64, count as u64 + 1, &[count as u64], 1 << 16));
        assert!(pages.find(ROOM, 0).is_some() && pages.find(ROOM, 1).is_none());
        assert!(pages.size <= MOST_BYTES && pages.pages.len() == count);
        for number in 0..2 * MOST_PAGES as u64 {
            pages.keep(&page(number, number + 1, &[number], 1));
        }
        assert_eq!(pages.pages.len(), MOST_PAGES);
        assert_eq!(pages.size, pages.pages.iter().map(|page| page.records.size()).sum());
    }

    #[test]
    fn when_something_is_taken_out_of_the_file_all_pages_go() {
        for removals in [Removals { forgotten: 1, old: 0 }, Removals { forgotten: 0, old: 1 }] {
            let mut pages = Pages::default();
            pages.keep(&page(10, 20, &[11], 8));
            pages.expire(Removals::default());
            assert!(pages.find(ROOM, 11).is_some());
            pages.expire(removals);
            assert!(pages.find(ROOM, 11).is_none() && pages.size == 0);
            // It was being read when that happened.
            pages.keep(&page(10, 20, &[11], 8));
            assert!(pages.find(ROOM, 11).is_none());
        }
    }
}
