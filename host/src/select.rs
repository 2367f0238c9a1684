//! The select(2) poller: which descriptors are watched for what, and which are
//! ready. It knows nothing of the hub.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use crate::sys::{self, FdSet};

/// Watches descriptors through select(2).
#[derive(Debug, Default)]
pub(crate) struct Select {
    read: FdSet,
    write: FdSet,
    readable: FdSet,
    writable: FdSet,
}

impl Select {
    /// Watches `fd` for reading, writing, both or (neither) no longer.
    pub(crate) fn watch(&mut self, fd: RawFd, read: bool, write: bool) {
        set(&mut self.read, fd, read);
        set(&mut self.write, fd, write);
    }

    /// Waits until something is ready or `timeout` has passed (`None`: for ever).
    ///
    /// # Errors
    /// Those of select(2); a signal is no error but an early return with
    /// nothing ready.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match sys::select(&self.read, &self.write, &mut self.readable, &mut self.writable, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.readable = FdSet::default();
                self.writable = FdSet::default();
                Ok(())
            }
            result => result,
        }
    }

    /// The descriptors that the last wait found readable.
    pub(crate) fn readable(&self) -> impl Iterator<Item = RawFd> + '_ {
        self.readable.iter()
    }

    /// The descriptors that the last wait found writable.
    pub(crate) fn writable(&self) -> impl Iterator<Item = RawFd> + '_ {
        self.writable.iter()
    }
}

fn set(set: &mut FdSet, fd: RawFd, member: bool) {
    if member { set.insert(fd) } else { set.remove(fd) }
}
