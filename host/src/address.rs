//! The addresses of servers, as users write them on the command line.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::ToSocketAddrs;
use std::path::PathBuf;
use std::str::FromStr;

use socket2::SockAddr;

/// `PORT` (on 127.0.0.1), `HOST:PORT`, `[::]:PORT` or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A host, which may be a name, and a port.
    Tcp(String),
    /// The path of a socket file.
    Unix(PathBuf),
}

impl Address {
    /// The address of a socket, from the system's form. `None` if it is neither TCP nor Unix.
    pub(crate) fn of(local: &SockAddr) -> Option<Self> {
        let tcp = local.as_socket().map(|address| Address::Tcp(address.to_string()));
        tcp.or_else(|| local.as_pathname().map(|path| Address::Unix(path.to_owned())))
    }

    /// Finds the system's form of the address. A name may stand for several addresses.
    ///
    /// # Errors
    /// The name cannot be resolved, or the path is too long.
    pub fn resolve(&self) -> io::Result<Vec<SockAddr>> {
        match self {
            Address::Tcp(text) => Ok(text.to_socket_addrs()?.map(SockAddr::from).collect()),
            Address::Unix(path) => Ok(vec![SockAddr::unix(path)?]),
        }
    }
}

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(NoAddress::Path) } else { Ok(Address::Unix(path.into())) };
        }
        let with_host = if text.contains(':') { text.to_owned() } else { format!("127.0.0.1:{text}") };
        let (host, port) = with_host.rsplit_once(':').unwrap_or_default();
        if host.is_empty() || port.parse::<u16>().is_err() {
            return Err(NoAddress::Form);
        }
        Ok(Address::Tcp(with_host))
    }
}

/// Why a text is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAddress {
    /// It has none of the forms of an address.
    Form,
    /// It is `unix:` without a path.
    Path,
}

impl fmt::Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoAddress::Form => "an address is PORT, HOST:PORT, [::]:PORT or unix:PATH",
            NoAddress::Path => "`unix:` needs a path, as in unix:/run/parlour.sock",
        })
    }
}

impl Error for NoAddress {}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => f.write_str(address),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_on_loopback() {
        assert_eq!("5000".parse(), Ok(Address::Tcp("127.0.0.1:5000".into())));
    }

    #[test]
    fn hosts_and_paths_are_taken_as_they_are() {
        for text in ["localhost:0", "[::]:5000", "0.0.0.0:1"] {
            assert_eq!(text.parse(), Ok(Address::Tcp(text.into())));
        }
        assert_eq!("unix:/a/b".parse(), Ok(Address::Unix("/a/b".into())));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "x", "65536", ":5000", "host:", "::", "unix:", "-1", "1.2.3.4"] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }
}
