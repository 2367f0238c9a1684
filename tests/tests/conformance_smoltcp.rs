//! The rules of docs/protocol.md, held against the driver of smoltcp: on a network where
//! nothing goes wrong, on one where much does, and with the sizes of the smallest board.

use parlour_boards::named;
use parlour_firmware::{limits, socket_options};
use parlour_smoltcp::core::{Limits, ListenerId, NAME_BYTES};
use parlour_smoltcp::{Service, SessionOptions, SocketOptions};
use parlour_tests::chat::{Chat, ClientId};
use parlour_tests::conformance::{Declared, Driver, Need, Report, Settings, play, scripts};
use parlour_tests::hub::Setup;
use parlour_tests::lines::Next;
use parlour_tests::seeds::Seeds;
use parlour_tests::wire::{Cable, Faults, Ground, Layout, Wire};
use smoltcp::phy::{Device, FaultInjector};
use smoltcp::time::Duration;

const PORT: u16 = 5000;
const SIZES: Limits = Limits {
    conns: 64,
    rooms: 16,
    rooms_per_conn: 2,
    members: 128,
    catch_ups: 128,
    name: NAME_BYTES,
    line: 1024,
    queue: 16 << 10,
    proposals: 0,
    log: 256 << 10,
    records: 4096,
    followers: 0,
    rings: 0,
};
/// Bytes of the buffers of the driver's sockets, and of the clients'.
const BUFFER: usize = 4 << 10;

/// How the driver is run.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    sizes: Limits,
    options: SocketOptions,
    refusals: usize,
    /// Sockets for clients beyond those that the hub lets in: one whose last
    /// acknowledgement was lost is in use for a while longer than its client is.
    spares: usize,
    sessions: Option<SessionOptions>,
    cannot: &'static [Need],
    /// So many of the network's milliseconds are one of a script's. A retransmission
    /// takes a second at least, which is a thousand times what it takes elsewhere.
    slowness: u32,
    /// The seed of chance.
    seed: u64,
}

/// The driver, with clients in virtual time.
struct OnWire<'a, D> {
    case: Case,
    ground: Option<&'a mut Ground<'a>>,
    make: fn(&'a mut Ground<'a>, &Layout) -> Wire<'a, D>,
    wire: Option<Wire<'a, D>>,
}

impl<'a, D: Device> OnWire<'a, D> {
    fn wire(&mut self) -> &mut Wire<'a, D> {
        self.wire.as_mut().expect("the driver was started")
    }
}

impl<D: Device> Driver for OnWire<'_, D> {
    fn name(&self) -> &str {
        self.case.name
    }

    fn declared(&self) -> Declared {
        let Case { sizes, cannot, .. } = self.case;
        Declared { clients: sizes.conns, rooms: sizes.rooms, line_limit: sizes.line, cannot: cannot.to_vec() }
    }

    fn start(&mut self, settings: &Settings) {
        let Case { sizes, options, refusals, spares, sessions, slowness, seed, .. } = self.case;
        let mut setup = Setup::for_script(settings, sizes);
        setup.config.grace_ms *= slowness;
        setup.config.flush_ms *= slowness;
        setup.config.idle_ms = setup.config.idle_ms.map(|ms| ms * slowness);
        let services = vec![Service { port: PORT, clients: setup.limits.conns + spares, refusals }];
        let plan = Layout { setup, services, options, sessions, client: [BUFFER; 2], seed };
        let ground = self.ground.take().expect("a driver is started once");
        self.wire = Some((self.make)(ground, &plan));
    }

    fn connect(&mut self) -> ClientId {
        self.wire().connect(PORT)
    }

    fn send(&mut self, client: ClientId, bytes: &[u8]) {
        self.wire().sends(client, bytes);
        self.wire().run();
    }

    fn half_close(&mut self, client: ClientId) {
        self.wire().half_close(client);
        self.wire().run();
    }

    fn reset(&mut self, client: ClientId) {
        self.wire().reset(client);
        self.wire().run();
    }

    fn set_reading(&mut self, client: ClientId, reads: bool) {
        self.wire().set_reading(client, reads);
    }

    fn next(&mut self, client: ClientId) -> Next {
        self.wire().next(client)
    }

    fn advance(&mut self, ms: u64) {
        let duration = Duration::from_millis(ms * u64::from(self.case.slowness));
        self.wire().advance(duration);
    }

    fn shutdown(&mut self) {
        self.wire().shut_down();
        self.wire().run();
    }
}

/// Plays all scripts; says how many were declared impossible.
fn keeps_all_rules<D: Device>(
    case: Case,
    make: for<'a> fn(&'a mut Ground<'a>, &Layout) -> Wire<'a, D>,
) -> usize {
    let outcomes = scripts().into_iter().map(|script| {
        let mut ground = Ground::default();
        (script, play(&script, &mut OnWire { case, ground: Some(&mut ground), make, wire: None }))
    });
    let report = Report::new(case.name, outcomes.collect());
    println!("{report}");
    assert_eq!(report.failed(), 0, "see the report above");
    report.impossible()
}

fn good<'a>(ground: &'a mut Ground<'a>, plan: &Layout) -> Wire<'a, Cable> {
    Wire::new(ground, plan)
}

fn bad<'a>(ground: &'a mut Ground<'a>, plan: &Layout) -> Wire<'a, FaultInjector<Cable>> {
    Wire::lossy(ground, plan, Faults { drop: 2, corrupt: 1, reorder: 2 })
}

const GOOD: Case = Case {
    name: "the smoltcp driver",
    sizes: SIZES,
    options: SocketOptions::new(BUFFER, BUFFER),
    refusals: 2,
    spares: 0,
    sessions: Some(SessionOptions::new(ListenerId(0), 1024)),
    cannot: &[],
    slowness: 1,
    seed: 0,
};

#[test]
fn the_driver_keeps_all_rules() {
    assert_eq!(keeps_all_rules(GOOD, good), 0, "the driver can do everything");
}

#[test]
fn the_driver_keeps_all_rules_on_a_bad_network() {
    // Nobody is given up because frames are lost, or because a script lets him wait.
    let options = SocketOptions {
        timeout: Duration::from_secs(4 * 3600),
        linger: Duration::from_secs(60),
        ..GOOD.options
    };
    for seed in Seeds::chosen_few(3).one_by_one("the_driver_keeps_all_rules_on_a_bad_network") {
        let name = "the smoltcp driver on a bad network";
        let case = Case { name, options, spares: 2, slowness: 1000, seed, ..GOOD };
        assert_eq!(keeps_all_rules(case, bad), 0, "the driver can do everything");
    }
}

#[test]
fn the_driver_keeps_all_rules_with_the_sizes_of_the_smallest_board() {
    let board = named("lm3s6965evb").expect("a board of the table");
    let case = Case {
        name: "the smoltcp driver, as small as on lm3s6965evb",
        sizes: Limits { conns: board.sizes.max_conns, ..limits(board, board.sizes.max_conns) },
        options: socket_options(board),
        refusals: board.sizes.refusals,
        sessions: None,
        cannot: &[Need::LogSize, Need::LongNames],
        ..GOOD
    };
    assert_eq!(keeps_all_rules(case, good), 7, "see the report above for what does not fit");
}
