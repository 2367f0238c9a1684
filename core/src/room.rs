//! A room with its name, its log and the list of its memberships, and one membership. This file
//! decides which members hold the log.

use crate::conn::{NONE, Next, Slot};
use crate::io::{ConnId, Instant, ListenerId};
use crate::log::{Log, Position, before};
use crate::name::{Kept, NO_LOOKS};
use crate::patience::Patience;
#[cfg(feature = "save")]
use crate::save::{Damaged, Visit, Visitor, ensure};
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
        closed: false,
        loosened: false,
        patience: Patience::full(0),
        waiting: Waiting::NOBODY,
        busy_since: Instant::ZERO,
        untold: [0; 2],
        tell_at: Instant::NEVER,
        next_in: [Next::OUT; 3],
    };

    pub(crate) fn is_free(&self) -> bool {
        self.first == NONE && !self.pinned
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
    /// Reads along, and nobody sees it.
    Observing,
    /// Has left, and its protocol is about to tell the others. It gets nothing that is said from now on.
    Leaving,
    /// Has left. Earlier lines are still on their way to it.
    Draining,
}

/// Storage for one membership of a connection in a room: a cursor into its log.
#[derive(Debug)]
pub struct Member {
    pub(crate) state: Membership,
    pub(crate) room: RoomIndex,
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
    /// When it last took something, or came; see [`Instant::wrapping_millis`].
    pub(crate) taken_at: u32,
}

impl Member {
    /// A membership that is free, to fill storage with.
    pub const EMPTY: Self = Self {
        state: Membership::Free,
        room: 0,
        conn: NONE,
        sibling: NONE,
        previous: NONE,
        next: NONE,
        position: 0,
        end: 0,
        own: 0,
        last_own: 0,
        own_ahead: false,
        taken_at: 0,
    };

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
    fn reads_on(&self) -> bool {
        matches!(self.state, Membership::Present | Membership::Observing)
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
        if self.position == start {
            self.position = log.head();
            return;
        }
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

#[cfg(feature = "save")]
impl Room<'_> {
    /// Its places in lists, and the members that wait for it, are saved with those. `seq`: the number of
    /// the next record. The rooms that stay are those of the configuration.
    pub(crate) fn visit(&mut self, visitor: &mut Visitor<'_>, seq: u64) -> Result<(), Damaged> {
        let Self {
            log,
            name,
            looks: _,
            topic,
            owner,
            unfinished_by,
            pinned,
            generation,
            next_free,
            first,
            last,
            members,
            present,
            named,
            unnamed,
            closed,
            loosened,
            patience,
            waiting: _,
            busy_since,
            untold,
            tell_at,
            next_in: _,
        } = self;
        let stays = (*pinned, *owner, name.is_empty());
        log.visit(visitor, seq)?;
        name.visit(visitor)?;
        topic.visit(visitor)?;
        visitor.option(owner, ListenerId(0))?;
        visitor.option(unfinished_by, ConnId { slot: 0, generation: 0 })?;
        pinned.visit(visitor)?;
        ensure((*pinned, *owner) == (stays.0, stays.1) && (!*pinned || name.is_empty() == stays.2))?;
        for number in [generation, next_free, first, last, members, present, named, unnamed] {
            number.visit(visitor)?;
        }
        closed.visit(visitor)?;
        loosened.visit(visitor)?;
        patience.visit(visitor)?;
        busy_since.visit(visitor)?;
        untold.visit(visitor)?;
        tell_at.visit(visitor)
    }
}

#[cfg(feature = "save")]
impl Visit for Member {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let Self {
            state,
            room,
            conn,
            sibling,
            previous,
            next,
            position,
            end,
            own,
            last_own,
            own_ahead,
            taken_at,
        } = self;
        let all = [
            Membership::Free,
            Membership::Feeding,
            Membership::Present,
            Membership::Observing,
            Membership::Leaving,
            Membership::Draining,
        ];
        visitor.variant(state, &all)?;
        sibling.visit(visitor)?;
        if *state == Membership::Free {
            return Ok(());
        }
        for number in [room, conn, previous, next, position, end, own, last_own, taken_at] {
            number.visit(visitor)?;
        }
        own_ahead.visit(visitor)
    }
}
