//! Catch-up: a member that stands at a sequence number instead of a place in the log. It holds
//! nothing. What it has not read goes out through its private queue, marked as past. When nothing is
//! left that is not held anyway, it is attached to the log again, and reads on like everybody.
//!
//! Newcomers are shown the last messages of their room in this way. So are members that a room does not
//! wait for any longer, if their listener replays ([`OnLag::Replay`]). If records are gone from the log,
//! the driver is asked for a page of them; see `pages`.
//!
//! One that leaves its room is still told what was said there until then. Its membership and its connection
//! end after that.
//!
//! [`OnLag::Replay`]: crate::limits::OnLag::Replay

#[cfg(feature = "large")]
mod look;
mod table;

#[cfg(feature = "large")]
pub(super) use self::look::Look;
#[cfg(feature = "large")]
pub(super) use self::table::BeforeLog;
pub use self::table::CatchUp;
pub(crate) use self::table::CatchUps;
use super::Exchange;
use crate::conn::{NONE, Slot, State};
use crate::ids::Cause;
use crate::log::{Position, before};
use crate::record::{Identity, Kind};
use crate::room::{Member, MemberIndex, Membership, Room, RoomIndex};
use crate::text::Decimal;

/// The most bytes that wait at once for a client that catches up, besides one line, unless half of its queue is
/// more. The rest is for answers.
pub(super) const AT_ONCE: u32 = 2048;
/// The most records at once.
const STEPS_AT_ONCE: u32 = 32;

/// What there is to tell next.
enum Next {
    /// A record was told, or passed over.
    Told,
    /// Nothing is left.
    Nothing,
    /// Records are gone from the log.
    Gone,
}

impl Exchange<'_> {
    // --- Beginning ---

    /// Lets a newcomer to a room be shown its last messages first, as many as the configuration says.
    /// Without a place to note how far that is, it is shown none.
    pub(crate) fn show_history(&mut self, slot: Slot, room: RoomIndex) {
        let log = &self.rooms[room].log;
        let (from, missing) = log.last_messages(self.config.history);
        let first = log.past(from).map(|(entry, _)| entry.seq);
        let asks = cfg!(feature = "large") && self.config.keeps_records && missing > 0;
        if (first.is_some() || asks)
            && let Some(member) = self.speaker(slot, room)
        {
            let missing = if asks { missing } else { 0 };
            self.detach(slot, CatchUp::of_newcomer(member, first.unwrap_or(self.seq), self.seq, missing));
        }
    }

    /// Lets a member stand at a sequence number. Returns false if there is no place to note it.
    pub(super) fn detach(&mut self, slot: Slot, catch_up: CatchUp) -> bool {
        let Some(index) = self.take_catch_up(slot, catch_up) else { return false };
        self.catch_ups.append(&mut self.conns[slot].catch_up, index);
        self.wake(slot);
        true
    }

    /// Notes how far a membership is, in a place that is not yet among those of its connection.
    pub(super) fn take_catch_up(&mut self, slot: Slot, catch_up: CatchUp) -> Option<u32> {
        if !self.can_detach(slot) {
            return None;
        }
        // One place for each connection is enough for all that are in one room.
        self.give_up_look(slot);
        let index = self.catch_ups.take()?;
        if self.conns[slot].catch_up == NONE {
            self.begin_to_be_behind(slot);
        }
        self.members[catch_up.member].is_behind = true;
        self.catch_ups[index] = catch_up;
        Some(index)
    }

    /// Whether there is a place to note how far a connection is. A small hub has one for each connection.
    pub(super) fn can_detach(&self, slot: Slot) -> bool {
        (cfg!(feature = "large") || self.conns[slot].catch_up == NONE)
            && (self.catch_ups.has_place() || self.looks_back(slot))
    }

    /// Whether a connection catches up.
    pub(crate) fn is_behind(&self, slot: Slot) -> bool {
        self.conns[slot].catch_up != NONE
    }

    /// Forgets how far a membership was, because it has been told all or is attached. Then it is the turn of
    /// the next one of its connection.
    pub(super) fn end_catch_up(&mut self, slot: Slot, member: MemberIndex) {
        self.members[member].is_behind = false;
        self.catch_ups.remove(&mut self.conns[slot].catch_up, member, false);
        self.wake(slot);
    }

    /// A membership that is behind leaves its room. It is told what was said until now, but nothing that was
    /// said before it came.
    pub(super) fn leave_while_behind(&mut self, index: MemberIndex) {
        let Member { conn: slot, room, .. } = self.members[index];
        let log = &self.rooms[room].log;
        // The number of the last record, and not the next number: there may be no record between the two, and
        // then the driver would have none for a page.
        let last = log.past(log.next_record().wrapping_sub(1)).map(|(entry, _)| entry.seq);
        let Some(place) = self.catch_ups.place_of(self.conns[slot].catch_up, index) else { return };
        let catch_up = &mut self.catch_ups[place];
        catch_up.leave(last.map(|last| last.wrapping_add(1)));
        if !catch_up.has_more() {
            self.end_catch_up(slot, index);
        }
    }

    // --- Going on ---

    /// Tells a connection that catches up what comes next, as its queue has room, and attaches it.
    pub(crate) fn catch_up(&mut self, slot: Slot) {
        self.stay_away(slot);
        if !self.is_behind(slot) || self.is_away(slot) {
            return;
        }
        let index = self.conns[slot].catch_up;
        if !core::mem::take(&mut self.catch_ups[index].has_turn) {
            // What it says needs place in its queue too, for an answer.
            return self.pause(slot);
        }
        if self.catch_ups[index].is_before_log() {
            return self.want_page(slot);
        }
        for _ in 0..STEPS_AT_ONCE {
            // What waits for it in its queue may be newer than what it reads next in the log.
            if self.conns[slot].queue.is_empty() && self.attach(slot, false) {
                return self.wake(slot);
            }
            if !self.takes_past(slot) {
                return self.block(slot);
            }
            match self.tell_next(slot) {
                Next::Told => {}
                Next::Nothing => {
                    self.attach(slot, true);
                    return self.wake(slot);
                }
                Next::Gone => return self.want_page(slot),
            }
        }
        self.pause(slot);
    }

    /// Lets a connection that has paused be told more, if it catches up.
    pub(super) fn give_turn(&mut self, slot: Slot) {
        if self.is_behind(slot) {
            let index = self.conns[slot].catch_up;
            self.catch_ups[index].has_turn = true;
        }
    }

    /// Whether there is place in the queue of a connection for another record that it is told.
    pub(super) fn takes_past(&self, slot: Slot) -> bool {
        let at_once = AT_ONCE.max(self.limits.queue as u32 / 2);
        let is_short = self.queue_used(slot) < at_once || self.must_be_told_more(slot);
        is_short && self.takes_next(slot)
    }

    /// Tells a connection the next record that it has not read.
    fn tell_next(&mut self, slot: Slot) -> Next {
        let catch_up = self.catch_ups[self.conns[slot].catch_up];
        if !catch_up.has_more() {
            return Next::Nothing;
        }
        let CatchUp { member, next, .. } = catch_up;
        let room = self.members[member].room;
        let log = &self.rooms[room].log;
        let Ok(number) = log.find(next) else { return Next::Gone };
        let Some((entry, _)) = log.past(number) else { return Next::Nothing };
        if self.is_told(slot, entry.seq, entry.author(), entry.kind()) {
            self.tell_again(
                slot,
                (room, number),
                self.place_among_output(slot, entry.seq),
                self.is_marked(slot, entry.seq),
            );
            self.count_told(slot);
        }
        self.catch_ups[self.conns[slot].catch_up].pass(entry.seq, entry.kind().is_message());
        Next::Told
    }

    /// Whether a connection that catches up is told a record: of what was said before it came, all
    /// messages, and then everything but what it has said itself.
    pub(super) fn is_told(&self, slot: Slot, seq: u64, author: Identity, kind: Kind) -> bool {
        let came_at = self.catch_ups[self.conns[slot].catch_up].came_at;
        if came_at.is_some_and(|came_at| before(seq, came_at)) {
            return kind.is_message();
        }
        author != self.conns[slot].identity || kind.comes_back()
    }

    /// Whether a record that a connection is told is marked as past: not if it was said after it came.
    pub(super) fn is_marked(&self, slot: Slot, seq: u64) -> bool {
        let catch_up = &self.catch_ups[self.conns[slot].catch_up];
        catch_up.came_at.map_or(catch_up.marks_all(), |came_at| before(seq, came_at))
    }

    /// Attaches a connection to the log, if it has been told what it should be told first, and if what it
    /// has not read is held anyway; or `at_end`, where nothing is left. One that has left ends there.
    fn attach(&mut self, slot: Slot, at_end: bool) -> bool {
        let CatchUp { member: index, next, came_at, .. } = self.catch_ups[self.conns[slot].catch_up];
        if self.looks_back(slot) {
            // It is attached already.
            if at_end {
                self.finish_look(slot);
            }
            return at_end;
        }
        if self.members[index].state != Membership::Present {
            if at_end {
                self.end_catch_up(slot, index);
                self.settle(index);
            }
            return at_end;
        }
        // In its own encoding.
        let reads = self.members[index].log();
        let log = self.rooms.log(reads);
        let number = if at_end { Ok(log.next_record()) } else { log.find(next) };
        let Ok(number) = number else { return false };
        let is_history = came_at.is_some_and(|came_at| before(next, came_at));
        if !at_end && (is_history || before(log.start_of(number), log.hold())) {
            return false;
        }
        self.end_catch_up(slot, index);
        let identity = self.conns[slot].identity;
        let log = &mut self.rooms[reads].log;
        let position = log.start_of(number);
        let member = &mut self.members[index];
        (member.position, member.end, member.own_ahead) = (position, position, false);
        // What it has said meanwhile does not come back to it.
        let mut own = number;
        while own != log.next_record() {
            let entry = log.record(own);
            if entry.author() == identity && !entry.kind().comes_back() {
                member.note_own(log, own);
            }
            own = own.wrapping_add(1);
        }
        member.advance(log, position);
        self.list_again(index);
        self.touch(slot);
        true
    }

    /// No driver keeps records for a small hub.
    #[cfg(not(feature = "large"))]
    fn want_page(&mut self, slot: Slot) {
        self.lose(slot);
    }

    /// Where the next record that it is told stands among its output. What it was left behind at may be in the
    /// log already, so that is told in its own place. One that looks back is told after what was said until now.
    pub(super) fn place_among_output(&self, slot: Slot, seq: u64) -> u64 {
        if self.looks_back(slot) { self.seq } else { seq }
    }

    /// Gives up records that are gone. A client that should have got them is told so, and one to which a
    /// gap does harm is disconnected.
    pub(super) fn lose(&mut self, slot: Slot) {
        let catch_up = &mut self.catch_ups[self.conns[slot].catch_up];
        let CatchUp { member, next, until, .. } = *catch_up;
        catch_up.lacks_some();
        if catch_up.is_before_log() {
            // Nobody was promised what was said before it came.
            catch_up.come_to_log();
            return self.wake(slot);
        }
        let room = &self.rooms[self.members[member].room];
        let Err(first) = room.log.find(next) else { return self.wake(slot) };
        let next = self.first_after_gap(room, first, until);
        self.lose_before(slot, next);
    }

    /// As [`Exchange::lose`], for records before `next`. Returns false if the client is disconnected.
    pub(super) fn lose_before(&mut self, slot: Slot, next: u64) -> bool {
        let catch_up = &mut self.catch_ups[self.conns[slot].catch_up];
        // Nobody was promised what was said before it came.
        let is_history = catch_up.came_at.is_some_and(|came_at| !before(came_at, next));
        let does_harm = self.rooms[self.members[catch_up.member].room].owner.is_some();
        catch_up.next = next;
        catch_up.end_request();
        if does_harm {
            self.stats.lagged += 1;
            self.kill(slot, Cause::Lagged, State::Dead { abort: true });
            return false;
        }
        let missed = self.count_missed(slot);
        if !is_history {
            let missed = missed.map(|missed| Decimal::new(missed as usize));
            let count = missed.as_ref().map_or("some", Decimal::as_str);
            self.note_at(slot, next, &["you missed ", count, " messages"]);
        }
        self.wake(slot);
        true
    }

    /// The number at which records can be read again that are gone before `first`, or at which one that has
    /// left needs no more.
    pub(super) fn first_after_gap(&self, room: &Room<'_>, first: Position, until: u64) -> u64 {
        let seq = room.log.past(first).map_or(self.seq, |(entry, _)| entry.seq);
        if before(until, seq) { until } else { seq }
    }
}
