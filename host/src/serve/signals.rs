//! The signals that a server acts on.

use std::io;
use std::os::unix::net::UnixStream;

use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGVTALRM,
};

use crate::sys;

/// A pipe that gets a byte for each signal that ends the server in order. If a line `is_edited`,
/// SIGQUIT is one of them: an immediate end would leave the terminal unusable for the shell.
///
/// # Errors
/// There are no descriptors left.
pub(super) fn catch(is_edited: bool) -> io::Result<UnixStream> {
    let (reader, writer) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    for signal in [SIGINT, SIGTERM, SIGHUP].into_iter().chain(is_edited.then_some(SIGQUIT)) {
        // Under nohup(1) the server stays when the terminal goes.
        if signal != SIGHUP || !sys::is_ignored(SIGHUP)? {
            signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
        }
    }
    // In the background of a terminal, reads and writes then fail instead of stopping the server. The
    // other signals mean nothing here, and would kill the server if somebody sent them by mistake.
    sys::ignore_signals(&[SIGTTIN, SIGTTOU, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM])?;
    Ok(reader)
}
