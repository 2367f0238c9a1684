//! Any inputs in any order, also such as no honest driver sends, on a small hub:
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
    Bound, Cause, Close, Config, ConnId, Followed, FollowerId, Following, Hub, Identity, Input, Instant,
    Interest, Joining, Kind, Limits, Listener, ListenerId, OnLag, Output, Place, Protocol, Record, RoomRef, Scope,
    Span, Wanted,
};
use parlour_memory::Memory;

/// The smallest that is allowed, but for the tables.
const LIMITS: Limits = Limits {
    conns: 6,
    rooms: 4,
    rooms_per_conn: 3,
    members: 10,
    catch_ups: 2,
    name: 13,
    line: 16,
    queue: 130,
    proposals: 150,
    log: 512,
    records: 8,
    followers: 2,
    rings: 0,
};

/// Of more inputs than this a shorter list shows the same.
const MOST_INPUTS: usize = 400;

/// How the hub behaves.
#[derive(Arbitrary, Debug)]
struct Choices {
    origin_before_end: Option<u16>,
    idle_ms: Option<u16>,
    rate: Option<u8>,
    per_peer: Option<u8>,
    flush_ms: u16,
    has_greeting: bool,
    history: u8,
    keeps_records: bool,
    proposes: bool,
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
    NextOutput,
    Shutdown,
    Clock(u64, i32),
    Speaks(u8, u8),
    Follow(Option<u16>, bool),
    Read(u8),
    Commit(u8, u8),
    Unfollow(u8),
    /// A page that was asked for, beginning so much later, of so many records.
    Page(u8, u8),
    /// Takes a proposal, and has it decided at once, with its place in the order. Or others decide something
    /// that nobody has proposed here.
    Decide(u8, bool, Option<Elsewhere<'a>>),
    Withdraw(u8),
    Know(u8, u8),
}

/// A decision of any kind, whatever it is about.
#[derive(Arbitrary, Debug)]
struct Elsewhere<'a> {
    index: u64,
    conn: Option<u8>,
    room: u64,
    /// It is a room that there may be.
    is_room: bool,
    author: u64,
    name: &'a str,
    kind: u8,
    is_torn: bool,
    text: &'a [u8],
}

#[derive(Arbitrary, Debug)]
enum Words {
    Text,
    Nick,
    Join,
    Part,
    History,
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
            Words::Part => format!("/part r{number}\n"),
            Words::History => format!("/history {number}\n"),
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
    followers: Vec<FollowerId>,
    wanted: Vec<Wanted>,
}

impl Play<'_> {
    fn id(&self, number: u8) -> Option<ConnId> {
        self.ids.get(usize::from(number).checked_rem(self.ids.len())?).copied()
    }

    fn handle(&mut self, input: Input<'_>) -> parlour_core::Answer {
        self.hub.handle(Instant::from_millis(self.now), input)
    }

    fn follower(&self, number: u8) -> Option<FollowerId> {
        self.followers.get(usize::from(number).checked_rem(self.followers.len())?).copied()
    }

    fn receive(&mut self, number: u8, bytes: &[u8]) {
        let Some(id) = self.id(number) else { return };
        let taken = self.handle(Input::Received { conn: id, bytes }).taken();
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
                let opened = self.handle(Input::Accepted { listener, peer }).opened();
                self.ids.extend(opened);
            }
            Step::Receive(conn, bytes) => self.receive(conn, bytes),
            Step::Say(conn, ref words, number) => self.receive(conn, words.line(number).as_bytes()),
            Step::Send(conn, part) => {
                if let Some(id) = self.id(conn) {
                    let sent = self.lent(id) * usize::from(part) / usize::from(u16::MAX);
                    self.handle(Input::Sent { conn: id, count: sent });
                }
            }
            Step::SendAnything(conn, count) => self.on(conn, |conn| Input::Sent { conn, count }),
            Step::PeerCloses(conn) => self.on(conn, |conn| Input::PeerClosed { conn }),
            Step::Fails(conn) => self.on(conn, |conn| Input::Failed { conn, cause: Cause::Reset }),
            Step::Closes(conn) => self.on(conn, |conn| Input::Closed { conn }),
            Step::Watch(conn) => {
                if let Some(id) = self.id(conn) {
                    self.followers.extend(self.hub.watch(id));
                }
            }
            Step::Tick => drop(self.handle(Input::Tick)),
            Step::NextOutput => drop(self.next_output()),
            Step::Shutdown => drop(self.handle(Input::Shutdown)),
            Step::Clock(unix_ms, utc_offset_s) => drop(self.handle(Input::Clock { unix_ms, utc_offset_s })),
            Step::Speaks(conn, listener) => {
                self.on(conn, |conn| Input::Speaks { conn, listener: ListenerId(listener % 6) });
            }
            Step::Follow(grace_ms, is_all) => {
                let scope = if is_all { Scope::All } else { Scope::Pinned };
                let following = Following { grace_ms: grace_ms.map(u32::from), scope };
                self.followers.extend(self.hub.follow(following));
            }
            Step::Read(follower) => {
                if let Some(follower) = self.follower(follower) {
                    self.hub.read(follower);
                }
            }
            Step::Commit(follower, count) => self.commit(follower, count),
            Step::Unfollow(follower) => {
                if let Some(follower) = self.follower(follower) {
                    self.hub.unfollow(follower);
                }
            }
            Step::Page(later, count) => self.page(later, count),
            Step::Decide(index, is_local, None) => self.decide(index, is_local),
            Step::Decide(_, _, Some(ref decision)) => self.decide_elsewhere(decision),
            Step::Withdraw(conn) => self.on(conn, |conn| Input::Withdrawn { conn }),
            Step::Know(conn, identity) => {
                let identity = Identity::from_u64(identity.into());
                self.on(conn, |conn| Input::Known { conn, identity });
            }
        }
        assert!(self.hub.count() <= LIMITS.conns);
    }

    fn next_output(&mut self) -> Option<Output> {
        let output = self.hub.next_output();
        if let Some(Output::Wanted(wanted)) = output {
            self.wanted.push(wanted);
        }
        output
    }

    /// Reads so many records, and commits them.
    fn commit(&mut self, follower: u8, count: u8) {
        let Some(follower) = self.follower(follower) else { return };
        for _ in 0..count {
            let seq = match self.hub.read(follower) {
                Some(Followed::Record(record)) => record.seq,
                Some(Followed::Lost(lost)) => lost.last,
                None => return,
            };
            self.handle(Input::Committed { follower, seq });
        }
    }

    fn page(&mut self, later: u8, count: u8) {
        let Some(wanted) = self.wanted.pop() else { return };
        let from = match wanted.span {
            Span::From(from) => from,
            Span::Last(count) => wanted.until.wrapping_sub(u64::from(count)),
        };
        let record = |step: u64| Record {
            seq: from.wrapping_add(u64::from(later) + step),
            unix_ms: step,
            room: wanted.room,
            place: Place::Chat("lobby"),
            author: Identity::from_u64(step),
            name: "n",
            kind: Kind::Say,
            is_torn: false,
            text: b"before",
        };
        let records: Vec<_> = (0..u64::from(count % 16)).map(record).collect();
        assert!(self.handle(Input::Page { wanted, has_gap: later % 2 == 1, records: &records }).taken() <= records.len());
    }

    fn decide(&mut self, index: u8, is_local: bool) {
        let Some(proposal) = self.hub.next_proposal() else { return };
        let (number, conn, room) = (proposal.number, proposal.conn, proposal.room);
        let (name, text) = (proposal.name.to_owned(), proposal.text.to_owned());
        let room = if index == 0 { RoomRef::from_u64(room.as_u64() + 1) } else { room };
        let record = Record {
            seq: 0,
            unix_ms: 0,
            room,
            place: Place::Private,
            author: proposal.author,
            name: &name,
            kind: proposal.kind,
            is_torn: proposal.is_torn,
            text: &text,
        };
        self.handle(Input::Proposed { number });
        let conn = is_local.then_some(conn);
        self.handle(Input::Decided { index: u64::from(index), conn, record });
    }

    fn decide_elsewhere(&mut self, decision: &Elsewhere<'_>) {
        const KINDS: [Kind; 11] = [
            Kind::Say,
            Kind::Action,
            Kind::Raw,
            Kind::Join,
            Kind::Part,
            Kind::Quit(Cause::Kicked),
            Kind::Nick,
            Kind::Topic,
            Kind::Server,
            Kind::Direct,
            Kind::Sent,
        ];
        let &Elsewhere { index, conn, room, is_room, author, name, kind, is_torn, text } = decision;
        let room = if is_room { room % (LIMITS.rooms as u64 + 1) } else { room };
        let record = Record {
            seq: author,
            unix_ms: room,
            room: RoomRef::from_u64(room),
            place: Place::Private,
            author: Identity::from_u64(author),
            name,
            kind: KINDS[usize::from(kind) % KINDS.len()],
            is_torn,
            text,
        };
        let conn = conn.and_then(|conn| self.id(conn));
        assert!(self.handle(Input::Decided { index, conn, record }).taken() <= 1);
    }

    fn on(&mut self, number: u8, input: impl FnOnce(ConnId) -> Input<'static>) {
        if let Some(id) = self.id(number) {
            self.handle(input(id));
        }
    }

    /// When everybody is gone, every slot is free again.
    fn end(mut self) {
        for id in std::mem::take(&mut self.ids) {
            self.handle(Input::Failed { conn: id, cause: Cause::Reset });
        }
        assert_eq!(self.hub.count(), 0, "slots are lost");
        let mut named = 0;
        while self.hub.next_output().is_some() {
            named += 1;
            assert!(named <= LIMITS.conns, "connections are named without end");
        }
    }
}

fn listeners(rate: Option<Bound>) -> [Listener; 5] {
    let chat = Listener { rate, ..Listener::new(Protocol::Chat) };
    [
        Listener { on_lag: OnLag::Skip, joining: Joining::Several, ..chat },
        Listener { on_lag: OnLag::Replay, ..chat },
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
        first_identity: 10,
        greeting: if choices.has_greeting {
            "hello\n\n\u{e4} line that is longer than any may be\r\n"
        } else {
            ""
        },
        history: u32::from(choices.history),
        keeps_records: choices.keeps_records,
        proposes: choices.proposes,
        grace_ms: 1_000,
        idle_ms: choices.idle_ms.map(u32::from),
        per_peer: bound(choices.per_peer),
        flush_ms: u32::from(choices.flush_ms),
        origin: choices.origin_before_end.map_or(0, |before| u64::MAX - u64::from(before)),
        ..Config::new(&listeners)
    };
    let hub = Hub::new(config, LIMITS, memory.storage()).expect("limits that can be kept");
    let mut play = Play { hub, now: 0, ids: Vec::new(), followers: Vec::new(), wanted: Vec::new() };
    for step in steps.iter().take(MOST_INPUTS) {
        play.step(step);
    }
    play.end();
});
