//! The pool of members that catch up, and how far each of them is.

use core::ops::{Index, IndexMut};

#[cfg(feature = "large")]
use super::look::Look;
use crate::conn::NONE;
use crate::log::before;
use crate::room::MemberIndex;
#[cfg(feature = "save")]
use crate::save::{Damaged, Visit, Visitor, check_list, ensure};

/// How far ahead a membership reads that has not left: further than any sequence number in use.
const FAR: u64 = 1 << 62;

/// Storage for one membership of a connection that catches up.
#[derive(Clone, Copy, Debug)]
pub struct CatchUp {
    /// The membership; while this is free, the free one that is used after it.
    pub(in crate::exchange) member: MemberIndex,
    /// Records from this sequence number on are still to be told.
    pub(in crate::exchange) next: u64,
    /// Records from this sequence number on are not told: it has left. It is [`FAR`] away while it is there.
    pub(in crate::exchange) until: u64,
    /// For a newcomer: the sequence number at which it came. Of what was said before, it is told the
    /// messages alone, marked as past: they are the history of its room. `None` for one that was left
    /// behind: what it is told is all marked, unless it `was_away`.
    pub(in crate::exchange) came_at: Option<u64>,
    #[cfg(feature = "large")]
    pub(in crate::exchange) was_away: bool,
    /// If it `was_away`: how many messages were said in the room before `next`, if that is known.
    #[cfg(feature = "large")]
    pub(in crate::exchange) said_before: Option<u32>,
    /// For a newcomer: what it is told before it is told what the log has.
    #[cfg(feature = "large")]
    pub(in crate::exchange) before_log: BeforeLog,
    /// The number of the last page that the driver was asked for.
    #[cfg(feature = "large")]
    pub(in crate::exchange) page: u32,
    /// Since when the driver has been asked for a page; see [`crate::ids::Instant::wrapping_millis`].
    #[cfg(feature = "large")]
    pub(in crate::exchange) asked_at: Option<u32>,
    /// It only looks back, and its membership stays where it is in the log.
    #[cfg(feature = "large")]
    pub(in crate::exchange) look: Option<Look>,
    /// It may be told more now. After each time that its queue was filled, its own input comes first.
    pub(super) has_turn: bool,
    /// The one of the same connection that comes after this one, or [`NONE`].
    #[cfg(feature = "large")]
    after: u32,
}

impl CatchUp {
    /// A free one, to fill storage with.
    pub const EMPTY: Self = Self {
        member: NONE,
        next: 0,
        until: 0,
        came_at: None,
        #[cfg(feature = "large")]
        was_away: false,
        #[cfg(feature = "large")]
        said_before: None,
        #[cfg(feature = "large")]
        before_log: BeforeLog::Nothing,
        #[cfg(feature = "large")]
        page: 0,
        #[cfg(feature = "large")]
        asked_at: None,
        #[cfg(feature = "large")]
        look: None,
        has_turn: false,
        #[cfg(feature = "large")]
        after: NONE,
    };

    /// One that was left behind, and reads on from this sequence number.
    pub(in crate::exchange) fn of_laggard(member: MemberIndex, next: u64) -> Self {
        Self { member, next, until: next.wrapping_add(FAR), ..Self::EMPTY }
    }

    /// Whether records are left that it must be told.
    pub(in crate::exchange) fn has_more(&self) -> bool {
        before(self.next, self.until)
    }

    /// It has left: it is told records before `until`, and none that were said before it came.
    pub(super) fn leave(&mut self, until: Option<u64>) {
        if let Some(came_at) = self.came_at.filter(|came_at| before(self.next, *came_at)) {
            self.next = came_at;
        }
        self.until = until.unwrap_or(self.next);
        if self.is_before_log() {
            self.come_to_log();
        }
    }

    /// One that comes in now, and is told records from `next` on; so many messages before these only the driver
    /// may have.
    #[cfg_attr(not(feature = "large"), expect(unused_variables, reason = "no driver keeps records"))]
    pub(super) fn of_newcomer(member: MemberIndex, next: u64, now: u64, missing: u32) -> Self {
        Self {
            member,
            next,
            until: next.wrapping_add(FAR),
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
pub(in crate::exchange) enum BeforeLog {
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
    /// One that holds the log no more: it is told records from `next` on, before `until` if it has left. If its
    /// connection is away: so many messages were `said_before` that.
    pub(in crate::exchange) fn of_detached(
        member: MemberIndex,
        next: u64,
        until: Option<u64>,
        said_before: Option<u32>,
    ) -> Self {
        let until = until.unwrap_or(next.wrapping_add(FAR));
        Self { until, was_away: said_before.is_some(), said_before, ..Self::of_laggard(member, next) }
    }

    /// It was told a record, or passed over it.
    pub(in crate::exchange) fn pass(&mut self, seq: u64, is_message: bool) {
        self.next = seq.wrapping_add(1);
        self.count(is_message);
    }

    /// It was told a record, or passed over it, and where it stands is noted later.
    pub(in crate::exchange) fn count(&mut self, is_message: bool) {
        let said_before = self.said_before.as_mut();
        said_before.into_iter().for_each(|count| *count = count.wrapping_add(u32::from(is_message)));
    }

    /// Whether what it is told is marked as past, though it was said after it came.
    pub(super) fn marks_all(&self) -> bool {
        !self.was_away
    }

    fn after(&self) -> u32 {
        self.after
    }

    /// One that looks back at records from `next` on and before `until`; so many messages before `next` only the
    /// driver may have.
    pub(in crate::exchange) fn of_look(
        member: MemberIndex,
        [next, until, now]: [u64; 3],
        missing: u32,
        look: Look,
    ) -> Self {
        Self { until, look: Some(look), ..Self::of_newcomer(member, next, now, missing) }
    }

    /// Whether its membership stays where it is in the log.
    pub(in crate::exchange) fn is_look(&self) -> bool {
        self.look.is_some()
    }

    /// Some of what it should be told is not there. One that looks back is told so at the end.
    pub(in crate::exchange) fn lacks_some(&mut self) {
        if let Some(look) = &mut self.look {
            look.lacks_some = true;
        }
    }

    pub(super) fn is_before_log(&self) -> bool {
        self.before_log != BeforeLog::Nothing
    }

    /// It goes on with what the log has.
    pub(in crate::exchange) fn come_to_log(&mut self) {
        self.before_log = BeforeLog::Nothing;
        self.end_request();
    }

    /// It does not wait for a page any more.
    pub(in crate::exchange) fn end_request(&mut self) {
        self.asked_at = None;
    }
}

/// A small hub lets a connection catch up in one room at a time, and no driver keeps records for it.
#[cfg(not(feature = "large"))]
impl CatchUp {
    pub(super) fn marks_all(&self) -> bool {
        true
    }

    pub(super) fn pass(&mut self, seq: u64, _: bool) {
        self.next = seq.wrapping_add(1);
    }

    fn after(&self) -> u32 {
        NONE
    }

    pub(super) fn is_look(&self) -> bool {
        false
    }

    pub(in crate::exchange) fn lacks_some(&mut self) {}

    pub(super) fn is_before_log(&self) -> bool {
        false
    }

    pub(super) fn come_to_log(&mut self) {}

    pub(super) fn end_request(&mut self) {}
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
    pub(in crate::exchange) fn get(&self, index: u32) -> Option<&CatchUp> {
        self.table.get(index as usize)
    }

    /// This place, and those of the same connection that come after it.
    pub(in crate::exchange) fn from(&self, mut index: u32) -> impl Iterator<Item = (u32, &CatchUp)> {
        core::iter::from_fn(move || {
            let found = self.get(index)?;
            Some((core::mem::replace(&mut index, found.after()), found))
        })
    }

    /// The place of a membership among these.
    pub(super) fn place_of(&self, first: u32, member: MemberIndex) -> Option<u32> {
        let is_it = |(_, found): &(u32, &CatchUp)| found.member == member && !found.is_look();
        self.from(first).find(is_it).map(|(place, _)| place)
    }

    /// The last of these.
    #[cfg(feature = "large")]
    fn last(&self, first: u32) -> Option<u32> {
        self.from(first).last().map(|(last, _)| last)
    }

    /// Lets a place come last of those of a connection, which begin at `first`.
    #[cfg(feature = "large")]
    pub(in crate::exchange) fn append(&mut self, first: &mut u32, index: u32) {
        match self.last(*first) {
            Some(last) => self[last].after = index,
            None => *first = index,
        }
    }

    /// Lets a place come first of those of a connection. The one that was first asks again later for what it has
    /// asked for.
    #[cfg(feature = "large")]
    pub(in crate::exchange) fn prepend(&mut self, first: &mut u32, index: u32) {
        if let Some(displaced) = self.table.get_mut(*first as usize) {
            displaced.end_request();
        }
        self[index].after = core::mem::replace(first, index);
    }

    #[cfg(not(feature = "large"))]
    pub(super) fn append(&mut self, first: &mut u32, index: u32) {
        *first = index;
    }

    /// Takes the place of a membership out of those of its connection, and frees it. `is_look`: the one that looks
    /// back.
    pub(in crate::exchange) fn remove(&mut self, first: &mut u32, member: MemberIndex, is_look: bool) {
        let mut before = None;
        let is_it = |(index, found): &(u32, &CatchUp)| {
            let is_it = found.member == member && found.is_look() == is_look;
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

    pub(super) fn has_place(&self) -> bool {
        self.free != NONE || (self.unused as usize) < self.table.len()
    }

    pub(in crate::exchange) fn take(&mut self) -> Option<u32> {
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
    pub(in crate::exchange) fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
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
    pub(in crate::exchange) fn check(
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
        let Self {
            member,
            next,
            until,
            came_at,
            was_away,
            said_before,
            before_log,
            page,
            asked_at,
            look,
            has_turn,
            after,
        } = self;
        member.visit(visitor)?;
        next.visit(visitor)?;
        until.visit(visitor)?;
        visitor.option(came_at, 0)?;
        was_away.visit(visitor)?;
        visitor.option(said_before, 0)?;
        before_log.visit(visitor)?;
        page.visit(visitor)?;
        visitor.option(asked_at, 0)?;
        visitor.option(look, Look::NEW)?;
        has_turn.visit(visitor)?;
        after.visit(visitor)
    }
}
