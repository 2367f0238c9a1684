//! Messages and clients that leave the file. The highest numbers that they had stay in the table `state`, because
//! no number is used twice: readers and the full-text index know messages by them.

use std::collections::BTreeSet;

use rusqlite::Connection;

use crate::state::state;

/// The keys in `state` of the highest numbers that left the file.
pub(crate) const LAST_ID: &str = "last_id";
pub(crate) const LAST_SEQ: &str = "last_seq";
pub(crate) const LAST_CLIENT: &str = "last_client";

/// The highest `messages.id` that there is or was.
pub(crate) fn last_id(db: &Connection) -> rusqlite::Result<i64> {
    let there: i64 =
        db.prepare_cached("SELECT coalesce(max(id), 0) FROM messages")?.query_row([], |row| row.get(0))?;
    Ok(there.max(state(db, LAST_ID)?.unwrap_or(0)))
}

/// Notes that a number was used.
pub(crate) fn raise(db: &Connection, key: &str, number: i64) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT INTO state VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = max(value, ?2)")?
        .execute((key, number))?;
    Ok(())
}

/// Takes a message out of the full-text index, which does not have those after `indexed`.
pub(crate) fn take_words(db: &Connection, id: i64, indexed: i64) -> rusqlite::Result<()> {
    if id <= indexed {
        db.prepare_cached(
            "INSERT INTO words (words, rowid, text) SELECT 'delete', id, CAST(text AS TEXT) FROM messages \
             WHERE id = ?1 AND kind IN ('say', 'action', 'raw')",
        )?
        .execute([id])?;
    }
    Ok(())
}

/// Deletes messages. The full-text index must have lost them before. Returns the clients that have said them.
pub(crate) fn delete_messages(db: &Connection, ids: &[i64]) -> rusqlite::Result<BTreeSet<i64>> {
    let mut delete = db.prepare_cached("DELETE FROM messages WHERE id = ?1 RETURNING seq, client")?;
    let (mut last_id, mut last_seq, mut clients) = (0, 0, BTreeSet::new());
    for id in ids {
        let (seq, client): (i64, Option<i64>) =
            delete.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        (last_id, last_seq) = (last_id.max(*id), last_seq.max(seq));
        clients.extend(client);
    }
    if !ids.is_empty() {
        raise(db, LAST_ID, last_id)?;
        raise(db, LAST_SEQ, last_seq)?;
    }
    Ok(clients)
}

/// Deletes a client and its view, if it has no messages. Returns whether it had none.
pub(crate) fn delete_client(db: &Connection, client: i64) -> rusqlite::Result<bool> {
    // What it is about to say belongs to it, too.
    for sql in ["SELECT 1 FROM messages WHERE client = ?1", "SELECT 1 FROM proposals WHERE client = ?1"] {
        if db.prepare_cached(sql)?.exists([client])? {
            return Ok(false);
        }
    }
    db.execute_batch(&format!("DROP VIEW IF EXISTS client_{client}"))?;
    db.prepare_cached("DELETE FROM clients WHERE id = ?1")?.execute([client])?;
    raise(db, LAST_CLIENT, client)?;
    Ok(true)
}

/// The numbers that a question is answered with.
pub(crate) fn numbers(
    db: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> rusqlite::Result<Vec<i64>> {
    db.prepare_cached(sql)?.query_map(parameters, |row| row.get(0))?.collect()
}
