//! Many connections to one server, and the wait for all of them: bytes in, bytes out, never blocking.
//! It knows no lines.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

use parlour::Address;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::error::BenchError;

/// How long the server may take to let a client in.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// The most bytes in one read. They should stay in the processor's cache.
const CHUNK: usize = 128 * 1024;
/// A line without an end is dropped at this length.
const LONGEST_REST: usize = 64 * 1024;
/// The most events from one wait.
const EVENTS: usize = 1024;
/// The receive buffer of a client that never reads: the smallest there is.
const SMALL_BUFFER: usize = 1;

/// What a client does with the server's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    Reads,
    /// Reads nothing, and lets the system keep as little as possible.
    Stalls,
}

#[derive(Debug)]
struct Client {
    socket: Option<Socket>,
    habit: Habit,
    /// The start of a line that has no end yet.
    rest: Vec<u8>,
    outbox: Vec<u8>,
    sent: usize,
    waits_to_write: bool,
}

impl Client {
    fn new(socket: Socket, habit: Habit) -> Self {
        let (rest, outbox) = (Vec::new(), Vec::new());
        Self { socket: Some(socket), habit, rest, outbox, sent: 0, waits_to_write: false }
    }
}

/// All connections of a run, numbered from 0.
pub(crate) struct Crowd {
    address: Address,
    targets: Vec<SockAddr>,
    clients: Vec<Client>,
    epoll: OwnedFd,
    /// The events of the last wait.
    ready: Vec<Event>,
    buffer: Vec<u8>,
    /// The clients that the server has disconnected since the last check.
    closed: Vec<usize>,
}

impl Crowd {
    /// A crowd without clients. They will connect to `address`.
    pub(crate) fn new(address: &Address) -> Result<Self, BenchError> {
        let targets = address.resolve();
        let targets = targets.map_err(|error| BenchError::Connect(address.clone(), 0, error))?;
        Ok(Self {
            address: address.clone(),
            targets,
            clients: Vec::new(),
            epoll: epoll::create(CreateFlags::CLOEXEC).map_err(failed("epoll_create"))?,
            ready: vec![Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; EVENTS],
            buffer: vec![0; LONGEST_REST + CHUNK],
            closed: Vec::new(),
        })
    }

    /// Connects one more client, and returns its number. Waits until the server's system has taken the
    /// connection.
    pub(crate) fn connect(&mut self, habit: Habit) -> Result<usize, BenchError> {
        let number = self.clients.len();
        let mut result = Err(io::Error::new(ErrorKind::NotFound, "no address of that name"));
        for at in 0..self.targets.len() {
            result = open(&self.targets[at], habit, Wait::UntilTaken);
            if result.is_ok() {
                // The others use the address that answered the first one.
                self.targets.swap(0, at);
                break;
            }
        }
        let socket = result.map_err(|error| BenchError::Connect(self.address.clone(), number, error))?;
        self.watch(&socket, habit, number)?;
        self.clients.push(Client::new(socket, habit));
        Ok(number)
    }

    /// Connects `client` again, after the server has disconnected it. Does not wait, because the others
    /// are being measured. Returns whether it may have got in. Otherwise it stays away.
    pub(crate) fn connect_again(&mut self, client: usize) -> Result<bool, BenchError> {
        let habit = self.clients[client].habit;
        let Ok(socket) = open(&self.targets[0], habit, Wait::Never) else { return Ok(false) };
        self.watch(&socket, habit, client)?;
        self.clients[client] = Client::new(socket, habit);
        Ok(true)
    }

    /// Makes `socket` the connection of client `number`, and waits for its events too.
    fn watch(&self, socket: &Socket, habit: Habit, number: usize) -> Result<(), BenchError> {
        let number = EventData::new_u64(number as u64);
        epoll::add(&self.epoll, socket, number, events(habit, false)).map_err(failed("epoll_ctl"))
    }

    /// Ends the connection of `client`.
    pub(crate) fn leave(&mut self, client: usize) {
        self.clients[client].socket = None;
    }

    /// Whether `client` is still connected.
    pub(crate) fn is_open(&self, client: usize) -> bool {
        self.clients[client].socket.is_some()
    }

    /// The clients that the server has disconnected since the last call.
    pub(crate) fn take_closed(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.closed)
    }

    /// The bytes that `client` is about to send. `flush` sends them.
    pub(crate) fn outbox(&mut self, client: usize) -> &mut Vec<u8> {
        &mut self.clients[client].outbox
    }

    /// Whether the system has taken all bytes of `client`.
    pub(crate) fn is_flushed(&self, client: usize) -> bool {
        self.clients[client].outbox.is_empty()
    }

    /// Sends as many bytes of `client` as it can without waiting.
    pub(crate) fn flush(&mut self, number: usize) -> Result<(), BenchError> {
        let client = &mut self.clients[number];
        let Some(socket) = &mut client.socket else { return Ok(()) };
        while client.sent < client.outbox.len() {
            match socket.write(&client.outbox[client.sent..]) {
                Ok(len) => client.sent += len,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // The server's earlier bytes must still be read. Reading finds the end.
                Err(_) => client.sent = client.outbox.len(),
            }
        }
        if client.sent == client.outbox.len() {
            client.outbox.clear();
            client.sent = 0;
        }
        let waits = !client.outbox.is_empty();
        if waits != client.waits_to_write {
            client.waits_to_write = waits;
            let (number, events) = (EventData::new_u64(number as u64), events(client.habit, waits));
            epoll::modify(&self.epoll, socket, number, events).map_err(failed("epoll_ctl"))?;
        }
        Ok(())
    }

    /// Waits until a connection is ready, for `timeout` at most, rounded up to whole milliseconds. Then
    /// sends and receives once for every ready client. `received` gets the client, its bytes that were
    /// not taken yet, and a place for an answer. It returns how many of the bytes it took.
    pub(crate) fn turn(
        &mut self,
        timeout: Duration,
        mut received: impl FnMut(usize, &[u8], &mut Vec<u8>) -> usize,
    ) -> Result<(), BenchError> {
        let mut ready = std::mem::take(&mut self.ready);
        let time = Timespec::try_from(timeout).ok();
        let count = match epoll::wait(&self.epoll, &mut ready[..], time.as_ref()) {
            Err(Errno::INTR) => 0,
            result => result.map_err(failed("epoll_wait"))?,
        };
        for event in &ready[..count] {
            let (client, events) = (event.data.u64() as usize, event.flags);
            let comes = !(events - EventFlags::OUT).is_empty();
            if comes && self.clients[client].habit == Habit::Stalls {
                self.lose(client);
            } else if comes {
                self.read(client, &mut received);
            }
            if !self.clients[client].outbox.is_empty() {
                self.flush(client)?;
            }
        }
        self.ready = ready;
        Ok(())
    }

    fn read(&mut self, number: usize, received: &mut impl FnMut(usize, &[u8], &mut Vec<u8>) -> usize) {
        let client = &mut self.clients[number];
        let Some(socket) = &mut client.socket else { return };
        let rest = client.rest.len();
        self.buffer[..rest].copy_from_slice(&client.rest);
        match socket.read(&mut self.buffer[rest..rest + CHUNK]) {
            Ok(len @ 1..) => {
                let bytes = &self.buffer[..rest + len];
                let taken = received(number, bytes, &mut client.outbox);
                client.rest.clear();
                if bytes.len() - taken <= LONGEST_REST {
                    client.rest.extend_from_slice(&bytes[taken..]);
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Ok(0) | Err(_) => self.lose(number),
        }
    }

    /// The server has ended this connection.
    fn lose(&mut self, number: usize) {
        let client = &mut self.clients[number];
        client.socket = None;
        client.outbox.clear();
        client.sent = 0;
        self.closed.push(number);
    }
}

fn failed(call: &'static str) -> impl Fn(Errno) -> BenchError {
    move |error| BenchError::System(call, error.into())
}

fn events(habit: Habit, writes: bool) -> EventFlags {
    // A client that does not read wants no bytes, but must notice if the server disconnects it.
    let read = if habit == Habit::Reads { EventFlags::IN } else { EventFlags::RDHUP };
    if writes { read | EventFlags::OUT } else { read }
}

/// How long a client waits when it connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// Until the server's system has taken the connection.
    UntilTaken,
    Never,
}

fn open(target: &SockAddr, habit: Habit, wait: Wait) -> io::Result<Socket> {
    let socket = Socket::new(target.domain(), Type::STREAM, None)?;
    if habit == Habit::Stalls {
        // Set it before connecting, because the system then offers its window to the server.
        socket.set_recv_buffer_size(SMALL_BUFFER)?;
    }
    if target.domain() != Domain::UNIX {
        socket.set_tcp_nodelay(true)?;
    }
    if wait == Wait::Never {
        socket.set_nonblocking(true)?;
        match socket.connect(target) {
            Err(error) if Errno::from_io_error(&error) != Some(Errno::INPROGRESS) => return Err(error),
            _ => return Ok(socket),
        }
    }
    if target.domain() == Domain::UNIX {
        socket.connect(target)?;
    } else {
        socket.connect_timeout(target, CONNECT_TIME)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}
