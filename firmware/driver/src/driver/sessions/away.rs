//! Clients that are away, and those that come back.

use parlour_core::{Cause, ConnId, Input};
use parlour_resume::{Front, Key, Message, Store};
use smoltcp::iface::SocketSet;
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};

use super::super::{Driver, Note, Phase, is_connected, to_hub};
use super::Place;
use super::input::{drop_first, front, refuse};

/// How long a newcomer has to say that it comes back, before it is greeted. A person does not notice it.
const MOMENT: Duration = Duration::from_millis(50);

impl Driver<'_> {
    /// The connection of a client has broken. Returns whether the client is away: it has a session, and the hub has
    /// place for that.
    pub(in crate::driver) fn go_away(
        &mut self,
        now: Instant,
        index: usize,
        conn: ConnId,
        cause: Cause,
        socket: &mut tcp::Socket<'_>,
        note: &mut impl FnMut(Note),
    ) -> bool {
        let Some(options) = self.sessions.options else { return false };
        if self.session(index).is_none_or(|session| session.is_over) {
            return false;
        }
        let is_away =
            !self.hub.is_shutting_down() && self.hub.handle(to_hub(now), Input::Away { conn }).taken() > 0;
        let Some(session) = self.session(index) else { return false };
        if !is_away {
            session.is_over = true;
            return false;
        }
        session.place = Place::Away(now + options.away, cause);
        let link = &mut self.links[index];
        (link.session, link.phase) = (None, Phase::Leaving(now));
        socket.abort();
        note(Note::Away(conn, cause));
        true
    }

    /// Does what the hub wants with all clients that are away, and ends the sessions of those whose time is over.
    pub(in crate::driver) fn attend_absents(&mut self, now: Instant, note: &mut impl FnMut(Note)) {
        for at in 0..self.sessions.table.len() {
            let session = &self.sessions.table[at];
            let (Some(conn), Place::Away(until, _)) = (session.conn, session.place) else { continue };
            if until <= now {
                self.end_absent(now, at, note);
            } else if !session.input.is_empty() {
                self.attend_absent(now, conn, note);
            }
        }
    }

    /// Does what the hub wants with a client, if it is away.
    pub(in crate::driver) fn attend_absent(
        &mut self,
        now: Instant,
        conn: ConnId,
        note: &mut impl FnMut(Note),
    ) {
        let Some(at) = self.sessions.of(conn) else { return };
        if let Place::Away(..) = self.sessions.table[at].place {
            self.offer_input(now, conn, at);
            if self.hub.ending(conn).is_some() {
                self.end_absent(now, at, note);
            }
        }
    }

    fn end_absent(&mut self, now: Instant, at: usize, note: &mut impl FnMut(Note)) {
        let session = &self.sessions.table[at];
        if let (Some(conn), Place::Away(_, cause)) = (session.conn, session.place) {
            self.sessions.free(at);
            note(Note::Broken(conn, cause));
            self.hub.handle(to_hub(now), Input::Failed { conn, cause });
        }
    }

    /// Ends the session of the client that has been away for longest. Returns whether there was one.
    pub(in crate::driver) fn make_place(&mut self, now: Instant, note: &mut impl FnMut(Note)) -> bool {
        let longest = self.sessions.absents().min_by_key(|(_, until)| *until);
        if let Some((at, _)) = longest {
            self.end_absent(now, at, note);
        }
        longest.is_some()
    }

    /// While somebody has a session, a newcomer has a moment to say that it comes back. It is let in when that is
    /// over, or when it has said something else.
    pub(in crate::driver) fn hear_newcomer(
        &mut self,
        now: Instant,
        index: usize,
        sockets: &mut SocketSet<'_>,
        note: &mut impl FnMut(Note),
    ) {
        let socket = sockets.get_mut::<tcp::Socket<'_>>(self.links[index].handle);
        let until = match self.links[index].phase {
            Phase::Listening if is_connected(socket) && self.lets_knock(index) => now + MOMENT,
            Phase::Knocking(until) => until,
            _ => return,
        };
        self.links[index].phase = Phase::Knocking(until);
        if !is_connected(socket) {
            self.links[index].phase = Phase::Listening;
            return;
        }
        let has_time = until > now && socket.may_recv();
        match front(socket) {
            None | Some(Front::Part) if has_time => {}
            Some(Front::Message(Some(Message::Resume(key, received)), len)) => {
                drop_first(socket, len);
                if !self.resume(now, index, (key, received), sockets, note) {
                    let socket = sockets.get_mut(self.links[index].handle);
                    refuse(socket);
                    self.welcome(now, index, socket, note);
                }
            }
            _ => self.welcome(now, index, socket, note),
        }
    }

    fn lets_knock(&self, index: usize) -> bool {
        !self.links[index].refuses && self.has_sessions(index) && self.sessions.count() > 0
    }

    /// Lets a client go on at this link. Returns false if it has no such session.
    fn resume(
        &mut self,
        now: Instant,
        index: usize,
        (key, received): (Key, u64),
        sockets: &mut SocketSet<'_>,
        note: &mut impl FnMut(Note),
    ) -> bool {
        let Some(at) = self.find_session(key, received) else { return false };
        let session = &mut self.sessions.table[at];
        session.stream.welcome_back(received);
        if let Place::Here(old) = core::mem::replace(&mut session.place, Place::Here(index)) {
            // The old connection is half open: nobody has told us that it broke.
            let old = &mut self.links[old];
            (old.session, old.phase) = (None, Phase::Leaving(now));
            sockets.get_mut::<tcp::Socket<'_>>(old.handle).abort();
        }
        let conn = ConnId::from_u64(key.session);
        let link = &mut self.links[index];
        (link.phase, link.session) = (Phase::Open(conn), Some(at as u16));
        (link.is_full, link.has_ended, link.broken) = (false, false, None);
        self.links[conn.slot()].of_slot = index as u16;
        sockets.get_mut::<tcp::Socket<'_>>(self.links[index].handle).set_timeout(Some(self.options.timeout));
        note(Note::Resumed(conn));
        self.hub.handle(to_hub(now), Input::Back { conn });
        true
    }
}
