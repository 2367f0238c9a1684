//! What clients send: text, and the messages about their sessions among it.

use parlour_core::{Cause, ConnId, Input};
use parlour_resume::{Front, Key, LONGEST, Message, Store};
use smoltcp::socket::tcp::{self, State};
use smoltcp::time::Instant;

use super::super::{Driver, LAST_WORDS, Phase, to_hub};
use super::Session;

impl Session<'_> {
    /// Begins with a key.
    pub(super) fn open(&mut self, key: Key) {
        let window = self.input.len() + self.input.place();
        self.input.drop_first(window);
        self.stream.clear();
        self.stream.say(&Message::Key(key, window));
    }

    /// Takes the next text or message that has come. Returns whether there was one, and place for it.
    fn take(&mut self, socket: &mut tcp::Socket<'_>) -> bool {
        match front(socket) {
            Some(Front::Text(len)) => {
                let place = self.input.place();
                let taken = socket.recv(|bytes| {
                    let taken = bytes.len().min(len).min(place);
                    self.input.extend(&bytes[..taken]);
                    (taken, taken)
                });
                self.stream.note_text(taken.unwrap_or(0));
                taken.unwrap_or(0) > 0
            }
            Some(Front::Message(message, len)) => {
                drop_first(socket, len);
                match message {
                    Some(Message::Ack(received)) => self.stream.note_ack(received),
                    Some(Message::Bye) => self.is_over = true,
                    _ => {}
                }
                true
            }
            // The connection was cut within a message.
            Some(Front::Part) if sends_no_more(socket) => {
                drop_first(socket, socket.recv_queue());
                true
            }
            Some(Front::Part) | None => false,
        }
    }
}

impl Driver<'_> {
    /// Hears a client that has a session, or may ask for one. Returns whether that is such a client.
    pub(in crate::driver) fn hear_session(
        &mut self,
        now: Instant,
        index: usize,
        conn: ConnId,
        socket: &mut tcp::Socket<'_>,
    ) -> bool {
        if !self.has_sessions(index) {
            return false;
        }
        if self.links[index].session.is_none() {
            self.sift(now, index, conn, socket);
        }
        let Some(at) = self.links[index].session.map(usize::from) else { return true };
        let mut has_taken = false;
        loop {
            self.offer_input(now, conn, at);
            let session = &mut self.sessions.table[at];
            if !session.take(socket) {
                session.stream.acknowledge(session.input.len());
                // An acknowledgement of the peer may have made place.
                self.links[index].is_full |= has_taken || session.stream.has_unsent();
                return true;
            }
            has_taken = true;
        }
    }

    /// Offers the hub the text of a session. The hub may take only a part.
    pub(super) fn offer_input(&mut self, now: Instant, conn: ConnId, at: usize) {
        let Self { hub, sessions, .. } = self;
        let input = &mut sessions.table[at].input;
        loop {
            let (bytes, _) = input.as_slices();
            let offered = bytes.len().min(hub.interest(conn).read);
            if offered == 0 {
                return;
            }
            let taken = hub.handle(to_hub(now), Input::Received { conn, bytes: &bytes[..offered] }).taken();
            if taken == 0 {
                return;
            }
            input.drop_first(taken);
        }
    }

    /// Hears a client without a session. The hub must not see what it says about one.
    fn sift(&mut self, now: Instant, index: usize, conn: ConnId, socket: &mut tcp::Socket<'_>) {
        while self.hub.interest(conn).read > 0 {
            match front(socket) {
                Some(Front::Text(len)) => {
                    if self.offer(now, conn, socket, len) == 0 {
                        return;
                    }
                }
                Some(Front::Message(Some(Message::New), len)) => {
                    drop_first(socket, len);
                    if self.open_session(index, conn) {
                        return;
                    }
                    refuse(socket);
                }
                // It was greeted as a newcomer, because its first bytes came late.
                Some(Front::Message(Some(Message::Resume(key, received)), _))
                    if self.find_session(key, received).is_some() =>
                {
                    self.links[index].phase = Phase::Knocking(now);
                    self.hub.handle(to_hub(now), Input::Failed { conn, cause: Cause::Left });
                    return;
                }
                Some(Front::Message(message, len)) => {
                    drop_first(socket, len);
                    if let Some(Message::Resume(..)) = message {
                        refuse(socket);
                    }
                }
                Some(Front::Part) if sends_no_more(socket) => {
                    if self.offer(now, conn, socket, usize::MAX) == 0 {
                        return;
                    }
                }
                Some(Front::Part) | None => return,
            }
        }
    }

    /// Whether a link has another client now.
    pub(in crate::driver) fn has_moved(&self, index: usize, conn: ConnId) -> bool {
        self.links[index].conn() != Some(conn)
    }

    /// Whether text of a session waits for the hub.
    pub(in crate::driver) fn has_input(&self, index: usize) -> bool {
        let session = self.links[index].session.map(|at| &self.sessions.table[usize::from(at)]);
        session.is_some_and(|session| !session.input.is_empty())
    }

    /// The peer sends no more. Returns whether the hub learns that now. Unless the client has said that it leaves,
    /// something has cut its connection.
    pub(in crate::driver) fn may_end(&mut self, now: Instant, index: usize, conn: ConnId) -> bool {
        let is_ending = self.hub.ending(conn).is_some();
        let Some(session) = self.session(index) else { return true };
        if session.is_over || is_ending {
            return session.input.is_empty();
        }
        let link = &mut self.links[index];
        (link.broken, link.is_full) = (Some(Cause::Reset), true);
        self.last_words_until.get_or_insert(now + LAST_WORDS);
        false
    }
}

/// What a client has sent begins with this, if it has sent something.
pub(super) fn front(socket: &mut tcp::Socket<'_>) -> Option<Front> {
    let len = socket.recv_queue();
    let bytes = socket.peek(len).ok().filter(|bytes| !bytes.is_empty())?;
    let found = Front::of(bytes);
    if bytes.len() == len || matches!(found, Front::Text(_)) {
        return Some(found);
    }
    // It goes round the end of the buffer.
    let mut first = [0; LONGEST];
    let count = socket.peek_slice(&mut first).unwrap_or(0);
    Some(Front::of(&first[..count]))
}

/// Whether nothing comes after what has come.
fn sends_no_more(socket: &tcp::Socket<'_>) -> bool {
    !matches!(socket.state(), State::Established | State::FinWait1 | State::FinWait2)
}

/// Drops so many bytes that have come.
pub(super) fn drop_first(socket: &mut tcp::Socket<'_>, mut len: usize) {
    while len > 0 {
        match socket.recv(|bytes| (bytes.len().min(len), bytes.len().min(len))) {
            Ok(count @ 1..) => len -= count,
            _ => return,
        }
    }
}

/// Tells a client that it has no session. One whose socket is full waits in vain, and goes on without.
pub(super) fn refuse(socket: &mut tcp::Socket<'_>) {
    let bytes = Message::Unknown.bytes();
    if socket.send_capacity() - socket.send_queue() >= bytes.len() {
        let _ = socket.send_slice(&bytes);
    }
}
