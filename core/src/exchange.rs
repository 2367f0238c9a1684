//! The exchange: who is there, the rooms, and what has to be done. Protocols act on it by its verbs: say
//! something in a room, tell one connection, join, leave, close. It knows no protocol. Its tables are
//! closed to all but the files below this one.
//!
//! ```text
//! conns, rooms, members    the tables
//! agenda                   what has to be done, and when
//! membership               joining, reading on, leaving
//! encodings                records for clients that see them in another way than the chat's
//! say, comings             what rooms and single connections are told
//! lag                      rooms that wait, and members that jump ahead
//! names, bounds, ends      names; rates; how connections come and end
//! about                    what can be asked about rooms and connections
//! operator                 what only an operator may do
//! outbox                   what goes out next
//! past                     what was said before
//! catch_up, pages          members that stand behind the log
//! away                     clients that may come back
//! requests                 what the driver is asked for
//! look_back                members that are told again what was said before
//! proposals                where somebody else decides the order
//! followers                readers that are no connections, and what is held for them
//! reconfigured             another configuration
//! saved                    all of it as bytes
//! ```

mod about;
mod agenda;
#[cfg_attr(not(feature = "large"), path = "exchange/never_away.rs")]
mod away;
mod bounds;
mod catch_up;
mod comings;
mod conns;
#[cfg_attr(not(feature = "large"), path = "exchange/chat_only.rs")]
mod encodings;
mod ends;
#[cfg_attr(not(feature = "console"), path = "exchange/unfollowed.rs")]
mod followers;
mod lag;
#[cfg_attr(not(feature = "large"), path = "exchange/forward_only.rs")]
mod look_back;
mod members;
mod membership;
mod names;
#[cfg(feature = "console")]
mod operator;
mod outbox;
#[cfg(feature = "large")]
mod pages;
mod past;
#[cfg(feature = "large")]
mod proposals;
mod reconfigured;
#[cfg(any(feature = "large", feature = "console"))]
mod requests;
mod rooms;
#[cfg(feature = "save")]
mod saved;
mod say;

pub(crate) use self::about::Origin;
use self::agenda::Agenda;
pub use self::catch_up::CatchUp;
pub(crate) use self::catch_up::CatchUps;
pub(crate) use self::conns::{Conns, Name};
pub(crate) use self::encodings::check as check_encodings;
pub(crate) use self::followers::Followers;
pub(crate) use self::members::Members;
pub(crate) use self::membership::Vacancy;
pub use self::outbox::Transmit;
pub(crate) use self::outbox::{GapText, Walk};
#[cfg(feature = "large")]
pub use self::proposals::Proposal;
#[cfg(feature = "large")]
pub(crate) use self::proposals::Proposals;
pub(crate) use self::rooms::Rooms;
use crate::clock::Clock;
use crate::config::{Config, Listener};
use crate::conn::{NONE, Slot};
use crate::ids::{ConnId, Instant, ListenerId};
use crate::io::Output;
use crate::limits::Limits;
use crate::line::Line;
use crate::notices::Notices;
use crate::record::Identity;
use crate::room::RoomIndex;
use crate::session::Session;
use crate::worklist::Worklist;

/// What a hub has done since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Stats {
    /// Connections that were accepted.
    pub accepted: u64,
    /// Connections that were refused.
    pub refused: u64,
    /// Connections and followers that held up a room for too long, and were disconnected or had to jump
    /// ahead.
    pub lagged: u64,
    /// Names that were given up for others.
    pub renamed: u64,
    /// Records that were appended to rooms.
    pub records: u64,
    /// Bytes that the hub took from connections.
    pub received_bytes: u64,
    /// Bytes that transports took from the hub.
    pub sent_bytes: u64,
    /// The most bytes that a room's log had to keep. The hub looks only when a log seems to be
    /// full.
    pub log_most: u32,
    /// The most bytes that a private queue held.
    pub queue_most: u32,
}

/// State shared by all protocols.
pub(crate) struct Exchange<'a> {
    config: Config<'a>,
    limits: Limits,
    conns: Conns<'a>,
    rooms: Rooms<'a>,
    members: Members<'a>,
    catch_ups: CatchUps<'a>,
    #[cfg(feature = "large")]
    proposals: Proposals<'a>,
    followers: Followers<'a>,
    agenda: Agenda,
    notices: Notices,
    /// Space for one line while it is put together or cleaned.
    scratch: &'a mut [u8],
    /// Space for a text that is rendered for one connection alone.
    #[cfg(feature = "large")]
    rendered: &'a mut [u8],
    now: Instant,
    /// The time of day, and when it was that; `None` if it is not known.
    clock: Option<(Clock, Instant)>,
    /// Sequence number of the next record.
    seq: u64,
    stats: Stats,
    /// An operator has asked for the end.
    shutdown_wanted: bool,
    shutting_down: bool,
    /// While the hub ends: the first slot whose connection is not told yet.
    untold_end: u32,
}

impl<'a> Exchange<'a> {
    /// The rooms that stay have their names and owners already. `rendered` has [`Limits::rendering`] bytes.
    pub(crate) fn new(
        config: Config<'a>,
        limits: Limits,
        (conns, rooms, members, catch_ups): (Conns<'a>, Rooms<'a>, Members<'a>, CatchUps<'a>),
        followers: Followers<'a>,
        #[cfg(feature = "large")] proposals: Proposals<'a>,
        scratch: &'a mut [u8],
        #[cfg_attr(not(feature = "large"), expect(unused_variables, reason = "nothing is rendered"))]
        rendered: &'a mut [u8],
    ) -> Self {
        Self {
            config,
            limits,
            conns,
            rooms,
            members,
            catch_ups,
            #[cfg(feature = "large")]
            proposals,
            followers,
            agenda: Agenda::new(),
            notices: Notices::new(),
            scratch,
            #[cfg(feature = "large")]
            rendered,
            now: Instant::ZERO,
            clock: None,
            seq: config.origin,
            stats: Stats::default(),
            shutdown_wanted: false,
            shutting_down: false,
            untold_end: NONE,
        }
    }

    // --- What it was given ---

    pub(crate) fn config(&self) -> &Config<'a> {
        &self.config
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Space for one line, for a moment. Whoever takes it gives it back.
    pub(crate) fn scratch(&mut self) -> &mut &'a mut [u8] {
        &mut self.scratch
    }

    // --- Time ---

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Goes on to `now`, unless that has passed.
    pub(crate) fn set_now(&mut self, now: Instant) {
        self.now = now.max(self.now);
    }

    /// Sets the time of day.
    pub(crate) fn set_clock(&mut self, unix_ms: u64, utc_offset_s: i32) {
        self.clock = Some((Clock { unix_ms, utc_offset_s }, self.now));
    }

    /// The time of day now.
    pub(crate) fn clock(&self) -> Clock {
        self.clock.map_or(Clock::UNKNOWN, |(clock, at)| clock.after(self.now.millis_since(at)))
    }

    // --- Connections ---

    /// Connections in the table, those that are closing included.
    pub(crate) fn count(&self) -> usize {
        self.conns.count()
    }

    /// Every slot that is, or was, in use.
    pub(crate) fn slots(&self) -> core::ops::Range<Slot> {
        self.conns.slots()
    }

    /// The slot that `id` names, unless the connection is gone.
    pub(crate) fn find(&self, id: ConnId) -> Option<Slot> {
        self.conns.find(id)
    }

    pub(crate) fn id(&self, slot: Slot) -> ConnId {
        self.conns[slot].id(slot)
    }

    /// Who a connection is, as the author of records.
    pub(crate) fn identity(&self, slot: Slot) -> Identity {
        self.conns[slot].identity
    }

    /// The listener that a connection came to.
    pub(crate) fn listener(&self, slot: Slot) -> Option<&Listener> {
        self.config.listener(self.conns[slot].listener)
    }

    pub(crate) fn listener_id(&self, slot: Slot) -> ListenerId {
        self.conns[slot].listener
    }

    pub(crate) fn session(&self, slot: Slot) -> &Session {
        &self.conns[slot].session
    }

    /// The line of a connection that is not finished.
    pub(crate) fn line(&self, slot: Slot) -> &Line<'a> {
        &self.conns[slot].line
    }

    pub(crate) fn line_mut(&mut self, slot: Slot) -> &mut Line<'a> {
        &mut self.conns[slot].line
    }

    pub(crate) fn session_mut(&mut self, slot: Slot) -> &mut Session {
        &mut self.conns[slot].session
    }

    // --- Work to do, and when ---

    /// Its interest or its output may have changed.
    pub(crate) fn touch(&mut self, slot: Slot) {
        self.agenda.touch(&mut self.conns, slot);
    }

    /// The next thing to ask of the driver.
    pub(crate) fn next_output(&mut self) -> Option<Output> {
        #[cfg(any(feature = "large", feature = "console"))]
        if self.agenda.has_requests()
            && let Some(request) = self.next_request()
        {
            return Some(request);
        }
        let slot = self.agenda.next_changed(&mut self.conns, &mut self.rooms, &self.members)?;
        Some(Output::Changed { conn: self.id(slot) })
    }

    /// Its protocol may now be able to go on.
    pub(crate) fn wake(&mut self, slot: Slot) {
        self.agenda.wake(&mut self.conns, slot);
    }

    /// The next connection whose protocol may go on.
    pub(crate) fn next_woken(&mut self) -> Option<Slot> {
        let may_speak = self.takes_proposal();
        self.agenda.next_woken(&mut self.conns, &mut self.rooms, may_speak)
    }

    /// Notes a deadline of a connection; see [`Agenda::arm`].
    pub(crate) fn arm(&mut self, slot: Slot, at: Instant) {
        self.agenda.arm(&mut self.conns, slot, at);
    }

    /// The next connection of which a deadline has come. The caller must note its other deadlines again.
    pub(crate) fn next_due(&mut self) -> Option<Slot> {
        self.agenda.next_due(&mut self.conns, self.now)
    }

    /// The rooms that have something to do now; see [`Agenda::take_pending_rooms`].
    pub(crate) fn take_pending_rooms(&mut self) -> Worklist {
        self.agenda.take_pending_rooms(self.now)
    }

    /// The next of these rooms.
    pub(crate) fn next_pending(&mut self, pending: &mut Worklist) -> Option<RoomIndex> {
        pending.pop(self.rooms.all_mut())
    }

    /// When something must be done, at the latest.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.agenda.is_behind(self.takes_proposal()) || self.untold_end != NONE {
            return Some(self.now);
        }
        self.agenda.deadline(&self.conns)
    }

    // --- The end of the hub ---

    /// Asks for the end.
    pub(crate) fn want_shutdown(&mut self) {
        self.shutdown_wanted = true;
    }

    /// Begins the end, if it is wanted and has not begun. Returns whether it begins now.
    pub(crate) fn begin_shutdown(&mut self) -> bool {
        let begins = self.shutdown_wanted && !self.shutting_down;
        if begins {
            (self.shutting_down, self.untold_end) = (true, 0);
        }
        begins
    }

    pub(crate) fn is_shutting_down(&self) -> bool {
        self.shutting_down
    }
}
