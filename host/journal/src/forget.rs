//! `/forget`: all that one client has said leaves the file, and its pages. Nothing of it may be left in the bytes
//! of the file, nor in the WAL. What is begun is noted in the table `state`, so the next server ends it.
//!
//! 1. The texts are overwritten where they stand. Only then are the rows deleted, because SQLite moves rows
//!    when others are deleted, and may leave a copy behind.
//! 2. The full-text index is written anew, a piece at a time. Until then it has the words, marked as deleted.
//! 3. All is moved from the WAL into the file, and the WAL is cut off.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension};

use crate::file::BUSY;
use crate::history::Client;
use crate::removal::{delete_client, delete_messages, last_id, numbers, take_words};
use crate::state::{set_state, state};

/// How many messages are taken between two looks at the clock, and pages of the index in one piece.
const AT_ONCE: i64 = 64;
const PAGES: i64 = 64;
/// How long to wait after a failure, or for readers.
const AGAIN: Duration = Duration::from_millis(200);
/// The most clients of one name that are told.
const MOST_CLIENTS: i64 = 10;

/// Whom to forget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// The client with this number.
    Number(i64),
    /// The client that was called so last.
    Name(String),
}

/// A client that may be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its number and its name.
    pub client: Client,
    /// Where it came from.
    pub address: String,
    /// When it was seen last, in ms since 1970.
    pub last_seen: i64,
}

/// What became of it.
#[derive(Debug)]
pub enum Forgot {
    /// There is no such client.
    Nobody(Whom),
    /// Several clients were called so: some of them, the newest first, and how many there are.
    Several(String, Vec<Candidate>, u64),
    /// It has begun.
    Begun(Client),
    /// It cannot be done now. It is tried again.
    Failed(rusqlite::Error),
    /// These clients are gone from the file, and the topics that they had set in the rooms of these numbers.
    Done(Vec<Client>, Vec<i64>),
}

/// A client whose messages up to a number are taken out.
#[derive(Debug)]
struct Job {
    client: Client,
    last_id: i64,
    /// Where the texts are overwritten next: `seq` and `id`. `None`: all are.
    at: Option<(i64, i64)>,
}

/// What comes after the jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scrub {
    Nothing,
    BeginMerge,
    Merge,
    Checkpoint,
}

#[derive(Debug)]
pub(crate) struct Forgetting {
    wishes: VecDeque<Whom>,
    jobs: VecDeque<Job>,
    scrub: Scrub,
    /// Clients whose rows are gone.
    ended: Vec<Client>,
    /// Rooms that have lost their topic.
    topics: Vec<i64>,
    /// Whether it knows what the last server had begun.
    is_loaded: bool,
    next_at: Option<Instant>,
    has_failed: bool,
}

impl Forgetting {
    pub(crate) fn new() -> Self {
        Self {
            wishes: VecDeque::new(),
            jobs: VecDeque::new(),
            scrub: Scrub::Nothing,
            ended: Vec::new(),
            topics: Vec::new(),
            is_loaded: false,
            next_at: Some(Instant::now()),
            has_failed: false,
        }
    }

    pub(crate) fn wish(&mut self, whom: Whom) {
        self.wishes.push_back(whom);
        self.next_at = Some(Instant::now());
    }

    /// When there is something to do.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.next_at
    }

    /// Does a piece, until `until`. Returns what there is to tell. `gone`: clients that have no view any more.
    pub(crate) fn step(
        &mut self,
        db: &mut Connection,
        until: Instant,
        gone: &mut Vec<i64>,
    ) -> Option<Forgot> {
        match self.work(db, until, gone) {
            Ok(told) => {
                self.has_failed = false;
                let has_more =
                    !self.wishes.is_empty() || !self.jobs.is_empty() || self.scrub != Scrub::Nothing;
                let now = Instant::now();
                let waits = self.jobs.is_empty() && self.scrub == Scrub::Checkpoint;
                self.next_at = has_more.then_some(if waits { now + AGAIN } else { now });
                told
            }
            Err(error) => {
                self.next_at = Some(Instant::now() + 5 * AGAIN);
                (!std::mem::replace(&mut self.has_failed, true)).then_some(Forgot::Failed(error))
            }
        }
    }

    fn work(
        &mut self,
        db: &mut Connection,
        until: Instant,
        gone: &mut Vec<i64>,
    ) -> rusqlite::Result<Option<Forgot>> {
        if !self.is_loaded {
            for id in numbers(db, "SELECT value FROM state WHERE key GLOB 'forget *'", [])? {
                let name = String::new();
                self.jobs.push_back(Job {
                    client: Client { id, name },
                    last_id: i64::MAX,
                    at: Some((-1, 0)),
                });
            }
            self.is_loaded = true;
        }
        if let Some(whom) = self.wishes.front() {
            let told = self.begin(db, whom.clone())?;
            self.wishes.pop_front();
            return Ok(Some(told));
        }
        if let Some(job) = self.jobs.front_mut() {
            let transaction = db.transaction()?;
            let mut at = job.at;
            let mut is_done = false;
            while !is_done && Instant::now() < until {
                match at {
                    Some(from) => at = overwrite(&transaction, job, from, &mut self.topics)?,
                    None => is_done = delete(&transaction, job, gone)?,
                }
            }
            transaction.commit()?;
            job.at = at;
            if is_done {
                self.ended.extend(self.jobs.pop_front().map(|job| job.client));
                self.scrub = Scrub::BeginMerge;
            }
            return Ok(None);
        }
        self.scrub(db)
    }

    /// Finds out who is meant.
    fn begin(&mut self, db: &mut Connection, whom: Whom) -> rusqlite::Result<Forgot> {
        let (condition, value): (_, &dyn rusqlite::ToSql) = match &whom {
            Whom::Number(id) => ("id = ?1", id),
            Whom::Name(name) => ("name = ?1 COLLATE NOCASE", name),
        };
        let count: i64 =
            db.query_row(&format!("SELECT count(*) FROM clients WHERE {condition}"), [value], |row| {
                row.get(0)
            })?;
        let sql = format!(
            "SELECT id, name, address, last_seen FROM clients WHERE {condition} ORDER BY id DESC LIMIT {MOST_CLIENTS}"
        );
        let mut statement = db.prepare(&sql)?;
        let candidates = statement.query_map([value], |row| {
            let client = Client { id: row.get(0)?, name: row.get(1)? };
            Ok(Candidate { client, address: row.get(2)?, last_seen: row.get(3)? })
        })?;
        let candidates: Vec<_> = candidates.collect::<Result<_, _>>()?;
        drop(statement);
        match (&candidates[..], whom) {
            ([], whom) => Ok(Forgot::Nobody(whom)),
            ([Candidate { client, .. }], _) => {
                set_state(db, &format!("forget {}", client.id), client.id)?;
                let job = Job { client: client.clone(), last_id: last_id(db)?, at: Some((-1, 0)) };
                self.jobs.push_back(job);
                Ok(Forgot::Begun(client.clone()))
            }
            (_, Whom::Name(name)) => Ok(Forgot::Several(name, candidates, count as u64)),
            (_, Whom::Number(_)) => unreachable!("a number names one client"),
        }
    }

    /// Takes what was deleted out of the full-text index, and then out of the WAL.
    fn scrub(&mut self, db: &Connection) -> rusqlite::Result<Option<Forgot>> {
        match self.scrub {
            Scrub::Nothing => {}
            Scrub::BeginMerge => {
                // A negative number puts all parts of the index together.
                merge(db, -PAGES)?;
                self.scrub = Scrub::Merge;
            }
            Scrub::Merge => {
                if !merge(db, PAGES)? {
                    self.scrub = Scrub::Checkpoint;
                }
            }
            Scrub::Checkpoint => {
                // Messages must not wait for readers.
                db.busy_timeout(Duration::ZERO)?;
                let is_busy =
                    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
                db.busy_timeout(BUSY)?;
                if !is_busy? {
                    for client in &self.ended {
                        db.execute("DELETE FROM state WHERE key = ?1", [format!("forget {}", client.id)])?;
                    }
                    self.scrub = Scrub::Nothing;
                    let ended = std::mem::take(&mut self.ended);
                    return Ok(Some(Forgot::Done(ended, std::mem::take(&mut self.topics))));
                }
            }
        }
        Ok(None)
    }
}

/// Returns whether there is more to do.
fn merge(db: &Connection, pages: i64) -> rusqlite::Result<bool> {
    let before = db.total_changes();
    db.prepare_cached("INSERT INTO words (words, rank) VALUES ('merge', ?1)")?.execute([pages])?;
    Ok(db.total_changes() - before >= 2)
}

/// Overwrites the texts of a few messages where they stand. Returns where it goes on.
fn overwrite(
    db: &Connection,
    job: &Job,
    from: (i64, i64),
    topics: &mut Vec<i64>,
) -> rusqlite::Result<Option<(i64, i64)>> {
    const DASHES: &str = "replace(hex(zeroblob(length(CAST({} AS BLOB)))), '00', '-')";
    let dashes = |column| DASHES.replace("{}", column);
    if from.0 < 0 {
        let sql = format!(
            "UPDATE clients SET name = {}, address = {} WHERE id = ?1",
            dashes("name"),
            dashes("address")
        );
        db.execute(&sql, [job.client.id])?;
        db.execute("DELETE FROM keys WHERE client = ?1", [job.client.id])?;
    }
    let indexed = state(db, "indexed")?.unwrap_or(0);
    let mut select = db.prepare_cached(
        "SELECT seq, id FROM messages WHERE client = ?1 AND (seq, id) > (?2, ?3) AND id <= ?4 \
         ORDER BY seq, id LIMIT ?5",
    )?;
    let rows = select.query_map((job.client.id, from.0, from.1, job.last_id, AT_ONCE), |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    let rows: Vec<(i64, i64)> = rows.collect::<Result<_, _>>()?;
    // Of the same length, so it stands in the same place.
    let sql = format!(
        "UPDATE messages SET text = zeroblob(length(text)), name = {}, kind = {} WHERE id = ?1",
        dashes("name"),
        dashes("kind")
    );
    for (_, id) in &rows {
        take_words(db, *id, indexed)?;
        topics.extend(take_topic(db, *id)?);
        db.prepare_cached(&sql)?.execute([id])?;
    }
    Ok(rows.last().copied().filter(|_| rows.len() as i64 == AT_ONCE))
}

/// If a message is the topic of its room, the room has none any more. Returns that room.
fn take_topic(db: &Connection, id: i64) -> rusqlite::Result<Option<i64>> {
    let mut topic = db.prepare_cached(
        "SELECT rooms.id FROM messages JOIN rooms ON rooms.id = room \
         WHERE messages.id = ?1 AND kind = 'topic' AND topic = CAST(text AS TEXT)",
    )?;
    let room: Option<i64> = topic.query_row([id], |row| row.get(0)).optional()?;
    if let Some(room) = room {
        db.execute("UPDATE rooms SET topic = '' WHERE id = ?1", [room])?;
    }
    Ok(room)
}

/// Deletes a few messages that were overwritten, and at last the client. Returns whether all are gone.
fn delete(db: &Connection, job: &Job, gone: &mut Vec<i64>) -> rusqlite::Result<bool> {
    let sql =
        "SELECT id FROM messages WHERE client = ?1 AND id <= ?2 AND kind LIKE '-%' ORDER BY seq LIMIT ?3";
    let ids = numbers(db, sql, (job.client.id, job.last_id, AT_ONCE))?;
    delete_messages(db, &ids)?;
    if ids.len() as i64 == AT_ONCE {
        return Ok(false);
    }
    if delete_client(db, job.client.id)? {
        gone.push(job.client.id);
    }
    Ok(true)
}
