//! The tables of the file. People may query them while the server writes.
//!
//! ```text
//! rooms      id, name, topic                        relays and echo listeners are rooms too
//! clients    id, name, address, first_seen, last_seen
//! messages   id, seq, time, room, client, name, kind, detail, text
//! gaps       first, last, records, messages, time   what is missing, because the disk was too slow
//! client_ID  a view for each client that has said something
//! words      the full-text index of messages; its rowid is messages.id
//! spans      first, last, earliest, latest          the times of the messages with these ids
//! proposals  id, time, room, client, name, kind, detail, text   with --durable: what nobody was shown yet
//! keys       client, hash                           how clients whose session is not over are known again
//! state      key, value                             what the server keeps for itself
//! ```
//!
//! Times are in ms since 1970-01-01 UTC; 0 if unknown. `seq` orders all events. An event that concerns several
//! rooms, such as a quit, has a row in each of them with the same `seq`. `name` is what the client was called
//! then. `kind` is say, action, raw (bytes of a relay or an echo listener), join, part, quit, nick, topic or server.
//! `detail` says why somebody quit; for raw bytes it is `torn` if the line before them broke off.

/// Names the format in the header of the file: "parl".
pub const APPLICATION_ID: i32 = 0x7061_726c;
/// The version of the schema. Each migration raises it by one.
pub const VERSION: u32 = 4;

/// The steps from each version to the next.
pub(crate) const MIGRATIONS: [&str; VERSION as usize] = [TABLES, SPANS, PROPOSALS, KEYS];

const TABLES: &str = "
CREATE TABLE rooms (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    topic TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE clients (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    address TEXT NOT NULL DEFAULT '',
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL
) STRICT;
CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    time INTEGER NOT NULL,
    room INTEGER NOT NULL REFERENCES rooms,
    client INTEGER REFERENCES clients,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT,
    text BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX messages_by_room ON messages (room, seq);
CREATE INDEX messages_by_client ON messages (client, seq);
CREATE TABLE gaps (
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    records INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    time INTEGER NOT NULL
) STRICT;
CREATE TABLE state (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
CREATE VIRTUAL TABLE words USING fts5 (text, content='');
";

/// Messages that are not in the full-text index yet get their span together with it.
const SPANS: &str = "
CREATE TABLE spans (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    earliest INTEGER NOT NULL,
    latest INTEGER NOT NULL
) STRICT;
INSERT INTO spans SELECT min(id), max(id), min(time), max(time) FROM messages
    WHERE id <= (SELECT coalesce(max(value), 0) FROM state WHERE key = 'indexed') GROUP BY id / 2000;
";

const PROPOSALS: &str = "
CREATE TABLE proposals (
    id INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    room INTEGER NOT NULL REFERENCES rooms,
    client INTEGER REFERENCES clients,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT,
    text BLOB NOT NULL
) STRICT;
";

/// A client may have a session before it says something, so it need not be in `clients`.
const KEYS: &str = "
CREATE TABLE keys (client INTEGER PRIMARY KEY, hash BLOB NOT NULL) STRICT;
";

/// The view of a client's messages.
pub(crate) fn view_of(client: i64) -> String {
    format!(
        "CREATE VIEW IF NOT EXISTS client_{client} AS \
         SELECT seq, datetime(time / 1000, 'unixepoch') AS time, rooms.name AS room, kind, CAST(text AS TEXT) AS text \
         FROM messages JOIN rooms ON rooms.id = room \
         WHERE client = {client} AND kind IN ('say', 'action', 'raw') ORDER BY seq"
    )
}
