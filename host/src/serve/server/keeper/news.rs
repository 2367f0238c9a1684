//! When what was said is handed over to the journal: after clients were served, but before a room must wait for it.

use parlour_core::{Hub, Stats};

use super::Keeper;

/// For how many turns of the server it may wait.
const MOST_TURNS: u32 = 8;
/// The part of a log that may wait.
const PART: u64 = 4;

/// Something that waits to be handed over.
#[derive(Debug)]
pub(super) struct News {
    /// For how many turns it has waited.
    turns: u32,
    /// The hub's counts when it came.
    since: Stats,
}

impl Keeper {
    /// Notes that there is something to hand over.
    pub(in crate::serve::server) fn note_news(&mut self, hub: &Hub<'_>) {
        self.news.get_or_insert_with(|| News { turns: 0, since: hub.stats() });
    }

    pub(in crate::serve::server) fn has_news(&self) -> bool {
        self.news.is_some()
    }

    /// Whether it may wait for another turn, in which clients are served.
    pub(in crate::serve::server) fn may_wait(&mut self, hub: &Hub<'_>) -> bool {
        let Some(News { turns, since }) = &mut self.news else { return true };
        *turns += 1;
        let (now, limits) = (hub.stats(), hub.limits());
        *turns < MOST_TURNS
            && now.received_bytes - since.received_bytes < limits.log as u64 / PART
            && now.records - since.records < limits.records as u64 / PART
    }
}
