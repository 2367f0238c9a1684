//! What goes to the standard streams: never a panic, and where the process must not stand still,
//! never a wait for who reads it.

mod log;
mod pump;

use std::fmt;
use std::io::{self, Write};

pub use self::log::Log;

/// Says `text` on standard error. Nobody may be there to hear it: `eprintln!` would panic then.
pub fn complain(text: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}
