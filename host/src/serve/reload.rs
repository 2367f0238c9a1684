//! What a server reads again while it runs.

use parlour_core::{Config, Listener};

use super::options::ServeOptions;

/// The options that need no restart.
const WITHOUT_RESTART: [&str; 10] = [
    "allow",
    "connect-rate",
    "deny",
    "grace",
    "greeting",
    "history",
    "idle-timeout",
    "max-conns-per-ip",
    "rate",
    "replay-limit",
];

/// Options that were read again, and checked.
#[derive(Debug)]
pub struct Reread {
    /// All options.
    pub options: ServeOptions,
    /// The names of those that differ from what they were when the server started.
    pub changed: Vec<String>,
}

impl Reread {
    /// The names of the options that have changed and need a restart.
    pub(super) fn needs_restart(&self) -> impl Iterator<Item = &str> {
        self.changed.iter().map(String::as_str).filter(|name| !WITHOUT_RESTART.contains(name))
    }
}

/// Reads the options again. If they are wrong, returns all that is wrong.
pub type Reader<'r> = &'r dyn Fn() -> Result<Reread, Vec<String>>;

/// The configuration of the hub with other options. The hub may borrow it for as long as the process lives, so the
/// memory of the few hundred bytes is not freed.
pub(super) fn reconfigured<'a>(old: &Config<'a>, options: ServeOptions) -> Config<'a> {
    let options: &'static ServeOptions = Box::leak(Box::new(options));
    let of = |listener: &Listener| Listener { rate: options.rate(listener.protocol), ..*listener };
    let listeners: Vec<_> = old.listeners.iter().map(of).collect();
    options.with_choices(Config { listeners: listeners.leak(), ..*old })
}
