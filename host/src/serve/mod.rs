//! `parlour serve`: from the command line to a server that runs.

mod access;
mod console;
mod echo;
mod error;
mod forget;
mod gate;
mod inherited;
mod keep;
mod listener;
mod manager;
mod options;
mod own_commands;
mod peer;
mod place;
mod recording;
mod relay;
mod reload;
mod report;
mod server;
mod signals;
mod socket_file;
mod watched;

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use parlour_core::{Hub, Listener as Speaker, ListenerId, Protocol};
use parlour_journal::Journal;
use parlour_memory::Memory;

use self::error::StartError;
use self::gate::Gate;
use self::inherited::Inherited;
use self::listener::Listener;
use self::manager::Manager;
use self::options::PollerKind;
pub use self::options::{LagPolicy, ServeOptions};
use self::own_commands::WITH_JOURNAL;
use self::place::Place;
pub use self::reload::{Reader, Reread};
use self::report::Report;
use self::server::{OpenJournal, Parts, Server};
use self::watched::Watched;
use crate::address::Address;
use crate::output::{Log, complain, print};
use crate::poll::{Epoll, Poller, Select};
use crate::sys;

/// The hub counts listeners by a byte, and the console is one.
const MOST_LISTENERS: usize = 250;
/// The loop's time slice beside a journal: as long as most of its turns.
const SLICE: Duration = Duration::from_micros(100);

/// Serves until a signal or the operator ends it. With a `reader`, SIGHUP lets the options be read again. Exit code 2: it
/// could not start.
pub fn run(options: &ServeOptions, reader: Option<Reader<'_>>, log: &Log) -> ExitCode {
    let served = match options.poller {
        PollerKind::Select => serve(options, reader, log, Select::default()),
        PollerKind::Epoll => match Epoll::new() {
            Ok(epoll) => serve(options, reader, log, epoll),
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

/// What is wrong with `options`, as far as they alone tell: a server that is started may not get an address or a file.
///
/// # Errors
/// Options that do not go together.
pub(crate) fn check(options: &ServeOptions) -> Result<(), impl std::fmt::Display + use<>> {
    options.check_durable()?;
    let places: Vec<_> = options.services(&[]).into_iter().map(|(_, place)| place).collect();
    check_places(&places)?;
    options.limits(false).check().map_err(StartError::Limits)
}

fn serve(
    options: &ServeOptions,
    reader: Option<Reader<'_>>,
    log: &Log,
    poller: impl Poller,
) -> Result<(), StartError> {
    options.check_durable()?;
    let inherited = Inherited::take().map_err(|error| StartError::System("LISTEN_FDS", error))?;
    let manager = Manager::of_environment().map_err(|error| StartError::System("NOTIFY_SOCKET", error))?;
    let services = options.services(&inherited.listeners(options.addresses()));
    let (mut speakers, places): (Vec<_>, Vec<_>) = services.into_iter().unzip();
    check_places(&places)?;
    raise_descriptor_limit(options.descriptors(places.len()))?;

    let reads_commands = options.console || io::stdin().is_terminal();
    let has_console = reads_commands || options.watch;
    let console_listener = ListenerId(speakers.len() as u8);
    speakers.push(Speaker::new(Protocol::Console));

    let limits = options.limits(has_console);
    limits.check().map_err(StartError::Limits)?;
    let labels: Vec<_> = places.iter().map(|place| place.name.as_deref().unwrap_or_default()).collect();
    if !Memory::suffices(&limits) {
        return Err(StartError::Memory);
    }
    let (journal, known) = match &options.journal {
        Some(path) => {
            let opened = Journal::open(path, options.journal_options());
            let (journal, known) = opened.map_err(|error| StartError::Journal(path.clone(), error))?;
            (Some(journal), Some(known))
        }
        None => (None, None),
    };
    let config = options.config(&speakers, &labels, known.as_ref());
    let mut memory = Memory::new(&limits);
    let hub = Hub::new(config, limits, memory.storage()).map_err(StartError::Limits)?;

    // Before it listens. A server that should be recorded and is not does not start.
    let recording = options.record.as_deref().map(|path| {
        recording::start(path, &config, &limits).map_err(|error| StartError::Record(path.to_owned(), error))
    });
    let recording = recording.transpose()?;
    let signals = signals::catch(console::is_edited(reads_commands), reader.is_some())
        .map_err(|error| StartError::System("signals", error))?;
    let listeners = listen(&places, inherited)?;
    let names = names(&places, &listeners).map_err(|error| StartError::System("getsockname", error))?;
    announce(&speakers, &places, &listeners).map_err(|error| StartError::System("getsockname", error))?;
    let console = if has_console {
        let own = if options.journal.is_some() { WITH_JOURNAL } else { &[] };
        let console = console::open(reads_commands, Watched::new(names.clone()), log, own);
        Some(console.map_err(|error| StartError::System("standard streams", error))?)
    } else {
        None
    };
    let labels = speakers.iter().zip(names.iter()).map(|(speaker, name)| room_of(speaker, name));
    let labels = labels.zip(&places).map(|(label, place)| place.is_kept.then_some(label)).collect();
    let journal = journal.zip(known).map(|(journal, known)| OpenJournal {
        journal,
        known,
        on_failure: options.on_journal_failure,
        is_durable: options.durable,
        grace_ms: options.grace_ms(),
        labels,
        resume_window: options.resume_window(),
    });
    let chats = (0..).map(ListenerId).zip(&speakers);
    let chats = chats.filter(|(_, speaker)| speaker.protocol == Protocol::Chat).map(|(id, _)| id).collect();
    let parts = Parts {
        journal,
        listeners,
        chats,
        access: options.access(),
        gate: Gate::new(options.connect_rate()),
        report: Report::new(names),
        manager,
        console: console.map(|console| (console, console_listener)),
        watch: options.watch,
        recording,
        resume_window: options.resume_window(),
        signals,
        reader,
        config,
    };
    if options.journal.is_some() {
        // The writer of the journal may have the processor when a line comes. Where this is not possible, lines wait
        // for some milliseconds.
        let _ = sys::ask_for_slices(SLICE);
    }
    Server::new(hub, poller, parts).run().map_err(|error| StartError::System("wait", error))
}

fn check_places(places: &[Place]) -> Result<(), StartError> {
    if places.len() > MOST_LISTENERS {
        return Err(StartError::TooManyListeners);
    }
    let mut names: Vec<_> = places.iter().filter_map(|place| place.name.as_ref()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(StartError::SameName(pair[0].clone())),
        None => Ok(()),
    }
}

/// Raises the descriptor limit as far as the process may.
fn raise_descriptor_limit(wanted: u64) -> Result<(), StartError> {
    let most = sys::raise_descriptor_limit().map_err(|error| StartError::System("setrlimit", error))?;
    if wanted > most { Err(StartError::Descriptors { wanted, most }) } else { Ok(()) }
}

fn listen(places: &[Place], mut inherited: Inherited) -> Result<Vec<Listener>, StartError> {
    let claimed: Vec<_> = places.iter().map(|place| inherited.claim(&place.address)).collect();
    if let Some(address) = inherited.unclaimed() {
        return Err(StartError::Inherited(address));
    }
    let bind = |(place, claimed): (&Place, Option<_>)| match claimed {
        Some(socket) => Ok(Listener::inherited(socket)),
        None => Listener::bind(place).map_err(|error| StartError::Listen(place.address.clone(), error)),
    };
    places.iter().zip(claimed).map(bind).collect()
}

/// The names of the listeners in the log. A listener without a name is called by its address.
fn names(places: &[Place], listeners: &[Listener]) -> io::Result<Vec<String>> {
    let name = |(place, listener): (&Place, &Listener)| match &place.name {
        Some(name) => Ok(name.clone()),
        None => Ok(listener.local_address()?.to_string()),
    };
    places.iter().zip(listeners).map(name).collect()
}

/// What the room of a listener is called in the journal. No room of the chat is called so.
fn room_of(speaker: &Speaker, name: &str) -> String {
    match speaker.protocol {
        Protocol::Relay => format!("relay {name}"),
        Protocol::Echo => format!("echo {name}"),
        Protocol::Chat | Protocol::Console => String::new(),
    }
}

/// Prints where the server listens and how to connect. Scripts wait for the first, people need the
/// second. All listeners are ready by now.
fn announce(speakers: &[Speaker], places: &[Place], listeners: &[Listener]) -> io::Result<()> {
    let (mut text, mut hints) = (String::new(), String::new());
    for ((speaker, place), listener) in speakers.iter().zip(places).zip(listeners) {
        let protocol = match speaker.protocol {
            Protocol::Chat => "chat",
            Protocol::Echo => "echo",
            Protocol::Relay => "relay",
            Protocol::Console => "console",
        };
        let address = listener.local_address()?;
        text += &format!("listening {protocol} {address}\n");
        let name = place.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        hints += &format!("{protocol}{name}: {}\n", command(&address));
    }
    print(text + &hints);
    Ok(())
}

/// The command that connects to this address, on this machine.
fn command(address: &Address) -> String {
    match address {
        Address::Tcp(text) => {
            let (host, port) = text.rsplit_once(':').unwrap_or_default();
            let host = match host.trim_matches(['[', ']']) {
                "0.0.0.0" | "::" => "127.0.0.1",
                host => host,
            };
            format!("nc {host} {port}")
        }
        Address::Unix(path) => format!("nc -U {}", path.display()),
    }
}
