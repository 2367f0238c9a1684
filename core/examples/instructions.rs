//! `instructions WORK ROUNDS`: the core at work, with a driver that does nothing but
//! ask it, to be counted by valgrind. Prints how many messages were delivered.
//!
//! What a round costs is the difference between runs of different lengths: so the
//! start, which is the same in both, does not count.

use std::process::ExitCode;

use parlour_core::{
    Config, Conn, ConnId, Event, Hub, Instant, Limits, Listener, ListenerId, Member, OnLag, Protocol, Record,
    Room, Storage,
};

const CLIENTS: usize = 101;
/// Bytes of a line with its ending.
const LINE: usize = 64;
/// Bytes that the server reads at once.
const READ: usize = 128 << 10;

/// As those of `parlour serve`.
const LIMITS: Limits = Limits {
    conns: CLIENTS,
    rooms: 2,
    rooms_per_conn: 4,
    name: 96,
    line: 1024,
    queue: 16 << 10,
    log: 256 << 10,
    records: 4096,
};

struct Work {
    name: &'static str,
    protocol: Protocol,
    /// How many of the clients talk.
    talkers: usize,
    /// Lines that each of them says in a round.
    lines: usize,
}

const WORKS: &[Work] = &[
    Work { name: "bulk", protocol: Protocol::Chat, talkers: 1, lines: READ / LINE },
    Work { name: "bulk-relay", protocol: Protocol::Relay, talkers: 1, lines: READ / LINE },
    Work { name: "lockstep", protocol: Protocol::Chat, talkers: CLIENTS - 1, lines: 1 },
    Work { name: "ahead", protocol: Protocol::Chat, talkers: CLIENTS - 1, lines: 16 },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [name, rounds] = &args[..]
        && let Some(work) = WORKS.iter().find(|work| work.name == name)
        && let Ok(rounds) = rounds.parse()
    {
        println!("{}", run(work, rounds));
        return ExitCode::SUCCESS;
    }
    eprintln!("usage: instructions WORK ROUNDS, with WORK one of:");
    for Work { name, .. } in WORKS {
        eprintln!("  {name}");
    }
    ExitCode::from(2)
}

/// Does the work, and says how many messages were delivered in it.
fn run(work: &Work, rounds: usize) -> usize {
    let mut conns: Vec<Conn<'_>> = (0..LIMITS.conns).map(|_| Conn::EMPTY).collect();
    let mut members: Vec<Member> = (0..LIMITS.members()).map(|_| Member::EMPTY).collect();
    let mut rooms: Vec<Room<'_>> = (0..LIMITS.rooms).map(|_| Room::EMPTY).collect();
    let mut records = vec![Record::EMPTY; LIMITS.all_records()];
    let mut bytes = vec![0; LIMITS.bytes()];
    let storage = Storage {
        conns: &mut conns,
        members: &mut members,
        rooms: &mut rooms,
        records: &mut records,
        bytes: &mut bytes,
    };
    let listeners = [Listener { protocol: work.protocol, on_lag: OnLag::Disconnect }];
    let hub = Hub::new(Config::new(&listeners), LIMITS, storage).expect("limits that can be kept");
    let mut driver = Driver { hub, sent: 0 };
    // One of them only listens where all the others talk.
    let clients = if work.talkers == 1 { CLIENTS } else { work.talkers };
    let clients: Vec<ConnId> = (0..clients).map(|_| driver.connect()).collect();
    driver.settle();
    let mut input = vec![b'x'; work.lines * LINE];
    input.iter_mut().skip(LINE - 1).step_by(LINE).for_each(|byte| *byte = b'\n');
    for _ in 0..rounds {
        for &talker in &clients[..work.talkers] {
            driver.offer(talker, &input);
        }
        driver.settle();
    }
    assert!(driver.sent >= rounds * work.talkers * work.lines * (clients.len() - 1) * LINE, "all arrived");
    rounds * work.talkers * work.lines * (clients.len() - 1)
}

/// The least that a driver does.
struct Driver<'a> {
    hub: Hub<'a>,
    /// Bytes.
    sent: usize,
}

impl Driver<'_> {
    const NOW: Instant = Instant::from_millis(0);

    fn connect(&mut self) -> ConnId {
        self.hub.handle(Self::NOW, Event::Accepted(ListenerId(0), None)).opened().expect("a place")
    }

    fn offer(&mut self, talker: ConnId, mut input: &[u8]) {
        while !input.is_empty() {
            let appetite = self.hub.interest(talker).read.min(input.len());
            let taken = self.hub.handle(Self::NOW, Event::Received(talker, &input[..appetite])).taken();
            input = &input[taken..];
            if taken == 0 {
                // The log is full: the others have to take what there is.
                self.settle();
            }
        }
    }

    fn settle(&mut self) {
        while let Some(conn) = self.hub.next_changed() {
            if self.hub.interest(conn).write {
                let len = self.hub.transmit(conn).map(<[u8]>::len).sum();
                self.hub.handle(Self::NOW, Event::Sent(conn, len));
                self.sent += len;
            }
        }
    }
}
