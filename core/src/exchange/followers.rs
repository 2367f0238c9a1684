//! Followers read records without being a connection: a console, a journal, a bridge. A follower reads
//! the rooms of its choice, record by record, in the order in which the records were appended.
//!
//! Each follower has a timeline of its own. One that they share would have to keep the records of rooms
//! that only others read, and could grow without end while one of them commits nothing. In its own
//! timeline stand only records that the follower has not committed. The logs hold all of these, so
//! there are never more of them than the logs have places.
//!
//! A follower that keeps a room closed for longer than its own grace jumps over all that it has not
//! committed. A room that only followers keep closed does not use up its patience for its members.

#[cfg(feature = "save")]
mod saved;

use super::Exchange;
use crate::conn::{NONE, Slot};
use crate::ids::{FollowerId, Instant};
use crate::io::{Following, Scope};
use crate::limits::FOLLOWERS;
use crate::log::{Position, before};
use crate::record::{Followed, Lost};
use crate::room::{Room, RoomIndex};
use crate::timeline::Timeline;

/// The table of followers.
#[derive(Debug)]
pub(crate) struct Followers<'a> {
    table: [Follower<'a>; FOLLOWERS],
}

/// A place for a follower.
#[derive(Debug)]
struct Follower<'a> {
    is_there: bool,
    /// Grows when the follower is gone. So an old id names nothing.
    generation: u32,
    grace_ms: Option<u32>,
    /// It reads rooms that are made later, too.
    reads_all: bool,
    /// The connection of the operator that watches with it, or [`NONE`].
    conn: Slot,
    timeline: Timeline<'a>,
    /// It has something to read that the driver was not told of.
    has_news: bool,
    /// What it missed and has not committed. It comes before the timeline.
    lost: Option<Lost>,
    /// It has read that.
    knows_lost: bool,
    /// Since when there is something that it has not committed; later, if it has committed something
    /// since. A jump changes nothing: nobody waits as long again for one that commits nothing.
    waits_since: Instant,
}

impl Follower<'_> {
    const NONE: Self = Self {
        is_there: false,
        generation: 0,
        grace_ms: None,
        reads_all: false,
        conn: NONE,
        timeline: Timeline::NONE,
        has_news: false,
        lost: None,
        knows_lost: false,
        waits_since: Instant::ZERO,
    };
}

impl<'a> Followers<'a> {
    /// A table of free places. `words` is the memory for their timelines, `each` words for each of them.
    pub(crate) fn new(words: &'a mut [u32], each: usize) -> Self {
        let mut table = [const { Follower::NONE }; FOLLOWERS];
        for (follower, words) in table.iter_mut().zip(words.chunks_exact_mut(each)) {
            follower.timeline = Timeline::new(words);
        }
        Self { table }
    }

    /// The place that `id` names, unless the follower is gone.
    fn find(&self, id: FollowerId) -> Option<usize> {
        let follower = self.table.get(usize::from(id.index))?;
        (follower.is_there && follower.generation == id.generation).then_some(id.index.into())
    }

    fn id(&self, index: usize) -> FollowerId {
        FollowerId { index: index as u8, generation: self.table[index].generation }
    }

    /// The follower with which a connection watches.
    fn of(&self, slot: Slot) -> Option<usize> {
        self.table.iter().position(|follower| follower.is_there && follower.conn == slot)
    }
}

impl Exchange<'_> {
    // --- The life of a follower ---

    /// Begins to follow. `None`: there are as many followers as allowed.
    pub(crate) fn follow(&mut self, following: Following) -> Option<FollowerId> {
        let Following { grace_ms, scope } = following;
        let index = self.add_follower(grace_ms, NONE, scope == Scope::All)?;
        self.read_pinned(index);
        Some(self.followers.id(index))
    }

    /// Ends that, and frees what the follower holds.
    pub(crate) fn unfollow(&mut self, id: FollowerId) {
        if let Some(index) = self.followers.find(id) {
            self.remove_follower(index);
        }
    }

    /// Adds a follower that reads all rooms, or none yet.
    fn add_follower(&mut self, grace_ms: Option<u32>, conn: Slot, reads_all: bool) -> Option<usize> {
        let is_free = |follower: &Follower<'_>| !follower.is_there && !follower.timeline.is_missing();
        let index = self.followers.table.iter().position(is_free)?;
        let follower = &mut self.followers.table[index];
        (follower.is_there, follower.grace_ms, follower.conn) = (true, grace_ms, conn);
        follower.reads_all = reads_all;
        for room in self.rooms.indices() {
            if reads_all && !self.rooms[room].is_deserted() {
                self.begin_reading(index, room);
            }
        }
        Some(index)
    }

    /// A follower reads the rooms that stay.
    fn read_pinned(&mut self, index: usize) {
        for room in self.rooms.indices() {
            if self.rooms[room].pinned {
                self.begin_reading(index, room);
            }
        }
    }

    fn remove_follower(&mut self, index: usize) {
        for room in self.rooms.indices() {
            self.end_reading(index, room);
        }
        let follower = &mut self.followers.table[index];
        while follower.timeline.pop().is_some() {}
        (follower.is_there, follower.has_news) = (false, false);
        (follower.lost, follower.knows_lost) = (None, false);
        follower.waits_since = Instant::ZERO;
        follower.generation = follower.generation.wrapping_add(1);
    }

    /// A follower reads what is said in a room from now on. Returns false if it already does.
    fn begin_reading(&mut self, index: usize, room: RoomIndex) -> bool {
        let room = &mut self.rooms[room];
        room.readers.add(index, room.log.next_record())
    }

    /// A follower does not read a room any more. It does not hold what it has not read there. Its
    /// timeline must lose the records of the room. Returns false if it did not read the room.
    fn end_reading(&mut self, index: usize, room: RoomIndex) -> bool {
        let did = self.rooms[room].readers.remove(index);
        if did {
            self.gave_up(room);
        }
        did
    }

    /// The followers that are there.
    #[cfg(feature = "save")]
    pub(crate) fn follower_ids(&self) -> impl Iterator<Item = FollowerId> {
        let Followers { table } = &self.followers;
        (0..table.len()).filter(|index| table[*index].is_there).map(|index| self.followers.id(index))
    }

    // --- Watching ---

    /// The follower with which a connection watches.
    pub(crate) fn watcher(&self, slot: Slot) -> Option<FollowerId> {
        self.followers.of(slot).map(|index| self.followers.id(index))
    }

    /// Lets a connection watch all rooms that stay. `None`: there are as many followers as allowed.
    pub(crate) fn watch_pinned(&mut self, slot: Slot, grace_ms: u32) -> Option<FollowerId> {
        let index = self.watcher_or_new(slot, grace_ms)?;
        self.read_pinned(index);
        Some(self.followers.id(index))
    }

    /// Lets a connection watch a room. `None`: there are as many followers as allowed. `Some(false)`: it
    /// watches the room already.
    pub(crate) fn watch(&mut self, slot: Slot, room: RoomIndex, grace_ms: u32) -> Option<bool> {
        let index = self.watcher_or_new(slot, grace_ms)?;
        Some(self.begin_reading(index, room))
    }

    fn watcher_or_new(&mut self, slot: Slot, grace_ms: u32) -> Option<usize> {
        self.followers.of(slot).or_else(|| self.add_follower(Some(grace_ms), slot, false))
    }

    /// Ends that. Returns false if it did not watch the room.
    pub(crate) fn unwatch(&mut self, slot: Slot, room: RoomIndex) -> bool {
        let Some(index) = self.followers.of(slot) else { return false };
        self.followers.table[index].timeline.remove(room);
        self.end_reading(index, room)
    }

    /// Ends all watching of a connection.
    pub(super) fn unwatch_all(&mut self, slot: Slot) {
        if let Some(index) = self.followers.of(slot) {
            self.remove_follower(index);
        }
    }

    // --- Reading ---

    /// The next follower that has something to read of which the driver was not told.
    pub(super) fn next_news(&mut self) -> Option<FollowerId> {
        let is_next = |follower: &mut Follower<'_>| core::mem::take(&mut follower.has_news);
        let index = self.followers.table.iter_mut().position(is_next)?;
        Some(self.followers.id(index))
    }

    /// Whether a follower has something to read.
    pub(crate) fn has_news(&self, id: FollowerId) -> bool {
        self.followers.find(id).is_some_and(|index| {
            let follower = &self.followers.table[index];
            follower.lost.is_some() && !follower.knows_lost || follower.timeline.has_unread()
        })
    }

    /// What a follower has lost and not committed.
    pub(crate) fn lost(&self, id: FollowerId) -> Option<Lost> {
        self.followers.find(id).and_then(|index| self.followers.table[index].lost)
    }

    /// The next thing for a follower to read.
    pub(crate) fn read_on(&mut self, id: FollowerId) -> Option<Followed<'_>> {
        let index = self.followers.find(id)?;
        let follower = &mut self.followers.table[index];
        if let Some(lost) = follower.lost
            && !core::mem::replace(&mut follower.knows_lost, true)
        {
            return Some(Followed::Lost(lost));
        }
        let (room, number) = follower.timeline.read()?;
        self.record(room, number).map(Followed::Record)
    }

    /// A follower begins again with the first thing that it has not committed.
    pub(crate) fn read_again(&mut self, id: FollowerId) {
        if let Some(index) = self.followers.find(id) {
            let follower = &mut self.followers.table[index];
            follower.timeline.read_again();
            follower.knows_lost = false;
            self.name_follower_again(index);
        }
    }

    /// Names a follower to the driver again, if it has something to read.
    pub(super) fn name_follower_again(&mut self, index: usize) {
        let has_news = self.has_news(self.followers.id(index));
        self.followers.table[index].has_news = has_news;
        if has_news {
            self.agenda.ask();
        }
    }

    /// A follower gives up everything up to and including `seq`. A number that no record has yet is
    /// ignored.
    pub(crate) fn commit_read(&mut self, id: FollowerId, seq: u64) {
        let Some(index) = self.followers.find(id).filter(|_| before(seq, self.seq)) else { return };
        let now = self.now;
        let follower = &mut self.followers.table[index];
        if let Some(lost) = follower.lost {
            if before(seq, lost.last) {
                return;
            }
            (follower.lost, follower.waits_since) = (None, now);
        }
        while let Some((room, number)) = self.followers.table[index].timeline.first()
            && !before(seq, self.rooms[room].log.record(number).seq)
        {
            let follower = &mut self.followers.table[index];
            follower.timeline.pop();
            follower.waits_since = now;
            self.give_up(index, room, number);
        }
    }

    // --- What is held for followers ---

    /// Notes that this many records were appended to a room.
    #[inline]
    pub(super) fn note_appended(&mut self, room: RoomIndex, count: u64) {
        if self.rooms[room].is_followed() {
            self.note_for_followers(room, count);
        }
    }

    fn note_for_followers(&mut self, room: RoomIndex, count: u64) {
        let end = self.rooms[room].log.next_record();
        for (index, _) in self.rooms[room].readers.each() {
            let follower = &mut self.followers.table[index];
            if follower.timeline.is_empty() && follower.lost.is_none() {
                follower.waits_since = self.now;
            }
            for back in (1..=count as Position).rev() {
                follower.timeline.push((room, end.wrapping_sub(back)));
            }
            follower.has_news = true;
        }
        self.agenda.ask();
    }

    /// The followers of all rooms read a room that was just made.
    pub(super) fn note_made(&mut self, room: RoomIndex) {
        for index in 0..FOLLOWERS {
            let follower = &self.followers.table[index];
            if follower.is_there && follower.reads_all {
                self.begin_reading(index, room);
            }
        }
    }

    /// A follower does not hold a record any more, nor those before it in the room.
    fn give_up(&mut self, index: usize, room: RoomIndex, number: Position) {
        let Room { readers, log, .. } = &mut self.rooms[room];
        let following = number.wrapping_add(1);
        readers.set(index, following);
        if following == log.next_record() {
            // If more is appended before the room is looked at, the follower has its time for that.
            readers.holds_since[index] = Instant::NEVER;
        }
        self.gave_up(room);
    }

    /// Call this when a follower may hold less of a room.
    fn gave_up(&mut self, room: RoomIndex) {
        if !self.rooms[room].is_deserted() {
            self.loosen(room);
        } else if self.uncommitted(room).next().is_none() {
            self.rooms.free(room);
        }
    }

    /// The place from where on a room's log is held, if its members hold it from `position` on.
    pub(super) fn held_from(&self, room: RoomIndex, position: Position) -> Position {
        let log = &self.rooms[room].log;
        let held = self.uncommitted(room).map(|(_, number)| log.record(number).start);
        held.fold(position, |hold, held| if before(held, hold) { held } else { hold })
    }

    /// The followers that have not committed all of a room, and the first record that each of them has
    /// not committed.
    fn uncommitted(&self, room: RoomIndex) -> impl Iterator<Item = (usize, Position)> {
        let room = &self.rooms[room];
        room.readers.each().filter(|(_, number)| *number != room.log.next_record())
    }

    // --- Rooms that wait for followers ---

    /// Frees a room that nobody is in any more, once followers have committed what was said there. Until
    /// then it counts as closed, and no other room can have its place.
    pub(super) fn free_when_read(&mut self, room: RoomIndex) {
        if self.uncommitted(room).next().is_none() {
            return self.rooms.free(room);
        }
        self.rooms[room].closed = true;
        self.note_holders(room);
        self.pend(room, self.followers_wait_until(room));
    }

    /// Whether a closed room waits for its members, and not for followers alone.
    pub(super) fn waits_for_members(&self, room: RoomIndex) -> bool {
        self.rooms[room].closed && !self.rooms[room].readers.are_alone
    }

    /// Notes for whom a room waits that was looked at.
    pub(super) fn note_closed(&mut self, room: RoomIndex, for_members: bool) {
        let found = &mut self.rooms[room];
        found.readers.are_alone = found.closed && !for_members;
        if found.is_followed() {
            self.note_holders(room);
        }
    }

    /// Notes which followers keep a room closed from now on, and which do not any more.
    fn note_holders(&mut self, room: RoomIndex) {
        let mut holds_since = [Instant::NEVER; FOLLOWERS];
        for (index, number) in self.uncommitted(room) {
            if self.rooms[room].closed && self.keeps_closed(room, number) {
                holds_since[index] = self.rooms[room].readers.holds_since[index].min(self.now);
            }
        }
        self.rooms[room].readers.holds_since = holds_since;
    }

    /// Whether a closed room would stay closed if a record were held.
    fn keeps_closed(&self, room: RoomIndex, number: Position) -> bool {
        let found = &self.rooms[room];
        found.is_deserted() || !self.has_place_behind(room, found.log.record(number).start)
    }

    /// When a closed room deals with the first of the followers that keep it closed.
    pub(super) fn followers_wait_until(&self, room: RoomIndex) -> Instant {
        let moments = self.uncommitted(room).map(|(index, number)| self.waits_until(room, index, number));
        moments.min().unwrap_or(Instant::NEVER)
    }

    /// When a closed room deals with one follower.
    fn waits_until(&self, room: RoomIndex, index: usize, number: Position) -> Instant {
        let follower = &self.followers.table[index];
        match follower.grace_ms {
            Some(ms) if self.keeps_closed(room, number) => {
                // A follower that was behind before has had a part of its time.
                let since = self.rooms[room].readers.holds_since[index].min(follower.waits_since);
                since.after(u64::from(ms))
            }
            _ => Instant::NEVER,
        }
    }

    /// Lets followers jump that have kept a closed room waiting for too long.
    pub(super) fn pass_followers(&mut self, room: RoomIndex) {
        for index in 0..FOLLOWERS {
            let number = self.uncommitted(room).find(|(other, _)| *other == index);
            if number.is_some_and(|(_, number)| self.waits_until(room, index, number) <= self.now) {
                self.jump(index);
            }
        }
    }

    /// Looks after a room that nobody is in any more.
    pub(super) fn look_after_deserted(&mut self, room: RoomIndex) {
        self.pass_followers(room);
        if self.uncommitted(room).next().is_some() {
            self.pend(room, self.followers_wait_until(room));
        }
    }

    /// A follower loses all that it has not committed.
    fn jump(&mut self, index: usize) {
        while let Some((room, number)) = self.followers.table[index].timeline.pop() {
            let record = self.rooms[room].log.record(number);
            let follower = &mut self.followers.table[index];
            let none = Lost { first: record.seq, last: record.seq, records: 0, messages: 0 };
            let lost = follower.lost.get_or_insert(none);
            lost.last = record.seq;
            lost.records += 1;
            lost.messages += u64::from(record.kind().is_message());
            (follower.knows_lost, follower.has_news) = (false, true);
            self.give_up(index, room, number);
        }
        self.stats.lagged += 1;
        self.agenda.ask();
    }
}
