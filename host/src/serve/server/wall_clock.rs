//! The system's time of day. The hub counts on by itself from the time that it was told. So it is told
//! again only when somebody has set the clock, or when the offset of local time has changed.

use std::time::{Duration, Instant as Clock, SystemTime};

use parlour_core::Input;

use crate::sys;

/// How long not to look at the time of day after a look.
const PAUSE: Duration = Duration::from_secs(1);
/// The most that the clock may be off, in ms. People are shown minutes.
const TOLERANCE_MS: u64 = 500;

/// A time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Time {
    unix_ms: u64,
    utc_offset_s: i32,
}

impl Time {
    fn now() -> Self {
        // A clock that stands before 1970 was never set.
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { unix_ms: since.as_millis() as u64, utc_offset_s: sys::utc_offset_s() }
    }
}

/// What the hub knows of the time of day.
#[derive(Debug, Default)]
pub(super) struct WallClock {
    looked_at: Option<Clock>,
    /// The time that the hub was told last, and when that was.
    told: Option<(Clock, Time)>,
}

impl WallClock {
    /// What to tell the hub now, if it does not know. Looks at most once a second.
    pub(super) fn news(&mut self, now: Clock) -> Option<Input<'static>> {
        if self.looked_at.is_some_and(|at| now < at + PAUSE) {
            return None;
        }
        self.looked_at = Some(now);
        let Time { unix_ms, utc_offset_s } = self.note(now, Time::now())?;
        Some(Input::Clock { unix_ms, utc_offset_s })
    }

    /// Notes a time of day. Returns it if the hub must be told.
    fn note(&mut self, now: Clock, time: Time) -> Option<Time> {
        let is_known = self.told.is_some_and(|(at, told)| {
            let counted_ms = told.unix_ms + (now - at).as_millis() as u64;
            told.utc_offset_s == time.utc_offset_s && counted_ms.abs_diff(time.unix_ms) <= TOLERANCE_MS
        });
        if is_known {
            return None;
        }
        self.told = Some((now, time));
        Some(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_is_news_and_one_that_runs_is_not() {
        let start = Clock::now();
        let mut clock = WallClock::default();
        let mut check = |s: u64, unix_ms: u64, utc_offset_s: i32, is_news: bool| {
            let time = Time { unix_ms, utc_offset_s };
            let news = clock.note(start + Duration::from_secs(s), time);
            assert_eq!(news, is_news.then_some(time), "after {s} s");
        };
        check(0, 1_000_000, 3_600, true);
        check(1, 1_001_000, 3_600, false);
        check(2, 1_002_400, 3_600, false);
        check(3, 1_003_600, 3_600, true);
        check(4, 1_004_600, 3_600, false);
        check(5, 1_005_600, 7_200, true);
        check(6, 5_000, 7_200, true);
        check(7, 6_000, 7_200, false);
    }

    #[test]
    fn it_looks_once_a_second() {
        let start = Clock::now();
        let mut clock = WallClock::default();
        assert!(clock.news(start).is_some(), "at the start");
        // A look now would find that the time of day has not gone on.
        assert!(clock.news(start + PAUSE / 2).is_none());
        assert!(clock.news(start + 2 * PAUSE).is_some());
    }
}
