//! A copy of a journal, also while a server writes it. `VACUUM INTO` makes it: all of one moment, without free pages,
//! and in one file. SQLite's backup API begins again whenever the server writes, and copies free pages too.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, InterruptHandle};

use crate::error::JournalError;
use crate::file::open_to_read;

/// Why no copy was made.
#[derive(Debug)]
pub enum BackupError {
    /// The journal cannot be read.
    Journal(JournalError),
    /// There is such a file already.
    Exists(PathBuf),
    /// A file for the copy was left by a backup that was killed, or another backup writes it.
    Unfinished(PathBuf),
    /// This file belongs to a database of the name that the copy would get.
    InUse(PathBuf),
    /// The copy would replace the journal itself.
    Same,
    /// The copy cannot be written.
    File(PathBuf, io::Error),
    /// It was interrupted.
    Interrupted,
}

/// A copy that is being made. Until it is whole, it has another name, and is deleted if it does not become whole.
#[derive(Debug)]
pub struct Backup {
    db: Connection,
    to: PathBuf,
    part: PathBuf,
    file: File,
    replaces: bool,
}

impl Backup {
    /// Prepares a copy. `replaces`: a file with the name of the copy may be there, and is replaced.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn prepare(from: &Path, to: &Path, replaces: bool) -> Result<Self, BackupError> {
        let db = open_to_read(from).map_err(BackupError::Journal)?;
        let error = |path: &Path| {
            let path = path.to_owned();
            move |error| BackupError::File(path, error)
        };
        match fs::symlink_metadata(to) {
            Err(found) if found.kind() == io::ErrorKind::NotFound => {}
            Err(found) => return Err(error(to)(found)),
            Ok(_) if !replaces => return Err(BackupError::Exists(to.to_owned())),
            Ok(there) => {
                let from = fs::metadata(from).map_err(error(from))?;
                if (there.dev(), there.ino()) == (from.dev(), from.ino()) {
                    return Err(BackupError::Same);
                }
            }
        }
        // SQLite would take these for the copy's own.
        for end in ["-wal", "-journal"] {
            let beside = beside(to, end);
            if fs::symlink_metadata(&beside).is_ok() {
                return Err(BackupError::InUse(beside));
            }
        }
        let part = beside(to, ".part");
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
        let file = made.map_err(|found| match found.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Unfinished(part.clone()),
            _ => BackupError::File(part.clone(), found),
        })?;
        Ok(Self { db, to: to.to_owned(), part, file, replaces })
    }

    /// Interrupts [`Backup::run`], from another thread.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.db.get_interrupt_handle()
    }

    /// The file that is written until the copy is whole.
    pub fn part(&self) -> &Path {
        &self.part
    }

    /// About how many bytes the copy will have.
    ///
    /// # Errors
    /// SQLite cannot read it.
    pub fn size(&self) -> Result<u64, BackupError> {
        let number = |name| self.db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let size = || Ok((number("page_count")? - number("freelist_count")?) * number("page_size")?);
        size()
            .map(|size: i64| size as u64)
            .map_err(|error: rusqlite::Error| BackupError::Journal(error.into()))
    }

    /// Makes the copy.
    ///
    /// # Errors
    /// There is no copy, and no piece of one.
    pub fn run(self) -> Result<(), BackupError> {
        let name = self.part.to_str().ok_or_else(|| {
            BackupError::File(self.part.clone(), io::Error::new(io::ErrorKind::InvalidFilename, "not UTF-8"))
        })?;
        self.db.execute("VACUUM INTO ?1", [name]).map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::OperationInterrupted) => BackupError::Interrupted,
            Some(rusqlite::ErrorCode::DiskFull) => {
                BackupError::File(self.part.clone(), io::ErrorKind::StorageFull.into())
            }
            _ => BackupError::Journal(error.into()),
        })?;
        let error = |error| BackupError::File(self.to.clone(), error);
        self.file.sync_all().map_err(error)?;
        if self.replaces {
            fs::rename(&self.part, &self.to).map_err(error)?;
        } else {
            // Unlike a new name, a link replaces nothing that has come meanwhile.
            fs::hard_link(&self.part, &self.to).map_err(|found| match found.kind() {
                io::ErrorKind::AlreadyExists => BackupError::Exists(self.to.clone()),
                _ => error(found),
            })?;
        }
        let folder = self.to.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = File::open(folder.unwrap_or(Path::new("."))).map_err(error)?;
        // Some systems cannot do that with a folder.
        let _ = folder.sync_all();
        Ok(())
    }
}

impl Drop for Backup {
    /// The copy has its name by now, or is not whole.
    fn drop(&mut self) {
        for end in ["", "-journal"] {
            let _ = fs::remove_file(beside(&self.part, end));
        }
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}
