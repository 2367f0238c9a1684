//! Answers to the questions of the hub: pages of what was said. Clients that ask for nearly the same share one page,
//! and wait together while it is read. A client takes little of a page at once, so it is asked for the next part
//! often; then the page is there.

use std::collections::VecDeque;
use std::rc::Rc;

use parlour_core::{ConnId, Input, Instant, Record, Span, Wanted};
use parlour_journal::{Page, Question, Removals};
use parlour_trace::Taped;

use super::Keeper;
use super::pages::{Pages, Shared};
use crate::serve::recording::Recording;

/// How many clients are answered at once. Then others have their turn.
const AT_ONCE: usize = 16;
/// A question waits for a page that is being read and begins at most so many records earlier. Such a page is likely
/// to have it.
const NEAR: u64 = 256;
/// While more pages than this are being read, no page is read before somebody asks for it.
const FEW: usize = 4;

/// Whom an answer of the journal is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asker {
    /// The client that asked.
    One(Wanted),
    /// All that wait for the page with this number.
    Many(u64),
}

/// A page that is being read, or will be.
#[derive(Debug)]
struct Reading {
    number: u64,
    room: i64,
    from: u64,
    until: u64,
    waiting: Vec<Wanted>,
}

/// What was asked, and what can be answered.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Questions that wait until this record is in the file.
    asked: Vec<(Option<u64>, Question<Asker>)>,
    readings: Vec<Reading>,
    /// The number of the next page.
    next: u64,
    pages: Pages,
    /// Those that can be answered, and with what.
    ready: VecDeque<(Wanted, Rc<Shared>)>,
}

impl Answers {
    /// The hub needs no answer to what it asked for a client before. Such questions must not pile up while nothing
    /// is stored.
    fn forget(&mut self, conn: ConnId) {
        let Self { asked, readings, .. } = self;
        for reading in &mut *readings {
            reading.waiting.retain(|wanted| wanted.conn != conn);
        }
        asked.retain(|(_, question)| match question.token {
            Asker::One(wanted) => wanted.conn != conn,
            Asker::Many(number) => {
                let index = readings.iter().position(|reading| reading.number == number);
                let index = index.filter(|index| readings[*index].waiting.is_empty());
                index.map(|index| readings.swap_remove(index)).is_none()
            }
        });
    }

    /// Lets a client wait for a page, which is read once `after` is in the file.
    fn wait(&mut self, wanted: Wanted, room: i64, from: u64, after: Option<u64>) {
        let is_near = |reading: &&mut Reading| {
            reading.room == room && (reading.from..reading.until.min(reading.from + NEAR)).contains(&from)
        };
        match self.readings.iter_mut().find(is_near) {
            Some(reading) => reading.waiting.push(wanted),
            None => self.begin(room, from, wanted.until, vec![wanted], after),
        }
    }

    fn begin(&mut self, room: i64, from: u64, until: u64, waiting: Vec<Wanted>, after: Option<u64>) {
        let number = self.next;
        self.next += 1;
        self.readings.push(Reading { number, room, from, until, waiting });
        let (token, span) = (Asker::Many(number), Span::From(from));
        self.asked.push((after, Question { token, room, span, until, words: None }));
    }

    /// Takes a page that many wait for.
    fn take(&mut self, number: u64, page: Page<Asker>) {
        let Some(index) = self.readings.iter().position(|reading| reading.number == number) else { return };
        let Reading { room, from, until, waiting, .. } = self.readings.swap_remove(index);
        let Page { records, is_whole, removals, .. } = page;
        let last = records.last_seq().map_or(from, |last| last + 1);
        let page =
            Rc::new(Shared { room, from, next: if is_whole { until } else { last }, removals, records });
        self.pages.keep(&page);
        self.ready.extend(waiting.into_iter().map(|wanted| (wanted, page.clone())));
    }
}

impl Keeper {
    /// Asks the journal for a page for one client. `words`: only messages that have them.
    pub(super) fn ask_for_one(&mut self, wanted: Wanted, room: i64, words: Option<String>) {
        let Wanted { span, until, .. } = wanted;
        self.answers.forget(wanted.conn);
        let question = Question { token: Asker::One(wanted), room, span, until, words };
        self.answers.asked.push((self.handed, question));
        self.ask();
    }

    /// Answers a question for records from a number on, at once or when there is a page.
    pub(super) fn share(
        &mut self,
        hub: &mut Taped<'_, Recording>,
        now: Instant,
        wanted: Wanted,
        room: i64,
        from: u64,
    ) {
        self.answers.pages.expire(self.journal.removals());
        self.answers.forget(wanted.conn);
        if let Some(page) = self.answers.pages.find(room, from)
            && self.answer(hub, now, wanted, &page)
        {
            return self.read_ahead(&page, from, wanted.until);
        }
        self.answers.wait(wanted, room, from, self.handed);
        self.ask();
    }

    /// Somebody reads one page after another. The next one should be there in time.
    fn read_ahead(&mut self, page: &Shared, from: u64, until: u64) {
        let &Shared { room, next, .. } = page;
        let Answers { readings, pages, .. } = &mut self.answers;
        // All up to `until` must be in the file.
        let is_stored = self.handed <= self.stored.seq;
        let is_read = |reading: &Reading| reading.room == room && reading.from == next;
        let goes_on = from > page.from && next < until && is_stored && readings.len() < FEW;
        if goes_on && !readings.iter().any(is_read) && pages.find(room, next).is_none() {
            self.answers.begin(room, next, until, Vec::new(), None);
            self.ask();
        }
    }

    /// Answers a question, if a page has the answer.
    fn answer(&self, hub: &mut Taped<'_, Recording>, now: Instant, wanted: Wanted, page: &Shared) -> bool {
        let Span::From(from) = wanted.span else { return false };
        // A client takes no more at once than its queue holds.
        let most = hub.limits().queue;
        let Some(range) = page.range(from, wanted.until, most) else { return false };
        let records: Vec<_> = page.records.iter(range, wanted.room).collect();
        self.tell(hub, now, wanted, &records, false);
        true
    }

    fn tell(
        &self,
        hub: &mut Taped<'_, Recording>,
        now: Instant,
        wanted: Wanted,
        records: &[Record<'_>],
        has_gap: bool,
    ) {
        let (count, is_after_gap) = self.until_gap(wanted, records);
        hub.handle(now, Input::Page { wanted, records: &records[..count], has_gap: has_gap || is_after_gap });
    }

    /// Takes a page that the journal has read.
    pub(super) fn take_page(&mut self, hub: &mut Taped<'_, Recording>, now: Instant, page: Page<Asker>) {
        match page.token {
            Asker::One(wanted) => {
                let Page { records, has_gap, .. } = &page;
                let records: Vec<_> = records.iter(0..records.len(), wanted.room).collect();
                self.tell(hub, now, wanted, &records, *has_gap);
            }
            Asker::Many(number) if page.has_gap => {
                // It could not be read.
                let readings = &mut self.answers.readings;
                let failed: Vec<_> = readings.extract_if(.., |reading| reading.number == number).collect();
                for wanted in failed.into_iter().flat_map(|reading| reading.waiting) {
                    self.tell(hub, now, wanted, &[], true);
                }
            }
            Asker::Many(number) => {
                self.answers.pages.expire(self.journal.removals());
                self.answers.take(number, page);
            }
        }
    }

    /// Answers some of those that have waited for a page. Returns whether there were any.
    pub(in super::super) fn answer_some(&mut self, hub: &mut Taped<'_, Recording>, now: Instant) -> bool {
        let Removals { forgotten, .. } = self.journal.removals();
        let mut has_answered = false;
        for _ in 0..AT_ONCE {
            let Some((wanted, page)) = self.answers.ready.pop_front() else { break };
            has_answered = true;
            // What somebody has said who was forgotten meanwhile must not be shown.
            if page.removals.forgotten == forgotten && self.answer(hub, now, wanted, &page) {
                continue;
            }
            if let Span::From(from) = wanted.span {
                self.answers.wait(wanted, page.room, from, self.handed);
            }
        }
        self.ask();
        has_answered
    }

    /// Asks for the pages that can be read by now.
    pub(super) fn ask(&mut self) {
        let Self { answers, journal, stored, .. } = self;
        answers
            .asked
            .extract_if(.., |(after, _)| *after <= stored.seq)
            .for_each(|(_, question)| journal.ask(question));
    }

    /// How many pages were read from the file.
    pub(super) fn tell_pages(&self) {
        tracing::debug!(pages = self.journal.pages_read(), "read pages of the journal");
    }

    /// How many records of a page stand before the next gap, and whether one stands before all of them.
    fn until_gap(&self, wanted: Wanted, records: &[Record<'_>]) -> (usize, bool) {
        // Nobody was promised what was said before it came.
        let Span::From(from) = wanted.span else { return (records.len(), false) };
        if wanted.searches {
            return (records.len(), false);
        }
        let next = records.first().map_or(wanted.until, |record| record.seq);
        let has_gap = self.gaps.iter().any(|(first, last)| *last >= from && *first < next);
        let cut = self.gaps.iter().map(|(first, _)| *first).filter(|first| *first >= next).min();
        let count = records.iter().take_while(|record| cut.is_none_or(|cut| record.seq < cut)).count();
        (count, has_gap)
    }
}
