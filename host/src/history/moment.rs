//! Times as people write them. The calendar is humantime's, which knows UTC alone. The system knows how far local
//! time is ahead of it.

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::sys;

/// The last ms of the year 9999, after which there is no text.
const LAST_MS: u64 = 253_402_300_799_999;
const DAY_MS: u64 = 86_400_000;

/// A time on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// So long ago.
    Ago(Duration),
    /// In local time: what clocks would show if they showed ms since 1970.
    Local(u64),
    /// A day in local time, by its beginning.
    Day(u64),
    /// In UTC, in ms since 1970.
    Utc(u64),
}

impl FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(duration) = humantime::parse_duration(text) {
            return Ok(Self::Ago(duration));
        }
        let (kind, whole): (fn(u64) -> Self, _) = match text.len() {
            10 => (Self::Day, format!("{text} 00:00:00")),
            16 => (Self::Local, format!("{text}:00")),
            _ if text.ends_with('Z') => (Self::Utc, text.to_owned()),
            _ => (Self::Local, text.to_owned()),
        };
        let time = humantime::parse_rfc3339_weak(&whole).map_err(
            |_| "write how long ago, as in 2h, or a time, as in 2026-11-28 or \"2026-11-28 13:00\"",
        )?;
        Ok(kind(since_1970(time)))
    }
}

impl Moment {
    /// In ms since 1970. Of a day, it is the beginning.
    pub(super) fn begin(self, now: SystemTime) -> u64 {
        match self {
            Self::Ago(duration) => since_1970(now).saturating_sub(duration.as_millis() as u64),
            Self::Local(local) | Self::Day(local) => from_local(local),
            Self::Utc(utc) => utc,
        }
    }

    /// In ms since 1970. Of a day, it is the end.
    pub(super) fn end(self, now: SystemTime) -> u64 {
        match self {
            Self::Day(local) => from_local(local + DAY_MS),
            other => other.begin(now),
        }
    }
}

fn since_1970(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// How far local time is ahead at a time in ms.
fn offset_ms(unix_ms: u64) -> i64 {
    i64::from(sys::utc_offset_s_at((unix_ms / 1_000) as i64)) * 1_000
}

fn from_local(local_ms: u64) -> u64 {
    // The offset depends on the time that is looked for. It changes so seldom that a guess finds it.
    let guess = local_ms.saturating_add_signed(-offset_ms(local_ms));
    local_ms.saturating_add_signed(-offset_ms(guess))
}

/// A time in ms since 1970 as `2026-11-28 13:00:05`, in local time.
pub(super) fn local_text(unix_ms: u64) -> String {
    let unix_ms = unix_ms.min(LAST_MS);
    let local = time(unix_ms.saturating_add_signed(offset_ms(unix_ms)));
    humantime::format_rfc3339_seconds(local).to_string().replace('T', " ").trim_end_matches('Z').to_owned()
}

/// A time in ms since 1970 as `2026-11-28T13:00:05.123Z`.
pub(super) fn utc_text(unix_ms: u64) -> String {
    humantime::format_rfc3339_millis(time(unix_ms)).to_string()
}

fn time(unix_ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(unix_ms.min(LAST_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_duration_back_a_day_a_local_time_or_utc() {
        for (text, moment) in [
            ("2h", Moment::Ago(Duration::from_secs(7_200))),
            ("1day 2h", Moment::Ago(Duration::from_secs(93_600))),
            ("1970-01-02", Moment::Day(DAY_MS)),
            ("1970-01-02 00:01", Moment::Local(DAY_MS + 60_000)),
            ("1970-01-02T00:01", Moment::Local(DAY_MS + 60_000)),
            ("1970-01-02 00:01:02", Moment::Local(DAY_MS + 62_000)),
            ("1970-01-02T00:00:00.007Z", Moment::Utc(DAY_MS + 7)),
        ] {
            assert_eq!(text.parse(), Ok(moment), "{text}");
        }
        for text in
            ["", "2", "soon", "2026-13-01", "2026-02-30", "13:00", "2026-11-2\u{e9}", "2026-11-28 25:00"]
        {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_ends_a_day_after_it_began() {
        let now = UNIX_EPOCH + Duration::from_secs(10_000);
        let day: Moment = "2026-11-28".parse().expect("a day");
        assert_eq!(day.end(now) - day.begin(now), DAY_MS);
        assert_eq!(Moment::Ago(Duration::from_secs(60)).end(now), 9_940_000);
        assert_eq!(Moment::Ago(Duration::from_secs(60_000)).begin(now), 0);
    }

    #[test]
    fn what_is_written_in_local_time_is_read_as_the_same_time() {
        for unix_ms in [1_793_000_000_000, 1_780_000_000_000, 86_400_000 * 365] {
            let text = local_text(unix_ms);
            assert_eq!(text.parse::<Moment>().map(|moment| moment.begin(UNIX_EPOCH)), Ok(unix_ms), "{text}");
        }
        assert_eq!(utc_text(DAY_MS + 7), "1970-01-02T00:00:00.007Z");
        for unix_ms in [u64::MAX, LAST_MS] {
            assert!(local_text(unix_ms).starts_with("9999-12-3"));
            assert_eq!(utc_text(unix_ms), "9999-12-31T23:59:59.999Z");
        }
    }
}
