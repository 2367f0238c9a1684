//! What the writer does beside writing: the full-text index, and the deletion of what is old or must be forgotten.
//! It is done in pieces that are short, so a commit never waits for long.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::forget::{Forgetting, Forgot, Whom};
use crate::removed::Removed;
use crate::retention::{Keep, Retention};
use crate::writer::Writer;

/// How long a piece may take, besides its commit.
const PIECE: Duration = Duration::from_millis(5);
/// While messages come all the time, there is a piece after so many commits. If more come than the disk takes,
/// they are more.
const EVERY: u32 = 8;
const SELDOM: u32 = 256;

#[derive(Debug)]
pub(crate) struct Chores {
    retention: Option<Retention>,
    forgetting: Forgetting,
    /// Commits since the last piece.
    commits: u32,
}

impl Chores {
    pub(crate) fn new(keep: Option<Keep>) -> Self {
        Self { retention: keep.map(Retention::new), forgetting: Forgetting::new(), commits: 0 }
    }

    /// Goes on with another file.
    pub(crate) fn begin_anew(&mut self) {
        self.forgetting = Forgetting::new();
    }

    pub(crate) fn forget(&mut self, whom: Whom) {
        self.forgetting.wish(whom);
    }

    /// When there is something to do again, if nothing is written meanwhile.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        let retention = self.retention.as_ref().map(Retention::next_at);
        retention.into_iter().chain(self.forgetting.next_at()).min()
    }

    /// Messages were written. `is_much`: more of them wait already. Returns whether a piece is due all the same.
    pub(crate) fn is_due(&mut self, is_much: bool) -> bool {
        self.commits += 1;
        let is_behind = self.next_at().is_some_and(|at| at <= Instant::now());
        self.commits >= if is_much { SELDOM } else { EVERY } || is_behind && !is_much
    }

    /// Does a piece of each. Returns whether there is more to do at once, and what there is to tell. What cannot be
    /// done waits.
    pub(crate) fn work(
        &mut self,
        db: &mut Connection,
        writer: &mut Writer,
        removed: &Removed,
    ) -> (bool, Option<Forgot>) {
        self.commits = 0;
        let is_indexed = !writer.index(db).unwrap_or(false);
        let now = Instant::now();
        if let Some(retention) = self.retention.as_mut().filter(|retention| retention.next_at() <= now) {
            let gone = removed.deleting(db, |db| retention.step(db, now + PIECE));
            writer.lose_views(&gone.unwrap_or_default());
        }
        let mut told = None;
        let now = Instant::now();
        if self.forgetting.next_at().is_some_and(|at| at <= now) {
            let mut gone = Vec::new();
            told = removed.forgetting(db, |db| self.forgetting.step(db, now + PIECE, &mut gone));
            writer.lose_views(&gone);
        }
        let has_more = !is_indexed || self.next_at().is_some_and(|at| at <= Instant::now());
        (has_more, told)
    }
}
