//! Listening sockets that a service manager hands over (sd_listen_fds(3)). The listener on the
//! command line with the same address takes each of them.

use std::env;
use std::io;
use std::os::fd::RawFd;
use std::path::Path;

use socket2::{SockAddr, Socket};

use crate::address::Address;
use crate::sys;

/// The descriptor of the first socket.
const FIRST: RawFd = 3;

/// The sockets that no listener has taken yet.
#[derive(Debug, Default)]
pub(super) struct Inherited(Vec<Socket>);

impl Inherited {
    /// Takes the sockets that are meant for this process. Call it before the process opens listening
    /// sockets of its own.
    ///
    /// # Errors
    /// A descriptor is not a listening stream socket.
    pub(super) fn take() -> io::Result<Self> {
        let variable = |name| env::var(name).ok();
        if variable("LISTEN_PID") != Some(std::process::id().to_string()) {
            return Ok(Self::default());
        }
        let count = variable("LISTEN_FDS").and_then(|count| count.parse().ok()).unwrap_or(0);
        (FIRST..FIRST.saturating_add(count)).map(inherit).collect::<io::Result<_>>().map(Self)
    }

    /// Takes the socket that listens on `address`, if there is one.
    pub(super) fn claim(&mut self, address: &Address) -> Option<Socket> {
        if self.0.is_empty() {
            return None;
        }
        // If the address cannot be resolved, binding reports it.
        let wanted = address.resolve().unwrap_or_default();
        let is_wanted = |socket: &Socket| {
            socket.local_addr().is_ok_and(|local| wanted.iter().any(|wanted| is_same(wanted, &local)))
        };
        let index = self.0.iter().position(is_wanted)?;
        Some(self.0.remove(index))
    }

    /// The address of a socket that no listener has taken, if there is one.
    pub(super) fn unclaimed(&self) -> Option<String> {
        self.0.first().map(|socket| match socket.local_addr() {
            Ok(local) => Address::of(&local).map_or("an unknown address".into(), |local| local.to_string()),
            Err(error) => error.to_string(),
        })
    }
}

fn inherit(fd: RawFd) -> io::Result<Socket> {
    let about = |error| io::Error::new(io::ErrorKind::InvalidInput, format!("descriptor {fd}: {error}"));
    let socket = Socket::from(sys::inherit_listener(fd).map_err(about)?);
    // This changes the socket for all processes that share it, which is usual: accepting must not
    // block.
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn is_same(one: &SockAddr, other: &SockAddr) -> bool {
    let absolute = |path: &Path| std::path::absolute(path).ok();
    match (one.as_pathname(), other.as_pathname()) {
        (Some(one), Some(other)) => absolute(one) == absolute(other),
        _ => one.as_socket().is_some() && one.as_socket() == other.as_socket(),
    }
}
