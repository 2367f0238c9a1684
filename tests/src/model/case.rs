//! One case: a hub of random limits, its model, and random events for both.

use std::collections::BTreeSet;

use fastrand::Rng;
use parlour_core::{
    Cause, Close, Config, Conn, ConnId, Event, Hub, Instant, Limits, Listener, ListenerId, Member, OnLag,
    Outcome, Protocol, Record, Refusal, Room as RoomStorage, Storage,
};

use super::peer::{Item, Kind, Life, Peer, Room};

const CHAT: ListenerId = ListenerId(0);
const ECHO: ListenerId = ListenerId(1);
const RELAYS: [ListenerId; 2] = [ListenerId(2), ListenerId(3)];
const CONSOLE: ListenerId = ListenerId(4);

/// The rooms: that of the chat, and those of the relays.
const LOBBY: Room = 0;
const ROOMS: usize = 3;

const GRACE_MS: u32 = 50;
const UNFINISHED_MS: u32 = 20;

/// A hub and its model, fed with the same random events.
pub struct Case<'a> {
    rng: Rng,
    hub: Hub<'a>,
    limits: Limits,
    now: Instant,
    /// Observers that are always up to date: one of each room, and one of all.
    oracles: [ConnId; ROOMS + 1],
    peers: Vec<Peer>,
    /// Names of those who are gone, which the lobby was not told yet.
    departing: BTreeSet<String>,
    /// Ids of those who are gone.
    stale: Vec<ConnId>,
    lagged: u64,
    is_rated: bool,
}

impl Case<'_> {
    /// Runs `events` random events of a seed, then lets all faults stop and
    /// looks whether everything drains.
    pub fn run(seed: u64, events: usize) {
        let mut rng = Rng::with_seed(seed);
        let limits = random_limits(&mut rng);
        let on_lag = |rng: &mut Rng| if rng.bool() { OnLag::Skip } else { OnLag::Disconnect };
        let listeners = [Protocol::Chat, Protocol::Echo, Protocol::Relay, Protocol::Relay, Protocol::Console]
            .map(|protocol| Listener { protocol, on_lag: on_lag(&mut rng) });
        let near_the_end = u64::MAX - rng.u64(..5_000);
        let anywhere = rng.u64(..);
        let config = Config {
            grace_ms: GRACE_MS,
            unfinished_ms: UNFINISHED_MS,
            rate: rng.choice([None, None, Some(20)]).unwrap_or_default(),
            origin: rng.choice([0, near_the_end, anywhere]).unwrap_or_default(),
            ..Config::new(&listeners)
        };
        let mut conns: Vec<_> = (0..limits.conns).map(|_| Conn::EMPTY).collect();
        let mut members: Vec<_> = (0..limits.members()).map(|_| Member::EMPTY).collect();
        let mut rooms: Vec<_> = (0..limits.rooms).map(|_| RoomStorage::EMPTY).collect();
        let mut records = vec![Record::EMPTY; limits.all_records()];
        let mut bytes = vec![0; limits.bytes()];
        let storage = Storage {
            conns: &mut conns,
            members: &mut members,
            rooms: &mut rooms,
            records: &mut records,
            bytes: &mut bytes,
        };
        let mut hub = Hub::new(config, limits, storage).expect("the limits are possible");
        let now = Instant::from_millis(rng.u64(..1 << 40));
        let mut open = |listener| hub.handle(now, Event::Accepted(listener, None)).opened().expect("a place");
        let oracles = [open(CONSOLE), open(RELAYS[0]), open(RELAYS[1]), open(CONSOLE)];
        hub.handle(now, Event::Received(oracles[LOBBY], b"/watch lobby\n"));
        hub.watch(oracles[ROOMS]);
        let case = Case {
            rng,
            hub,
            limits,
            now,
            oracles,
            peers: Vec::new(),
            departing: BTreeSet::new(),
            stale: Vec::new(),
            lagged: 0,
            is_rated: config.rate.is_some(),
        };
        case.play(events);
    }

    fn play(mut self, events: usize) {
        for _ in 0..events {
            self.random_event();
            self.check_counts();
        }
        self.check_all_output();
        self.stalled_peer_delays_for_the_grace_at_most();
        self.drain_everything();
        self.every_slot_is_free_again();
    }

    fn random_event(&mut self) {
        match self.rng.u32(..100) {
            0..12 => self.connect(),
            12..50 => self.with_peer(Self::send),
            50..78 => self.with_peer(Self::transmit),
            78..81 => self.with_peer(Self::half_close),
            81..83 => self.with_peer(|case, peer| case.fail(peer, Cause::Reset)),
            83..86 => self.stale_event(),
            _ => self.tick(),
        }
    }

    fn with_peer(&mut self, act: impl FnOnce(&mut Self, usize)) {
        if !self.peers.is_empty() {
            let peer = self.rng.usize(..self.peers.len());
            act(self, peer);
        }
    }

    // --- Events ---

    fn connect(&mut self) {
        let kinds = [
            (CHAT, Kind::Chat),
            (CHAT, Kind::Chat),
            (ECHO, Kind::Echo),
            (RELAYS[0], Kind::Relay),
            (RELAYS[1], Kind::Relay),
            (CONSOLE, Kind::Console),
        ];
        let (listener, kind) = kinds[self.rng.usize(..kinds.len())];
        let is_full = self.hub.count() == self.limits.conns;
        let outcome = self.hub.handle(self.now, Event::Accepted(listener, None));
        assert_eq!(is_full, outcome == Outcome::Refused(Refusal::Full), "who finds a free slot is let in");
        let Ok(id) = outcome.opened() else { return };
        let mut peer = Peer::new(id, kind);
        match kind {
            Kind::Echo => {}
            Kind::Relay => peer.rooms = vec![usize::from(listener.0) - 1],
            Kind::Console => {
                self.hub.watch(id);
                peer.rooms = (0..ROOMS).collect();
            }
            Kind::Chat => {
                peer.life = Life::Arriving;
                peer.name = self.lowest_free_guest();
                let welcome =
                    format!("-- welcome to parlour, you are {}; /help lists the commands\r\n", peer.name);
                peer.tell(welcome, self.now);
            }
        }
        self.peers.push(peer);
        self.observe();
    }

    fn lowest_free_guest(&self) -> String {
        let is_taken =
            |name: &String| self.departing.contains(name) || self.peers.iter().any(|p| p.name == *name);
        (1..).map(|n| format!("guest-{n}")).find(|name| !is_taken(name)).unwrap_or_default()
    }

    fn send(&mut self, peer: usize) {
        if self.peers[peer].ended || self.peers[peer].life == Life::Closing {
            return;
        }
        let Peer { id, kind, .. } = self.peers[peer];
        let more = self.random_input(kind, id.slot());
        self.peers[peer].leftover.extend(more);
        self.offer(peer);
    }

    fn random_input(&mut self, kind: Kind, slot: usize) -> Vec<u8> {
        let mut input = Vec::new();
        for _ in 0..self.rng.usize(..4) {
            let longest = if self.rng.u32(..4) == 0 { self.limits.line } else { 12 };
            let len = self.rng.usize(..=longest);
            let text: Vec<u8> = std::iter::repeat_with(|| self.rng.u8(b'a'..=b'z')).take(len).collect();
            match kind {
                // Lines that may be too long, each client's of bytes of its own, so that
                // it can be told whose an unfinished one is.
                Kind::Echo | Kind::Relay => {
                    input.push(0x80 | (slot as u8) << 3);
                    input.extend(text.iter().map(|byte| 0x80 | (slot as u8) << 3 | byte & 7));
                    input.extend(self.rng.choice([&b"\n"[..], b"\r\n", b""]).unwrap_or_default());
                }
                Kind::Chat => {
                    let is_command = self.rng.u32(..4) == 0;
                    input.extend(if is_command { b"/ping".to_vec() } else { text });
                    input.extend(self.rng.choice([&b"\n"[..], b"\r\n"]).unwrap_or_default());
                }
                Kind::Console if self.rng.u32(..8) == 0 => input.extend(b"/unwatch lobby\n"),
                Kind::Console => input.extend([b"/say x", &text[..text.len().min(8)], b"\n"].concat()),
            }
        }
        // The input is cut anywhere.
        input.truncate(input.len() - self.rng.usize(..=input.len().min(3)));
        if matches!(kind, Kind::Console | Kind::Chat) {
            // What was cut off comes later, so that lines stay what they are.
            let rest = input.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
            input.truncate(rest);
        }
        input
    }

    /// Offers what a peer has sent, in a piece of any length.
    fn offer(&mut self, peer: usize) {
        let Peer { id, leftover, .. } = &self.peers[peer];
        let len = if self.rng.bool() { leftover.len() } else { self.rng.usize(..=leftover.len()) };
        let piece = leftover[..len].to_vec();
        let appetite = self.hub.interest(*id).read;
        let taken = self.hub.handle(self.now, Event::Received(*id, &piece)).taken();
        assert!(taken <= len);
        assert!(len == 0 || (appetite > 0) == (taken > 0), "what is wanted is taken: {appetite}, {taken}");
        self.peers[peer].leftover.drain(..taken);
        self.took(peer, &piece[..taken]);
        self.observe();
    }

    fn transmit(&mut self, peer: usize) {
        let lent = self.check_output(peer);
        let count = match self.rng.u32(..3) {
            0 => lent,
            _ => self.rng.usize(..=lent),
        };
        // More than was lent is a driver's mistake that must do no harm.
        let claimed = if count == lent && self.rng.u32(..20) == 0 { count + 7 } else { count };
        let id = self.peers[peer].id;
        self.hub.handle(self.now, Event::Sent(id, claimed));
        self.peers[peer].commit(count);
        self.observe();
    }

    fn half_close(&mut self, peer: usize) {
        let Peer { id, kind, .. } = self.peers[peer];
        let appetite = self.hub.interest(id).read;
        // When a client that has to wait is closed at last cannot be seen.
        if self.peers[peer].leftover.is_empty() && !self.peers[peer].ended && appetite > 0 {
            self.peers[peer].ended = true;
            self.hub.handle(self.now, Event::PeerClosed(id));
            if kind == Kind::Relay {
                let mut told = self.told();
                if !self.peers[peer].unfinished.is_empty() {
                    self.flushed(peer, &mut told);
                }
                self.peers[peer].life = Life::Closing;
                self.explain(told);
            }
            self.observe();
        }
    }

    fn fail(&mut self, peer: usize, cause: Cause) {
        let id = self.peers[peer].id;
        // A relay passes on what it has of an unfinished line, if its room takes it.
        self.peers[peer].flush_at = Some(self.now);
        self.hub.handle(self.now, Event::Failed(id, cause));
        self.gone(peer);
    }

    fn stale_event(&mut self) {
        let Some(&id) = self.stale.get(self.rng.usize(..self.stale.len().max(1))) else { return };
        let event = match self.rng.u32(..5) {
            0 => Event::Received(id, b"stale\n"),
            1 => Event::Sent(id, 10),
            2 => Event::PeerClosed(id),
            3 => Event::Failed(id, Cause::Reset),
            _ => Event::Closed(id),
        };
        self.hub.handle(self.now, event);
        assert_eq!(self.hub.interest(id).close, Close::Abort);
        assert_eq!(self.hub.transmit(id).count(), 0);
        self.observe();
    }

    fn tick(&mut self) {
        let ms = self.rng.u64(..40);
        self.advance(ms);
    }

    fn advance(&mut self, ms: u64) {
        self.now = Instant::from_millis(self.now.as_millis() + ms);
        self.hub.handle(self.now, Event::Tick);
        let before: Vec<_> = self.peers.iter().map(|peer| peer.waiting.len()).collect();
        let told = self.told();
        self.explain(told);
        self.find_skips(&before);
        self.observe();
    }

    // --- The model ---

    /// What follows from input that was taken.
    fn took(&mut self, peer: usize, input: &[u8]) {
        match self.peers[peer].kind {
            Kind::Echo => {
                let now = self.now;
                self.peers[peer].tell(input, now);
            }
            Kind::Relay => self.took_relay(peer, input),
            Kind::Chat | Kind::Console => self.took_lines(peer, input),
        }
    }

    fn took_relay(&mut self, peer: usize, input: &[u8]) {
        let room = self.peers[peer].rooms[0];
        let longest = self.limits.line + 2;
        let mut told = self.told();
        let mut rest = input;
        while !rest.is_empty() {
            let unfinished = &mut self.peers[peer].unfinished;
            let window = &rest[..rest.len().min(longest - unfinished.len())];
            let end = if unfinished.is_empty() {
                window.iter().rposition(|&byte| byte == b'\n')
            } else {
                window.iter().position(|&byte| byte == b'\n')
            };
            let part = &window[..end.map_or(window.len(), |at| at + 1)];
            if unfinished.is_empty() {
                self.peers[peer].flush_at =
                    Some(Instant::from_millis(self.now.as_millis() + u64::from(UNFINISHED_MS)));
            }
            let unfinished = &mut self.peers[peer].unfinished;
            unfinished.extend_from_slice(part);
            rest = &rest[part.len()..];
            if end.is_some() || unfinished.len() == longest {
                let record = std::mem::take(unfinished);
                told.expect(room, &record);
                self.say(room, Some(peer), record, true);
            }
        }
        self.explain(told);
    }

    fn took_lines(&mut self, peer: usize, input: &[u8]) {
        let mut told = self.told();
        self.peers[peer].unfinished.extend_from_slice(input);
        while let Some(end) = self.peers[peer].unfinished.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.peers[peer].unfinished.drain(..=end).collect();
            let line = String::from_utf8(line).expect("text");
            self.took_line(peer, line.trim_end_matches(['\r', '\n']), &mut told);
        }
        // What is left are arrivals and departures, told when the lines were done.
        self.explain(told);
    }

    fn took_line(&mut self, peer: usize, line: &str, told: &mut Told) {
        let now = self.now;
        if line == "/ping" {
            self.peers[peer].tell("-- pong\r\n", now);
        } else if line == "/unwatch lobby" {
            let rooms = &mut self.peers[peer].rooms;
            match rooms.iter().position(|&room| room == LOBBY) {
                Some(at) => drop(rooms.remove(at)),
                None => self.peers[peer].tell("-- you do not watch such a room\r\n", now),
            }
        } else if let Some(text) = line.strip_prefix("/say ") {
            let record = format!("-- {text}\r\n").into_bytes();
            if told.starts_with(LOBBY, &record) {
                told.expect(LOBBY, &record);
                self.say(LOBBY, None, record, false);
            } else {
                self.peers[peer].tell("-- not said in lobby, which waits for a slow client\r\n", now);
            }
        } else if !line.is_empty() {
            let record = format!("<{}> {line}\r\n", self.peers[peer].name).into_bytes();
            told.expect(LOBBY, &record);
            self.say(LOBBY, Some(peer), record, true);
        }
    }

    /// A record of a room goes to everyone in it but its author.
    fn say(&mut self, room: Room, author: Option<usize>, bytes: Vec<u8>, is_message: bool) {
        for (index, peer) in self.peers.iter_mut().enumerate() {
            let is_in = peer.life == Life::Open && peer.rooms.contains(&room);
            if is_in && author != Some(index) {
                let item =
                    Item { bytes: bytes.clone(), room: Some(room), is_message, since: self.now, gap: None };
                peer.waiting.push_back(item);
            }
        }
    }

    /// Takes what the observers have got since they were last asked; when they
    /// have it, a room that waited for them may be told more.
    fn told(&mut self) -> Told {
        let mut told = self.oracles.map(|_| Vec::new());
        loop {
            let before: usize = told.iter().map(Vec::len).sum();
            for (told, id) in told.iter_mut().zip(self.oracles) {
                let got: Vec<u8> = self.hub.transmit(id).flatten().copied().collect();
                self.hub.handle(self.now, Event::Sent(id, got.len()));
                told.extend(got);
            }
            if told.iter().map(Vec::len).sum::<usize>() == before {
                let [.., all] = &mut told;
                return Told { all: std::mem::take(all), rooms: told };
            }
        }
    }

    /// Learns from the observers what could not be foreseen, and does what the
    /// hub asks of the driver.
    fn observe(&mut self) {
        let told = self.told();
        self.explain(told);
        while self.hub.next_changed().is_some() {}
        let closed = |case: &Self, peer: &Peer| case.hub.interest(peer.id).close;
        while let Some(peer) =
            self.peers.iter().position(|peer| matches!(closed(self, peer), Close::Full | Close::Abort))
        {
            let close = closed(self, &self.peers[peer]);
            assert!(
                close == Close::Abort || self.peers[peer].waiting.is_empty(),
                "all is sent before a close"
            );
            let id = self.peers[peer].id;
            self.hub.handle(self.now, Event::Closed(id));
            self.gone(peer);
        }
        for peer in &mut self.peers {
            let close = self.hub.interest(peer.id).close;
            assert!(close != Close::Write || peer.waiting.is_empty());
        }
    }

    /// A peer is gone; the lobby may have been told, or will be.
    fn gone(&mut self, peer: usize) {
        let mut told = self.told();
        let gone = self.peers.remove(peer);
        self.stale.push(gone.id);
        if gone.kind == Kind::Chat && gone.life == Life::Open {
            self.departing.insert(gone.name.clone());
        }
        // The last words of a relay's client.
        if gone.kind == Kind::Relay && !gone.unfinished.is_empty() {
            let room = gone.rooms[0];
            if told.starts_with(room, &gone.unfinished) {
                told.expect(room, &gone.unfinished);
                self.say(room, None, gone.unfinished, true);
            }
        }
        self.explain(told);
        self.observe();
    }

    /// Finds out what rooms were told of their own accord.
    fn explain(&mut self, mut told: Told) {
        while !told.all.is_empty() {
            let understood = self.explain_notice(&mut told)
                || self.explain_last_line(&mut told)
                || self.explain_flush(&mut told);
            assert!(understood, "rooms were told {:?}", String::from_utf8_lossy(&told.all));
        }
    }

    /// The unfinished line of a relay's client, that is due; of several that it
    /// could be the longest.
    fn explain_flush(&mut self, told: &mut Told) -> bool {
        let is_flushed = |peer: &Peer| {
            let is_due = peer.ended || peer.flush_at.is_some_and(|at| at <= self.now);
            let is_there = peer.kind == Kind::Relay && is_due && !peer.unfinished.is_empty();
            is_there && told.starts_with(peer.rooms[0], &peer.unfinished)
        };
        let flushed = (0..self.peers.len()).filter(|&peer| is_flushed(&self.peers[peer]));
        let longest = flushed.max_by_key(|&peer| self.peers[peer].unfinished.len());
        longest.inspect(|&peer| self.flushed(peer, told)).is_some()
    }

    fn flushed(&mut self, peer: usize, told: &mut Told) {
        let record = std::mem::take(&mut self.peers[peer].unfinished);
        let room = self.peers[peer].rooms[0];
        told.expect(room, &record);
        self.say(room, Some(peer), record, true);
    }

    /// The last line of a client that ended its input without ending the line.
    fn explain_last_line(&mut self, told: &mut Told) -> bool {
        let last = self.peers.iter().position(|peer| {
            let line = format!("<{}> {}\r\n", peer.name, String::from_utf8_lossy(&peer.unfinished));
            peer.ended
                && peer.kind == Kind::Chat
                && !peer.unfinished.is_empty()
                && told.starts_with(LOBBY, line.as_bytes())
        });
        let Some(peer) = last else { return false };
        self.peers[peer].unfinished.push(b'\n');
        let line = String::from_utf8(std::mem::take(&mut self.peers[peer].unfinished)).expect("text");
        self.took_line(peer, line.trim_end(), told);
        true
    }

    fn explain_notice(&mut self, told: &mut Told) -> bool {
        let Some(end) = told.all.iter().position(|&byte| byte == b'\n') else { return false };
        let line = String::from_utf8_lossy(&told.all[..=end]).into_owned();
        let Some(notice) = line.strip_prefix("-- ").and_then(|line| line.strip_suffix("\r\n")) else {
            return false;
        };
        if let Some(name) = notice.strip_suffix(" joined") {
            return self.arrived(name, &line, told);
        }
        let Some((name, _)) = notice.split_once(" left") else { return false };
        let closing = self.peers.iter().position(|peer| {
            let is_closing = peer.ended || self.hub.interest(peer.id).close != Close::No;
            peer.name == name && peer.life == Life::Open && is_closing
        });
        if let Some(peer) = closing {
            self.peers[peer].life = Life::Closing;
        } else if !self.departing.remove(name) {
            return false;
        }
        told.expect(LOBBY, line.as_bytes());
        self.say(LOBBY, None, line.into_bytes(), false);
        true
    }

    fn arrived(&mut self, name: &str, line: &str, told: &mut Told) -> bool {
        let found = self.peers.iter().position(|peer| peer.name == name && peer.life == Life::Arriving);
        let Some(peer) = found else { return false };
        told.expect(LOBBY, line.as_bytes());
        self.say(LOBBY, None, line.into(), false);
        self.peers[peer].life = Life::Open;
        self.peers[peer].rooms = vec![LOBBY];
        let mut present: Vec<_> = self
            .peers
            .iter()
            .filter(|p| {
                p.kind == Kind::Chat && p.life == Life::Open && self.hub.interest(p.id).close == Close::No
            })
            .collect();
        present.sort_by_key(|peer| peer.id.slot());
        let names: Vec<_> = present.iter().map(|peer| peer.name.as_str()).collect();
        let roster = format!("-- here: {}\r\n", names.join(", "));
        let now = self.now;
        self.peers[peer].tell(roster, now);
        true
    }

    /// After time has passed: whose output is not what it was has skipped
    /// something, and may have done so only after the grace. `before` says how
    /// many items waited for each peer before the time passed.
    fn find_skips(&mut self, before: &[usize]) {
        let mut lagged = self.hub.stats().lagged - self.lagged;
        self.lagged += lagged;
        let due = Instant::from_millis(self.now.as_millis().saturating_sub(u64::from(GRACE_MS)));
        for (index, &before) in before.iter().enumerate() {
            let peer = &self.peers[index];
            // Who was not even told of an earlier gap has had its grace.
            let had_grace = peer.waiting.iter().any(|item| item.gap.is_some());
            let is_late = |since| had_grace || since <= due;
            let late = |room| peer.behind_since(room).is_some_and(is_late);
            // Nor has who skips in one room grace in another.
            let late: Vec<_> = if (0..ROOMS).any(late) { (0..ROOMS).collect() } else { Vec::new() };
            if self.hub.interest(peer.id).close == Close::Abort {
                assert!(!late.is_empty() || peer.life == Life::Closing, "cut only for lag");
                continue;
            }
            // While a notice is half sent, what comes behind it cannot be seen.
            let rest = peer.rest_of_gap();
            self.hub.transmit(peer.id).for_each(drop);
            self.hub.handle(self.now, Event::Sent(peer.id, rest));
            let lent: Vec<u8> = self.hub.transmit(peer.id).flatten().copied().collect();
            let skipped = subsets(&late).find_map(|rooms| {
                let mut after = skip_all(peer, before, &rooms, self.now).map(|mut after| {
                    after.commit(rest);
                    after
                });
                after.find(|after| after.expected() == lent).map(|after| (after, rooms.len() as u64))
            });
            let Some((after, count)) = skipped else {
                panic!(
                    "peer {index} gets {:?}, and not {:?} less what is late in {late:?} of {:?}",
                    String::from_utf8_lossy(&lent),
                    String::from_utf8_lossy(&peer.expected()),
                    peer.waiting
                        .iter()
                        .map(|item| (item.room, item.bytes.len(), item.since, item.gap))
                        .collect::<Vec<_>>()
                );
            };
            assert!(count <= lagged, "what is skipped is counted");
            lagged -= count;
            let peer = &mut self.peers[index];
            (peer.waiting, peer.sent, peer.missed_since) = (after.waiting, after.sent, after.missed_since);
        }
    }

    // --- Checks ---

    /// What is lent to a peer is what waits for it; returns its length.
    fn check_output(&mut self, peer: usize) -> usize {
        let Peer { id, .. } = self.peers[peer];
        let lent: Vec<u8> = self.hub.transmit(id).flatten().copied().collect();
        let expected = self.peers[peer].expected();
        assert_eq!(
            String::from_utf8_lossy(&lent),
            String::from_utf8_lossy(&expected),
            "what waits for peer {peer}"
        );
        let interest = self.hub.interest(id);
        assert_eq!(
            interest.write,
            !lent.is_empty(),
            "{:?} peer {peer} {:?} {interest:?}",
            self.peers[peer].kind,
            self.peers[peer].life
        );
        lent.len()
    }

    fn check_all_output(&mut self) {
        for peer in 0..self.peers.len() {
            self.check_output(peer);
        }
    }

    fn check_counts(&self) {
        let count = self.oracles.len() + self.peers.len() + self.departing.len();
        assert_eq!(self.hub.count(), count, "every connection has one slot, and nobody else has");
    }

    /// Invariant 4.
    fn stalled_peer_delays_for_the_grace_at_most(&mut self) {
        for _ in 0..4 {
            self.serve_all_but(None);
        }
        let readers: Vec<_> =
            self.peers.iter().filter(|peer| peer.kind == Kind::Relay).map(|p| p.id).collect();
        let [stalled, .., _] = readers[..] else { return };
        for _ in 0..60 {
            for peer in 0..self.peers.len() {
                let Peer { id, kind, ended, .. } = self.peers[peer];
                if kind == Kind::Relay && id != stalled && !ended {
                    let more = [[0x80 | (id.slot() as u8) << 3; 9].as_slice(), b"\n"].concat();
                    self.peers[peer].leftover.extend(more.repeat(3));
                }
            }
            self.serve_all_but(Some(stalled));
        }
        self.advance(u64::from(GRACE_MS));
        for peer in &mut self.peers {
            peer.leftover.clear();
        }
        for _ in 0..2 {
            self.serve_all_but(Some(stalled));
        }
        // A rate limit may still hold back input.
        if self.is_rated {
            return;
        }
        for peer in
            self.peers.iter().filter(|peer| peer.kind == Kind::Relay && !peer.ended && peer.id != stalled)
        {
            assert!(self.hub.interest(peer.id).read > 0, "nobody waits for the stalled one any more");
        }
    }

    /// Every peer but one sends and receives what it can.
    fn serve_all_but(&mut self, stalled: Option<ConnId>) {
        self.advance(1);
        for id in self.peers.iter().map(|peer| peer.id).collect::<Vec<_>>() {
            let find = |case: &Self| case.peers.iter().position(|peer| peer.id == id);
            let Some(peer) = find(self).filter(|_| stalled != Some(id)) else { continue };
            self.check_output(peer);
            let len = self.peers[peer].expected().len();
            self.hub.handle(self.now, Event::Sent(id, len));
            self.peers[peer].commit(len);
            self.observe();
            if let Some(peer) = find(self) {
                self.offer(peer);
            }
            if let Some(peer) =
                find(self).filter(|&peer| self.hub.interest(self.peers[peer].id).close == Close::Write)
            {
                self.half_close(peer);
            }
        }
    }

    /// Invariant 5.
    fn drain_everything(&mut self) {
        for _ in 0..300 {
            self.serve_all_but(None);
        }
        // A rate limit may hold input back for longer.
        for _ in 0..100 {
            self.advance(1_000);
            self.serve_all_but(None);
        }
        assert!(self.departing.is_empty(), "every departure was told");
        for peer in &self.peers {
            assert_eq!(peer.leftover.len(), 0, "all input was taken");
            assert!(peer.waiting.is_empty() && peer.life != Life::Arriving);
            let open = peer.kind == Kind::Console || !peer.ended;
            assert!(open, "who has ended is closed");
            assert!(peer.ended || self.hub.interest(peer.id).read > 0, "everyone is read again");
        }
    }

    /// Invariant 6.
    fn every_slot_is_free_again(&mut self) {
        while !self.peers.is_empty() {
            self.fail(0, Cause::Reset);
        }
        self.check_counts();
        while self.hub.count() < self.limits.conns {
            let outcome = self.hub.handle(self.now, Event::Accepted(ECHO, None));
            assert!(matches!(outcome, Outcome::Opened(_)), "every slot that was left is free");
        }
    }
}

fn random_limits(rng: &mut Rng) -> Limits {
    let line = rng.usize(90..=120);
    let limits = Limits {
        conns: ROOMS + 1 + rng.usize(1..=7),
        rooms: ROOMS,
        rooms_per_conn: ROOMS + rng.usize(..2),
        name: 13,
        line,
        queue: 0,
        log: 0,
        records: 4 << rng.u32(..5),
    };
    let least = 4 * limits.longest();
    let log = least.next_power_of_two() << rng.u32(..3);
    Limits { queue: limits.longest() + 12 + rng.usize(..300), log, ..limits }
}

/// What rooms were told and is not explained yet.
struct Told {
    /// By all rooms, in their common order.
    all: Vec<u8>,
    /// By each room; the last is not used.
    rooms: [Vec<u8>; ROOMS + 1],
}

impl Told {
    fn starts_with(&self, room: Room, record: &[u8]) -> bool {
        self.all.starts_with(record) && self.rooms[room].starts_with(record)
    }

    /// Removes what a room must have been told next.
    #[track_caller]
    fn expect(&mut self, room: Room, record: &[u8]) {
        let shown = String::from_utf8_lossy;
        assert!(
            self.starts_with(room, record),
            "room {room} was to be told {:?} in {:?}",
            shown(record),
            shown(&self.all)
        );
        self.all.drain(..record.len());
        self.rooms[room].drain(..record.len());
    }
}

/// Every choice of some of the `rooms`, that of none first.
fn subsets(rooms: &[Room]) -> impl Iterator<Item = Vec<Room>> {
    (0..1u32 << rooms.len()).map(|bits| {
        rooms.iter().enumerate().filter(|(bit, _)| bits & 1 << bit != 0).map(|(_, &room)| room).collect()
    })
}

/// What a peer may be left with that has skipped `rooms` at some time while the
/// items behind the first `before` were added.
fn skip_all(peer: &Peer, before: usize, rooms: &[Room], now: Instant) -> impl Iterator<Item = Peer> {
    (before..=peer.waiting.len()).filter_map(move |place| {
        let mut after = Peer::new(peer.id, peer.kind);
        (after.waiting, after.sent, after.missed_since) =
            (peer.waiting.clone(), peer.sent, peer.missed_since);
        let added = after.waiting.split_off(place);
        let did_skip = rooms.iter().all(|&room| after.skip(room, now));
        after.waiting.extend(added);
        did_skip.then_some(after)
    })
}
