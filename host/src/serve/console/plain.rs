//! The console without a line editor: the bytes of standard input and output, as they are.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::{Duration, Instant};

use parlour_core::Record;

use super::streams::{Console, ENOUGH, Names, Typed};
use crate::output::{Neutral, PIECE, Pump, write_all};
use crate::serve::watched::Watched;

/// The most bytes in one read.
const READ_SIZE: usize = 4096;
/// How long the shutdown waits for standard output to take the last bytes.
const LAST_MOMENT: Duration = Duration::from_millis(500);

/// Standard input, if its commands are wanted, and standard output.
#[derive(Debug)]
pub(super) struct Plain {
    input: Option<File>,
    /// A pump, because a write to standard output may block, whatever it is and whichever programs
    /// share it.
    output: Pump,
    /// For a terminal: makes bytes harmless, because a relay passes on anything.
    filter: Option<Neutral>,
    watched: Watched,
    /// Output that standard output did not take yet.
    pending: Vec<u8>,
    broken: bool,
}

impl Plain {
    /// # Errors
    /// There are no descriptors or threads left.
    pub(super) fn new(listens: bool, watched: Watched) -> io::Result<Self> {
        // Not `Stdin`: the poller could not see what is in its buffer.
        let input = if listens { Some(File::from(io::stdin().as_fd().try_clone_to_owned()?)) } else { None };
        let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let output = Pump::start(move |piece| {
            let written = write_all(&output, piece);
            if let Err(error) = &written {
                // Nobody reads any more. The server goes on all the same.
                tracing::warn!("standard output cannot be written any more: {error}");
            }
            written.is_ok()
        })?;
        let filter = io::stdout().is_terminal().then(Neutral::default);
        Ok(Self { input, output, filter, watched, pending: Vec::new(), broken: false })
    }

    /// Writes lines with LF alone, as files and terminals have them.
    fn push(&mut self, mut lines: Vec<u8>) {
        if self.broken {
            return;
        }
        lines.retain(|&byte| byte != b'\r');
        match &mut self.filter {
            Some(filter) => filter.push(&lines, &mut self.pending),
            None => self.pending.extend(lines),
        }
    }
}

impl Console for Plain {
    fn input(&self) -> Option<(RawFd, bool)> {
        self.input.as_ref().map(|input| (input.as_raw_fd(), true))
    }

    fn wakers(&self) -> Vec<RawFd> {
        Vec::new()
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn wake(&mut self, _: Instant, _: Names<'_>) -> Typed {
        Typed::default()
    }

    fn read(&mut self, _: Names<'_>) -> io::Result<Typed> {
        let Some(input) = &mut self.input else { return Ok(Typed::default()) };
        let mut commands = vec![0; READ_SIZE];
        let len = retry(|| input.read(&mut commands))?;
        commands.truncate(len);
        Ok(Typed { commands, is_end: len == 0 })
    }

    fn close_input(&mut self) {
        self.input = None;
    }

    fn has_place(&self) -> bool {
        self.pending.len() < ENOUGH
    }

    fn answer(&mut self, bytes: &[u8]) {
        let mut lines = Vec::new();
        self.watched.answer(bytes, &mut lines);
        self.push(lines);
    }

    fn show(&mut self, record: &Record<'_>) {
        let mut lines = Vec::new();
        self.watched.show(record, &mut lines);
        self.push(lines);
    }

    fn output_fd(&self) -> RawFd {
        self.output.fd()
    }

    fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    fn flush(&mut self) {
        while !self.pending.is_empty() {
            let len = self.pending.len().min(PIECE);
            match self.output.send(&self.pending[..len]) {
                Ok(()) => drop(self.pending.drain(..len)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.broken = true;
                    self.pending.clear();
                }
            }
        }
    }

    fn finish(&mut self) {
        self.output.finish(LAST_MOMENT);
    }
}

fn retry(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
