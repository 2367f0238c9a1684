//! The last messages of a room that have some words, for a client that asks. The newest are looked at first, so a
//! search that takes too long has found the newest. It has a thread of its own, so pages never wait for it.
//!
//! The words are never syntax of FTS5. The index is asked for a few of them at most, because it cannot be
//! interrupted while it compares where they are. The others are looked for in what it finds.

use std::collections::HashSet;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, iter};

use parlour_core::Span;
use rusqlite::{Connection, named_params};

use crate::aside;
use crate::error::JournalError;
use crate::page::{Page, Question};
use crate::removed::Removals;
use crate::search::{Search, quoted};
use crate::state::state;
use crate::stored::{COLUMNS, Stored};

/// How long a search takes at the most, and how long one may have waited for the others that is still begun. Together
/// they are less than a hub waits for a page.
const LONGEST: Duration = Duration::from_secs(1);
const STALE: Duration = Duration::from_secs(3);
/// The most messages that are found at once.
const MOST_FOUND: u32 = 100;
/// The most words that the index is asked for.
const MOST_WORDS: usize = 12;
/// Messages that the index does not have yet are looked at in pieces of so many rows of the file.
const PIECE: i64 = 2_048;
/// So many rows are looked at between two looks at the clock.
const ROWS_AT_ONCE: usize = 64;

/// The thread that searches.
#[derive(Debug)]
pub(crate) struct Searcher<T> {
    /// `None` once it ends.
    questions: Option<Sender<(Question<T>, Instant)>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Searcher<T> {
    pub(crate) fn start(db: Connection, mut tell: impl FnMut(Page<T>) + Send + 'static) -> io::Result<Self> {
        let (questions, asked) = mpsc::channel::<(Question<T>, Instant)>();
        let thread = aside::start("journal searcher", move || {
            for (question, since) in asked {
                let found = if since.elapsed() < STALE {
                    find(&db, &question, Instant::now() + LONGEST).unwrap_or_default()
                } else {
                    Found::default()
                };
                let mut said: Vec<_> = found.said.iter().map(|(_, _, stored)| stored).collect();
                said.sort_unstable_by_key(|stored| stored.seq);
                let records = said.into_iter().collect();
                let removals = Removals::default();
                tell(Page {
                    token: question.token,
                    records,
                    has_gap: !found.is_all,
                    is_whole: false,
                    removals,
                });
            }
        })?;
        Ok(Self { questions: Some(questions), thread: Some(thread) })
    }

    pub(crate) fn ask(&self, question: Question<T>) {
        if let Some(questions) = &self.questions {
            // The thread ends after this does.
            let _ = questions.send((question, Instant::now()));
        }
    }
}

impl<T> Searcher<T> {
    /// Lets the thread do what is left. Returns it.
    pub(crate) fn end(&mut self) -> Option<JoinHandle<()>> {
        self.questions = None;
        self.thread.take()
    }
}

/// What a search has found. Nothing, if it was not made.
#[derive(Debug, Default)]
struct Found {
    /// The row, the room's name, which is not looked up, and the message; the newest first.
    said: Vec<(i64, String, Stored)>,
    /// It has looked at everything.
    is_all: bool,
}

/// A search that goes on.
struct Work<'w> {
    db: &'w Connection,
    search: Search,
    room: i64,
    /// Messages with these numbers are wanted.
    from: i64,
    until: i64,
    count: usize,
    deadline: Instant,
    found: Found,
}

fn find<T>(db: &Connection, question: &Question<T>, deadline: Instant) -> Result<Found, JournalError> {
    let words = question.words.as_deref().unwrap_or_default();
    let (count, from) = match question.span {
        Span::Last(count) => (count.min(MOST_FOUND), 0),
        Span::From(from) => (MOST_FOUND, i64::try_from(from).unwrap_or(i64::MAX)),
    };
    let (room, until) = (question.room, i64::try_from(question.until).unwrap_or(i64::MAX));
    let search = Search::new(words)?;
    let found = Found::default();
    let mut work = Work { db, search, room, from, until, count: count as usize, deadline, found };
    if work.search.query().is_empty() {
        work.found.is_all = true;
        return Ok(work.found);
    }
    // What is indexed and what is not must belong together.
    let transaction = db.unchecked_transaction()?;
    // In a room, later messages stand in later rows.
    let first: i64 = db
        .prepare_cached("SELECT coalesce((SELECT id FROM messages WHERE room = ?1 AND seq >= ?2 ORDER BY seq LIMIT 1), 0)")?
        .query_row((room, from), |row| row.get(0))?;
    let before = (first - 1).max(0);
    let indexed = state(db, "indexed")?.unwrap_or(0);
    if first > 0 {
        work.found.is_all = work.look_at_rows(indexed.max(before))?
            && work.look_at_index(&first_words(words, MOST_WORDS), before, indexed)?;
    } else {
        work.found.is_all = true;
    }
    transaction.finish()?;
    work.found.is_all |= work.has_all();
    Ok(work.found)
}

impl Work<'_> {
    fn has_all(&self) -> bool {
        self.found.said.len() >= self.count
    }

    fn is_late(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Looks at the messages after a row. Returns whether it was in time.
    fn look_at_rows(&mut self, after: i64) -> rusqlite::Result<bool> {
        let last = "SELECT coalesce(max(id), 0) FROM messages";
        let mut end: i64 = self.db.prepare_cached(last)?.query_row([], |row| row.get(0))?;
        while end > after && !self.has_all() {
            if self.is_late() {
                return Ok(false);
            }
            let begin = (end - PIECE).max(after);
            // By the rows, because the index of the room does not know where a piece begins.
            let mut statement = self.db.prepare_cached(&format!(
                "SELECT {COLUMNS}, messages.id FROM messages WHERE id > :begin AND id <= :end AND +room = :room \
                 AND +seq >= :from AND +seq < :until AND kind IN ('say', 'action', 'raw') ORDER BY id"
            ))?;
            let &Self { room, from, until, .. } = &*self;
            let mut rows = statement.query(
                named_params! {":begin": begin, ":end": end, ":room": room, ":from": from, ":until": until},
            )?;
            let mut said = Vec::new();
            while let Some(row) = rows.next()? {
                said.push((row.get(7)?, String::new(), Stored::from_row(row)?));
            }
            self.search.retain(&mut said)?;
            let missing = self.count - self.found.said.len();
            self.found.said.extend(said.into_iter().rev().take(missing));
            end = begin;
        }
        Ok(true)
    }

    /// Looks for messages that the index has in some rows. Returns whether it was in time.
    fn look_at_index(&mut self, query: &str, after: i64, end: i64) -> rusqlite::Result<bool> {
        let mut statement = self.db.prepare_cached(
            "SELECT messages.id, messages.room, messages.seq FROM words CROSS JOIN messages \
             ON messages.id = words.rowid WHERE words MATCH ?1 AND words.rowid > ?2 AND words.rowid <= ?3 \
             ORDER BY words.rowid DESC",
        )?;
        let mut message = self.db.prepare_cached(&format!("SELECT {COLUMNS} FROM messages WHERE id = ?1"))?;
        let mut rows = statement.query((query, after, end))?;
        for looks in iter::repeat(0..ROWS_AT_ONCE).flatten() {
            if looks == 0 && self.is_late() {
                return Ok(false);
            }
            if self.has_all() {
                break;
            }
            let Some(row) = rows.next()? else { break };
            let (id, room, seq): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if room == self.room && (self.from..self.until).contains(&seq) {
                let mut said = vec![(id, String::new(), message.query_row([id], Stored::from_row)?)];
                if query != self.search.query() {
                    self.search.retain(&mut said)?;
                }
                self.found.said.append(&mut said);
            }
        }
        Ok(true)
    }
}

/// The first of some words, as FTS5 wants them. Each is there once. A word with a sign in it is several words to FTS5.
fn first_words(words: &str, most: usize) -> String {
    let (mut seen, mut kept, mut left) = (HashSet::new(), Vec::new(), most);
    for word in words.split_whitespace().filter(|word| seen.insert(word.to_lowercase())) {
        let mut parts = word.split_inclusive(|c: char| !c.is_alphanumeric());
        let first: String = parts
            .by_ref()
            .take_while(|part| {
                let is_word = part.contains(char::is_alphanumeric);
                let fits = !is_word || left > 0;
                left -= usize::from(is_word && fits);
                fits
            })
            .collect();
        kept.push(first);
        if left == 0 {
            break;
        }
    }
    quoted(&kept.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_asked_for_a_few_words() {
        assert_eq!(first_words("Tea tea green TEA", 9), r#""Tea" "green""#);
        assert_eq!(first_words("a b c d", 2), r#""a" "b""#);
        assert_eq!(first_words("x a-b-c-d e", 3), r#""x" "a-b-""#);
        assert_eq!(first_words(&"word".repeat(200), 3), format!("\"{}\"", "word".repeat(200)));
        assert_eq!(first_words("\" NOT *", 3), r#""""" "NOT" "*""#);
        assert_eq!(first_words("", 3), "");
    }
}
