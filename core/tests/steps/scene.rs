//! A hub with a clock, and clients that read when they are told to.

use parlour_core::{
    Cause, Close, Config, ConnId, Hub, Input, Instant, Limits, Listener, ListenerId, Output, Protocol,
    ReconfigureError, Refusal,
};
#[cfg(feature = "console")]
use parlour_core::{Followed, FollowerId, Place};
use parlour_memory::Memory;

pub(crate) const CHAT: u8 = 0;
pub(crate) const ECHO: u8 = 1;
#[cfg(feature = "relay")]
pub(crate) const RELAY: u8 = 2;
#[cfg(feature = "console")]
pub(crate) const CONSOLE: u8 = 3;

/// Bytes of the longest line.
pub(crate) const LINE: usize = 128;
/// Records of a room's log.
pub(crate) const RECORDS: usize = 64;
pub(crate) const GRACE_MS: u64 = 5_000;
pub(crate) const FLUSH_MS: u64 = 3_000;

const LIMITS: Limits = Limits {
    conns: 8,
    rooms: 4,
    rooms_per_conn: 3,
    members: 24,
    catch_ups: 24,
    name: 32,
    line: LINE,
    queue: 512,
    proposals: 0,
    log: 4096,
    records: RECORDS,
    followers: 3,
    rings: 0,
};

pub(crate) struct Scene<'a> {
    pub(crate) hub: Hub<'a>,
    now: Instant,
}

/// A test under the usual configuration.
pub(crate) fn usual(test: impl FnOnce(Scene<'_>)) {
    unusual(|_, _| {}, test);
}

/// A test under a configuration that differs in some way from the usual.
pub(crate) fn unusual(
    change: impl FnOnce(&mut Config<'_>, &mut [Listener; 4]),
    test: impl FnOnce(Scene<'_>),
) {
    let (mut config, mut listeners) = usual_config();
    change(&mut config, &mut listeners);
    let config = Config { listeners: &listeners, ..config };
    let mut memory = Memory::new(&LIMITS);
    let hub = Hub::new(config, LIMITS, memory.storage()).unwrap();
    test(Scene { hub, now: Instant::from_millis(0) });
}

/// A configuration without its listeners, and these.
fn usual_config<'a>() -> (Config<'a>, [Listener; 4]) {
    let protocols = [Protocol::Chat, Protocol::Echo, Protocol::Relay, Protocol::Console];
    // A listener that was not built in has another in its place. No test uses that one.
    let listeners = protocols
        .map(|protocol| Listener::new(if protocol.is_built_in() { protocol } else { Protocol::Echo }));
    // Positions and numbers wrap around on the way.
    (Config { origin: u64::MAX - 2, ..Config::new(&[]) }, listeners)
}

impl Scene<'_> {
    /// Gives the hub the usual configuration with these changes.
    pub(crate) fn reconfigure(
        &mut self,
        change: impl FnOnce(&mut Config<'static>, &mut [Listener; 4]),
    ) -> Result<(), ReconfigureError> {
        let (mut config, mut listeners) = usual_config();
        change(&mut config, &mut listeners);
        let config = Config { listeners: Box::leak(Box::new(listeners)), ..config };
        self.hub.reconfigure(self.now, config)
    }

    pub(crate) fn accept(&mut self, listener: u8) -> Result<ConnId, Refusal> {
        self.hub.handle(self.now, Input::Accepted { listener: ListenerId(listener), peer: None }).opened()
    }

    /// A client that comes from an address.
    #[cfg(feature = "large")]
    pub(crate) fn accept_from(&mut self, peer: Option<std::net::IpAddr>) -> Result<ConnId, Refusal> {
        self.hub.handle(self.now, Input::Accepted { listener: ListenerId(CHAT), peer }).opened()
    }

    /// A newcomer that has neither said nor read anything.
    pub(crate) fn open(&mut self, listener: u8) -> ConnId {
        self.accept(listener).unwrap()
    }

    /// A client of the chat that the others know of. It has read everything.
    pub(crate) fn guest(&mut self) -> ConnId {
        let conn = self.open(CHAT);
        self.receive(conn);
        self.say(conn, "/ping\n");
        self.receive(conn);
        conn
    }

    #[cfg(all(feature = "console", feature = "large", feature = "relay"))]
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Offers input once, and returns how much was taken.
    pub(crate) fn offer(&mut self, conn: ConnId, bytes: &[u8]) -> usize {
        self.hub.handle(self.now, Input::Received { conn, bytes }).taken()
    }

    /// Offers input that must be taken whole.
    #[track_caller]
    pub(crate) fn say(&mut self, conn: ConnId, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        assert_eq!(self.offer(conn, text), text.len(), "of {:?}", String::from_utf8_lossy(text));
    }

    /// The transport takes up to this many of the bytes that are lent.
    pub(crate) fn take(&mut self, conn: ConnId, most: usize) -> String {
        let lent: Vec<u8> = self.hub.transmit(conn).flatten().copied().take(most).collect();
        self.hub.handle(self.now, Input::Sent { conn, count: lent.len() });
        String::from_utf8_lossy(&lent).into_owned()
    }

    /// Everything that a follower has to read, with the place of each record in front. It commits what it
    /// has read.
    #[cfg(feature = "console")]
    pub(crate) fn read(&mut self, follower: FollowerId) -> Vec<String> {
        let mut all = Vec::new();
        let mut last = None;
        while let Some(followed) = self.hub.read(follower) {
            let (seq, line) = match followed {
                Followed::Lost(lost) => (lost.last, format!("lost {}", lost.messages)),
                Followed::Record(record) => {
                    let line = String::from_utf8(record.pieces().concat()).unwrap();
                    let place = match record.place {
                        Place::Chat(name) => name.to_owned(),
                        Place::Relay(ListenerId(number)) => format!("relay {number}"),
                        Place::Private => "private".to_owned(),
                    };
                    (record.seq, format!("{place}: {}", line.trim_end()))
                }
            };
            all.push(line);
            last = Some(seq);
        }
        assert!(!self.hub.has_news(follower));
        if let Some(seq) = last {
            self.hub.handle(self.now, Input::Committed { follower, seq });
        }
        all
    }

    /// Everything that waits for a connection, and everything that follows when that was taken.
    pub(crate) fn receive(&mut self, conn: ConnId) -> String {
        let mut all = String::new();
        for _ in 0..1_000 {
            let more = self.take(conn, usize::MAX);
            self.tick();
            if more.is_empty() {
                return all;
            }
            all += &more;
        }
        panic!("it does not end: {all}");
    }

    /// Time passes, and the driver wakes up as often as it was asked to.
    pub(crate) fn at(&mut self, ms: u64) {
        let end = Instant::from_millis(ms);
        for _ in 0..1_000 {
            self.name_all();
            match self.hub.next_deadline() {
                Some(deadline) if deadline <= end => {
                    self.now = self.now.max(deadline);
                    self.hub.handle(self.now, Input::Tick);
                }
                _ => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("there is always something to do until {ms} ms");
    }

    /// Does the work that is due now. No time passes.
    pub(crate) fn tick(&mut self) {
        self.at(self.now.as_millis());
    }

    /// Does the work of a driver whose peers take nothing.
    pub(crate) fn name_all(&mut self) {
        for _ in 0..1_000 {
            if self.hub.next_output().is_none() {
                return;
            }
        }
        panic!("the same are named again and again");
    }

    /// The next connection that has changed.
    pub(crate) fn next_changed(&mut self) -> Option<ConnId> {
        loop {
            if let Output::Changed { conn } = self.hub.next_output()? {
                return Some(conn);
            }
        }
    }

    /// The peer sends no more.
    pub(crate) fn half_close(&mut self, conn: ConnId) {
        self.hub.handle(self.now, Input::PeerClosed { conn });
    }

    pub(crate) fn breaks(&mut self, conn: ConnId, cause: Cause) {
        self.hub.handle(self.now, Input::Failed { conn, cause });
    }

    /// The driver has closed it, as the hub asked.
    pub(crate) fn is_closed(&mut self, conn: ConnId) {
        self.hub.handle(self.now, Input::Closed { conn });
    }

    pub(crate) fn shut_down(&mut self) {
        self.hub.handle(self.now, Input::Shutdown);
    }

    pub(crate) fn close(&self, conn: ConnId) -> Close {
        self.hub.interest(conn).close
    }

    /// Says long lines until the room has no place for more.
    pub(crate) fn fill_room(&mut self, talker: ConnId) {
        let line = format!("{}\n", "x".repeat(LINE));
        for _ in 0..RECORDS {
            self.receive(talker);
            if self.offer(talker, line.as_bytes()) == 0 {
                return;
            }
        }
        panic!("the room takes everything");
    }
}
