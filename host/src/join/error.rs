//! Why the client cannot start or go on.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::address::{Address, NoAddress};
use crate::output::reason;

/// The exit code for a wrong command line, the same as clap's.
const USAGE: u8 = 2;

/// Why the client cannot start or go on.
#[derive(Debug)]
pub(super) enum JoinError {
    Address(NoAddress),
    Connect(Address, io::Error),
    /// Standard input or output failed, or waiting for them.
    Streams(io::Error),
}

impl JoinError {
    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Address(_) => ExitCode::from(USAGE),
            Self::Connect(..) | Self::Streams(_) => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(why) => write!(f, "error: {why}"),
            Self::Connect(address, error) => write!(f, "Unable to connect to {address}: {}", reason(error)),
            Self::Streams(error) => write!(f, "parlour: standard input and output: {}", reason(error)),
        }
    }
}

impl Error for JoinError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Address(error) => Some(error),
            Self::Connect(_, error) | Self::Streams(error) => Some(error),
        }
    }
}
