//! The rules of docs/protocol.md, held against the core in the simulator.

use parlour_core::{Limits, ListenerId, NAME_BYTES};
use parlour_tests::chat::ClientId;
use parlour_tests::conformance::{Declared, Driver, Need, Report, Settings, play, scripts};
use parlour_tests::hub::{HubMemory, Setup};
use parlour_tests::lines::Next;
use parlour_tests::sim::{Peer, Weather, World};

const CLIENTS: usize = 64;
const ROOMS: usize = 16;
const LINE_LIMIT: usize = 1024;
/// Only the server knows what names look like, and some builds of the tests are without it.
const CANNOT: &[Need] = if cfg!(feature = "programs") { &[] } else { &[Need::Looks] };
/// About what a kernel holds for a connection.
const PIPE: usize = 16 << 10;

/// The core, with clients in virtual time.
struct InSimulator<'a> {
    memory: Option<&'a mut HubMemory<'a>>,
    world: Option<World<'a>>,
    peers: Vec<Peer>,
}

impl<'a> InSimulator<'a> {
    fn new(memory: &'a mut HubMemory<'a>) -> Self {
        Self { memory: Some(memory), world: None, peers: Vec::new() }
    }

    /// Lets everything move as far as it can while no time passes.
    fn run(&mut self) {
        let world = self.world.as_mut().expect("the driver was started");
        loop {
            world.run();
            let mut moved = false;
            for peer in &mut self.peers {
                moved |= peer.send(world);
                moved |= peer.receive(world, usize::MAX);
            }
            if !moved {
                return world.run();
            }
        }
    }
}

impl Driver for InSimulator<'_> {
    fn name(&self) -> &str {
        "the core in the simulator"
    }

    fn declared(&self) -> Declared {
        Declared { clients: CLIENTS, rooms: ROOMS, line_limit: LINE_LIMIT, cannot: CANNOT.to_vec() }
    }

    fn start(&mut self, settings: &Settings) {
        let sizes = Limits {
            conns: CLIENTS,
            rooms: ROOMS,
            rooms_per_conn: 2,
            members: 2 * CLIENTS,
            catch_ups: 2 * CLIENTS,
            name: NAME_BYTES,
            line: LINE_LIMIT,
            queue: 16 << 10,
            proposals: 0,
            log: 256 << 10,
            records: 4096,
            followers: 0,
        };
        let setup = Setup::for_script(settings, sizes);
        let memory = self.memory.take().expect("a driver is started once");
        self.world = Some(World::new(memory, &setup, Weather::default(), 0));
    }

    fn connect(&mut self) -> ClientId {
        let world = self.world.as_mut().expect("the driver was started");
        self.peers.push(Peer::connect(world, ListenerId(0), PIPE, PIPE));
        self.peers.len() - 1
    }

    fn send(&mut self, client: ClientId, bytes: &[u8]) {
        self.peers[client].outbox.extend(bytes);
        self.run();
    }

    fn half_close(&mut self, client: ClientId) {
        self.peers[client].outbox.end();
        self.run();
    }

    fn reset(&mut self, client: ClientId) {
        let world = self.world.as_mut().expect("the driver was started");
        self.peers[client].reset(world);
        self.run();
    }

    fn set_reading(&mut self, client: ClientId, reads: bool) {
        self.peers[client].reads = reads;
    }

    fn next(&mut self, client: ClientId) -> Next {
        self.run();
        let peer = &mut self.peers[client];
        match peer.take_line() {
            Some(line) => Next::Line(line),
            None if !peer.is_closed() => Next::Nothing,
            None if peer.inbox.is_empty() => Next::Closed,
            None => Next::Line(std::mem::take(&mut peer.inbox)),
        }
    }

    fn advance(&mut self, ms: u64) {
        self.run();
        let end = self.world.as_ref().map_or(0, World::now) + ms;
        while let Some(world) = self.world.as_mut()
            && world.now() < end
        {
            let next = world.next_turn_at().filter(|&at| at < end);
            world.jump_to(next.unwrap_or(end));
            self.run();
        }
    }

    fn shutdown(&mut self) {
        self.world.as_mut().expect("the driver was started").shut_down();
        self.run();
    }
}

#[test]
fn the_core_keeps_all_rules() {
    let outcomes = scripts().into_iter().map(|script| {
        let mut memory = HubMemory::default();
        (script, play(&script, &mut InSimulator::new(&mut memory)))
    });
    let report = Report::new("the core in the simulator", outcomes.collect());
    println!("{report}");
    assert_eq!(report.impossible() > 0, !CANNOT.is_empty(), "the core can do everything else");
    assert_eq!(report.failed(), 0, "see the report above");
}
