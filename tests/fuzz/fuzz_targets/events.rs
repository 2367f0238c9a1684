//! Any events in any order, also such as no honest driver sends, on a small hub:
//! none may make it panic, and what it answers must stay within its limits.
//!
//! It needs no more than a compiler of Rust and one of C++, for libFuzzer; `.cargo/config.toml`
//! makes it see where an input leads. So it has to be run in this package's folder, by
//!
//! ```text
//! ./run                          a minute
//! ./run -max_total_time=3600     an hour
//! ./run artifacts/crash-1234     what it found, once more
//! ./run --minimize               keep no more of what it has found than it needs
//! ```
//!
//! `corpus` has inputs that between them lead everywhere; a run starts from these, and from what
//! runs before have found here. What fails is left in `artifacts`.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use parlour_core::{
    Bound, Cause, Close, Config, ConnId, Event, Hub, Instant, Interest, Limits, Listener, ListenerId, OnLag,
    Protocol,
};
use parlour_memory::Memory;

/// The smallest that is allowed, but for the tables.
const LIMITS: Limits =
    Limits { conns: 6, rooms: 4, rooms_per_conn: 2, name: 13, line: 16, queue: 118, log: 512, records: 8, followers: 2 };

/// Of more events than this a shorter list shows the same.
const MOST_EVENTS: usize = 400;

/// How the hub behaves.
#[derive(Arbitrary, Debug)]
struct Choices {
    origin_before_end: Option<u16>,
    idle_ms: Option<u16>,
    rate: Option<u8>,
    per_peer: Option<u8>,
    flush_ms: u16,
    has_greeting: bool,
}

/// What happens; connections are numbered in the order in which they were opened.
#[derive(Arbitrary, Debug)]
enum Step<'a> {
    Wait(u16),
    Accept(u8),
    Receive(u8, &'a [u8]),
    /// Lines that mean something, which random bytes seldom do.
    Say(u8, Words, u8),
    Send(u8, u16),
    /// Bytes that were never lent.
    SendAnything(u8, usize),
    PeerCloses(u8),
    Fails(u8),
    Closes(u8),
    Watch(u8),
    Tick,
    NextChanged,
    Shutdown,
}

#[derive(Arbitrary, Debug)]
enum Words {
    Text,
    Nick,
    Join,
    Msg,
    Me,
    Topic,
    Who,
    Rooms,
    Help,
    Quit,
    Say,
    Kick,
    Watch,
    Unwatch,
    Stats,
}

impl Words {
    fn line(&self, number: u8) -> String {
        let number = number % 8;
        match self {
            Words::Text => format!("text {number}\r\n"),
            Words::Nick => format!("/nick n{number}\n"),
            Words::Join => format!("/join r{number}\n"),
            Words::Msg => format!("/msg n{number} hi\n"),
            Words::Me => format!("/me is {number}\n"),
            Words::Topic => format!("/topic {number}\n"),
            Words::Who => format!("/who r{number}\n"),
            Words::Rooms => "/rooms\n".to_string(),
            Words::Help => "/help\n".to_string(),
            Words::Quit => format!("/quit {number}\n"),
            Words::Say => format!("/say {number}\n"),
            Words::Kick => format!("/kick n{number} why\n"),
            Words::Watch => format!("/watch r{number}\n"),
            Words::Unwatch => format!("/unwatch r{number}\n"),
            Words::Stats => "/stats\n".to_string(),
        }
    }
}

struct Play<'a> {
    hub: Hub<'a>,
    now: u64,
    ids: Vec<ConnId>,
}

impl Play<'_> {
    fn id(&self, number: u8) -> Option<ConnId> {
        self.ids.get(usize::from(number).checked_rem(self.ids.len())?).copied()
    }

    fn handle(&mut self, event: Event<'_>) -> parlour_core::Outcome {
        self.hub.handle(Instant::from_millis(self.now), event)
    }

    fn receive(&mut self, number: u8, bytes: &[u8]) {
        let Some(id) = self.id(number) else { return };
        let taken = self.handle(Event::Received(id, bytes)).taken();
        assert!(taken <= bytes.len());
    }

    /// What is lent is bounded by the memory that it stands in.
    fn lent(&mut self, id: ConnId) -> usize {
        let most = LIMITS.queue + 64 + LIMITS.rooms_per_conn * LIMITS.log;
        let lent: usize = self.hub.transmit(id).map(<[u8]>::len).sum();
        assert!(lent <= most, "{lent} bytes lent");
        let Interest { write, close, .. } = self.hub.interest(id);
        // Of a connection that is to be dropped nothing goes out any more.
        let is_dropped = matches!(close, Close::Full | Close::Abort);
        assert!(if write { lent > 0 } else { lent == 0 || is_dropped }, "{lent} bytes lent, write {write}");
        lent
    }

    fn step(&mut self, step: &Step<'_>) {
        match *step {
            Step::Wait(ms) => self.now = self.now.saturating_add(u64::from(ms)),
            Step::Accept(listener) => {
                let peer = (listener & 1 == 0).then(|| [127, 0, 0, listener >> 6].into());
                let listener = ListenerId(listener % 6);
                let opened = self.handle(Event::Accepted(listener, peer)).opened();
                self.ids.extend(opened);
            }
            Step::Receive(conn, bytes) => self.receive(conn, bytes),
            Step::Say(conn, ref words, number) => self.receive(conn, words.line(number).as_bytes()),
            Step::Send(conn, part) => {
                if let Some(id) = self.id(conn) {
                    let sent = self.lent(id) * usize::from(part) / usize::from(u16::MAX);
                    self.handle(Event::Sent(id, sent));
                }
            }
            Step::SendAnything(conn, count) => self.on(conn, |id| Event::Sent(id, count)),
            Step::PeerCloses(conn) => self.on(conn, Event::PeerClosed),
            Step::Fails(conn) => self.on(conn, |id| Event::Failed(id, Cause::Reset)),
            Step::Closes(conn) => self.on(conn, Event::Closed),
            Step::Watch(conn) => {
                if let Some(id) = self.id(conn) {
                    self.hub.watch(id);
                }
            }
            Step::Tick => drop(self.handle(Event::Tick)),
            Step::NextChanged => drop(self.hub.next_changed()),
            Step::Shutdown => drop(self.handle(Event::Shutdown)),
        }
        assert!(self.hub.count() <= LIMITS.conns);
    }

    fn on(&mut self, number: u8, event: impl FnOnce(ConnId) -> Event<'static>) {
        if let Some(id) = self.id(number) {
            self.handle(event(id));
        }
    }

    /// When everybody is gone, every slot is free again.
    fn end(mut self) {
        for id in std::mem::take(&mut self.ids) {
            self.handle(Event::Failed(id, Cause::Reset));
        }
        assert_eq!(self.hub.count(), 0, "slots are lost");
        let mut named = 0;
        while self.hub.next_changed().is_some() {
            named += 1;
            assert!(named <= LIMITS.conns, "connections are named without end");
        }
    }
}

fn listeners(rate: Option<Bound>) -> [Listener; 5] {
    let chat = Listener { rate, ..Listener::new(Protocol::Chat) };
    [
        Listener { on_lag: OnLag::Skip, ..chat },
        chat,
        Listener::new(Protocol::Echo),
        Listener { rate, ..Listener::new(Protocol::Relay) },
        Listener { on_lag: OnLag::Skip, ..Listener::new(Protocol::Console) },
    ]
}

fuzz_target!(|input: (Choices, Vec<Step<'_>>)| {
    let (choices, steps) = input;
    let mut memory = Memory::new(&LIMITS);
    let bound = |most: Option<u8>| most.map(|most| Bound::for_all(u32::from(most)));
    let listeners = listeners(bound(choices.rate));
    let config = Config {
        greeting: if choices.has_greeting {
            "hello\n\n\u{e4} line that is longer than any may be\r\n"
        } else {
            ""
        },
        grace_ms: 1_000,
        idle_ms: choices.idle_ms.map(u32::from),
        per_peer: bound(choices.per_peer),
        flush_ms: u32::from(choices.flush_ms),
        origin: choices.origin_before_end.map_or(0, |before| u64::MAX - u64::from(before)),
        ..Config::new(&listeners)
    };
    let hub = Hub::new(config, LIMITS, memory.storage()).expect("limits that can be kept");
    let mut play = Play { hub, now: 0, ids: Vec::new() };
    for step in steps.iter().take(MOST_EVENTS) {
        play.step(step);
    }
    play.end();
});
