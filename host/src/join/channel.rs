//! The channel to the server: text in both directions. If the server lets the client resume its session, the text
//! goes on over the next connection where it broke off. Otherwise the next connection begins anew.

use std::io;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use super::connection::{Connection, Full, Lost};
use super::uplink::{self, Uplink};
use crate::resume::{Key, Message, Stream};

/// Bytes that may be on their way to the server. A fast connection has so many.
const WINDOW: usize = 1024 * 1024;
/// What a server may send before it says whether the session goes on.
const GREETING: usize = 64 * 1024;
/// How long the server may take to say whether the session goes on.
const ANSWER_TIME: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Channel {
    uplink: Uplink,
    session: Session,
    /// The client has ended its input, and does not come back.
    is_over: bool,
    /// The session ends with the connection.
    is_ending: bool,
    /// What came over a new connection and was not told yet.
    unheard: Vec<u8>,
}

#[derive(Debug)]
enum Session {
    /// There is none. Text is sent as it is.
    None,
    /// The server was asked for one.
    Asked(Stream),
    Open(Key, Stream),
    /// Over a new connection, the server was asked to go on. What it has sent since then.
    Resuming {
        key: Key,
        stream: Stream,
        heard: Vec<u8>,
        until: Instant,
    },
}

/// The result of a step.
#[derive(Debug)]
pub(super) enum Change {
    None,
    Received(Vec<u8>),
    /// The connection ended. The next try comes after the pause. `is_kept`: the session may go on.
    Lost {
        lost: Lost,
        pause: Duration,
        is_kept: bool,
    },
    /// A try failed. The next one comes after the pause.
    Failed(io::Error, Duration),
    /// A connection begins. If there was a session, it could not go on, and this text may not have arrived.
    Connected(Vec<u8>),
    /// The session goes on over another connection.
    Resumed,
}

impl Channel {
    pub(super) fn new(uplink: Uplink) -> Self {
        Self { uplink, session: Session::None, is_over: false, is_ending: false, unheard: Vec::new() }
    }

    // --- Waiting ---

    /// The descriptor to wait for, whether to read it, and whether to write it.
    pub(super) fn interest(&self) -> Option<(RawFd, bool, bool)> {
        self.uplink.interest()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let unheard = (!self.unheard.is_empty()).then(Instant::now);
        let answer = if let Session::Resuming { until, .. } = self.session { Some(until) } else { None };
        [self.uplink.deadline(), answer, unheard].into_iter().flatten().min()
    }

    /// Goes on. Call it when the descriptor is `ready`, when the deadline has come, or at any other time.
    pub(super) fn step(&mut self, ready: bool, now: Instant) -> Change {
        if !self.unheard.is_empty() {
            return Change::Received(std::mem::take(&mut self.unheard));
        }
        let change = match self.uplink.step(ready, now) {
            uplink::Change::None => self.wait_for_answer(now),
            uplink::Change::Received(bytes) => self.receive(bytes),
            uplink::Change::Lost(lost, pause) => self.lose(lost, pause, now),
            uplink::Change::Failed(error, pause) => Change::Failed(error, pause),
            uplink::Change::Connected => self.connect(now),
        };
        self.send();
        change
    }

    /// Stops connecting by itself. The session is given up.
    pub(super) fn park(&mut self) {
        self.session = Session::None;
        self.uplink.park();
    }

    /// Connects again, if it does not do so by itself. Returns whether that is so.
    pub(super) fn unpark(&mut self, now: Instant) -> bool {
        let was_parked = self.uplink.is_parked();
        if was_parked {
            self.uplink.unpark(now);
        }
        was_parked
    }

    // --- Speaking ---

    /// Whether there is a connection on which text goes out. What was sent on the one before may have to be sent
    /// again, and that is known only when the session goes on.
    pub(super) fn is_up(&self) -> bool {
        self.uplink.is_up() && !matches!(self.session, Session::Resuming { .. })
    }

    /// Whether text can be given to it now: there is a connection, or the session may go on.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.session, Session::Open(..) | Session::Resuming { .. }) || self.uplink.is_up()
    }

    /// Whether it takes no more text now.
    pub(super) fn is_full(&mut self) -> bool {
        let is_full = self.stream().is_some_and(|stream| stream.place() == 0);
        is_full || self.uplink.connection().is_some_and(|connection| connection.is_full())
    }

    /// How many bytes the server's system has not taken yet.
    pub(super) fn pending(&mut self) -> usize {
        let unsent = self.stream().map_or(0, |stream| stream.unsent().concat().len());
        unsent + self.uplink.pending()
    }

    /// Queues text, and sends what can be sent now.
    ///
    /// # Errors
    /// Too much is queued already.
    pub(super) fn push(&mut self, text: &[u8]) -> Result<(), Full> {
        if self.is_full() {
            return Err(Full);
        }
        match self.stream() {
            Some(stream) => stream.push(text),
            None => {
                if let Some(connection) = self.uplink.connection() {
                    connection.push(text)?;
                }
            }
        }
        self.send();
        Ok(())
    }

    /// Asks the server for a session.
    pub(super) fn ask(&mut self) {
        if let (Session::None, Some(connection)) = (&self.session, self.uplink.connection())
            && !self.is_over
            && connection.push(&Message::New.bytes()).is_ok()
        {
            self.session = Session::Asked(Stream::new(WINDOW));
        }
    }

    /// The server ends. The next one will not know the session.
    pub(super) fn end_session(&mut self) {
        self.is_ending = true;
    }

    /// Tells the server that the client ends its input, and does not come back.
    pub(super) fn finish(&mut self) {
        if let Session::Asked(stream) | Session::Open(_, stream) = &mut self.session
            && !self.is_over
        {
            stream.say(&Message::Bye);
        }
        self.is_over = true;
        self.send();
    }

    /// Ends the sending side. Everything was sent.
    pub(super) fn end_output(&mut self) {
        if let Some(connection) = self.uplink.connection() {
            connection.end_output();
        }
    }

    pub(super) fn has_outgoing(&mut self) -> bool {
        let has_unsent = self.stream().is_some_and(|stream| stream.has_unsent());
        has_unsent || self.uplink.connection().is_some_and(|connection| connection.has_outgoing())
    }

    /// Ends it. Returns the connection, if there is one, with all that is left to be sent.
    pub(super) fn into_connection(mut self) -> Option<Connection> {
        self.finish();
        let rest = match &self.session {
            Session::None | Session::Resuming { .. } => Vec::new(),
            Session::Asked(stream) | Session::Open(_, stream) => stream.unsent().concat(),
        };
        let mut connection = self.uplink.into_connection()?;
        connection.push_all(&rest);
        Some(connection)
    }

    fn stream(&mut self) -> Option<&mut Stream> {
        match &mut self.session {
            Session::None => None,
            Session::Asked(stream) | Session::Open(_, stream) | Session::Resuming { stream, .. } => {
                Some(stream)
            }
        }
    }

    /// Sends what the connection takes. While the server has not said whether a session goes on, it gets no text.
    fn send(&mut self) {
        let Some(connection) = self.uplink.connection() else { return };
        connection.flush();
        if let Session::Asked(stream) | Session::Open(_, stream) = &mut self.session {
            while !connection.has_outgoing() && stream.has_unsent() {
                let bytes = stream.unsent().concat();
                connection.push_all(&bytes);
                stream.note_sent(bytes.len());
                connection.flush();
            }
        }
        if let Session::Asked(stream) = &mut self.session
            && stream.place() == 0
        {
            // The server has not answered, and may know nothing of sessions.
            stream.forget_sent();
        }
    }

    // --- What happens to the connection ---

    fn receive(&mut self, bytes: Vec<u8>) -> Change {
        let mut text = Vec::new();
        match std::mem::replace(&mut self.session, Session::None) {
            Session::None => return Change::Received(bytes),
            Session::Asked(mut stream) => {
                let messages = stream.take(&bytes, &mut text);
                let key = messages.iter().find_map(|message| match message {
                    Message::Key(key) => Some(*key),
                    _ => None,
                });
                self.session = match key {
                    Some(key) => Session::Open(key, stream),
                    None => Session::Asked(stream),
                };
            }
            Session::Open(key, mut stream) => {
                stream.take(&bytes, &mut text);
                self.session = Session::Open(key, stream);
            }
            Session::Resuming { key, stream, mut heard, until } => {
                heard.extend_from_slice(&bytes);
                return self.hear_answer(key, stream, heard, until);
            }
        }
        Change::Received(text)
    }

    /// Looks whether the server has said if the session goes on.
    fn hear_answer(&mut self, key: Key, mut stream: Stream, heard: Vec<u8>, until: Instant) -> Change {
        match Message::find(&heard) {
            // What stands before that was for a newcomer.
            Some((_, Message::Resumed(received), after)) if stream.resume(received) => {
                stream.take(after, &mut self.unheard);
                self.session = Session::Open(key, stream);
                self.uplink.is_good();
                Change::Resumed
            }
            Some((before, Message::Unknown | Message::Resumed(_), after)) => {
                self.unheard = [before, after].concat();
                Change::Connected(stream.take_unacknowledged())
            }
            _ if heard.len() > GREETING => {
                self.unheard = heard;
                Change::Connected(stream.take_unacknowledged())
            }
            _ => {
                self.session = Session::Resuming { key, stream, heard, until };
                Change::None
            }
        }
    }

    /// A server that does not answer in time knows nothing of sessions.
    fn wait_for_answer(&mut self, now: Instant) -> Change {
        match &mut self.session {
            Session::Resuming { stream, heard, until, .. } if *until <= now => {
                self.unheard = std::mem::take(heard);
                let text = stream.take_unacknowledged();
                self.session = Session::None;
                Change::Connected(text)
            }
            _ => Change::None,
        }
    }

    fn connect(&mut self, now: Instant) -> Change {
        match std::mem::replace(&mut self.session, Session::None) {
            Session::Open(key, stream) => {
                let message = Message::Resume(key, stream.received()).bytes();
                if let Some(connection) = self.uplink.connection() {
                    connection.push_all(&message);
                }
                self.session = Session::Resuming { key, stream, heard: Vec::new(), until: now + ANSWER_TIME };
                Change::None
            }
            _ => Change::Connected(Vec::new()),
        }
    }

    fn lose(&mut self, lost: Lost, pause: Duration, now: Instant) -> Change {
        let (session, is_kept) = match std::mem::replace(&mut self.session, Session::None) {
            Session::Open(key, stream) | Session::Resuming { key, stream, .. }
                if !self.is_over && !self.is_ending =>
            {
                (Session::Open(key, stream), true)
            }
            _ => (Session::None, false),
        };
        (self.session, self.is_ending) = (session, false);
        let pause = if is_kept { self.uplink.hurry(now).unwrap_or(pause) } else { pause };
        Change::Lost { lost, pause, is_kept }
    }
}
