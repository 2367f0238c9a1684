//! The records of a page. There are many, and they are short, so all of them share a few pieces of memory.

use std::ops::Range;

use parlour_core::{Identity, Kind, Place, Record, RoomRef};
use rusqlite::Row;

use crate::kinds::meaning;
use crate::stored::Stored;

/// Records of one room, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    entries: Vec<Entry>,
    /// What authors were called. Many records in a row may share a name.
    names: Vec<String>,
    /// The texts, one after the other.
    texts: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    seq: u64,
    unix_ms: u64,
    client: u64,
    kind: Kind,
    is_torn: bool,
    /// Which of the names it has.
    name: u32,
    /// Where its text ends.
    end: u32,
}

impl Records {
    /// How many records there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The number of the last one.
    pub fn last_seq(&self) -> Option<u64> {
        self.entries.last().map(|last| last.seq)
    }

    /// How many of them have a lower number. They come first.
    pub fn count_before(&self, seq: u64) -> usize {
        self.entries.partition_point(|entry| entry.seq < seq)
    }

    /// Some of them, as records of a room of a hub.
    pub fn iter(&self, range: Range<usize>, room: RoomRef) -> impl Iterator<Item = Record<'_>> {
        let mut begin = range.start.checked_sub(1).map_or(0, |before| self.entries[before].end as usize);
        self.entries[range].iter().map(move |entry| {
            let &Entry { seq, unix_ms, client, kind, is_torn, name, end } = entry;
            let text = &self.texts[std::mem::replace(&mut begin, end as usize)..end as usize];
            // Nobody looks at the place of a record in a page.
            let (place, author) = (Place::Private, Identity::from_u64(client));
            Record {
                seq,
                unix_ms,
                room,
                place,
                author,
                name: &self.names[name as usize],
                kind,
                is_torn,
                text,
            }
        })
    }

    /// The bytes of their texts.
    pub fn text_size(&self) -> usize {
        self.texts.len()
    }

    /// The bytes of memory that they need.
    pub fn size(&self) -> usize {
        let names: usize = self.names.iter().map(|name| size_of::<String>() + name.capacity()).sum();
        self.entries.capacity() * size_of::<Entry>() + self.texts.capacity() + names
    }

    /// Appends one. Its number is higher than those before.
    pub fn push(&mut self, stored: &Stored) {
        let &Stored { seq, unix_ms, client, ref name, kind, is_torn, ref text } = stored;
        self.append(Entry { seq, unix_ms, client, kind, is_torn, name: 0, end: 0 }, name, text);
    }

    /// Appends what a row of the file has; see [`crate::stored::COLUMNS`].
    pub(crate) fn push_row(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let (kind, is_torn) = meaning(row.get_ref(4)?.as_str()?, row.get_ref(5)?.as_str_or_null()?);
        let entry = Entry {
            seq: row.get_ref(0)?.as_i64()? as u64,
            unix_ms: row.get_ref(1)?.as_i64()? as u64,
            client: row.get_ref(2)?.as_i64_or_null()?.unwrap_or(0) as u64,
            kind,
            is_torn,
            name: 0,
            end: 0,
        };
        self.append(entry, row.get_ref(3)?.as_str()?, row.get_ref(6)?.as_blob()?);
        Ok(())
    }

    /// Gives back memory that is not needed.
    pub(crate) fn shrink(&mut self) {
        self.entries.shrink_to_fit();
        self.texts.shrink_to_fit();
    }

    fn append(&mut self, entry: Entry, name: &str, text: &[u8]) {
        if self.names.last().is_none_or(|last| last != name) {
            self.names.push(name.to_owned());
        }
        self.texts.extend_from_slice(text);
        // A page has far fewer bytes.
        let (name, end) = (self.names.len() as u32 - 1, self.texts.len() as u32);
        self.entries.push(Entry { name, end, ..entry });
    }
}

impl<'s> FromIterator<&'s Stored> for Records {
    fn from_iter<I: IntoIterator<Item = &'s Stored>>(all: I) -> Self {
        let mut records = Self::default();
        all.into_iter().for_each(|stored| records.push(stored));
        records
    }
}
