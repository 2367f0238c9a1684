//! The system calls. All `unsafe` of the host is here, one operation in a block, behind functions that
//! are safe to call.
//!
//! The functions borrow descriptors and close none. Some return an `OwnedFd`, which closes its own.
//! Errors are those of errno(3).

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use libc::{c_int, c_long, c_ulong, c_void};
use rustix::process::{Resource, getrlimit, setrlimit};

/// Turns the `-1` of a system call into the error that it left in errno.
fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The same for syscall(2).
fn check_long(result: c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

const WORD_BITS: usize = c_ulong::BITS as usize;

/// A set of descriptors for select(2), as large as its largest member.
///
/// Only the C library's declaration of `fd_set` ends at `FD_SETSIZE` (1024). The kernel reads as many
/// bits as `nfds` says. So this set is on the heap and grows.
#[derive(Clone, Debug, Default)]
pub(crate) struct FdSet(Vec<c_ulong>);

impl FdSet {
    /// Puts `fd` into the set.
    pub(crate) fn insert(&mut self, fd: RawFd) {
        let bit = fd as usize;
        if bit / WORD_BITS >= self.0.len() {
            self.0.resize(bit / WORD_BITS + 1, 0);
        }
        self.0[bit / WORD_BITS] |= 1 << (bit % WORD_BITS);
    }

    /// Takes `fd` out of the set.
    pub(crate) fn remove(&mut self, fd: RawFd) {
        let bit = fd as usize;
        if let Some(word) = self.0.get_mut(bit / WORD_BITS) {
            *word &= !(1 << (bit % WORD_BITS));
        }
    }

    /// The descriptors in the set, smallest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = RawFd> + '_ {
        self.0.iter().enumerate().flat_map(|(index, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros() as usize;
                (rest != 0).then(|| {
                    rest &= rest - 1;
                    (index * WORD_BITS + bit) as RawFd
                })
            })
        })
    }

    fn copy_from(&mut self, other: &FdSet, words: usize) {
        self.0.clear();
        self.0.extend_from_slice(&other.0);
        self.0.resize(words, 0);
    }
}

/// select(2): waits until a descriptor of `read` can be read or one of `write` can be written, or
/// until `timeout` has passed (`None`: forever). Leaves the ready ones in `readable` and `writable`.
///
/// # Errors
/// `Interrupted` if a signal came first. The sets are then unspecified.
pub(crate) fn select(
    read: &FdSet,
    write: &FdSet,
    readable: &mut FdSet,
    writable: &mut FdSet,
    timeout: Option<Duration>,
) -> io::Result<()> {
    let words = read.0.len().max(write.0.len());
    readable.copy_from(read, words);
    writable.copy_from(write, words);
    let mut time = timeout.map(|t| libc::timeval {
        tv_sec: t.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_usec: libc::suseconds_t::from(t.subsec_micros()),
    });
    let nfds = (words * WORD_BITS) as c_int;
    // SAFETY: both sets hold `nfds` bits, which is all that the kernel reads
    // and writes; the timeval outlives the call.
    check(unsafe {
        libc::select(
            nfds,
            readable.0.as_mut_ptr().cast::<libc::fd_set>(),
            writable.0.as_mut_ptr().cast::<libc::fd_set>(),
            ptr::null_mut(),
            time.as_mut().map_or(ptr::null_mut(), ptr::from_mut),
        )
    })?;
    Ok(())
}

/// The result of epoll_wait(2) for one descriptor: `events`, and in `u64` its number.
pub(crate) use libc::epoll_event as EpollEvent;

/// epoll_create1(2): a new epoll instance with nothing registered.
pub(crate) fn epoll_create() -> io::Result<OwnedFd> {
    // SAFETY: no memory is involved.
    let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
    // SAFETY: the descriptor was just opened and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// epoll_ctl(2): adds, modifies or deletes the registration of `fd` for `events`, as `operation` says.
pub(crate) fn epoll_ctl(epoll: BorrowedFd<'_>, operation: c_int, fd: RawFd, events: u32) -> io::Result<()> {
    let mut event = EpollEvent { events, u64: fd as u64 };
    // SAFETY: the kernel reads one event, and `event` outlives the call.
    check(unsafe { libc::epoll_ctl(epoll.as_raw_fd(), operation, fd, &raw mut event) })?;
    Ok(())
}

/// epoll_wait(2): waits until a registered descriptor is ready or `timeout` has passed (`None`:
/// forever). Returns how many of `events` it filled.
///
/// # Errors
/// `Interrupted` if a signal came first.
pub(crate) fn epoll_wait(
    epoll: BorrowedFd<'_>,
    events: &mut [EpollEvent],
    timeout: Option<Duration>,
) -> io::Result<usize> {
    // Whole milliseconds, rounded up: after waking too early there would be nothing to do.
    let timeout =
        timeout.map_or(-1, |timeout| timeout.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(c_int::MAX));
    let most = events.len().try_into().unwrap_or(c_int::MAX);
    // SAFETY: the kernel writes no more than `most` events, and the slice holds as many.
    let count = check(unsafe { libc::epoll_wait(epoll.as_raw_fd(), events.as_mut_ptr(), most, timeout) })?;
    Ok(count as usize)
}

/// Takes over a listening socket that this process was started with, and has it closed on exec. Call
/// it once for each such descriptor, before the process opens a listening socket of its own.
///
/// # Errors
/// The descriptor is closed, or is not a listening stream socket.
pub(crate) fn inherit_listener(fd: RawFd) -> io::Result<OwnedFd> {
    for (option, expected) in [(libc::SO_TYPE, libc::SOCK_STREAM), (libc::SO_ACCEPTCONN, 1)] {
        let mut value: c_int = 0;
        let mut size = size_of::<c_int>() as libc::socklen_t;
        let to = ptr::from_mut(&mut value).cast::<c_void>();
        // SAFETY: the kernel writes an int and its size, and both outlive the call.
        check(unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, option, to, &raw mut size) })?;
        if value != expected {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a listening stream socket"));
        }
    }
    // SAFETY: no memory is involved.
    check(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    // SAFETY: the descriptor is open, and as it listens and this process has opened none that
    // does, nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// How many written bytes the peer's system has not acknowledged yet (`TIOCOUTQ` of tcp(7)).
pub(crate) fn unacknowledged(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let mut len: c_int = 0;
    // SAFETY: this request writes one int, and `len` outlives the call.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCOUTQ, ptr::from_mut(&mut len)) })?;
    Ok(usize::try_from(len).unwrap_or(0))
}

/// Asks the scheduler for time slices of this length, for this thread (`sched_runtime` of sched_setattr(2), for
/// normal threads since Linux 6.12). It may take fewer and shorter turns than others in return for waking up soon. An
/// older system does nothing.
pub(crate) fn ask_for_slices(length: Duration) -> io::Result<()> {
    const THIS_THREAD: libc::pid_t = 0;
    const NO_FLAGS: libc::c_uint = 0;
    // SAFETY: the attributes are integers, for which zeroes are a value.
    let mut attributes: libc::sched_attr = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::sched_attr>() as libc::c_uint;
    let to = ptr::from_mut(&mut attributes);
    // SAFETY: the kernel writes `size` bytes at most, and the attributes outlive the call.
    check_long(unsafe { libc::syscall(libc::SYS_sched_getattr, THIS_THREAD, to, size, NO_FLAGS) })?;
    attributes.sched_runtime = length.as_nanos().try_into().unwrap_or(u64::MAX);
    let from = ptr::from_ref(&attributes);
    // SAFETY: the kernel reads as many bytes as the attributes say, and they outlive the call.
    check_long(unsafe { libc::syscall(libc::SYS_sched_setattr, THIS_THREAD, from, NO_FLAGS) })
}

/// Ignores each of `signals`.
pub(crate) fn ignore_signals(signals: &[c_int]) -> io::Result<()> {
    for &signal in signals {
        // SAFETY: ignoring a signal runs no code.
        if unsafe { libc::signal(signal, libc::SIG_IGN) } == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Whether this process was started with `signal` ignored, as nohup(1) does it with SIGHUP.
pub(crate) fn is_ignored(signal: c_int) -> io::Result<bool> {
    // SAFETY: an action is integers and a pointer, for which zeroes are a value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: the action outlives the call, which changes none.
    check(unsafe { libc::sigaction(signal, ptr::null(), &raw mut action) })?;
    Ok(action.sa_sigaction == libc::SIG_IGN)
}

/// Stops this process, as the terminal's stop key does by default, and returns when it continues. The
/// system does not stop a process that no shell could continue.
pub(crate) fn stop() -> io::Result<()> {
    // SAFETY: an action is integers and a pointer, for which zeroes are a value: the default action.
    let default: libc::sigaction = unsafe { std::mem::zeroed() };
    let mut old = default;
    // SAFETY: both actions outlive the call, and the default one runs no code.
    check(unsafe { libc::sigaction(libc::SIGTSTP, &raw const default, &raw mut old) })?;
    // SAFETY: the signal runs no code.
    check(unsafe { libc::raise(libc::SIGTSTP) })?;
    // SAFETY: the action is the one that was there before.
    check(unsafe { libc::sigaction(libc::SIGTSTP, &raw const old, ptr::null_mut()) })?;
    Ok(())
}

/// The hour and the minute now, in the time zone of the environment.
pub(crate) fn local_time() -> (u8, u8) {
    let time = broken_down(now());
    (time.tm_hour as u8, time.tm_min as u8)
}

/// How far local time is ahead of UTC now, in s, in the time zone of the environment.
pub(crate) fn utc_offset_s() -> i32 {
    utc_offset_s_at(now())
}

/// How far local time is ahead of UTC at a time in s since 1970, in the time zone of the environment.
pub(crate) fn utc_offset_s_at(unix_s: i64) -> i32 {
    // No zone is a day away.
    broken_down(unix_s).tm_gmtoff as i32
}

/// The time of time(2).
fn now() -> libc::time_t {
    // SAFETY: the call may be given no place for its result.
    unsafe { libc::time(ptr::null_mut()) }
}

/// The local time of localtime_r(3).
fn broken_down(unix_s: libc::time_t) -> libc::tm {
    // SAFETY: a broken-down time is integers and a pointer that may be null.
    let mut time: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both times outlive the call. Nothing in this program changes the environment.
    unsafe { libc::localtime_r(&raw const unix_s, &raw mut time) };
    time
}

/// Raises the descriptor limit as far as the process may. Returns the limit: the hard one of
/// `RLIMIT_NOFILE` in getrlimit(2).
pub(crate) fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use rustix::process::{getpriority_process, nice};

    use super::*;

    #[test]
    fn a_thread_with_short_slices_is_as_nice_as_before() {
        let thread = std::thread::spawn(|| {
            let nicer = nice(3).expect("a thread may become nicer");
            ask_for_slices(Duration::from_micros(100)).expect("every Linux knows the call");
            assert_eq!(getpriority_process(None), Ok(nicer));
        });
        thread.join().expect("it does not panic");
    }
}
