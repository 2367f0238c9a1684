//! Which times stand in which part of the file. An index of all times would cost each commit a sixth of its pace.
//! So there is one row for a few thousand messages, with the earliest and the latest time of them. It is made when
//! there is time, and right also if the clock was set back.

use rusqlite::{Connection, OptionalExtension};

/// From this many numbers on, the next messages begin a span of their own.
const LENGTH: i64 = 2_000;

/// Messages whose numbers (`messages.id`) follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: i64,
    pub(crate) last: i64,
}

/// Notes the times of the messages after `from`, up to `last`.
pub(crate) fn note(db: &Connection, from: i64, last: i64) -> rusqlite::Result<()> {
    let Some((first, earliest, latest)) = times(db, from + 1, last)? else { return Ok(()) };
    let longer = db
        .prepare_cached(
            "UPDATE spans SET last = ?1, earliest = min(earliest, ?2), latest = max(latest, ?3) \
             WHERE first = (SELECT max(first) FROM spans) AND last - first < ?4",
        )?
        .execute((last, earliest, latest, LENGTH))?;
    if longer == 0 {
        db.prepare_cached("INSERT INTO spans VALUES (?1, ?2, ?3, ?4)")?
            .execute((first, last, earliest, latest))?;
    }
    Ok(())
}

/// The first message there, and the earliest and the latest time.
fn times(db: &Connection, first: i64, last: i64) -> rusqlite::Result<Option<(i64, i64, i64)>> {
    db.prepare_cached("SELECT min(id), min(time), max(time) FROM messages WHERE id BETWEEN ?1 AND ?2")?
        .query_row((first, last), |row| {
            let first: Option<i64> = row.get(0)?;
            first.map(|first| Ok((first, row.get(1)?, row.get(2)?))).transpose()
        })
}

/// The first span that may have messages after the number `at` of this time. `None`: there are none up to the
/// number that [`end`] returns.
pub(crate) fn next(
    db: &Connection,
    at: i64,
    since: Option<i64>,
    until: Option<i64>,
) -> rusqlite::Result<Option<Span>> {
    db.prepare_cached(
        "SELECT first, last FROM spans \
         WHERE first >= (SELECT coalesce(max(first), 0) FROM spans WHERE first <= ?1) AND last > ?1 \
         AND (?2 IS NULL OR latest >= ?2) AND (?3 IS NULL OR earliest < ?3) ORDER BY first LIMIT 1",
    )?
    .query_row((at, since, until), |row| Ok(Span { first: row.get(0)?, last: row.get(1)? }))
    .optional()
}

/// The last message that has a span.
pub(crate) fn end(db: &Connection) -> rusqlite::Result<i64> {
    db.prepare_cached(
        "SELECT coalesce(max(last), 0) FROM spans WHERE first = (SELECT max(first) FROM spans)",
    )?
    .query_row([], |row| row.get(0))
}

/// The first span that has messages of before that time.
pub(crate) fn oldest(db: &Connection, before: i64) -> rusqlite::Result<Option<Span>> {
    db.prepare_cached("SELECT first, last FROM spans WHERE earliest < ?1 ORDER BY first LIMIT 1")?
        .query_row([before], |row| Ok(Span { first: row.get(0)?, last: row.get(1)? }))
        .optional()
}

/// Looks at the times of a span again, after messages of it were deleted.
pub(crate) fn renew(db: &Connection, Span { first, last }: Span) -> rusqlite::Result<()> {
    match times(db, first, last)? {
        None => db.prepare_cached("DELETE FROM spans WHERE first = ?1")?.execute([first])?,
        Some((_, earliest, latest)) => db
            .prepare_cached("UPDATE spans SET earliest = ?2, latest = ?3 WHERE first = ?1")?
            .execute((first, earliest, latest))?,
    };
    Ok(())
}

/// Deletes the spans of messages up to the number `last`, which are gone.
pub(crate) fn cut(db: &Connection, last: i64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM spans WHERE last <= ?1")?.execute([last])?;
    Ok(())
}
