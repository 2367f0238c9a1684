//! What happens: clients come, speak, read and go; time passes; others decide, and answer.

use parlour_core::{Cause, Identity, Input, Instant, Kind, Limits, ListenerId, Output, RoomRef, Wanted};

use super::case::Case;
use super::client::Client;
use super::council::{ELSEWHERE, kind_in};
use super::limits::LINE;
use super::said::{Said, Where, size_from};

impl Case<'_> {
    pub(super) fn connect(&mut self) {
        let number = self.rng.usize(..self.setup.listeners.len());
        let listener = ListenerId(number as u8);
        self.let_things_happen();
        let before = self.said.len();
        let Ok(conn) = self.hub.handle(self.now, Input::Accepted { listener, peer: None }).opened() else {
            assert_eq!(self.hub.count(), self.setup.limits.conns, "who finds a free slot is let in");
            return;
        };
        let place = self.place_of(listener);
        let found = self.setup.listeners[number];
        let mut client = Client::new(conn, found, self.views[number], self.terms, place.clone());
        client.name = self.hub.name(conn).to_owned();
        let is_chat = client.is_chat();
        if is_chat {
            let welcome = format!("welcome to parlour, you are {}; /help lists the commands", client.name);
            client.must_be_told_alone(welcome, before, Some(before));
        }
        self.clients.push(client);
        self.observe();
        assert_eq!(self.said.len(), before, "nobody is told yet: {:?}", &self.said[before..]);
        let index = self.clients.len() - 1;
        if is_chat {
            self.comes_in(index, place);
        }
        if self.rng.bool() {
            self.change_appetite(index);
        }
    }

    /// A client says or does something.
    pub(super) fn say(&mut self, index: usize) {
        let client = &self.clients[index];
        if client.place.is_none() || client.has_ended || client.input.len() > 200 {
            return;
        }
        for _ in 0..self.rng.usize(1..=3) {
            let input = if self.clients[index].is_chat() { self.line(index) } else { self.bytes(index) };
            self.clients[index].input.extend(input);
        }
        let len = self.clients[index].input.len();
        // Its first record tells whose it is.
        let is_first = self.clients[index].identity.is_none();
        let piece = if is_first || self.rng.bool() { len } else { self.rng.usize(1..=len) };
        self.offer(index, piece);
    }

    /// A line with a number that no other line has.
    fn text(&mut self) -> String {
        self.lines += 1;
        let len = if self.rng.u8(..3) == 0 { 24 } else { self.rng.usize(..8) };
        let rng = &mut self.rng;
        let letters = (0..len).map(|_| rng.choice(['a', 'b', '"', '\\', ' ', 'c']).unwrap_or('a'));
        format!("{}{}.", self.lines, letters.collect::<String>())
    }

    fn line(&mut self, index: usize) -> Vec<u8> {
        let text = self.text();
        let client = &self.clients[index];
        let is_in_lobby = client.place == Some(Where::Chat("lobby".to_owned()));
        let (can_rename, number) = (client.is_known && !client.input.contains(&b'/'), self.lines);
        let line = match self.rng.u8(..40) {
            0..4 => format!("/me {text}"),
            4..7 if is_in_lobby => format!("/topic {text}"),
            7..9 if can_rename => format!("/nick n{number}"),
            9..12 => "/ping".to_owned(),
            12 if self.rng.u8(..4) == 0 => "/quit".to_owned(),
            _ => text,
        };
        assert!(line.len() <= LINE);
        format!("{line}\n").into_bytes()
    }

    /// Bytes of a relay's client.
    fn bytes(&mut self, index: usize) -> Vec<u8> {
        let text = self.text();
        let is_first = self.clients[index].identity.is_none();
        let ending = if is_first || self.rng.u8(..4) > 0 { "\n" } else { "" };
        let odd = if self.rng.u8(..4) == 0 { &[0xFF, 0, 0x1B][..] } else { b"" };
        [text.as_bytes(), odd, ending.as_bytes()].concat()
    }

    /// Offers so many bytes of what a client has sent.
    pub(super) fn offer(&mut self, index: usize, most: usize) {
        let before = self.said.len();
        let client = &mut self.clients[index];
        let conn = client.conn;
        let read = self.hub.interest(conn).read.min(most).min(client.input.len());
        if read == 0 || client.place.is_none() {
            return;
        }
        let piece: Vec<u8> = client.input[..read].to_vec();
        let taken = self.hub.handle(self.now, Input::Received { conn, bytes: &piece }).taken();
        assert!(0 < taken && taken <= read, "what is wanted is taken");
        client.input.drain(..taken);
        client.takes(&piece[..taken], before);
        self.observe();
        let after = self.said.len();
        if let Some(client) = self.clients.get_mut(index).filter(|client| client.conn == conn)
            && taken == read
            && client.place.is_some()
            && self.hub.interest(conn).read > 0
        {
            client.was_answered(after);
        }
    }

    /// A client reads some of what waits for it.
    pub(super) fn read(&mut self, index: usize) {
        let most = self.clients[index].appetite;
        let most = if most == usize::MAX || most == 0 { most } else { self.rng.usize(1..=most) };
        self.read_up_to(index, most);
    }

    pub(super) fn read_up_to(&mut self, index: usize, most: usize) {
        let conn = self.clients[index].conn;
        let lent: Vec<u8> = self.hub.transmit(conn).flatten().copied().collect();
        let interest = self.hub.interest(conn);
        assert_eq!(interest.write, !lent.is_empty(), "interest and bytes");
        let sent = &lent[..lent.len().min(most)];
        if !sent.is_empty() {
            self.clients[index].gets(sent);
            self.check_unmarked(index);
            self.hub.handle(self.now, Input::Sent { conn, count: sent.len() });
            self.observe();
        }
    }

    /// What the log has given up comes late, and is marked as past. Only newcomers get it unmarked, if they
    /// are shown the history first.
    fn check_unmarked(&self, index: usize) {
        let client = &self.clients[index];
        if self.terms.has_history {
            return;
        }
        let Limits { log, records, .. } = self.setup.limits;
        for &said in &client.unmarked {
            let (bytes, count) = size_from(&self.said, said, client.view);
            assert!(bytes <= log && count <= records, "{:?} is past: {}", self.said[said], client.shown());
        }
    }

    /// A client reads more slowly from now on, or not at all, or at once.
    pub(super) fn change_appetite(&mut self, index: usize) {
        self.clients[index].appetite = [0, 3, 30, 300, usize::MAX][self.rng.usize(..5)];
    }

    pub(super) fn half_close(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if client.has_ended || !client.input.is_empty() || client.place.is_none() {
            return;
        }
        client.has_ended = true;
        // The last line may have no ending.
        client.ends_line(self.said.len());
        self.hub.handle(self.now, Input::PeerClosed { conn: client.conn });
        self.observe();
    }

    /// A connection breaks.
    pub(super) fn fail(&mut self, index: usize) {
        let client = &mut self.clients[index];
        client.has_ended = true;
        let conn = client.conn;
        self.hub.handle(self.now, Input::Failed { conn, cause: Cause::Reset });
        self.observe_as_gone(conn);
    }

    /// All happens that happens without time. After that an input has no effects but its own.
    pub(super) fn let_things_happen(&mut self) {
        let mut said = usize::MAX;
        while said != self.said.len() {
            said = self.said.len();
            self.hub.handle(self.now, Input::Tick);
            self.observe();
        }
    }

    /// Time passes. A good store is never too late.
    pub(super) fn advance(&mut self, ms: u64) {
        self.hear();
        let now = Instant::from_millis(self.now.as_millis() + ms);
        while let Some(wanted) = self.store.next(now.as_millis(), &mut self.rng) {
            self.answer(wanted);
            self.hear();
        }
        self.now = now;
        self.hub.handle(now, Input::Tick);
        self.observe();
    }

    /// The driver hears what the hub asks for. It looks at everything anyway, but for pages.
    pub(super) fn hear(&mut self) {
        while let Some(output) = self.hub.next_output() {
            match output {
                Output::Wanted(wanted) => self.store.want(wanted, self.now, &mut self.rng),
                Output::Proposals => self.council.knows_of_some = true,
                _ => {}
            }
        }
        assert!(self.hub.next_proposal().is_none() || self.council.knows_of_some, "proposals are named");
    }

    /// A page comes, earlier than it must.
    pub(super) fn answer_a_page(&mut self) {
        if let Some(wanted) = self.store.next(u64::MAX, &mut self.rng) {
            self.answer(wanted);
        }
    }

    fn answer(&mut self, wanted: Wanted) {
        let taken = self.store.answer(&mut self.hub, self.now, wanted, &self.said, &mut self.rng);
        self.tally.note(if taken > 0 { "page" } else { "stale page" });
        self.observe();
    }

    // --- Proposals ---

    /// Something happens to the order.
    pub(super) fn order(&mut self) {
        if !self.setup.config.proposes {
            assert!(self.hub.next_proposal().is_none(), "nothing is proposed");
            return;
        }
        match self.rng.u8(..20) {
            0..5 => _ = self.take_proposal(),
            5..10 => _ = self.council.decide(&mut self.rng),
            10..15 => _ = self.tell_decision(),
            15 => self.tell_again(),
            16 => self.withdraw(),
            17 => self.decide_elsewhere(),
            _ => {
                // All of it.
                while self.take_proposal() {}
                while self.council.decide(&mut self.rng) {}
                while self.tell_decision() {}
            }
        }
    }

    pub(super) fn take_proposal(&mut self) -> bool {
        let unix_ms = self.unix_ms();
        let Some((conn, author)) = self.council.take(&mut self.hub, self.now, unix_ms) else { return false };
        match self.clients.iter_mut().find(|client| client.conn == conn) {
            Some(client) => assert_eq!(*client.identity.get_or_insert(author), author),
            // Another client may have its name now.
            None => self.gone.push(author),
        }
        self.observe();
        true
    }

    /// Tells the hub the next decision. Returns whether it has taken one.
    pub(super) fn tell_decision(&mut self) -> bool {
        let index = self.council.told;
        let Some(decided) = self.council.decision(index).cloned() else { return false };
        let input = Input::Decided { index: index as u64, conn: decided.conn, record: decided.said.record() };
        let is_taken = self.hub.handle(self.now, input).taken() == 1;
        self.council.told += usize::from(is_taken);
        self.expected = Some(decided);
        self.observe();
        let is_said = self.expected.is_none();
        self.tally.note(match (is_taken, is_said) {
            (true, true) => "decision",
            (true, false) => "decision without a record",
            (false, _) => "decision put off",
        });
        if let Some(decided) = self.expected.take().filter(|_| is_taken) {
            assert!(!self.must_be_said(&decided.said), "{decided:?} is not said");
        }
        assert!(!is_said || is_taken, "what is said is taken");
        is_taken
    }

    /// Whether a decision fits: its room is there, and its text and name are not too long.
    fn must_be_said(&self, decided: &Said) -> bool {
        let known = self.said.iter().find(|said| said.room == decided.room);
        // Another room may be gone.
        let stays = known.is_some_and(|said| said.place != Where::Chat("den".to_owned()));
        let len: usize = decided.record().pieces().iter().map(|piece| piece.len()).sum();
        stays && len <= self.setup.limits.longest() && decided.name.len() <= self.setup.limits.name
    }

    /// An order that is told again changes nothing.
    fn tell_again(&mut self) {
        if self.council.told == 0 {
            return;
        }
        let index = self.rng.usize(..self.council.told);
        let decided = self.council.decision(index).cloned().expect("it was told");
        let input = Input::Decided { index: index as u64, conn: decided.conn, record: decided.said.record() };
        assert_eq!(self.hub.handle(self.now, input).taken(), 1);
        self.observe();
    }

    fn withdraw(&mut self) {
        let Some(decided) = self.council.withdraw(&mut self.rng) else { return };
        let conn = decided.conn.expect("it was proposed here");
        if let Some(client) = self.clients.iter_mut().find(|client| client.conn == conn) {
            client.is_seen(decided.said.kind, &decided.said.text);
        }
        self.hub.handle(self.now, Input::Withdrawn { conn });
        self.tally.note("withdrawal");
        self.observe();
    }

    /// Others decide something of their own: of any room, with any name, and of any length.
    fn decide_elsewhere(&mut self) {
        let known = self.rng.choice(&self.said);
        let Some((room, place)) = known.map(|said| (said.room, said.place.clone())) else { return };
        let room = match self.rng.u8(..6) {
            0 => RoomRef::from_u64(self.rng.u64(..)),
            1 => RoomRef::from_u64(room.as_u64() ^ 1 << self.rng.u32(..34)),
            _ => room,
        };
        let longest = if self.rng.u8(..6) == 0 { 300 } else { 30 };
        let (text, name) = (self.rng.usize(..longest), self.rng.usize(..self.setup.limits.name + 3));
        let there = self.said.iter().find(|said| said.room == room).map(|said| &said.place);
        let kind = there.map_or(Kind::Say, |place| kind_in(place, &mut self.rng));
        let is_torn = kind == Kind::Raw && self.rng.bool();
        let number = self.text();
        self.council.decide_elsewhere(Said {
            seq: 0,
            unix_ms: self.unix_ms(),
            room,
            place,
            author: Identity::from_u64(ELSEWHERE + self.rng.u64(..3)),
            name: if kind == Kind::Raw { String::new() } else { "e".repeat(name) },
            kind,
            is_torn,
            text: [number.as_bytes(), &b"x".repeat(text)].concat(),
        });
    }
}
