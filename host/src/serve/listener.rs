//! Listening sockets: bound from an address, accepting newcomers.

use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, TcpKeepalive, Type};

use super::place::Place;
use super::socket_file::{Claim, SocketFile};
use crate::address::Address;

/// Newcomers that may wait to be accepted.
pub(crate) const BACKLOG: i32 = 4_096;

/// Vanished peers are found after about two minutes.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(15))
    .with_retries(4);

/// Bytes that a socket takes beyond what its peer has place for (tcp(7), TCP_NOTSENT_LOWAT). With
/// more, a receiver that is slow but steady would take nothing for a long time, and then
/// much at once: a room would wait for it in long pauses instead of short ones.
const UNSENT: u32 = 32 * 1024;

/// Why nobody was accepted (accept(2)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Failure {
    /// Nobody is there.
    Nobody,
    /// This newcomer is gone, or its network is in trouble. The next one may be there.
    Gone,
    /// Descriptors or memory are short: the newcomer waits.
    Starved,
    /// The listener takes nobody, and never will.
    Broken,
}

impl Failure {
    fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EINTR) => Self::Nobody,
            Some(
                libc::ECONNABORTED
                | libc::EPROTO
                | libc::ENETDOWN
                | libc::ENOPROTOOPT
                | libc::EHOSTDOWN
                | libc::ENONET
                | libc::EHOSTUNREACH
                | libc::EOPNOTSUPP
                | libc::ENETUNREACH
                | libc::EPERM
                | libc::ETIMEDOUT,
            ) => Self::Gone,
            Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => Self::Starved,
            _ => Self::Broken,
        }
    }
}

/// A socket that listens. A socket file goes with it.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Socket,
    file: Option<SocketFile>,
    is_inherited: bool,
}

impl Listener {
    /// Listens at a place. A socket file on which nobody listens any more is replaced.
    ///
    /// # Errors
    /// Those of the name resolution and of the system calls; that of the last
    /// address, where a name stands for several.
    pub(crate) fn bind(Place { address, mode, .. }: &Place) -> io::Result<Self> {
        let claim = match address {
            Address::Tcp(_) => None,
            Address::Unix(path) => Some(Claim::new(path)?),
        };
        let mut result = Err(io::Error::new(io::ErrorKind::NotFound, "no address of that name"));
        for address in address.resolve()? {
            result = listen(&address, *mode);
            if result.is_ok() {
                break;
            }
        }
        let socket = result?;
        let file = claim.map(Claim::made).transpose()?;
        Ok(Self { socket, file, is_inherited: false })
    }

    /// A socket that was handed over: its file and its backlog are those of whoever made it.
    pub(crate) fn inherited(socket: Socket) -> Self {
        Self { socket, file: None, is_inherited: true }
    }

    /// Whether those who have come and are not accepted will be accepted by another process.
    pub(crate) fn is_inherited(&self) -> bool {
        self.is_inherited
    }

    /// Where it listens, with the real port.
    ///
    /// # Errors
    /// Those of getsockname(2).
    pub(crate) fn local_address(&self) -> io::Result<Address> {
        let local = self.socket.local_addr()?;
        Address::of(&local).ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// Removes its socket file: nobody comes through it any more.
    pub(crate) fn free_file(&mut self) {
        self.file = None;
    }

    /// Takes the next newcomer, ready for use without blocking.
    ///
    /// # Errors
    /// Those of accept(2), and what they mean.
    pub(crate) fn accept(&self) -> Result<(Socket, Option<SocketAddr>), (Failure, io::Error)> {
        let (socket, peer) = self.socket.accept().map_err(|error| (Failure::of(&error), error))?;
        let peer = peer.as_socket();
        match prepare(&socket, peer.is_some()) {
            Ok(()) => Ok((socket, peer)),
            // Its socket is as good as any other: its connection cannot be any more.
            Err(error) => Err((Failure::Gone, error)),
        }
    }
}

fn prepare(socket: &Socket, is_tcp: bool) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    if is_tcp {
        // What is ready goes out in one write: there is nothing to wait for.
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_keepalive(&KEEPALIVE)?;
        socket.set_tcp_notsent_lowat(UNSENT)?;
        // The Synch of telnet sends its last byte as urgent data (RFC 854): out of line it would be lost.
        socket.set_out_of_band_inline(true)?;
    }
    Ok(())
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.free_file();
    }
}

fn listen(address: &SockAddr, mode: Option<u32>) -> io::Result<Socket> {
    let socket = Socket::new(address.domain(), Type::STREAM, None)?;
    if address.domain() != Domain::UNIX {
        // Connections of an earlier run in TIME-WAIT do not keep the port.
        socket.set_reuse_address(true)?;
    }
    socket.bind(address)?;
    if let Some((path, mode)) = address.as_pathname().zip(mode) {
        // Nobody can connect before it listens.
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_want_of_descriptors_and_memory_is_waited_out() {
        let failure = |number| Failure::of(&io::Error::from_raw_os_error(number));
        assert_eq!([libc::EWOULDBLOCK, libc::EINTR].map(failure), [Failure::Nobody; 2]);
        assert_eq!([libc::ECONNABORTED, libc::EPERM, libc::EHOSTUNREACH].map(failure), [Failure::Gone; 3]);
        assert_eq!([libc::EMFILE, libc::ENFILE, libc::ENOMEM].map(failure), [Failure::Starved; 3]);
        assert_eq!([libc::EBADF, libc::EINVAL, libc::ENOTSOCK].map(failure), [Failure::Broken; 3]);
    }
}
