//! The parts of a hub in a test: its sizes, listeners and choices, and the memory that it borrows from
//! the test.

use parlour_core::{Config, Hub, Limits, Listener, NameRules, Protocol, RestoreError, Storage};
use parlour_trace::{Header, Known};

use crate::conformance::{OnLag, Settings};

/// The server's rules for names. Without the server, those of the core.
#[cfg(feature = "programs")]
const NAMES: NameRules = parlour::names::RULES;
#[cfg(not(feature = "programs"))]
const NAMES: NameRules = NameRules::PLAIN;

/// What traces of hubs in tests have by name.
pub const KNOWN: Known<'_> = Known { names: &[("plain", NameRules::PLAIN)], encodings: &[] };

/// A hub that is to be made.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its sizes.
    pub limits: Limits,
    /// Its listeners.
    pub listeners: Vec<Listener>,
    /// Its other choices; the listeners in it do not count.
    pub config: Config<'static>,
}

impl Setup {
    /// A hub with one chat listener as a script wants it, and of these sizes where
    /// the script asks for none.
    ///
    /// # Panics
    /// If the script asks for a time that no hub can count.
    #[must_use]
    pub fn for_script(settings: &Settings, sizes: Limits) -> Self {
        let on_lag = match settings.on_lag {
            OnLag::Disconnect => parlour_core::OnLag::Disconnect,
            OnLag::Skip => parlour_core::OnLag::Skip,
            OnLag::Replay => parlour_core::OnLag::Replay,
        };
        let ms = |ms: u64| u32::try_from(ms).expect("a time that fits");
        let defaults = Config::new(&[]);
        Self {
            limits: Limits {
                conns: settings.max_conns.unwrap_or(sizes.conns),
                line: settings.line_limit.unwrap_or(sizes.line),
                log: settings.log_size.map_or(sizes.log, usize::next_power_of_two),
                ..sizes
            },
            listeners: vec![Listener { on_lag, ..Listener::new(Protocol::Chat) }],
            config: Config {
                greeting: settings.greeting.unwrap_or_default(),
                grace_ms: settings.grace_ms.map_or(defaults.grace_ms, ms),
                idle_ms: settings.idle_timeout_ms.map(ms),
                history: settings.history.unwrap_or(0),
                names: NAMES,
                ..defaults
            },
        }
    }
}

impl Setup {
    /// What a trace of such a hub begins with, if the hub has the plain rules for names.
    #[must_use]
    pub fn header(&self) -> Header {
        let config = Config { listeners: &self.listeners, ..self.config };
        Header::new(&config, &self.limits, "plain", &[])
    }
}

/// Everything that a hub borrows; empty until a hub is made in it.
#[derive(Debug, Default)]
pub struct HubMemory<'a> {
    listeners: Vec<Listener>,
    storage: Option<parlour_memory::Memory<'a>>,
}

impl<'a> HubMemory<'a> {
    /// Makes a hub.
    ///
    /// # Panics
    /// If its limits cannot be kept.
    pub fn hub(&'a mut self, setup: &Setup) -> Hub<'a> {
        let (config, storage) = self.lend(setup);
        Hub::new(config, setup.limits, storage).expect("limits that can be kept")
    }

    /// Makes a hub of what [`saved`] returned.
    ///
    /// # Errors
    /// If the bytes are damaged, or the hub that was saved does not fit.
    pub fn restore(&'a mut self, setup: &Setup, bytes: &[u8]) -> Result<Hub<'a>, RestoreError> {
        let (config, storage) = self.lend(setup);
        Hub::restore(config, setup.limits, storage, bytes)
    }

    fn lend(&'a mut self, setup: &Setup) -> (Config<'a>, Storage<'a>) {
        self.listeners.clone_from(&setup.listeners);
        let storage = self.storage.insert(parlour_memory::Memory::new(&setup.limits)).storage();
        (Config { listeners: &self.listeners, ..setup.config }, storage)
    }
}

/// A hub as bytes.
#[must_use]
pub fn saved(hub: &mut Hub<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    hub.save(&mut |part| bytes.extend_from_slice(part));
    bytes
}
