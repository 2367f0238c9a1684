//! The way to the server: an open connection, or the tries to get it back, with growing pauses. It
//! knows no lines and no terminal. It never waits, except in `connect`, which makes the first
//! connection.

use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use socket2::{SockAddr, Socket, Type};

use super::connection::{Connection, Lost};
use crate::address::Address;

/// How long to wait for one address to answer.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// The first and the longest pause between tries. Each pause doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The pause before a session is resumed.
const HURRY: Duration = Duration::from_millis(100);
/// If a connection lasted this long, the pauses start again with the first.
const GOOD_TIME: Duration = Duration::from_secs(10);

/// Looks the host up and connects to the first of its addresses that answers. Waits. Also returns all
/// addresses, for an [`Uplink`].
pub(super) fn connect(address: &Address) -> io::Result<(Connection, Vec<SockAddr>)> {
    let addresses = address.resolve()?;
    let mut result = Err(io::Error::new(ErrorKind::NotFound, "the host has no address"));
    for address in &addresses {
        result = Socket::new(address.domain(), Type::STREAM, None)
            .and_then(|socket| socket.connect_timeout(address, CONNECT_TIME).map(|()| socket));
        if result.is_ok() {
            break;
        }
    }
    Ok((Connection::new(result?)?, addresses))
}

/// The connection as the user sees it: open, or tried again. The loop waits for `interest` until
/// `deadline`, and then calls `step`.
#[derive(Debug)]
pub(super) struct Uplink {
    /// Looked up once, at the start, because a look-up can block.
    addresses: Vec<SockAddr>,
    state: State,
    pause: Duration,
    /// The connection that ended last. Its end may still be on its way.
    ended: Option<Connection>,
}

#[derive(Debug)]
enum State {
    Up(Connection),
    /// The address at `index` is being tried until `deadline`.
    Trying {
        stream: Socket,
        index: usize,
        deadline: Instant,
    },
    Waiting {
        until: Instant,
    },
    /// Nothing is tried until the user asks for it.
    Parked,
}

/// The result of a step.
#[derive(Debug)]
pub(super) enum Change {
    None,
    Received(Vec<u8>),
    /// The connection ended. The next try comes after the pause.
    Lost(Lost, Duration),
    /// A try failed. The next one comes after the pause.
    Failed(io::Error, Duration),
    Connected,
}

impl Uplink {
    pub(super) fn new(connection: Connection, addresses: Vec<SockAddr>) -> Self {
        Self { addresses, state: State::Up(connection), pause: FIRST_PAUSE, ended: None }
    }

    /// The connection, if it is open.
    pub(super) fn connection(&mut self) -> Option<&mut Connection> {
        if let State::Up(connection) = &mut self.state { Some(connection) } else { None }
    }

    /// Gives the connection away, if it is open. No other follows.
    pub(super) fn into_connection(self) -> Option<Connection> {
        if let State::Up(connection) = self.state { Some(connection) } else { None }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// The server has taken the client back, so the next pause is the shortest.
    pub(super) fn is_good(&mut self) {
        self.pause = FIRST_PAUSE;
    }

    /// Tries again sooner, because the server waits for the client. If that has failed before, this does nothing.
    pub(super) fn hurry(&mut self, now: Instant) -> Option<Duration> {
        if self.pause > 2 * FIRST_PAUSE {
            return None;
        }
        self.state = State::Waiting { until: now + HURRY };
        Some(HURRY)
    }

    /// How many bytes the server's system has not taken yet, or never took.
    pub(super) fn pending(&self) -> usize {
        let ended = self.ended.as_ref();
        let connection = if let State::Up(connection) = &self.state { Some(connection) } else { ended };
        connection.map_or(0, Connection::pending)
    }

    /// Stops trying by itself.
    pub(super) fn park(&mut self) {
        self.state = State::Parked;
    }

    pub(super) fn is_parked(&self) -> bool {
        matches!(self.state, State::Parked)
    }

    /// Tries again at the next step.
    pub(super) fn unpark(&mut self, now: Instant) {
        self.state = State::Waiting { until: now };
    }

    /// The descriptor to wait for, whether to read it, and whether to write it.
    pub(super) fn interest(&self) -> Option<(RawFd, bool, bool)> {
        match &self.state {
            State::Up(connection) => Some((connection.fd(), true, connection.has_outgoing())),
            State::Trying { stream, .. } => Some((stream.as_raw_fd(), false, true)),
            State::Waiting { .. } | State::Parked => None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Up(_) | State::Parked => None,
            State::Trying { deadline, .. } => Some(deadline),
            State::Waiting { until } => Some(until),
        }
    }

    /// Goes on. Call it when the descriptor is `ready`, when the deadline has come, or at any other time.
    pub(super) fn step(&mut self, ready: bool, now: Instant) -> Change {
        match &mut self.state {
            State::Up(connection) if ready => {
                connection.flush();
                match connection.receive() {
                    Ok(bytes) if bytes.is_empty() => Change::None,
                    Ok(bytes) => Change::Received(bytes),
                    Err(lost) => {
                        if now - connection.since() >= GOOD_TIME {
                            self.pause = FIRST_PAUSE;
                        }
                        Change::Lost(lost, self.wait(now))
                    }
                }
            }
            State::Trying { stream, index, .. } if ready => match stream.take_error() {
                Ok(None) => self.established(now),
                Ok(Some(error)) | Err(error) => {
                    let next = *index + 1;
                    self.try_from(next, error, now)
                }
            },
            State::Trying { index, deadline, .. } if now >= *deadline => {
                let next = *index + 1;
                self.try_from(next, ErrorKind::TimedOut.into(), now)
            }
            State::Waiting { until } if now >= *until => {
                self.try_from(0, ErrorKind::AddrNotAvailable.into(), now)
            }
            _ => Change::None,
        }
    }

    /// Starts to connect to the address at `index`, or to a later one. Reports `error` if there is none.
    fn try_from(&mut self, index: usize, mut error: io::Error, now: Instant) -> Change {
        for (index, address) in self.addresses.iter().enumerate().skip(index) {
            match start_connecting(address) {
                Ok(stream) => {
                    self.state = State::Trying { stream, index, deadline: now + CONNECT_TIME };
                    return Change::None;
                }
                Err(cause) => error = cause,
            }
        }
        Change::Failed(error, self.wait(now))
    }

    fn established(&mut self, now: Instant) -> Change {
        let old = std::mem::replace(&mut self.state, State::Waiting { until: now });
        let State::Trying { stream, .. } = old else { unreachable!("a connection was being tried") };
        match Connection::new(stream) {
            Ok(connection) => {
                (self.state, self.ended) = (State::Up(connection), None);
                Change::Connected
            }
            Err(error) => Change::Failed(error, self.wait(now)),
        }
    }

    /// Waits for the next try. Returns how long.
    fn wait(&mut self, now: Instant) -> Duration {
        let pause = self.pause;
        self.pause = (2 * pause).min(LONGEST_PAUSE);
        if let State::Up(connection) =
            std::mem::replace(&mut self.state, State::Waiting { until: now + pause })
        {
            self.ended = Some(connection);
        }
        pause
    }
}

/// A socket that becomes writable when it has connected to `address` or failed. `take_error` then
/// tells which.
fn start_connecting(address: &SockAddr) -> io::Result<Socket> {
    let socket = Socket::new(address.domain(), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(address) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(socket),
    }
}
