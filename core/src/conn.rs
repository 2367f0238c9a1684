//! One slot of the connection table: what the hub knows about a connection. Plain state;
//! `exchange` and the protocols decide what it means.

use crate::account::Account;
use crate::ids::{Cause, ConnId, Instant, ListenerId};
use crate::line::Line;
use crate::name::{Kept, NO_LOOKS};
#[cfg(feature = "save")]
use crate::queue::Buffers;
use crate::queue::Queue;
use crate::record::Identity;
#[cfg(feature = "save")]
use crate::save::{Damaged, Visit, Visitor, ensure};
use crate::session::Session;
use crate::text::Text;

/// Index of a connection in the table.
pub(crate) type Slot = u32;

/// No slot, and no membership.
pub(crate) const NONE: u32 = u32::MAX;

/// Lists of connections. Without the feature `large` no driver is asked for pages.
const LISTS: usize = if cfg!(feature = "large") { 3 } else { 2 };

/// How far a connection's life has come, and the times that matter then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The slot is free. The free slot that is used after it.
    Free { next: Slot },
    /// Input is acted on.
    Open {
        /// When something last came from it; see [`Instant::wrapping_millis`].
        heard_at: u32,
        /// When its protocol wants to be called.
        timer: Instant,
    },
    /// Input is ignored, queued output goes out, then it is closed.
    Closing {
        /// When it is closed, even if output is left.
        close_at: Instant,
        /// When something last went to it, or came from it before; see [`Instant::wrapping_millis`].
        moved_at: u32,
    },
    /// The driver must close it at once.
    Dead { abort: bool },
    /// The driver has let go of it. Its departure may still have to be told.
    Gone,
}

impl State {
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, State::Open { .. })
    }
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

/// Storage for one connection.
#[derive(Debug)]
pub struct Conn<'a> {
    pub(crate) state: State,
    /// Once it is not open any more: why.
    pub(crate) cause: Cause,
    pub(crate) generation: u32,
    pub(crate) listener: ListenerId,
    pub(crate) account: Account,
    /// The encoding in which it sees records, unless it is the chat's, and the longest of them.
    #[cfg(feature = "large")]
    pub(crate) encoding: Option<u8>,
    #[cfg(feature = "large")]
    pub(crate) longest: usize,
    pub(crate) identity: Identity,

    /// Empty if it has no name.
    pub(crate) name: Text<'a>,
    pub(crate) looks: Kept,
    /// The unfinished line.
    pub(crate) line: Line<'a>,
    /// Once it was kicked: the reason that the operator gave, in the memory of the line.
    #[cfg(feature = "console")]
    pub(crate) reason: Text<'a>,
    pub(crate) session: Session,
    pub(crate) queue: Queue,
    pub(crate) gap: Gap,
    /// The first of its memberships, the last one that it got.
    pub(crate) first_member: u32,
    /// The first of its places among those that catch up, or `NONE`; see `exchange/catch_up`.
    pub(crate) catch_up: u32,
    /// Since when it has caught up without a break, if it does; see [`Instant::wrapping_millis`].
    #[cfg(feature = "large")]
    pub(crate) behind_since: u32,
    /// Whether it keeps a list of its memberships that have something to read, and the first of these.
    #[cfg(feature = "large")]
    pub(crate) has_lists: bool,
    #[cfg(feature = "large")]
    pub(crate) active: u32,

    /// How many of the things that it said are proposed, and not decided.
    #[cfg(feature = "large")]
    pub(crate) pending: u32,
    /// Its peer cannot be reached now, and may come back; see `exchange/away`.
    #[cfg(feature = "large")]
    pub(crate) is_away: bool,
    /// The peer sends no more.
    pub(crate) ended: bool,
    /// It cannot go on until some of its output is gone.
    pub(crate) blocked: bool,
    /// Its protocol had to stop, so that others have their turn, and goes on when a deadline comes.
    pub(crate) paused: bool,
    /// Bytes that were offered and not taken. To offer them again is no sign of life.
    pub(crate) refused: u32,

    /// Its places in the lists of changed and woken connections, and of those that want a page.
    pub(crate) next_in: [Next; LISTS],
    pub(crate) turn: Turn,
    pub(crate) node: Node,
    /// Whether a client called `guest-N`, with N this slot's index plus 1, is there.
    pub(crate) guest_taken: bool,
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
        state: State::Free { next: NONE },
        cause: Cause::Left,
        generation: 0,
        listener: ListenerId(0),
        account: Account::NONE,
        #[cfg(feature = "large")]
        encoding: None,
        #[cfg(feature = "large")]
        longest: 0,
        identity: Identity::HUB,
        name: Text::EMPTY,
        looks: NO_LOOKS,
        line: Line::EMPTY,
        #[cfg(feature = "console")]
        reason: Text::EMPTY,
        session: Session::Echo,
        queue: Queue::EMPTY,
        gap: Gap::NONE,
        first_member: NONE,
        catch_up: NONE,
        #[cfg(feature = "large")]
        behind_since: 0,
        #[cfg(feature = "large")]
        pending: 0,
        #[cfg(feature = "large")]
        is_away: false,
        #[cfg(feature = "large")]
        has_lists: false,
        #[cfg(feature = "large")]
        active: NONE,
        ended: false,
        blocked: false,
        paused: false,
        refused: 0,
        next_in: [Next::OUT; LISTS],
        turn: Turn::NONE,
        node: Node::EMPTY,
        guest_taken: false,
    };

    pub(crate) fn id(&self, slot: Slot) -> ConnId {
        ConnId { slot, generation: self.generation }
    }

    /// Whether a connection is there, and the driver has not let go of it.
    pub(crate) fn is_there(&self) -> bool {
        !matches!(self.state, State::Free { .. } | State::Gone)
    }

    /// Makes the free slot ready for a newcomer. Its generation was raised when the last connection left
    /// it.
    pub(crate) fn open(&mut self, account: Account, now: Instant) {
        self.state = State::Open { heard_at: now.wrapping_millis(), timer: Instant::NEVER };
        self.cause = Cause::Left;
        self.account = account;
        self.ended = false;
        self.refused = 0;
        #[cfg(feature = "large")]
        {
            self.pending = 0;
            self.behind_since = 0;
            self.is_away = false;
        }
    }
}

#[cfg(feature = "save")]
impl Conn<'_> {
    /// Its places in lists of work and in queues are saved with those. What a name looks like, which names
    /// of guests are taken, what it may have to read, and how it is rendered follow from other fields.
    pub(crate) fn visit(
        &mut self,
        visitor: &mut Visitor<'_>,
        buffers: &mut Buffers<'_>,
    ) -> Result<(), Damaged> {
        let Self {
            state,
            cause,
            generation,
            listener,
            account,
            identity,
            name,
            looks: _,
            line,
            #[cfg(feature = "console")]
            reason,
            session,
            queue,
            gap,
            first_member,
            catch_up,
            #[cfg(feature = "large")]
            behind_since,
            has_lists,
            active: _,
            encoding: _,
            longest: _,
            #[cfg(feature = "large")]
            pending,
            #[cfg(feature = "large")]
            is_away,
            ended,
            blocked,
            paused,
            refused,
            next_in: _,
            turn: _,
            node: _,
            guest_taken: _,
        } = self;
        generation.visit(visitor)?;
        state.visit(visitor)?;
        if matches!(state, State::Free { .. }) {
            return Ok(());
        }
        cause.visit(visitor)?;
        listener.visit(visitor)?;
        account.visit(visitor)?;
        identity.visit(visitor)?;
        name.visit(visitor)?;
        #[cfg(feature = "console")]
        {
            let mut was_kicked = reason.capacity() > 0;
            was_kicked.visit(visitor)?;
            ensure(!was_kicked || !state.is_open())?;
            if was_kicked && reason.capacity() == 0 {
                *reason = core::mem::take(line.text());
            }
            reason.visit(visitor)?;
        }
        line.visit(visitor)?;
        session.visit(visitor)?;
        queue.visit(visitor, buffers)?;
        gap.visit(visitor)?;
        first_member.visit(visitor)?;
        catch_up.visit(visitor)?;
        #[cfg(feature = "large")]
        behind_since.visit(visitor)?;
        has_lists.visit(visitor)?;
        #[cfg(feature = "large")]
        pending.visit(visitor)?;
        #[cfg(feature = "large")]
        is_away.visit(visitor)?;
        ended.visit(visitor)?;
        blocked.visit(visitor)?;
        paused.visit(visitor)?;
        refused.visit(visitor)
    }
}

#[cfg(feature = "save")]
impl Visit for State {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let all = [
            Self::Free { next: NONE },
            Self::Open { heard_at: 0, timer: Instant::NEVER },
            Self::Closing { close_at: Instant::NEVER, moved_at: 0 },
            Self::Dead { abort: false },
            Self::Gone,
        ];
        visitor.variant(self, &all)?;
        match self {
            Self::Free { next } => next.visit(visitor),
            Self::Open { heard_at: at, timer: by } | Self::Closing { close_at: by, moved_at: at } => {
                at.visit(visitor)?;
                by.visit(visitor)
            }
            Self::Dead { abort } => abort.visit(visitor),
            Self::Gone => Ok(()),
        }
    }
}

#[cfg(feature = "save")]
impl Visit for Gap {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let Self { open, missed, seq, told, sent } = self;
        open.visit(visitor)?;
        missed.visit(visitor)?;
        seq.visit(visitor)?;
        told.visit(visitor)?;
        sent.visit(visitor)?;
        // What is told was missed. Without a gap nothing is told.
        ensure(*told <= *missed && (*open || (*missed, *sent) == (0, 0)))
    }
}
