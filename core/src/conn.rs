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
    /// Input is passed over, what is queued goes out, then it is closed.
    Closing,
    /// The driver is to close it at once.
    Dead { abort: bool },
    /// The driver has let go of it; its departure may yet have to be told.
    Gone,
}

/// A connection's or a room's place in a list of work: the index of what comes next, or
/// `NONE`; see [`crate::worklist`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Next(pub(crate) u32);

impl Next {
    /// It is not in the list. There are never so many connections or rooms.
    pub(crate) const OUT: Self = Self(NONE - 1);
}

/// A place in the heap of deadlines, and where another one is; see [`crate::deadlines`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    /// Who stands in the place whose index is that of this connection, and when it
    /// comes up.
    pub(crate) slot: Slot,
    pub(crate) at: Instant,
    /// In which place this connection stands itself, or `NONE`.
    pub(crate) place: u32,
}

impl Node {
    pub(crate) const EMPTY: Self = Self { slot: NONE, at: Instant::NEVER, place: NONE };
}

/// For which room's turn a connection waits, and who waits before and behind it; see
/// [`crate::waiting`].
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

/// A long answer that is being given line by line, as the queue has room: what
/// comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    None,
    /// The greeting from this byte on, then the welcome and who is in the room.
    Greeting(usize),
    /// For a newcomer: what was said in its room before it came, from this record on up to that one.
    Past {
        from: u32,
        until: u32,
    },
    /// For a newcomer: who is in its room, from this slot on, and so many names at the most.
    Here {
        from: Slot,
        left: u32,
    },
    /// Who is in the room, from this slot on; nobody any more once the room is another one.
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

    /// Empty for a connection that has none.
    pub(crate) name: Text<'a>,
    pub(crate) looks: Kept,
    /// The unfinished line; once closing, the reason for leaving.
    pub(crate) line: Line<'a>,
    pub(crate) queue: Queue,
    pub(crate) gap: Gap,

    /// The peer sends no more.
    pub(crate) ended: bool,
    /// It cannot go on until some of its output is gone.
    pub(crate) blocked: bool,
    /// The line in `line` is whole; it was not yet acted on.
    pub(crate) postponed: bool,
    pub(crate) arrival: Arrival,
    /// Bytes that were offered and not taken: to offer them again is no sign of life.
    pub(crate) refused: u32,
    /// A long answer that is being given.
    pub(crate) listing: Listing,

    /// When something last came from it or, once it is closing, went to it.
    pub(crate) last_seen: Instant,
    /// While open: when its protocol wants to be called. While closing: when it is closed
    /// whatever is left.
    pub(crate) timer: Instant,

    /// In the lists of those that changed, and that are woken.
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
    /// They would know by now, but for its first line, which has begun and may show that it is no
    /// client of a chat.
    Late,
    /// They were told, or it was counted among those that came.
    Told,
}

/// What a connection has missed and was not told yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gap {
    /// It has missed something that it is to be told of.
    pub(crate) open: bool,
    /// Messages that it missed, those of `told` among them.
    pub(crate) missed: u32,
    /// Where among the records the notice belongs.
    pub(crate) seq: u64,
    /// What the notice that is being sent says.
    pub(crate) told: u32,
    /// Bytes of that notice which were sent.
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

    /// Makes the free slot ready for a newcomer. Its generation was raised
    /// when the one before left.
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
