//! Pollers: which descriptors are watched for what, and which are ready. They
//! know nothing of the hub.

mod epoll;
mod select;

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

pub(crate) use self::epoll::Epoll;
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

    /// What is ready now must be `fd`, for reading or writing as said, and nothing else.
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
