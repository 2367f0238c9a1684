//! What the loop hands over at once.

use std::ops::Range;

use parlour_core::{Identity, Kind, Place, Record, RoomRef};

/// Records that were said, and what belongs to them.
#[derive(Debug, Default)]
pub struct Batch {
    said: Lines,
    proposed: Lines,
    /// The first and the last number of proposals that are among the records by now.
    pub(crate) settled: Vec<(u64, u64)>,
    /// The last numbers in it.
    mark: Mark,
    /// Somebody waits until it is stored.
    is_awaited: bool,
    pub(crate) rooms: Vec<(i64, String)>,
    pub(crate) addresses: Vec<(i64, String)>,
    /// The hashes of clients' keys; `None`: the client has no key any more.
    pub(crate) keys: Vec<(i64, Option<KeyHash>)>,
    pub(crate) gaps: Vec<Gap>,
}

/// What the file has of a key with which a client comes back: its SHA-256. Nobody can find the key by it.
pub type KeyHash = [u8; 32];

/// How far something goes: the last number of each kind. `None`: there is none of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Of the records of a hub.
    pub seq: Option<u64>,
    /// Of the proposals.
    pub proposal: Option<u64>,
    /// Of the bytes that were said in no room of a hub.
    pub bytes: Option<u64>,
}

/// Records in one piece of memory, because there may be hundreds of thousands of them a second.
#[derive(Debug, Default)]
struct Lines {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
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
const KEY: usize = size_of::<(i64, Option<KeyHash>)>();

impl Mark {
    /// Goes on to a later one.
    pub fn raise(&mut self, later: Mark) {
        let Mark { seq, proposal, bytes } = later;
        self.seq = seq.or(self.seq);
        self.proposal = proposal.or(self.proposal);
        self.bytes = bytes.or(self.bytes);
    }
}

impl Batch {
    /// Adds a record of a room, whose number in the file is `room`.
    pub fn push(&mut self, record: &Record<'_>, room: i64) {
        self.mark.seq = Some(record.seq);
        self.said.push(record, room);
    }

    /// Adds bytes that were not said in a room of a hub, but to an echo listener, say. `room` is the number of
    /// a room for them alone, in which `number` grows. `is_awaited`: somebody waits until they are stored.
    pub fn push_bytes(
        &mut self,
        number: u64,
        unix_ms: u64,
        room: i64,
        client: u64,
        bytes: &[u8],
        is_awaited: bool,
    ) {
        self.mark.bytes = Some(number);
        self.is_awaited |= is_awaited;
        let (author, place) = (Identity::from_u64(client), Place::Private);
        let (name, kind, is_torn, text) = ("", Kind::Raw, false, bytes);
        let seq = number;
        self.said.push(
            &Record { seq, unix_ms, room: RoomRef::NONE, place, author, name, kind, is_torn, text },
            room,
        );
    }

    /// Adds what somebody wants to say, who waits until it is stored. Its `seq` is the number of the proposal;
    /// numbers grow. The file keeps it until [`Batch::settle`]. What is left then, after a power cut, say, is
    /// among the records when the journal is opened again.
    pub fn propose(&mut self, record: &Record<'_>, room: i64) {
        self.mark.proposal = Some(record.seq);
        self.is_awaited = true;
        self.proposed.push(record, room);
    }

    /// Says that the last record that was added is what this proposal became. Add it in the same batch, because
    /// the file must have one of the two, and not both.
    pub fn settle(&mut self, proposal: u64) {
        match self.settled.last_mut() {
            Some((_, last)) if *last + 1 == proposal => *last = proposal,
            _ => self.settled.push((proposal, proposal)),
        }
    }

    /// Adds a room that is not in the file yet. It comes before its records.
    pub fn add_room(&mut self, id: i64, name: &str) {
        self.rooms.push((id, name.to_owned()));
    }

    /// Says where a client has come from.
    pub fn add_address(&mut self, client: u64, address: String) {
        self.addresses.push((client as i64, address));
    }

    /// Says by which key a client is known again when it comes back after a restart. It replaces the one before.
    /// `None`: the client does not come back.
    pub fn set_key(&mut self, client: u64, hash: Option<KeyHash>) {
        self.keys.push((client as i64, hash));
    }

    /// Says that records are missing.
    pub fn add_gap(&mut self, gap: Gap) {
        self.gaps.push(gap);
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        let has_lines = [&self.said, &self.proposed].iter().any(|lines| !lines.entries.is_empty());
        let is_rest_empty = self.rooms.is_empty() && self.addresses.is_empty() && self.keys.is_empty();
        !has_lines && is_rest_empty && self.gaps.is_empty()
    }

    /// The memory that it needs, in bytes.
    pub fn size(&self) -> usize {
        self.said.size() + self.proposed.size() + self.keys.len() * KEY
    }

    /// Whether somebody waits until it is stored.
    pub(crate) fn is_awaited(&self) -> bool {
        self.is_awaited
    }

    /// The last numbers in it.
    pub(crate) fn mark(&self) -> Mark {
        self.mark
    }

    /// Appends another batch, and leaves it empty with its memory.
    pub(crate) fn take(&mut self, other: &mut Batch) {
        self.said.take(&mut other.said);
        self.proposed.take(&mut other.proposed);
        self.settled.append(&mut other.settled);
        self.mark.raise(std::mem::take(&mut other.mark));
        self.is_awaited |= std::mem::take(&mut other.is_awaited);
        self.rooms.append(&mut other.rooms);
        self.addresses.append(&mut other.addresses);
        self.keys.append(&mut other.keys);
        self.gaps.append(&mut other.gaps);
    }

    pub(crate) fn clear(&mut self) {
        self.said.clear();
        self.proposed.clear();
        self.settled.clear();
        self.mark = Mark::default();
        self.is_awaited = false;
        self.rooms.clear();
        self.addresses.clear();
        self.keys.clear();
        self.gaps.clear();
    }

    pub(crate) fn said(&self) -> impl Iterator<Item = Said<'_>> {
        self.said.each()
    }

    /// Their `seq` is the number of the proposal.
    pub(crate) fn proposed(&self) -> impl Iterator<Item = Said<'_>> {
        self.proposed.each()
    }
}

impl Lines {
    fn push(&mut self, record: &Record<'_>, room: i64) {
        let &Record { seq, unix_ms, author, name, kind, is_torn, text, .. } = record;
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(text);
        let client = author.as_u64() as i64;
        let (name, text) = (name.len(), text.len());
        self.entries.push(Entry { seq, unix_ms, room, client, kind, is_torn, name, text });
    }

    fn size(&self) -> usize {
        self.bytes.len() + self.entries.len() * ENTRY
    }

    fn take(&mut self, other: &mut Self) {
        self.entries.append(&mut other.entries);
        self.bytes.append(&mut other.bytes);
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
    }

    fn each(&self) -> impl Iterator<Item = Said<'_>> {
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
