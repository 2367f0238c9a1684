//! A store of everything that was said, as a driver keeps it: a follower writes it down, and clients that
//! are further behind than the log goes back get pages of it. It is slow, answers twice, and, if it is told
//! to, never or with nothing.

use parlour_core::{Followed, FollowerId, Following, Input, Instant, Scope, Wanted};
use parlour_trace::Taped;

use super::recording::Recorder;
use crate::kept::{self, Kept};

/// The longest that it takes to answer. The hub waits longer.
const SLOW_MS: u64 = 500;
/// Records of a page at the most.
const PAGE: usize = 20;

/// The store.
#[derive(Debug)]
pub(super) struct Store {
    follower: FollowerId,
    kept: Vec<Kept>,
    /// The pages that were asked for, and when they come.
    due: Vec<(u64, Wanted)>,
    /// It loses pages.
    is_bad: bool,
}

impl Store {
    /// A store that follows this hub from now on.
    pub(super) fn new(hub: &mut Taped<'_, Recorder>, is_bad: bool) -> Self {
        let following = Following { grace_ms: None, scope: Scope::All };
        let follower = hub.follow(following).expect("a place for the store");
        Self { follower, kept: Vec::new(), due: Vec::new(), is_bad }
    }

    /// When there is something to write down, or the next page comes.
    pub(super) fn next_at(&self, hub: &Taped<'_, Recorder>) -> Option<u64> {
        let news = hub.has_news(self.follower).then_some(0);
        self.due.iter().map(|(at, _)| *at).chain(news).min()
    }

    /// Writes down what was said. Returns how many records there were.
    pub(super) fn keep(&mut self, hub: &mut Taped<'_, Recorder>, now: u64) -> u64 {
        let before = self.kept.len();
        let follower = self.follower;
        let mut last = None;
        while let Some(followed) = hub.read(follower) {
            let Followed::Record(record) = followed else { panic!("a store that keeps up loses nothing") };
            last = Some(record.seq);
            self.kept.push(Kept::new(&record));
        }
        if let Some(seq) = last {
            hub.handle(Instant::from_millis(now), Input::Committed { follower, seq });
        }
        (self.kept.len() - before) as u64
    }

    /// Notes that a page is wanted, and when it comes.
    pub(super) fn want(&mut self, wanted: Wanted, now: u64, rng: &mut fastrand::Rng) {
        let is_lost = self.is_bad && rng.u8(..4) == 0;
        let times = if is_lost { 0 } else { rng.usize(1..3) };
        self.due.extend((0..times).map(|_| (now + rng.u64(..SLOW_MS), wanted)));
    }

    /// Answers with the pages that are due. Returns how many there were.
    pub(super) fn answer(&mut self, hub: &mut Taped<'_, Recorder>, now: u64, rng: &mut fastrand::Rng) -> u64 {
        let is_due = |(at, _): &mut (u64, Wanted)| *at <= now;
        let due: Vec<_> = self.due.extract_if(.., is_due).map(|(_, wanted)| wanted).collect();
        for wanted in due.iter().copied() {
            let is_empty = self.is_bad && rng.u8(..4) == 0;
            let most = if is_empty { 0 } else { rng.usize(PAGE / 2..=PAGE) };
            let records: Vec<_> = kept::wanted(&self.kept, wanted).map(Kept::record).take(most).collect();
            hub.handle(Instant::from_millis(now), Input::Page { wanted, has_gap: false, records: &records });
        }
        due.len() as u64
    }
}
