//! Clients ask for the last messages of their room. They are told them between what is said meanwhile.

use std::fmt;

use super::case::{Case, LOBBY};
use super::client::Client;
use super::render::View;
use super::said::Where;

const NOTHING: &str = "nothing was said here lately";
const UNREADABLE: &str = "older messages cannot be read now; try again later";

/// Messages that a client has asked for.
pub(super) struct Look {
    /// As they look to it, in order. None of them was said after it asked.
    lines: Vec<Vec<u8>>,
    /// It was told those before this one.
    at: usize,
    /// There may be no place for the mark of a longer one, which only somebody elsewhere can have decided.
    longest: usize,
    /// Some of them may be left out.
    may_lack: bool,
    /// They may be out of reach, and then it is told so.
    may_fail: bool,
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lines, at, longest: _, may_lack, may_fail } = self;
        let next: Vec<_> = lines[*at..].iter().take(3).map(|line| String::from_utf8_lossy(line)).collect();
        write!(f, "{at} of {}, may lack {may_lack}, may fail {may_fail}, next {next:?}", lines.len())
    }
}

impl Look {
    /// Whether so many of its next lines may be left out.
    fn may_skip(&self, count: usize) -> bool {
        self.may_lack || self.lines[self.at..self.at + count].iter().all(|line| line.len() > self.longest)
    }
}

impl Client {
    /// Whether a line is something that it has asked for.
    pub(super) fn gets_look(&mut self, line: &[u8]) -> bool {
        let may_be_behind = self.may_be_behind;
        let Some(look) = &mut self.look else { return false };
        // One that is left behind meanwhile may need the place.
        look.may_lack |= may_be_behind;
        look.may_fail |= may_be_behind;
        if let Some(skipped) = look.lines[look.at..].iter().position(|wanted| wanted == line) {
            assert!(look.may_skip(skipped), "{skipped} messages before this are not shown: {look:?}");
            look.at += skipped + 1;
            return true;
        }
        match self.view.alone(line).as_deref() {
            Some(NOTHING) => {
                assert!(look.at == 0 && (look.may_lack || look.lines.is_empty()), "{look:?}");
                self.end_look("look at nothing");
                true
            }
            Some(UNREADABLE) => {
                assert!(look.may_fail, "all pages are there: {look:?}");
                self.end_look("look in vain");
                true
            }
            // What it has typed after its question is answered after that.
            Some("pong") => {
                assert!(look.may_skip(look.lines.len() - look.at), "some are not shown: {look:?}");
                self.end_look("look");
                false
            }
            _ => false,
        }
    }

    fn end_look(&mut self, what: &'static str) {
        self.look = None;
        self.tally.note(what);
    }
}

impl Case<'_> {
    /// A client that knows all asks for the last messages of its room, at a moment when nobody's line waits.
    pub(super) fn look_back(&mut self, index: usize) {
        let conn = self.clients[index].conn;
        self.all_read();
        self.let_things_happen();
        // Proposals of others would let its question wait.
        while self.take_proposal() {}
        while self.council.decide(&mut self.rng) {}
        while self.tell_decision() {}
        self.let_things_happen();
        self.all_read();
        let Some(index) = self.clients.iter().position(|client| client.conn == conn) else { return };
        let someone_waits = self.clients.iter().any(|client| client.is_chat() && !client.doing.is_empty());
        let client = &self.clients[index];
        let is_silent = client.input.is_empty() && client.line.is_empty() && !client.has_ended;
        if !client.is_chat()
            || !client.knows_all_for_sure()
            || client.may_be_behind
            || someone_waits
            || !self.council.is_done()
            || !is_silent
            || self.hub.interest(conn).read == 0
        {
            return;
        }
        let Some(place) = client.place.clone() else { return };
        let room = self.said.iter().rfind(|said| said.place == place).map(|said| said.room);
        let messages: Vec<_> =
            self.said.iter().filter(|said| Some(said.room) == room && said.kind.is_message()).collect();
        let count = self.rng.usize(1..=60);
        let view = client.view;
        let last = &messages[messages.len().saturating_sub(count)..];
        let lines = last.iter().map(|said| view.of(said, true)).collect();
        // What the log has not, the driver has, if the room is the same for sure.
        let is_sure = self.terms.is_good && !self.terms.is_short && place == Where::Chat(LOBBY.to_owned());
        let may_fail = !self.terms.is_good && self.setup.config.keeps_records;
        let longest = self.setup.limits.longest();
        let client = &mut self.clients[index];
        let longest = if view == View::Chat { longest } else { usize::MAX };
        client.look = Some(Look { lines, at: 0, longest, may_lack: !is_sure, may_fail });
        client.input.extend(format!("/history {count}\n/ping\n").into_bytes());
        self.offer(index, usize::MAX);
    }
}
