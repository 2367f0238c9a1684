//! The file in which parlour keeps what is said (`--journal`). This only reads it, also while the server writes.

use std::path::{Path, PathBuf};

use parlour_journal::{JournalError, open_to_read};
use rusqlite::{Connection, Row};

use crate::error::BenchError;

/// The journal of a server.
#[derive(Debug)]
pub(crate) struct JournalFile {
    db: Connection,
    path: PathBuf,
}

/// A message of the file.
#[derive(Debug)]
pub(crate) struct Message {
    /// Its row. Later rows have higher numbers.
    pub(crate) row: i64,
    /// The client that said it; 0 if it was none.
    pub(crate) author: i64,
    /// The bytes that it sent, with LF.
    pub(crate) bytes: Vec<u8>,
}

impl JournalFile {
    pub(crate) fn open(path: &Path) -> Result<Self, BenchError> {
        let db = open_to_read(path).map_err(|error| BenchError::Journal(path.to_owned(), error))?;
        Ok(Self { db, path: path.to_owned() })
    }

    /// The last row of the file; 0 if there is none. It takes no time, however large the file is.
    pub(crate) fn last_row(&self) -> Result<i64, BenchError> {
        let sql = "SELECT coalesce(max(id), 0) FROM messages";
        self.db.query_row(sql, [], |row| row.get(0)).map_err(|error| self.failed(error))
    }

    /// Calls `each` with all messages behind this row. Returns the last row.
    pub(crate) fn read(&self, behind: i64, mut each: impl FnMut(&Message)) -> Result<i64, BenchError> {
        let sql = "SELECT id, coalesce(client, 0), kind, text FROM messages \
                   WHERE id > ?1 AND kind IN ('say', 'action', 'raw') ORDER BY id";
        let mut read = || {
            let mut last = behind;
            let mut statement = self.db.prepare_cached(sql)?;
            for message in statement.query_map([behind], message)? {
                let message = message?;
                each(&message);
                last = message.row;
            }
            Ok(last)
        };
        read().map_err(|error| self.failed(error))
    }

    fn failed(&self, error: rusqlite::Error) -> BenchError {
        BenchError::Journal(self.path.clone(), JournalError::Sqlite(error))
    }
}

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    let kind: String = row.get(2)?;
    let mut bytes: Vec<u8> = row.get(3)?;
    // Relays and echo listeners pass on bytes as they are.
    if kind != "raw" {
        bytes.push(b'\n');
    }
    Ok(Message { row: row.get(0)?, author: row.get(1)?, bytes })
}
