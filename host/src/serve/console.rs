//! The operator's console: standard input and output as the two ends of a
//! connection of the hub.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

use parlour_core::Source;

use super::watched::Watched;
use crate::output::{Neutral, PIECE, Pump, write_all};

/// Bytes that wait for standard output at the most, beyond one transmission.
const ENOUGH: usize = 16 * 1024;
/// How long the end waits for standard output to take what it was handed.
const LAST_MOMENT: Duration = Duration::from_millis(500);

/// Standard input, if its commands are wanted, and standard output.
#[derive(Debug)]
pub(crate) struct Console {
    input: Option<File>,
    /// Whatever standard output is, and whoever shares it, writing to it may block.
    output: Pump,
    /// A relay's bytes may be anything: a terminal is shown only what is harmless.
    filter: Option<Neutral>,
    watched: Watched,
    /// What standard output did not take yet.
    pending: Vec<u8>,
    broken: bool,
}

impl Console {
    /// # Errors
    /// There are no descriptors or threads left.
    pub(crate) fn new(listens: bool, watched: Watched) -> io::Result<Self> {
        // Not through `Stdin`: its buffer would hide from the poller what it holds.
        let input = if listens { Some(File::from(io::stdin().as_fd().try_clone_to_owned()?)) } else { None };
        let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let output = Pump::start(move |piece| {
            let written = write_all(&output, piece);
            if let Err(error) = &written {
                // Nobody reads any more; the hub goes on all the same.
                tracing::warn!("standard output: {error}");
            }
            written.is_ok()
        })?;
        let filter = io::stdout().is_terminal().then(Neutral::default);
        Ok(Self { input, output, filter, watched, pending: Vec::new(), broken: false })
    }

    /// Where commands come from, until the input ends.
    pub(crate) fn input_fd(&self) -> Option<RawFd> {
        self.input.as_ref().map(File::as_raw_fd)
    }

    /// Writable when there is place for output.
    pub(crate) fn output_fd(&self) -> RawFd {
        self.output.fd()
    }

    /// Reads what there is; 0 at the end of the input.
    ///
    /// # Errors
    /// Those of read(2), such as `EIO` when the terminal belongs to another process.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.input {
            Some(input) => retry(|| input.read(buffer)),
            None => Ok(0),
        }
    }

    /// Listens no more.
    pub(crate) fn close_input(&mut self) {
        self.input = None;
    }

    /// Whether it takes more output.
    pub(crate) fn has_place(&self) -> bool {
        self.pending.len() < ENOUGH
    }

    /// Takes output, in the line endings of files and terminals.
    pub(crate) fn push(&mut self, source: Source<'_>, bytes: &[u8]) {
        if self.broken {
            return;
        }
        let bytes: Vec<u8> = bytes.iter().copied().filter(|&byte| byte != b'\r').collect();
        match &mut self.filter {
            Some(filter) => {
                let mut lines = Vec::new();
                self.watched.push(source, &bytes, &mut lines);
                filter.push(&lines, &mut self.pending);
            }
            None => self.watched.push(source, &bytes, &mut self.pending),
        }
    }

    /// Whether something waits for standard output.
    pub(crate) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Hands on what there is place for.
    pub(crate) fn flush(&mut self) {
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

    /// Waits a moment for standard output to take what it was handed.
    pub(crate) fn finish(&self) {
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
