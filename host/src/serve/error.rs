//! Why a server cannot start.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use parlour_core::LimitsError;
use parlour_journal::JournalError;

use crate::address::Address;
use crate::output::reason;

/// Why a server cannot start.
#[derive(Debug)]
pub(super) enum StartError {
    Listen(Address, io::Error),
    /// The service manager handed over a socket on this address, which no option names.
    Inherited(String),
    Limits(LimitsError),
    Descriptors {
        wanted: u64,
        most: u64,
    },
    TooManyListeners,
    /// Two listeners have this name.
    SameName(String),
    Memory,
    /// The option would break what `--durable` promises, for this reason.
    NotDurable(&'static str, &'static str),
    Journal(PathBuf, JournalError),
    /// Nothing can be recorded in this file.
    Record(PathBuf, io::Error),
    System(&'static str, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Listen(address, error) if error.kind() == io::ErrorKind::AddrInUse => {
                write!(
                    f,
                    "cannot listen on {address}: it is in use by another program; stop that program, or choose another address"
                )
            }
            StartError::Listen(address, error) => {
                write!(f, "cannot listen on {address}: {}{}", reason(error), advice(address, error))
            }
            StartError::Inherited(address) => write!(
                f,
                "the service manager (LISTEN_FDS) handed over a socket on {address}, but no option names \
                 that address; add one, as in --chat {address}, or call the socket chat, echo or relay"
            ),
            StartError::Limits(LimitsError::LogTooSmall { least }) => {
                write!(f, "--log-size must be at least {least} bytes with this --line-limit")
            }
            StartError::Limits(LimitsError::TooFewRooms) => {
                write!(f, "--rooms is too low: the lobby and each --relay need a room")
            }
            StartError::Limits(error) => error.fmt(f),
            StartError::Descriptors { wanted, most } => write!(
                f,
                "--max-conns is too high: it needs {wanted} descriptors, and the limit (ulimit -Hn) is {most}; \
                 choose a smaller number, or raise the limit"
            ),
            StartError::TooManyListeners => {
                write!(f, "there are more than 250 listeners; leave out some --chat, --echo or --relay")
            }
            StartError::SameName(name) => {
                write!(f, "two listeners are called {name}; give each a name of its own")
            }
            StartError::Memory => {
                write!(
                    f,
                    "--max-conns, --log-size and --rooms ask for more memory than there is; choose smaller \
                     values"
                )
            }
            StartError::NotDurable(option, why) => {
                write!(f, "--durable cannot be used with {option}: {why}; leave one of the two out")
            }
            StartError::Journal(path, error) => {
                write!(f, "the journal {} cannot be used: {error}", path.display())
            }
            StartError::Record(path, error) if error.kind() == io::ErrorKind::AlreadyExists => write!(
                f,
                "cannot record in {}: the file is there already; move it away, or choose another name",
                path.display()
            ),
            StartError::Record(path, error) => {
                write!(f, "cannot record in {}: {}", path.display(), reason(error))
            }
            StartError::System(call, error) => {
                write!(f, "the system refuses what parlour needs ({call}): {}", reason(error))
            }
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            StartError::Listen(_, error) | StartError::Record(_, error) | StartError::System(_, error) => {
                Some(error)
            }
            StartError::Limits(error) => Some(error),
            StartError::Journal(_, error) => Some(error),
            _ => None,
        }
    }
}

/// What an operator can do about an address on which nobody can listen.
fn advice(address: &Address, error: &io::Error) -> &'static str {
    match (address, error.kind()) {
        (Address::Tcp(_), io::ErrorKind::PermissionDenied) => "; ports below 1024 need root",
        (Address::Tcp(_), io::ErrorKind::AddrNotAvailable) => {
            "; this machine has no such address, `ip address` lists those it has"
        }
        (Address::Unix(_), io::ErrorKind::NotFound) => "; make its directory first",
        _ => "",
    }
}
