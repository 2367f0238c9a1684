//! The signals that a server acts on.

use std::io;
use std::os::unix::net::UnixStream;

use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGVTALRM,
};

use crate::sys;

/// A pipe that gets a byte for each signal that ends the server in order. While a line `is_edited`,
/// SIGQUIT is one: to end at once would leave the terminal as no shell can use it.
///
/// # Errors
/// There are no descriptors left.
pub(super) fn catch(is_edited: bool) -> io::Result<UnixStream> {
    let (reader, writer) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    for signal in [SIGINT, SIGTERM, SIGHUP].into_iter().chain(is_edited.then_some(SIGQUIT)) {
        // Under nohup(1) the terminal may go, and the server stays.
        if signal != SIGHUP || !sys::is_ignored(SIGHUP)? {
            signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
        }
    }
    // In the background of a terminal, reading and writing fail instead of stopping the whole server.
    // The others mean nothing here: sent by mistake, they would kill it.
    sys::ignore_signals(&[SIGTTIN, SIGTTOU, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM])?;
    Ok(reader)
}
