//! The system calls of the tests that the standard library lacks: all `unsafe`
//! of this package stands here, one operation a block.
//!
//! Knows descriptors, processes and terminals; knows nothing of parlour.

#![allow(unsafe_code)]

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use libc::{c_int, rlimit, socklen_t};

pub use libc::{
    POLLIN, POLLOUT, SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGPIPE, SIGSTOP, SIGTERM, SIGUSR1, SIGUSR2,
    pollfd,
};

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Raises this process' soft limit of descriptors to the hard one, which is
/// returned.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a live rlimit that the call fills.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is a live rlimit that the call only reads.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    Ok(limit.rlim_max)
}

/// Lets `command` start with at most `count` descriptors, soft and hard.
pub fn limit_descriptors(command: &mut Command, count: u64) {
    let limit = rlimit { rlim_cur: count, rlim_max: count };
    let apply = move || {
        // SAFETY: `limit` is a live rlimit that the call only reads.
        check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }).map(drop)
    };
    // SAFETY: between fork and exec the closure makes one async-signal-safe call
    // and allocates nothing.
    unsafe { command.pre_exec(apply) };
}

/// Lets `command` run in a network of its own, which has nothing but the loopback device: every
/// port is free in it. It does not start where the system lets nobody have such a thing.
pub fn give_own_network(command: &mut Command) {
    let apply = || {
        // SAFETY: no memory is involved.
        check(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET) })?;
        // SAFETY: no memory is involved.
        let socket = check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
        // SAFETY: an interface request is integers and unions of them, for which zeroes are a value.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        request.ifr_name[..2].copy_from_slice(&[b'l' as libc::c_char, b'o' as libc::c_char]);
        request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
        // SAFETY: `request` is a live request that the call reads.
        check(unsafe { libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw const request) }).map(drop)
    };
    // SAFETY: between fork and exec the closure makes three async-signal-safe calls
    // and allocates nothing.
    unsafe { command.pre_exec(apply) };
}

/// Lets `command` start with `given` as its descriptors from 3 on.
pub fn hand_over(command: &mut Command, given: &[&dyn AsFd]) -> io::Result<()> {
    let mut copies = Vec::new();
    for fd in given {
        let fd = fd.as_fd().as_raw_fd();
        // SAFETY: no memory is involved. The copy's number is none of those that are to be.
        let copy = check(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 100) })?;
        // SAFETY: the descriptor was just opened and nothing else owns it.
        copies.push(unsafe { OwnedFd::from_raw_fd(copy) });
    }
    let apply = move || {
        for (number, copy) in (3..).zip(&copies) {
            // SAFETY: no memory is involved.
            check(unsafe { libc::dup2(copy.as_raw_fd(), number) })?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes async-signal-safe calls alone and allocates
    // nothing.
    unsafe { command.pre_exec(apply) };
    Ok(())
}

/// Sets the soft limit of descriptors of the running process `pid`, a child of
/// this one.
pub fn set_descriptor_limit_of(pid: u32, count: u64) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).expect("a process id");
    let mut limit = rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the new limit may be null; `limit` is a live rlimit that the call fills.
    check(unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, std::ptr::null(), &raw mut limit) })?;
    limit.rlim_cur = count;
    // SAFETY: `limit` is a live rlimit that the call only reads; the old limit may be null.
    check(unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, &raw const limit, std::ptr::null_mut()) })?;
    Ok(())
}

/// Hides the descriptors of this process from all others that are not root's.
pub fn hide_descriptors() -> io::Result<()> {
    // SAFETY: the request takes an integer and no memory.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0) }).map(drop)
}

/// Sends `signal` to the process `pid`, which the caller started and has not yet
/// waited for.
pub fn signal(pid: u32, signal: c_int) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).expect("a process id");
    // SAFETY: no memory is involved.
    check(unsafe { libc::kill(pid, signal) })?;
    Ok(())
}

/// Waits until one of `fds` is ready, at most for `timeout`; says how many are.
pub fn poll(fds: &mut [pollfd], timeout: Duration) -> io::Result<usize> {
    let timeout = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
    let count = fds.len() as libc::nfds_t;
    // SAFETY: the pointer and the count are those of a live slice.
    match check(unsafe { libc::poll(fds.as_mut_ptr(), count, timeout) }) {
        Ok(ready) => Ok(ready as usize),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        Err(error) => Err(error),
    }
}

fn set_option<T>(socket: &impl AsFd, name: c_int, value: &T) -> io::Result<()> {
    let fd = socket.as_fd().as_raw_fd();
    let size = size_of::<T>() as socklen_t;
    let value = std::ptr::from_ref(value).cast();
    // SAFETY: the pointer and the size are those of a live value.
    check(unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, name, value, size) })?;
    Ok(())
}

/// Makes the close of `socket` a reset: what was not yet sent is thrown away.
pub fn reset_on_close(socket: &impl AsFd) -> io::Result<()> {
    set_option(socket, libc::SO_LINGER, &libc::linger { l_onoff: 1, l_linger: 0 })
}

/// Whether calls on what `fd` leads to return at once, for all who share it.
pub fn is_nonblocking(fd: &impl AsFd) -> io::Result<bool> {
    // SAFETY: no memory is involved.
    let flags = check(unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_GETFL) })?;
    Ok(flags & libc::O_NONBLOCK != 0)
}

/// Lets the socket `listener` listen no more, whoever shares it.
pub fn shut_down(listener: &impl AsFd) -> io::Result<()> {
    // SAFETY: no memory is involved.
    check(unsafe { libc::shutdown(listener.as_fd().as_raw_fd(), libc::SHUT_RDWR) }).map(drop)
}

/// Sends a byte as urgent data.
pub fn send_urgent(socket: &impl AsFd, byte: u8) -> io::Result<()> {
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the pointer and the size are those of a live byte.
    let sent = unsafe { libc::send(fd, (&raw const byte).cast(), 1, libc::MSG_OOB) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn socket_address(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
        sin_zero: [0; 8],
    }
}

/// Connects to `address`, from the address `source` if given, with a receive
/// buffer of about `receive_buffer` bytes if given: the kernel must know it before
/// it offers its window to the peer.
pub fn connect(
    address: SocketAddrV4,
    source: Option<Ipv4Addr>,
    receive_buffer: Option<usize>,
) -> io::Result<TcpStream> {
    // SAFETY: no memory is involved.
    let fd = check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the descriptor was just opened and nothing else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    if let Some(bytes) = receive_buffer {
        set_option(&socket, libc::SO_RCVBUF, &(bytes as c_int))?;
    }
    let size = size_of::<libc::sockaddr_in>() as socklen_t;
    if let Some(source) = source {
        let from = socket_address(SocketAddrV4::new(source, 0));
        // SAFETY: the pointer and the size are those of a live sockaddr_in.
        check(unsafe { libc::bind(fd, (&raw const from).cast(), size) })?;
    }
    let to = socket_address(address);
    // SAFETY: the pointer and the size are those of a live sockaddr_in.
    check(unsafe { libc::connect(fd, (&raw const to).cast(), size) })?;
    Ok(TcpStream::from(socket))
}

/// Opens a pseudo-terminal of the given size: the side of the screen and the
/// side of the program.
pub fn open_pty(rows: u16, columns: u16) -> io::Result<(OwnedFd, OwnedFd)> {
    let (mut screen, mut program): (RawFd, RawFd) = (-1, -1);
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: both descriptors and the size are live; the name and the modes may be null.
    let result = unsafe {
        libc::openpty(
            &raw mut screen,
            &raw mut program,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            &raw const size as *mut libc::winsize,
        )
    };
    check(result)?;
    for fd in [screen, program] {
        // SAFETY: the descriptor was just opened; F_SETFD involves no memory.
        check(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    }
    // SAFETY: the descriptor was just opened and nothing else owns it.
    let screen = unsafe { OwnedFd::from_raw_fd(screen) };
    // SAFETY: the descriptor was just opened and nothing else owns it.
    let program = unsafe { OwnedFd::from_raw_fd(program) };
    Ok((screen, program))
}

/// Lets `command`, whose standard input is a pseudo-terminal, start as the leader
/// of a session on it, so that its Ctrl-C and its `/dev/tty` are its own.
pub fn lead_session(command: &mut Command) {
    let apply = || {
        // SAFETY: no memory is involved.
        check(unsafe { libc::setsid() })?;
        // SAFETY: the request takes an integer and no memory.
        check(unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) })?;
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes two async-signal-safe calls
    // and allocates nothing.
    unsafe { command.pre_exec(apply) };
}

/// The modes of a terminal, to be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modes {
    input: libc::tcflag_t,
    output: libc::tcflag_t,
    control: libc::tcflag_t,
    local: libc::tcflag_t,
    characters: [libc::cc_t; libc::NCCS],
}

impl Modes {
    /// Whether the terminal gathers lines, as shells leave it to.
    #[must_use]
    pub fn is_canonical(&self) -> bool {
        self.local & libc::ICANON != 0
    }
}

/// The present modes of the terminal `fd`.
pub fn terminal_modes(fd: &impl AsFd) -> io::Result<Modes> {
    let mut modes = std::mem::MaybeUninit::<libc::termios>::uninit();
    // SAFETY: the call fills the termios that the pointer leads to.
    check(unsafe { libc::tcgetattr(fd.as_fd().as_raw_fd(), modes.as_mut_ptr()) })?;
    // SAFETY: the call above succeeded, so that the termios is filled.
    let modes = unsafe { modes.assume_init() };
    Ok(Modes {
        input: modes.c_iflag,
        output: modes.c_oflag,
        control: modes.c_cflag,
        local: modes.c_lflag,
        characters: modes.c_cc,
    })
}
