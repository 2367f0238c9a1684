//! The hub: inputs go in; interest, bytes to send, deadlines and changes come out. It calls the
//! protocols. `due` does the work that is due because time has passed, and `saved` makes bytes of a hub.

mod due;
#[cfg(feature = "console")]
mod followers;
mod reconfigured;
#[cfg(feature = "save")]
mod saved;

pub use self::reconfigured::ReconfigureError;
use self::reconfigured::check_bounds;
use crate::config::{Config, Joining, Listener, Protocol};
use crate::conn::{Conn, Slot};
use crate::exchange::{
    CatchUp, CatchUps, Conns, Exchange, Followers, GapText, Members, Rooms, Stats, Transmit, Walk,
    check_encodings,
};
#[cfg(feature = "large")]
use crate::exchange::{Proposal, Proposals};

use crate::ids::{Cause, ConnId, Instant, ListenerId};
#[cfg(feature = "large")]
use crate::io::Wanted;
use crate::io::{Answer, Input, Interest, Output, Refusal};
use crate::limits::{CONNS_AT_ONCE, LOBBY, Limits, LimitsError};
use crate::line::Line;
use crate::log::{Log, Position, RECORD_WORDS};
use crate::protocol::{Behaviour, behaviour, longest_gap};
use crate::queue::Buffers;
use crate::record::{Identity, Place, RoomRef};
use crate::room::{Member, Room};
use crate::text::Text;

/// The memory of a hub. The slices must be at least as long as [`Limits`] says. Their first
/// contents do not matter.
#[derive(Debug)]
pub struct Storage<'a> {
    /// [`Limits::conns`] of [`Conn::EMPTY`].
    pub conns: &'a mut [Conn<'a>],
    /// [`Limits::members`] of [`Member::EMPTY`].
    pub members: &'a mut [Member],
    /// [`Limits::catch_ups`] of [`CatchUp::EMPTY`].
    pub catch_ups: &'a mut [CatchUp],
    /// [`Limits::all_rooms`] of [`Room::EMPTY`].
    pub rooms: &'a mut [Room<'a>],
    /// [`Limits::order`] zeros.
    pub order: &'a mut [u32],
    /// [`Limits::all_records`] of `[0; RECORD_WORDS]`.
    pub records: &'a mut [[u64; RECORD_WORDS]],
    /// [`Limits::bytes`] zeros.
    pub bytes: &'a mut [u8],
}

/// The state machine; see the [crate's documentation](crate).
///
/// There are four kinds of methods. [`Hub::handle`] takes an input. [`Hub::next_output`],
/// [`Hub::send`] and [`Hub::next_deadline`] say what to do next; call them after each turn of
/// inputs. With the feature `console`, `read` gives followers what they have not read; `follow`, `unfollow`,
/// `read_again` and `watch` are commands. The rest are getters.
pub struct Hub<'a> {
    x: Exchange<'a>,
    /// What [`Hub::transmit`] lends, and the notice of a gap in it.
    walk: Walk,
    gap_text: GapText,
}

impl core::fmt::Debug for Hub<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Hub")
            .field("limits", self.x.limits())
            .field("stats", self.x.stats())
            .finish_non_exhaustive()
    }
}

impl<'a> Hub<'a> {
    /// Makes a hub with these limits in this memory.
    ///
    /// # Errors
    /// The limits contradict each other, or the storage is too short for them.
    pub fn new(config: Config<'a>, limits: Limits, storage: Storage<'a>) -> Result<Self, LimitsError> {
        limits.check()?;
        if let Some(listener) = config.listeners.iter().find(|listener| !listener.protocol.is_built_in()) {
            return Err(LimitsError::NotBuiltIn(listener.protocol));
        }
        check_bounds(&config)?;
        if config.proposes && limits.proposals < limits.least_proposals() {
            return Err(LimitsError::ProposalsTooSmall { least: limits.least_proposals() });
        }
        let has_several = config.listeners.iter().any(|l| l.joining == Joining::Several);
        if has_several && !cfg!(feature = "large") {
            return Err(LimitsError::SeveralRooms);
        }
        check_encodings(&config, &limits, &longest_gap())?;
        let Storage { conns, members, catch_ups, rooms, order, records, bytes } = storage;
        let conns = conns.get_mut(..limits.conns).ok_or(LimitsError::Storage("conns"))?;
        let members = members.get_mut(..limits.members).ok_or(LimitsError::Storage("members"))?;
        let catch_ups = catch_ups.get_mut(..limits.catch_ups).ok_or(LimitsError::Storage("catch_ups"))?;
        let rooms = rooms.get_mut(..limits.all_rooms()).ok_or(LimitsError::Storage("rooms"))?;
        let order = order.get_mut(..limits.order()).ok_or(LimitsError::Storage("order"))?;
        let mut records = records.get_mut(..limits.all_records()).ok_or(LimitsError::Storage("records"))?;
        let mut bytes = bytes.get_mut(..limits.bytes()).ok_or(LimitsError::Storage("bytes"))?;
        // The parts that every connection uses are together. The parts that few of them use are apart.
        // So silent connections take few pages of memory.
        conns.fill_with(|| Conn { name: Text::new(take(&mut bytes, limits.name)), ..Conn::EMPTY });
        for conn in conns.iter_mut() {
            conn.line = Line::new(take(&mut bytes, limits.line_buffer()));
        }
        let buffers = take(&mut bytes, limits.conns * limits.queue);
        let buffers = Buffers::with_reserve(buffers, limits.queue, limits.reserve(&config));
        members.fill_with(|| Member::EMPTY);
        for room in rooms.iter_mut().take(limits.rooms) {
            let log = take(&mut bytes, limits.log);
            *room = Room {
                log: Log::new(log, take(&mut records, limits.records), config.origin as Position),
                name: Text::new(take(&mut bytes, limits.name)),
                topic: Text::new(take(&mut bytes, crate::limits::TOPIC_BYTES)),
                ..Room::EMPTY
            };
        }
        // A ring is only a log.
        let (rooms_alone, rings) = rooms.split_at_mut(limits.rooms);
        for ring in rings {
            let log = take(&mut bytes, limits.log);
            let log = Log::new(log, take(&mut records, limits.records), config.origin as Position);
            *ring = Room { log, ..Room::EMPTY };
        }
        pin_rooms(&config, rooms_alone)?;
        // All places, or none: a build without the feature `large` needs no index.
        let (of_conns, order) = order.split_at_mut(limits.order_of_conns());
        let (of_rooms, of_followers) = order.split_at_mut(limits.order_of_rooms());
        let looks = config.names.looks;
        let tables = (
            Conns::new(conns, buffers, of_conns, looks, config.first_identity),
            Rooms::new((rooms, limits.rooms), of_rooms, looks, config.grace_ms),
            Members::new(members, limits.conns),
            CatchUps::new(catch_ups),
        );
        let followers = Followers::new(of_followers, limits.order_of_follower());
        #[cfg(feature = "large")]
        let proposals = Proposals::new(take(&mut bytes, limits.proposals));
        let rendered = take(&mut bytes, limits.rendering());
        let mut x = Exchange::new(
            config,
            limits,
            tables,
            followers,
            #[cfg(feature = "large")]
            proposals,
            bytes,
            rendered,
        );
        x.pin_rings()?;
        Ok(Self { x, walk: Walk::default(), gap_text: GapText::new() })
    }

    /// Tells the hub what happened at `now`. If `now` is earlier than in the call before, the hub
    /// uses that time. The cost of a call is bounded, whatever the input: the hub does long work in
    /// pieces, and [`Hub::next_deadline`] asks for the next one at once. Every input is allowed in every
    /// state. The hub ignores the id of a connection that is gone, and takes the bytes that come with it.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) -> Answer {
        self.x.set_now(now);
        let answer = match input {
            Input::Clock { unix_ms, utc_offset_s } => {
                self.x.set_clock(unix_ms, utc_offset_s);
                Answer::Done
            }
            Input::Accepted { listener, peer } => match self.x.let_in(listener, peer) {
                Ok(slot) => {
                    self.behaviour(slot).opened(&mut self.x, slot);
                    Answer::Opened { conn: self.x.id(slot) }
                }
                Err(refusal) => Answer::Refused { refusal },
            },
            Input::Speaks { conn, listener } => self.on(conn, |hub, slot| {
                if hub.x.hand_over(slot, listener) {
                    hub.behaviour(slot).opened(&mut hub.x, slot);
                }
            }),
            Input::Received { conn, bytes } => Answer::Taken {
                count: match self.x.find(conn) {
                    Some(slot) => self.received(slot, bytes),
                    None => bytes.len(),
                },
            },
            Input::Sent { conn, count } => self.on(conn, |hub, slot| hub.sent(slot, count)),
            Input::PeerClosed { conn } => self.on(conn, |hub, slot| hub.x.end_input(slot)),
            #[cfg(feature = "large")]
            Input::Away { conn } => {
                let slot = self.x.find(conn);
                Answer::Taken { count: usize::from(slot.is_some_and(|slot| self.x.go_away(slot))) }
            }
            #[cfg(feature = "large")]
            Input::Back { conn } => self.on(conn, |hub, slot| hub.x.come_back(slot)),
            #[cfg(feature = "large")]
            Input::Known { conn, identity } => {
                let slot = self.x.find(conn);
                Answer::Taken {
                    count: usize::from(slot.is_some_and(|slot| self.x.know_again(slot, identity))),
                }
            }
            Input::Failed { conn, cause } => self.on(conn, |hub, slot| {
                hub.last_words(slot);
                hub.x.forget(slot, cause);
            }),
            Input::Closed { conn } => self.on(conn, |hub, slot| hub.x.forget(slot, Cause::Left)),
            #[cfg(feature = "large")]
            Input::Page { wanted, has_gap, records } => {
                let slot = self.x.find(wanted.conn);
                Answer::Taken {
                    count: slot.map_or(0, |slot| self.x.take_page(slot, wanted, has_gap, records)),
                }
            }
            #[cfg(feature = "large")]
            Input::Topic { room, topic } => {
                self.x.recall_topic(room, topic);
                Answer::Done
            }
            #[cfg(feature = "large")]
            Input::Proposed { number } => {
                self.x.take_proposals(number);
                Answer::Done
            }
            #[cfg(feature = "large")]
            Input::Decided { index, conn, record } => {
                Answer::Taken { count: usize::from(self.x.append_decided(index, conn, &record)) }
            }
            #[cfg(feature = "large")]
            Input::Withdrawn { conn } => {
                self.x.decide_one(conn);
                Answer::Done
            }
            #[cfg(feature = "console")]
            Input::Committed { follower, seq } => {
                self.x.commit_read(follower, seq);
                Answer::Done
            }
            #[cfg(feature = "console")]
            Input::Notice { text } => {
                self.x.proclaim_to_all(text.as_bytes(), |_, _| {});
                Answer::Done
            }
            Input::Tick => {
                self.tick();
                Answer::Done
            }
            Input::Shutdown => {
                self.x.want_shutdown();
                Answer::Done
            }
        };
        if self.x.begin_shutdown() {
            self.tell_the_end();
        }
        for _ in 0..CONNS_AT_ONCE {
            let Some(slot) = self.x.next_woken() else { break };
            self.resume(slot);
        }
        answer
    }

    /// What the hub wants of a connection now. If the connection is gone, the driver must close it.
    pub fn interest(&self, conn: ConnId) -> Interest {
        match self.x.find(conn) {
            Some(slot) => self.x.interest(slot, self.behaviour(slot).appetite(&self.x, slot)),
            None => Interest::GONE,
        }
    }

    /// Lends the bytes to send to a connection next. `write` returns how many of them the transport took,
    /// from their front; they count as sent. Returns that number. Nothing can come in between, which is
    /// what [`Input::Sent`] needs.
    ///
    /// There is one loan at a time. The bytes of a room's log would stay where they are until they are
    /// counted as sent. But those of a private queue may move when more is put into it, and a member that
    /// jumps ahead has other bytes to send then. A driver that sends later, as with io_uring, copies
    /// what it is lent, and counts it as sent at once.
    pub fn send(
        &mut self,
        now: Instant,
        conn: ConnId,
        write: impl FnOnce(Transmit<'_, 'a>) -> usize,
    ) -> usize {
        let count = write(self.transmit(conn));
        self.handle(now, Input::Sent { conn, count });
        count
    }

    /// The bytes to send to a connection next. To send them, use [`Hub::send`].
    pub fn transmit(&mut self, conn: ConnId) -> Transmit<'_, 'a> {
        let slot = self.x.find(conn);
        if let Some(slot) = slot
            && let Some(told) = self.x.gap_to_tell(slot)
        {
            self.gap_text = self.gap(slot, told);
        }
        Transmit::new(&self.x, &mut self.walk, slot, &self.gap_text)
    }

    /// What the hub asks of the driver next; `None`: nothing more now. Each thing is named once, and again when
    /// there is more of it.
    pub fn next_output(&mut self) -> Option<Output> {
        self.x.next_output()
    }

    /// The first line that a client wants to say and that the driver has not taken yet, where
    /// [`Config::proposes`] is true. The driver lets somebody decide its place in the order, and answers
    /// with [`Input::Proposed`] now and [`Input::Decided`] later.
    #[cfg(feature = "large")]
    pub fn next_proposal(&self) -> Option<Proposal<'_>> {
        self.x.next_proposal()
    }

    /// The words that a client looks for; see [`Wanted::searches`]. They are as it has typed them, with white space
    /// between them. `None`: it does not wait for that any more. `space` has at least [`Limits::line`] bytes.
    #[cfg(feature = "large")]
    pub fn words<'h>(&'h self, wanted: Wanted, space: &'h mut [u8]) -> Option<&'h str> {
        let slot = self.x.find(wanted.conn).filter(|slot| self.x.searches(*slot, wanted))?;
        crate::protocol::words(&self.x, slot, space)
    }

    /// When the hub needs an [`Input::Tick`], if nothing else happens before. This may be
    /// too early, and is never too late.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.x.deadline()
    }

    /// The text for a connection that was refused; empty if the protocol has none.
    pub fn refusal_text(&self, listener: ListenerId, refusal: Refusal) -> &'static str {
        // An encoding has not rendered it, so a client of one gets none.
        let found = self.x.config().listener(listener).filter(|listener| listener.encoding.is_none());
        found.map_or("", |listener| behaviour(listener.protocol).refusal(refusal))
    }

    /// What a connection is called; empty where its protocol has no names, and for one that is gone.
    /// [`Stats::renamed`] tells whether any name has changed.
    pub fn name(&self, conn: ConnId) -> &str {
        self.x.find(conn).map_or("", |slot| self.x.name_text(slot))
    }

    /// Who a connection is, as the author of records; `None` if it is gone.
    pub fn identity(&self, conn: ConnId) -> Option<Identity> {
        Some(self.x.identity(self.x.find(conn)?))
    }

    /// The listener of a connection; `None` if it is gone.
    pub fn listener(&self, conn: ConnId) -> Option<ListenerId> {
        Some(self.x.listener_id(self.x.find(conn)?))
    }

    /// What a connection speaks; `None` if it is gone.
    pub fn protocol(&self, conn: ConnId) -> Option<Protocol> {
        Some(self.x.session(self.x.find(conn)?).protocol())
    }

    /// What a room is; `None` if it is gone.
    pub fn room(&self, room: RoomRef) -> Option<Place<'_>> {
        Some(self.x.place(self.x.same_room(room)?))
    }

    /// Whether a room has place for a record now; false if the room is gone. So a driver need not try
    /// [`Input::Decided`].
    #[cfg(feature = "large")]
    pub fn takes_decision(&self, room: RoomRef) -> bool {
        self.x.same_room(room).is_some_and(|room| self.x.is_room_open(room))
    }

    /// Why a connection is ending, and the reason that an operator gave for it, or none; `None` while
    /// it is open, and once it is gone.
    pub fn ending(&self, conn: ConnId) -> Option<(Cause, &str)> {
        let slot = self.x.find(conn).filter(|slot| !self.x.is_open(*slot))?;
        Some((self.x.cause(slot), self.x.reason(slot)))
    }

    /// How many messages a connection has missed and was not told of yet, and a number that tells this
    /// gap from its others; `None` if it has missed none. [`Stats::lagged`] tells whether anybody's has
    /// changed.
    pub fn missed(&self, conn: ConnId) -> Option<(u32, u64)> {
        self.x.missed(self.x.find(conn)?)
    }

    /// The sizes that it was given.
    pub fn limits(&self) -> &Limits {
        self.x.limits()
    }

    /// Connections in the table, including those that are closing.
    pub fn count(&self) -> usize {
        self.x.count()
    }

    /// Whether the hub is shutting down. Then it accepts no connection, and it has ended when
    /// [`Hub::count`] is 0.
    pub fn is_shutting_down(&self) -> bool {
        self.x.is_shutting_down()
    }

    /// What the hub has done since its start.
    pub fn stats(&self) -> Stats {
        *self.x.stats()
    }

    fn behaviour(&self, slot: Slot) -> &'static dyn Behaviour {
        behaviour(self.x.session(slot).protocol())
    }

    /// The notice that a connection has missed so many messages.
    fn gap(&self, slot: Slot, missed: u32) -> GapText {
        self.x.notice_of_gap(slot, &self.behaviour(slot).gap(missed))
    }

    fn on(&mut self, conn: ConnId, act: impl FnOnce(&mut Self, Slot)) -> Answer {
        if let Some(slot) = self.x.find(conn) {
            act(self, slot);
        }
        Answer::Done
    }

    fn received(&mut self, slot: Slot, bytes: &[u8]) -> usize {
        self.x.hear(slot, bytes.len());
        let taken = match self.x.is_open(slot) {
            true if self.x.has_ended(slot) => 0,
            true => self.behaviour(slot).received(&mut self.x, slot, bytes),
            // Input after the end does not matter. It is taken, because it must not keep the peer from
            // its last output.
            false => bytes.len(),
        };
        self.x.took(slot, taken, bytes.len());
        self.x.stay_away(slot);
        taken
    }

    fn sent(&mut self, slot: Slot, count: usize) {
        // If nothing was sent, it changes nothing. Otherwise the driver would go round in circles.
        if count > 0 {
            let told = self.x.gap_being_told(slot);
            let gap_len = told.map_or(0, |told| self.gap(slot, told).len());
            self.x.commit(&mut self.walk, slot, count, gap_len);
        }
    }

    /// Acts on the input that is left, before somebody else than the client ends the connection.
    fn last_words(&mut self, slot: Slot) {
        if self.x.is_open(slot) {
            self.behaviour(slot).last_words(&mut self.x, slot);
        }
    }

    /// Goes on with work that a connection could not do before.
    fn resume(&mut self, slot: Slot) {
        let behaviour = self.behaviour(slot);
        self.x.unblock(slot);
        behaviour.resume(&mut self.x, slot);
        if self.x.has_ended(slot) && self.x.is_open(slot) && behaviour.may_end(&self.x, slot) {
            behaviour.ended(&mut self.x, slot);
        }
        self.x.catch_up(slot);
        if self.x.is_closing(slot) {
            self.x.linger(slot);
        }
        self.x.touch(slot);
        self.x.release_if_gone(slot);
    }
}

/// Cuts the first `len` elements off.
fn take<'a, T>(slice: &mut &'a mut [T], len: usize) -> &'a mut [T] {
    let (first, rest) = core::mem::take(slice).split_at_mut(len);
    *slice = rest;
    first
}

/// Gives the lobby, and every relay listener that shares no other's, a room that stays.
fn pin_rooms(config: &Config<'_>, rooms: &mut [Room<'_>]) -> Result<(), LimitsError> {
    let mut rooms = rooms.iter_mut();
    let mut pin = || rooms.next().ok_or(LimitsError::TooFewRooms);
    if config.listeners.iter().any(|listener| listener.protocol == Protocol::Chat) {
        let room = pin()?;
        room.pinned = true;
        room.name.set(LOBBY.as_bytes());
    }
    let has_room =
        |listener: &Listener| listener.protocol == Protocol::Relay && listener.relay.shares.is_none();
    for (index, listener) in config.listeners.iter().enumerate() {
        if has_room(listener) {
            let room = pin()?;
            room.pinned = true;
            room.owner = Some(ListenerId(index as u8));
        } else if let Some(other) = listener.relay.shares
            && !config.listener(other).is_some_and(has_room)
        {
            return Err(LimitsError::NoSuchRelay);
        }
    }
    Ok(())
}
