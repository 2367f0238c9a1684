//! Output to the standard streams. It never panics. It does not wait for the reader where the process
//! must not stand still. A terminal gets nothing that harms it.

mod log;
mod neutral;
mod pump;
mod splitter;

use std::fmt;
use std::io::{self, Write};

pub(crate) use self::log::LogLines;
pub use self::log::{Log, LogFormat};
pub(crate) use self::neutral::{Neutral, is_harmful, neutral};
pub(crate) use self::pump::{PIECE, Pump, write_all};
pub(crate) use self::splitter::LineSplitter;

/// Writes `text` to standard error. If nobody reads that, nothing happens; `eprintln!` would panic.
pub fn complain(text: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Writes `text` to standard output. If nobody reads that, nothing happens; `print!` would panic.
pub(crate) fn print(text: impl fmt::Display) {
    let mut output = io::stdout().lock();
    let _ = write!(output, "{text}").and_then(|()| output.flush());
}

/// The system's words for an error, without its number.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
