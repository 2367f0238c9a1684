//! Why no copy was made, for people.

use std::path::Path;
use std::process::ExitCode;

use parlour_journal::{BackupError, JournalError};

use crate::output::reason;

/// The exit code for a wrong command line, the same as clap's.
const USAGE: u8 = 2;

pub(super) fn exit_code(error: &BackupError) -> ExitCode {
    match error {
        BackupError::File(..) | BackupError::Interrupted => ExitCode::FAILURE,
        BackupError::Journal(_)
        | BackupError::Exists(_)
        | BackupError::Unfinished(_)
        | BackupError::InUse(_)
        | BackupError::Same => ExitCode::from(USAGE),
    }
}

pub(super) fn text(error: &BackupError, journal: &Path) -> String {
    let journal = journal.display();
    match error {
        BackupError::Journal(JournalError::File(error)) => {
            format!("the journal {journal} cannot be read: {}", reason(error))
        }
        BackupError::Journal(error) => format!("the journal {journal} cannot be read: {error}"),
        BackupError::Exists(path) => {
            format!("{} is there already; choose another name, or replace it with --force", path.display())
        }
        BackupError::Unfinished(path) => format!(
            "{} is there already: another backup writes it, or one was killed; if none runs, delete it",
            path.display()
        ),
        BackupError::InUse(path) => {
            format!("{} belongs to another database; choose another name for the copy", path.display())
        }
        BackupError::Same => {
            format!("the copy would replace the journal {journal} itself; choose another name")
        }
        BackupError::File(path, error) => {
            format!("the copy {} cannot be written: {}", path.display(), reason(error))
        }
        BackupError::Interrupted => "interrupted; no copy was made".to_owned(),
    }
}
