//! `parlour join`: the client. This file owns its options and the first
//! connection, and chooses between the line editor on a terminal
//! (`session`) and the plain pipe for scripts (`pipe`).
//!
//! The client knows the chat protocol's lines (README, "The rules of the chat
//! protocol") and nothing of the hub.

mod connection;
mod editor;
mod keys;
mod lines;
mod link;
mod paste;
mod pipe;
mod screen;
mod session;
mod terminal;

use std::fmt;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::str::FromStr;

use connection::reason;
use link::Link;

use crate::output::complain;

/// Join the chat on a server: on a terminal with a line editor, in a script as a plain pipe
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Where the server listens; HOST is 127.0.0.1 unless given
    #[arg(value_name = "[HOST:]PORT")]
    address: Address,

    /// Take this name, also after connecting again
    #[arg(long, value_name = "NAME")]
    nick: Option<String>,

    /// Do not ring the bell on being named or addressed
    #[arg(long)]
    no_bell: bool,

    /// Leave when the connection breaks
    #[arg(long)]
    no_retry: bool,
}

/// A server's address as it was written: the host is not looked up yet.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Address {
    host: String,
    port: u16,
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        let port = port.parse().map_err(|_| "the port is not a number from 0 to 65535")?;
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inner) => inner,
            None if host.contains(':') => return Err("an IPv6 address needs brackets: [::1]:7000"),
            None if host.is_empty() => "127.0.0.1",
            None => host,
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// Runs the client until its user leaves or the connection is lost for good.
/// Returns the process's exit code.
pub fn run(options: &Options) -> ExitCode {
    let (connection, addresses) = match link::connect(&options.address) {
        Ok(connected) => connected,
        Err(error) => {
            complain(format_args!("Unable to connect to {}: {}", options.address, reason(&error)));
            return ExitCode::FAILURE;
        }
    };
    let outcome = if io::stdin().is_terminal() && io::stdout().is_terminal() {
        session::run(options, Link::new(connection, addresses))
    } else {
        pipe::run(options, connection)
    };
    outcome.unwrap_or_else(|error| {
        complain(format_args!("parlour: {}", reason(&error)));
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, ()>) {
        let address = text.parse::<Address>().map(|address| address.to_string());
        assert_eq!(address.as_deref().map_err(|_| ()), expected);
    }

    #[test]
    fn an_address_is_a_port_with_an_optional_host() {
        check("7000", Ok("127.0.0.1:7000"));
        check(":7000", Ok("127.0.0.1:7000"));
        check("example.org:7000", Ok("example.org:7000"));
        check("[::1]:7000", Ok("[::1]:7000"));
        check("::1:7000", Err(()));
        check("example.org", Err(()));
        check("70000", Err(()));
    }
}
