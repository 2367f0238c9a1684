//! The channel to the server: text in both directions. If the server lets the client resume its session, the text
//! goes on over the next connection where it broke off. Otherwise the next connection begins anew.

use std::io;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use super::connection::{Connection, Full, Lost};
use super::uplink::{self, Uplink};
use crate::resume::{Key, Message, Sieve, Stream};

/// Text that may wait for the server.
const QUEUE: usize = 1024 * 1024;
/// What a server may send before it says whether the session goes on.
const GREETING: usize = 64 * 1024;
/// How long the server may take to say whether the session goes on.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// How much text is sent to a server that was asked for a session and has not answered. A board may take in no more
/// while a room waits.
const ASKED_BYTES: usize = 256;
/// How long text waits for a server that was asked for a session. Some know nothing of sessions.
const ASKED_TIME: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Channel {
    uplink: Uplink,
    session: Session,
    /// The client has ended its input, and does not come back once the server has all of that.
    is_over: bool,
    /// The server was told over this connection.
    has_said_bye: bool,
    /// What came over a new connection and was not told yet.
    unheard: Vec<u8>,
}

#[derive(Debug)]
enum Session {
    /// There is none. Text is sent as it is.
    None,
    /// The server was asked for one, and may answer until then.
    Asked(Stream, Instant),
    Open(Key, Stream),
    /// The server has ended it. Perhaps the next one knows the client by its key.
    Ended(Key),
    /// Over a new connection, the server was asked to go on. What it has sent since then.
    Resuming {
        key: Key,
        stream: Stream,
        sieve: Sieve,
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
        Self { uplink, session: Session::None, is_over: false, has_said_bye: false, unheard: Vec::new() }
    }

    // --- Waiting ---

    /// The descriptor to wait for, whether to read it, and whether to write it.
    pub(super) fn interest(&self) -> Option<(RawFd, bool, bool)> {
        self.uplink.interest()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let unheard = (!self.unheard.is_empty()).then(Instant::now);
        let answer = match &self.session {
            Session::Asked(stream, until) if stream.pending() > 0 && !stream.has_unsent() => Some(*until),
            Session::Resuming { until, .. } => Some(*until),
            _ => None,
        };
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
        self.send(now);
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
        let is_full = self.stream().is_some_and(|stream| stream.kept() >= QUEUE);
        is_full || self.uplink.connection().is_some_and(|connection| connection.is_full())
    }

    /// How many bytes the server's system has not taken yet.
    pub(super) fn pending(&mut self) -> usize {
        let unsent = self.stream().map_or(0, |stream| stream.pending());
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
        self.send(Instant::now());
        Ok(())
    }

    /// Asks the server for a session.
    pub(super) fn ask(&mut self) {
        if let (Session::None, Some(connection)) = (&self.session, self.uplink.connection())
            && !self.is_over
            && connection.push(&Message::New.bytes()).is_ok()
        {
            self.session = Session::Asked(Stream::asking(ASKED_BYTES), Instant::now() + ASKED_TIME);
        }
    }

    /// Tells the server, when it has got all text, that the client ends its input and does not come back.
    pub(super) fn finish(&mut self) {
        self.is_over = true;
        self.send(Instant::now());
    }

    /// Ends the sending side. Everything was sent.
    pub(super) fn end_output(&mut self) {
        if let Some(connection) = self.uplink.connection() {
            connection.end_output();
        }
    }

    pub(super) fn has_outgoing(&mut self) -> bool {
        let is_pending = self.stream().is_some_and(|stream| stream.pending() > 0);
        is_pending || self.uplink.connection().is_some_and(|connection| connection.has_outgoing())
    }

    /// Ends it. Returns the connection, if there is one, with all that is left to be sent.
    pub(super) fn into_connection(mut self) -> Option<Connection> {
        self.finish();
        let rest = match &mut self.session {
            Session::Asked(stream, _) | Session::Open(_, stream) if !self.has_said_bye => {
                [take_rest(stream), Message::Bye.bytes().to_vec()].concat()
            }
            _ => Vec::new(),
        };
        let mut connection = self.uplink.into_connection()?;
        connection.push_all(&rest);
        Some(connection)
    }

    fn stream(&mut self) -> Option<&mut Stream> {
        match &mut self.session {
            Session::None | Session::Ended(_) => None,
            Session::Asked(stream, _) | Session::Open(_, stream) | Session::Resuming { stream, .. } => {
                Some(stream)
            }
        }
    }

    /// Sends what the connection takes. While the server has not said whether a session goes on, it gets no text.
    fn send(&mut self, now: Instant) {
        let Some(connection) = self.uplink.connection() else { return };
        connection.flush();
        if let Session::Asked(stream, until) = &mut self.session
            && *until <= now
        {
            // The server may know nothing of sessions. What goes out from now on is not kept.
            stream.set_window(usize::MAX);
        }
        if let Session::Asked(stream, _) | Session::Open(_, stream) = &mut self.session {
            while !connection.has_outgoing() && stream.has_unsent() {
                let bytes = stream.unsent().concat();
                connection.push_all(&bytes);
                stream.note_sent(bytes.len());
                connection.flush();
            }
            if self.is_over && !self.has_said_bye && stream.pending() == 0 {
                self.has_said_bye = true;
                connection.push_all(&Message::Bye.bytes());
                connection.flush();
            }
        }
        if let Session::Asked(stream, until) = &mut self.session
            && *until <= now
        {
            stream.forget_sent();
        }
    }

    // --- What happens to the connection ---

    fn receive(&mut self, bytes: Vec<u8>) -> Change {
        let mut text = Vec::new();
        match std::mem::replace(&mut self.session, Session::None) {
            session @ (Session::None | Session::Ended(_)) => {
                self.session = session;
                return Change::Received(bytes);
            }
            Session::Asked(mut stream, until) => {
                let messages = stream.take(&bytes, &mut text);
                stream.acknowledge(0);
                self.session = match messages.first() {
                    Some(Message::Key(key, _)) => Session::Open(*key, stream),
                    Some(Message::Unknown) => {
                        self.do_without(stream);
                        Session::None
                    }
                    _ => Session::Asked(stream, until),
                };
            }
            Session::Open(key, mut stream) => {
                let messages = stream.take(&bytes, &mut text);
                stream.acknowledge(0);
                let is_ended = messages.iter().any(|message| matches!(message, Message::Bye));
                self.session = if is_ended { Session::Ended(key) } else { Session::Open(key, stream) };
            }
            Session::Resuming { key, stream, sieve, heard, until } => {
                return self.hear_answer(key, stream, (sieve, heard), &bytes, until);
            }
        }
        Change::Received(text)
    }

    /// The server has no sessions.
    fn do_without(&mut self, mut stream: Stream) {
        if let Some(connection) = self.uplink.connection() {
            connection.push_all(&take_rest(&mut stream));
        }
    }

    /// Looks whether the server has said if the session goes on.
    fn hear_answer(
        &mut self,
        key: Key,
        mut stream: Stream,
        (mut sieve, mut heard): (Sieve, Vec<u8>),
        mut bytes: &[u8],
        until: Instant,
    ) -> Change {
        while !bytes.is_empty() {
            let (count, message) = sieve.take(bytes, &mut heard);
            bytes = &bytes[count..];
            match message {
                // What stands before that was for a newcomer.
                Some(Message::Resumed(received)) if stream.go_on(received) => {
                    stream.take(bytes, &mut self.unheard);
                    stream.acknowledge(0);
                    self.session = Session::Open(key, stream);
                    self.uplink.is_good();
                    return Change::Resumed;
                }
                Some(Message::Unknown | Message::Resumed(_)) => {
                    self.unheard = [&heard, bytes].concat();
                    return Change::Connected(stream.take_unacknowledged());
                }
                _ => {}
            }
        }
        if heard.len() > GREETING {
            self.unheard = heard;
            return Change::Connected(stream.take_unacknowledged());
        }
        self.session = Session::Resuming { key, stream, sieve, heard, until };
        Change::None
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
        self.has_said_bye = false;
        match std::mem::replace(&mut self.session, Session::None) {
            Session::Open(key, stream) => self.ask_to_resume(key, stream, now),
            // A server that goes on where that one ended may know the client, and nothing of what was on its way.
            Session::Ended(key) => self.ask_to_resume(key, Stream::new(ASKED_BYTES), now),
            _ => Change::Connected(Vec::new()),
        }
    }

    fn ask_to_resume(&mut self, key: Key, stream: Stream, now: Instant) -> Change {
        let message = Message::Resume(key, stream.received()).bytes();
        if let Some(connection) = self.uplink.connection() {
            connection.push_all(&message);
        }
        let (sieve, heard) = (Sieve::default(), Vec::new());
        self.session = Session::Resuming { key, stream, sieve, heard, until: now + ANSWER_TIME };
        Change::None
    }

    fn lose(&mut self, lost: Lost, pause: Duration, now: Instant) -> Change {
        let (session, is_kept) = match std::mem::replace(&mut self.session, Session::None) {
            Session::Open(key, stream) | Session::Resuming { key, stream, .. }
                if !self.is_over || !stream.is_confirmed() =>
            {
                (Session::Open(key, stream), true)
            }
            session @ Session::Ended(_) => (session, false),
            _ => (Session::None, false),
        };
        self.session = session;
        let pause = if is_kept { self.uplink.hurry(now).unwrap_or(pause) } else { pause };
        Change::Lost { lost, pause, is_kept }
    }
}

/// What a session has not sent.
fn take_rest(stream: &mut Stream) -> Vec<u8> {
    stream.set_window(usize::MAX);
    stream.unsent().concat()
}
