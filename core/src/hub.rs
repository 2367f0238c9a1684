//! The hub: events in; interest, bytes to send, deadlines and changes out.
//! It calls the protocols, and keeps the time.

use crate::conn::{Conn, Slot, State};
use crate::event::{Cause, ConnId, Event, Instant, Interest, ListenerId, Outcome, Refusal};
use crate::exchange::{Exchange, Stats};
use crate::limits::{Config, LOBBY, Limits, LimitsError, OnLag, Protocol};
use crate::line::Line;
use crate::log::{Log, Position};
use crate::protocol::{Behaviour, behaviour};
use crate::queue::Buffers;
use crate::room::{Member, Membership, Room};
use crate::text::Text;
use crate::transmit::{GapText, Transmit};

/// How long a connection whose sending side is closed is given to close its own.
const LINGER_MS: u64 = 1_000;

/// The memory of a hub. What the slices hold at first does not matter; they
/// must be at least as long as [`Limits`] says.
#[derive(Debug)]
pub struct Storage<'a> {
    /// [`Limits::conns`] of [`Conn::EMPTY`].
    pub conns: &'a mut [Conn<'a>],
    /// [`Limits::members`] of [`Member::EMPTY`].
    pub members: &'a mut [Member],
    /// [`Limits::rooms`] of [`Room::EMPTY`].
    pub rooms: &'a mut [Room<'a>],
    /// [`Limits::all_records`] of `[0; 2]`.
    pub records: &'a mut [[u64; 2]],
    /// [`Limits::bytes`] zeros.
    pub bytes: &'a mut [u8],
}

/// The state machine; see the [crate's documentation](crate).
///
/// Methods are of three kinds. [`Hub::handle`] takes what happened.
/// [`Hub::next_changed`], [`Hub::transmit`] and [`Hub::next_deadline`] tell what
/// is to be done; they are asked after each turn of events. [`Hub::watch`] is a
/// command; the rest are getters.
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
    /// A hub of these sizes in this memory.
    ///
    /// # Errors
    /// Limits that contradict each other, or storage that is too short for them.
    pub fn new(config: Config<'a>, limits: Limits, storage: Storage<'a>) -> Result<Self, LimitsError> {
        limits.check()?;
        if let Some(listener) = config.listeners.iter().find(|listener| !listener.protocol.is_built_in()) {
            return Err(LimitsError::NotBuiltIn(listener.protocol));
        }
        let Storage { conns, members, rooms, records, bytes } = storage;
        let conns = conns.get_mut(..limits.conns).ok_or(LimitsError::Storage("conns"))?;
        let members = members.get_mut(..limits.members()).ok_or(LimitsError::Storage("members"))?;
        let rooms = rooms.get_mut(..limits.rooms).ok_or(LimitsError::Storage("rooms"))?;
        let mut records = records.get_mut(..limits.all_records()).ok_or(LimitsError::Storage("records"))?;
        let mut bytes = bytes.get_mut(..limits.bytes()).ok_or(LimitsError::Storage("bytes"))?;
        // What each connection has stands together, and what few of them have apart, so
        // that connections which say nothing take few pages of memory.
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
        let x = Exchange::new(config, limits, conns, members, rooms, buffers, bytes);
        Ok(Self { x, gap_text: GapText::new() })
    }

    /// Tells the hub what happened at `now`, which is taken to be no earlier
    /// than the time before. Any event is safe in any state: one that bears the
    /// id of a connection that is gone is ignored, and its bytes count as taken.
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
                if hub.x.conn(slot).state == State::Open {
                    hub.behaviour(slot).broke(&mut hub.x, slot);
                }
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
            self.shut_down();
        }
        while let Some(slot) = self.x.next_woken() {
            self.resume(slot);
        }
        outcome
    }

    /// What a connection wants now; that of a connection that is gone is to be closed.
    pub fn interest(&self, conn: ConnId) -> Interest {
        match self.x.find(conn) {
            Some(slot) => self.x.interest(slot, self.behaviour(slot).appetite(&self.x, slot)),
            None => Interest::GONE,
        }
    }

    /// Lends the bytes that go out to a connection next.
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

    /// The next connection whose interest, or whose bytes to send, may have
    /// changed since it was last named here; `None` when all were named. A
    /// connection that is not named needs no look at all. That everything was sent, as
    /// the driver has just told, does not name it: whoever tells that looks at its
    /// interest anyway.
    pub fn next_changed(&mut self) -> Option<ConnId> {
        self.x.next_changed()
    }

    /// When the hub wants a [`Event::Tick`], if nothing else happens before. It
    /// may be earlier than there is something to do, and never later.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.x.deadline()
    }

    /// Lets a connection to a console listener read along in the lobby and in
    /// the rooms of the relays, as far as it has places for memberships.
    pub fn watch(&mut self, conn: ConnId) {
        if let Some(slot) = self.x.find(conn) {
            for room in 0..self.x.rooms.len() {
                if self.x.rooms[room].pinned {
                    self.x.join(slot, room as u32, Membership::Observing);
                }
            }
        }
    }

    /// The words for a newcomer that was refused; empty where the protocol has none.
    pub fn refusal_text(&self, listener: ListenerId, refusal: Refusal) -> &'static str {
        self.x.config.listener(listener).map_or("", |listener| behaviour(listener.protocol).refusal(refusal))
    }

    /// The sizes that it was given.
    pub fn limits(&self) -> &Limits {
        &self.x.limits
    }

    /// Connections in the table, those that are closing included.
    pub fn count(&self) -> usize {
        self.x.count()
    }

    /// Whether the hub is ending: it lets nobody in any more. It has ended when
    /// [`Hub::count`] is 0.
    pub fn is_shutting_down(&self) -> bool {
        self.x.shutting_down
    }

    /// What the hub has done since its start.
    pub fn stats(&self) -> Stats {
        self.x.stats
    }

    fn behaviour(&self, slot: Slot) -> &'static dyn Behaviour {
        // Only listeners that there are have let anyone in.
        behaviour(self.listener(slot).map_or(Protocol::Echo, |listener| listener.protocol))
    }

    fn listener(&self, slot: Slot) -> Option<&crate::limits::Listener> {
        self.x.config.listener(self.x.conn(slot).listener)
    }

    fn on(&mut self, conn: ConnId, act: impl FnOnce(&mut Self, Slot)) -> Outcome {
        if let Some(slot) = self.x.find(conn) {
            act(self, slot);
        }
        Outcome::Done
    }

    fn accepted(&mut self, listener: ListenerId, peer: Option<core::net::IpAddr>) -> Outcome {
        let refusal = if self.x.shutting_down {
            Some(Refusal::ShuttingDown)
        } else if self.is_crowded(peer) {
            Some(Refusal::PerPeer)
        } else {
            None
        };
        let slot = match refusal {
            None if self.x.config.listener(listener).is_some() => self.x.open(listener, peer),
            _ => None,
        };
        let Some(slot) = slot else {
            self.x.stats.refused += 1;
            return Outcome::Refused(refusal.unwrap_or(Refusal::Full));
        };
        self.x.stats.accepted += 1;
        self.behaviour(slot).opened(&mut self.x, slot);
        Outcome::Opened(self.x.conn(slot).id(slot))
    }

    /// Whether an address has as many connections as one may have.
    fn is_crowded(&self, peer: Option<core::net::IpAddr>) -> bool {
        let (Some(most), Some(peer)) = (self.x.config.per_peer, peer) else { return false };
        let of_peer = self.x.slots().filter(|&slot| {
            let conn = self.x.conn(slot);
            conn.state != State::Free && conn.peer == Some(peer)
        });
        of_peer.count() >= most as usize
    }

    fn received(&mut self, slot: Slot, bytes: &[u8]) -> usize {
        let now = self.x.now;
        let conn = self.x.conn_mut(slot);
        conn.last_seen = now;
        let taken = match conn.state {
            State::Open if conn.ended => 0,
            State::Open => self.behaviour(slot).received(&mut self.x, slot, bytes),
            // Nothing that comes after the end is of interest, but it must not
            // stand between the peer and what is still sent to it.
            _ => bytes.len(),
        };
        self.x.stats.received_bytes += taken as u64;
        // What was not taken changes nothing: the driver must not be sent round in circles.
        if taken > 0 {
            self.x.touch(slot);
        }
        taken
    }

    fn sent(&mut self, slot: Slot, count: usize) {
        // It changes nothing: the driver must not be sent round in circles.
        if count == 0 {
            return;
        }
        let gap = &self.x.conn(slot).gap;
        let gap_len = if gap.open { self.behaviour(slot).gap(gap.told).len() } else { 0 };
        let is_news = self.x.commit(slot, count, gap_len);
        // That all is sent is no news to the driver; that more is left to be sent, or that
        // there is place for answers again, may be.
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

    /// Tells everyone, and lets what is queued go out before all is closed.
    fn shut_down(&mut self) {
        self.x.shutting_down = true;
        for slot in self.x.slots() {
            if matches!(self.x.conn(slot).state, State::Open | State::Closing) {
                self.behaviour(slot).tell(&mut self.x, slot, "server is shutting down");
                self.x.close_soon(slot, Cause::Shutdown);
                self.x.hurry(slot);
            }
            // Departures need not be told any more.
            self.x.wake(slot);
        }
    }

    /// Goes on with what a connection could not do before.
    fn resume(&mut self, slot: Slot) {
        let behaviour = self.behaviour(slot);
        self.x.conn_mut(slot).blocked = false;
        behaviour.resume(&mut self.x, slot);
        let conn = self.x.conn(slot);
        if conn.ended && conn.state == State::Open && behaviour.appetite(&self.x, slot) > 0 {
            behaviour.ended(&mut self.x, slot);
        }
        if self.x.conn(slot).state == State::Closing && !self.x.has_output(slot) {
            let linger_until = self.x.now.after(LINGER_MS);
            let conn = self.x.conn_mut(slot);
            conn.wait_until = conn.wait_until.min(linger_until);
            self.x.arm(slot, linger_until);
        }
        self.x.touch(slot);
        self.x.release_if_gone(slot);
    }

    /// Does what is due, and notes what is still to come. It costs a look at each
    /// connection of which a deadline has come, and at no other. All are found before
    /// anything is done: what is due again by that waits for the next tick, so that this
    /// one ends, and the driver can send what there is before.
    fn tick(&mut self) {
        self.x.find_due();
        while let Some(slot) = self.x.next_due() {
            match self.x.conn(slot).state {
                State::Free | State::Gone | State::Dead { .. } => {}
                State::Closing => {
                    self.check_lag(slot);
                    self.close_in_time(slot);
                }
                State::Open => {
                    self.check_idle(slot);
                    self.check_flush(slot);
                    self.check_lag(slot);
                    if !self.x.within_rate(slot) {
                        self.x.arm_rate(slot);
                    } else if self.x.config.rate.is_some() {
                        self.x.touch(slot);
                        self.x.wake(slot);
                    }
                }
            }
        }
    }

    fn close_in_time(&mut self, slot: Slot) {
        let conn = self.x.conn(slot);
        if conn.state != State::Closing {
            return;
        }
        // A peer that takes nothing more is idle too.
        let idle_at = self.x.config.idle_ms.map(|ms| conn.last_seen.after(u64::from(ms)));
        let close_at = conn.wait_until.min(idle_at.unwrap_or(Instant::NEVER));
        if close_at > self.x.now {
            return self.x.arm(slot, close_at);
        }
        let abort = self.x.has_output(slot);
        self.x.kill(slot, Cause::Left, State::Dead { abort });
    }

    fn check_idle(&mut self, slot: Slot) {
        let (Some(idle_ms), Some(listener)) = (self.x.config.idle_ms, self.listener(slot)) else { return };
        if listener.protocol == Protocol::Console {
            return;
        }
        let due = self.x.conn(slot).last_seen.after(u64::from(idle_ms));
        if due > self.x.now {
            return self.x.arm(slot, due);
        }
        self.behaviour(slot).tell(&mut self.x, slot, "you were idle for too long");
        self.x.close_soon(slot, Cause::TimedOut);
    }

    fn check_flush(&mut self, slot: Slot) {
        let conn = self.x.conn(slot);
        if conn.state != State::Open {
            return;
        }
        let flush_at = conn.wait_until;
        if flush_at > self.x.now {
            self.x.arm(slot, flush_at);
        } else {
            // Where the room is closed now, this is tried again when it opens.
            self.behaviour(slot).flush(&mut self.x, slot);
        }
    }

    /// Cuts a connection loose that has made a room wait for the whole grace.
    fn check_lag(&mut self, slot: Slot) {
        for index in self.x.members_of(slot) {
            let due = self.x.lag_deadline(index);
            if due == Instant::NEVER {
                continue;
            }
            let member = &self.x.members[index as usize];
            if due > self.x.now {
                self.x.arm(slot, due);
            } else if !self.x.rooms[member.room as usize].judged {
                // Nobody waits any more; the clock starts anew when somebody does.
                self.x.members[index as usize].waited_since = Instant::NEVER;
            } else if !(self.may_skip(slot) && self.x.skip(index)) {
                self.x.stats.lagged += 1;
                return self.x.kill(slot, Cause::Lagged, State::Dead { abort: true });
            }
        }
    }

    fn may_skip(&self, slot: Slot) -> bool {
        self.listener(slot).is_some_and(|listener| listener.on_lag == OnLag::Skip)
            && !self.behaviour(slot).gap(0).is_empty()
    }
}

/// Cuts the first `len` elements off.
fn take<'a, T>(slice: &mut &'a mut [T], len: usize) -> &'a mut [T] {
    let (first, rest) = core::mem::take(slice).split_at_mut(len);
    *slice = rest;
    first
}

/// Gives the lobby and every relay listener a room that stays.
fn pin_rooms(config: &Config<'_>, rooms: &mut [Room<'_>]) -> Result<(), LimitsError> {
    let mut rooms = rooms.iter_mut();
    let mut pin = || rooms.next().ok_or(LimitsError::TooFewRooms);
    if config.listeners.iter().any(|listener| listener.protocol == Protocol::Chat) {
        let room = pin()?;
        room.pinned = true;
        room.name.set(LOBBY.as_bytes());
    }
    for (index, listener) in config.listeners.iter().enumerate() {
        if listener.protocol == Protocol::Relay {
            let room = pin()?;
            room.pinned = true;
            room.owner = Some(ListenerId(index as u8));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String;
    use std::vec::Vec;

    use super::*;

    const LIMITS: Limits = Limits {
        conns: 4,
        rooms: 5,
        rooms_per_conn: 3,
        name: 32,
        line: 128,
        queue: 512,
        log: 4096,
        records: 64,
    };
    const NOW: Instant = Instant::from_millis(0);

    fn with_hub(test: impl FnOnce(Hub<'_>)) {
        with_rate(None, test);
    }

    fn with_rate(rate: Option<u32>, test: impl FnOnce(Hub<'_>)) {
        let listeners = [Protocol::Chat, Protocol::Console, Protocol::Relay]
            .map(|protocol| crate::Listener { protocol, on_lag: OnLag::Disconnect });
        let mut conns = [const { Conn::EMPTY }; 4];
        let mut members = [const { Member::EMPTY }; 12];
        let mut rooms = [const { Room::EMPTY }; 5];
        let mut records = [[0; 2]; 320];
        let mut bytes = std::vec![0; LIMITS.bytes()];
        let storage = Storage {
            conns: &mut conns,
            members: &mut members,
            rooms: &mut rooms,
            records: &mut records,
            bytes: &mut bytes,
        };
        let config = Config { origin: u64::MAX - 2, rate, ..Config::new(&listeners) };
        test(Hub::new(config, LIMITS, storage).unwrap());
    }

    fn open(hub: &mut Hub<'_>, listener: u8) -> ConnId {
        hub.handle(NOW, Event::Accepted(ListenerId(listener), None)).opened().unwrap()
    }

    fn say(hub: &mut Hub<'_>, conn: ConnId, line: &str) {
        assert_eq!(hub.handle(NOW, Event::Received(conn, line.as_bytes())), Outcome::Taken(line.len()));
    }

    /// All that waits for a connection, sent `piece` bytes at a time.
    fn receive(hub: &mut Hub<'_>, conn: ConnId, piece: usize) -> String {
        let mut all = Vec::new();
        loop {
            let lent: Vec<u8> = hub.transmit(conn).flatten().copied().take(piece).collect();
            if lent.is_empty() {
                return String::from_utf8(all).unwrap();
            }
            hub.handle(NOW, Event::Sent(conn, lent.len()));
            all.extend(lent);
        }
    }

    #[test]
    fn one_event_in_several_rooms_is_seen_once_and_in_its_place() {
        for piece in [1, 2, 3, 5, 1000] {
            with_hub(|mut hub| {
                let (alice, bob, operator) = (open(&mut hub, 0), open(&mut hub, 0), open(&mut hub, 1));
                say(&mut hub, bob, "/join den\n");
                say(&mut hub, operator, "/watch lobby\n/watch den\n");
                for conn in [alice, bob, operator] {
                    receive(&mut hub, conn, 1000);
                }
                say(&mut hub, alice, "one\n");
                say(&mut hub, operator, "/say to all\n/rooms\n");
                say(&mut hub, bob, "two\n");
                say(&mut hub, operator, "/say again\n");
                say(&mut hub, bob, "three\n");
                say(&mut hub, alice, "four\n");
                let seen = "<guest-1> one\r\n-- to all\r\n-- lobby: 1 here\r\n-- den: 1 here\r\n\
                            <guest-2> two\r\n-- again\r\n<guest-2> three\r\n<guest-1> four\r\n";
                assert_eq!(receive(&mut hub, operator, piece), seen, "pieces of {piece}");
                assert_eq!(receive(&mut hub, bob, piece), "-- to all\r\n-- again\r\n");
            });
        }
    }

    #[test]
    fn several_lines_of_ones_own_among_others_are_passed_over() {
        for piece in [1, 2, 3, 7, 1000] {
            with_hub(|mut hub| {
                let (alice, bob) = (open(&mut hub, 0), open(&mut hub, 0));
                receive(&mut hub, alice, 1000);
                for text in ["1\n", "2\n", "3\n"] {
                    say(&mut hub, bob, text);
                    say(&mut hub, alice, text);
                    say(&mut hub, alice, text);
                }
                let seen = "<guest-2> 1\r\n<guest-2> 2\r\n<guest-2> 3\r\n";
                assert_eq!(receive(&mut hub, alice, piece), seen, "pieces of {piece}");
            });
        }
    }

    /// A `/join` that waited for its author to read on must not go ahead while
    /// the room that it leaves cannot be told.
    #[test]
    fn a_join_that_had_to_wait_waits_for_its_room_too() {
        with_hub(|mut hub| {
            let (carol, talker) = (open(&mut hub, 0), open(&mut hub, 0));
            // In one room after the other, without reading: each is still to be read.
            for room in ["a", "b"] {
                say(&mut hub, carol, &std::format!("/join {room}\n"));
                receive(&mut hub, talker, 1000);
                say(&mut hub, talker, &std::format!("/join {room}\n"));
                receive(&mut hub, talker, 1000);
                say(&mut hub, talker, "hello\n");
            }
            say(&mut hub, carol, "/join c\n");
            // Short lines fill the room's index of records, which carol does not read.
            while hub.handle(NOW, Event::Received(talker, b"x\n")) == Outcome::Taken(2) {}
            // Newcomers use up what the room keeps free for notices.
            for _ in 0..4 {
                let guest = open(&mut hub, 0);
                receive(&mut hub, guest, 1000);
                hub.handle(NOW, Event::Received(guest, b"/join b\n"));
                hub.handle(NOW, Event::Failed(guest, Cause::Reset));
            }
            let seen = receive(&mut hub, carol, 7);
            assert!(seen.contains("-- you are in c\r\n"), "{seen}");
        });
    }

    /// What the others need no look for costs nothing, however many they are.
    #[test]
    fn who_says_nothing_to_the_room_changes_nobody_else() {
        with_hub(|mut hub| {
            let [alice, bob] = [0, 0].map(|listener| open(&mut hub, listener));
            for conn in [alice, bob] {
                receive(&mut hub, conn, 1000);
            }
            while hub.next_changed().is_some() {}
            for input in ["/ping\n", "unfinished"] {
                say(&mut hub, alice, input);
                while let Some(conn) = hub.next_changed() {
                    assert_eq!(conn, alice, "{input:?}");
                }
            }
        });
    }

    /// Two who never read stand at different places: the others must not have to wait
    /// for the one, and then as long for the other.
    #[test]
    fn all_who_lag_have_one_grace_together() {
        with_hub(|mut hub| {
            let [talker, carol, dave] = [0, 0, 0].map(|listener| open(&mut hub, listener));
            for conn in [talker, carol, dave] {
                receive(&mut hub, conn, 1000);
            }
            let line = std::format!("{}\n", "x".repeat(100));
            for _ in 0..4 {
                say(&mut hub, talker, &line);
                receive(&mut hub, dave, 1000);
            }
            while hub.handle(NOW, Event::Received(talker, line.as_bytes())) == Outcome::Taken(line.len()) {}
            let later = Instant::from_millis(Config::new(&[]).grace_ms.into());
            hub.handle(later, Event::Tick);
            for conn in [carol, dave] {
                assert_eq!(hub.interest(conn).close, crate::Close::Abort);
                hub.handle(later, Event::Closed(conn));
            }
            assert_eq!(
                hub.handle(later, Event::Received(talker, line.as_bytes())),
                Outcome::Taken(line.len())
            );
        });
    }

    #[test]
    fn the_rate_holds_for_lines_that_do_not_end_and_those_that_are_too_long() {
        for listener in [0, 2] {
            with_rate(Some(2), |mut hub| {
                let conn = open(&mut hub, listener);
                receive(&mut hub, conn, 1000);
                let mut taken = 0;
                for _ in 0..100 {
                    taken += hub.handle(NOW, Event::Received(conn, &[b'x'; 300])).taken();
                    taken += hub.handle(NOW, Event::Received(conn, b"\n")).taken();
                    receive(&mut hub, conn, 1000);
                }
                assert!(taken < 5 * 301, "listener {listener}: {taken}");
                assert!(hub.next_deadline().is_some(), "it goes on later");
            });
        }
    }

    #[test]
    fn storage_that_is_too_short_is_refused() {
        let listeners = [crate::Listener { protocol: Protocol::Chat, on_lag: OnLag::Skip }];
        let storage =
            Storage { conns: &mut [], members: &mut [], rooms: &mut [], records: &mut [], bytes: &mut [] };
        let hub = Hub::new(Config::new(&listeners), LIMITS, storage);
        assert_eq!(hub.err(), Some(LimitsError::Storage("conns")));
    }
}
