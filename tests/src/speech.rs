//! A room under siege, over real sockets: a victim says a line after the other, a witness hears it, and attackers try to
//! keep it from that.

use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::client::{ConnectOptions, Stream};
use crate::server::{Poller, Server};
use crate::swarm::Swarm;
use crate::sys::{self, pollfd};

/// A receiver for which the kernel holds little.
pub const SMALL: ConnectOptions = ConnectOptions { receive_buffer: Some(2048), source: None };

/// How long attackers keep a room waiting.
pub const SIEGE: Duration = Duration::from_secs(8);
/// The grace of rooms.
pub const GRACE: Duration = Duration::from_secs(1);

/// A victim that says a line, and the next one when the witness has heard that one,
/// in a room with clients that flood it.
pub struct Speech {
    /// All clients.
    pub swarm: Swarm,
    /// The server.
    pub server: Server,
    /// Has the socket of the witness.
    _folder: TempDir,
    flooders: usize,
    victim: usize,
    witness: usize,
    /// How many lines the victim has said.
    pub said: usize,
    /// When the last line was said, and how many bytes the witness had by then.
    pub last: (Instant, usize),
    /// When the witness heard each line of the victim.
    pub heard: Vec<Instant>,
    /// The bytes of whole lines that the witness got.
    pub got: usize,
    /// The most that it got between a line's being said and being heard.
    pub passed: usize,
    /// The start of a line whose end the witness does not have yet.
    rest: Vec<u8>,
}

impl Speech {
    /// The least time between two lines of the victim.
    const PACE: Duration = Duration::from_millis(20);

    /// The flooders come first, where that is an advantage. The witness listens on a
    /// Unix socket, for which kernels hold 200 KB, while they hold 4 MB for TCP.
    pub fn start(poller: Poller, args: &[&str], flooders: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let local = format!("unix:{}", folder.path().join("chat").display());
        let server = poller.chatting(&[&["--chat", &local], args].concat());
        let mut swarm = Swarm::default();
        for _ in 0..flooders {
            swarm.connect(server.chat(), ConnectOptions::default());
        }
        let victim = swarm.connect(server.chat(), ConnectOptions::default());
        let witness = swarm.connect(&local, ConnectOptions::default());
        swarm.send(victim, b"/nick victim\n");
        swarm.wait_for(victim, b" is now victim\r\n");
        swarm.send(witness, b"/ping\n");
        swarm.wait_for(witness, b"-- pong\r\n");
        Self {
            swarm,
            server,
            _folder: folder,
            flooders,
            victim,
            witness,
            said: 0,
            last: (Instant::now(), 0),
            heard: Vec::new(),
            got: 0,
            passed: 0,
            rest: Vec::new(),
        }
    }

    /// Lets the flooders send `chunk` as often as the server takes it.
    pub fn flood(&mut self, chunk: &[u8]) {
        for flooder in 0..self.flooders {
            if self.swarm.unsent(flooder) == 0 {
                self.swarm.send(flooder, chunk);
            }
        }
    }

    /// Lets all move once.
    pub fn turn(&mut self) {
        if self.heard.len() == self.said && self.last.0.elapsed() >= Self::PACE {
            self.swarm.send(self.victim, format!("{}\n", self.said).as_bytes());
            self.said += 1;
            self.last = (Instant::now(), self.got);
        }
        self.swarm.turn(Duration::from_millis(5));
        for reader in 0..=self.victim {
            self.swarm.take_all(reader);
        }
        self.rest.extend(self.swarm.take_all(self.witness));
        let mut whole = 0;
        for line in self.rest.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            whole += line.len();
            // It may itself be told a line late, where the server has a journal.
            let line = line
                .strip_prefix(b"-- earlier (")
                .and_then(|rest| rest.get(b"00:00): ".len()..))
                .unwrap_or(line);
            if line.starts_with(b"<victim> ") {
                assert_eq!(line, format!("<victim> {}\r\n", self.heard.len()).as_bytes());
                self.heard.push(Instant::now());
                self.passed = self.passed.max(self.got + whole - self.last.1);
            }
        }
        self.got += whole;
        self.rest.drain(..whole);
    }

    /// How long the victim was not heard since `start`, each time.
    fn pauses(&self, start: Instant) -> Vec<Duration> {
        let ends = self.heard.iter().copied().chain([Instant::now()]);
        let starts = [start].into_iter().chain(self.heard.iter().copied());
        starts.zip(ends).map(|(start, end)| end.saturating_duration_since(start)).collect()
    }

    /// All leave, and the server ends.
    pub fn end(self) {
        drop(self.swarm);
        self.server.stop();
    }
}

/// Lets `attack` go on with its work after each turn, while a victim talks. Returns what became of it.
pub fn besiege(mut talk: Speech, mut attack: impl FnMut(&mut Speech)) -> Siege {
    let flood = format!("{}\n", "y".repeat(1000)).repeat(64);
    let start = Instant::now();
    while start.elapsed() < SIEGE {
        talk.flood(flood.as_bytes());
        talk.turn();
        attack(&mut talk);
    }
    let (lines, pauses) = (talk.heard.len(), talk.pauses(start));
    talk.end();
    Siege { lines, pauses }
}

/// What became of a victim.
#[derive(Debug)]
pub struct Siege {
    /// Lines of its that came through.
    pub lines: usize,
    /// How long it was not heard, each time.
    pauses: Vec<Duration>,
}

impl Siege {
    /// The longest pause.
    pub fn longest(&self) -> Duration {
        self.pauses.iter().copied().max().unwrap_or_default()
    }

    /// The sum of all pauses that are longer than `noticed`.
    pub fn silent(&self, noticed: Duration) -> Duration {
        self.pauses.iter().filter(|&&pause| pause > noticed).sum()
    }
}

/// A client that never reads.
pub struct Parked {
    address: String,
    asks: Vec<u8>,
    stream: Stream,
    /// How often it was disconnected.
    pub cut: usize,
}

impl Parked {
    /// Connects to `address` and sends `asks`.
    pub fn new(address: &str, asks: &[u8]) -> Self {
        let mut stream = Stream::connect(address, SMALL).expect("a server");
        stream.write_all(asks).expect("a server that reads");
        Self { address: address.to_string(), asks: asks.to_vec(), stream, cut: 0 }
    }

    /// Connects again if it was disconnected. It sees that without reading.
    pub fn come_back(&mut self) {
        let mut polled = [pollfd { fd: self.stream.as_fd().as_raw_fd(), events: 0, revents: 0 }];
        sys::poll(&mut polled, Duration::ZERO).expect("a socket");
        if polled[0].revents != 0 {
            let cut = self.cut + 1;
            *self = Self { cut, ..Self::new(&self.address, &self.asks) };
        }
    }
}
