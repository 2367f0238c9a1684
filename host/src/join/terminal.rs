//! The terminal's modes: raw while the client runs, as they were when it ends,
//! however it does, and while it is stopped. It knows nothing of what is shown.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::panic;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Signal as Number, kill_current_process_group};
use rustix::termios::{self, OptionalActions, Termios};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::flag;
use signal_hook::low_level::pipe;

use crate::output::{PIECE, Pump, write_all};
use crate::poll::{Poller, Select};
use crate::sys;

/// The signals that end the client.
const END_SIGNALS: [i32; 4] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];

/// Where pastes are told from typing (xterm's mode 2004).
const PASTES_ON: &[u8] = b"\x1b[?2004h";
const PASTES_OFF: &[u8] = b"\x1b[?2004l";

/// How long the end waits for a terminal to take what is left.
const LAST_MOMENT: Duration = Duration::from_millis(500);

/// How many columns there are when the terminal does not say.
const USUAL_COLUMNS: usize = 80;

/// The terminal in raw mode, on standard input and output.
#[derive(Debug)]
pub(super) struct Terminal {
    /// Writing to a terminal may block for as long as it likes: signals and keys still count.
    output: Pump,
    /// What the terminal did not take yet.
    pending: Vec<u8>,
    /// Readable when a signal came.
    signals: UnixStream,
    modes: Modes,
    /// The number of the last signal that asks to end, or 0.
    end: Arc<AtomicUsize>,
    /// The job was asked to stop.
    stop: Arc<AtomicBool>,
    /// The process was continued after it had been stopped.
    continued: Arc<AtomicBool>,
}

impl Terminal {
    /// Puts the terminal into raw mode until the value is dropped, or a panic.
    pub(super) fn enter() -> io::Result<Self> {
        let (signals, sender) = UnixStream::pair()?;
        signals.set_nonblocking(true)?;
        let end = Arc::new(AtomicUsize::new(0));
        for signal in END_SIGNALS {
            flag::register_usize(signal, Arc::clone(&end), signal as usize)?;
            pipe::register(signal, sender.try_clone()?)?;
        }
        let (stop, continued) = (Arc::default(), Arc::default());
        for (signal, came) in [(SIGTSTP, &stop), (SIGCONT, &continued)] {
            flag::register(signal, Arc::clone(came))?;
            pipe::register(signal, sender.try_clone()?)?;
        }
        pipe::register(SIGWINCH, sender)?;

        // A panic in a release build aborts, so nothing would be dropped.
        let modes = Modes::default();
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
        let mut terminal = Self { output, pending: Vec::new(), signals, modes, end, stop, continued };
        terminal.take_over()?;
        Ok(terminal)
    }

    /// Takes the terminal from whoever had it meanwhile.
    pub(super) fn take_over(&mut self) -> io::Result<()> {
        self.modes.make_raw()?;
        self.write(PASTES_ON)
    }

    /// Stops the process, with the terminal as it was, and goes on when the shell says so.
    pub(super) fn stop(&mut self) -> io::Result<()> {
        self.leave();
        sys::stop()?;
        self.output = start_output()?;
        self.take_over()
    }

    /// Puts the terminal back to where it was.
    fn leave(&mut self) {
        // A terminal that is gone, or takes nothing, cannot be told.
        let _ = self.write(PASTES_OFF).and_then(|()| self.finish());
        self.modes.restore();
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

    /// What was typed; `None` when the terminal is gone.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match rustix::io::read(io::stdin(), buffer) {
            Ok(0) => Ok(None),
            Ok(len) => Ok(Some(len)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Some(0)),
            // What a terminal says that was hung up.
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

    /// Whether there is more to show than it takes: then `output_fd` is writable when it goes on.
    pub(super) fn is_behind(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(super) fn output_fd(&self) -> RawFd {
        self.output.fd()
    }

    /// Shows what is left, if the terminal takes it within a moment.
    fn finish(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + LAST_MOMENT;
        let left = || deadline.saturating_duration_since(Instant::now());
        while self.is_behind() && !left().is_zero() {
            let mut select = Select::default();
            select.watch(self.output_fd(), false, true);
            select.wait(Some(left()))?;
            self.write(&[])?;
        }
        // A read that may take no time at all would wait for ever.
        self.output.finish(left().max(Duration::from_millis(1)));
        Ok(())
    }

    /// Readable when a signal came.
    pub(super) fn signal_fd(&self) -> RawFd {
        self.signals.as_raw_fd()
    }

    /// What the signals ask for that came since the last call.
    pub(super) fn signal(&self) -> Option<Signal> {
        // Each signal is one byte; if some stay, the next call takes them.
        let len = (&self.signals).read(&mut [0; 64]).unwrap_or(0);
        match self.end.load(Ordering::SeqCst) {
            0 if self.stop.swap(false, Ordering::SeqCst) => Some(Signal::Stop),
            0 if self.continued.swap(false, Ordering::SeqCst) => Some(Signal::Continued),
            0 => (len > 0).then_some(Signal::Resized),
            number => Some(Signal::End(number as u8)),
        }
    }
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Signal {
    Resized,
    Stop,
    /// To take the terminal over again.
    Continued,
    /// To end, with the signal's number.
    End(u8),
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Asks all of the job to stop, as the terminal does where Ctrl-Z is no mere key: a program that
/// started this one has to stop too, or the shell would go on waiting for it.
pub(super) fn stop_job() -> io::Result<()> {
    Ok(kill_current_process_group(Number::TSTP)?)
}

/// Starts what writes to the terminal.
fn start_output() -> io::Result<Pump> {
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    Pump::start(move |piece| write_all(&output, piece).is_ok())
}

/// The modes of the terminal on standard input: those from before while they are raw.
#[derive(Clone, Debug, Default)]
struct Modes {
    before: Arc<Mutex<Option<Termios>>>,
}

impl Modes {
    /// Makes the modes raw, also where another program has changed them since.
    fn make_raw(&self) -> io::Result<()> {
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let own = match before.take() {
            Some(own) => own,
            None => termios::tcgetattr(io::stdin())?,
        };
        let mut raw = own.clone();
        raw.make_raw();
        // What other programs write to the terminal still has its line ends.
        raw.output_modes = own.output_modes;
        *before = Some(own);
        Ok(termios::tcsetattr(io::stdin(), OptionalActions::Now, &raw)?)
    }

    /// Sets the modes from before. Returns whether they were raw.
    fn restore(&self) -> bool {
        // Also in a panic, which may have come at any place.
        let Ok(mut before) = self.before.try_lock() else { return false };
        let Some(own) = before.take() else { return false };
        // A terminal that is gone has no modes.
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, &own);
        true
    }
}
