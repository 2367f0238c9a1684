//! The time of day, and how people read it.

/// A time as text, at most `2026-11-28 09:30`, and a blank behind it that is taken off again.
pub(crate) type TimeText = heapless::String<17>;

/// The time of day at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    /// In ms since 1970-01-01 UTC; 0 if it is not known.
    pub(crate) unix_ms: u64,
    /// How far local time is ahead of UTC.
    pub(crate) utc_offset_s: i32,
}

impl Clock {
    pub(crate) const UNKNOWN: Self = Self { unix_ms: 0, utc_offset_s: 0 };

    /// The same clock some time later.
    pub(crate) fn after(self, ms: u64) -> Self {
        Self { unix_ms: self.unix_ms.saturating_add(ms), ..self }
    }

    /// A time before, in local time: `09:30`, with the date if it was not on the same day. Empty if it is
    /// not known.
    pub(crate) fn text_of(self, unix_ms: u64) -> TimeText {
        let mut text = TimeText::new();
        if unix_ms == 0 {
            return text;
        }
        let local_s = |unix_ms: u64| (unix_ms / 1_000) as i64 + i64::from(self.utc_offset_s);
        let (then, now) = (local_s(unix_ms), local_s(self.unix_ms));
        let days = then.div_euclid(DAY_S);
        if days != now.div_euclid(DAY_S) {
            let (year, month, day) = date(days);
            for (number, digits, after) in [(year, 4, '-'), (month, 2, '-'), (day, 2, ' ')] {
                push(&mut text, number, digits, after);
            }
        }
        let minutes = (then.rem_euclid(DAY_S) / 60) as u32;
        push(&mut text, minutes / 60, 2, ':');
        push(&mut text, minutes % 60, 2, ' ');
        text.pop();
        text
    }
}

const DAY_S: i64 = 86_400;

/// Appends so many digits of a number, and a character. There is room for the longest time.
fn push(text: &mut TimeText, number: u32, digits: u32, after: char) {
    for place in (0..digits).rev() {
        let digit = number / 10_u32.pow(place) % 10;
        let _ = text.push(char::from(b'0' + digit as u8));
    }
    let _ = text.push(after);
}

/// Year, month and day of a number of days since 1970-01-01, in the Gregorian calendar. Years are counted
/// from March, so that a leap day is the last of its year.
fn date(days: i64) -> (u32, u32, u32) {
    // Days since 0000-03-01, in eras of 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year as u32, month as u32, day as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(now_s: u64, utc_offset_s: i32, then_s: u64) -> TimeText {
        Clock { unix_ms: now_s * 1_000, utc_offset_s }.text_of(then_s * 1_000)
    }

    #[test]
    fn a_time_of_today_has_no_date_and_another_one_has() {
        // 2026-11-28 09:30:00 UTC.
        let now = 1_795_858_200;
        assert_eq!(text(now, 0, now - 59), "09:29");
        assert_eq!(text(now, 3_600, now), "10:30");
        assert_eq!(text(now, -36_000, now), "23:30");
        assert_eq!(text(now, 0, now - 9 * 3_600 - 1_801), "2026-11-27 23:59");
        assert_eq!(text(now, 1_801, now - 9 * 3_600 - 1_801), "00:30");
        assert_eq!(text(now, 0, 0), "");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (s, date) in [
            (1, "1970-01-01 00:00"),
            (951_782_400, "2000-02-29 00:00"),
            (951_868_800, "2000-03-01 00:00"),
            (1_709_164_800, "2024-02-29 00:00"),
            (1_735_689_599, "2024-12-31 23:59"),
            (4_107_542_400, "2100-03-01 00:00"),
        ] {
            assert_eq!(text(4_200_000_000, 0, s), date);
        }
    }
}
