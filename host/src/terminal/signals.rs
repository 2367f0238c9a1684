//! The signals that matter to a program on a terminal. They end, stop or continue it, or say that the
//! size has changed.

use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGCONT, SIGTSTP, SIGWINCH};
use signal_hook::flag;
use signal_hook::low_level::pipe;

/// The request of a signal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Signal {
    Resized,
    Stop,
    /// Take the terminal over again.
    Continued,
    /// End, because of the signal with this number.
    End(u8),
}

/// The signals since the last check.
#[derive(Debug)]
pub(super) struct Signals {
    /// Readable when a signal came.
    ready: UnixStream,
    /// The number of the last signal that asks to end, or 0.
    end: Arc<AtomicUsize>,
    /// The job was asked to stop.
    stop: Arc<AtomicBool>,
    /// The process was continued after it had been stopped.
    continued: Arc<AtomicBool>,
}

impl Signals {
    /// Notes signals from now on. The signals `ends` ask the program to end.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub(super) fn watch(ends: &[i32]) -> io::Result<Self> {
        let (ready, sender) = UnixStream::pair()?;
        ready.set_nonblocking(true)?;
        let end = Arc::new(AtomicUsize::new(0));
        for &signal in ends {
            flag::register_usize(signal, Arc::clone(&end), signal as usize)?;
            pipe::register(signal, sender.try_clone()?)?;
        }
        let (stop, continued) = (Arc::default(), Arc::default());
        for (signal, came) in [(SIGTSTP, &stop), (SIGCONT, &continued)] {
            flag::register(signal, Arc::clone(came))?;
            pipe::register(signal, sender.try_clone()?)?;
        }
        pipe::register(SIGWINCH, sender)?;
        Ok(Self { ready, end, stop, continued })
    }

    /// Readable when a signal came.
    pub(super) fn fd(&self) -> RawFd {
        self.ready.as_raw_fd()
    }

    /// The requests of the signals since the last call.
    pub(super) fn take(&self) -> Option<Signal> {
        // Each signal is one byte. If bytes are left, the next call takes them.
        let len = (&self.ready).read(&mut [0; 64]).unwrap_or(0);
        match self.end.swap(0, Ordering::SeqCst) {
            0 if self.stop.swap(false, Ordering::SeqCst) => Some(Signal::Stop),
            0 if self.continued.swap(false, Ordering::SeqCst) => Some(Signal::Continued),
            0 => (len > 0).then_some(Signal::Resized),
            number => Some(Signal::End(number as u8)),
        }
    }
}
