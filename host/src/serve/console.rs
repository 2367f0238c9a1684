//! The operator's console on standard input and output. For the hub it is a connection like those
//! with sockets. On a terminal the operator edits a line below the output (`edited`). Elsewhere bytes
//! go in and out as they are (`plain`).

mod edited;
mod plain;
mod streams;

use std::io;

use self::edited::Edited;
use self::plain::Plain;
pub(super) use self::streams::{Console, Typed};
use super::own_commands::OwnCommand;
use super::watched::Watched;
use crate::output::Log;
use crate::terminal;

/// Whether a console that takes commands (`listens`) has a terminal on which a line can be edited.
pub(super) fn is_edited(listens: bool) -> bool {
    listens && terminal::is_for_editing()
}

/// Opens the console. It takes commands if it `listens`. While it edits a line, it also shows the
/// lines of the `log` that would go to the same terminal.
///
/// # Errors
/// There are no descriptors or threads left.
pub(super) fn open(
    listens: bool,
    watched: Watched,
    log: &Log,
    own: &'static [OwnCommand],
) -> io::Result<Box<dyn Console>> {
    Ok(if is_edited(listens) {
        Box::new(Edited::new(watched, log, own)?)
    } else {
        Box::new(Plain::new(listens, watched)?)
    })
}
