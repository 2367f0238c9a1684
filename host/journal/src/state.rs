//! The table `state`: what the server keeps for itself in the file.

use rusqlite::{Connection, OptionalExtension};

pub(crate) fn state(db: &Connection, key: &str) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT value FROM state WHERE key = ?1")?.query_row([key], |row| row.get(0)).optional()
}

pub(crate) fn set_state(db: &Connection, key: &str, value: i64) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT INTO state VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2")?
        .execute((key, value))?;
    Ok(())
}
