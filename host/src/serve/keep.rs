//! The value of `--keep`: a time, or a number of messages.

use std::str::FromStr;

use parlour_journal::Keep;

/// How long the journal keeps messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept(pub(super) Keep);

impl FromStr for Kept {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRITE: &str = "write a time, as in 30d or 12h, or a number of messages, as in 1000000";
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let count = text.parse().map_err(|_| format!("{text} is too high"))?;
            return if count == 0 {
                Err(format!("0 keeps nothing; {WRITE}"))
            } else {
                Ok(Self(Keep::Newest(count)))
            };
        }
        // For humantime it is a month, for others a million.
        if text.contains('M') {
            return Err(format!("the unit M is not clear; {WRITE}"));
        }
        let time = humantime::parse_duration(text).map_err(|_| WRITE.to_owned())?;
        if time.is_zero() { Err(format!("0 keeps nothing; {WRITE}")) } else { Ok(Self(Keep::For(time))) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_is_a_time_or_a_number_of_messages() {
        let hours = |hours: u64| Ok(Kept(Keep::For(Duration::from_secs(hours * 3_600))));
        assert_eq!("30d".parse(), hours(720));
        assert_eq!("1d 12h".parse(), hours(36));
        assert_eq!("1000000".parse(), Ok(Kept(Keep::Newest(1_000_000))));
        for (text, why) in [
            ("", "write a time"),
            ("soon", "write a time"),
            ("0", "0 keeps nothing"),
            ("0s", "0 keeps nothing"),
            ("1M", "the unit M is not clear"),
            ("99999999999999999999", "99999999999999999999 is too high"),
        ] {
            let error = text.parse::<Kept>().expect_err(text);
            assert!(error.starts_with(why), "{text}: {error}");
        }
    }
}
