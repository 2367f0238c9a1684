//! A state of a small world: the hub, and what a client has seen of it. After each input this checks the
//! invariants that can be seen from outside: each client gets its rooms' records, its own excepted, and
//! what once waits for it stays what it is.

use std::hash::{DefaultHasher, Hash, Hasher};

use parlour_core::{
    Cause, Close, Config, ConnId, Followed, FollowerId, Following, Hub, Input, Instant, Limits, Listener,
    ListenerId, OnLag, Protocol, Scope,
};

use super::step::Step;
use super::{CLIENTS, World};
use crate::hub::{HubMemory, Setup, saved};

/// The statistics and the checksum at the end of a saved hub: they make no other state.
const STATISTICS: usize = 72;

/// How the notice of a gap begins.
pub(super) const GAP: &[u8] = b"-- you missed ";

pub(super) const GRACE_MS: u32 = 300;
const CLIENT: ListenerId = ListenerId(0);
const CONSOLE: ListenerId = ListenerId(1);

/// The least that limits allow, and memberships for two clients that change rooms at once.
const LIMITS: Limits = Limits {
    conns: CLIENTS + 1,
    rooms: 2,
    rooms_per_conn: 2,
    members: CLIENTS + 3,
    catch_ups: 1,
    name: 13,
    line: 16,
    // The welcome and one more line.
    queue: 240,
    proposals: 0,
    log: 512,
    records: 4,
    followers: 1,
    rings: 0,
};

/// Where a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Room {
    /// Nowhere any more.
    None,
    /// In the room that stays.
    Lobby,
    /// In the other one.
    Other,
}

/// What the driver knows of a client.
#[derive(Clone, Debug, Hash)]
pub(super) struct Client {
    pub(super) conn: ConnId,
    pub(super) name: String,
    pub(super) room: Room,
    /// It has sent half a line.
    pub(super) half: bool,
    /// A line of it that was taken, and nobody has heard yet.
    pub(super) waits: Option<&'static str>,
    /// The last byte that it got was not the last of a line.
    pub(super) begun: bool,
    pub(super) ended: bool,
}

/// A state, as bytes.
#[derive(Clone, Debug)]
pub struct State {
    hub: Vec<u8>,
    now: u64,
    observer: FollowerId,
    clients: [Option<Client>; CLIENTS],
}

/// A state, in memory.
pub(super) struct Run<'a> {
    pub(super) hub: Hub<'a>,
    pub(super) now: u64,
    pub(super) observer: FollowerId,
    pub(super) clients: [Option<Client>; CLIENTS],
    on_lag: OnLag,
    protocol: Protocol,
}

/// Bytes that wait for a client, each with the room it was said in; `None`: to it alone.
pub(super) type Output = Vec<(Room, u8)>;

fn setup(world: &World) -> Setup {
    let client = Listener { on_lag: world.on_lag, ..Listener::new(world.protocol) };
    let console = Listener { on_lag: OnLag::Skip, ..Listener::new(Protocol::Console) };
    // Positions and numbers wrap around on the way.
    let config = Config { grace_ms: GRACE_MS, origin: u64::MAX - 60, ..Config::new(&[]) };
    Setup { limits: LIMITS, listeners: vec![client, console], config }
}

impl State {
    /// Nobody is there but a console, and a follower that observes the room that stays.
    pub(super) fn first(world: &World) -> Self {
        let mut memory = HubMemory::default();
        let mut hub = memory.hub(&setup(world));
        let now = Instant::from_millis(0);
        let console = hub.handle(now, Input::Accepted { listener: CONSOLE, peer: None }).opened();
        console.expect("a place");
        let following = Following { grace_ms: None, scope: Scope::Pinned };
        let observer = hub.follow(following).expect("a place");
        let clients = Default::default();
        let mut run = Run { hub, now: 0, observer, clients, on_lag: world.on_lag, protocol: world.protocol };
        run.name_all();
        run.save()
    }

    /// Goes on from this state.
    pub(super) fn run<T>(&self, world: &World, act: impl FnOnce(&mut Run<'_>) -> T) -> T {
        let mut memory = HubMemory::default();
        let hub = memory.restore(&setup(world), &self.hub).expect("what was saved can be restored");
        let Self { now, observer, ref clients, .. } = *self;
        let (on_lag, protocol) = (world.on_lag, world.protocol);
        act(&mut Run { hub, now, observer, clients: clients.clone(), on_lag, protocol })
    }

    /// The state behind an input.
    pub(super) fn after(&self, world: &World, step: Step) -> Self {
        self.run(world, |run| {
            run.apply(step);
            run.save()
        })
    }

    pub(super) fn possible(&self, world: &World) -> Vec<Step> {
        self.run(world, |run| run.possible(world))
    }

    pub(super) fn hash(&self) -> u128 {
        let half = |salt: u64| {
            let mut hasher = DefaultHasher::new();
            let Self { hub, now, observer: _, clients } = self;
            (salt, &hub[..hub.len() - STATISTICS], now, clients).hash(&mut hasher);
            u128::from(hasher.finish())
        };
        half(0) << 64 | half(1)
    }
}

impl Run<'_> {
    fn save(&mut self) -> State {
        let Self { now, observer, clients, .. } = self;
        State { now: *now, observer: *observer, clients: clients.clone(), hub: saved(&mut self.hub) }
    }

    pub(super) fn there(&self) -> Vec<usize> {
        (0..CLIENTS).filter(|index| self.clients[*index].is_some()).collect()
    }

    pub(super) fn conn(&self, index: usize) -> ConnId {
        self.clients[index].as_ref().expect("it is there").conn
    }

    pub(super) fn is_chat(&self) -> bool {
        self.protocol == Protocol::Chat
    }

    fn handle(&mut self, input: Input<'_>) -> usize {
        self.hub.handle(Instant::from_millis(self.now), input).taken()
    }

    /// What waits for a connection.
    pub(super) fn output(&mut self, conn: ConnId) -> Output {
        let mut lent = self.hub.transmit(conn);
        let mut output = Vec::new();
        while let Some((room, bytes)) = lent.next_of_room() {
            let room = match room {
                None => Room::None,
                Some("lobby" | "") => Room::Lobby,
                Some(_) => Room::Other,
            };
            output.extend(bytes.iter().map(|byte| (room, *byte)));
        }
        output
    }

    /// The driver looks at those that have changed.
    fn name_all(&mut self) {
        for _ in 0..100 {
            if self.hub.next_output().is_none() {
                return;
            }
        }
        panic!("the same are named again and again");
    }

    /// Makes an input, and checks what has become of it.
    pub(super) fn apply(&mut self, step: Step) {
        let before: Vec<Output> = self
            .clients
            .clone()
            .iter()
            .map(|client| client.as_ref().map_or(Vec::new(), |client| self.output(client.conn)))
            .collect();
        let missed: Vec<Option<u32>> = self.clients.iter().map(|client| self.missed(client)).collect();
        let was_there = self.clients.clone();
        let (sent, line) = self.make(step, &before);
        let records = self.observe();
        self.name_all();
        let there = self.there();
        assert_eq!(self.hub.count(), there.len() + 1, "each connection has one slot, and nobody else has");
        let mut news: Vec<Output> = vec![Vec::new(); CLIENTS];
        let mut jumped = [false; CLIENTS];
        for index in there {
            let conn = self.conn(index);
            let mut waited = before[index].clone();
            waited.drain(..sent[index]);
            let after = self.output(conn);
            assert_eq!(
                self.hub.interest(conn).write,
                !after.is_empty(),
                "client {index}: interest and bytes"
            );
            if self.hub.interest(conn).close == Close::Abort {
                assert!(after.is_empty(), "nothing goes out to one that is cut");
            } else if after.starts_with(&waited) {
                news[index] = after[waited.len()..].to_vec();
            } else {
                assert_eq!(
                    (step, self.on_lag),
                    (Step::Tick, OnLag::Skip),
                    "client {index}: what waits stays what it is"
                );
                news[index] = self.behind_gap(index, &waited, &after, missed[index]);
                jumped[index] = true;
            }
        }
        if self.is_chat() {
            self.check_news(&was_there, &news, jumped, &records);
            self.check_said(&was_there, line, &records);
        } else {
            self.check_relayed(&news, &records);
        }
    }

    /// Makes an input. Returns how much each client was sent, and the line that one has finished.
    fn make(&mut self, step: Step, before: &[Output]) -> ([usize; CLIENTS], Option<(usize, &'static str)>) {
        let (mut sent, mut line) = ([0; CLIENTS], None);
        match step {
            Step::Accept => {
                let input = Input::Accepted { listener: CLIENT, peer: None };
                let conn = self.hub.handle(Instant::from_millis(self.now), input).opened().expect("a place");
                let name = self.hub.name(conn).to_owned();
                let free = self.clients.iter_mut().find(|client| client.is_none());
                let client = Client {
                    conn,
                    name,
                    room: Room::Lobby,
                    half: false,
                    waits: None,
                    begun: false,
                    ended: false,
                };
                *free.expect("one is not there") = Some(client);
            }
            Step::Say(index) => {
                let text = if self.is_chat() { b'x' } else { letter(index) };
                self.send(index, &[text, b'\n']);
                let client = self.clients[index].as_mut().expect("it is there");
                line = Some((index, if client.half { "hx" } else { "x" }));
                client.half = false;
            }
            Step::Half(index) => {
                let text = if self.is_chat() { b'h' } else { letter(index) };
                self.send(index, &[text]);
                self.clients[index].as_mut().expect("it is there").half = true;
            }
            Step::Join(index) => {
                let is_in_lobby =
                    self.clients[index].as_ref().is_some_and(|client| client.room == Room::Lobby);
                self.send(index, if is_in_lobby { b"/join b\n" } else { b"/join lobby\n" });
            }
            Step::Quit(index) => self.send(index, b"/quit\n"),
            Step::Take(index) => sent[index] = before[index].len(),
            Step::TakeOne(index) => sent[index] = 1,
            Step::End(index) => {
                let client = self.clients[index].as_mut().expect("it is there");
                client.ended = true;
                line = std::mem::take(&mut client.half).then_some((index, "h"));
                let conn = client.conn;
                let was_open = self.hub.interest(conn).close == Close::No;
                line = line.filter(|_| was_open);
                self.handle(Input::PeerClosed { conn });
            }
            Step::Fail(index) => {
                let conn = self.conn(index);
                self.handle(Input::Failed { conn, cause: Cause::Reset });
                self.clients[index] = None;
            }
            Step::Close(index) => {
                let conn = self.conn(index);
                self.handle(Input::Closed { conn });
                self.clients[index] = None;
            }
            Step::Tick => {
                let deadline = self.hub.next_deadline().expect("a deadline");
                self.now = self.now.max(deadline.as_millis());
                self.handle(Input::Tick);
            }
            Step::Shutdown => {
                self.handle(Input::Shutdown);
            }
        }
        for index in 0..CLIENTS {
            let count = sent[index];
            if count > 0 {
                let conn = self.conn(index);
                self.handle(Input::Sent { conn, count });
                let (_, last) = before[index][count - 1];
                self.clients[index].as_mut().expect("it is there").begun = last != b'\n';
            }
        }
        (sent, line)
    }

    fn send(&mut self, index: usize, bytes: &[u8]) {
        let conn = self.conn(index);
        assert_eq!(self.handle(Input::Received { conn, bytes }), bytes.len(), "what is wanted is taken");
    }

    /// The observer reads everything. Returns the records of the rooms that stay.
    fn observe(&mut self) -> Vec<u8> {
        let (mut records, mut last) = (Vec::new(), None);
        while let Some(followed) = self.hub.read(self.observer) {
            let Followed::Record(record) = followed else { panic!("the observer loses nothing") };
            records.extend(record.pieces().concat());
            last = Some(record.seq);
        }
        if let Some(seq) = last {
            let follower = self.observer;
            self.handle(Input::Committed { follower, seq });
        }
        records
    }

    /// How many messages a client has missed, if it is told of a gap.
    pub(super) fn missed(&self, client: &Option<Client>) -> Option<u32> {
        let (missed, _) = self.hub.missed(client.as_ref()?.conn)?;
        Some(missed)
    }
}

/// What a client of a relay sends.
pub(super) fn letter(index: usize) -> u8 {
    b"abc"[index]
}
