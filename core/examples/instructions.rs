//! `instructions WORK ROUNDS`: the core at work for valgrind to count, with a driver that does nothing
//! but ask it. Prints how many messages were delivered.
//!
//! Subtract the counts of two runs of different lengths to get the cost of a round. The start is the
//! same in both, so it does not count.

use std::fmt::Write;
use std::process::ExitCode;

use parlour_core::{
    Config, ConnId, Encoding, Hub, Input, Instant, Joining, Limits, Listener, ListenerId, Output, Protocol,
    Record, Sink,
};
use parlour_memory::Memory;

/// Bytes of a line with its ending.
const LINE: usize = 64;
/// Bytes that the server reads at once.
const READ: usize = 128 << 10;

/// The idle timeout. Silent clients have a deadline, but it does not come.
const IDLE_MS: u32 = 3_600_000;

struct Work {
    name: &'static str,
    protocol: Protocol,
    /// The clients that share a room, and how many of them talk.
    clients: usize,
    talkers: usize,
    /// Lines that each of them says in a round.
    lines: usize,
    /// Whether the last of them has no end. A relay waits for its end, and passes on the part when the
    /// deadline has come.
    is_unfinished: bool,
    /// Clients of another listener. They say nothing and hear nothing.
    silent: usize,
    /// Whether the clients see records as JSON lines.
    is_json: bool,
    /// Rooms that each of the clients is in. They talk in one of them.
    rooms: usize,
}

impl Work {
    const fn new(
        name: &'static str,
        protocol: Protocol,
        clients: usize,
        talkers: usize,
        lines: usize,
    ) -> Self {
        Self {
            name,
            protocol,
            clients,
            talkers,
            lines,
            is_unfinished: false,
            silent: 0,
            is_json: false,
            rooms: 1,
        }
    }

    /// Two who talk, among many who are silent.
    const fn among(name: &'static str, all: usize) -> Self {
        Self { is_unfinished: true, silent: all - 2, ..Self::new(name, Protocol::Relay, 2, 2, 1) }
    }

    /// So many clients, and whether they see records as JSON lines.
    const fn with(self, name: &'static str, clients: usize, is_json: bool) -> Self {
        Self { name, clients, is_json, ..self }
    }

    /// All are in many rooms.
    const fn in_rooms(self, name: &'static str, rooms: usize) -> Self {
        Self { name, rooms, ..self }
    }

    /// As those of `parlour serve`. JSON lines are longer, and this driver does not wait for a room.
    const fn limits(&self) -> Limits {
        Limits {
            conns: self.clients + self.silent,
            rooms: 1 + self.rooms,
            rooms_per_conn: 2 + self.rooms,
            members: self.clients * self.rooms + self.silent + 16,
            catch_ups: 16,
            name: 96,
            line: 1024,
            queue: 16 << 10,
            proposals: 0,
            log: (256 << 10) << self.is_json as usize,
            records: 4096,
            followers: 0,
            rings: self.is_json as usize,
        }
    }
}

/// Records as objects, one a line. No text of these works has a character that would need an escape.
#[derive(Debug)]
struct Json;

impl Encoding for Json {
    fn render(&self, record: &Record<'_>, _: bool, out: &mut Sink<'_>) {
        let Record { seq, name, text, .. } = record;
        let text = std::str::from_utf8(text).unwrap_or_default();
        // The hub makes the sink as large as `longest` says.
        let _ = writeln!(out, r#"{{"seq":{seq},"name":"{name}","text":"{text}"}}"#);
    }

    fn longest(&self, text: usize, name: usize) -> usize {
        text + name + 60
    }
}

const BULK: Work = Work::new("bulk", Protocol::Chat, 101, 1, READ / LINE);
const LOCKSTEP: Work = Work::new("lockstep", Protocol::Chat, 100, 100, 1);

const WORKS: &[Work] = &[
    BULK,
    Work::new("bulk-relay", Protocol::Relay, 101, 1, READ / LINE),
    LOCKSTEP,
    BULK.in_rooms("many-rooms-bulk", 50),
    LOCKSTEP.in_rooms("many-rooms-lockstep", 50),
    BULK.with("bulk-201", 201, false),
    BULK.with("bulk-json", 101, true),
    BULK.with("bulk-json-201", 201, true),
    Work::new("ahead", Protocol::Chat, 100, 100, 16),
    Work::among("among-100", 100),
    Work::among("among-100000", 100_000),
];

/// Makes this many calls, and returns how many it made.
type Calls = fn(usize) -> usize;

/// Single calls of [`Hub::handle`] that could concern everybody in a crowd: one call a round.
const CALLS: &[(&str, Calls)] = &[("end", end), ("cut", cut), ("msg", msg)];

/// The crowd in which such a call is made.
const CROWD: Work = Work::new("crowd", Protocol::Chat, 10_000, 1, 1);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [name, rounds] = &args[..]
        && let Ok(rounds) = rounds.parse()
    {
        let work = WORKS.iter().find(|work| work.name == name).map(|work| run(work, rounds));
        let call = CALLS.iter().find(|(call, _)| call == name).map(|(_, call)| call(rounds));
        if let Some(count) = work.or(call) {
            println!("{count}");
            return ExitCode::SUCCESS;
        }
    }
    eprintln!("usage: instructions WORK ROUNDS, with WORK one of:");
    let calls = CALLS.iter().map(|(name, _)| *name);
    for name in WORKS.iter().map(|work| work.name).chain(calls) {
        eprintln!("  {name}");
    }
    ExitCode::from(2)
}

/// In each round some more are told of the end.
fn end(rounds: usize) -> usize {
    in_crowd(|driver, _| {
        driver.hub.handle(driver.now, Input::Shutdown);
        for _ in 0..rounds {
            driver.hub.handle(driver.now, Input::Tick);
        }
        assert_eq!(driver.hub.next_deadline(), Some(driver.now), "not all were told yet");
    });
    rounds
}

/// Nobody has read for the whole grace period. In each round some more are cut.
fn cut(rounds: usize) -> usize {
    in_crowd(|driver, clients| {
        let line = [vec![b'x'; 1000], vec![b'\n']].concat();
        while driver.hub.handle(driver.now, Input::Received { conn: clients[0], bytes: &line }).taken() > 0 {}
        driver.now = Instant::from_millis(60_000);
        for _ in 0..rounds {
            while driver.hub.next_output().is_some() {}
            driver.hub.handle(driver.now, Input::Tick);
        }
        let lagged = driver.hub.stats().lagged as usize;
        assert!(lagged > 100 * rounds && lagged < clients.len(), "{lagged} were cut");
    });
    rounds
}

/// Somebody sends many messages to a client that is not there, and reads the answers at once.
fn msg(rounds: usize) -> usize {
    let input = b"/msg nobody hello\n".repeat(READ / 18);
    in_crowd(|driver, clients| {
        for _ in 0..rounds {
            assert!(
                driver.hub.handle(driver.now, Input::Received { conn: clients[0], bytes: &input }).taken()
                    > 1_000
            );
            driver.settle();
        }
    });
    rounds
}

fn in_crowd(call: impl FnOnce(&mut Driver<'_>, &[ConnId])) {
    let limits = CROWD.limits();
    let mut memory = Memory::new(&limits);
    let listeners = [Listener::new(CROWD.protocol)];
    let hub = Hub::new(Config::new(&listeners), limits, memory.storage()).expect("limits that can be kept");
    let mut driver = Driver { hub, now: Instant::from_millis(0), sent: 0 };
    let clients: Vec<ConnId> = (0..CROWD.clients).map(|_| driver.connect(ListenerId(0))).collect();
    driver.settle();
    call(&mut driver, &clients);
}

/// Does the work, and returns how many messages it delivered.
fn run(work: &Work, rounds: usize) -> usize {
    let limits = work.limits();
    let mut memory = Memory::new(&limits);
    let joining = if work.rooms > 1 { Joining::Several } else { Joining::One };
    let encoding = work.is_json.then_some(0);
    let listeners = [Listener { joining, encoding, ..Listener::new(work.protocol) }; 2];
    let config = Config { idle_ms: Some(IDLE_MS), encodings: &[&Json], ..Config::new(&listeners) };
    let hub = Hub::new(config, limits, memory.storage()).expect("limits that can be kept");
    let mut driver = Driver { hub, now: Instant::from_millis(0), sent: 0 };
    let clients: Vec<ConnId> = (0..work.clients).map(|_| driver.connect(ListenerId(0))).collect();
    for _ in 0..work.silent {
        driver.connect(ListenerId(1));
    }
    driver.settle();
    for room in 1..work.rooms {
        for &client in &clients {
            driver.offer(client, format!("/join room-{room}\n").as_bytes());
            driver.settle();
        }
    }
    for &client in &clients[..if work.rooms > 1 { work.clients } else { 0 }] {
        driver.offer(client, b"/join lobby\n");
    }
    driver.settle();
    let mut input = vec![b'x'; work.lines * LINE];
    input.iter_mut().skip(LINE - 1).step_by(LINE).for_each(|byte| *byte = b'\n');
    if work.is_unfinished {
        input.pop();
    }
    for _ in 0..rounds {
        for &talker in &clients[..work.talkers] {
            driver.offer(talker, &input);
        }
        driver.settle();
        if work.is_unfinished {
            driver.wait();
        }
    }
    let each = work.talkers * (work.clients - 1);
    assert!(driver.sent >= rounds * each * input.len(), "all arrived");
    assert_eq!(driver.hub.count(), work.clients + work.silent, "nobody was idle");
    rounds * each * work.lines
}

/// The least that a driver does.
struct Driver<'a> {
    hub: Hub<'a>,
    now: Instant,
    /// Bytes.
    sent: usize,
}

impl Driver<'_> {
    fn connect(&mut self, listener: ListenerId) -> ConnId {
        self.hub.handle(self.now, Input::Accepted { listener, peer: None }).opened().expect("a place")
    }

    fn offer(&mut self, talker: ConnId, mut input: &[u8]) {
        while !input.is_empty() {
            let appetite = self.hub.interest(talker).read.min(input.len());
            let taken = self
                .hub
                .handle(self.now, Input::Received { conn: talker, bytes: &input[..appetite] })
                .taken();
            input = &input[taken..];
            if taken == 0 {
                // The log is full, so the others have to read first.
                self.settle();
            }
        }
    }

    fn settle(&mut self) {
        while let Some(output) = self.hub.next_output() {
            let Output::Changed { conn } = output else { continue };
            if self.hub.interest(conn).write {
                let len = self.hub.transmit(conn).map(<[u8]>::len).sum();
                self.hub.handle(self.now, Input::Sent { conn, count: len });
                self.sent += len;
            }
        }
    }

    /// Lets the time of the next deadline come.
    fn wait(&mut self) {
        self.now = self.hub.next_deadline().expect("something is to come");
        self.hub.handle(self.now, Input::Tick);
        self.settle();
    }
}
