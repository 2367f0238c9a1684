//! How long messages are kept. Old ones are deleted in small pieces, when there is time. The pages of the file that
//! become free are used again.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension};

use crate::removal::{LAST_SEQ, delete_client, delete_messages, last_id, numbers, raise, take_words};
use crate::spans;
use crate::state::state;

/// How many messages or clients are looked at between two looks at the clock.
const AT_ONCE: usize = 64;
/// Old messages are looked for at most, and at least, so often.
const SOON: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_secs(60);

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Messages that are not older than this.
    For(Duration),
    /// So many of the newest rows of the table `messages`.
    Newest(u64),
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Clients with a higher number that had no messages any more when the server began.
    Clients(i64),
    /// Messages, and clients that have no others.
    Messages,
    Gaps,
}

#[derive(Debug)]
pub(crate) struct Retention {
    keep: Keep,
    phase: Phase,
    /// When old messages are looked for again.
    next_at: Instant,
    /// Messages were deleted since gaps were looked at; or nobody knows.
    has_deleted: bool,
}

impl Retention {
    pub(crate) fn new(keep: Keep) -> Self {
        Self { keep, phase: Phase::Clients(0), next_at: Instant::now(), has_deleted: true }
    }

    pub(crate) fn next_at(&self) -> Instant {
        self.next_at
    }

    /// Deletes a piece of what is old, until `until`. Returns the clients that are gone.
    pub(crate) fn step(&mut self, db: &mut Connection, until: Instant) -> rusqlite::Result<Vec<i64>> {
        // If it fails, what is left waits.
        self.next_at = Instant::now() + self.interval();
        let transaction = db.transaction()?;
        let mut gone = Vec::new();
        let (phase, is_done) = self.work(&transaction, until, &mut gone)?;
        transaction.commit()?;
        self.phase = phase;
        if !is_done {
            self.next_at = Instant::now();
        }
        Ok(gone)
    }

    fn interval(&self) -> Duration {
        match self.keep {
            Keep::For(time) => (time / 100).clamp(SOON, LATE),
            Keep::Newest(_) => SOON,
        }
    }

    /// Returns where it goes on, and whether that can wait.
    fn work(
        &mut self,
        db: &Connection,
        until: Instant,
        gone: &mut Vec<i64>,
    ) -> rusqlite::Result<(Phase, bool)> {
        let mut phase = self.phase;
        while Instant::now() < until {
            phase = match phase {
                Phase::Clients(after) => match look_at_client(db, after, gone)? {
                    Some(client) => Phase::Clients(client),
                    None => Phase::Messages,
                },
                Phase::Messages if self.delete_messages(db, gone)? => Phase::Messages,
                Phase::Messages if self.has_deleted => Phase::Gaps,
                Phase::Messages => return Ok((phase, true)),
                Phase::Gaps => {
                    delete_gaps(db, self.oldest_time())?;
                    self.has_deleted = false;
                    return Ok((Phase::Messages, true));
                }
            };
        }
        Ok((phase, false))
    }

    /// What happened before this time is old.
    fn oldest_time(&self) -> Option<i64> {
        let Keep::For(time) = self.keep else { return None };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Some(now.saturating_sub(time).as_millis() as i64)
    }

    /// Deletes a few old messages, and the clients that have no others. Returns whether there may be more.
    fn delete_messages(&mut self, db: &Connection, gone: &mut Vec<i64>) -> rusqlite::Result<bool> {
        let indexed = state(db, "indexed")?.unwrap_or(0);
        let (ids, span) = match (self.keep, self.oldest_time()) {
            (_, Some(before)) => {
                let Some(span) = spans::oldest(db, before)? else { return Ok(false) };
                let sql =
                    "SELECT id FROM messages WHERE id BETWEEN ?1 AND ?2 AND time < ?3 ORDER BY id LIMIT ?4";
                (numbers(db, sql, (span.first, span.last, before, AT_ONCE as i64))?, Some(span))
            }
            (Keep::Newest(count), _) => {
                let end = last_id(db)?.saturating_sub_unsigned(count);
                let sql = "SELECT id FROM messages WHERE id <= ?1 ORDER BY id LIMIT ?2";
                (numbers(db, sql, (end, AT_ONCE as i64))?, None)
            }
            (Keep::For(_), None) => unreachable!("a time is always known"),
        };
        for id in &ids {
            take_words(db, *id, indexed)?;
        }
        for client in delete_messages(db, &ids)? {
            if delete_client(db, client)? {
                gone.push(client);
            }
        }
        self.has_deleted |= !ids.is_empty();
        match span {
            Some(span) if ids.len() < AT_ONCE => spans::renew(db, span)?,
            Some(_) => {}
            None => ids.last().map_or(Ok(()), |last| spans::cut(db, *last))?,
        }
        Ok(span.is_some() || ids.len() == AT_ONCE)
    }
}

/// Deletes the next client if it has no messages. Returns its number.
fn look_at_client(db: &Connection, after: i64, gone: &mut Vec<i64>) -> rusqlite::Result<Option<i64>> {
    let mut next = db.prepare_cached("SELECT id FROM clients WHERE id > ?1 ORDER BY id LIMIT 1")?;
    let client: Option<i64> = next.query_row([after], |row| row.get(0)).optional()?;
    if let Some(client) = client
        && delete_client(db, client)?
    {
        gone.push(client);
    }
    Ok(client)
}

/// Deletes the gaps before all messages that are left, if they are old too.
fn delete_gaps(db: &Connection, oldest_time: Option<i64>) -> rusqlite::Result<()> {
    let first: Option<i64> = db
        .prepare_cached("SELECT seq FROM messages ORDER BY id LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let old = (first.unwrap_or(i64::MAX), oldest_time.unwrap_or(i64::MAX));
    let last: Option<i64> = db
        .prepare_cached("SELECT max(last) FROM gaps WHERE last < ?1 AND time < ?2")?
        .query_row(old, |row| row.get(0))?;
    if let Some(last) = last {
        raise(db, LAST_SEQ, last)?;
        db.prepare_cached("DELETE FROM gaps WHERE last < ?1 AND time < ?2")?.execute(old)?;
    }
    Ok(())
}
