//! What can be wrong with a journal.

use std::error::Error;
use std::fmt;
use std::io;

/// Why a journal cannot be used.
#[derive(Debug)]
pub enum JournalError {
    /// The file cannot be opened or made.
    File(io::Error),
    /// Another server writes this journal.
    InUse,
    /// The file is something else.
    NotAJournal,
    /// A newer parlour made the file.
    Newer {
        /// The version of the file's schema.
        found: u32,
        /// The newest version that this parlour knows.
        known: u32,
    },
    /// The server that wrote the file was not stopped in order, and the file is damaged. This is what SQLite says.
    Damaged(String),
    /// The file was deleted, or another one has its name.
    Gone,
    /// SQLite cannot do it.
    Sqlite(rusqlite::Error),
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::InUse => f.write_str("another server writes this journal"),
            Self::NotAJournal => f.write_str("this file is not a journal of parlour"),
            Self::Newer { found, known } => {
                write!(
                    f,
                    "a newer parlour made this journal: its schema is {found}, and this one knows {known}"
                )
            }
            Self::Damaged(what) => write!(f, "the file is damaged: {what}"),
            Self::Gone => f.write_str("the file was deleted or replaced"),
            Self::Sqlite(error) => error.fmt(f),
        }
    }
}

impl Error for JournalError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File(error) => error.source(),
            Self::Sqlite(error) => error.source(),
            _ => None,
        }
    }
}

impl From<rusqlite::Error> for JournalError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}
