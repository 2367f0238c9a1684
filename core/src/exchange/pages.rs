//! Pages: records that a room's log does not have any more. The hub asks the driver for them, for a
//! connection that catches up. Pages may come late, twice, or never.

use super::Exchange;
use super::catch_up::{AT_ONCE, CatchUp};
use crate::conn::Slot;
use crate::io::Wanted;
use crate::log::before;
use crate::record::Record;

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
            self.agenda.want(&mut self.conns, slot);
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
    fn wanted(&self, slot: Slot) -> Option<Wanted> {
        let &CatchUp { member, next, asked_at, .. } = self.catch_ups.get(self.conns[slot].catch_up)?;
        let room = self.members[member].room;
        let log = &self.rooms[room].log;
        let first = log.find(next).err().filter(|_| asked_at.is_some())?;
        let until = log.past(first).map_or(self.seq, |(entry, _)| entry.seq);
        Some(Wanted { conn: self.id(slot), room: self.room_ref(room), from: next, until })
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
    /// that nobody waits for does nothing.
    pub(crate) fn take_page(&mut self, slot: Slot, from: u64, records: &[Record<'_>]) -> usize {
        let Some(wanted) = self.wanted(slot).filter(|wanted| wanted.from == from) else { return 0 };
        let index = self.conns[slot].catch_up;
        let (mut taken, mut has_place) = (0, true);
        for record in records {
            has_place = self.takes_a_line(slot) && self.queue_used(slot) < AT_ONCE;
            if !has_place || record.room != wanted.room || !before(record.seq, wanted.until) {
                break;
            }
            taken += 1;
            // A page may begin too early, and may have a record twice.
            if !before(record.seq, self.catch_ups[index].next) {
                self.tell_of_page(slot, record);
            }
        }
        self.catch_ups[index].asked_at = None;
        if has_place && self.catch_ups[index].next == from {
            self.lose(slot);
        } else {
            self.wake(slot);
        }
        taken
    }

    fn tell_of_page(&mut self, slot: Slot, record: &Record<'_>) {
        let &Record { seq, unix_ms, author, kind, .. } = record;
        if self.is_told(slot, seq, author, kind) {
            let is_marked = self.is_marked(slot, seq);
            if self.tell_page_rendered(slot, record, is_marked).is_none() {
                let mark = self.mark_if(is_marked, kind, unix_ms);
                let [before, name, between, text, end] = record.pieces();
                self.enqueue(slot, seq, &[&mark, before, name, between, text, end]);
            }
        }
        self.told(slot, seq);
    }
}
