//! Pollers: which descriptors are watched for what, and which are ready. They
//! know nothing of the hub.

mod select;

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

pub(crate) use self::select::Select;

/// Waits for descriptors. All pollers are level-triggered: what is ready and was
/// not made use of is ready again at the next wait.
pub(crate) trait Poller {
    /// Watches `fd` for reading, writing, both or, for the time being, neither: then
    /// nothing that happens to it ends a wait, not even that the peer is gone.
    fn watch(&mut self, fd: RawFd, read: bool, write: bool);

    /// Watches `fd` no longer. This has to come before it is closed: then its
    /// number may be another's.
    fn unwatch(&mut self, fd: RawFd);

    /// Waits until something is ready or `timeout` has passed (`None`: for ever). A
    /// signal is no error but an early return.
    ///
    /// # Errors
    /// Those of the system call, which are bugs.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// The descriptors that the last wait found readable, among those watched for
    /// that. One that is broken or at its end is.
    fn readable(&self) -> impl Iterator<Item = RawFd> + '_;

    /// The descriptors that the last wait found writable, among those watched for
    /// that. One that is broken is.
    fn writable(&self) -> impl Iterator<Item = RawFd> + '_;
}
