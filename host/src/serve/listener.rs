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

/// How many newcomers may wait to be accepted.
pub(crate) const BACKLOG: i32 = 4_096;

/// TCP keepalive finds peers that vanished after about two minutes.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(15))
    .with_retries(4);

/// Bytes that a socket takes before its peer has room for them (tcp(7), TCP_NOTSENT_LOWAT). With
/// more, a slow but steady receiver would take nothing for a long time and then much at once. A room
/// would wait for it in long pauses instead of short ones.
const UNSENT: u32 = 32 * 1024;

/// Why accept(2) gave no connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Failure {
    /// No newcomer is there.
    Nobody,
    /// This newcomer is gone, or its network is in trouble. The next accept may work.
    Gone,
    /// There are no descriptors or no memory left. The newcomer waits.
    Starved,
    /// The listener accepts no connections, and never will.
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

/// A listening socket, with its socket file if it has one.
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
    /// The errors of the name resolution and of the system calls. If a name stands for several
    /// addresses, the error of the last one.
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

    /// A socket that was handed over. Its file and its backlog belong to the process that made it.
    pub(crate) fn inherited(socket: Socket) -> Self {
        Self { socket, file: None, is_inherited: true }
    }

    /// Whether another process may accept the newcomers that this one does not accept.
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

    /// Removes its socket file, so nobody can connect through it any more.
    pub(crate) fn free_file(&mut self) {
        self.file = None;
    }

    /// Accepts the next newcomer. Its socket does not block.
    ///
    /// # Errors
    /// The error of accept(2), and what it means.
    pub(crate) fn accept(&self) -> Result<(Socket, Option<SocketAddr>), (Failure, io::Error)> {
        let (socket, peer) = self.socket.accept().map_err(|error| (Failure::of(&error), error))?;
        let peer = peer.as_socket();
        match prepare(&socket, peer.is_some()) {
            Ok(()) => Ok((socket, peer)),
            // The socket is fine, so the connection must have failed.
            Err(error) => Err((Failure::Gone, error)),
        }
    }
}

fn prepare(socket: &Socket, is_tcp: bool) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    if is_tcp {
        // Everything that is ready goes out in one write, so a delay would gain nothing.
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_keepalive(&KEEPALIVE)?;
        socket.set_tcp_notsent_lowat(UNSENT)?;
        // telnet's Synch sends its last byte as urgent data (RFC 854). Out of line it would be lost.
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
        // Otherwise connections of an earlier run in TIME-WAIT would keep the port.
        socket.set_reuse_address(true)?;
    }
    socket.bind(address)?;
    if let Some((path, mode)) = address.as_pathname().zip(mode) {
        // In time: nobody can connect before the socket listens.
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
