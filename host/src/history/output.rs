//! Standard output, and how far a long export has come.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::error::HistoryError;
use crate::output::write_all;

/// How often to tell.
const TELL: Duration = Duration::from_secs(1);

/// Standard output, without a buffer of its own.
pub(super) struct Output(File);

impl Output {
    pub(super) fn open() -> Result<Self, HistoryError> {
        let copy = io::stdout().as_fd().try_clone_to_owned().map_err(HistoryError::Output)?;
        Ok(Self(File::from(copy)))
    }

    pub(super) fn write(&self, bytes: &[u8]) -> Result<(), HistoryError> {
        write_all(&self.0, bytes).map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => HistoryError::NobodyReads,
            _ => HistoryError::Output(error),
        })
    }

    /// Waits for so long. Fails at once if the reader of a pipe goes.
    pub(super) fn wait(&self, time: Duration) -> Result<(), HistoryError> {
        let time = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() };
        // Without a request, the system still says when a descriptor has broken.
        let mut fds = [PollFd::new(&self.0, PollFlags::empty())];
        match poll(&mut fds, Some(&time)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => Ok(()),
            Ok(_) => Err(HistoryError::NobodyReads),
            Err(error) => Err(HistoryError::Output(error.into())),
        }
    }

    fn is_file(&self) -> bool {
        self.0.metadata().is_ok_and(|metadata| metadata.is_file())
    }
}

/// Tells people at a terminal how far an export into a file has come.
pub(super) struct Progress {
    is_wanted: bool,
    told: Instant,
    shown: usize,
}

impl Progress {
    pub(super) fn new(follows: bool, output: &Output) -> Self {
        let is_wanted = !follows && output.is_file() && io::stderr().is_terminal();
        Self { is_wanted, told: Instant::now(), shown: 0 }
    }

    pub(super) fn tell(&mut self, (at, end): (u64, u64)) {
        if !self.is_wanted || self.told.elapsed() < TELL {
            return;
        }
        self.told = Instant::now();
        let text = format!("parlour: {}% of {end} messages", at * 100 / end.max(1));
        self.shown = self.shown.max(text.len());
        // If nobody sees it, nothing is lost.
        let _ = write!(io::stderr(), "\r{text}");
    }
}

impl Drop for Progress {
    /// Takes the text away, before a complaint is written.
    fn drop(&mut self) {
        if self.shown > 0 {
            let _ = write!(io::stderr(), "\r{:1$}\r", "", self.shown);
        }
    }
}
