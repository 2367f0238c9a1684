//! The system calls of the tests that the standard library lacks: all `unsafe`
//! of this package stands here, one operation a block.
//!
//! Knows descriptors, processes and terminals; knows nothing of parlour.

#![allow(unsafe_code)]

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use libc::c_int;
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::net::{AddressFamily, SendFlags, Shutdown, SocketFlags, SocketType, sockopt};
use rustix::process::{Pid, Resource, Rlimit, Signal};
use rustix::pty::OpenptFlags;
use rustix::termios::{ControlModes, InputModes, LocalModes, OutputModes, Winsize, tcgetattr, tcsetwinsize};
use rustix::{net, process, pty, stdio};

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
    let mut limit = process::getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    process::setrlimit(Resource::Nofile, limit)?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

/// Lets `command` start with at most `count` descriptors, soft and hard.
pub fn limit_descriptors(command: &mut Command, count: u64) {
    let limit = Rlimit { current: Some(count), maximum: Some(count) };
    let apply = move || Ok(process::setrlimit(Resource::Nofile, limit)?);
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
        // The copy's number is none of those that are to be.
        copies.push(fcntl_dupfd_cloexec(fd, 100)?);
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
/// this one, whose hard limit is the same.
pub fn set_descriptor_limit_of(pid: u32, count: u64) -> io::Result<()> {
    let maximum = process::getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit { current: Some(count), maximum };
    Ok(process::prlimit(Some(of(pid)), Resource::Nofile, limit).map(drop)?)
}

/// Hides the descriptors of this process from all others that are not root's.
pub fn hide_descriptors() -> io::Result<()> {
    // SAFETY: the request takes an integer and no memory.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0) }).map(drop)
}

/// Sends `signal` to the process `pid`, which the caller started and has not yet
/// waited for.
pub fn signal(pid: u32, signal: c_int) -> io::Result<()> {
    let signal = Signal::from_named_raw(signal).expect("a signal");
    Ok(process::kill_process(of(pid), signal)?)
}

fn of(pid: u32) -> Pid {
    i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id")
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

/// Makes the close of `socket` a reset: what was not yet sent is thrown away.
pub fn reset_on_close(socket: &impl AsFd) -> io::Result<()> {
    Ok(sockopt::set_socket_linger(socket, Some(Duration::ZERO))?)
}

/// Whether calls on the file behind `fd` return at once, for all that share it.
pub fn is_nonblocking(fd: &impl AsFd) -> io::Result<bool> {
    Ok(fcntl_getfl(fd)?.contains(OFlags::NONBLOCK))
}

/// Stops the socket `listener` from listening, for all that share it.
pub fn shut_down(listener: &impl AsFd) -> io::Result<()> {
    Ok(net::shutdown(listener, Shutdown::Both)?)
}

/// Sends a byte as urgent data.
pub fn send_urgent(socket: &impl AsFd, byte: u8) -> io::Result<()> {
    Ok(net::send(socket, &[byte], SendFlags::OOB).map(drop)?)
}

/// Connects to `address`, from the address `source` if given, with a receive
/// buffer of about `receive_buffer` bytes if given: the kernel must know it before
/// it offers its window to the peer.
pub fn connect(
    address: SocketAddrV4,
    source: Option<Ipv4Addr>,
    receive_buffer: Option<usize>,
) -> io::Result<TcpStream> {
    let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    if let Some(bytes) = receive_buffer {
        sockopt::set_socket_recv_buffer_size(&socket, bytes)?;
    }
    if let Some(source) = source {
        net::bind(&socket, &SocketAddrV4::new(source, 0))?;
    }
    net::connect(&socket, &address)?;
    Ok(TcpStream::from(socket))
}

/// Opens a pseudo-terminal of the given size: the side of the screen and the
/// side of the program.
pub fn open_pty(rows: u16, columns: u16) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let screen = pty::openpt(flags)?;
    pty::unlockpt(&screen)?;
    let program = pty::ioctl_tiocgptpeer(&screen, flags)?;
    resize_terminal(&program, rows, columns)?;
    Ok((screen, program))
}

/// Gives the terminal `fd` a size, of which its programs are told.
pub fn resize_terminal(fd: &impl AsFd, rows: u16, columns: u16) -> io::Result<()> {
    Ok(tcsetwinsize(fd, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })?)
}

/// Lets `command`, whose standard input is a pseudo-terminal, start as the leader
/// of a session on it, so that its Ctrl-C and its `/dev/tty` are its own.
pub fn lead_session(command: &mut Command) {
    let apply = || {
        process::setsid()?;
        Ok(process::ioctl_tiocsctty(stdio::stdin())?)
    };
    // SAFETY: between fork and exec the closure makes two async-signal-safe calls
    // and allocates nothing.
    unsafe { command.pre_exec(apply) };
}

/// The modes of a terminal, to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modes {
    input: InputModes,
    output: OutputModes,
    control: ControlModes,
    local: LocalModes,
    characters: String,
}

impl Modes {
    /// Whether the terminal gathers lines, as shells leave it to.
    #[must_use]
    pub fn is_canonical(&self) -> bool {
        self.local.contains(LocalModes::ICANON)
    }
}

/// The present modes of the terminal `fd`.
pub fn terminal_modes(fd: &impl AsFd) -> io::Result<Modes> {
    let modes = tcgetattr(fd)?;
    Ok(Modes {
        input: modes.input_modes,
        output: modes.output_modes,
        control: modes.control_modes,
        local: modes.local_modes,
        characters: format!("{:?}", modes.special_codes),
    })
}
