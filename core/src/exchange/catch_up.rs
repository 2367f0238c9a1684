//! Catch-up: a member that stands at a sequence number instead of a place in the log. It holds
//! nothing. What it has not read goes out through its private queue, marked as past. When nothing is
//! left that is not held anyway, it is attached to the log again, and reads on like everybody.
//!
//! Newcomers are shown the last messages of their room in this way. So are members that a room does not
//! wait for any longer, if their listener replays ([`OnLag::Replay`]). If records are gone from the log,
//! the driver is asked for a page of them; see `pages`.
//!
//! [`OnLag::Replay`]: crate::limits::OnLag::Replay

use core::ops::{Index, IndexMut};

use super::Exchange;
use crate::conn::{NONE, Slot, State};
use crate::ids::Cause;
use crate::log::before;
use crate::record::{Identity, Kind};
use crate::room::{MemberIndex, RoomIndex};
#[cfg(feature = "save")]
use crate::save::{Damaged, Visit, Visitor, check_list, ensure};

/// The most bytes that wait at once for a client that catches up, besides one line. More would not go
/// out sooner, and each connection would need memory for them.
pub(super) const AT_ONCE: u32 = 2048;
/// The most records at once.
const STEPS_AT_ONCE: u32 = 32;

/// Storage for one membership of a connection that catches up.
#[derive(Clone, Copy, Debug)]
pub struct CatchUp {
    /// The membership; while this is free, the free one that is used after it.
    pub(super) member: MemberIndex,
    /// Records from this sequence number on are still to be told.
    pub(super) next: u64,
    /// For a newcomer: the sequence number at which it came. Of what was said before, it is told the
    /// messages alone, marked as past: they are the history of its room. `None` for one that was left
    /// behind: what it is told is all marked.
    pub(super) came_at: Option<u64>,
    /// For a newcomer: what it is told before it is told what the log has.
    #[cfg(feature = "large")]
    pub(super) before_log: BeforeLog,
    /// The number of the last page that the driver was asked for.
    #[cfg(feature = "large")]
    pub(super) page: u32,
    /// Since when the driver has been asked for a page; see [`Instant::wrapping_millis`].
    pub(super) asked_at: Option<u32>,
    /// It may be told more now. After each time that its queue was filled, its own input comes first.
    has_turn: bool,
    /// The one of the same connection that comes after this one, or [`NONE`].
    #[cfg(feature = "large")]
    after: u32,
}

impl CatchUp {
    /// A free one, to fill storage with.
    pub const EMPTY: Self = Self {
        member: NONE,
        next: 0,
        came_at: None,
        #[cfg(feature = "large")]
        before_log: BeforeLog::Nothing,
        #[cfg(feature = "large")]
        page: 0,
        asked_at: None,
        has_turn: false,
        #[cfg(feature = "large")]
        after: NONE,
    };

    /// One that was left behind, and reads on from this sequence number.
    pub(super) fn of_laggard(member: MemberIndex, next: u64) -> Self {
        Self { member, next, ..Self::EMPTY }
    }

    /// One that comes in now, and is told records from `next` on; so many messages before these only the driver
    /// may have.
    #[cfg_attr(not(feature = "large"), expect(unused_variables, reason = "no driver keeps records"))]
    fn of_newcomer(member: MemberIndex, next: u64, now: u64, missing: u32) -> Self {
        Self {
            member,
            next,
            came_at: Some(now),
            #[cfg(feature = "large")]
            before_log: if missing > 0 { BeforeLog::Last(missing) } else { BeforeLog::Nothing },
            ..Self::EMPTY
        }
    }
}

/// The part of a newcomer's history that only the driver may have.
#[cfg(feature = "large")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BeforeLog {
    Nothing,
    /// The last so many messages before those of the log.
    Last(u32),
    /// Of these, the ones with this sequence number and later ones.
    From(u64),
}

#[cfg(feature = "save")]
impl Visit for BeforeLog {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        visitor.variant(self, &[Self::Nothing, Self::Last(0), Self::From(0)])?;
        match self {
            Self::Nothing => Ok(()),
            Self::Last(count) => count.visit(visitor),
            Self::From(from) => from.visit(visitor),
        }
    }
}

#[cfg(feature = "large")]
impl CatchUp {
    fn after(&self) -> u32 {
        self.after
    }

    fn is_before_log(&self) -> bool {
        self.before_log != BeforeLog::Nothing
    }

    /// It goes on with what the log has.
    pub(super) fn come_to_log(&mut self) {
        (self.before_log, self.asked_at) = (BeforeLog::Nothing, None);
    }
}

/// A small hub lets a connection catch up in one room at a time, and no driver keeps records for it.
#[cfg(not(feature = "large"))]
impl CatchUp {
    fn after(&self) -> u32 {
        NONE
    }

    fn is_before_log(&self) -> bool {
        false
    }

    fn come_to_log(&mut self) {}
}

/// The pool of those that catch up.
#[derive(Debug)]
pub(crate) struct CatchUps<'a> {
    table: &'a mut [CatchUp],
    free: u32,
    unused: u32,
}

impl Index<u32> for CatchUps<'_> {
    type Output = CatchUp;

    fn index(&self, index: u32) -> &CatchUp {
        &self.table[index as usize]
    }
}

impl IndexMut<u32> for CatchUps<'_> {
    fn index_mut(&mut self, index: u32) -> &mut CatchUp {
        &mut self.table[index as usize]
    }
}

impl<'a> CatchUps<'a> {
    pub(crate) fn new(table: &'a mut [CatchUp]) -> Self {
        Self { table, free: NONE, unused: 0 }
    }

    /// How far a connection is, if it catches up.
    pub(super) fn get(&self, index: u32) -> Option<&CatchUp> {
        self.table.get(index as usize)
    }

    /// This place, and those of the same connection that come after it.
    pub(super) fn from(&self, mut index: u32) -> impl Iterator<Item = (u32, &CatchUp)> {
        core::iter::from_fn(move || {
            let found = self.get(index)?;
            Some((core::mem::replace(&mut index, found.after()), found))
        })
    }

    /// The last of these.
    #[cfg(feature = "large")]
    fn last(&self, first: u32) -> Option<u32> {
        self.from(first).last().map(|(last, _)| last)
    }

    /// Lets a place come last of those of a connection, which begin at `first`.
    #[cfg(feature = "large")]
    fn append(&mut self, first: &mut u32, index: u32) {
        match self.last(*first) {
            Some(last) => self[last].after = index,
            None => *first = index,
        }
    }

    #[cfg(not(feature = "large"))]
    fn append(&mut self, first: &mut u32, index: u32) {
        *first = index;
    }

    /// Takes the place of a membership out of those of its connection, and frees it.
    fn remove(&mut self, first: &mut u32, member: MemberIndex) {
        let mut before = None;
        let is_it = |(index, found): &(u32, &CatchUp)| {
            let is_it = found.member == member;
            before = if is_it { before } else { Some(*index) };
            is_it
        };
        let Some((index, after)) = self.from(*first).find(is_it).map(|(index, found)| (index, found.after()))
        else {
            return;
        };
        match before {
            #[cfg(feature = "large")]
            Some(before) => self[before].after = after,
            _ => *first = after,
        }
        self.give_back(index);
    }

    fn has_place(&self) -> bool {
        self.free != NONE || (self.unused as usize) < self.table.len()
    }

    fn take(&mut self) -> Option<u32> {
        if self.free != NONE {
            let index = self.free;
            self.free = self.table[index as usize].member;
            return Some(index);
        }
        let is_left = (self.unused as usize) < self.table.len();
        self.unused += u32::from(is_left);
        is_left.then(|| self.unused - 1)
    }

    fn give_back(&mut self, index: u32) {
        let member = core::mem::replace(&mut self.free, index);
        self.table[index as usize] = CatchUp { member, ..CatchUp::EMPTY };
    }
}

#[cfg(feature = "save")]
impl CatchUps<'_> {
    /// The places that are or were in use.
    pub(super) fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let Self { table, free, unused } = self;
        free.visit(visitor)?;
        unused.visit(visitor)?;
        let used = table.get_mut(..*unused as usize).ok_or(Damaged)?;
        used.iter_mut().try_for_each(|catch_up| {
            catch_up.visit(visitor)?;
            ensure(catch_up.after == NONE || catch_up.after < *unused)
        })
    }

    /// Checks that all places but `taken` are free, and can be taken once.
    pub(super) fn check(
        &self,
        taken: usize,
        is_taken: impl Fn(&CatchUp, u32) -> bool,
    ) -> Result<(), Damaged> {
        let used = &self.table[..self.unused as usize];
        let free = used.len().checked_sub(taken).ok_or(Damaged)?;
        check_list(self.free, free, |index| {
            let catch_up = used.get(index as usize)?;
            (!is_taken(catch_up, index)).then_some(catch_up.member)
        })
    }
}

#[cfg(feature = "save")]
impl Visit for CatchUp {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let Self { member, next, came_at, before_log, page, asked_at, has_turn, after } = self;
        member.visit(visitor)?;
        next.visit(visitor)?;
        visitor.option(came_at, 0)?;
        before_log.visit(visitor)?;
        page.visit(visitor)?;
        visitor.option(asked_at, 0)?;
        has_turn.visit(visitor)?;
        after.visit(visitor)
    }
}

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
        if !self.can_detach(slot) {
            return false;
        }
        let Some(index) = self.catch_ups.take() else { return false };
        self.members[catch_up.member].is_behind = true;
        self.catch_ups[index] = catch_up;
        self.catch_ups.append(&mut self.conns[slot].catch_up, index);
        self.wake(slot);
        true
    }

    /// Whether there is a place to note how far a connection is. A small hub has one for each connection.
    pub(super) fn can_detach(&self, slot: Slot) -> bool {
        (cfg!(feature = "large") || self.conns[slot].catch_up == NONE) && self.catch_ups.has_place()
    }

    /// Whether a connection catches up.
    pub(crate) fn is_behind(&self, slot: Slot) -> bool {
        self.conns[slot].catch_up != NONE
    }

    /// Forgets how far a membership was, because it has left the room or is attached. Then it is the turn of
    /// the next one of its connection.
    pub(super) fn end_catch_up(&mut self, slot: Slot, member: MemberIndex) {
        self.members[member].is_behind = false;
        self.catch_ups.remove(&mut self.conns[slot].catch_up, member);
        self.wake(slot);
    }

    // --- Going on ---

    /// Tells a connection that catches up what comes next, as its queue has room, and attaches it.
    pub(crate) fn catch_up(&mut self, slot: Slot) {
        if !self.is_behind(slot) || !self.is_open(slot) {
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
            if self.queue_used(slot) >= AT_ONCE || !self.takes_a_line(slot) {
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

    /// Tells a connection the next record that it has not read.
    fn tell_next(&mut self, slot: Slot) -> Next {
        let CatchUp { member, next, .. } = self.catch_ups[self.conns[slot].catch_up];
        let room = self.members[member].room;
        let log = &self.rooms[room].log;
        let Ok(number) = log.find(next) else { return Next::Gone };
        let Some((entry, _)) = log.past(number) else { return Next::Nothing };
        if self.is_told(slot, entry.seq, entry.author(), entry.kind()) {
            // In its own place: what follows may be in the log already.
            self.tell_again(slot, (room, number), entry.seq, self.is_marked(slot, entry.seq));
        }
        self.told(slot, entry.seq);
        Next::Told
    }

    /// Notes that a record was told to a connection, or passed over.
    pub(super) fn told(&mut self, slot: Slot, seq: u64) {
        self.catch_ups[self.conns[slot].catch_up].next = seq.wrapping_add(1);
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
        let came_at = self.catch_ups[self.conns[slot].catch_up].came_at;
        came_at.is_none_or(|came_at| before(seq, came_at))
    }

    /// Attaches a connection to the log, if it has been told what it should be told first, and if what it
    /// has not read is held anyway; or `at_end`, where nothing is left.
    fn attach(&mut self, slot: Slot, at_end: bool) -> bool {
        let CatchUp { member: index, next, came_at, .. } = self.catch_ups[self.conns[slot].catch_up];
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

    /// Gives up records that are gone. A client that should have got them is told so, and one to which a
    /// gap does harm is disconnected.
    pub(super) fn lose(&mut self, slot: Slot) {
        let catch_up = &mut self.catch_ups[self.conns[slot].catch_up];
        let CatchUp { member, next, came_at, .. } = *catch_up;
        if catch_up.is_before_log() {
            // Nobody was promised what was said before it came.
            catch_up.come_to_log();
            return self.wake(slot);
        }
        let room = &self.rooms[self.members[member].room];
        let Err(first) = room.log.find(next) else { return self.wake(slot) };
        let next = room.log.past(first).map_or(self.seq, |(entry, _)| entry.seq);
        // Nobody was promised what was said before it came.
        let is_history = came_at.is_some_and(|came_at| !before(came_at, next));
        let does_harm = room.owner.is_some();
        let catch_up = &mut self.catch_ups[self.conns[slot].catch_up];
        (catch_up.next, catch_up.asked_at) = (next, None);
        if does_harm {
            self.stats.lagged += 1;
            return self.kill(slot, Cause::Lagged, State::Dead { abort: true });
        }
        if !is_history {
            self.note_at(slot, next, &["you missed some messages"]);
        }
        self.wake(slot);
    }
}
