//! What the two kinds of console have in common: how a connection of the hub reads and writes them.

use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::time::Instant;

use parlour_core::Source;

/// Bytes that wait for standard output at the most, beyond one transmission.
pub(super) const ENOUGH: usize = 16 * 1024;

/// What the operator typed.
#[derive(Debug, Default)]
pub(crate) struct Typed {
    /// Commands, in the form of the console's protocol.
    pub(crate) commands: Vec<u8>,
    /// The input has ended.
    pub(crate) is_end: bool,
}

/// What the clients are called now, for a console that completes their names.
pub(crate) type Names<'a> = &'a dyn Fn() -> Vec<String>;

/// Standard input, if its commands are wanted, and standard output.
pub(crate) trait Console: fmt::Debug {
    /// Where commands come from, until the input ends; and whether they may come now.
    fn input(&self) -> Option<(RawFd, bool)>;

    /// Descriptors that are readable when the console has something to do at once, commands or not.
    fn wakers(&self) -> Vec<RawFd>;

    /// When the console has something to do.
    fn deadline(&self) -> Option<Instant>;

    /// Does what wakers and time ask for.
    fn wake(&mut self, now: Instant, names: Names<'_>) -> Typed;

    /// Reads the input, which is ready.
    ///
    /// # Errors
    /// Those of read(2), such as `EIO` when the terminal belongs to another process.
    fn read(&mut self, names: Names<'_>) -> io::Result<Typed>;

    /// Listens no more.
    fn close_input(&mut self);

    /// Whether it takes more output.
    fn has_place(&self) -> bool;

    /// Takes output of the hub.
    fn push(&mut self, source: Source<'_>, bytes: &[u8]);

    /// Writable when there is place for output.
    fn output_fd(&self) -> RawFd;

    /// Whether something waits for standard output.
    fn is_pending(&self) -> bool;

    /// Hands on what there is place for.
    fn flush(&mut self);

    /// Hands on the last of it, if standard output takes that within a moment. Nothing follows.
    fn finish(&mut self);
}
