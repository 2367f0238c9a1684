//! Pollers watch descriptors for reading and writing, and say which are ready. They know nothing of
//! the hub.

mod epoll;
mod select;

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

pub(crate) use self::epoll::Epoll;
pub(crate) use self::select::Select;

/// Waits for descriptors. All pollers are level-triggered: a descriptor that is ready stays ready until
/// it is used.
pub(crate) trait Poller {
    /// Watches `fd` for reading, writing, both, or neither for now. With neither, nothing on it ends a
    /// wait, not even that the peer is gone.
    fn watch(&mut self, fd: RawFd, read: bool, write: bool);

    /// Stops watching `fd`. Call it before `fd` is closed, because its number may then belong to
    /// another.
    fn unwatch(&mut self, fd: RawFd);

    /// Waits until a descriptor is ready or `timeout` has passed (`None`: forever). A signal is not an
    /// error: it makes the wait end early.
    ///
    /// # Errors
    /// The errors of the system call, which are bugs.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// The descriptors that are watched for reading and that the last wait found readable. A descriptor
    /// that is broken or at its end counts as readable.
    fn readable(&self) -> impl Iterator<Item = RawFd> + '_;

    /// The descriptors that are watched for writing and that the last wait found writable. A broken
    /// descriptor counts as writable.
    fn writable(&self) -> impl Iterator<Item = RawFd> + '_;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    /// Makes a test with each poller of each of these scripts.
    macro_rules! with_each_poller {
        ($($script:ident,)*) => {
            mod select {
                $(#[test] fn $script() { super::$script(&mut super::Select::default()); })*
            }
            mod epoll {
                $(#[test] fn $script() { super::$script(&mut super::Epoll::new().expect("epoll")); })*
            }
        };
    }

    with_each_poller! {
        what_was_not_made_use_of_is_ready_again,
        nothing_is_told_that_is_not_watched_for,
        who_is_gone_is_told_of_only_to_who_watches,
        a_file_is_always_ready,
    }

    /// Expects `fd` to be ready for reading or writing as given, and nothing else to be ready.
    #[track_caller]
    fn expect_ready(poller: &mut impl Poller, fd: RawFd, (read, write): (bool, bool)) {
        poller.wait(Some(Duration::ZERO)).expect("no bug");
        let of = |is_ready: bool| if is_ready { vec![fd] } else { vec![] };
        assert_eq!(poller.readable().collect::<Vec<_>>(), of(read));
        assert_eq!(poller.writable().collect::<Vec<_>>(), of(write));
    }

    /// Watches `fd`, which is ready for everything, for one thing after another.
    #[track_caller]
    fn expect_as_watched(poller: &mut impl Poller, fd: RawFd) {
        for interest in [(true, true), (false, true), (true, false), (false, false), (true, true)] {
            poller.watch(fd, interest.0, interest.1);
            expect_ready(poller, fd, interest);
        }
        poller.unwatch(fd);
        expect_ready(poller, fd, (false, false));
    }

    fn what_was_not_made_use_of_is_ready_again(poller: &mut impl Poller) {
        let (mut near, mut far) = UnixStream::pair().expect("sockets");
        let fd = near.as_raw_fd();
        poller.watch(fd, true, false);
        expect_ready(poller, fd, (false, false));
        far.write_all(b"x").expect("room");
        expect_ready(poller, fd, (true, false));
        expect_ready(poller, fd, (true, false));
        near.read_exact(&mut [0]).expect("a byte");
        expect_ready(poller, fd, (false, false));
    }

    fn nothing_is_told_that_is_not_watched_for(poller: &mut impl Poller) {
        let (near, mut far) = UnixStream::pair().expect("sockets");
        far.write_all(b"x").expect("room");
        expect_as_watched(poller, near.as_raw_fd());
    }

    fn who_is_gone_is_told_of_only_to_who_watches(poller: &mut impl Poller) {
        let (near, far) = UnixStream::pair().expect("sockets");
        drop(far);
        expect_as_watched(poller, near.as_raw_fd());
    }

    fn a_file_is_always_ready(poller: &mut impl Poller) {
        for path in ["/dev/null", "/proc/self/exe"] {
            expect_as_watched(poller, File::open(path).expect("a file").as_raw_fd());
        }
    }
}
