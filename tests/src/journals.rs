//! Journals on the disk, and what is in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use crate::lines::PATIENCE;
use crate::server::{Server, binary};

/// A folder, and the path of a journal in it.
///
/// # Panics
/// If there is no place for one.
#[must_use]
pub fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.db");
    (folder, path)
}

/// A path as an argument.
///
/// # Panics
/// If it is not UTF-8.
#[must_use]
pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path of UTF-8")
}

/// All rows of a question, as text.
///
/// # Panics
/// If the journal does not answer.
#[must_use]
pub fn rows(path: &Path, sql: &str) -> Vec<String> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("a journal");
    db.busy_timeout(PATIENCE).expect("a time");
    let mut statement = db.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.map(|row| row.unwrap_or_else(|error| panic!("{sql}: {error}"))).collect()
}

/// Asks again until the answer is right.
///
/// # Panics
/// If it stays wrong.
pub fn wait_for_rows(path: &Path, sql: &str, wanted: &[&str]) {
    let start = Instant::now();
    while rows(path, sql) != wanted {
        assert!(start.elapsed() < PATIENCE, "{sql}: {:?} instead of {wanted:?}", rows(path, sql));
        thread::sleep(Duration::from_millis(10));
    }
}

/// A server whose journal is on a disk of 2 MiB. The disk is mounted where only the server sees it.
#[derive(Debug)]
pub struct SmallDisk {
    /// The server.
    pub server: Server,
    folder: TempDir,
    /// The disk, as this process sees it.
    disk: PathBuf,
}

impl SmallDisk {
    /// Starts a server with these arguments.
    ///
    /// # Panics
    /// If nothing can be mounted.
    #[must_use]
    pub fn start(args: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("unshare");
        let disk = folder.path().join("disk");
        fs::create_dir(&disk).expect("a folder");
        let script = format!(
            "mount -t tmpfs -o size=2m none '{0}' && exec '{1}' serve --journal '{0}/journal.db' \"$@\"",
            disk.display(),
            binary().display()
        );
        command.args(["-rm", "sh", "-c", &script, "parlour"]).args(args).stdin(Stdio::null());
        let server = Server::launch(command);
        let disk = PathBuf::from(format!("/proc/{}/root{}", server.pid(), disk.display()));
        Self { server, folder, disk }
    }

    /// Leaves no place on the disk, whatever the journal has by now.
    pub fn fill(&self) {
        let _ = fs::write(self.disk.join("filler"), vec![0; 2 << 20]);
    }

    /// Gives the place back.
    ///
    /// # Panics
    /// If the disk was not filled.
    pub fn empty(&self) {
        fs::remove_file(self.disk.join("filler")).expect("the filler is there");
    }

    /// All rows of a question to a copy of the journal, as it is now.
    ///
    /// # Panics
    /// If it cannot be copied.
    #[must_use]
    pub fn rows(&self, sql: &str) -> Vec<String> {
        let copy = self.folder.path().join("copy.db");
        for end in ["", "-wal", "-shm"] {
            let copied = fs::copy(
                format!("{}{end}", self.disk.join("journal.db").display()),
                format!("{}{end}", copy.display()),
            );
            assert!(copied.is_ok(), "{copied:?}");
        }
        rows(&copy, sql)
    }
}
