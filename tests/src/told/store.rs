//! A driver that keeps records: it answers with pages late, in parts, twice. A bad one also with nothing, of
//! another room, without the first ones, or never.

use fastrand::Rng;
use parlour_core::{Hub, Input, Instant, Record, RoomRef, Span, Wanted};

use super::said::Said;

/// The hub waits for a page for 5 s.
const SLOW_MS: u64 = 4_000;

/// How good a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quality {
    /// There is none.
    None,
    Bad,
    Good,
}

/// A page, and when it comes.
struct Page {
    at_ms: u64,
    wanted: Wanted,
}

pub(super) struct Store {
    quality: Quality,
    pages: Vec<Page>,
    /// What was asked for, and not answered.
    asked: Vec<Wanted>,
}

impl Store {
    pub(super) fn new(quality: Quality) -> Self {
        Self { quality, pages: Vec::new(), asked: Vec::new() }
    }

    /// Notes that a page is wanted.
    pub(super) fn want(&mut self, wanted: Wanted, now: Instant, rng: &mut Rng) {
        assert!(self.quality != Quality::None, "a page is wanted of a driver that keeps none");
        match wanted.span {
            Span::From(from) => assert!(wanted.until.wrapping_sub(from) < 1 << 32, "{wanted:?}"),
            Span::Last(count) => assert!(count > 0, "{wanted:?}"),
        }
        assert!(!self.asked.contains(&wanted), "{wanted:?} is asked for once");
        self.asked.push(wanted);
        let least = usize::from(self.quality == Quality::Good);
        for _ in 0..rng.usize(least..=2) {
            let late = if rng.bool() { rng.u64(..60) } else { rng.u64(..SLOW_MS) };
            let at_ms = now.as_millis() + if self.quality == Quality::Good { late } else { 2 * late };
            self.pages.push(Page { at_ms, wanted });
        }
    }

    /// A page that comes before some time, or any.
    pub(super) fn next(&mut self, by_ms: u64, rng: &mut Rng) -> Option<Wanted> {
        let due: Vec<usize> = (0..self.pages.len()).filter(|page| self.pages[*page].at_ms <= by_ms).collect();
        rng.choice(due).map(|page| self.pages.remove(page).wanted)
    }

    pub(super) fn has_pages(&self) -> bool {
        !self.pages.is_empty()
    }

    /// Answers with what it has of a page. Returns how many records of it the hub took.
    pub(super) fn answer(
        &mut self,
        hub: &mut Hub<'_>,
        now: Instant,
        wanted: Wanted,
        said: &[Said],
        rng: &mut Rng,
    ) -> usize {
        self.asked.retain(|asked| *asked != wanted);
        let Wanted { room, span, until, .. } = wanted;
        let comes_before = |a: u64, b: u64| (a.wrapping_sub(b) as i64) < 0;
        let of_room = || said.iter().filter(|said| said.room == room);
        let before: Vec<_> = of_room().filter(|said| comes_before(said.seq, until)).collect();
        let messages: Vec<_> = before.iter().copied().filter(|said| said.kind.is_message()).collect();
        let (from, mut found): (u64, Vec<Record<'_>>) = match span {
            Span::From(from) => {
                let here = before.iter().filter(|said| !comes_before(said.seq, from));
                (from, here.map(|said| said.record()).collect())
            }
            Span::Last(count) => {
                let here = &messages[messages.len().saturating_sub(count as usize)..];
                (here.first().map_or(until, |said| said.seq), here.iter().map(|said| said.record()).collect())
            }
        };
        match rng.u8(..6) {
            // In parts.
            0 => found.truncate(rng.usize(found.len().min(1)..=found.len())),
            1 => found.truncate(1),
            // From too early on.
            2 if matches!(span, Span::From(_)) => {
                let early = of_room().rfind(|said| comes_before(said.seq, from));
                found.splice(..0, early.map(Said::record));
            }
            // With more than was asked for.
            3 => found.extend(of_room().find(|said| !comes_before(said.seq, until)).map(Said::record)),
            _ => {}
        }
        // A good one may say so too, of the page that has all: it has what was asked for.
        let mut has_gap =
            rng.u8(..4) == 0 && found.first().is_some_and(|first| !comes_before(from, first.seq));
        if self.quality == Quality::Bad {
            match rng.u8(..5) {
                0 => found.clear(),
                2 => {
                    found.drain(..rng.usize(..=found.len()));
                    has_gap = true;
                }
                1 => found.iter_mut().for_each(|record| {
                    record.room = RoomRef::from_u64(record.room.as_u64() ^ 1 << rng.u32(..40));
                }),
                _ => {}
            }
        }
        let page = Input::Page { wanted, has_gap, records: &found };
        let taken = hub.handle(now, page).taken();
        assert!(taken <= found.len());
        taken
    }
}
