//! The terminal: the user types a line at the bottom while other lines appear above it. This module
//! owns the modes of the terminal, the keys, the typed line with its history, and the drawing. It
//! knows no chat and no sockets.

mod editor;
mod keys;
mod modes;
mod paste;
mod prompt;
mod screen;
mod signals;
mod tty;
mod wrap;

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;

pub(crate) use self::modes::SignalKeys;
pub(crate) use self::prompt::{Input, Prompt, Woken};
pub(crate) use self::wrap::Span;

/// Whether standard input and output are a terminal that can move its cursor.
pub(crate) fn is_for_editing() -> bool {
    let term = std::env::var("TERM").unwrap_or_default();
    io::stdin().is_terminal() && io::stdout().is_terminal() && !matches!(term.as_str(), "" | "dumb")
}

/// Whether standard error goes to the same terminal as standard output.
pub(crate) fn shows_errors() -> bool {
    let terminal = |fd: BorrowedFd<'_>| {
        let copy = fd.try_clone_to_owned().ok()?;
        File::from(copy).metadata().ok().map(|metadata| metadata.rdev())
    };
    io::stderr().is_terminal() && terminal(io::stdout().as_fd()) == terminal(io::stderr().as_fd())
}
