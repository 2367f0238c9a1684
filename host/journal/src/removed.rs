//! How often something was taken out of the file. Whoever keeps a page can see whether the file may have less by
//! now.

use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;

/// What was taken out of the file up to a moment. Two that differ were taken at different moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removals {
    /// Messages of clients that are forgotten.
    pub forgotten: u64,
    /// Messages that are too old.
    pub old: u64,
}

/// The counters. The writer counts after each commit. One that reads the file looks before it begins, so what it
/// has is never counted as newer than it is.
#[derive(Debug, Default)]
pub(crate) struct Removed {
    forgotten: AtomicU64,
    old: AtomicU64,
}

impl Removed {
    pub(crate) fn now(&self) -> Removals {
        let load = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        Removals { forgotten: load(&self.forgotten), old: load(&self.old) }
    }

    /// Does something that may forget messages.
    pub(crate) fn forgetting<R>(&self, db: &mut Connection, work: impl FnOnce(&mut Connection) -> R) -> R {
        counting(&self.forgotten, db, work)
    }

    /// Does something that may delete old messages.
    pub(crate) fn deleting<R>(&self, db: &mut Connection, work: impl FnOnce(&mut Connection) -> R) -> R {
        counting(&self.old, db, work)
    }
}

fn counting<R>(counter: &AtomicU64, db: &mut Connection, work: impl FnOnce(&mut Connection) -> R) -> R {
    let before = db.total_changes();
    let result = work(db);
    if db.total_changes() != before {
        counter.fetch_add(1, Ordering::Release);
    }
    result
}
