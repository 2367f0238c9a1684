//! A record as the file has it.

use parlour_core::{Identity, Kind, Place, Record, RoomRef};
use rusqlite::Row;

use crate::kinds::{meaning, words};

/// The columns of a [`Stored`].
pub(crate) const COLUMNS: &str = "messages.seq, messages.time, messages.client, messages.name, messages.kind, \
                                  messages.detail, messages.text";

/// Rows that are being forgotten are there no more. Their kind is dashes, which come before all letters.
pub(crate) const IS_THERE: &str = "messages.kind >= '.'";

/// A record with its own memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// See [`Record::seq`].
    pub seq: u64,
    /// See [`Record::unix_ms`].
    pub unix_ms: u64,
    /// The author; 0 is the server.
    pub client: u64,
    /// What the author was called.
    pub name: String,
    /// What the record says.
    pub kind: Kind,
    /// See [`Record::is_torn`].
    pub is_torn: bool,
    /// The text.
    pub text: Vec<u8>,
}

impl Stored {
    /// As a record of a room of a hub.
    pub fn record(&self, room: RoomRef) -> Record<'_> {
        let &Stored { seq, unix_ms, client, ref name, kind, is_torn, ref text } = self;
        // Nobody looks at the place of a record in a page.
        let (place, author) = (Place::Private, Identity::from_u64(client));
        Record { seq, unix_ms, room, place, author, name, kind, is_torn, text }
    }

    /// The words of the file for what it says: `kind`, and `detail` if it has one.
    pub fn words(&self) -> (&'static str, Option<&'static str>) {
        words(self.kind, self.is_torn)
    }

    pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let detail: Option<String> = row.get(5)?;
        let (kind, is_torn) = meaning(row.get_ref(4)?.as_str()?, detail.as_deref());
        Ok(Self {
            seq: row.get::<_, i64>(0)? as u64,
            unix_ms: row.get::<_, i64>(1)? as u64,
            client: row.get::<_, Option<i64>>(2)?.unwrap_or(0) as u64,
            name: row.get(3)?,
            kind,
            is_torn,
            text: row.get(6)?,
        })
    }
}
