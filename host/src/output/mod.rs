//! What goes to the standard streams: never a panic, where the process must not stand still
//! never a wait for who reads it, and on a terminal nothing that harms it.

mod log;
mod neutral;
mod pump;
mod splitter;

use std::fmt;
use std::io::{self, Write};

pub use self::log::Log;
pub(crate) use self::log::LogLines;
pub(crate) use self::neutral::{Neutral, neutral};
pub(crate) use self::pump::{PIECE, Pump, write_all};
pub(crate) use self::splitter::LineSplitter;

/// Says `text` on standard error. Nobody may be there to hear it: `eprintln!` would panic then.
pub fn complain(text: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}
