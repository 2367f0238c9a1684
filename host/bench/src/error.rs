//! Why a work cannot be run, or cannot go on.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use parlour::Address;
use parlour_journal::JournalError;

/// Why a work cannot be run, or cannot go on.
#[derive(Debug)]
pub enum BenchError {
    /// The options do not fit together.
    Plan(&'static str),
    /// There is no process with this number.
    NoProcess(u32),
    /// There are fewer descriptors than the connections need.
    Descriptors {
        /// How many the connections need.
        wanted: u64,
        /// How many there are.
        most: u64,
    },
    /// After this many connections, no further one could be opened.
    Connect(Address, usize, io::Error),
    /// The server closed a connection before anything was measured.
    Closed {
        /// The last line that the server itself had sent.
        said: String,
    },
    /// Some clients got none of the lines that were sent.
    Deaf {
        /// How many clients got none.
        waiting: usize,
        /// How many clients there are.
        clients: usize,
        /// The possible reason.
        hint: &'static str,
    },
    /// The server's journal cannot be read.
    Journal(PathBuf, JournalError),
    /// A system call failed.
    System(&'static str, io::Error),
}

impl BenchError {
    /// The error and its causes, in one line.
    pub fn in_full(&self) -> String {
        let (mut text, mut cause) = (self.to_string(), self.source());
        while let Some(error) = cause {
            text += &format!(": {error}");
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BenchError::Plan(text) => f.write_str(text),
            BenchError::NoProcess(pid) => {
                write!(f, "there is no process {pid}; --pid takes the number of the server's process")
            }
            BenchError::Descriptors { wanted, most } => write!(
                f,
                "this needs {wanted} descriptors and the limit is {most}; use fewer clients, or raise the limit \
                 (ulimit -n)"
            ),
            BenchError::Connect(address, 0, _) => {
                write!(f, "cannot connect to {address}; check that the server runs and listens there")
            }
            BenchError::Connect(address, count, _) => {
                write!(
                    f,
                    "cannot connect to {address} once more after {count} connections; the server may allow \
                     no more; raise its limits, or use fewer clients"
                )
            }
            BenchError::Closed { said } if said.is_empty() => f.write_str(
                "the server closed a connection; it may allow fewer; raise its limits, or use fewer clients",
            ),
            BenchError::Closed { said } => {
                // The server's control characters must not reach the terminal.
                let said = said.trim_end().escape_debug();
                write!(f, "the server closed a connection; its last line was \"{said}\"")
            }
            BenchError::Deaf { waiting, clients, hint } => {
                write!(f, "{waiting} of {clients} clients never got a line: {hint}")
            }
            BenchError::Journal(path, error) => {
                write!(f, "the journal {} cannot be read: {error}", path.display())
            }
            BenchError::System(call, _) => write!(f, "the system call {call} failed"),
        }
    }
}

impl Error for BenchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BenchError::Connect(_, _, error) | BenchError::System(_, error) => Some(error),
            BenchError::Plan(_)
            | BenchError::NoProcess(_)
            | BenchError::Descriptors { .. }
            | BenchError::Closed { .. }
            // Its text has the cause.
            | BenchError::Journal(..)
            | BenchError::Deaf { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_its_cause_once() {
        let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, "nobody listens");
        let address: Address = "5000".parse().expect("an address");
        let error = BenchError::Connect(address, 3, refused());
        let text = "cannot connect to 127.0.0.1:5000 once more after 3 connections; \
                    the server may allow no more; raise its limits, or use fewer clients";
        assert_eq!(error.to_string(), text);
        assert_eq!(error.source().map(ToString::to_string), Some("nobody listens".into()));
        assert_eq!(error.in_full(), format!("{text}: nobody listens"));
        let closed = BenchError::Closed { said: String::new() };
        assert!(closed.source().is_none());
        assert_eq!(
            closed.in_full(),
            "the server closed a connection; it may allow fewer; raise its limits, or use fewer clients"
        );
    }
}
