//! Values with units on the command line: sizes and durations.

use std::ops::RangeInclusive;
use std::time::Duration;

/// A unit of size: its names, and how many bytes it has.
const SIZES: [(&[&str], u64); 7] = [
    (&["", "B"], 1),
    (&["k", "K", "KiB"], 1 << 10),
    (&["M", "MiB"], 1 << 20),
    (&["G", "GiB"], 1 << 30),
    (&["kB"], 1_000),
    (&["MB"], 1_000_000),
    (&["GB"], 1_000_000_000),
];

/// Reads a size in bytes, such as `4096`, `64k`, `16M`, `1MiB` or `10MB`: a whole number, and perhaps
/// a unit. `k`, `M` and `G` are powers of 1024, as are `KiB`, `MiB` and `GiB`. `kB`, `MB` and `GB` are
/// powers of 1000.
///
/// # Errors
/// The message names the wrong part of `text`, and says what to write.
pub fn size(text: &str) -> Result<u64, String> {
    if text.is_empty() {
        return Err("the size is missing; write a number of bytes, as in 4096 or 64k".into());
    }
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    if digits.is_empty() {
        return Err(format!("{text}: a size starts with a digit, as in 4096 or 64k"));
    }
    if unit.starts_with(['.', ',']) {
        return Err(format!("{text}: the number must be whole; use a smaller unit, as in 1536k"));
    }
    let Some((_, bytes)) = SIZES.iter().find(|(names, _)| names.contains(&unit)) else {
        return Err(format!("{text}: the unit \"{unit}\" is unknown; use k, M or G, as in 64k"));
    };
    let count = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(*bytes));
    count.ok_or_else(|| format!("{text}: the number {digits} is too large; a size is less than 16777216 TiB"))
}

/// Reads a whole number in this range.
///
/// # Errors
/// The message says what is wrong with `text`, and what to write.
pub fn number(text: &str, range: RangeInclusive<u32>) -> Result<u32, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("write a whole number, as in {}", range.end().min(&1000)));
    }
    let number = text.parse().map_err(|_| format!("{text} is too high; {} is the most", range.end()))?;
    within(number, range)
}

/// Reads a size in this range, as [`size`] does.
///
/// # Errors
/// The message says what is wrong with `text`, and what to write.
pub fn size_within(text: &str, range: RangeInclusive<u32>) -> Result<u32, String> {
    within(size(text)?, range)
}

fn within(number: u64, range: RangeInclusive<u32>) -> Result<u32, String> {
    let (least, most) = range.into_inner();
    if number < u64::from(least) {
        return Err(format!("{number} is too low; {least} is the least"));
    }
    u32::try_from(number)
        .ok()
        .filter(|number| *number <= most)
        .ok_or_else(|| format!("{number} is too high; {most} is the most"))
}

/// Reads a time such as `5s`, `200ms` or `1m 30s`. It must be short enough for a hub to count.
///
/// # Errors
/// The message says what is wrong with `text`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text)
        .map_err(|_| "write a number and a unit, as in 200ms, 5s or 1m 30s".to_owned())?;
    if duration.as_millis() > u128::from(u32::MAX) {
        return Err("that is longer than 49 days; choose a shorter time".into());
    }
    Ok(duration)
}

/// Reads a time as [`duration`] does. It must not be zero.
///
/// # Errors
/// The message says what is wrong with `text`.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    if duration.as_millis() == 0 { Err("the time must be longer than 0".into()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_digits_and_perhaps_a_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("7B", 7),
            ("64k", 65_536),
            ("64K", 65_536),
            ("64KiB", 65_536),
            ("16M", 16 << 20),
            ("1MiB", 1 << 20),
            ("2G", 2 << 30),
            ("2GiB", 2 << 30),
            ("3kB", 3_000),
            ("3MB", 3_000_000),
            ("3GB", 3_000_000_000),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn a_bad_size_is_told_by_its_wrong_part_and_what_would_be_right() {
        for (text, message) in [
            ("", "the size is missing; write a number of bytes, as in 4096 or 64k"),
            ("k", "k: a size starts with a digit, as in 4096 or 64k"),
            ("-1", "-1: a size starts with a digit, as in 4096 or 64k"),
            ("12x", "12x: the unit \"x\" is unknown; use k, M or G, as in 64k"),
            ("64 k", "64 k: the unit \" k\" is unknown; use k, M or G, as in 64k"),
            ("1KB", "1KB: the unit \"KB\" is unknown; use k, M or G, as in 64k"),
            ("1.5M", "1.5M: the number must be whole; use a smaller unit, as in 1536k"),
            (
                "18446744073709551616",
                "18446744073709551616: the number 18446744073709551616 is too large; a size is less than 16777216 TiB",
            ),
            (
                "17179869184G",
                "17179869184G: the number 17179869184 is too large; a size is less than 16777216 TiB",
            ),
        ] {
            assert_eq!(size(text), Err(message.into()), "{text}");
        }
    }

    #[test]
    fn a_number_out_of_its_range_is_told_with_the_range() {
        assert_eq!(number("16", 16..=1000), Ok(16));
        assert_eq!(number("15", 16..=1000), Err("15 is too low; 16 is the least".into()));
        assert_eq!(number("1001", 1..=1000), Err("1001 is too high; 1000 is the most".into()));
        assert_eq!(number("x", 1..=250), Err("write a whole number, as in 250".into()));
        for text in ["-1", "+1", "", "\u{664}"] {
            assert_eq!(number(text, 1..=u32::MAX), Err("write a whole number, as in 1000".into()), "{text}");
        }
        let text = "18446744073709551616";
        assert_eq!(number(text, 1..=1000), Err(format!("{text} is too high; 1000 is the most")));
        assert_eq!(size_within("1k", 16..=1024), Ok(1024));
        assert_eq!(size_within("1M", 16..=1024), Err("1048576 is too high; 1024 is the most".into()));
    }

    #[test]
    fn a_duration_is_one_that_a_hub_can_count() {
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        let what_is_right = "write a number and a unit, as in 200ms, 5s or 1m 30s";
        assert_eq!(duration("soon"), Err(what_is_right.into()));
        assert_eq!(duration("50d"), Err("that is longer than 49 days; choose a shorter time".into()));
        assert_eq!(positive_duration("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(positive_duration("0s"), Err("the time must be longer than 0".into()));
    }
}
