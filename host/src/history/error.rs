//! Why a journal cannot be shown.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use parlour_journal::JournalError;

use crate::output::{neutral, reason};

/// The exit code for a wrong command line, the same as clap's.
const USAGE: u8 = 2;

/// Why a journal cannot be shown.
#[derive(Debug)]
pub(super) enum HistoryError {
    Journal(PathBuf, JournalError),
    /// There is no such room, but so many others, of which these are some.
    NoRoom {
        name: String,
        there: Vec<String>,
        count: u64,
    },
    /// There is no such client, but so many others, of which these are some.
    NoClient {
        name: String,
        there: Vec<String>,
        count: u64,
    },
    Output(io::Error),
    /// The reader of a pipe is gone.
    NobodyReads,
}

impl HistoryError {
    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Journal(..) | Self::NoRoom { .. } | Self::NoClient { .. } => ExitCode::from(USAGE),
            Self::Output(_) | Self::NobodyReads => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal(path, JournalError::File(error)) => {
                write!(f, "the journal {} cannot be read: {}", path.display(), reason(error))
            }
            Self::Journal(path, error) => {
                write!(f, "the journal {} cannot be read: {error}", path.display())
            }
            Self::NoRoom { name, there, count } => {
                write!(f, "the journal has no room {}; {}", neutral(name), list("rooms", there, *count))
            }
            Self::NoClient { name, there, count } => {
                let list = list("last clients", there, *count);
                write!(f, "nobody in the journal has been called {}; {list}", neutral(name))
            }
            Self::Output(error) => write!(f, "standard output: {}", reason(error)),
            Self::NobodyReads => f.write_str("nobody reads standard output"),
        }
    }
}

impl Error for HistoryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Journal(_, error) => Some(error),
            Self::Output(error) => Some(error),
            _ => None,
        }
    }
}

/// Names in the journal may be anybody's.
fn list(what: &str, there: &[String], count: u64) -> String {
    if there.is_empty() {
        return "it is empty".to_owned();
    }
    let names = there.join(", ");
    let names = neutral(&names);
    match count - there.len() as u64 {
        0 => format!("its {what} are {names}"),
        others => format!("its {what} are {names}, and {others} more"),
    }
}
