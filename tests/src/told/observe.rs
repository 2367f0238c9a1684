//! After each input: what was said, whose it was, and who must be told; and which connections end.

use parlour_core::{Cause, Close, ConnId, Followed, Input, Kind, OnLag};

use super::case::Case;
use super::client::Client;
use super::council::ELSEWHERE;
use super::said::Said;

impl Client {
    /// The hub has taken input from it, before which so much was said.
    pub(super) fn takes(&mut self, bytes: &[u8], said: usize) {
        if !self.is_chat() {
            return self.relayed.extend(bytes);
        }
        for byte in bytes {
            match byte {
                b'\n' => self.ends_line(said),
                _ => self.line.push(*byte),
            }
        }
    }

    /// A line has ended: it says what the others must see, or what it must be told.
    pub(super) fn ends_line(&mut self, said: usize) {
        let line = String::from_utf8(std::mem::take(&mut self.line)).expect("it was made of text");
        let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let doing = match command {
            "" | "/quit" | "/join" | "/history" => return,
            "/ping" => return self.must_be_told_alone("pong".to_owned(), said, None),
            "/me" => (Kind::Action, rest),
            "/topic" => (Kind::Topic, rest),
            "/nick" => (Kind::Nick, rest),
            _ => (Kind::Say, line.as_str()),
        };
        self.doing.push_back((doing.0, doing.1.as_bytes().to_vec()));
    }

    /// The others see something of it, which must be what it has done first.
    pub(super) fn is_seen(&mut self, kind: Kind, text: &[u8]) {
        if kind == Kind::Raw {
            let sent: Vec<u8> = self.relayed.drain(..text.len().min(self.relayed.len())).collect();
            let whole =
                if sent.len() < text.len() && self.has_ended { [&sent[..], b"\n"].concat() } else { sent };
            assert!(whole == text, "{:?} was sent, and {:?} is said", shown(&whole), shown(text));
        } else {
            let first = self.doing.pop_front();
            assert_eq!(first, Some((kind, text.to_vec())), "what {} has done first", self.name);
        }
    }
}

fn shown(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

impl Case<'_> {
    /// Reads what was said because of an input.
    pub(super) fn observe(&mut self) {
        self.read_records();
        self.find_ends();
    }

    /// As [`Case::observe`], after an input with which a connection was gone.
    pub(super) fn observe_as_gone(&mut self, conn: ConnId) {
        self.read_records();
        if let Some(index) = self.clients.iter().position(|client| client.conn == conn) {
            self.forget(index);
        }
        self.find_ends();
    }

    fn forget(&mut self, index: usize) {
        let client = self.clients.remove(index);
        self.tally.add(&client.tally);
        self.gone.extend(client.identity);
    }

    fn read_records(&mut self) {
        let follower = self.follower;
        while self.hub.has_news(follower) {
            let mut last = None;
            while let Some(followed) = self.hub.read(follower) {
                let Followed::Record(record) = followed else { panic!("one that keeps up loses nothing") };
                let said = Said::new(&record);
                last = Some(said.seq);
                self.is_said(said);
            }
            if let Some(seq) = last {
                self.hub.handle(self.now, Input::Committed { follower, seq });
            }
        }
        let lagged = self.hub.stats().lagged;
        if std::mem::replace(&mut self.lagged, lagged) < lagged {
            for client in self.clients.iter_mut().filter(|client| client.on_lag() == OnLag::Replay) {
                client.may_be_behind = true;
            }
        }
    }

    fn is_said(&mut self, said: Said) {
        let author = self.author_of(&said);
        if self.setup.config.proposes && said.kind.is_message() {
            let expected = self.expected.take().unwrap_or_else(|| panic!("nobody has decided {said:?}"));
            let Said { seq, place, .. } = said.clone();
            assert_eq!(said, Said { seq, place, ..expected.said });
        }
        if let Some(author) = author {
            self.does(author, &said);
        }
        let index = self.said.len();
        for (number, client) in self.clients.iter_mut().enumerate() {
            let is_own = Some(number) == author;
            if client.place.as_ref() == Some(&said.place) && (!is_own || said.comes_back()) {
                client.must_be_told(index, &said, false, false);
            }
        }
        self.said.push(said);
    }

    /// The client that has said something, if it is there.
    fn author_of(&mut self, said: &Said) -> Option<usize> {
        let number = said.author.as_u64();
        if number == 0 || number >= ELSEWHERE || self.gone.contains(&said.author) {
            return None;
        }
        let is_it = |client: &Client| client.identity == Some(said.author);
        if let Some(found) = self.clients.iter().position(is_it) {
            return Some(found);
        }
        // Its first record names it, or begins with what it has sent.
        let is_first = |client: &Client| {
            let begins = || client.relayed.iter().take(said.text.len()).eq(&said.text);
            let is_it = match client.is_chat() {
                true => client.name == said.name,
                false => client.place.as_ref() == Some(&said.place) && begins(),
            };
            client.identity.is_none() && is_it
        };
        let found = self.clients.iter().position(is_first);
        if let Some(found) = found {
            self.clients[found].identity = Some(said.author);
        }
        found
    }

    /// A client is seen to have done something.
    fn does(&mut self, author: usize, said: &Said) {
        let client = &mut self.clients[author];
        assert_eq!(client.name, said.name, "{said:?}");
        match said.kind {
            Kind::Join => client.is_known = true,
            Kind::Part | Kind::Quit(_) => {}
            kind => client.is_seen(kind, &said.text),
        }
        if said.kind == Kind::Nick {
            client.name = String::from_utf8_lossy(&said.text).into_owned();
        }
    }

    /// Finds the connections that are leaving, and those that must be closed.
    fn find_ends(&mut self) {
        for client in &mut self.clients {
            if client.place.is_some() {
                match self.hub.ending(client.conn) {
                    None => client.is_open(),
                    Some(_) => client.has_left(),
                }
            }
        }
        let close = |case: &Self, client: &Client| case.hub.interest(client.conn).close;
        while let Some(index) = self.clients.iter().position(|client| match close(self, client) {
            Close::No => false,
            Close::Write => !client.has_ended,
            Close::Full | Close::Abort => true,
        }) {
            let client = &mut self.clients[index];
            let conn = client.conn;
            match self.hub.interest(conn).close {
                Close::Write => {
                    assert!(client.knows_all(), "its end comes too early: {}", client.shown());
                    client.has_ended = true;
                    self.hub.handle(self.now, Input::PeerClosed { conn });
                    self.read_records();
                }
                close => {
                    self.check_end(index, close);
                    self.hub.handle(self.now, Input::Closed { conn });
                    self.read_records();
                    self.forget(index);
                }
            }
        }
    }

    /// Why a connection must be closed: it has left and was told all, or it was too slow.
    fn check_end(&mut self, index: usize, close: Close) {
        let client = &self.clients[index];
        let cause = self.hub.ending(client.conn).map(|(cause, _)| cause);
        if close == Close::Full {
            assert!(client.knows_all(), "it leaves too early: {}", client.shown());
        }
        if cause == Some(Cause::Lagged) {
            self.tally.note("cut");
            let may_stay = match client.on_lag() {
                OnLag::Skip => client.is_chat(),
                OnLag::Replay => client.is_chat() || self.terms.is_good && !self.terms.is_short,
                // A room waits if the listener waits whose room it is.
                OnLag::Disconnect | OnLag::Wait => false,
            };
            assert!(!may_stay || client.has_half(), "it is not cut: {}", client.shown());
        }
    }
}
