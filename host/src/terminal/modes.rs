//! The modes of the terminal on standard input: raw while a line is edited, and the modes from
//! before when that ends.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::getpgrp;
use rustix::termios::{self, LocalModes, OptionalActions, Termios};

/// What Ctrl-C, Ctrl-Z and Ctrl-\ do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SignalKeys {
    /// They are keys like others.
    Typed,
    /// They signal the job, as in programs that leave the terminal alone.
    Signal,
}

/// The modes from before, as long as the terminal is raw. Copies share them.
#[derive(Clone, Debug)]
pub(super) struct Modes {
    before: Arc<Mutex<Option<Termios>>>,
    signal_keys: SignalKeys,
}

impl Modes {
    pub(super) fn new(signal_keys: SignalKeys) -> Self {
        Self { before: Arc::default(), signal_keys }
    }

    /// Makes the modes raw, also where another program has changed them since.
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
        // What other programs write to the terminal still has its line ends.
        raw.output_modes = own.output_modes;
        if self.signal_keys == SignalKeys::Signal {
            // What was typed before such a key is not lost.
            raw.local_modes |= own.local_modes & LocalModes::ISIG | LocalModes::NOFLSH;
        }
        *before = Some(own);
        Ok(termios::tcsetattr(io::stdin(), OptionalActions::Now, &raw)?)
    }

    /// Sets the modes from before. Returns whether they were raw.
    pub(super) fn restore(&self) -> bool {
        // Not `lock`: a panic, which also ends here, may have come while it was locked.
        let Ok(mut before) = self.before.try_lock() else { return false };
        let Some(own) = before.take() else { return false };
        // A terminal that is gone has no modes.
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, &own);
        true
    }
}

/// Whether the terminal is this job's: a shell lends it to one job at a time.
pub(super) fn is_in_foreground() -> bool {
    // One that is not the session's own is lent to nobody.
    termios::tcgetpgrp(io::stdin()).map_or(true, |group| group == getpgrp())
}
