//! The poller on select(2). A wait looks at every descriptor up to the largest watched one, whether it
//! is watched or not.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use super::Poller;
use crate::sys::{self, FdSet};

/// Watches descriptors through select(2).
#[derive(Debug, Default)]
pub(crate) struct Select {
    read: FdSet,
    write: FdSet,
    readable: FdSet,
    writable: FdSet,
}

impl Poller for Select {
    fn watch(&mut self, fd: RawFd, read: bool, write: bool) {
        set(&mut self.read, fd, read);
        set(&mut self.write, fd, write);
    }

    fn unwatch(&mut self, fd: RawFd) {
        self.watch(fd, false, false);
    }

    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match sys::select(&self.read, &self.write, &mut self.readable, &mut self.writable, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.readable = FdSet::default();
                self.writable = FdSet::default();
                Ok(())
            }
            result => result,
        }
    }

    fn readable(&self) -> impl Iterator<Item = RawFd> + '_ {
        self.readable.iter()
    }

    fn writable(&self) -> impl Iterator<Item = RawFd> + '_ {
        self.writable.iter()
    }
}

fn set(set: &mut FdSet, fd: RawFd, member: bool) {
    if member { set.insert(fd) } else { set.remove(fd) }
}
