//! Sessions: links that can be resumed. If the connection of one breaks, the client stays in the hub, and is away.
//! It comes back over another connection with its key, or its time is over.

use std::net::IpAddr;
use std::time::Instant as Clock;

use parlour_core::{Cause, Close, ConnId, Input};
use socket2::Socket;

use super::absents::{Absent, WINDOW};
use super::base::{Base, Target};
use super::link::{InputEnd, Link, Sent};
use super::links::Links;
use super::session::Session;
use crate::poll::Poller;
use crate::resume::{INPUT, Key, Message, Stream, new_key};
use crate::serve::peer::Peer;

impl Links {
    /// Whether somebody may come back.
    pub(super) fn has_sessions(&self) -> bool {
        self.absents.has_sessions()
    }

    // --- While the client is here ---

    /// Takes `count` bytes that were read from a client of the chat without a session. They may have messages, which
    /// the hub must not see: it records what it sees. Returns whether the hub left some.
    pub(super) fn sift<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId, count: usize) -> bool {
        let bytes = self.buffer[..count].to_vec();
        let (mut rest, mut text) = (&bytes[..], Vec::new());
        let mut is_refused = false;
        while let Some(link) = self.link(id).filter(|_| !rest.is_empty()) {
            let (peer, (count, message)) = (link.peer, link.sieve.take(rest, &mut text));
            rest = &rest[count..];
            match message {
                Some(Message::New) if self.open_session(base, id) => {
                    self.take_text(base, id, &text);
                    let leaves_some = self.take_bytes(base, id, rest);
                    self.service(base, id);
                    return leaves_some;
                }
                Some(Message::Resume(key, received)) if self.resume_late(base, id, key, received) => {
                    return false;
                }
                Some(Message::Resume(key, _)) => {
                    base.know_again(id, peer, &key);
                    is_refused = true;
                }
                Some(Message::New) => is_refused = true,
                _ => {}
            }
        }
        if let Some(link) = self.link(id).filter(|link| is_refused && !link.is_full) {
            let _ = link.write([&Message::Unknown.bytes()[..]].into_iter());
        }
        self.take_text(base, id, &text)
    }

    /// Lets a client have a session. Returns whether it has one.
    fn open_session<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId) -> bool {
        let may_open = self.absents.may_return() && !base.is_ending(id);
        let key = if may_open { new_key(id.as_u64()).ok() } else { None };
        let Some((key, link)) = key.zip(self.link(id)) else { return false };
        base.note_key(id, &key);
        let mut session = Session { key, stream: Stream::new(WINDOW), is_over: false, has_said_bye: false };
        session.stream.say(&Message::Key(key, INPUT));
        link.session = Some(Box::new(session));
        self.absents.count();
        true
    }

    /// A client comes back that was greeted already as a newcomer, because its first bytes came late. Returns whether
    /// it goes on in its session.
    fn resume_late<P: Poller>(
        &mut self,
        base: &mut Base<'_, P>,
        id: ConnId,
        key: Key,
        received: u64,
    ) -> bool {
        if !self.may_resume(base, key, received) {
            return false;
        }
        let Some(mut link) = self.take_link(base, id) else { return false };
        base.forget_client(id);
        base.handle(Input::Failed { conn: id, cause: Cause::Left });
        if let Some(socket) = link.disconnect() {
            self.resume(base, key, received, socket, link.peer);
        }
        true
    }

    /// Reads from a client that has a session. Its input is read even while the hub takes none, because what it has
    /// received is told in it.
    pub(super) fn read_session<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId) -> bool {
        let mut buffer = std::mem::take(&mut self.buffer);
        let read = match self.link(id).map(|link| (link.session_appetite(), link)) {
            Some((appetite @ 1.., link)) => link.read(&mut buffer[..appetite]),
            _ => Ok(None),
        };
        let leaves_some = match read {
            Ok(None) => false,
            Ok(Some(0)) => {
                self.end_session_input(base, id);
                false
            }
            Ok(Some(count)) => self.take_bytes(base, id, &buffer[..count]),
            Err(cause) => {
                self.lose(base, id, cause);
                false
            }
        };
        self.buffer = buffer;
        self.service(base, id);
        leaves_some
    }

    /// The peer sends no more. Unless the client has said that it leaves, something has cut the connection.
    fn end_session_input<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId) {
        let Some(link) = self.link(id) else { return };
        let is_over = link.session.as_ref().is_some_and(|session| session.is_over);
        if !is_over && !base.is_ending(id) {
            return self.lose(base, id, Cause::Reset);
        }
        link.end = InputEnd::Seen;
    }

    /// Takes bytes of a client that has a session. Returns whether the hub left some.
    fn take_bytes<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId, bytes: &[u8]) -> bool {
        let Some(session) = self.link(id).and_then(|link| link.session.as_mut()) else { return false };
        let mut text = Vec::new();
        let messages = session.stream.take(bytes, &mut text);
        session.is_over |= messages.iter().any(|message| matches!(message, Message::Bye));
        self.take_text(base, id, &text)
    }

    fn take_text<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId, text: &[u8]) -> bool {
        let Some(link) = self.link(id) else { return false };
        let mut leftover = std::mem::take(&mut link.leftover);
        let size = leftover.size();
        if !text.is_empty() {
            leftover.extend(text);
        }
        self.left_over -= size;
        if !base.must_wait(id) {
            leftover.offer(base, id);
        }
        let leaves_some = !leftover.is_empty();
        self.keep(id, leftover);
        leaves_some
    }

    /// Moves output of the hub into the session, and writes once.
    pub(super) fn write_session<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId) {
        let window = self.absents.place();
        let Some(link) = self.link(id) else { return };
        let (left, has_ended) = (link.leftover.len(), link.end != InputEnd::No);
        match &mut link.session {
            // The client may wait for that.
            Some(session) if has_ended && left == 0 => session.stream.acknowledge_all(),
            Some(session) => session.stream.acknowledge(left),
            None => return,
        }
        let Some(mut session) = link.session.take_if(|_| !link.is_full) else { return };
        session.stream.set_window(window);
        base.send(id, |pieces| {
            let mut count = 0;
            for piece in pieces {
                let part = &piece[..piece.len().min(session.stream.place())];
                session.stream.push(part);
                count += part.len();
            }
            count
        });
        let mut sent = Sent::Some(0);
        let Some(link) = self.link(id) else { return };
        let count =
            sent.note(link.write(session.stream.unsent().into_iter().filter(|piece| !piece.is_empty())));
        session.stream.note_sent(count);
        if has_ended {
            session.stream.confirm_sent();
        }
        link.session = Some(session);
        match sent {
            Sent::Broken(cause) => self.lose(base, id, cause),
            Sent::Some(_) => link.is_full = true,
            Sent::All(_) => {}
        }
    }

    /// Tells the client of a session that the server ends the connection, once that is so. Otherwise it would come back.
    pub(super) fn say_bye<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId) {
        if base.hub.interest(id).close == Close::Write
            && let Some(session) = self.link(id).and_then(|link| link.session.as_mut())
            && !std::mem::replace(&mut session.has_said_bye, true)
        {
            session.stream.say(&Message::Bye);
            self.write_session(base, id);
        }
    }

    /// Tells the hub that the input of a session has ended, if it has taken all of it.
    pub(super) fn tell_end<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId) {
        let has_ended = |link: &&mut Link| link.end == InputEnd::Seen && link.leftover.is_empty();
        if let Some(link) = self.link(id).filter(has_ended) {
            link.end = InputEnd::Told;
            base.handle(Input::PeerClosed { conn: id });
        }
    }

    // --- When the connection is gone ---

    /// The connection has broken. A client that may come back is away, and others have left.
    pub(super) fn lose<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId, cause: Cause) {
        let may_return = |link: &mut Link| link.session.as_ref().is_some_and(|session| !session.is_over);
        let is_away = self.link(id).is_some_and(may_return)
            && !base.hub.is_shutting_down()
            && base.handle(Input::Away { conn: id }).taken() > 0;
        if !is_away {
            return self.fail(base, id, cause);
        }
        let Some(mut link) = self.take_link(base, id) else { return };
        base.report.away(link.peer, base.hub.name(id), cause);
        link.disconnect();
        self.absents.push(link, cause);
    }

    /// Does what the hub wants with a client that is away.
    pub(super) fn service_absent<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId) {
        let Some(link) = self.absents.link_mut(id) else { return };
        if !base.must_wait(id) {
            link.leftover.offer(base, id);
        }
        if base.is_ending(id) {
            // It cannot be told the rest.
            self.end_absent(base, id);
        }
    }

    fn end_absent<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId) {
        let Some(Absent { link, cause, .. }) = self.absents.take(id) else { return };
        self.absents.forget(&link);
        super::links::report_end(base, &link, cause);
        base.forget_client(id);
        base.handle(Input::Failed { conn: id, cause });
    }

    /// Ends the sessions of those whose time is over.
    pub(super) fn expire<P: Poller>(&mut self, base: &mut Base<'_, P>, now: Clock) {
        while let Some(id) = self.absents.late(now) {
            self.end_absent(base, id);
        }
    }

    /// Ends the session of the client that has been away for longest, of those for which `is_meant`, which gets the
    /// address that a client is counted for. Returns whether there was one.
    pub(super) fn make_place<P: Poller>(
        &mut self,
        base: &mut Base<'_, P>,
        is_meant: impl Fn(Option<IpAddr>) -> bool,
    ) -> bool {
        let found = self.absents.links().find(|link| is_meant(link.counted_for));
        let Some(id) = found.map(|link| link.id) else { return false };
        self.end_absent(base, id);
        true
    }

    // --- When it comes back ---

    /// Whether a key opens a session, and the client can have received so many bytes.
    fn may_resume<P: Poller>(&self, base: &Base<'_, P>, key: Key, received: u64) -> bool {
        let id = ConnId::from_u64(key.session);
        let here = self.links.get(id.slot()).and_then(Option::as_ref).filter(|link| link.id == id);
        let session = here.or_else(|| self.absents.link(id)).and_then(|link| link.session.as_ref());
        let is_meant = |session: &Session| session.key.is(&key) && !session.is_over;
        session.is_some_and(|session| is_meant(session) && session.stream.can_resume(received))
            && !base.is_ending(id)
    }

    /// Lets a client go on over a new connection. Gives the socket back if there is no such session.
    pub(super) fn resume<P: Poller>(
        &mut self,
        base: &mut Base<'_, P>,
        key: Key,
        received: u64,
        socket: Socket,
        peer: Peer,
    ) -> Option<Socket> {
        let id = ConnId::from_u64(key.session);
        if !self.may_resume(base, key, received) {
            return Some(socket);
        }
        let mut link = match self.absents.take(id) {
            Some(absent) => absent.link,
            // The old connection is half open: nobody has told us that it broke.
            None => {
                let Some(link) = self.take_link(base, id) else { return Some(socket) };
                link.reset_when_closed();
                link
            }
        };
        if let Some(session) = &mut link.session {
            session.stream.welcome_back(received);
        }
        link.reconnect(socket, peer);
        base.report.resumed(peer, base.hub.name(id));
        base.watch(link.fd(), Target::Conn(id), true, false);
        self.left_over += link.leftover.size();
        self.links[id.slot()] = Some(link);
        base.handle(Input::Back { conn: id });
        self.service(base, id);
        None
    }
}
