//! The driver of smoltcp with its clients on one network, in virtual time: the same for
//! the same seed.
//!
//! Clients are ordinary sockets in the driver's set. The clock jumps to the next thing that is due. So
//! the driver is not called earlier than it asked for, unless frames have come. If it forgets a
//! deadline, something comes too late or never. Turns without end at one instant are a panic.

mod cable;
mod chat;
mod client;

use std::rc::Rc;

use parlour_smoltcp::core::{Hub, Input};
use parlour_smoltcp::{Driver, Links, Note, Service, Session, SessionOptions, SocketOptions};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, FaultInjector, TxToken};
use smoltcp::socket::{Socket, tcp};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

pub use self::cable::Cable;
use self::cable::Line;
pub use self::chat::{CHAT, ECHO};
use self::client::Client;
use crate::chat::ClientId;
use crate::hub::{HubMemory, Setup};

/// The address of the network's only host at first.
pub const ADDRESS: IpAddress = IpAddress::v4(192, 0, 2, 1);
/// The ports that clients come from.
const PORTS: std::ops::Range<u16> = 49152..65535;
/// Sockets of the driver at the most.
const LINKS: usize = 128;
/// Sessions of the driver at the most.
const SESSIONS: usize = 8;
/// Turns in a row in which nothing moves, at one instant.
const IDLE_TURNS: u32 = 10;

/// The services, and how to serve them.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The hub.
    pub setup: Setup,
    /// The service of each of the hub's listeners.
    pub services: Vec<Service>,
    /// The driver's sockets.
    pub options: SocketOptions,
    /// The sessions that the driver offers, if it does.
    pub sessions: Option<SessionOptions>,
    /// Bytes of a client's buffers, to receive and to send.
    pub client: [usize; 2],
    /// The seed of chance.
    pub seed: u64,
}

/// The faults of frames, in percent, for sending and for receiving.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// It is lost.
    pub drop: u8,
    /// One bit of it is flipped; when it is received only.
    pub corrupt: u8,
    /// The next one overtakes it.
    pub reorder: u8,
}

/// The memory that a network borrows.
#[derive(Debug, Default)]
pub struct Ground<'a> {
    hub: HubMemory<'a>,
    links: Links<LINKS>,
    buffers: Vec<u8>,
    sessions: Vec<Session<'a>>,
    session_bytes: Vec<u8>,
}

/// A driver with its clients.
pub struct Wire<'a, D> {
    /// The interface, for a test's own sockets.
    pub interface: Interface,
    /// All sockets.
    pub sockets: SocketSet<'a>,
    /// The device.
    pub device: D,
    driver: Driver<'a>,
    line: Rc<Line>,
    now: Instant,
    turns: u64,
    due: Option<Instant>,
    clients: Vec<Client>,
    /// The clients whose sockets are still of use.
    live: Vec<ClientId>,
    client_buffers: [usize; 2],
    /// The driver's notes that were not taken yet.
    notes: Vec<Note>,
    /// Where the driver's keys come from, if there is randomness.
    randomness: Option<fastrand::Rng>,
}

impl<'a> Wire<'a, Cable> {
    /// A network on which nothing goes wrong.
    pub fn new(ground: &'a mut Ground<'a>, plan: &Layout) -> Self {
        let (cable, line) = Cable::new(plan.seed);
        Self::start(ground, plan, cable, line)
    }
}

impl<'a> Wire<'a, FaultInjector<Cable>> {
    /// A network on which things go wrong.
    pub fn lossy(ground: &'a mut Ground<'a>, plan: &Layout, faults: Faults) -> Self {
        let (cable, line) = Cable::new(plan.seed);
        // Its generator stays at 0 forever if it starts there.
        let device = FaultInjector::new(cable, plan.seed as u32 | 1);
        let mut wire = Self::start(ground, plan, device, line);
        wire.set_faults(faults);
        wire
    }

    /// Changes what goes wrong.
    pub fn set_faults(&mut self, faults: Faults) {
        self.device.set_drop_chance(faults.drop);
        self.device.set_corrupt_chance(faults.corrupt);
        self.line.reorder_pct.set(faults.reorder);
    }
}

impl<'a, D: Device> Wire<'a, D> {
    fn start(ground: &'a mut Ground<'a>, plan: &Layout, mut device: D, line: Rc<Line>) -> Self {
        let now = Instant::ZERO;
        let mut config = Config::new(EthernetAddress([2, 0, 0, 0, 0, 1]).into());
        config.random_seed = plan.seed;
        let mut interface = Interface::new(config, &mut device, now);
        interface.update_ip_addrs(|addresses| addresses.push(IpCidr::new(ADDRESS, 24)).expect("one address"));
        let Layout { setup, services, options, sessions: offered, client, .. } = plan;
        let Ground { hub, links, buffers, sessions, session_bytes } = ground;
        *buffers = vec![0; options.bytes(services)];
        let mut sockets = SocketSet::new(Vec::new());
        let hub = hub.hub(setup);
        let mut driver =
            Driver::new(hub, services, *options, &mut sockets, links, buffers).expect("room for all");
        if let Some(options) = offered {
            sessions.resize_with(SESSIONS, || Session::EMPTY);
            *session_bytes = vec![0; options.bytes(SESSIONS)];
            driver.offer_sessions(*options, sessions, session_bytes).expect("room for all");
        }
        Self {
            interface,
            sockets,
            device,
            driver,
            line,
            now,
            turns: 0,
            due: None,
            clients: Vec::new(),
            live: Vec::new(),
            client_buffers: *client,
            notes: Vec::new(),
            randomness: Some(fastrand::Rng::with_seed(plan.seed)),
        }
    }

    // --- The network ---

    /// The virtual time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The hub.
    pub fn hub(&mut self) -> &mut Hub<'a> {
        self.driver.hub()
    }

    /// Asks the hub to shut down, which shows in the next turn.
    pub fn shut_down(&mut self) {
        let now = parlour_smoltcp::core::Instant::from_millis(self.now.total_millis() as u64);
        self.driver.hub().handle(now, Input::Shutdown);
    }

    /// When the driver wants its next turn, if no frame comes before.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Turns that the driver has taken.
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// The driver's notes since the last call.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// Everybody must have gone, and every socket of the driver listen again.
    pub fn is_at_rest(&mut self, plan: &Layout) {
        assert_eq!(self.hub().count(), 0, "connections at {}", self.now);
        for Service { port, clients, refusals } in &plan.services {
            assert_eq!(self.listening(*port), clients + refusals, "sockets on port {port} at {}", self.now);
        }
    }

    /// How many sockets of the set listen on a port.
    pub fn listening(&self, port: u16) -> usize {
        let listens = |socket: &Socket<'_>| matches!(socket, Socket::Tcp(socket) if socket.is_listening() && socket.listen_endpoint().port == port);
        self.sockets.iter().filter(|(_, socket)| listens(socket)).count()
    }

    /// Lets the sockets send, and nobody receive.
    pub fn send_only(&mut self) {
        self.step_clients();
        self.interface.poll_egress(self.now, &mut self.device, &mut self.sockets);
    }

    /// Whether the card is too busy to take frames.
    pub fn set_busy(&mut self, is_busy: bool) {
        self.line.is_busy.set(is_busy);
    }

    /// Keeps a copy of the next frame that is sent.
    pub fn keep_next_frame(&mut self) {
        self.line.keeps_next.set(true);
    }

    /// Sends that copy, as when the frame had been on its way twice.
    pub fn repeat_frame(&mut self) {
        let kept = self.line.kept.take();
        if let Some(token) = self.device.transmit(self.now) {
            token.consume(kept.len(), |frame| frame.copy_from_slice(&kept));
        }
    }

    /// From now on there is no randomness.
    pub fn end_randomness(&mut self) {
        self.randomness = None;
    }

    /// Lets the driver take one turn.
    pub fn turn(&mut self) {
        let now = self.now;
        self.turns += 1;
        let randomness = &mut self.randomness;
        self.driver.draw_keys(|bytes| randomness.as_mut().is_some_and(|random| fill(random, bytes)));
        self.due = self.driver.poll(
            &mut self.interface,
            &mut self.device,
            &|| now,
            &mut self.sockets,
            &mut |note| self.notes.push(note),
        );
    }

    /// Lets everything move as far as it can while no time passes.
    pub fn run(&mut self) {
        let mut idle_turns = 0;
        loop {
            let waiting = self.line.waiting.get();
            self.turn();
            let has_moved = self.step_clients() | (waiting > 0) | (self.line.waiting.get() > 0);
            if !has_moved && self.due.is_none_or(|due| due > self.now) {
                return self.check_quiet();
            }
            idle_turns = if has_moved { 0 } else { idle_turns + 1 };
            assert!(
                idle_turns < IDLE_TURNS,
                "the driver wants turn after turn at {} and does nothing",
                self.now
            );
        }
    }

    /// A turn that the driver does not want must find nothing to do.
    fn check_quiet(&mut self) {
        let (due, notes, stats) = (self.due, self.notes.len(), self.hub().stats());
        self.turn();
        let is_quiet =
            self.line.waiting.get() == 0 && self.notes.len() == notes && self.hub().stats() == stats;
        assert!(
            is_quiet && self.due == due,
            "the driver wanted no turn at {} and had something to do",
            self.now
        );
    }

    /// Lets time pass, and everything move meanwhile.
    pub fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.run();
        while let Some(due) = self.due.filter(|due| *due < end) {
            self.now = due;
            self.run();
        }
        self.now = end;
        self.run();
    }

    /// Lets time pass at once, as when the whole machine stands still.
    pub fn sleep(&mut self, duration: Duration) {
        self.now += duration;
    }

    fn step_clients(&mut self) -> bool {
        let mut has_moved = false;
        let Self { live, clients, sockets, .. } = self;
        live.retain(|&id| {
            let client = &mut clients[id];
            let Some(handle) = client.socket else { return false };
            let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
            has_moved |= client.step(socket);
            let is_done = client.is_done_with(socket);
            if is_done {
                client.socket = None;
                sockets.remove(handle);
            }
            !is_done
        });
        has_moved
    }

    // --- The clients ---

    /// Connects a client to a port.
    pub fn connect(&mut self, port: u16) -> ClientId {
        let id = self.clients.len();
        let own_port = PORTS.start + (id % PORTS.len()) as u16;
        let [receive, send] = self.client_buffers.map(|len| tcp::SocketBuffer::new(vec![0; len]));
        let mut socket = tcp::Socket::new(receive, send);
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        let address = self.interface.ipv4_addr().expect("an address");
        socket.connect(self.interface.context(), (address, port), own_port).expect("a new socket");
        self.clients.push(Client::new(self.sockets.add(socket), own_port));
        self.live.push(id);
        id
    }

    /// Ends the sending direction of a client once all is sent.
    pub fn half_close(&mut self, client: ClientId) {
        self.clients[client].outbox.end();
    }

    /// Breaks the connection of a client.
    pub fn reset(&mut self, client: ClientId) {
        let client = &mut self.clients[client];
        if let Some(handle) = client.socket {
            client.reset(self.sockets.get_mut(handle));
        }
    }

    /// Whether a client reads from now on; all do at first.
    pub fn set_reading(&mut self, client: ClientId, reads: bool) {
        self.clients[client].reads = reads;
    }

    /// Keeps a client from closing when the server does.
    pub fn keep_open(&mut self, client: ClientId) {
        self.clients[client].closes = false;
    }

    /// Pulls a client's cable: nothing reaches it, and nothing comes from it.
    pub fn unplug(&mut self, client: ClientId) {
        self.line.unplugged.borrow_mut().insert(self.clients[client].port);
    }

    /// Plugs it in again.
    pub fn plug_in(&mut self, client: ClientId) {
        self.line.unplugged.borrow_mut().remove(&self.clients[client].port);
    }

    /// Lets a client send and acknowledge as most systems do: small segments wait for
    /// what is not acknowledged, and acknowledgements for something to go with.
    pub fn be_lazy(&mut self, client: ClientId) {
        if let Some(handle) = self.clients[client].socket {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
            socket.set_nagle_enabled(true);
            socket.set_ack_delay(Some(Duration::from_millis(40)));
        }
    }

    /// A client's socket, if it is still of use.
    pub fn socket(&self, client: ClientId) -> Option<SocketHandle> {
        self.clients[client].socket
    }

    /// All that a client has received by now and that was not looked at.
    pub fn take_all(&mut self, client: ClientId) -> Vec<u8> {
        self.clients[client].take_all()
    }
}

fn fill(random: &mut fastrand::Rng, bytes: &mut [u8]) -> bool {
    random.fill(bytes);
    true
}
