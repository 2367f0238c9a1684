//! Listening sockets that a service manager hands over (sd_listen_fds(3)). The listener with the same address takes
//! each of them. If there is none, a socket that is called after a protocol (`FileDescriptorName=chat`) is a
//! listener for it.

use std::env;
use std::io;
use std::iter;
use std::os::fd::RawFd;
use std::path::Path;

use parlour_core::Protocol;
use socket2::{SockAddr, Socket};

use crate::address::Address;
use crate::sys;

/// The descriptor of the first socket.
const FIRST: RawFd = 3;

/// The sockets that no listener has taken yet, and their names.
#[derive(Debug, Default)]
pub(super) struct Inherited(Vec<(Socket, String)>);

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
        let names = variable("LISTEN_FDNAMES").unwrap_or_default();
        let names = names.split(':').map(str::to_owned).chain(iter::repeat(String::new()));
        let sockets = (FIRST..FIRST.saturating_add(count)).zip(names);
        sockets.map(|(fd, name)| Ok((inherit(fd)?, name))).collect::<io::Result<_>>().map(Self)
    }

    /// The sockets that are called after a protocol and are none of the `named` addresses.
    pub(super) fn listeners<'a>(
        &self,
        named: impl Iterator<Item = &'a Address> + Clone,
    ) -> Vec<(Protocol, Address)> {
        let listener = |(socket, name): &(Socket, String)| {
            let protocol = match name.as_str() {
                "chat" => Protocol::Chat,
                "echo" => Protocol::Echo,
                "relay" => Protocol::Relay,
                _ => return None,
            };
            let is_named = named.clone().any(|address| listens_on(socket, address));
            let address = Address::of(&socket.local_addr().ok()?)?;
            (!is_named).then_some((protocol, address))
        };
        self.0.iter().filter_map(listener).collect()
    }

    /// Takes the socket that listens on `address`, if there is one.
    pub(super) fn claim(&mut self, address: &Address) -> Option<Socket> {
        if self.0.is_empty() {
            return None;
        }
        let index = self.0.iter().position(|(socket, _)| listens_on(socket, address))?;
        Some(self.0.remove(index).0)
    }

    /// The address of a socket that no listener has taken, if there is one.
    pub(super) fn unclaimed(&self) -> Option<String> {
        self.0.first().map(|(socket, _)| match socket.local_addr() {
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

fn listens_on(socket: &Socket, address: &Address) -> bool {
    // If the address cannot be resolved, binding reports it.
    let wanted = address.resolve().unwrap_or_default();
    socket.local_addr().is_ok_and(|local| wanted.iter().any(|wanted| is_same(wanted, &local)))
}

fn is_same(one: &SockAddr, other: &SockAddr) -> bool {
    let absolute = |path: &Path| std::path::absolute(path).ok();
    match (one.as_pathname(), other.as_pathname()) {
        (Some(one), Some(other)) => absolute(one) == absolute(other),
        _ => one.as_socket().is_some() && one.as_socket() == other.as_socket(),
    }
}
