//! Pages: records that are read back.

use parlour_core::Span;
use rusqlite::{Connection, Rows};

use crate::error::JournalError;
use crate::records::Records;
use crate::removed::Removals;
use crate::stored::{COLUMNS, IS_THERE};

/// The most records of a page, and the most bytes of their texts, besides one.
const MOST_RECORDS: usize = 1024;
const MOST_BYTES: usize = 64 * 1024;
/// The same of a page of the last messages of a room. Nobody shares it.
const MOST_LAST: usize = 256;

/// A page that is wanted.
#[derive(Clone, Debug)]
pub struct Question<T> {
    /// Comes back with the page.
    pub token: T,
    /// The room's number in the file.
    pub room: i64,
    /// Which records of it.
    pub span: Span,
    /// Records with this number and later ones are not wanted.
    pub until: u64,
    /// Only messages with all these words, if there are any. The page has no more than 100 of them.
    pub words: Option<String>,
}

/// The answer: as much as one page has, from the beginning on.
#[derive(Debug)]
pub struct Page<T> {
    /// As in the question.
    pub token: T,
    /// The records, in order.
    pub records: Records,
    /// There may be more before these: the file could not be read, or not to the end in time.
    pub has_gap: bool,
    /// It has all records up to [`Question::until`]. Of a search nobody knows.
    pub is_whole: bool,
    /// What was taken out of the file before the page was read. Of a search nobody knows.
    pub removals: Removals,
}

/// Reads one page.
///
/// # Errors
/// SQLite cannot read it.
pub fn read_page<T>(db: &Connection, question: Question<T>) -> Result<Page<T>, JournalError> {
    let Question { token, room, span, until, words: _ } = question;
    let until = i64::try_from(until).unwrap_or(i64::MAX);
    let columns = format!("SELECT {COLUMNS} FROM messages");
    let (records, most) = match span {
        Span::From(from) => {
            let from = i64::try_from(from).unwrap_or(0);
            let sql = format!(
                "{columns} WHERE room = ?1 AND seq >= ?2 AND seq < ?3 AND {IS_THERE} ORDER BY seq LIMIT ?4"
            );
            let mut statement = db.prepare_cached(&sql)?;
            (take(statement.query((room, from, until, MOST_RECORDS as i64))?)?, MOST_RECORDS)
        }
        Span::Last(count) => {
            let messages = "room = ?1 AND seq < ?2 AND kind IN ('say', 'action', 'raw')";
            let sql = format!(
                "{columns} WHERE {messages} AND seq >= coalesce((SELECT seq FROM messages WHERE {messages} \
                 ORDER BY seq DESC LIMIT 1 OFFSET ?3), 0) ORDER BY seq LIMIT ?4"
            );
            let mut statement = db.prepare_cached(&sql)?;
            (take(statement.query((room, until, i64::from(count) - 1, MOST_LAST as i64))?)?, MOST_LAST)
        }
    };
    let (records, is_end) = records;
    let is_whole = is_end && records.len() < most;
    Ok(Page { token, records, has_gap: false, is_whole, removals: Removals::default() })
}

/// Takes rows, until they are enough bytes. Returns whether these are all.
fn take(mut rows: Rows<'_>) -> rusqlite::Result<(Records, bool)> {
    let (mut records, mut is_end) = (Records::default(), false);
    while !is_end && records.text_size() < MOST_BYTES {
        match rows.next()? {
            Some(row) => records.push_row(row)?,
            None => is_end = true,
        }
    }
    records.shrink();
    Ok((records, is_end))
}
