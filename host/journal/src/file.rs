//! The file: made, checked, and brought to the present schema.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags};

use crate::batch::KeyHash;
use crate::error::JournalError;
use crate::removal::{LAST_CLIENT, LAST_SEQ, last_id};
use crate::schema::{APPLICATION_ID, MIGRATIONS, VERSION};
use crate::state::{set_state, state};

/// How long a reader or the writer waits for the other, where SQLite lets one of them wait.
pub(crate) const BUSY: Duration = Duration::from_secs(5);

/// What a commit waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// Until the disk has it.
    #[default]
    Full,
    /// Only for the system. A power cut may cost the last commits, and leaves the file sound.
    Normal,
}

impl Sync {
    fn word(self) -> &'static str {
        match self {
            Sync::Full => "full",
            Sync::Normal => "normal",
        }
    }
}

/// What a journal knows from before.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The number of the first event that is not in the file.
    pub next_seq: u64,
    /// The number of the first client that is not in the file.
    pub next_client: u64,
    /// The number for the first proposal. No proposal of any journal has it or a higher one.
    pub next_proposal: u64,
    /// The rooms.
    pub rooms: Vec<Room>,
    /// The clients whose session was not over, and the hashes of their keys.
    pub keys: Vec<(u64, KeyHash)>,
    /// Whether the server that wrote it last was stopped in order. If not, the file was checked.
    pub was_clean: bool,
}

/// A room of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Its number in the file.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its topic; empty if it has none.
    pub topic: String,
}

/// A journal that one server writes.
#[derive(Debug)]
pub(crate) struct Writable {
    pub(crate) db: Connection,
    /// Locked, so that nobody else writes the journal. It also shows which file it is.
    pub(crate) lock: File,
}

impl Writable {
    /// Opens a journal to write it, or makes one.
    pub(crate) fn open(path: &Path, sync: Sync) -> Result<(Self, Known), JournalError> {
        // What is said is nobody else's business.
        let mut options = OpenOptions::new();
        let lock = options
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(JournalError::File)?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => JournalError::InUse,
            fs::TryLockError::Error(error) => JournalError::File(error),
        })?;
        let is_new = lock.metadata().map_err(JournalError::File)?.len() == 0;
        if !is_new {
            // Before anything is changed.
            check_kind(&connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?)?;
        }
        let mut db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        db.pragma_update(None, "journal_mode", "wal")?;
        db.pragma_update(None, "synchronous", sync.word())?;
        // What is deleted is gone from the pages of the file, too. No file beside it has a piece of it.
        db.pragma_update(None, "secure_delete", "on")?;
        db.pragma_update(None, "temp_store", "memory")?;
        if is_new {
            db.pragma_update(None, "application_id", APPLICATION_ID)?;
        }
        migrate(&mut db)?;
        let was_clean = is_new || state(&db, "clean")? == Some(1);
        if !was_clean {
            check_integrity(&db)?;
        }
        set_state(&db, "clean", 0)?;
        let known = known(&db, was_clean)?;
        Ok((Self { db, lock }, known))
    }

    /// Whether the name still belongs to the file that was opened.
    pub(crate) fn is_at(&self, path: &Path) -> io::Result<bool> {
        let ours = self.lock.metadata()?;
        match fs::metadata(path) {
            Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Moves the proposals that are left to the messages, after all others. Returns how many there were. Do
    /// this only while no hub is about to say them.
    pub(crate) fn adopt(&mut self) -> rusqlite::Result<u64> {
        let transaction = self.db.transaction()?;
        let seq = next_seq(&transaction)?;
        let count = transaction.execute(
            "INSERT INTO messages (id, seq, time, room, client, name, kind, detail, text) \
             SELECT ?1 + row_number() OVER (ORDER BY id), ?2 + row_number() OVER (ORDER BY id), \
                    time, room, client, name, kind, detail, text \
             FROM proposals ORDER BY id",
            [last_id(&transaction)?, seq - 1],
        )?;
        transaction.execute("DELETE FROM proposals", [])?;
        transaction.commit()?;
        Ok(count as u64)
    }

    /// Notes that everything was written.
    pub(crate) fn close(mut self) -> Result<(), JournalError> {
        self.adopt()?;
        set_state(&self.db, "clean", 1)?;
        self.db.close().map_err(|(_, error)| error.into())
    }
}

/// Opens a journal to read it, also while a server writes it.
///
/// # Errors
/// There is no such journal, or it cannot be read.
pub fn open_to_read(path: &Path) -> Result<Connection, JournalError> {
    // SQLite's own error does not say why. The file must not be opened beforehand: a process that closes a file
    // loses all its POSIX locks on it, those of the writer's connection too. Then the next reader that ends
    // takes the server's WAL away.
    if fs::metadata(path).map_err(JournalError::File)?.is_dir() {
        return Err(JournalError::File(io::ErrorKind::IsADirectory.into()));
    }
    let db = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|error| File::open(path).err().map_or(error, JournalError::File))?;
    check_kind(&db)?;
    Ok(db)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, JournalError> {
    let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(BUSY)?;
    db.set_prepared_statement_cache_capacity(32);
    Ok(db)
}

/// Checks that it is a journal that this parlour understands.
fn check_kind(db: &Connection) -> Result<(), JournalError> {
    let number = |name| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let found = match number("application_id") {
        Ok(found) => found,
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => {
            return Err(JournalError::NotAJournal);
        }
        Err(error) => return Err(error.into()),
    };
    if found != i64::from(APPLICATION_ID) {
        return Err(JournalError::NotAJournal);
    }
    let version = number("user_version")?;
    match u32::try_from(version) {
        Ok(found) if found > VERSION => Err(JournalError::Newer { found, known: VERSION }),
        _ => Ok(()),
    }
}

/// Brings the file to the present schema, one version after the other, each whole or not at all.
fn migrate(db: &mut Connection) -> Result<(), JournalError> {
    let found: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (step, sql) in MIGRATIONS.iter().enumerate().skip(found as usize) {
        let transaction = db.transaction()?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", step as u32 + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

fn check_integrity(db: &Connection) -> Result<(), JournalError> {
    let found: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(JournalError::Damaged(found)) }
}

/// The number of the first event that is not in the file.
fn next_seq(db: &Connection) -> rusqlite::Result<i64> {
    let number = |sql| db.query_row(sql, [], |row| row.get::<_, i64>(0));
    // The newest rows have the highest numbers, up to the rooms of one event.
    let of_messages = number(
        "SELECT coalesce(max(seq), -1) FROM (SELECT seq FROM messages ORDER BY id DESC LIMIT 100000)",
    )?;
    let of_gaps = number("SELECT coalesce(max(last), -1) FROM gaps")?;
    let of_deleted = state(db, LAST_SEQ)?.unwrap_or(-1);
    Ok(of_messages.max(of_gaps).max(of_deleted) + 1)
}

fn known(db: &Connection, was_clean: bool) -> Result<Known, JournalError> {
    let most = |sql| db.query_row(sql, [], |row| row.get::<_, i64>(0));
    let there = most("SELECT coalesce(max(id), 0) FROM clients")?;
    let with_key = most("SELECT coalesce(max(client), 0) FROM keys")?;
    let client = there.max(with_key).max(state(db, LAST_CLIENT)?.unwrap_or(0));
    let mut statement = db.prepare("SELECT id, name, topic FROM rooms ORDER BY id")?;
    let rooms =
        statement.query_map([], |row| Ok(Room { id: row.get(0)?, name: row.get(1)?, topic: row.get(2)? }))?;
    let mut keys = db.prepare("SELECT client, hash FROM keys WHERE length(hash) = 32")?;
    let keys = keys.query_map([], |row| Ok((row.get::<_, i64>(0)? as u64, row.get(1)?)))?;
    Ok(Known {
        next_seq: next_seq(db)? as u64,
        next_client: client as u64 + 1,
        next_proposal: first_proposal(),
        rooms: rooms.collect::<Result<_, _>>()?,
        keys: keys.collect::<Result<_, _>>()?,
        was_clean,
    })
}

/// A server may find the file of another one in place of its own, with proposals in it. So the numbers begin
/// with the time: no server comes to those of a later one, unless it stores a billion lines a second.
fn first_proposal() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since_1970.as_millis() as u64) << 20
}
