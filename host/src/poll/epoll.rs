//! The poller on epoll(7), level-triggered. The cost of a wait depends on the ready descriptors, not
//! on the watched ones.
//!
//! Changes of interest reach the kernel only when the next wait begins, and only if the interest then
//! differs from the registered one. So interest that is withdrawn and restored between two waits costs
//! no system call.

use std::io;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::time::Duration;

use libc::{EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD};

use super::Poller;
use crate::sys;

/// The most descriptors in the result of one wait. The kernel begins the next one with the others.
const EVENTS: usize = 1024;
/// How long to wait before registering again, when the system had no memory for it.
const SHORTAGE_PAUSE: Duration = Duration::from_secs(1);

const READ: u32 = libc::EPOLLIN as u32;
const WRITE: u32 = libc::EPOLLOUT as u32;
/// Events that epoll always reports: the descriptor is broken, or has hung up. Reading and writing
/// both find that out, so such a descriptor counts as ready for either.
const BROKEN: u32 = (libc::EPOLLERR | libc::EPOLLHUP) as u32;

/// The interest in a descriptor, as events of epoll_ctl(2).
#[derive(Clone, Copy, Debug, Default)]
struct Interest {
    wanted: u32,
    /// The interest that the kernel has. With 0 the descriptor is not registered at all, because a
    /// registered descriptor that is broken would end every wait.
    registered: u32,
    is_listed: bool,
}

/// Watches descriptors through epoll(7).
#[derive(Debug)]
pub(crate) struct Epoll {
    epoll: OwnedFd,
    /// The interest, by descriptor.
    interests: Vec<Interest>,
    /// The descriptors whose interest may differ from the registered one, each once.
    changed: Vec<RawFd>,
    /// The descriptors that epoll refuses, because they are always ready: files, `/dev/null`.
    always_ready: Vec<RawFd>,
    events: Box<[sys::EpollEvent]>,
    /// How many of `events` the last wait filled.
    count: usize,
    /// The log has said that some connections have to wait.
    is_short: bool,
}

impl Epoll {
    /// # Errors
    /// The errors of epoll_create1(2).
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: sys::epoll_create()?,
            interests: Vec::new(),
            changed: Vec::new(),
            always_ready: Vec::new(),
            events: vec![sys::EpollEvent { events: 0, u64: 0 }; EVENTS].into(),
            count: 0,
            is_short: false,
        })
    }

    /// Registers the changes. If there is no memory for one, it stays in the list.
    fn register_changes(&mut self) -> io::Result<()> {
        let mut left = 0;
        for index in 0..self.changed.len() {
            let fd = self.changed[index];
            match self.register(fd) {
                Err(error) if is_shortage(&error) => {
                    self.complain(&error);
                    self.changed[left] = fd;
                    left += 1;
                }
                result => {
                    result?;
                    self.interests[fd as usize].is_listed = false;
                }
            }
        }
        self.changed.truncate(left);
        self.is_short &= left > 0;
        Ok(())
    }

    fn complain(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.is_short, true) {
            tracing::warn!("some connections have to wait: epoll_ctl: {error}");
        }
    }

    /// Makes the registered interest equal to the wanted one.
    fn register(&mut self, fd: RawFd) -> io::Result<()> {
        let Interest { wanted, registered, .. } = self.interests[fd as usize];
        let operation = match (registered, wanted) {
            _ if registered == wanted => return Ok(()),
            (0, _) => EPOLL_CTL_ADD,
            (_, 0) => EPOLL_CTL_DEL,
            _ => EPOLL_CTL_MOD,
        };
        match sys::epoll_ctl(self.epoll.as_fd(), operation, fd, wanted) {
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                self.always_ready.retain(|&other| other != fd);
                self.always_ready.extend((wanted != 0).then_some(fd));
            }
            result => result?,
        }
        self.interests[fd as usize].registered = wanted;
        Ok(())
    }

    /// The descriptors that are registered for `interest`, and are ready for it or broken.
    fn ready(&self, interest: u32) -> impl Iterator<Item = RawFd> + '_ {
        let events = self.events[..self.count].iter();
        let told = events.filter(move |event| event.events & (interest | BROKEN) != 0);
        let ready = told.map(|event| event.u64 as RawFd).chain(self.always_ready.iter().copied());
        ready.filter(move |&fd| self.interests[fd as usize].registered & interest != 0)
    }
}

impl Poller for Epoll {
    fn watch(&mut self, fd: RawFd, read: bool, write: bool) {
        let index = fd as usize;
        if index >= self.interests.len() {
            self.interests.resize(index + 1, Interest::default());
        }
        let interest = &mut self.interests[index];
        interest.wanted = if read { READ } else { 0 } | if write { WRITE } else { 0 };
        if interest.wanted != interest.registered && !interest.is_listed {
            interest.is_listed = true;
            self.changed.push(fd);
        }
    }

    fn unwatch(&mut self, fd: RawFd) {
        if let Some(interest) = self.interests.get_mut(fd as usize) {
            interest.wanted = 0;
            // Delete it at once. If another descriptor shares the open file, closing would leave the
            // registration, and the next descriptor of this number would seem to be registered.
            let result = self.register(fd);
            debug_assert!(result.is_ok(), "{fd} was closed before: {result:?}");
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.count = 0;
        self.register_changes()?;
        let timeout = if !self.always_ready.is_empty() {
            Some(Duration::ZERO)
        } else if !self.changed.is_empty() {
            Some(timeout.map_or(SHORTAGE_PAUSE, |timeout| timeout.min(SHORTAGE_PAUSE)))
        } else {
            timeout
        };
        match sys::epoll_wait(self.epoll.as_fd(), &mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => self.count = result?,
        }
        Ok(())
    }

    fn readable(&self) -> impl Iterator<Item = RawFd> + '_ {
        self.ready(READ)
    }

    fn writable(&self) -> impl Iterator<Item = RawFd> + '_ {
        self.ready(WRITE)
    }
}

/// Whether the system has no memory for one more registration, or the user has reached the limit
/// (`/proc/sys/fs/epoll/max_user_watches`).
fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOMEM | libc::ENOSPC))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    /// The kernel's registrations: descriptors and events (proc_pid_fdinfo(5)).
    fn registered(epoll: &Epoll) -> Vec<(RawFd, u32)> {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", epoll.epoll.as_raw_fd()));
        let info = info.expect("proc(5)");
        let mut words = info.split_whitespace();
        let mut found = Vec::new();
        while words.any(|word| word == "tfd:") {
            let fd = words.next().and_then(|word| word.parse().ok()).expect("a descriptor");
            let events = words.nth(1).and_then(|word| u32::from_str_radix(word, 16).ok()).expect("events");
            // These two are always set.
            found.push((fd, events & !BROKEN));
        }
        found
    }

    fn wait(epoll: &mut Epoll) {
        epoll.wait(Some(Duration::ZERO)).expect("no bug");
    }

    #[test]
    fn what_is_wanted_is_registered_and_nothing_else() {
        let mut epoll = Epoll::new().expect("epoll");
        let (near, far) = UnixStream::pair().expect("sockets");
        let fd = near.as_raw_fd();
        for (read, write, expected) in [
            (true, false, vec![(fd, READ)]),
            (true, true, vec![(fd, READ | WRITE)]),
            (false, false, vec![]),
            (false, true, vec![(fd, WRITE)]),
        ] {
            epoll.watch(fd, read, write);
            wait(&mut epoll);
            assert_eq!(registered(&epoll), expected);
        }
        drop(far);
    }

    #[test]
    fn interest_that_comes_back_before_the_wait_costs_no_call() {
        let mut epoll = Epoll::new().expect("epoll");
        let (near, _far) = UnixStream::pair().expect("sockets");
        let fd = near.as_raw_fd();
        epoll.watch(fd, true, false);
        wait(&mut epoll);
        // Delete it behind the poller's back, so a further call would fail or be seen.
        sys::epoll_ctl(epoll.epoll.as_fd(), EPOLL_CTL_DEL, fd, 0).expect("it is registered");
        for _ in 0..3 {
            epoll.watch(fd, false, false);
            epoll.watch(fd, true, true);
            epoll.watch(fd, true, false);
            wait(&mut epoll);
        }
        assert_eq!(registered(&epoll), []);
    }

    #[test]
    fn an_open_file_that_others_share_is_let_go_of() {
        let mut epoll = Epoll::new().expect("epoll");
        let (near, mut far) = UnixStream::pair().expect("sockets");
        let shared = near.try_clone().expect("another descriptor");
        epoll.watch(shared.as_raw_fd(), true, false);
        wait(&mut epoll);
        epoll.unwatch(shared.as_raw_fd());
        drop(shared);
        far.write_all(b"x").expect("room");
        wait(&mut epoll);
        assert_eq!((registered(&epoll), epoll.count), (vec![], 0));
    }

    #[test]
    fn all_have_their_turn_where_more_are_ready_than_a_wait_tells() {
        let mut epoll = Epoll::new().expect("epoll");
        epoll.events = epoll.events[..2].into();
        let pairs: Vec<_> = (0..5).map(|_| UnixStream::pair().expect("sockets")).collect();
        for (near, _) in &pairs {
            epoll.watch(near.as_raw_fd(), false, true);
        }
        let mut told = BTreeSet::new();
        for _ in 0..3 {
            wait(&mut epoll);
            told.extend(epoll.writable());
        }
        assert_eq!(told, pairs.iter().map(|(near, _)| near.as_raw_fd()).collect());
    }
}
