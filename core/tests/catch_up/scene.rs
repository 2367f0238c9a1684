//! Scenes in which one that has stopped to read is behind.

use std::collections::VecDeque;

use parlour_core::{
    Config, ConnId, Hub, Identity, Input, Instant, Joining, Kind, Limits, Listener, ListenerId, OnLag,
    Output, Place, Protocol, Record, RoomRef, Wanted,
};
use parlour_memory::Memory;

pub(crate) const LIMITS: Limits = Limits {
    conns: 4,
    rooms: 2,
    rooms_per_conn: 2,
    members: 8,
    catch_ups: 4,
    name: 32,
    line: 64,
    queue: 720,
    proposals: 0,
    log: 1024,
    records: 16,
    followers: 1,
    rings: 0,
};
pub(crate) const GRACE_MS: u32 = 100;

pub(crate) struct Scene<'a> {
    pub(crate) hub: Hub<'a>,
    pub(crate) now: Instant,
    /// The pages that were asked for.
    pub(crate) wanted: VecDeque<Wanted>,
}

pub(crate) fn with_hub(protocol: Protocol, keeps_records: bool, test: impl FnOnce(Scene<'_>)) {
    with_hub_behind(protocol, keeps_records, None, test);
}

/// As [`with_hub`]. A client may be behind for so long.
pub(crate) fn with_hub_behind(
    protocol: Protocol,
    keeps_records: bool,
    behind_ms: Option<u32>,
    test: impl FnOnce(Scene<'_>),
) {
    let one = Listener { on_lag: OnLag::Replay, ..Listener::new(protocol) };
    let listeners = [one, Listener { joining: Joining::Several, ..one }];
    let config = Config {
        origin: u64::MAX - 5,
        grace_ms: GRACE_MS,
        behind_ms,
        keeps_records,
        ..Config::new(&listeners)
    };
    let mut memory = Memory::new(&LIMITS);
    let hub = Hub::new(config, LIMITS, memory.storage()).unwrap();
    test(Scene { hub, now: Instant::from_millis(0), wanted: VecDeque::new() });
}

impl Scene<'_> {
    pub(crate) fn open(&mut self) -> ConnId {
        self.open_at(ListenerId(0))
    }

    pub(crate) fn open_at(&mut self, listener: ListenerId) -> ConnId {
        self.hub.handle(self.now, Input::Accepted { listener, peer: None }).opened().unwrap()
    }

    /// The next page that the hub wants.
    pub(crate) fn next_wanted(&mut self) -> Option<Wanted> {
        while let Some(output) = self.hub.next_output() {
            if let Output::Wanted(wanted) = output {
                self.wanted.push_back(wanted);
            }
        }
        self.wanted.pop_front()
    }

    /// Lets time pass, after everybody was offered everything.
    pub(crate) fn pass(&mut self, ms: u64) {
        if let Some(wanted) = self.next_wanted() {
            self.wanted.push_front(wanted);
        }
        self.now = Instant::from_millis(self.now.as_millis() + ms);
        self.hub.handle(self.now, Input::Tick);
    }

    /// Says a line. Lets the room wait until it takes the line.
    pub(crate) fn say(&mut self, conn: ConnId, text: &str) {
        let mut rest = text.as_bytes();
        for _ in 0..100 {
            let taken = self.hub.handle(self.now, Input::Received { conn, bytes: rest }).taken();
            rest = &rest[taken..];
            if rest.is_empty() {
                return;
            }
            self.pass(u64::from(GRACE_MS));
        }
        panic!("nobody takes {text:?}");
    }

    /// As [`Scene::say`], by a client that reads meanwhile. Returns what it has read.
    pub(crate) fn say_reading(&mut self, conn: ConnId, text: &str) -> String {
        let mut seen = String::new();
        let mut rest = text.as_bytes();
        for _ in 0..1_000 {
            let taken = self.hub.handle(self.now, Input::Received { conn, bytes: rest }).taken();
            rest = &rest[taken..];
            seen += &self.take(conn, 100);
            self.hub.handle(self.now, Input::Tick);
            if rest.is_empty() {
                return seen;
            }
        }
        panic!("nobody takes {text:?}");
    }

    /// Takes at most so many bytes of what waits for a connection.
    pub(crate) fn take(&mut self, conn: ConnId, most: usize) -> String {
        let lent: Vec<u8> = self.hub.transmit(conn).flatten().copied().take(most).collect();
        self.hub.handle(self.now, Input::Sent { conn, count: lent.len() });
        String::from_utf8(lent).unwrap()
    }

    /// Takes all that waits, and what comes because of that.
    pub(crate) fn take_all(&mut self, conn: ConnId) -> String {
        let (mut all, mut idle) = (String::new(), 0);
        for _ in 0..1_000 {
            let text = self.take(conn, usize::MAX);
            idle = if text.is_empty() { idle + 1 } else { 0 };
            all += &text;
            self.hub.handle(self.now, Input::Tick);
            if idle == 2 {
                return all;
            }
        }
        panic!("it does not end: {all}");
    }

    /// As [`Scene::page`], of a driver that has nothing before these records.
    pub(crate) fn page_after_gap(&mut self, wanted: Wanted, records: &[Record<'_>]) -> usize {
        self.hub.handle(self.now, Input::Page { wanted, has_gap: true, records }).taken()
    }

    pub(crate) fn page(&mut self, wanted: Wanted, records: &[Record<'_>]) -> usize {
        self.hub.handle(self.now, Input::Page { wanted, has_gap: false, records }).taken()
    }
}

/// Line `number` of bob as the driver keeps it. Each line has one number of the order.
pub(crate) fn kept<'t>(room: RoomRef, seq: u64, text: &'t str) -> Record<'t> {
    let (author, kind, place) = (Identity::from_u64(1), Kind::Say, Place::Chat("lobby"));
    Record { seq, unix_ms: 0, room, place, author, name: "bob", kind, is_torn: false, text: text.as_bytes() }
}

/// Two clients, of whom one has stopped to read and is behind; and how many lines were said.
pub(crate) fn someone_behind(scene: &mut Scene<'_>, lines: usize) -> [ConnId; 2] {
    let [bob, deaf] = [scene.open(), scene.open()];
    scene.say(bob, "/nick bob\n");
    scene.pass(1_000);
    scene.take_all(deaf);
    for number in 0..lines {
        scene.say(bob, &format!("line {number:03}\n"));
        scene.take_all(bob);
    }
    [bob, deaf]
}
