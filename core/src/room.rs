//! A room with its name, its log and the list of its memberships, and one membership. A *ring* is what was said in a
//! room, in an encoding other than the chat's. It is a log, and stands in the table of rooms, behind the rooms. This file
//! decides which members hold the log.

#[cfg(feature = "save")]
mod saved;

use crate::conn::{NONE, Next, Slot};
use crate::ids::{ConnId, Instant, ListenerId};
#[cfg(feature = "console")]
use crate::limits::FOLLOWERS;
use crate::log::{Log, Position, before};
use crate::name::{Kept, NO_LOOKS};
use crate::patience::Patience;
use crate::text::Text;
use crate::waiting::Waiting;

/// Index of a room in the table.
pub(crate) type RoomIndex = u32;
/// Index of a membership in the table.
pub(crate) type MemberIndex = u32;

/// Storage for one room.
#[derive(Debug)]
pub struct Room<'a> {
    pub(crate) log: Log<'a>,
    /// Empty for a free room and for a relay's.
    pub(crate) name: Text<'a>,
    pub(crate) looks: Kept,
    pub(crate) topic: Text<'a>,
    /// The relay listener whose room it is.
    pub(crate) owner: Option<ListenerId>,
    /// The client whose line was relayed last, if it has not ended.
    pub(crate) unfinished_by: Option<ConnId>,
    /// It stays when it is empty.
    pub(crate) pinned: bool,
    /// Grows when the room is freed. So an old reference shows that the room is another one.
    pub(crate) generation: u32,
    /// While free: the room to be used after this one.
    pub(crate) next_free: RoomIndex,

    /// The memberships, in the order in which they came.
    pub(crate) first: MemberIndex,
    pub(crate) last: MemberIndex,
    pub(crate) members: u32,
    /// How many of them are [`Membership::Present`].
    pub(crate) present: u32,
    /// The membership that is named next as changed, `NONE` for the first one. From there on, this many
    /// are still to be named, in a circle.
    pub(crate) named: MemberIndex,
    pub(crate) unnamed: u32,
    /// The first of its rings; for a ring, the next one of its room.
    #[cfg(feature = "large")]
    pub(crate) next_ring: RoomIndex,
    /// For a ring: the index of its encoding, and the longest record in it.
    #[cfg(feature = "large")]
    pub(crate) encoding: u8,
    #[cfg(feature = "large")]
    pub(crate) longest: usize,
    /// The first of the memberships that become active when something is said.
    #[cfg(feature = "large")]
    pub(crate) idle: MemberIndex,
    /// How many messages were said in it.
    #[cfg(feature = "large")]
    pub(crate) messages: u32,

    /// It has no place for the longest line, so its members' lines wait.
    pub(crate) closed: bool,
    /// A member that held the log has moved since the last look.
    pub(crate) loosened: bool,
    pub(crate) patience: Patience,
    /// The members whose line waits for the room, in the order in which the lines came.
    pub(crate) waiting: Waiting,
    /// Since when that queue has never been empty.
    pub(crate) busy_since: Instant,
    /// How many came and how many left without a notice, and when a sum tells of them.
    pub(crate) untold: [u32; 2],
    pub(crate) tell_at: Instant,

    /// The followers that read it.
    #[cfg(feature = "console")]
    pub(crate) readers: Readers,

    /// Its places in three lists: rooms to which something was appended, rooms that opened while
    /// somebody waited, and rooms that have something to do later.
    pub(crate) next_in: [Next; 3],
}

impl<'a> Room<'a> {
    /// A free room, to fill storage with.
    pub const EMPTY: Self = Self {
        log: Log::EMPTY,
        name: Text::EMPTY,
        looks: NO_LOOKS,
        topic: Text::EMPTY,
        owner: None,
        unfinished_by: None,
        pinned: false,
        generation: 0,
        next_free: NONE,
        first: NONE,
        last: NONE,
        members: 0,
        present: 0,
        named: NONE,
        unnamed: 0,
        #[cfg(feature = "large")]
        next_ring: NONE,
        #[cfg(feature = "large")]
        encoding: 0,
        #[cfg(feature = "large")]
        longest: 0,
        #[cfg(feature = "large")]
        idle: NONE,
        #[cfg(feature = "large")]
        messages: 0,
        closed: false,
        loosened: false,
        patience: Patience::full(0),
        waiting: Waiting::NOBODY,
        busy_since: Instant::ZERO,
        untold: [0; 2],
        tell_at: Instant::NEVER,
        #[cfg(feature = "console")]
        readers: Readers::NONE,
        next_in: [Next::OUT; 3],
    };

    /// Whether its records are kept in another encoding too.
    #[inline(always)]
    pub(crate) fn has_rings(&self) -> bool {
        #[cfg(feature = "large")]
        return self.next_ring != NONE;
        #[cfg(not(feature = "large"))]
        false
    }

    /// So many messages were said in it. Those of a relay are not counted.
    #[inline(always)]
    #[cfg_attr(not(feature = "large"), expect(unused_variables, reason = "a small hub does not count them"))]
    pub(crate) fn count_messages(&mut self, count: u32) {
        #[cfg(feature = "large")]
        {
            self.messages = self.messages.wrapping_add(count);
        }
    }

    /// Whether nobody is in it, and it does not stay. It is free, or followers still read what was said.
    pub(crate) fn is_deserted(&self) -> bool {
        self.first == NONE && !self.pinned
    }

    /// Whether it can be made again. One that is deserted and closed waits for followers.
    #[cfg(feature = "save")]
    pub(crate) fn is_free(&self) -> bool {
        self.is_deserted() && !self.closed
    }

    /// Whether a follower reads what is said here.
    pub(crate) fn is_followed(&self) -> bool {
        #[cfg(feature = "console")]
        return self.readers.places != 0;
        #[cfg(not(feature = "console"))]
        false
    }
}

/// The followers that read a room.
#[cfg(feature = "console")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readers {
    /// A bit for each follower that reads the room. For each of them, the first record that it has not
    /// committed, or the next one.
    places: u8,
    numbers: [Position; FOLLOWERS],
    /// Since when each of them keeps the room closed, or [`Instant::NEVER`].
    pub(crate) holds_since: [Instant; FOLLOWERS],
    /// The room is closed, and would be open without them.
    pub(crate) are_alone: bool,
}

#[cfg(feature = "console")]
impl Readers {
    pub(crate) const NONE: Self = Self {
        places: 0,
        numbers: [0; FOLLOWERS],
        holds_since: [Instant::NEVER; FOLLOWERS],
        are_alone: false,
    };

    /// The place of each follower that reads the room, and the first record that it has not committed.
    pub(crate) fn each(self) -> impl Iterator<Item = (usize, Position)> {
        self.numbers.into_iter().enumerate().filter(move |(place, _)| self.places & 1 << place != 0)
    }

    /// Whether a follower reads the room.
    #[cfg(feature = "save")]
    pub(crate) fn has(&self, place: usize) -> bool {
        self.places & 1 << place != 0
    }

    /// The first record that a follower has not committed, or the next one.
    #[cfg(feature = "save")]
    pub(crate) fn first(&self, place: usize) -> Position {
        self.numbers[place]
    }

    /// Adds a follower that reads from a record on. Returns false if it is there already.
    pub(crate) fn add(&mut self, place: usize, number: Position) -> bool {
        let is_new = self.places & 1 << place == 0;
        if is_new {
            self.places |= 1 << place;
            self.numbers[place] = number;
        }
        is_new
    }

    /// Notes the first record that a follower has not committed.
    pub(crate) fn set(&mut self, place: usize, number: Position) {
        self.numbers[place] = number;
    }

    /// Removes a follower. Returns false if it is not there.
    pub(crate) fn remove(&mut self, place: usize) -> bool {
        let is_there = self.places & 1 << place != 0;
        self.places &= !(1 << place);
        self.holds_since[place] = Instant::NEVER;
        is_there
    }
}

/// How a connection belongs to a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    /// The place is free.
    Free,
    /// Sends to the room, and receives nothing.
    Feeding,
    /// In the room.
    Present,
    /// Has left, and its protocol is about to tell the others. It gets nothing that is said from now on.
    Leaving,
    /// Has left. Earlier lines are still on their way to it.
    Draining,
}

/// In which list a membership stands, if its connection has many.
#[cfg(feature = "large")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// In none.
    Out,
    /// Among those of its connection that may have something to read.
    Active,
    /// Among those of its room that have nothing to read until something is said.
    Idle,
}

/// Storage for one membership of a connection in a room: a cursor into its log.
#[derive(Debug)]
pub struct Member {
    pub(crate) state: Membership,
    pub(crate) room: RoomIndex,
    /// The room or the ring whose log it reads.
    #[cfg(feature = "large")]
    pub(crate) log: RoomIndex,
    pub(crate) conn: Slot,
    /// The connection's next membership. While it is free: the free one that is used after it.
    pub(crate) sibling: MemberIndex,
    /// Its neighbours in the room.
    pub(crate) previous: MemberIndex,
    pub(crate) next: MemberIndex,
    /// Everything before this position was sent to it or is its own.
    pub(crate) position: Position,
    /// The position where its reading ends, unless it reads on. A member that leaves still reads up to
    /// here.
    pub(crate) end: Position,
    /// The first record of its own at or behind `position`, if `own_ahead`.
    pub(crate) own: Position,
    /// The last record of its own, if `own_ahead`.
    pub(crate) last_own: Position,
    pub(crate) own_ahead: bool,
    /// It stands at a sequence number, and not in the log; see `exchange/catch_up`.
    pub(crate) is_behind: bool,
    /// When it last took something, or came; see [`Instant::wrapping_millis`].
    pub(crate) taken_at: u32,
    /// The list in which it stands, and its neighbours there.
    #[cfg(feature = "large")]
    pub(crate) standing: Standing,
    #[cfg(feature = "large")]
    pub(crate) beside: [MemberIndex; 2],
}

impl Member {
    /// A membership that is free, to fill storage with.
    pub const EMPTY: Self = Self {
        state: Membership::Free,
        room: 0,
        #[cfg(feature = "large")]
        log: 0,
        conn: NONE,
        sibling: NONE,
        previous: NONE,
        next: NONE,
        position: 0,
        end: 0,
        own: 0,
        last_own: 0,
        own_ahead: false,
        is_behind: false,
        taken_at: 0,
        #[cfg(feature = "large")]
        standing: Standing::Out,
        #[cfg(feature = "large")]
        beside: [NONE; 2],
    };

    /// The room or the ring whose log it reads.
    #[inline(always)]
    pub(crate) fn log(&self) -> RoomIndex {
        #[cfg(feature = "large")]
        return self.log;
        #[cfg(not(feature = "large"))]
        self.room
    }

    /// Whether it may say something.
    pub(crate) fn speaks(&self) -> bool {
        matches!(self.state, Membership::Present | Membership::Feeding)
    }

    /// The position up to which it reads now.
    pub(crate) fn end(&self, log: &Log<'_>) -> Position {
        if self.reads_on() { log.head() } else { self.end }
    }

    /// Whether it keeps the log from overwriting what it has not read.
    pub(crate) fn holds(&self) -> bool {
        self.reads_on() || self.position != self.end
    }

    /// Whether it gets what is said from now on.
    pub(crate) fn reads_on(&self) -> bool {
        self.state == Membership::Present && !self.is_behind
    }

    /// Moves on, over its own records too. Returns whether it moved at all.
    pub(crate) fn advance(&mut self, log: &Log<'_>, position: Position) -> bool {
        let old = self.position;
        (self.position, self.own, self.own_ahead) = skip_own(log, position, self.own, self.own_ahead);
        if matches!(self.state, Membership::Leaving | Membership::Draining) && before(self.end, self.position)
        {
            self.position = self.end;
        }
        self.position != old
    }

    /// Notes a record of its own that was just appended at `start`. Passes over it if nothing comes
    /// before.
    pub(crate) fn appended_own(&mut self, log: &mut Log<'_>, start: Position, number: Position) {
        if self.is_behind {
            return;
        }
        if self.position == start {
            self.position = log.head();
            return;
        }
        self.note_own(log, number);
    }

    /// Notes a record of its own that it will pass over.
    pub(crate) fn note_own(&mut self, log: &mut Log<'_>, number: Position) {
        if self.own_ahead {
            log.chain(self.last_own, number);
        } else {
            (self.own, self.own_ahead) = (number, true);
        }
        self.last_own = number;
    }
}

/// Where a cursor at `position` really is, after it passes over its own records.
pub(crate) fn skip_own(
    log: &Log<'_>,
    mut position: Position,
    mut own: Position,
    mut ahead: bool,
) -> (Position, Position, bool) {
    while ahead && !before(position, log.record(own).start) {
        let end = log.end_of(own);
        if before(position, end) {
            position = end;
        }
        match log.chained(own) {
            Some(following) => own = following,
            None => ahead = false,
        }
    }
    (position, own, ahead)
}
