//! The model's rules: what follows from input that was taken, and what rooms
//! were told of their own accord.

use parlour_core::{Close, Event, Instant};

use super::case::{Case, LOBBY, ROOMS, UNFINISHED_MS};
use super::peer::{Item, Kind, Life, Peer, Room};

impl Case<'_> {
    /// What follows from input that was taken.
    pub(super) fn took(&mut self, peer: usize, input: &[u8]) {
        match self.peers[peer].kind {
            Kind::Echo => {
                let now = self.now;
                self.peers[peer].tell(input, now);
            }
            Kind::Relay => self.took_relay(peer, input),
            Kind::Chat | Kind::Console => self.took_lines(peer, input),
        }
    }

    pub(super) fn took_relay(&mut self, peer: usize, input: &[u8]) {
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

    pub(super) fn took_lines(&mut self, peer: usize, input: &[u8]) {
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

    pub(super) fn took_line(&mut self, peer: usize, line: &str, told: &mut Told) {
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
    pub(super) fn say(&mut self, room: Room, author: Option<usize>, bytes: Vec<u8>, is_message: bool) {
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
    pub(super) fn told(&mut self) -> Told {
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
    pub(super) fn observe(&mut self) {
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
    pub(super) fn gone(&mut self, peer: usize) {
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
    pub(super) fn explain(&mut self, mut told: Told) {
        while !told.all.is_empty() {
            let understood = self.explain_notice(&mut told)
                || self.explain_last_line(&mut told)
                || self.explain_flush(&mut told);
            assert!(understood, "rooms were told {:?}", String::from_utf8_lossy(&told.all));
        }
    }

    /// The unfinished line of a relay's client, that is due; of several that it
    /// could be the longest.
    pub(super) fn explain_flush(&mut self, told: &mut Told) -> bool {
        let is_flushed = |peer: &Peer| {
            let is_due = peer.ended || peer.flush_at.is_some_and(|at| at <= self.now);
            let is_there = peer.kind == Kind::Relay && is_due && !peer.unfinished.is_empty();
            is_there && told.starts_with(peer.rooms[0], &peer.unfinished)
        };
        let flushed = (0..self.peers.len()).filter(|&peer| is_flushed(&self.peers[peer]));
        let longest = flushed.max_by_key(|&peer| self.peers[peer].unfinished.len());
        longest.inspect(|&peer| self.flushed(peer, told)).is_some()
    }

    pub(super) fn flushed(&mut self, peer: usize, told: &mut Told) {
        let record = std::mem::take(&mut self.peers[peer].unfinished);
        let room = self.peers[peer].rooms[0];
        told.expect(room, &record);
        self.say(room, Some(peer), record, true);
    }

    /// The last line of a client that ended its input without ending the line.
    pub(super) fn explain_last_line(&mut self, told: &mut Told) -> bool {
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

    pub(super) fn explain_notice(&mut self, told: &mut Told) -> bool {
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

    pub(super) fn arrived(&mut self, name: &str, line: &str, told: &mut Told) -> bool {
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
}

/// What rooms were told and is not explained yet.
pub(super) struct Told {
    /// By all rooms, in their common order.
    all: Vec<u8>,
    /// By each room; the last is not used.
    rooms: [Vec<u8>; ROOMS + 1],
}

impl Told {
    pub(super) fn starts_with(&self, room: Room, record: &[u8]) -> bool {
        self.all.starts_with(record) && self.rooms[room].starts_with(record)
    }

    /// Removes what a room must have been told next.
    #[track_caller]
    pub(super) fn expect(&mut self, room: Room, record: &[u8]) {
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
