//! The signals that a server acts on.

use std::io;
use std::os::unix::net::UnixStream;

use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGVTALRM,
};

use crate::sys;

/// Pipes that get a byte for each signal.
#[derive(Debug)]
pub(super) struct Signals {
    /// For those that end the server in order.
    pub(super) end: UnixStream,
    /// For those that ask it to read its options again, if it does that.
    pub(super) reload: Option<UnixStream>,
}

/// Catches signals. If the server `reloads`, SIGHUP asks for that, and otherwise ends the server. If a line `is_edited`,
/// SIGQUIT ends the server in order: an immediate end would leave the terminal unusable for the shell.
///
/// # Errors
/// There are no descriptors left.
pub(super) fn catch(is_edited: bool, reloads: bool) -> io::Result<Signals> {
    let (end, ends) = pipe()?;
    for signal in [SIGINT, SIGTERM].into_iter().chain(is_edited.then_some(SIGQUIT)) {
        signal_hook::low_level::pipe::register(signal, ends.try_clone()?)?;
    }
    let mut reload = None;
    if reloads {
        let (reader, writer) = pipe()?;
        signal_hook::low_level::pipe::register(SIGHUP, writer)?;
        reload = Some(reader);
    } else if !sys::is_ignored(SIGHUP)? {
        // Under nohup(1) the server stays when the terminal goes.
        signal_hook::low_level::pipe::register(SIGHUP, ends)?;
    }
    // In the background of a terminal, reads and writes then fail instead of stopping the server. The
    // other signals mean nothing here, and would kill the server if somebody sent them by mistake.
    sys::ignore_signals(&[SIGTTIN, SIGTTOU, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM])?;
    Ok(Signals { end, reload })
}

/// The two ends of a pipe. To read from the first one does not wait.
fn pipe() -> io::Result<(UnixStream, UnixStream)> {
    let (reader, writer) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    Ok((reader, writer))
}
