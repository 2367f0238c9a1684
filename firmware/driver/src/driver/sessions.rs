//! Sessions: clients of the chat that can come back. If the connection of one breaks, the client stays in the hub, and
//! is away. Its socket listens again. It comes back over another connection with its key, or its time is over.
//!
//! A session has memory of its own: for what was sent and may have to be sent again, and for what has come and the
//! hub has not taken. So the client's acknowledgements are read even while a room waits.

mod away;
mod input;

use parlour_core::{Cause, Close, ConnId, ListenerId};
use parlour_resume::{Key, Message, Ring, Stream};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};

use super::{Driver, Phase, Shortage, to_hub};

/// Which clients can come back, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionOptions {
    /// The listener whose clients can come back: one of the chat.
    pub listener: ListenerId,
    /// Bytes that each side sends at most before the other one has acknowledged them. A client's receive buffer must
    /// have [`SessionOptions::MESSAGES`] more, so that its acknowledgements find place behind its text.
    pub window: usize,
    /// How long a client may be away.
    pub away: Duration,
}

impl SessionOptions {
    /// Bytes of the messages that may stand behind a window of text.
    pub const MESSAGES: usize = 2 * parlour_resume::LONGEST;

    /// A client may be away for five minutes.
    pub const fn new(listener: ListenerId, window: usize) -> Self {
        Self { listener, window, away: Duration::from_secs(300) }
    }

    /// Bytes that so many sessions need.
    pub const fn bytes(&self, sessions: usize) -> usize {
        2 * sessions * self.window
    }
}

/// A place for a client that can come back.
#[derive(Debug)]
pub struct Session<'a> {
    /// Its connection in the hub, if the place is in use.
    conn: Option<ConnId>,
    /// Its key. That of a free place was drawn already, and is for the next client.
    key: Option<Key>,
    stream: Stream<Ring<'a>>,
    /// Text that the hub has not taken yet.
    input: Ring<'a>,
    /// The client has said that it does not come back, or cannot.
    is_over: bool,
    /// The client was told that its connection ends.
    has_said_bye: bool,
    place: Place,
}

/// Where the client of a session is.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// At this link.
    Here(usize),
    /// Away, until this instant at the latest.
    Away(Instant, Cause),
}

impl Session<'_> {
    /// A place without memory, to fill storage with.
    pub const EMPTY: Self = Self {
        conn: None,
        key: None,
        stream: Stream::new(Ring::new(&mut []), 0),
        input: Ring::new(&mut []),
        is_over: false,
        has_said_bye: false,
        place: Place::Here(0),
    };
}

/// The sessions that a driver offers.
#[derive(Debug, Default)]
pub(super) struct Sessions<'h> {
    options: Option<SessionOptions>,
    table: &'h mut [Session<'h>],
}

impl Sessions<'_> {
    /// How many are in use.
    fn count(&self) -> usize {
        self.table.iter().filter(|session| session.conn.is_some()).count()
    }

    fn of(&self, conn: ConnId) -> Option<usize> {
        self.table.iter().position(|session| session.conn == Some(conn))
    }

    /// The clients that are away: the session, and until when.
    fn absents(&self) -> impl Iterator<Item = (usize, Instant)> {
        let in_use = self.table.iter().enumerate().filter(|(_, session)| session.conn.is_some());
        in_use.filter_map(|(at, session)| match session.place {
            Place::Away(until, _) => Some((at, until)),
            Place::Here(_) => None,
        })
    }

    /// Lets the place of a session be free.
    fn free(&mut self, at: usize) {
        let session = &mut self.table[at];
        (session.conn, session.key) = (None, None);
    }
}

impl<'h> Driver<'h> {
    /// Lets clients come back: as many as the table has places. Their memory is cut from `bytes`. Nobody gets a
    /// session without a key; see [`Driver::draw_keys`]. The hub needs a place for each client that is away
    /// ([`Limits::catch_ups`](parlour_core::Limits::catch_ups)), besides those for newcomers.
    ///
    /// # Errors
    /// Part of the memory is too small.
    pub fn offer_sessions(
        &mut self,
        options: SessionOptions,
        table: &'h mut [Session<'h>],
        mut bytes: &'h mut [u8],
    ) -> Result<(), Shortage> {
        if options.bytes(table.len()) > bytes.len()
            || options.window + SessionOptions::MESSAGES > self.options.receive
        {
            return Err(Shortage::Bytes);
        }
        for session in table.iter_mut() {
            let mut cut = || {
                let (first, rest) = core::mem::take(&mut bytes).split_at_mut(options.window);
                bytes = rest;
                Ring::new(first)
            };
            let mut stream = Stream::new(cut(), options.window);
            stream.acknowledge_for(options.window);
            *session = Session { stream, input: cut(), ..Session::EMPTY };
        }
        self.sessions = Sessions { options: Some(options), table };
        Ok(())
    }

    /// Draws the keys that are missing. `random` fills bytes in such a way that nobody can guess them. If it cannot, it
    /// returns false, and fewer clients get a session, or none. Call this before each turn.
    pub fn draw_keys(&mut self, mut random: impl FnMut(&mut [u8; 16]) -> bool) {
        for session in self.sessions.table.iter_mut().filter(|session| session.key.is_none()) {
            let mut secret = [0; 16];
            if !random(&mut secret) {
                return;
            }
            session.key = Some(Key::new(0, secret));
        }
    }

    /// When a client has been away for too long, or has had its moment.
    pub(super) fn next_of_sessions(&self) -> Option<Instant> {
        let moments = self.links.iter().filter_map(|link| match link.phase {
            Phase::Knocking(until) => Some(until),
            _ => None,
        });
        moments.chain(self.sessions.absents().map(|(_, until)| until)).min()
    }

    /// Whether the clients of a link can have sessions.
    fn has_sessions(&self, index: usize) -> bool {
        self.sessions.options.is_some_and(|options| options.listener == self.links[index].listener)
    }

    fn session(&mut self, index: usize) -> Option<&mut Session<'h>> {
        let at = self.links[index].session?;
        Some(&mut self.sessions.table[usize::from(at)])
    }

    /// Lets a client have a session. Returns whether it has one.
    fn open_session(&mut self, index: usize, conn: ConnId) -> bool {
        let free = self.sessions.table.iter_mut().enumerate().filter(|(_, session)| session.conn.is_none());
        let Some((at, session, mut key)) = free.filter_map(|(at, it)| it.key.map(|key| (at, it, key))).next()
        else {
            return false;
        };
        key.session = conn.as_u64();
        (session.conn, session.key) = (Some(conn), Some(key));
        (session.is_over, session.has_said_bye) = (false, false);
        session.place = Place::Here(index);
        session.open(key);
        self.links[index].session = Some(at as u16);
        true
    }

    /// The connection of a link is gone, and so is its session.
    pub(super) fn end_session(&mut self, index: usize) {
        if let Some(at) = self.links[index].session.take() {
            self.sessions.free(usize::from(at));
        }
    }

    /// Whether something of a session waits that the socket has not taken.
    pub(super) fn has_unsent(&self, index: usize) -> bool {
        let session = self.links[index].session.map(|at| &self.sessions.table[usize::from(at)]);
        session.is_some_and(|session| session.stream.has_unsent())
    }

    /// Moves output of the hub into the session, and from there into the socket. Returns whether the client has a
    /// session.
    pub(super) fn write_session(
        &mut self,
        now: Instant,
        index: usize,
        conn: ConnId,
        socket: &mut tcp::Socket<'_>,
    ) -> bool {
        let Self { sessions, links, hub, .. } = self;
        let link = &mut links[index];
        let Some(session) = link.session.map(|at| &mut sessions.table[usize::from(at)]) else { return false };
        if !socket.may_send() {
            // One that does not come back gets nothing more. Another one gets it when it is back.
            return !session.is_over;
        }
        let stream = &mut session.stream;
        if link.has_ended {
            // The client may wait for that.
            stream.acknowledge_all();
        }
        if hub.interest(conn).close == Close::Write && !core::mem::replace(&mut session.has_said_bye, true) {
            // Otherwise it would come back.
            stream.say(&Message::Bye);
        }
        loop {
            let mut moved = 0;
            if stream.place() > 0 && hub.interest(conn).write {
                moved = hub.send(to_hub(now), conn, |transmit| {
                    let mut count = 0;
                    for bytes in transmit {
                        let part = &bytes[..bytes.len().min(stream.place())];
                        stream.push(part);
                        count += part.len();
                    }
                    count
                });
            }
            let mut sent = 0;
            link.is_full = false;
            for bytes in stream.unsent() {
                let took = socket.send_slice(bytes).unwrap_or(0);
                sent += took;
                link.is_full = took < bytes.len();
                if link.is_full {
                    break;
                }
            }
            stream.note_sent(sent);
            if link.has_ended {
                // The client acknowledges nothing any more.
                stream.confirm_sent();
            }
            if link.is_full || moved + sent == 0 {
                return true;
            }
        }
    }

    /// The session that a key opens, if the client can have received so many bytes.
    fn find_session(&self, key: Key, received: u64) -> Option<usize> {
        let conn = ConnId::from_u64(key.session);
        let at = self.sessions.of(conn)?;
        let session = &self.sessions.table[at];
        let is_meant = session.key.is_some_and(|own| own.is(&key)) && !session.is_over;
        let may_resume = is_meant && session.stream.can_resume(received);
        // One that has left or was kicked is still there until it has been told so.
        (may_resume && self.hub.ending(conn).is_none()).then_some(at)
    }
}
