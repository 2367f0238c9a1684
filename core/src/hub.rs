//! The hub: events go in; interest, bytes to send, deadlines and changes come out. It calls the
//! protocols. `due` does the work that is due because time has passed.

mod due;

use crate::conn::{Conn, Slot, State};
use crate::event::{Cause, ConnId, Event, Instant, Interest, ListenerId, Outcome, Refusal};
use crate::exchange::{Exchange, Index, Stats, Tables};
use crate::limits::{CONNS_AT_ONCE, Config, LOBBY, Limits, LimitsError, Listener, Protocol};
use crate::line::Line;
use crate::log::{Log, Position};
use crate::protocol::{Behaviour, behaviour};
use crate::queue::Buffers;
use crate::room::{Member, Membership, Room, RoomIndex};
use crate::text::Text;
use crate::transmit::{GapText, Transmit};

/// How long a peer may take to close its side after the hub has closed the sending side.
const LINGER_MS: u64 = 1_000;

/// The memory of a hub. The slices must be at least as long as [`Limits`] says. Their first
/// contents do not matter.
#[derive(Debug)]
pub struct Storage<'a> {
    /// [`Limits::conns`] of [`Conn::EMPTY`].
    pub conns: &'a mut [Conn<'a>],
    /// [`Limits::members`] of [`Member::EMPTY`].
    pub members: &'a mut [Member],
    /// [`Limits::rooms`] of [`Room::EMPTY`].
    pub rooms: &'a mut [Room<'a>],
    /// [`Limits::order`] zeros.
    pub order: &'a mut [u32],
    /// [`Limits::all_records`] of `[0; 2]`.
    pub records: &'a mut [[u64; 2]],
    /// [`Limits::bytes`] zeros.
    pub bytes: &'a mut [u8],
}

/// The state machine; see the [crate's documentation](crate).
///
/// There are four kinds of methods. [`Hub::handle`] takes an event. [`Hub::next_changed`],
/// [`Hub::transmit`] and [`Hub::next_deadline`] say what to do next; call them after each turn of
/// events. [`Hub::watch`] is a command. The rest are getters.
pub struct Hub<'a> {
    x: Exchange<'a>,
    /// The notice of a gap that [`Hub::transmit`] lends.
    gap_text: GapText,
}

impl core::fmt::Debug for Hub<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Hub")
            .field("limits", &self.x.limits)
            .field("stats", &self.x.stats)
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
        let has_bounds = config.per_peer.is_some() || config.listeners.iter().any(|l| l.rate.is_some());
        if has_bounds && !cfg!(feature = "large") {
            return Err(LimitsError::NoBounds);
        }
        let Storage { conns, members, rooms, order, records, bytes } = storage;
        let conns = conns.get_mut(..limits.conns).ok_or(LimitsError::Storage("conns"))?;
        let members = members.get_mut(..limits.members()).ok_or(LimitsError::Storage("members"))?;
        let rooms = rooms.get_mut(..limits.rooms).ok_or(LimitsError::Storage("rooms"))?;
        let order = order.get_mut(..limits.order()).ok_or(LimitsError::Storage("order"))?;
        let mut records = records.get_mut(..limits.all_records()).ok_or(LimitsError::Storage("records"))?;
        let mut bytes = bytes.get_mut(..limits.bytes()).ok_or(LimitsError::Storage("bytes"))?;
        // The parts that every connection uses are together. The parts that few of them use are apart.
        // So silent connections take few pages of memory.
        conns.fill_with(|| Conn { name: Text::new(take(&mut bytes, limits.name)), ..Conn::EMPTY });
        for conn in conns.iter_mut() {
            conn.line = Line::new(take(&mut bytes, limits.line_buffer()));
        }
        let buffers = Buffers::new(take(&mut bytes, limits.conns * limits.queue), limits.queue);
        members.fill_with(|| Member::EMPTY);
        for room in rooms.iter_mut() {
            let log = take(&mut bytes, limits.log);
            *room = Room {
                log: Log::new(log, take(&mut records, limits.records), config.origin as Position),
                name: Text::new(take(&mut bytes, limits.name)),
                topic: Text::new(take(&mut bytes, crate::limits::TOPIC_BYTES)),
                ..Room::EMPTY
            };
        }
        pin_rooms(&config, rooms)?;
        let tables =
            Tables { conns, members, rooms, index: Index::new(order, &limits), buffers, scratch: bytes };
        let x = Exchange::new(config, limits, tables);
        Ok(Self { x, gap_text: GapText::new() })
    }

    /// Tells the hub what happened at `now`. If `now` is earlier than in the call before, the hub
    /// uses that time. The cost of a call is bounded, whatever the event: the hub does long work in
    /// pieces, and [`Hub::next_deadline`] asks for the next one at once. Every event is allowed in every
    /// state. The hub ignores the id of a connection that is gone, and takes the bytes that come with it.
    pub fn handle(&mut self, now: Instant, event: Event<'_>) -> Outcome {
        self.x.now = now.max(self.x.now);
        let outcome = match event {
            Event::Accepted(listener, peer) => self.accepted(listener, peer),
            Event::Received(conn, bytes) => Outcome::Taken(match self.x.find(conn) {
                Some(slot) => self.received(slot, bytes),
                None => bytes.len(),
            }),
            Event::Sent(conn, count) => self.on(conn, |hub, slot| hub.sent(slot, count)),
            Event::PeerClosed(conn) => self.on(conn, |hub, slot| {
                hub.x.conn_mut(slot).ended = true;
                hub.x.wake(slot);
            }),
            Event::Failed(conn, cause) => self.on(conn, |hub, slot| {
                hub.last_words(slot);
                hub.x.kill(slot, cause, State::Gone);
            }),
            Event::Closed(conn) => self.on(conn, |hub, slot| hub.x.kill(slot, Cause::Left, State::Gone)),
            Event::Tick => {
                self.tick();
                Outcome::Done
            }
            Event::Shutdown => {
                self.x.shutdown_wanted = true;
                Outcome::Done
            }
        };
        if self.x.shutdown_wanted && !self.x.shutting_down {
            self.x.shutting_down = true;
            self.x.untold_end = 0;
            self.tell_the_end();
        }
        for _ in 0..CONNS_AT_ONCE {
            let Some(slot) = self.x.next_woken() else { break };
            self.resume(slot);
        }
        outcome
    }

    /// What the hub wants of a connection now. If the connection is gone, the driver must close it.
    pub fn interest(&self, conn: ConnId) -> Interest {
        match self.x.find(conn) {
            Some(slot) => self.x.interest(slot, self.behaviour(slot).appetite(&self.x, slot)),
            None => Interest::GONE,
        }
    }

    /// Lends the bytes to send to a connection next.
    pub fn transmit(&mut self, conn: ConnId) -> Transmit<'_, 'a> {
        let slot = self.x.find(conn);
        if let Some(slot) = slot {
            let behaviour = self.behaviour(slot);
            let gap = &mut self.x.conn_mut(slot).gap;
            if gap.open {
                if gap.sent == 0 {
                    gap.told = gap.missed;
                }
                self.gap_text = behaviour.gap(gap.told);
            }
        }
        Transmit::new(&self.x, slot, &self.gap_text)
    }

    /// The next connection whose interest or bytes to send may have changed since this method
    /// last named it; `None` when all were named. The driver need not look at the others. A
    /// connection is not named because everything was sent: the driver reported that itself, and
    /// looks at the interest anyway.
    pub fn next_changed(&mut self) -> Option<ConnId> {
        self.x.next_changed()
    }

    /// When the hub needs an [`Event::Tick`], if nothing else happens before. This may be
    /// too early, and is never too late.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.x.deadline()
    }

    /// Lets a connection to a console listener watch the lobby and the rooms of the relays, as far
    /// as [`Limits::rooms_per_conn`] allows.
    pub fn watch(&mut self, conn: ConnId) {
        if let Some(slot) = self.x.find(conn) {
            for room in 0..self.x.rooms.len() {
                let is_wanted = self.x.rooms[room].pinned && self.x.may_join(slot, Some(room as RoomIndex));
                if is_wanted {
                    self.x.join(slot, room as RoomIndex, Membership::Observing);
                }
            }
        }
    }

    /// The text for a connection that was refused; empty if the protocol has none.
    pub fn refusal_text(&self, listener: ListenerId, refusal: Refusal) -> &'static str {
        self.x.config.listener(listener).map_or("", |listener| behaviour(listener.protocol).refusal(refusal))
    }

    /// What a connection is called; empty where its protocol has no names, and for one that is gone.
    /// [`Stats::renamed`] tells whether any name has changed.
    pub fn name(&self, conn: ConnId) -> &str {
        let name = self.x.find(conn).map_or(&b""[..], |slot| self.x.conn(slot).name.as_bytes());
        core::str::from_utf8(name).unwrap_or_default()
    }

    /// Why a connection is ending, and the reason that an operator gave for it, or none; `None` while
    /// it is open, and once it is gone.
    pub fn ending(&self, conn: ConnId) -> Option<(Cause, &str)> {
        let conn = self.x.conn(self.x.find(conn)?);
        if conn.state == State::Open {
            return None;
        }
        let reason = if conn.cause == Cause::Kicked { conn.line.as_bytes() } else { b"" };
        Some((conn.cause, core::str::from_utf8(reason).unwrap_or_default()))
    }

    /// How many messages a connection has missed and was not told of yet, and a number that tells this
    /// gap from its others; `None` if it has missed none. [`Stats::lagged`] tells whether anybody's has
    /// changed.
    pub fn missed(&self, conn: ConnId) -> Option<(u32, u64)> {
        let gap = self.x.conn(self.x.find(conn)?).gap;
        gap.open.then_some((gap.missed, gap.seq))
    }

    /// The sizes that it was given.
    pub fn limits(&self) -> &Limits {
        &self.x.limits
    }

    /// Connections in the table, including those that are closing.
    pub fn count(&self) -> usize {
        self.x.count()
    }

    /// Whether the hub is shutting down. Then it accepts no connection, and it has ended when
    /// [`Hub::count`] is 0.
    pub fn is_shutting_down(&self) -> bool {
        self.x.shutting_down
    }

    /// What the hub has done since its start.
    pub fn stats(&self) -> Stats {
        self.x.stats
    }

    fn behaviour(&self, slot: Slot) -> &'static dyn Behaviour {
        // Only a listener that exists lets anyone in.
        behaviour(self.listener(slot).map_or(Protocol::Echo, |listener| listener.protocol))
    }

    fn listener(&self, slot: Slot) -> Option<&Listener> {
        self.x.config.listener(self.x.conn(slot).listener)
    }

    fn on(&mut self, conn: ConnId, act: impl FnOnce(&mut Self, Slot)) -> Outcome {
        if let Some(slot) = self.x.find(conn) {
            act(self, slot);
        }
        Outcome::Done
    }

    fn accepted(&mut self, listener: ListenerId, peer: Option<core::net::IpAddr>) -> Outcome {
        match self.let_in(listener, peer) {
            Ok(slot) => {
                self.x.stats.accepted += 1;
                self.behaviour(slot).opened(&mut self.x, slot);
                Outcome::Opened(self.x.conn(slot).id(slot))
            }
            Err(refusal) => {
                self.x.stats.refused += 1;
                Outcome::Refused(refusal)
            }
        }
    }

    fn let_in(&mut self, listener: ListenerId, peer: Option<core::net::IpAddr>) -> Result<Slot, Refusal> {
        if self.x.shutting_down {
            return Err(Refusal::ShuttingDown);
        }
        if self.x.config.listener(listener).is_none() {
            return Err(Refusal::Full);
        }
        let slot = self.x.open(listener, peer).ok_or(Refusal::Full)?;
        if self.x.is_crowded(slot, self.x.config.per_peer) {
            self.x.conn_mut(slot).state = State::Gone;
            self.x.release_if_gone(slot);
            return Err(Refusal::PerPeer);
        }
        Ok(slot)
    }

    fn received(&mut self, slot: Slot, bytes: &[u8]) -> usize {
        let now = self.x.now;
        let conn = self.x.conn_mut(slot);
        if bytes.len() > conn.refused as usize {
            conn.last_seen = now;
        }
        let taken = match conn.state {
            State::Open if conn.ended => 0,
            State::Open => self.behaviour(slot).received(&mut self.x, slot, bytes),
            // Input after the end does not matter. It is taken, because it must not keep the peer from
            // its last output.
            _ => bytes.len(),
        };
        self.x.conn_mut(slot).refused = (bytes.len() - taken) as u32;
        self.x.stats.received_bytes += taken as u64;
        // Input that was not taken changes nothing. Otherwise the driver would go round in circles.
        if taken > 0 {
            self.x.touch(slot);
        }
        taken
    }

    fn sent(&mut self, slot: Slot, count: usize) {
        // It changes nothing. Otherwise the driver would go round in circles.
        if count == 0 {
            return;
        }
        let gap = &self.x.conn(slot).gap;
        let gap_len = if gap.open { self.behaviour(slot).gap(gap.told).len() } else { 0 };
        let is_news = self.x.commit(slot, count, gap_len);
        // The driver knows that everything is sent. It may not know that more is left to send, or that
        // there is place for answers again.
        if is_news || self.x.conn(slot).state != State::Open {
            self.x.touch(slot);
        }
        let now = self.x.now;
        let conn = self.x.conn_mut(slot);
        if conn.state == State::Closing {
            conn.last_seen = now;
        }
        if conn.blocked || conn.ended || conn.state != State::Open {
            self.x.wake(slot);
        }
    }

    /// Acts on the input that is left, before somebody else than the client ends the connection.
    fn last_words(&mut self, slot: Slot) {
        if self.x.conn(slot).state == State::Open {
            self.behaviour(slot).last_words(&mut self.x, slot);
        }
    }

    /// Goes on with work that a connection could not do before.
    fn resume(&mut self, slot: Slot) {
        let behaviour = self.behaviour(slot);
        self.x.conn_mut(slot).blocked = false;
        behaviour.resume(&mut self.x, slot);
        let conn = self.x.conn(slot);
        if conn.ended && conn.state == State::Open && behaviour.may_end(&self.x, slot) {
            behaviour.ended(&mut self.x, slot);
        }
        if self.x.conn(slot).state == State::Closing && !self.x.has_output(slot) {
            let linger_until = self.x.now.after(LINGER_MS);
            let conn = self.x.conn_mut(slot);
            conn.timer = conn.timer.min(linger_until);
            self.x.arm(slot, linger_until);
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
