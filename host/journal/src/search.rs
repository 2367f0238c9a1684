//! Words that are looked for. The full-text index of the file is behind what was said last. Messages after it go
//! through an index of their own in memory, so the rules for words are the same.

use rusqlite::Connection;

use crate::stored::Stored;

#[derive(Debug)]
pub(crate) struct Search {
    query: String,
    /// Has the messages of one piece, and nothing after that.
    scratch: Connection,
}

impl Search {
    pub(crate) fn new(words: &str) -> rusqlite::Result<Self> {
        let scratch = Connection::open_in_memory()?;
        scratch.execute_batch("CREATE VIRTUAL TABLE words USING fts5 (text, content='')")?;
        Ok(Self { query: quoted(words), scratch })
    }

    /// The words as FTS5 wants them.
    pub(crate) fn query(&self) -> &str {
        &self.query
    }

    /// Leaves only rows that have the words.
    pub(crate) fn retain(&self, said: &mut Vec<(i64, String, Stored)>) -> rusqlite::Result<()> {
        if said.is_empty() {
            return Ok(());
        }
        let mut insert =
            self.scratch.prepare_cached("INSERT INTO words (rowid, text) VALUES (?1, CAST(?2 AS TEXT))")?;
        self.scratch.execute_batch("BEGIN")?;
        for (id, _, stored) in said.iter() {
            insert.execute((id, &stored.text))?;
        }
        self.scratch.execute_batch("COMMIT")?;
        let mut find =
            self.scratch.prepare_cached("SELECT rowid FROM words WHERE words MATCH ?1 ORDER BY rowid")?;
        let found: Vec<i64> = find.query_map([&self.query], |row| row.get(0))?.collect::<Result<_, _>>()?;
        self.scratch.execute_batch("INSERT INTO words (words) VALUES ('delete-all')")?;
        said.retain(|(id, ..)| found.binary_search(id).is_ok());
        Ok(())
    }
}

/// Each word as a string of FTS5, in which nothing has a meaning of its own. All of them must be there.
pub(crate) fn quoted(words: &str) -> String {
    let words = words.split_whitespace().map(|word| format!("\"{}\"", word.replace('"', "\"\"")));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fts5_understands_is_looked_for_as_words() {
        assert_eq!(quoted("tea  NOT \"milk\" a*"), r#""tea" "NOT" """milk""" "a*""#);
        assert_eq!(quoted(" "), "");
    }
}
