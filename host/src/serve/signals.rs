//! The signals that a server acts on.

use std::io;
use std::os::unix::net::UnixStream;

use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGPIPE, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGVTALRM,
};

use crate::sys;

/// A pipe that gets a byte for each signal that ends the server in order.
///
/// # Errors
/// There are no descriptors left.
pub(super) fn catch() -> io::Result<UnixStream> {
    let (reader, writer) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    for signal in [SIGINT, SIGTERM, SIGHUP] {
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
