//! Another configuration for a hub that runs.

use crate::config::{Config, Listener};
use crate::hub::Hub;
use crate::ids::Instant;
use crate::limits::LimitsError;

/// Why a hub cannot have another configuration while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ReconfigureError {
    /// The listeners differ in more than their [rates](Listener::rate).
    Listeners,
    /// [`Config::keeps_records`] or [`Config::proposes`] differs.
    Driver,
    /// This build lacks what the new configuration needs.
    Limits(LimitsError),
}

impl core::fmt::Display for ReconfigureError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Listeners => f.write_str("the listeners of a hub stay as they are, except for their rates"),
            Self::Driver => f.write_str("what the driver does for a hub stays as it is"),
            Self::Limits(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ReconfigureError {}

impl<'a> Hub<'a> {
    /// Gives the hub another configuration. All of it, or nothing, holds from now on, also for clients that are
    /// connected. Clients of which there are too many for [`Config::per_peer`] stay. A client that is being greeted may
    /// get a part of each greeting. A wait that has begun in a room keeps its grace period.
    ///
    /// The rules for names, and the encodings, stay. What matters only at the start is ignored:
    /// [`Config::origin`] and [`Config::first_identity`]. The call visits each connection once.
    ///
    /// # Errors
    /// Something differs that cannot change while the hub runs.
    pub fn reconfigure(&mut self, now: Instant, config: Config<'a>) -> Result<(), ReconfigureError> {
        let old = self.x.config();
        let is_same = |(old, new): (&Listener, &Listener)| Listener { rate: new.rate, ..*old } == *new;
        let mut pairs = old.listeners.iter().zip(config.listeners);
        if old.listeners.len() != config.listeners.len() || !pairs.all(is_same) {
            return Err(ReconfigureError::Listeners);
        }
        if (old.keeps_records, old.proposes) != (config.keeps_records, config.proposes) {
            return Err(ReconfigureError::Driver);
        }
        check_bounds(&config).map_err(ReconfigureError::Limits)?;
        self.x.set_now(now);
        self.x.reconfigure(config);
        Ok(())
    }
}

/// Refuses limits for clients and addresses where nothing counts them.
pub(super) fn check_bounds(config: &Config<'_>) -> Result<(), LimitsError> {
    let has_bounds =
        config.per_peer.is_some() || config.listeners.iter().any(|listener| listener.rate.is_some());
    if has_bounds && !cfg!(feature = "large") { Err(LimitsError::NoBounds) } else { Ok(()) }
}
