//! A hub whose driver keeps what eve has said before.

use parlour_core::{
    Config, ConnId, Hub, Identity, Input, Instant, Kind, Limits, Listener, ListenerId, OnLag, Output, Place,
    Protocol, Record, RoomRef, Span, Wanted,
};
use parlour_memory::Memory;

const LIMITS: Limits = Limits {
    conns: 4,
    rooms: 2,
    rooms_per_conn: 2,
    members: 12,
    catch_ups: 12,
    name: 32,
    line: 64,
    queue: 720,
    proposals: 0,
    log: 1024,
    records: 64,
    followers: 0,
    rings: 0,
};
/// The number of the first record of this hub.
pub(crate) const ORIGIN: u64 = 1_000;
/// Messages that a newcomer is shown.
pub(crate) const HISTORY: u32 = 30;

pub(crate) struct Scene<'a> {
    pub(crate) hub: Hub<'a>,
    pub(crate) now: Instant,
}

pub(crate) fn with_hub(test: impl FnOnce(Scene<'_>)) {
    with_config(HISTORY, true, test);
}

/// A hub that shows newcomers so many messages.
pub(crate) fn with_config(history: u32, keeps_records: bool, test: impl FnOnce(Scene<'_>)) {
    let listeners = [Listener { on_lag: OnLag::Replay, ..Listener::new(Protocol::Chat) }];
    let config =
        Config { origin: ORIGIN, history, keeps_records, first_identity: 77, ..Config::new(&listeners) };
    let mut memory = Memory::new(&LIMITS);
    let hub = Hub::new(config, LIMITS, memory.storage()).unwrap();
    test(Scene { hub, now: Instant::from_millis(0) });
}

impl Scene<'_> {
    pub(crate) fn open(&mut self) -> ConnId {
        self.hub.handle(self.now, Input::Accepted { listener: ListenerId(0), peer: None }).opened().unwrap()
    }

    pub(crate) fn say(&mut self, conn: ConnId, text: &str) {
        assert_eq!(
            self.hub.handle(self.now, Input::Received { conn, bytes: text.as_bytes() }).taken(),
            text.len()
        );
    }

    /// All lines that wait for a connection, but for the welcome.
    pub(crate) fn lines(&mut self, conn: ConnId) -> Vec<String> {
        let (mut all, mut idle) = (Vec::new(), 0);
        while idle < 2 {
            let lent: Vec<u8> = self.hub.transmit(conn).flatten().copied().collect();
            idle = if lent.is_empty() { idle + 1 } else { 0 };
            self.hub.handle(self.now, Input::Sent { conn, count: lent.len() });
            self.hub.handle(self.now, Input::Tick);
            all.extend(lent);
        }
        let text = String::from_utf8(all).unwrap();
        text.lines().filter(|line| !line.contains("welcome to")).map(str::to_owned).collect()
    }

    pub(crate) fn wanted(&mut self) -> Option<Wanted> {
        let mut found = None;
        while let Some(output) = self.hub.next_output() {
            if let Output::Wanted(wanted) = output {
                assert_eq!(found.replace(wanted), None, "one page at a time");
            }
        }
        found
    }

    /// Answers as a driver that keeps so many messages from before, with at most so many records. Returns how many
    /// the hub took.
    pub(crate) fn answer(&mut self, wanted: Wanted, kept: u64, most: usize) -> usize {
        assert_eq!(self.hub.room(wanted.room), Some(Place::Chat("lobby")));
        let texts: Vec<_> = (0..kept).map(|number| format!("old {number}")).collect();
        let first = match wanted.span {
            Span::Last(count) => kept.saturating_sub(u64::from(count)),
            Span::From(from) => from,
        };
        let record = |number: u64| old(wanted.room, number, &texts[number as usize]);
        let records: Vec<_> = (first..kept).take(most).map(record).collect();
        self.hub.handle(self.now, Input::Page { wanted, has_gap: false, records: &records }).taken()
    }

    /// As [`Scene::answer`], until nothing is wanted.
    pub(crate) fn answer_all(&mut self, kept: u64, most: usize) {
        for _ in 0..50 {
            // Its own input comes first, and then its history.
            for _ in 0..2 {
                self.hub.handle(self.now, Input::Tick);
            }
            let Some(wanted) = self.wanted() else { return };
            self.answer(wanted, kept, most);
        }
        panic!("it asks for ever");
    }
}

pub(crate) fn old(room: RoomRef, number: u64, text: &str) -> Record<'_> {
    let (author, kind, place) = (Identity::from_u64(5), Kind::Say, Place::Private);
    Record {
        seq: number,
        unix_ms: 0,
        room,
        place,
        author,
        name: "eve",
        kind,
        is_torn: false,
        text: text.as_bytes(),
    }
}

pub(crate) fn earlier(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|number| format!("-- earlier: <eve> old {number}")).collect()
}
