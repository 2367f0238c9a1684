//! `parlour serve`: from the command line to a server that runs.

mod access;
mod console;
mod gate;
mod inherited;
mod listener;
mod relay;
mod server;
mod socket_file;

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use parlour_core::{Bound, Config, Hub, Limits, LimitsError, ListenerId, OnLag, Protocol};
use parlour_memory::Memory;
use signal_hook::consts::{SIGINT, SIGTERM, SIGTTIN, SIGTTOU};

use self::access::{Access, Network};
use self::console::Console;
use self::gate::Gate;
use self::inherited::Inherited;
use self::listener::Listener;
use self::relay::RelayAddress;
use self::server::{Parts, Server};
use crate::address::Address;
use crate::output::complain;
use crate::poll::{Epoll, Poller, Select};
use crate::sys;
use crate::units::{duration, positive_duration};

/// Descriptors beside those of connections and listeners: the standard ones,
/// the signal pipe, the console's, the poller's, and a few to spare.
const OTHER_DESCRIPTORS: u64 = 16;
/// Rooms that a client can be in, or still be receiving from.
const ROOMS_PER_CONN: usize = 3;
const MOST_ROOMS_PER_CONN: usize = 16;
/// Bytes of a connection's private queue, if its lines need no more.
const QUEUE: usize = 16 * 1024;
/// Bytes of a room's log for each record of its index.
const BYTES_PER_RECORD: usize = 64;

/// What `serve` can be told.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Listen for chat clients on PORT, HOST:PORT or unix:PATH [default: 5000, if nothing is named]
    #[arg(long, value_name = "ADDR")]
    chat: Vec<Address>,
    /// Listen for clients that get back what they send [default: 7777, if nothing is named]
    #[arg(long, value_name = "ADDR")]
    echo: Vec<Address>,
    /// Listen for clients whose bytes go, line by line, to all others of the same listener.
    /// Options stand behind the address, as in 4000,flush=off,in:
    ///   in              clients only send, and are sent nothing
    ///   out             clients only receive, and may end their input
    ///   flush=DURATION  half a line goes out after this time [default: 200ms]
    ///   flush=off       only whole lines go out
    ///   room=NAME       relays of one name are one: some clients send, others receive
    ///   grace=off       a client that does not read holds up the others for ever
    #[arg(long, value_name = "ADDR[,OPTION]...", verbatim_doc_comment)]
    relay: Vec<RelayAddress>,
    /// Greet chat clients with this text
    #[arg(long, value_name = "TEXT", default_value = "")]
    greeting: String,
    /// Show those who come into a room the last N messages, as far as the room's log still has them
    #[arg(long, value_name = "N", default_value_t = 0)]
    history: u32,
    /// Connections at once
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    max_conns: u32,
    /// Connections at once from one address, or `off` [default: 64; any number from this machine]
    #[arg(long, value_name = "N")]
    max_conns_per_ip: Option<Cap>,
    /// New connections a second from one address, or `off`; more have to wait [default: 10; any number
    /// from this machine]
    #[arg(long, value_name = "N")]
    connect_rate: Option<Cap>,
    /// Bytes in a line
    #[arg(long, value_name = "BYTES", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(16..=1 << 20))]
    line_limit: u32,
    /// Bytes of a room's log; rounded up to a power of two
    #[arg(long, value_name = "BYTES", default_value_t = 256 * 1024, value_parser = clap::value_parser!(u32).range(1..=1 << 30))]
    log_size: u32,
    /// Rooms at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65536))]
    rooms: u32,
    /// How long a room waits for clients that do not read. Once it has waited, it waits
    /// less: no more than a tenth of the time in the long run
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    grace: Duration,
    /// What becomes of these clients then
    #[arg(long, value_name = "POLICY", default_value = "disconnect")]
    on_lag: LagPolicy,
    /// Disconnect clients that send nothing for so long [default: never]
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    idle_timeout: Option<Duration>,
    /// Read from a chat or relay client no more than so many lines a second, or `off` [default: 50
    /// from chat clients; any number from relay clients and from this machine]
    #[arg(long, value_name = "LINES/SECOND")]
    rate: Option<Cap>,
    /// Let in only addresses of this network, or of another that is allowed
    #[arg(long, value_name = "CIDR")]
    allow: Vec<Network>,
    /// Keep out addresses of this network
    #[arg(long, value_name = "CIDR")]
    deny: Vec<Network>,
    /// How to wait for connections
    #[arg(long, value_name = "DRIVER", default_value = "select")]
    driver: Driver,
    /// Show on standard output what is said in the lobby and in the relays
    #[arg(long)]
    watch: bool,
    /// Take the operator's commands from standard input [default: if it is a terminal]
    #[arg(long)]
    console: bool,
}

/// What is served where no limit is named: as much as no person notices.
const CONNS_PER_IP: u32 = 64;
const CONNECT_RATE: u32 = 10;
const CHAT_RATE: u32 = 50;

/// A limit that can be lifted.
#[derive(Clone, Copy, Debug)]
enum Cap {
    Off,
    At(u32),
}

impl Cap {
    /// The limit in force: one that was named holds for everybody, the default spares those
    /// who are on this machine.
    fn bound(cap: Option<Self>, default: u32) -> Option<Bound> {
        match cap {
            None => Some(Bound { most: default, spares_local: true }),
            Some(Cap::Off) => None,
            Some(Cap::At(most)) => Some(Bound::for_all(most)),
        }
    }
}

impl FromStr for Cap {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Cap::Off);
        }
        let most = text.parse().ok().filter(|&most| most > 0);
        most.map(Cap::At).ok_or("it must be a number from 1 to 4294967295, or `off`")
    }
}

/// The policies of `--on-lag`.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum LagPolicy {
    /// Close its connection
    Disconnect,
    /// Go on with what is current, and tell it how many messages it missed
    Skip,
}

/// The pollers that `--driver` names.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Driver {
    /// select(2): each turn looks at every descriptor
    Select,
    /// epoll(7): each turn looks at those that are ready
    Epoll,
}

/// Why a server cannot start.
#[derive(Debug)]
enum StartError {
    Listen(Address, io::Error),
    Inherited(String),
    Limits(LimitsError),
    Descriptors { wanted: u64, most: u64 },
    TooManyListeners,
    Memory,
    System(&'static str, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            StartError::Inherited(address) => {
                write!(f, "a socket was handed over that listens on {address}, and no listener is to")
            }
            StartError::Limits(LimitsError::LogTooSmall { least }) => {
                write!(f, "--log-size must be at least {least} bytes with this --line-limit")
            }
            StartError::Limits(LimitsError::TooFewRooms) => {
                write!(f, "--rooms must count the lobby and every --relay")
            }
            StartError::Limits(error) => write!(f, "these limits cannot be kept: {error:?}"),
            StartError::Descriptors { wanted, most } => write!(
                f,
                "--max-conns is too high: it needs {wanted} descriptors, and the limit (ulimit -Hn) is {most}"
            ),
            StartError::TooManyListeners => write!(f, "there can be no more than 250 listeners"),
            StartError::Memory => {
                write!(f, "--max-conns, --log-size and --rooms ask for more memory than there is")
            }
            StartError::System(call, error) => write!(f, "{call}: {error}"),
        }
    }
}

/// Serves until a signal, or the operator, ends it. Exit code 2: it could not start.
pub fn run(options: &Options) -> ExitCode {
    let served = match options.driver {
        Driver::Select => serve(options, Select::default()),
        Driver::Epoll => match Epoll::new() {
            Ok(epoll) => serve(options, epoll),
            Err(error) => Err(StartError::System("epoll", error)),
        },
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("parlour: {error}"));
            ExitCode::from(2)
        }
    }
}

fn serve(options: &Options, poller: impl Poller) -> Result<(), StartError> {
    let (mut speakers, addresses): (Vec<_>, Vec<_>) = options.services().into_iter().unzip();
    if addresses.len() > 250 {
        return Err(StartError::TooManyListeners);
    }
    // A Unix socket has a lock with it.
    raise_descriptor_limit(u64::from(options.max_conns) + 2 * addresses.len() as u64 + OTHER_DESCRIPTORS)?;

    let wants_console = options.console || io::stdin().is_terminal();
    let console_listener = ListenerId(speakers.len() as u8);
    let operator = parlour_core::Listener::new(Protocol::Console);
    speakers.push(parlour_core::Listener { on_lag: OnLag::Skip, ..operator });

    let limits = options.limits(wants_console || options.watch);
    limits.check().map_err(StartError::Limits)?;
    let config = options.config(&speakers);
    check_memory(&limits)?;
    let mut memory = Memory::new(&limits);
    let hub = Hub::new(config, limits, memory.storage()).map_err(StartError::Limits)?;

    let signals = signals().map_err(|error| StartError::System("signals", error))?;
    let listeners = listen(&addresses)?;
    announce(&speakers, &listeners).map_err(|error| StartError::System("getsockname", error))?;
    let console = match wants_console || options.watch {
        true => {
            Console::new(wants_console).map_err(|error| StartError::System("standard streams", error))?.into()
        }
        false => None,
    };
    let parts = Parts {
        listeners,
        access: Access { allow: options.allow.clone(), deny: options.deny.clone() },
        gate: Gate::new(Cap::bound(options.connect_rate, CONNECT_RATE)),
        console: console.map(|console| (console, console_listener)),
        watch: options.watch,
        signals,
    };
    Server::new(hub, poller, parts).run().map_err(|error| StartError::System("wait", error))
}

impl Options {
    /// What to serve, and where; the defaults where nothing was named.
    fn services(&self) -> Vec<(parlour_core::Listener, Address)> {
        let on_lag = match self.on_lag {
            LagPolicy::Disconnect => OnLag::Disconnect,
            LagPolicy::Skip => OnLag::Skip,
        };
        let local = |port: u16| vec![Address::Tcp(format!("127.0.0.1:{port}"))];
        let (mut chat, mut echo) = (self.chat.clone(), self.echo.clone());
        if chat.is_empty() && echo.is_empty() && self.relay.is_empty() {
            (chat, echo) = (local(5000), local(7777));
        }
        let of = |protocol| parlour_core::Listener { on_lag, ..parlour_core::Listener::new(protocol) };
        let rate = Cap::bound(self.rate, CHAT_RATE);
        let chat = chat.into_iter().map(|at| (parlour_core::Listener { rate, ..of(Protocol::Chat) }, at));
        let echo = echo.into_iter().map(|at| (of(Protocol::Echo), at));
        // A program may say much more than a person: what one relays is limited only if that is asked for.
        let rate = rate.filter(|_| self.rate.is_some());
        let first = chat.len() + echo.len();
        let rules = RelayAddress::all_rules(&self.relay, first);
        let relay = self.relay.iter().zip(rules).map(|(at, rules)| {
            let on_lag = if at.waits_in(&self.relay) { OnLag::Wait } else { on_lag };
            (parlour_core::Listener { on_lag, rate, relay: rules, ..of(Protocol::Relay) }, at.address.clone())
        });
        chat.chain(echo).chain(relay).collect()
    }

    fn limits(&self, console: bool) -> Limits {
        let log = (self.log_size as usize).next_power_of_two();
        let limits = Limits {
            conns: self.max_conns as usize + usize::from(console),
            rooms: self.rooms as usize,
            // `--watch` is in the lobby and in every relay, as far as that goes.
            rooms_per_conn: ROOMS_PER_CONN.max(self.relay.len() + 1).min(MOST_ROOMS_PER_CONN),
            name: parlour_core::NAME_BYTES,
            line: self.line_limit as usize,
            queue: 0,
            log,
            records: (log / BYTES_PER_RECORD).max(64),
        };
        Limits { queue: QUEUE.max(4 * limits.longest()), ..limits }
    }

    fn config<'a>(&'a self, listeners: &'a [parlour_core::Listener]) -> Config<'a> {
        let ms = |duration: Duration| duration.as_millis() as u32;
        Config {
            names: crate::names::RULES,
            greeting: &self.greeting,
            history: self.history,
            grace_ms: ms(self.grace),
            idle_ms: self.idle_timeout.map(ms),
            per_peer: Cap::bound(self.max_conns_per_ip, CONNS_PER_IP),
            ..Config::new(listeners)
        }
    }
}

/// Lets the process have as many descriptors as it may.
fn raise_descriptor_limit(wanted: u64) -> Result<(), StartError> {
    let most = sys::raise_descriptor_limit().map_err(|error| StartError::System("setrlimit", error))?;
    if wanted > most { Err(StartError::Descriptors { wanted, most }) } else { Ok(()) }
}

/// Whether there is as much memory as the limits ask for.
fn check_memory(limits: &Limits) -> Result<(), StartError> {
    let records = limits.all_records().saturating_mul(size_of::<[u64; 2]>());
    let result = Vec::<u8>::new().try_reserve_exact(limits.bytes().saturating_add(records));
    result.map_err(|_| StartError::Memory)
}

/// A pipe that gets a byte for each signal that is to end the server.
fn signals() -> io::Result<UnixStream> {
    let (reader, writer) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    for signal in [SIGINT, SIGTERM] {
        signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
    }
    // In the background of a terminal, reading and writing fail instead of
    // stopping the whole server.
    sys::ignore_signals(&[SIGTTIN, SIGTTOU])?;
    Ok(reader)
}

fn listen(addresses: &[Address]) -> Result<Vec<Listener>, StartError> {
    let mut inherited = Inherited::take().map_err(|error| StartError::System("LISTEN_FDS", error))?;
    let claimed: Vec<_> = addresses.iter().map(|address| inherited.claim(address)).collect();
    if let Some(address) = inherited.unclaimed() {
        return Err(StartError::Inherited(address));
    }
    let bind = |(address, claimed): (&Address, Option<_>)| match claimed {
        Some(socket) => Ok(Listener::inherited(socket)),
        None => Listener::bind(address).map_err(|error| StartError::Listen(address.clone(), error)),
    };
    addresses.iter().zip(claimed).map(bind).collect()
}

/// Says on standard output where it listens, now that all do: scripts wait for it.
fn announce(speakers: &[parlour_core::Listener], listeners: &[Listener]) -> io::Result<()> {
    let mut text = String::new();
    for (speaker, listener) in speakers.iter().zip(listeners) {
        let protocol = match speaker.protocol {
            Protocol::Chat => "chat",
            Protocol::Echo => "echo",
            Protocol::Relay => "relay",
            Protocol::Console => "console",
        };
        text += &format!("listening {protocol} {}\n", listener.local_address()?);
    }
    let mut output = io::stdout().lock();
    // Who does not read it does not want to know.
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    Ok(())
}
