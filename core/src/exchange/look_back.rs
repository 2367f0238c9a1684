//! Looking back: a member asks for the last messages of its room, or for those that have some words. It is told
//! what the log and the driver have, through its private queue. Its place in the log stays what it is, so it
//! neither misses what is said meanwhile nor is told it twice.
//!
//! It takes a place among those that catch up, and is told as a newcomer is. So its pages come from the driver,
//! one at a time. The words stay in the line of the connection, which is kept until all is told.

use super::Exchange;
use super::catch_up::{CatchUp, Look};
use crate::conn::Slot;
use crate::io::Wanted;
use crate::room::RoomIndex;
use crate::text::Decimal;

/// The most messages that are shown, if the log does not have more.
const MOST_MESSAGES: u32 = 1_000;
/// The most messages with some words that are shown.
const MOST_FOUND: u32 = 20;

impl Exchange<'_> {
    /// Lets a member be told the last so many messages of a room. Returns false if there is no place to note how
    /// far that is.
    pub(crate) fn look_back(&mut self, slot: Slot, room: RoomIndex, count: u32) -> bool {
        let log = &self.rooms[room].log;
        let (from, missing) = log.last_messages(count);
        let first = log.past(from).map_or(self.seq, |(entry, _)| entry.seq);
        let before = missing.min(MOST_MESSAGES.saturating_sub(count - missing));
        self.begin_look(slot, room, (first, before), Look::NEW)
    }

    /// As [`Exchange::look_back`], for the last messages that have the words in the connection's line.
    pub(crate) fn look_for_words(&mut self, slot: Slot, room: RoomIndex) -> bool {
        self.begin_look(slot, room, (self.seq, MOST_FOUND), Look { searches: true, ..Look::NEW })
    }

    /// `first`: the first record that is taken from the log; `before`: how many messages are wanted before it.
    fn begin_look(&mut self, slot: Slot, room: RoomIndex, (first, before): (u64, u32), look: Look) -> bool {
        let Some(member) = self.speaker(slot, room).filter(|_| !self.is_behind(slot)) else { return false };
        let Some(index) = self.catch_ups.take() else { return false };
        let log = &self.rooms[room].log;
        // Behind the last record. Up to the next number there may be none of the room, and a driver would have
        // none for a page.
        let last = log.past(log.next_record().wrapping_sub(1)).map(|(entry, _)| entry.seq);
        let until = last.map_or(self.seq, |last| last.wrapping_add(1));
        self.catch_ups[index] = CatchUp::of_look(member, [first, until, self.seq], before, look);
        self.conns[slot].catch_up = index;
        self.wake(slot);
        true
    }

    /// Whether a connection looks back. It catches up with nothing else then.
    pub(crate) fn looks_back(&self, slot: Slot) -> bool {
        self.catch_ups.get(self.conns[slot].catch_up).is_some_and(CatchUp::is_look)
    }

    /// Whether a connection waits for the answer to this question about words.
    pub(crate) fn searches(&self, slot: Slot, asked: Wanted) -> bool {
        self.wanted(slot).is_some_and(|wanted| wanted.searches && wanted.number == asked.number)
    }

    /// Counts a message that one that looks back was told.
    pub(super) fn count_told(&mut self, slot: Slot) {
        if let Some(look) = &mut self.catch_ups[self.conns[slot].catch_up].look {
            look.told += 1;
        }
    }

    /// Tells a connection how its look back ends. There is place for a line.
    pub(super) fn finish_look(&mut self, slot: Slot) {
        let Some(Look { searches, told, lacks_some }) = self.catch_ups[self.conns[slot].catch_up].look else {
            return;
        };
        self.end_look(slot);
        let count = Decimal::new(told as usize);
        let count = count.as_str();
        let ending = match (searches, told, lacks_some) {
            (false, _, true) => ["older messages cannot be read now; try again later", "", ""],
            (false, 0, false) => ["nothing was said here lately", "", ""],
            (false, _, false) => return,
            (true, 0, true) => ["the search took too long; try other words", "", ""],
            (true, _, true) => [count, " found; the search took too long for older ones", ""],
            (true, 0, false) => ["nothing found", "", ""],
            (true, MOST_FOUND.., _) => {
                ["the last ", count, " are shown; the operator can see all with parlour history"]
            }
            (true, ..) => [count, " found", ""],
        };
        self.note(slot, &ending);
    }

    /// Ends a look back whose place is needed, because its connection is left behind. It is told so if there is place.
    pub(super) fn give_up_look(&mut self, slot: Slot) {
        if self.looks_back(slot) {
            self.catch_ups[self.conns[slot].catch_up].lacks_some();
            self.finish_look(slot);
        }
    }

    /// Ends a look back.
    pub(super) fn end_look(&mut self, slot: Slot) {
        if self.looks_back(slot) {
            let member = self.catch_ups[self.conns[slot].catch_up].member;
            self.catch_ups.remove(&mut self.conns[slot].catch_up, member, true);
            self.wake(slot);
        }
    }
}
