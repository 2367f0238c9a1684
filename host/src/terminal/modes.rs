//! The modes of the terminal on standard input. They are raw while a line is edited, and restored when
//! that ends.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::getpgrp;
use rustix::termios::{self, LocalModes, OptionalActions, Termios};

/// The effect of Ctrl-C, Ctrl-Z and Ctrl-\.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SignalKeys {
    /// They are keys like any others.
    Typed,
    /// They signal the job, as in programs that do not change the modes.
    Signal,
}

/// The earlier modes, as long as the terminal is raw. Copies share them.
#[derive(Clone, Debug)]
pub(super) struct Modes {
    before: Arc<Mutex<Option<Termios>>>,
    signal_keys: SignalKeys,
}

impl Modes {
    pub(super) fn new(signal_keys: SignalKeys) -> Self {
        Self { before: Arc::default(), signal_keys }
    }

    /// Makes the modes raw, even if another program has changed them since.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn make_raw(&self) -> io::Result<()> {
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let own = match before.take() {
            Some(own) => own,
            None => termios::tcgetattr(io::stdin())?,
        };
        let mut raw = own.clone();
        raw.make_raw();
        // The line endings in other programs' output still work.
        raw.output_modes = own.output_modes;
        if self.signal_keys == SignalKeys::Signal {
            // Such a key does not discard what was typed before it.
            raw.local_modes |= own.local_modes & LocalModes::ISIG | LocalModes::NOFLSH;
        }
        *before = Some(own);
        Ok(termios::tcsetattr(io::stdin(), OptionalActions::Now, &raw)?)
    }

    /// Restores the earlier modes. Returns whether the modes were raw.
    pub(super) fn restore(&self) -> bool {
        // Not `lock`: a panic also ends here, and may have come while it was locked.
        let Ok(mut before) = self.before.try_lock() else { return false };
        let Some(own) = before.take() else { return false };
        // A terminal that is gone has no modes.
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, &own);
        true
    }
}

/// Whether this job has the terminal. A shell gives it to one job at a time.
pub(super) fn is_in_foreground() -> bool {
    // A terminal that does not belong to the session is given to no job.
    termios::tcgetpgrp(io::stdin()).map_or(true, |group| group == getpgrp())
}
