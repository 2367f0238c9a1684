//! The limit: a program that passes lines from one client to all others with the fewest system calls,
//! and does nothing else. It reads once from each ready client, and then makes one writev(2) to each
//! other client. It has no names, no rooms and no limits. While a client does not read, it reads from
//! nobody.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;

use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;

/// The most bytes in one read. A larger number would cost no less.
const CHUNK: usize = 256 * 1024;
const EVENTS: usize = 1024;
const LISTENER: u64 = u64::MAX;

/// The receivers of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Duty {
    /// For everybody else.
    Fan,
    /// For its sender.
    Echo,
}

struct Client {
    stream: TcpStream,
    /// The start of a line. Only whole lines go on, because lines of others come between.
    rest: Vec<u8>,
    /// Bytes that the system did not take at once.
    unsent: Vec<u8>,
    /// The bytes of this client in this turn.
    came: Range<usize>,
}

struct Limit {
    duty: Duty,
    epoll: OwnedFd,
    listener: TcpListener,
    clients: Vec<Option<Client>>,
    /// All bytes of this turn, up to `filled`.
    turn: Vec<u8>,
    filled: usize,
    /// How many clients have unsent bytes. Nobody is read until there are none.
    behind: usize,
    /// The clients that are not watched for reading meanwhile.
    paused: Vec<usize>,
}

/// Serves on `port`. Returns only with an error.
pub(super) fn serve(port: u16, duty: Duty) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut limit = Limit {
        duty,
        epoll,
        listener,
        clients: Vec::new(),
        turn: Vec::new(),
        filled: 0,
        behind: 0,
        paused: Vec::new(),
    };
    let mut events = vec![Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; EVENTS];
    loop {
        let count = epoll::wait(&limit.epoll, &mut events[..], None)?;
        limit.turn(&events[..count])?;
    }
}

impl Limit {
    fn turn(&mut self, events: &[Event]) -> io::Result<()> {
        self.filled = 0;
        for event in events {
            let (token, flags) = (event.data.u64(), event.flags);
            let number = token as usize;
            if token == LISTENER {
                self.accept()?;
            } else if flags.contains(EventFlags::OUT) {
                self.write_unsent(number)?;
            } else if self.behind > 0 {
                self.watch(number, EventFlags::empty())?;
                self.paused.push(number);
            } else {
                self.read(number);
                if self.duty == Duty::Echo {
                    self.write(number)?;
                    self.filled = 0;
                }
            }
        }
        if self.filled > 0 {
            for number in 0..self.clients.len() {
                self.write(number)?;
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        match self.listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                let number = self.clients.iter().position(Option::is_none).unwrap_or(self.clients.len());
                epoll::add(&self.epoll, &stream, EventData::new_u64(number as u64), EventFlags::IN)?;
                if number == self.clients.len() {
                    self.clients.push(None);
                }
                self.clients[number] =
                    Some(Client { stream, rest: Vec::new(), unsent: Vec::new(), came: 0..0 });
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn read(&mut self, number: usize) {
        let Some(client) = &mut self.clients[number] else { return };
        let start = self.filled;
        let from = start + client.rest.len();
        if self.turn.len() < from + CHUNK {
            self.turn.resize(from + CHUNK, 0);
        }
        self.turn[start..from].copy_from_slice(&client.rest);
        match client.stream.read(&mut self.turn[from..from + CHUNK]) {
            Ok(len @ 1..) => {
                let end = from + len;
                let lines = self.turn[start..end].iter().rposition(|&byte| byte == b'\n');
                let whole =
                    if self.duty == Duty::Echo { end } else { lines.map_or(start, |at| start + at + 1) };
                client.rest.clear();
                client.rest.extend_from_slice(&self.turn[whole..end]);
                client.came = start..whole;
                self.filled = whole;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Ok(0) | Err(_) => self.clients[number] = None,
        }
    }

    /// Writes this turn's bytes for this client.
    fn write(&mut self, number: usize) -> io::Result<()> {
        let Some(client) = &mut self.clients[number] else { return Ok(()) };
        let own = std::mem::take(&mut client.came);
        let parts = match self.duty {
            Duty::Fan => [&self.turn[..own.start], &self.turn[own.end..self.filled]],
            Duty::Echo => [&self.turn[own], &[]],
        };
        let len = parts[0].len() + parts[1].len();
        if len == 0 {
            return Ok(());
        }
        let sent = match client.stream.write_vectored(&parts.map(IoSlice::new)) {
            Ok(sent) => sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            // Reading finds the end.
            Err(_) => len,
        };
        if sent < len {
            let first = sent.min(parts[0].len());
            client.unsent.extend_from_slice(&parts[0][first..]);
            client.unsent.extend_from_slice(&parts[1][sent - first..]);
            self.behind += 1;
            self.watch(number, EventFlags::OUT)?;
        }
        Ok(())
    }

    fn write_unsent(&mut self, number: usize) -> io::Result<()> {
        let Some(client) = &mut self.clients[number] else { return Ok(()) };
        match client.stream.write(&client.unsent) {
            Ok(len) => drop(client.unsent.drain(..len)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => client.unsent.clear(),
        }
        if client.unsent.is_empty() {
            self.behind -= 1;
            self.watch(number, EventFlags::IN)?;
        }
        if self.behind == 0 {
            for number in std::mem::take(&mut self.paused) {
                self.watch(number, EventFlags::IN)?;
            }
        }
        Ok(())
    }

    fn watch(&self, number: usize, flags: EventFlags) -> io::Result<()> {
        let Some(client) = &self.clients[number] else { return Ok(()) };
        Ok(epoll::modify(&self.epoll, &client.stream, EventData::new_u64(number as u64), flags)?)
    }
}
