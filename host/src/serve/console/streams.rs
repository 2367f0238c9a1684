//! What the two kinds of console have in common, as the server reads and writes them.

use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::time::Instant;

use parlour_core::Record;

/// From this many bytes that wait for standard output on, the hub is asked for no more.
pub(super) const ENOUGH: usize = 16 * 1024;

/// Input from the operator.
#[derive(Debug, Default)]
pub(crate) struct Typed {
    /// Commands, in the form of the console's protocol.
    pub(crate) commands: Vec<u8>,
    /// The input has ended.
    pub(crate) is_end: bool,
}

/// Returns the names of the clients now, for completion.
pub(crate) type Names<'a> = &'a dyn Fn() -> Vec<String>;

/// Standard input, if its commands are wanted, and standard output.
pub(crate) trait Console: fmt::Debug {
    /// The descriptor that commands come from, and whether they may come now. `None` once the input
    /// has ended.
    fn input(&self) -> Option<(RawFd, bool)>;

    /// Descriptors that become readable when the console has something to do besides commands.
    fn wakers(&self) -> Vec<RawFd>;

    /// When the console has something to do.
    fn deadline(&self) -> Option<Instant>;

    /// Acts on the wakers and on the time.
    fn wake(&mut self, now: Instant, names: Names<'_>) -> Typed;

    /// Reads the input. It must be ready.
    ///
    /// # Errors
    /// The errors of read(2), such as `EIO` when the terminal belongs to another process.
    fn read(&mut self, names: Names<'_>) -> io::Result<Typed>;

    /// Stops taking commands.
    fn close_input(&mut self);

    /// Whether the console takes more output.
    fn has_place(&self) -> bool;

    /// Queues an answer of the hub, or a part of it.
    fn answer(&mut self, bytes: &[u8]);

    /// Queues something that was said in a room.
    fn show(&mut self, record: &Record<'_>);

    /// The descriptor that becomes writable when there is room for output.
    fn output_fd(&self) -> RawFd;

    /// Whether output waits for standard output.
    fn is_pending(&self) -> bool;

    /// Writes as much as standard output takes.
    fn flush(&mut self);

    /// Writes the rest, if standard output takes it within a moment. Nothing may follow.
    fn finish(&mut self);
}
