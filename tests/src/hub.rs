//! What a hub is made of in a test: its sizes, listeners and choices, and the memory
//! that it borrows, which belongs to whoever runs it.

use parlour_core::{Config, Conn, Hub, Limits, Listener, Member, Protocol, Record, Room, Storage};

use crate::conformance::{OnLag, Settings};

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
        };
        let ms = |ms: u64| u32::try_from(ms).expect("a time that fits");
        let defaults = Config::new(&[]);
        Self {
            limits: Limits {
                conns: settings.max_clients.unwrap_or(sizes.conns),
                line: settings.line_limit.unwrap_or(sizes.line),
                log: settings.log_size.map_or(sizes.log, usize::next_power_of_two),
                ..sizes
            },
            listeners: vec![Listener { protocol: Protocol::Chat, on_lag }],
            config: Config {
                greeting: settings.greeting.unwrap_or_default(),
                grace_ms: settings.grace_ms.map_or(defaults.grace_ms, ms),
                idle_ms: settings.idle_timeout_ms.map(ms),
                ..defaults
            },
        }
    }
}

/// Everything that a hub borrows; empty until a hub is made in it.
#[derive(Debug, Default)]
pub struct Memory<'a> {
    listeners: Vec<Listener>,
    conns: Vec<Conn<'a>>,
    members: Vec<Member>,
    rooms: Vec<Room<'a>>,
    records: Vec<Record>,
    bytes: Vec<u8>,
}

impl<'a> Memory<'a> {
    /// Makes a hub.
    ///
    /// # Panics
    /// If its limits cannot be kept.
    pub fn hub(&'a mut self, setup: &Setup) -> Hub<'a> {
        fn filled<T>(count: usize, empty: impl FnMut() -> T) -> Vec<T> {
            std::iter::repeat_with(empty).take(count).collect()
        }
        let limits = &setup.limits;
        *self = Self {
            listeners: setup.listeners.clone(),
            conns: filled(limits.conns, || Conn::EMPTY),
            members: filled(limits.members(), || Member::EMPTY),
            rooms: filled(limits.rooms, || Room::EMPTY),
            records: filled(limits.all_records(), || Record::EMPTY),
            bytes: vec![0; limits.bytes()],
        };
        let storage = Storage {
            conns: &mut self.conns,
            members: &mut self.members,
            rooms: &mut self.rooms,
            records: &mut self.records,
            bytes: &mut self.bytes,
        };
        let config = Config { listeners: &self.listeners, ..setup.config };
        Hub::new(config, *limits, storage).expect("limits that can be kept")
    }
}
