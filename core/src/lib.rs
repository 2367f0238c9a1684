//! The hub.
#![no_std]
#![forbid(unsafe_code)]

mod conn;
mod event;
mod exchange;
mod hub;
mod limits;
mod line;
mod log;
mod protocol;
mod queue;
mod room;
mod text;
mod transmit;
mod worklist;

pub use conn::Conn;
pub use event::{Cause, Close, ConnId, Event, Instant, Interest, ListenerId, Outcome, Refusal};
pub use exchange::Stats;
pub use hub::{Hub, Storage};
pub use limits::{Config, Limits, LimitsError, Listener, NAME_BYTES, NAME_CHARS, OnLag, Protocol};
pub use log::Record;
pub use room::{Member, Room};
pub use transmit::Transmit;
