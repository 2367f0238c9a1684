//! One transaction for each batch.

use std::collections::{HashMap, HashSet};

use parlour_core::Kind;
use rusqlite::{Connection, Transaction};

use crate::batch::{Batch, KeyHash, Said};
use crate::kinds::words;
use crate::removal::last_id;
use crate::schema::view_of;
use crate::spans;
use crate::state::{set_state, state};

/// Messages that the full-text index gets at once. Meanwhile what is said waits.
const INDEXED_AT_ONCE: i64 = 2_000;

/// Writes batches into a file.
#[derive(Debug)]
pub(crate) struct Writer {
    /// The rooms that the server knows.
    rooms: Vec<(i64, String)>,
    /// Clients that have a view.
    viewed: HashSet<i64>,
    /// Where clients have come from that are not in the file yet.
    addresses: HashMap<i64, String>,
    /// The last message that the full-text index has, if that is known.
    indexed: Option<i64>,
}

/// What a batch says about a client.
struct Seen {
    name: String,
    first: i64,
    last: i64,
    has_said: bool,
}

impl Writer {
    /// A writer into a file that has these rooms.
    pub(crate) fn new(rooms: Vec<(i64, String)>) -> Self {
        Self { rooms, viewed: HashSet::new(), addresses: HashMap::new(), indexed: None }
    }

    /// Writes a batch, all of it or nothing. What is in the file already is passed over, because nobody knows
    /// whether a commit that failed was written.
    pub(crate) fn write(&mut self, db: &mut Connection, batch: &Batch) -> rusqlite::Result<()> {
        self.addresses.extend(batch.addresses.iter().cloned());
        let transaction = db.transaction()?;
        add_rooms(&transaction, &batch.rooms)?;
        let seen = clients(batch);
        self.note_clients(&transaction, &seen)?;
        let mut insert = transaction.prepare_cached(
            "INSERT OR IGNORE INTO messages (id, seq, time, room, client, name, kind, detail, text) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        let ids = last_id(&transaction)? + 1..;
        for (id, said) in ids.zip(batch.said()) {
            let Said { seq, unix_ms, room, client, name, kind, is_torn, text } = said;
            let (kind_word, detail) = words(kind, is_torn);
            insert.execute((id, seq, unix_ms, room, client, name, kind_word, detail, text))?;
            if kind == Kind::Topic {
                let topic = String::from_utf8_lossy(text);
                transaction
                    .prepare_cached("UPDATE rooms SET topic = ?2 WHERE id = ?1")?
                    .execute((room, topic))?;
            }
        }
        drop(insert);
        for &(first, last) in &batch.settled {
            transaction
                .prepare_cached("DELETE FROM proposals WHERE id BETWEEN ?1 AND ?2")?
                .execute((first as i64, last as i64))?;
        }
        let mut propose = transaction
            .prepare_cached("INSERT OR IGNORE INTO proposals VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
        for Said { seq, unix_ms, room, client, name, kind, is_torn, text } in batch.proposed() {
            let (kind_word, detail) = words(kind, is_torn);
            propose.execute((seq, unix_ms, room, client, name, kind_word, detail, text))?;
        }
        drop(propose);
        note_keys(&transaction, &batch.keys)?;
        for gap in &batch.gaps {
            let numbers =
                [gap.first, gap.last, gap.records, gap.messages, gap.unix_ms].map(|number| number as i64);
            transaction.prepare_cached("INSERT INTO gaps VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(numbers)?;
        }
        transaction.commit()?;
        self.viewed.extend(seen.iter().filter(|(_, seen)| seen.has_said).map(|(id, _)| *id));
        self.addresses.retain(|id, _| !seen.contains_key(id));
        self.rooms.extend(batch.rooms.iter().cloned());
        Ok(())
    }

    fn note_clients(&self, transaction: &Transaction<'_>, seen: &HashMap<i64, Seen>) -> rusqlite::Result<()> {
        let mut upsert = transaction.prepare_cached(
            "INSERT INTO clients (id, name, address, first_seen, last_seen) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT DO UPDATE SET name = ?2, last_seen = ?5",
        )?;
        for (id, Seen { name, first, last, has_said }) in seen {
            let address = self.addresses.get(id).map(String::as_str).unwrap_or_default();
            upsert.execute((id, name, address, first, last))?;
            if *has_said && !self.viewed.contains(id) {
                transaction.execute_batch(&view_of(*id))?;
            }
        }
        Ok(())
    }

    /// Brings the full-text index a piece further. Returns whether something is left.
    pub(crate) fn index(&mut self, db: &mut Connection) -> rusqlite::Result<bool> {
        let from = match self.indexed {
            Some(indexed) => indexed,
            None => state(db, "indexed")?.unwrap_or(0),
        };
        let transaction = db.transaction()?;
        let last: i64 = transaction
            .prepare_cached("SELECT coalesce(max(id), 0) FROM (SELECT id FROM messages WHERE id > ?1 ORDER BY id LIMIT ?2)")?
            .query_row((from, INDEXED_AT_ONCE), |row| row.get(0))?;
        if last == 0 {
            self.indexed = Some(from);
            return Ok(false);
        }
        transaction
            .prepare_cached(
                "INSERT INTO words (rowid, text) SELECT id, CAST(text AS TEXT) FROM messages \
                 WHERE id > ?1 AND id <= ?2 AND kind IN ('say', 'action', 'raw')",
            )?
            .execute((from, last))?;
        spans::note(&transaction, from, last)?;
        set_state(&transaction, "indexed", last)?;
        transaction.commit()?;
        self.indexed = Some(last);
        Ok(true)
    }

    /// The views of these clients are gone.
    pub(crate) fn lose_views(&mut self, clients: &[i64]) {
        for client in clients {
            self.viewed.remove(client);
        }
    }

    /// Goes on in another file, which may have nothing of what the first one had.
    pub(crate) fn begin_anew(&mut self, db: &Connection) -> rusqlite::Result<()> {
        self.viewed.clear();
        self.indexed = None;
        add_rooms(db, &self.rooms)
    }
}

fn add_rooms(db: &Connection, rooms: &[(i64, String)]) -> rusqlite::Result<()> {
    let mut insert = db.prepare_cached("INSERT OR IGNORE INTO rooms (id, name) VALUES (?1, ?2)")?;
    rooms.iter().try_for_each(|room| insert.execute((room.0, &room.1)).map(|_| ()))
}

fn note_keys(db: &Connection, keys: &[(i64, Option<KeyHash>)]) -> rusqlite::Result<()> {
    for (client, hash) in keys {
        match hash {
            Some(hash) => db
                .prepare_cached("INSERT OR REPLACE INTO keys (client, hash) VALUES (?1, ?2)")?
                .execute((client, hash))?,
            None => db.prepare_cached("DELETE FROM keys WHERE client = ?1")?.execute([client])?,
        };
    }
    Ok(())
}

/// The clients of a batch, as they were called last.
fn clients(batch: &Batch) -> HashMap<i64, Seen> {
    let mut all = HashMap::<i64, Seen>::new();
    for said in batch.said().chain(batch.proposed()) {
        let Some(client) = said.client else { continue };
        let has_said = said.kind.is_message();
        // A record of a new name has the old one.
        let name = if said.kind == Kind::Nick {
            std::str::from_utf8(said.text).unwrap_or(said.name)
        } else {
            said.name
        };
        match all.get_mut(&client) {
            Some(seen) => {
                if seen.name != name {
                    name.clone_into(&mut seen.name);
                }
                seen.last = said.unix_ms;
                seen.has_said |= has_said;
            }
            None => {
                let (name, first, last) = (name.to_owned(), said.unix_ms, said.unix_ms);
                all.insert(client, Seen { name, first, last, has_said });
            }
        }
    }
    all
}
