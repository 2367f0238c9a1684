//! One slot of the connection table: what the hub knows about a connection. Plain state;
//! `exchange` and the protocols decide what it means.

use crate::account::Account;
use crate::event::{Cause, ConnId, Instant, ListenerId};
use crate::line::Line;
use crate::name::{Kept, NO_LOOKS};
use crate::queue::Queue;
use crate::text::Text;

/// Index of a connection in the table.
pub(crate) type Slot = u32;

/// No slot, and no membership.
pub(crate) const NONE: u32 = u32::MAX;

/// How far a connection's life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The slot is free.
    Free,
    /// Input is acted on.
    Open,
    /// Input is ignored, queued output goes out, then it is closed.
    Closing,
    /// The driver must close it at once.
    Dead { abort: bool },
    /// The driver has let go of it. Its departure may still have to be told.
    Gone,
}

/// A connection's or a room's place in a list of work: the index of the next one, or `NONE`; see
/// [`crate::worklist`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Next(pub(crate) u32);

impl Next {
    /// It is not in the list. There are never so many connections or rooms.
    pub(crate) const OUT: Self = Self(NONE - 1);
}

/// Two things about the heap of deadlines: the content of one place, and the place of this connection;
/// see [`crate::deadlines`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    /// The connection in the place that has this connection's index, and when it comes up.
    pub(crate) slot: Slot,
    pub(crate) at: Instant,
    /// The place of this connection itself, or `NONE`.
    pub(crate) place: u32,
}

impl Node {
    pub(crate) const EMPTY: Self = Self { slot: NONE, at: Instant::NEVER, place: NONE };
}

/// The room whose turn a connection waits for, and its neighbours in that queue; see [`crate::waiting`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    /// `NONE`: it does not wait.
    pub(crate) room: u32,
    pub(crate) previous: Slot,
    pub(crate) next: Slot,
}

impl Turn {
    pub(crate) const NONE: Self = Self { room: NONE, previous: NONE, next: NONE };
}

/// A long answer goes out line by line, as the queue has room. This says what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    None,
    /// The greeting from this byte on, then the welcome and who is in the room.
    Greeting(usize),
    /// For a newcomer: the history of its room, from this record up to that one.
    Past {
        from: u32,
        until: u32,
    },
    /// For a newcomer: who is in its room, from this slot on, and the most names that it gets.
    Here {
        from: Slot,
        left: u32,
    },
    /// Who is in the room, from this slot on. Nobody, if the room's place has another room by now.
    Who {
        room: u32,
        generation: u32,
        from: Slot,
    },
    /// The rooms from this one on.
    Rooms(u32),
    /// The commands from this one on.
    Help(usize),
}

/// Storage for one connection.
#[derive(Debug)]
pub struct Conn<'a> {
    pub(crate) state: State,
    pub(crate) cause: Cause,
    pub(crate) generation: u32,
    pub(crate) listener: ListenerId,
    pub(crate) account: Account,

    /// Empty if it has no name.
    pub(crate) name: Text<'a>,
    pub(crate) looks: Kept,
    /// The unfinished line. While it is closing: its reason for leaving.
    pub(crate) line: Line<'a>,
    pub(crate) queue: Queue,
    pub(crate) gap: Gap,

    /// The peer sends no more.
    pub(crate) ended: bool,
    /// It cannot go on until some of its output is gone.
    pub(crate) blocked: bool,
    /// The line in `line` is whole, and nobody has acted on it yet.
    pub(crate) postponed: bool,
    pub(crate) arrival: Arrival,
    /// Bytes that were offered and not taken. To offer them again is no sign of life.
    pub(crate) refused: u32,
    /// A long answer that is being given.
    pub(crate) listing: Listing,

    /// When something last came from it. While it is closing: when something last went to it.
    pub(crate) last_seen: Instant,
    /// While open: when its protocol wants to be called. While closing: when it is closed, even if
    /// output is left.
    pub(crate) timer: Instant,

    /// Its places in the lists of changed and of woken connections.
    pub(crate) next_in: [Next; 2],
    pub(crate) turn: Turn,
    pub(crate) node: Node,
    /// While free: the slot to be used after this one.
    pub(crate) next_free: Slot,
    /// Whether a client called `guest-N`, with N this slot's index plus 1, is there.
    pub(crate) guest_taken: bool,
}

/// Whether the others in its room know that a connection is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    New,
    /// They will know after its first line. The line has begun, and may show that it is no client of a
    /// chat.
    Late,
    /// They were told, or it was counted in a sum.
    Told,
}

/// Messages that a connection missed and was not told of yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gap {
    /// It has missed something, and must be told of it.
    pub(crate) open: bool,
    /// Messages that it missed, including those of `told`.
    pub(crate) missed: u32,
    /// Where among the records the notice belongs.
    pub(crate) seq: u64,
    /// The number in the notice that is being sent.
    pub(crate) told: u32,
    /// Bytes of that notice that were sent.
    pub(crate) sent: u8,
}

impl Gap {
    pub(crate) const NONE: Self = Self { open: false, missed: 0, seq: 0, told: 0, sent: 0 };
}

impl<'a> Conn<'a> {
    /// A free slot, to fill storage with.
    pub const EMPTY: Self = Self {
        state: State::Free,
        cause: Cause::Left,
        generation: 0,
        listener: ListenerId(0),
        account: Account::NONE,
        name: Text::EMPTY,
        looks: NO_LOOKS,
        line: Line::EMPTY,
        queue: Queue::EMPTY,
        gap: Gap::NONE,
        ended: false,
        blocked: false,
        postponed: false,
        arrival: Arrival::New,
        refused: 0,
        listing: Listing::None,
        last_seen: Instant::NEVER,
        timer: Instant::NEVER,
        next_in: [Next::OUT; 2],
        turn: Turn::NONE,
        node: Node::EMPTY,
        next_free: NONE,
        guest_taken: false,
    };

    pub(crate) fn id(&self, slot: Slot) -> ConnId {
        ConnId { slot, generation: self.generation }
    }

    /// Makes the free slot ready for a newcomer. Its generation was raised when the last connection left
    /// it.
    pub(crate) fn open(&mut self, listener: ListenerId, account: Account, now: Instant) {
        self.state = State::Open;
        self.cause = Cause::Left;
        (self.listener, self.account) = (listener, account);
        self.name.clear();
        self.line.clear();
        self.gap = Gap::NONE;
        (self.ended, self.blocked, self.postponed) = (false, false, false);
        self.arrival = Arrival::New;
        self.refused = 0;
        self.listing = Listing::None;
        self.last_seen = now;
        self.timer = Instant::NEVER;
    }
}
