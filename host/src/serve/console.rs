//! The operator's console: standard input and output as the two ends of a
//! connection of the hub.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

/// Bytes that wait for standard output at the most, beyond one transmission.
const ENOUGH: usize = 16 * 1024;

/// Standard input, if its commands are wanted, and standard output.
#[derive(Debug)]
pub(crate) struct Console {
    input: Option<File>,
    output: File,
    is_terminal: bool,
    /// What standard output did not take yet.
    pending: Vec<u8>,
    broken: bool,
}

impl Console {
    /// # Errors
    /// Standard input or output is closed.
    pub(crate) fn new(listens: bool) -> io::Result<Self> {
        // Not through `Stdin`: its buffer would hide from the poller what it holds.
        let input = if listens { Some(File::from(io::stdin().as_fd().try_clone_to_owned()?)) } else { None };
        let is_terminal = io::stdout().is_terminal();
        Ok(Self { input, output: open_output()?, is_terminal, pending: Vec::new(), broken: false })
    }

    /// Where commands come from, until the input ends.
    pub(crate) fn input_fd(&self) -> Option<RawFd> {
        self.input.as_ref().map(File::as_raw_fd)
    }

    pub(crate) fn output_fd(&self) -> RawFd {
        self.output.as_raw_fd()
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

    /// Takes output, in the line endings of files and terminals. A relay's bytes
    /// may be anything: a terminal gets no control characters.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.broken {
            return;
        }
        for &byte in bytes.iter().filter(|&&byte| byte != b'\r') {
            let is_plain = !byte.is_ascii_control() || matches!(byte, b'\n' | b'\t');
            let ends_c1 = self.pending.last() == Some(&0xC2) && (0x80..0xA0).contains(&byte);
            if self.is_terminal && (ends_c1 || !is_plain) {
                self.pending.push(b'?');
            } else {
                self.pending.push(byte);
            }
        }
    }

    /// Whether something waits for standard output.
    pub(crate) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Writes what standard output takes.
    pub(crate) fn flush(&mut self) {
        while !self.pending.is_empty() {
            match retry(|| self.output.write(&self.pending)) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    // Nobody reads any more; the hub goes on all the same.
                    tracing::warn!("standard output: {error}");
                    self.broken = true;
                    self.pending.clear();
                }
            }
        }
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

/// Standard output, not blocking where it could: a terminal or a pipe is opened
/// anew, because `O_NONBLOCK` on the descriptor itself would hold for every
/// process that shares it.
fn open_output() -> io::Result<File> {
    let shared = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let kind = shared.metadata()?.file_type();
    if kind.is_fifo() || kind.is_char_device() {
        let path = format!("/proc/self/fd/{}", shared.as_raw_fd());
        if let Ok(own) = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(path) {
            return Ok(own);
        }
    }
    Ok(shared)
}
