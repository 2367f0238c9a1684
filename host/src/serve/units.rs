//! Values with units, as they are written on the command line.

use std::time::Duration;

/// A time such as `5s`, `200ms` or `1m 30s`, that a hub can count.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration.as_millis() > u128::from(u32::MAX) {
        return Err("that is longer than 49 days".into());
    }
    Ok(duration)
}

/// As [`duration`], and not none at all.
pub(super) fn positive_duration(text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    if duration.as_millis() == 0 { Err("that is no time at all".into()) } else { Ok(duration) }
}
