//! The whole journal in the order in which it was written, for people. It is read a piece at a time, so a reader
//! that is slow needs no memory and does not keep the writer's WAL from being emptied.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use crate::batch::Gap;
use crate::error::JournalError;
use crate::file::open_to_read;
use crate::search::Search;
use crate::spans;
use crate::state::state;
use crate::stored::{COLUMNS, IS_THERE, Stored};

/// The most rows that are looked at in one piece, and the most bytes of texts, besides one.
const MOST_ROWS: i64 = 2_048;
const MOST_BYTES: usize = 256 * 1024;

/// What is wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only what was said in the room with this number.
    pub room: Option<i64>,
    /// Only what these clients have said.
    pub client: Option<Author>,
    /// Only what happened at this time or later, in ms since 1970.
    pub since: Option<i64>,
    /// Only what happened before this time, in ms since 1970.
    pub until: Option<i64>,
    /// Only messages with all these words.
    pub words: Option<String>,
    /// Also what else happened, such as who came and went.
    pub has_events: bool,
}

/// Clients.
#[derive(Clone, Debug)]
pub enum Author {
    /// The client with this number.
    Number(i64),
    /// All clients that have ever been called so.
    Name(String),
}

/// A client of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its number.
    pub id: i64,
    /// What it was called last.
    pub name: String,
}

/// Something in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Something that was said or that happened in the room of this name.
    Said(String, Stored),
    /// Something is missing.
    Gap(Gap),
}

/// A journal that is read from its beginning to its end, and on when more is written.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    /// The device and the number of the file.
    identity: (u64, u64),
    db: Connection,
    filter: Filter,
    search: Option<Search>,
    /// The last row that was looked at.
    at: i64,
    /// The last row of all, when it was looked at last.
    end: i64,
    /// The last row that was looked at for clients of the wanted name.
    named: i64,
    /// The last gap that was told.
    gap: i64,
    /// SQLite's number for what others have written.
    version: Option<i64>,
}

impl History {
    /// Opens a journal, also while a server writes it.
    ///
    /// # Errors
    /// There is no such journal, or it cannot be read.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let db = open_to_read(path)?;
        let identity = identity(path).map_err(JournalError::File)?;
        Ok(Self {
            path: path.to_owned(),
            identity,
            db,
            filter: Filter::default(),
            search: None,
            at: 0,
            end: 0,
            named: 0,
            gap: 0,
            version: None,
        })
    }

    /// The number of a room.
    ///
    /// # Errors
    /// SQLite cannot read it.
    pub fn room(&self, name: &str) -> Result<Option<i64>, JournalError> {
        let sql = "SELECT id FROM rooms WHERE name = ?1";
        Ok(self.db.query_row(sql, [name], |row| row.get(0)).optional()?)
    }

    /// The names of the first rooms, and how many rooms there are.
    ///
    /// # Errors
    /// SQLite cannot read it.
    pub fn rooms(&self, most: u32) -> Result<(Vec<String>, u64), JournalError> {
        let mut statement = self.db.prepare("SELECT name FROM rooms ORDER BY id LIMIT ?1")?;
        let names = statement.query_map([most], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok((names, self.count("SELECT count(*) FROM rooms")?))
    }

    /// The client with this number.
    ///
    /// # Errors
    /// SQLite cannot read it.
    pub fn client(&self, id: i64) -> Result<Option<Client>, JournalError> {
        Ok(self.db.query_row("SELECT id, name FROM clients WHERE id = ?1", [id], client).optional()?)
    }

    /// The clients that were seen last, and how many there are.
    ///
    /// # Errors
    /// SQLite cannot read it.
    pub fn clients(&self, most: u32) -> Result<(Vec<Client>, u64), JournalError> {
        let sql = "SELECT id, name FROM clients ORDER BY id DESC LIMIT ?1";
        let mut statement = self.db.prepare(sql)?;
        let clients = statement.query_map([most], client)?.collect::<Result<_, _>>()?;
        Ok((clients, self.count("SELECT count(*) FROM clients")?))
    }

    fn count(&self, sql: &str) -> Result<u64, JournalError> {
        Ok(self.db.query_row(sql, [], |row| row.get::<_, i64>(0))? as u64)
    }

    /// Sets what is wanted, before anything is read. Returns whether there are such clients.
    ///
    /// # Errors
    /// SQLite cannot read it.
    pub fn select(&mut self, filter: Filter) -> Result<bool, JournalError> {
        self.search = filter.words.as_deref().map(Search::new).transpose()?;
        self.filter = filter;
        // The table of this connection alone is in memory.
        self.db.execute_batch(
            "PRAGMA temp_store = memory; CREATE TEMP TABLE chosen (id INTEGER PRIMARY KEY) STRICT",
        )?;
        match &self.filter.client {
            None => return Ok(true),
            Some(Author::Number(id)) => {
                self.db.execute("INSERT INTO temp.chosen SELECT id FROM clients WHERE id = ?1", [id])?;
            }
            Some(Author::Name(_)) => {
                let end = self.last_row()?;
                self.choose(end)?;
            }
        }
        Ok(self.count("SELECT count(*) FROM temp.chosen")? > 0)
    }

    /// Looks for clients of the wanted name in all rows up to `end`. There may always be more of them: each
    /// connection is a client.
    fn choose(&mut self, end: i64) -> rusqlite::Result<()> {
        if let Some(Author::Name(name)) = &self.filter.client {
            let mut insert = self.db.prepare_cached(
                "INSERT OR IGNORE INTO temp.chosen SELECT client FROM messages \
                 WHERE id > ?1 AND id <= ?2 AND client IS NOT NULL \
                 AND (name = ?3 OR (kind = 'nick' AND text = CAST(?3 AS BLOB)))",
            )?;
            insert.execute((self.named, end, name))?;
            self.named = end;
        }
        Ok(())
    }

    fn last_row(&self) -> rusqlite::Result<i64> {
        self.db.prepare_cached("SELECT coalesce(max(id), 0) FROM messages")?.query_row([], |row| row.get(0))
    }

    /// How many rows were looked at, and how many there were then.
    pub fn position(&self) -> (u64, u64) {
        (self.at as u64, self.end as u64)
    }

    /// Adds the next piece of what is wanted to `items`, which may be nothing. Returns whether there is more.
    ///
    /// # Errors
    /// SQLite cannot read it.
    pub fn read(&mut self, items: &mut Vec<Item>) -> Result<bool, JournalError> {
        self.db.execute_batch("BEGIN")?;
        let has_more = self.read_piece(items)?;
        // Only the table of the wanted clients was changed.
        self.db.execute_batch("COMMIT")?;
        Ok(has_more)
    }

    fn read_piece(&mut self, items: &mut Vec<Item>) -> rusqlite::Result<bool> {
        self.end = self.last_row()?;
        if self.end > self.named {
            self.choose(self.end)?;
        }
        let mut said = Vec::new();
        let end = self.end;
        let indexed = if self.search.is_some() { state(&self.db, "indexed")?.unwrap_or(0) } else { 0 };
        if self.search.is_some() && self.at < indexed {
            self.at = self.read_rows(true, indexed, &mut said)?;
        } else {
            self.skip_other_times()?;
            self.at = self.read_rows(false, end.min(self.at + MOST_ROWS), &mut said)?;
            if let Some(search) = &self.search {
                search.retain(&mut said)?;
            }
        }
        let has_more = self.at < end;
        for (_, room, stored) in said {
            if self.search.is_none() {
                self.read_gaps(stored.seq as i64, items)?;
            }
            items.push(Item::Said(room, stored));
        }
        if !has_more && self.search.is_none() {
            self.read_gaps(i64::MAX, items)?;
        }
        Ok(has_more)
    }

    /// Goes on where the next rows of the wanted time may be.
    fn skip_other_times(&mut self) -> rusqlite::Result<()> {
        let Filter { since, until, .. } = self.filter;
        if since.is_some() || until.is_some() {
            let next = spans::next(&self.db, self.at, since, until)?;
            let before = next.map_or_else(|| spans::end(&self.db), |span| Ok(span.first - 1))?;
            self.at = self.at.max(before);
        }
        Ok(())
    }

    /// Reads the wanted rows up to the row `end`, or as many as there may be. Returns up to which row that was.
    fn read_rows(
        &self,
        is_search: bool,
        end: i64,
        said: &mut Vec<(i64, String, Stored)>,
    ) -> rusqlite::Result<i64> {
        let mut statement = self.db.prepare_cached(&self.sql(is_search))?;
        let query = self.search.as_ref().filter(|_| is_search).map(Search::query);
        let mut rows = statement.query(named_params! {
            ":at": self.at,
            ":end": end,
            ":room": self.filter.room,
            ":since": self.filter.since,
            ":until": self.filter.until,
            ":words": query,
            ":has_events": self.filter.has_events && self.search.is_none(),
            ":any_client": self.filter.client.is_none(),
        })?;
        let mut size = 0;
        while let Some(row) = rows.next()? {
            let (id, stored) = (row.get(7)?, Stored::from_row(row)?);
            size += stored.text.len();
            said.push((id, row.get(8)?, stored));
            if size >= MOST_BYTES || said.len() as i64 >= MOST_ROWS {
                return Ok(id);
            }
        }
        Ok(end)
    }

    /// The tables are joined in this order, and by their row numbers, so nothing has to be sorted.
    fn sql(&self, is_search: bool) -> String {
        let (tables, row) = if is_search {
            ("words CROSS JOIN messages ON messages.id = words.rowid", "words MATCH :words AND words.rowid")
        } else {
            ("messages", ":words IS NULL AND messages.id")
        };
        let (_, number) = row.rsplit_once(' ').unwrap_or_default();
        format!(
            "SELECT {COLUMNS}, messages.id, rooms.name FROM {tables} CROSS JOIN rooms ON rooms.id = messages.room \
             WHERE {row} > :at AND {number} <= :end \
             AND (:room IS NULL OR messages.room = :room) \
             AND (:any_client OR messages.client IN (SELECT id FROM temp.chosen)) \
             AND (:since IS NULL OR messages.time >= :since) AND (:until IS NULL OR messages.time < :until) \
             AND {IS_THERE} AND (:has_events OR messages.kind IN ('say', 'action', 'raw')) ORDER BY {number}"
        )
    }

    /// Adds the gaps that begin before the event `before`.
    fn read_gaps(&mut self, before: i64, items: &mut Vec<Item>) -> rusqlite::Result<()> {
        let mut statement = self.db.prepare_cached(
            "SELECT rowid, first, last, records, messages, time FROM gaps \
             WHERE rowid > ?1 ORDER BY rowid LIMIT 1",
        )?;
        loop {
            let next = statement.query_row([self.gap], |row| {
                let number = |index| row.get::<_, i64>(index).map(|number| number as u64);
                let [first, last] = [number(1)?, number(2)?];
                let [records, messages, unix_ms] = [number(3)?, number(4)?, number(5)?];
                Ok((row.get(0)?, Gap { first, last, records, messages, unix_ms }))
            });
            let Some((row, gap)) = next.optional()?.filter(|(_, gap)| (gap.first as i64) < before) else {
                return Ok(());
            };
            self.gap = row;
            let Filter { since, until, has_events, .. } = self.filter;
            let time = gap.unix_ms as i64;
            let is_in_time =
                since.is_none_or(|since| time >= since) && until.is_none_or(|until| time < until);
            if is_in_time && (has_events || gap.messages > 0) {
                items.push(Item::Gap(gap));
            }
        }
    }

    /// Whether others have written since the last time that this was asked.
    ///
    /// # Errors
    /// The file was deleted or replaced, or SQLite cannot read it.
    pub fn has_changed(&mut self) -> Result<bool, JournalError> {
        if identity(&self.path).ok() != Some(self.identity) {
            return Err(JournalError::Gone);
        }
        let version = Some(self.db.pragma_query_value(None, "data_version", |row| row.get(0))?);
        Ok(std::mem::replace(&mut self.version, version) != version)
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn client(row: &Row<'_>) -> rusqlite::Result<Client> {
    Ok(Client { id: row.get(0)?, name: row.get(1)? })
}
