//! The terminal itself, on standard input and output. The program takes it over while a line is edited.
//! It gives it back when that ends in any way, and while it is stopped or in the background. This
//! file does not know what is shown.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::panic;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Signal as Number, kill_current_process_group};
use rustix::termios;

use super::modes::{Modes, SignalKeys, is_in_foreground};
use super::signals::{Signal, Signals};
use crate::output::{PIECE, Pump, write_all};
use crate::poll::{Poller, Select};
use crate::sys;

/// Makes the terminal mark pastes, to tell them from typing (xterm's mode 2004).
const PASTES_ON: &[u8] = b"\x1b[?2004h";
const PASTES_OFF: &[u8] = b"\x1b[?2004l";

/// How long the end waits for a terminal to take the rest.
const LAST_MOMENT: Duration = Duration::from_millis(500);

/// The number of columns, if the terminal does not say.
const USUAL_COLUMNS: usize = 80;

/// The terminal, and whether it is taken over now.
#[derive(Debug)]
pub(super) struct Tty {
    /// A pump, because a write to a terminal may block for any time, and signals and keys must still
    /// work.
    output: Pump,
    /// Bytes that the terminal did not take yet.
    pending: Vec<u8>,
    signals: Signals,
    modes: Modes,
    /// The program is in the background, and the shell has the terminal. Nothing is read, and only
    /// whole lines are shown.
    is_held: bool,
}

impl Tty {
    /// Takes the terminal over until the value is dropped, or a panic. The signals `ends` ask the
    /// program to end.
    ///
    /// # Errors
    /// There are no descriptors or threads left, or the terminal is gone.
    pub(super) fn enter(signal_keys: SignalKeys, ends: &[i32]) -> io::Result<Self> {
        let signals = Signals::watch(ends)?;
        let modes = Modes::new(signal_keys);
        // A panic in a release build aborts, so nothing would be dropped.
        let (report, panicked) = (panic::take_hook(), modes.clone());
        panic::set_hook(Box::new(move |info| {
            if panicked.restore() {
                // Its errors have nowhere to go.
                let mut stdout = io::stdout();
                let _ = stdout.write_all(PASTES_OFF).and_then(|()| stdout.flush());
            }
            report(info);
        }));
        let output = start_output()?;
        let mut tty = Self { output, pending: Vec::new(), signals, modes, is_held: false };
        tty.take_over()?;
        Ok(tty)
    }

    /// Takes the terminal back, unless another program still has it.
    pub(super) fn take_over(&mut self) -> io::Result<()> {
        self.is_held = is_in_foreground();
        if !self.is_held {
            return Ok(());
        }
        self.modes.make_raw()?;
        self.write(PASTES_ON)
    }

    /// Whether keys come here, and a line can be edited.
    pub(super) fn is_held(&self) -> bool {
        self.is_held
    }

    /// Stops the process, with the terminal restored. Goes on when the shell continues it.
    pub(super) fn stop(&mut self) -> io::Result<()> {
        self.leave();
        sys::stop()?;
        self.output = start_output()?;
        self.take_over()
    }

    /// Restores the terminal.
    fn leave(&mut self) {
        let pastes_off = if self.is_held { PASTES_OFF } else { b"" };
        // Errors have no effect: the terminal is gone, or takes nothing.
        let _ = self.write(pastes_off).and_then(|()| self.finish());
        // In the background the modes are those of the shell, which has set them itself.
        if self.is_held {
            self.modes.restore();
        }
    }

    pub(super) fn fd(&self) -> RawFd {
        io::stdin().as_raw_fd()
    }

    pub(super) fn columns(&self) -> usize {
        match termios::tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
            _ => USUAL_COLUMNS,
        }
    }

    /// The typed bytes. `None` if the terminal is gone. Never waits.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        if !self.is_held || !has_input()? {
            return Ok(Some(0));
        }
        match rustix::io::read(io::stdin(), buffer) {
            Ok(0) => Ok(None),
            Ok(len) => Ok(Some(len)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Some(0)),
            // The error of a terminal that was hung up.
            Err(Errno::IO) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Shows `bytes` as soon as the terminal takes them.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.pending.extend_from_slice(bytes);
        while !self.pending.is_empty() {
            let len = self.pending.len().min(PIECE);
            match self.output.send(&self.pending[..len]) {
                Ok(()) => drop(self.pending.drain(..len)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// How many bytes the terminal did not take yet. If there are any, `output_fd` becomes writable when
    /// it takes more.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn output_fd(&self) -> RawFd {
        self.output.fd()
    }

    /// Shows the rest, if the terminal takes it within a moment.
    fn finish(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + LAST_MOMENT;
        let left = || deadline.saturating_duration_since(Instant::now());
        while self.pending() > 0 && !left().is_zero() {
            let mut select = Select::default();
            select.watch(self.output_fd(), false, true);
            select.wait(Some(left()))?;
            self.write(&[])?;
        }
        // A time limit of 0 would mean a wait forever.
        self.output.finish(left().max(Duration::from_millis(1)));
        Ok(())
    }

    /// A descriptor that is readable when a signal came.
    pub(super) fn signal_fd(&self) -> RawFd {
        self.signals.fd()
    }

    /// The requests of the signals since the last call.
    pub(super) fn signal(&self) -> Option<Signal> {
        self.signals.take()
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Stops the whole job, as the terminal does if Ctrl-Z is not just a key. A program that started this
/// one must stop too, or the shell would go on waiting for it.
pub(super) fn stop_job() -> io::Result<()> {
    Ok(kill_current_process_group(Number::TSTP)?)
}

/// Whether there is input now. Another program may have read it while this one was stopped.
fn has_input() -> io::Result<bool> {
    let mut select = Select::default();
    select.watch(io::stdin().as_raw_fd(), true, false);
    select.wait(Some(Duration::ZERO))?;
    Ok(select.readable().next().is_some())
}

/// Starts the pump that writes to the terminal.
fn start_output() -> io::Result<Pump> {
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    Pump::start(move |piece| write_all(&output, piece).is_ok())
}
