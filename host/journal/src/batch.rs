//! What the loop hands over at once.

use std::ops::Range;

use parlour_core::{Kind, Record};

/// Records that were said, and what belongs to them. It has one piece of memory for all texts, because there may
/// be hundreds of thousands of records a second.
#[derive(Debug, Default)]
pub struct Batch {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
    /// The number of the last record of a hub.
    last: Option<u64>,
    pub(crate) rooms: Vec<(i64, String)>,
    pub(crate) addresses: Vec<(i64, String)>,
    pub(crate) gaps: Vec<Gap>,
}

/// Records that are missing, because the journal was too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The number of the first of them.
    pub first: u64,
    /// The number of the last of them.
    pub last: u64,
    /// How many they are.
    pub records: u64,
    /// How many of them are messages.
    pub messages: u64,
    /// When that was noticed, in ms since 1970.
    pub unix_ms: u64,
}

#[derive(Debug)]
struct Entry {
    seq: u64,
    unix_ms: u64,
    room: i64,
    client: i64,
    kind: Kind,
    is_torn: bool,
    name: usize,
    text: usize,
}

/// One record of a batch.
pub(crate) struct Said<'b> {
    pub(crate) seq: i64,
    pub(crate) unix_ms: i64,
    pub(crate) room: i64,
    /// `None`: the server.
    pub(crate) client: Option<i64>,
    pub(crate) name: &'b str,
    pub(crate) kind: Kind,
    pub(crate) is_torn: bool,
    pub(crate) text: &'b [u8],
}

/// Memory of an entry beside its texts.
const ENTRY: usize = size_of::<Entry>();

impl Batch {
    /// Adds a record of a room, whose number in the file is `room`.
    pub fn push(&mut self, record: &Record<'_>, room: i64) {
        let &Record { seq, unix_ms, author, name, kind, is_torn, text, .. } = record;
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(text);
        let client = author.as_u64() as i64;
        self.last = Some(seq);
        self.entries.push(Entry {
            seq,
            unix_ms,
            room,
            client,
            kind,
            is_torn,
            name: name.len(),
            text: text.len(),
        });
    }

    /// Adds bytes that were not said in a room of a hub, but to an echo listener, say. `room` is the number of
    /// a room for them alone, in which `number` grows.
    pub fn push_bytes(&mut self, number: u64, unix_ms: u64, room: i64, client: u64, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let client = client as i64;
        let (kind, is_torn, name, text) = (Kind::Raw, false, 0, bytes.len());
        self.entries.push(Entry { seq: number, unix_ms, room, client, kind, is_torn, name, text });
    }

    /// Adds a room that is not in the file yet. It comes before its records.
    pub fn add_room(&mut self, id: i64, name: &str) {
        self.rooms.push((id, name.to_owned()));
    }

    /// Says where a client has come from.
    pub fn add_address(&mut self, client: u64, address: String) {
        self.addresses.push((client as i64, address));
    }

    /// Says that records are missing.
    pub fn add_gap(&mut self, gap: Gap) {
        self.gaps.push(gap);
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.rooms.is_empty() && self.addresses.is_empty() && self.gaps.is_empty()
    }

    /// The memory that it needs, in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len() + self.entries.len() * ENTRY
    }

    /// The number of its last record of a hub.
    pub(crate) fn last_seq(&self) -> Option<u64> {
        self.last
    }

    /// Appends another batch, and leaves it empty with its memory.
    pub(crate) fn take(&mut self, other: &mut Batch) {
        self.entries.append(&mut other.entries);
        self.last = other.last.take().or(self.last);
        self.bytes.append(&mut other.bytes);
        self.rooms.append(&mut other.rooms);
        self.addresses.append(&mut other.addresses);
        self.gaps.append(&mut other.gaps);
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.last = None;
        self.bytes.clear();
        self.rooms.clear();
        self.addresses.clear();
        self.gaps.clear();
    }

    pub(crate) fn said(&self) -> impl Iterator<Item = Said<'_>> {
        let mut from = 0;
        self.entries.iter().map(move |entry| {
            let mut piece = |len: usize| -> Range<usize> {
                from += len;
                from - len..from
            };
            let (name, text) = (piece(entry.name), piece(entry.text));
            Said {
                seq: entry.seq as i64,
                unix_ms: entry.unix_ms as i64,
                room: entry.room,
                client: Some(entry.client).filter(|client| *client != 0),
                name: std::str::from_utf8(&self.bytes[name]).unwrap_or_default(),
                kind: entry.kind,
                is_torn: entry.is_torn,
                text: &self.bytes[text],
            }
        })
    }
}
