//! Pages: records that a room's log does not have any more. The hub asks the driver for them, for a
//! connection that catches up. Pages may come late, twice, or never.

use super::Exchange;
use super::catch_up::{BeforeLog, CatchUp};
use crate::conn::Slot;
use crate::io::{Span, Wanted};
use crate::limits::CONNS_AT_ONCE;
use crate::log::before;
use crate::record::{Record, RoomRef};
use crate::room::{Member, Membership};

/// How long the driver may take to answer, in ms. After that, the records are given up.
const LATE_MS: u32 = 5_000;

impl Exchange<'_> {
    /// Asks the driver for records that are gone from the log, if it keeps any.
    pub(super) fn want_page(&mut self, slot: Slot) {
        if !self.config.keeps_records {
            return self.lose(slot);
        }
        let (index, now) = (self.conns[slot].catch_up, self.now.wrapping_millis());
        if self.catch_ups[index].asked_at.is_none() {
            self.catch_ups[index].asked_at = Some(now);
            self.catch_ups[index].page = self.agenda.want(&mut self.conns, slot);
            self.agenda.ask();
        }
        let asked_at = self.catch_ups[index].asked_at.unwrap_or(now);
        let late_at = self.now.or_after(asked_at, LATE_MS);
        if late_at <= self.now {
            return self.lose(slot);
        }
        self.conns[slot].paused = true;
        self.arm(slot, late_at);
    }

    /// The records that a connection waits for, if they are still gone from the log.
    pub(super) fn wanted(&self, slot: Slot) -> Option<Wanted> {
        let &CatchUp { member, next, until, asked_at, before_log, page: number, look, .. } =
            self.catch_ups.get(self.conns[slot].catch_up)?;
        let room = self.members[member].room;
        let (conn, found) = (self.id(slot), &self.rooms[room]);
        asked_at?;
        let (span, until) = match before_log {
            BeforeLog::Last(count) => (Span::Last(count), next),
            BeforeLog::From(from) => (Span::From(from), next),
            BeforeLog::Nothing => {
                let first = found.log.find(next).err()?;
                (Span::From(next), self.first_after_gap(found, first, until))
            }
        };
        let searches = look.is_some_and(|look| look.searches);
        Some(Wanted { number, conn, room: self.room_ref(room), span, until, searches })
    }

    /// Asks for the page that a connection waits for once more.
    #[cfg(feature = "save")]
    pub(super) fn want_page_again(&mut self, slot: Slot) {
        if self.wanted(slot).is_some() {
            self.agenda.want_again(&mut self.conns, slot);
            self.agenda.ask();
        }
    }

    /// The next page that the driver is asked for.
    pub(super) fn next_wanted(&mut self) -> Option<Wanted> {
        loop {
            let slot = self.agenda.next_wanted(&mut self.conns)?;
            if let Some(wanted) = self.wanted(slot) {
                return Some(wanted);
            }
        }
    }

    /// Takes records of a page that a connection waits for. Returns how many of them it took. A page
    /// that nobody waits for does nothing. `has_gap`: records are missing before the first one.
    pub(crate) fn take_page(
        &mut self,
        slot: Slot,
        asked: Wanted,
        has_gap: bool,
        records: &[Record<'_>],
    ) -> usize {
        let Some(wanted) = self.wanted(slot).filter(|wanted| wanted.number == asked.number) else { return 0 };
        if has_gap && (wanted.searches || records.is_empty()) {
            self.catch_ups[self.conns[slot].catch_up].lacks_some();
        }
        let (mut taken, mut has_place, mut next) = (0, true, None);
        for record in records {
            has_place = self.takes_past(slot);
            if !has_place || record.room != wanted.room || !before(record.seq, wanted.until) {
                break;
            }
            if has_gap && taken == 0 && self.is_gap(slot, wanted.span, record.seq) {
                if !self.lose_before(slot, record.seq) {
                    return 0;
                }
                next = Some(record.seq);
                has_place = self.takes_past(slot);
                if !has_place {
                    break;
                }
            }
            taken += 1;
            // A page may begin too early, and may have a record twice.
            let first = next.or(if let Span::From(from) = wanted.span { Some(from) } else { None });
            if first.is_none_or(|first| !before(record.seq, first)) {
                self.tell_of_page(slot, record);
                self.catch_ups[self.conns[slot].catch_up].count(record.kind.is_message());
                next = Some(record.seq.wrapping_add(1));
            }
        }
        self.catch_ups[self.conns[slot].catch_up].end_request();
        if wanted.searches && taken == records.len() {
            // It has all that was found.
            self.catch_ups[self.conns[slot].catch_up].come_to_log();
            self.wake(slot);
        } else {
            self.read_page(slot, wanted.span, (next, taken, has_place));
        }
        taken
    }

    /// Whether a connection has missed something if a page begins with `first`, and nothing before that is left.
    fn is_gap(&self, slot: Slot, span: Span, first: u64) -> bool {
        // Nobody was promised what was said before it came.
        let is_owed = self.catch_ups[self.conns[slot].catch_up].before_log == BeforeLog::Nothing;
        is_owed && matches!(span, Span::From(from) if before(from, first))
    }

    /// Notes how far a page has brought a connection.
    fn read_page(&mut self, slot: Slot, span: Span, (next, taken, has_place): (Option<u64>, usize, bool)) {
        let catch_up = &mut self.catch_ups[self.conns[slot].catch_up];
        if catch_up.before_log != BeforeLog::Nothing {
            let is_all = span == Span::Last(taken as u32);
            let until = catch_up.next;
            match next {
                Some(next) if !is_all && before(next, until) => catch_up.before_log = BeforeLog::From(next),
                None if !has_place => {}
                _ => catch_up.come_to_log(),
            }
        } else if let Some(next) = next {
            catch_up.next = next;
        } else if has_place {
            return self.lose(slot);
        }
        self.wake(slot);
    }

    fn tell_of_page(&mut self, slot: Slot, record: &Record<'_>) {
        let &Record { seq, unix_ms, author, kind, .. } = record;
        if self.is_told(slot, seq, author, kind) {
            let is_marked = self.is_marked(slot, seq);
            if self.tell_page_rendered(slot, record, is_marked).is_none() {
                let mark = self.mark_if(is_marked, kind, unix_ms);
                let [before, name, between, text, end] = record.pieces();
                let place = self.place_among_output(slot, seq);
                self.enqueue(slot, place, &[&mark, before, name, between, text, end]);
            }
            self.count_told(slot);
        }
    }

    /// Sets the topic that a room had before, unless it has one. Newcomers that wait for its history are told.
    pub(crate) fn recall_topic(&mut self, room: RoomRef, topic: &str) {
        let Some(room) = self.same_room(room).filter(|room| self.rooms[*room].topic.is_empty()) else {
            return;
        };
        let topic = self.set_topic(room, topic.as_bytes());
        let mut next = self.rooms[room].first;
        for _ in 0..CONNS_AT_ONCE {
            let Some(&Member { conn, state, is_behind, next: following, .. }) = self.members.get(next) else {
                return;
            };
            next = following;
            if is_behind && state == Membership::Present {
                self.note::<&[u8]>(conn, &[b"topic: ", &topic]);
            }
        }
    }
}
