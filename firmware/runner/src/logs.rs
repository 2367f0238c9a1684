//! The log of a running program: defmt frames in, lines of text out. Knows no boards, and not how they
//! run.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};

use defmt_decoder::{DecodeError, Frame, Table};

/// Why a program's log cannot be shown.
#[derive(Debug)]
pub enum LogError {
    /// It is not a program, it has no log, or its version of defmt is unknown to this decoder.
    Program(String),
    /// The log cannot be read.
    Input(io::Error),
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogError::Program(why) => write!(f, "the program's log cannot be understood: {why}"),
            LogError::Input(_) => write!(f, "the program's log cannot be read"),
        }
    }
}

impl Error for LogError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // The decoder gives text, not an error that could be passed on.
            LogError::Program(_) => None,
            LogError::Input(error) => Some(error),
        }
    }
}

/// Writes what the program `elf` logs, a line `LEVEL message` for each frame, until the input ends. It
/// goes on if nobody reads the output any more.
///
/// # Errors
/// Why the log cannot be shown.
pub fn show(elf: &[u8], mut input: impl Read, mut output: impl Write, colours: bool) -> Result<(), LogError> {
    let table = Table::parse(elf).map_err(|error| LogError::Program(format!("{error:#}")))?;
    let table = table.ok_or_else(|| LogError::Program("it has no log".into()))?;
    let mut decoder = table.new_stream_decoder();
    let mut bytes = [0; 4096];
    loop {
        match input.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(count) => decoder.received(&bytes[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(LogError::Input(error)),
        }
        loop {
            let line = match decoder.decode() {
                Ok(frame) => line(&frame, colours),
                Err(DecodeError::UnexpectedEof) => break,
                Err(DecodeError::Malformed) => "?     a line of the log was damaged".into(),
            };
            let _ = writeln!(output, "{line}");
        }
        let _ = output.flush();
    }
}

fn line(frame: &Frame<'_>, colours: bool) -> String {
    let message = frame.display_message().to_string();
    // A part of the message may come from a peer.
    let message = message.replace(char::is_control, "\u{FFFD}");
    let Some(level) = frame.level() else { return message };
    let name = level.as_str().to_uppercase();
    match level.as_str() {
        _ if !colours => format!("{name:<5} {message}"),
        "error" => format!("\x1b[31m{name:<5}\x1b[0m {message}"),
        "warn" => format!("\x1b[33m{name:<5}\x1b[0m {message}"),
        "info" => format!("\x1b[32m{name:<5}\x1b[0m {message}"),
        _ => format!("\x1b[2m{name:<5}\x1b[0m {message}"),
    }
}
