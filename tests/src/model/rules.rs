//! The model's rules: the consequences of input, and the notices that rooms get without any input.

use std::cmp::Reverse;

use parlour_core::{Close, ConnId, Followed, Input, Instant, Place};

use super::case::{Case, LOBBY, MOMENT_MS, ROOMS, UNFINISHED_MS};
use super::peer::{Item, Kind, Life, Peer, Room};

impl Case<'_> {
    /// A consequence of input.
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
        let longest = self.limits.line + 2;
        let mut told = self.told();
        self.peers[peer].spoke |= !input.is_empty();
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
                self.peers[peer].flush_at = None;
                // An overdue half line was told before, and may begin in the same way.
                while self.explain_flush(&mut told, record.len()) {}
                if !self.is_relayed(peer, &record, &mut told) {
                    assert!(rest.is_empty(), "nothing more is taken while a line waits");
                    self.postpone(peer, record);
                }
            }
        }
        self.explain(told);
    }

    /// Whether the next record of a room is the input of a relay's client. It has a line ending in front
    /// if the half line before it is from a peer that has gone.
    fn is_relayed(&mut self, peer: usize, bytes: &[u8], told: &mut Told) -> bool {
        let Peer { id, ref rooms, .. } = self.peers[peer];
        let record = self.relayed(peer, bytes);
        let room = rooms[0];
        let is_told = told.starts_with(room, &record);
        if is_told {
            told.expect(room, &record);
            self.say(room, Some(peer), record, true);
            self.unfinished_by[room] = (!bytes.ends_with(b"\n")).then_some(id);
        }
        is_told
    }

    fn relayed(&self, peer: usize, bytes: &[u8]) -> Vec<u8> {
        let is_there = |id: ConnId| {
            let is_open = self.hub.interest(id).close != Close::Abort;
            is_open && self.peers.iter().any(|peer| peer.id == id && peer.life == Life::Open)
        };
        let Peer { id, ref rooms, .. } = self.peers[peer];
        let is_torn = self.unfinished_by[rooms[0]].is_some_and(|by| by != id && !is_there(by));
        [if is_torn { b"\n" } else { &b""[..] }, bytes].concat()
    }

    pub(super) fn took_lines(&mut self, peer: usize, input: &[u8]) {
        let mut told = self.told();
        for &byte in input {
            let is_rest =
                std::mem::replace(&mut self.peers[peer].ended_by_cr, byte == b'\r') && byte == b'\n';
            if is_rest {
                continue;
            }
            if byte != b'\n' && byte != b'\r' {
                self.peers[peer].unfinished.push(byte);
                continue;
            }
            let line = std::mem::take(&mut self.peers[peer].unfinished);
            if !self.took_line(peer, &line, &mut told) {
                self.postpone(peer, line);
            }
        }
        // The rest came from others, after the lines.
        self.explain(told);
    }

    /// A line waits for the turn of its author's room.
    fn postpone(&mut self, peer: usize, line: Vec<u8>) {
        let Peer { id, ref rooms, .. } = self.peers[peer];
        assert_eq!(self.hub.interest(id).read, 0, "nothing more is read while a line waits");
        assert!(self.peers[peer].postponed.is_none(), "nothing more is taken while a line waits");
        self.turns[rooms[0]].push_back(id);
        self.peers[peer].postponed = Some(line);
    }

    /// A line that waited has its turn, if it is what a room was told next.
    fn explain_turn(&mut self, told: &mut Told) -> bool {
        // One that is gone, or cut, does not wait any more.
        let first = |room: Room| {
            self.turns[room].iter().find_map(|id| {
                let is_open = self.hub.interest(*id).close != Close::Abort;
                let waits = |peer: &Peer| peer.id == *id && peer.postponed.is_some() && is_open;
                self.peers.iter().position(waits)
            })
        };
        let mut firsts: Vec<_> = (0..ROOMS).filter_map(|room| Some((room, first(room)?))).collect();
        // Of several that it could be the longest: a relayed line may be the start of another one.
        firsts.sort_by_key(|&(_, peer)| Reverse(self.peers[peer].postponed.as_ref().map(Vec::len)));
        for (room, peer) in firsts {
            let line = self.peers[peer].postponed.clone().unwrap_or_default();
            let is_said = match self.peers[peer].kind {
                Kind::Relay => self.is_relayed(peer, &line, told),
                _ => self.took_line(peer, &line, told),
            };
            if is_said {
                let id = self.peers[peer].id;
                while self.turns[room].pop_front() != Some(id) {}
                self.peers[peer].postponed = None;
                self.close_if_ended(peer, told);
                return true;
            }
        }
        false
    }

    /// One that sends no more is closed when its last line has been said.
    pub(super) fn close_if_ended(&mut self, peer: usize, told: &mut Told) {
        let Peer { kind, ended, spoke, ref postponed, .. } = self.peers[peer];
        // A peer that has sent nothing goes on listening.
        let stays = kind == Kind::Console || kind == Kind::Relay && !spoke;
        if ended && postponed.is_none() && !stays {
            self.depart(peer, "", told);
        }
    }

    /// A peer leaves its room, which is told of it, or counts it.
    fn depart(&mut self, peer: usize, reason: &str, told: &mut Told) {
        let Peer { kind, ref name, told_by, .. } = self.peers[peer];
        let line = format!("-- {name} left{reason}\r\n").into_bytes();
        self.peers[peer].life = Life::Closing;
        if kind != Kind::Chat || told_by.is_some() {
            return;
        }
        if told.starts_with(LOBBY, &line) {
            told.expect(LOBBY, &line);
            self.say(LOBBY, None, line, false);
        } else {
            self.untold[1] += 1;
        }
    }

    /// Applies a line if the hub has just told the room of it, or has answered the peer. Returns
    /// whether it has.
    fn took_line(&mut self, peer: usize, line: &[u8], told: &mut Told) -> bool {
        let now = self.now;
        self.peers[peer].spoke |= !line.is_empty();
        let name = &self.peers[peer].name;
        if line == b"/unwatch lobby" {
            self.peers[peer].tell("-- you do not watch that room\r\n", now);
        } else if let Some(text) = line.strip_prefix(b"/say ") {
            let record = [b"-- ", text, b"\r\n"].concat();
            if told.starts_with(LOBBY, &record) {
                told.expect(LOBBY, &record);
                self.say(LOBBY, None, record, false);
            } else {
                self.peers[peer].tell("-- not said in lobby, which waits for a slow client\r\n", now);
            }
        } else if !line.is_empty() {
            let record = [b"<", name.as_bytes(), b"> ", line, b"\r\n"].concat();
            let joined = format!("-- {name} joined\r\n").into_bytes();
            let is_new = self.peers[peer].told_by.is_some();
            let with_notice = [&joined[..], &record].concat();
            let is_said = told.starts_with(LOBBY, &record) || is_new && told.starts_with(LOBBY, &with_notice);
            if !is_said {
                return false;
            }
            self.introduce(peer, told);
            told.expect(LOBBY, &record);
            self.say(LOBBY, Some(peer), record, true);
        }
        true
    }

    /// Tells the lobby that a newcomer is there, or counts it.
    fn introduce(&mut self, peer: usize, told: &mut Told) {
        if self.peers[peer].told_by.take().is_none() {
            return;
        }
        let joined = format!("-- {} joined\r\n", self.peers[peer].name).into_bytes();
        if told.starts_with(LOBBY, &joined) {
            told.expect(LOBBY, &joined);
            self.say(LOBBY, Some(peer), joined, false);
        } else {
            self.untold[0] += 1;
        }
    }

    /// Counts the newcomers whose time has passed without a notice to the lobby.
    pub(super) fn count_newcomers(&mut self, told: &Told) {
        for peer in &mut self.peers {
            let joined = format!("-- {} joined\r\n", peer.name);
            let is_told = String::from_utf8_lossy(&told.all).contains(&joined);
            let is_due = peer.told_by.is_some_and(|by| by <= self.now);
            if is_due && !peer.is_late && !peer.spoke && !peer.unfinished.is_empty() {
                peer.is_late = true;
                peer.told_by = Some(Instant::from_millis(self.now.as_millis() + MOMENT_MS));
            } else if peer.life == Life::Open && !is_told && is_due {
                peer.told_by = None;
                self.untold[0] += 1;
            }
        }
    }

    /// A record of a room goes to everyone in it but its author.
    pub(super) fn say(&mut self, room: Room, author: Option<usize>, bytes: Vec<u8>, is_message: bool) {
        self.reader.expect(room, &bytes, is_message, self.now);
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
        let mut told = Told { all: Vec::new(), rooms: [const { Vec::new() }; ROOMS] };
        loop {
            let before = told.all.len();
            for (room, id) in told.rooms[LOBBY + 1..].iter_mut().zip(self.oracles) {
                let got: Vec<u8> = self.hub.transmit(id).flatten().copied().collect();
                self.hub.handle(self.now, Input::Sent { conn: id, count: got.len() });
                room.extend(got);
            }
            let mut read = None;
            while let Some(followed) = self.hub.read(self.all) {
                let Followed::Record(record) = followed else {
                    panic!("it has no grace, and lost {followed:?}")
                };
                let bytes = record.pieces().concat();
                told.all.extend(&bytes);
                if record.place == Place::Chat("lobby") {
                    told.rooms[LOBBY].extend(&bytes);
                }
                read = Some(record.seq);
            }
            if let Some(seq) = read {
                self.hub.handle(self.now, Input::Committed { follower: self.all, seq });
            }
            if told.all.len() == before {
                return told;
            }
        }
    }

    /// Learns from the observers what could not be foreseen, and does what the
    /// hub asks of the driver.
    pub(super) fn observe(&mut self) {
        let told = self.told();
        self.explain(told);
        while self.hub.next_output().is_some() {}
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
            self.hub.handle(self.now, Input::Closed { conn: id });
            self.gone(peer);
        }
        for peer in &mut self.peers {
            let close = self.hub.interest(peer.id).close;
            assert!(close != Close::Write || peer.waiting.is_empty());
        }
    }

    /// A peer is gone, and its rooms are told of it, or count it.
    pub(super) fn gone(&mut self, peer: usize) {
        let mut told = self.told();
        let kind = self.peers[peer].kind;
        // The last words of a relay's client.
        if kind == Kind::Relay && !self.peers[peer].unfinished.is_empty() {
            let words = std::mem::take(&mut self.peers[peer].unfinished);
            self.is_relayed(peer, &words, &mut told);
        }
        if self.peers[peer].life == Life::Open {
            self.depart(peer, " (connection lost)", &mut told);
        }
        self.stale.push(self.peers.remove(peer).id);
        self.explain(told);
        self.observe();
    }

    /// Finds the notices that rooms got without any input.
    pub(super) fn explain(&mut self, mut told: Told) {
        while !told.all.is_empty() {
            // An end of a line alone could be the beginning of what is due.
            let understood = self.explain_flush(&mut told, 0)
                || self.explain_turn(&mut told)
                || self.explain_notice(&mut told);
            assert!(
                understood,
                "rooms were told {:?}; lines wait for their turn: {:?}, peers: {:?}",
                String::from_utf8_lossy(&told.all),
                self.turns,
                self.peers
                    .iter()
                    .map(|p| (
                        p.id,
                        p.kind,
                        p.life,
                        &p.postponed,
                        p.told_by,
                        p.ended,
                        &p.unfinished,
                        p.flush_at
                    ))
                    .collect::<Vec<_>>(),
            );
        }
    }

    /// The unfinished line of a relay's client, that is due; of several that it
    /// could be the longest. It is longer than so many bytes.
    fn explain_flush(&mut self, told: &mut Told, longer_than: usize) -> bool {
        let is_flushed = |index: usize| {
            let peer = &self.peers[index];
            let is_due = peer.ended || peer.flush_at.is_some_and(|at| at <= self.now);
            if peer.kind != Kind::Relay || !is_due || peer.unfinished.is_empty() {
                return false;
            }
            let record = self.relayed(index, &peer.unfinished);
            record.len() > longer_than && told.starts_with(peer.rooms[0], &record)
        };
        let flushed = (0..self.peers.len()).filter(|&peer| is_flushed(peer));
        let Some(longest) = flushed.max_by_key(|&peer| self.peers[peer].unfinished.len()) else {
            return false;
        };
        let words = std::mem::take(&mut self.peers[longest].unfinished);
        self.is_relayed(longest, &words, told)
    }

    /// The input of a peer has ended: its last line counts, and then it is closed.
    pub(super) fn ended(&mut self, peer: usize) {
        let mut told = self.told();
        let line = std::mem::take(&mut self.peers[peer].unfinished);
        if !line.is_empty() {
            let is_said = match self.peers[peer].kind {
                Kind::Relay => self.is_relayed(peer, &line, &mut told),
                _ => self.took_line(peer, &line, &mut told),
            };
            if !is_said {
                self.postpone(peer, line);
            }
        }
        self.close_if_ended(peer, &mut told);
        self.explain(told);
    }

    /// The lobby's notices of newcomers, of peers that were too slow, and of a number of peers.
    fn explain_notice(&mut self, told: &mut Told) -> bool {
        let Some(end) = told.all.iter().position(|&byte| byte == b'\n') else { return false };
        let line = String::from_utf8_lossy(&told.all[..=end]).into_owned();
        let Some(notice) = line.strip_prefix("-- ").and_then(|line| line.strip_suffix("\r\n")) else {
            return false;
        };
        let [came, left] = self.untold;
        let sum = format!("others: {came} joined, {left} left");
        let newcomer = self.peers.iter().position(|peer| {
            let is_due = peer.told_by.is_some_and(|by| by <= self.now);
            is_due && notice.strip_suffix(" joined") == Some(&peer.name)
        });
        let slow = self.peers.iter().position(|peer| {
            let is_cut = self.hub.interest(peer.id).close == Close::Abort;
            is_cut && peer.life == Life::Open && notice.strip_suffix(" left (too slow)") == Some(&peer.name)
        });
        if notice == sum {
            self.untold = [0; 2];
        } else if let Some(peer) = newcomer {
            self.peers[peer].told_by = None;
        } else if let Some(peer) = slow {
            self.peers[peer].life = Life::Closing;
        } else {
            return false;
        }
        told.expect(LOBBY, line.as_bytes());
        self.say(LOBBY, newcomer.filter(|_| notice != sum), line.into_bytes(), false);
        true
    }
}

/// The records of rooms that are not explained yet.
pub(super) struct Told {
    /// By all rooms, in their common order.
    all: Vec<u8>,
    /// By each room.
    rooms: [Vec<u8>; ROOMS],
}

impl Told {
    pub(super) fn starts_with(&self, room: Room, record: &[u8]) -> bool {
        self.all.starts_with(record) && self.rooms[room].starts_with(record)
    }

    /// Removes the record that must be the next one of a room.
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
