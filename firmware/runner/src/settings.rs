//! The settings of an emulated board at its start: the flags, and the words that its program gets.
//! Lengths are checked against those that the program was built for.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use parlour::serve::LagPolicy;
use parlour::units::{duration, number, positive_duration, size_within};
use parlour_core::{Limits, LimitsError};
use parlour_firmware::{GREETING, limits};

use crate::variant::Variant;

/// The flags. They have the names and values of those of `parlour serve`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Settings {
    /// Refuse longer lines
    #[arg(long, value_name = "SIZE", value_parser = |text: &str| size_within(text, 16..=u32::MAX))]
    line_limit: Option<u32>,
    /// Memory for the log of each room, rounded up to a power of two
    #[arg(long, value_name = "SIZE", value_parser = |text: &str| size_within(text, 1..=1 << 30))]
    log_size: Option<u32>,
    /// Let a room wait this long for a client that does not read
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    grace: Option<Duration>,
    /// Do this with such a client after the grace period
    #[arg(long, value_name = "POLICY")]
    on_lag: Option<LagPolicy>,
    /// Disconnect a client that sends nothing for this long [default: never]
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    idle_timeout: Option<Duration>,
    /// Greet chat clients with this text
    #[arg(long, value_name = "TEXT")]
    greeting: Option<String>,
    /// Show the last N messages of a room to each client that comes in, as far as the board has them; 0
    /// shows none [default: 20]
    #[arg(long, value_name = "N", value_parser = |text: &str| number(text, 0..=u32::MAX))]
    history: Option<u32>,
    /// Let a chat client whose connection has broken come back within this time, if the board has memory for it; 0
    /// lets nobody come back [default: 5min]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    resume_window: Option<Duration>,
}

/// Why a program cannot be given these settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// The program has memory for no more than this.
    TooHigh {
        /// The flag.
        flag: &'static str,
        /// What was asked for.
        wanted: usize,
        /// The most that is possible.
        most: usize,
    },
    /// The log does not hold enough lines of this length.
    LogTooSmall {
        /// The smallest log that does, in bytes.
        least: usize,
    },
    /// The board has no memory for clients that come back.
    NoSessions,
    /// A hub cannot have these limits.
    Limits(LimitsError),
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingsError::TooHigh { flag, wanted, most } => {
                write!(f, "{flag} takes at most {most} bytes on this board, and {wanted} were asked for")
            }
            SettingsError::LogTooSmall { least } => {
                write!(f, "--log-size must be at least {least} bytes with this --line-limit")
            }
            SettingsError::NoSessions => {
                write!(
                    f,
                    "no client can come back to this board, which has no memory for it; leave --resume-window out"
                )
            }
            SettingsError::Limits(_) => {
                write!(f, "a hub cannot have these settings; choose others for --line-limit and --log-size")
            }
        }
    }
}

impl Error for SettingsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SettingsError::Limits(error) => Some(error),
            SettingsError::TooHigh { .. } | SettingsError::LogTooSmall { .. } | SettingsError::NoSessions => {
                None
            }
        }
    }
}

impl Settings {
    /// The words that tell the program of a variant these settings and the number of chat clients. A
    /// default needs no word.
    ///
    /// # Errors
    /// The program has no memory for a setting, or a hub cannot have it.
    pub fn words(&self, variant: &Variant, max_conns: usize) -> Result<Vec<String>, SettingsError> {
        let built = limits(variant.board, variant.max_conns);
        let log = self.log_size.map(u32::next_power_of_two);
        let within = |flag, wanted: Option<usize>, most: usize| match wanted {
            Some(wanted) if wanted > most => Err(SettingsError::TooHigh { flag, wanted, most }),
            _ => Ok(()),
        };
        within("--line-limit", self.line_limit.map(|bytes| bytes as usize), built.line)?;
        within("--log-size", log.map(|bytes| bytes as usize), built.log)?;
        within("--greeting", self.greeting.as_ref().map(String::len), GREETING)?;
        if self.resume_window.is_some() && variant.board.sizes.sessions == 0 {
            return Err(SettingsError::NoSessions);
        }
        let limits = Limits {
            line: self.line_limit.map_or(built.line, |line| line as usize),
            log: log.map_or(built.log, |log| log as usize),
            ..built
        };
        limits.check().map_err(|error| match error {
            LimitsError::LogTooSmall { least } => SettingsError::LogTooSmall { least },
            error => SettingsError::Limits(error),
        })?;
        let ms = |time: Duration| time.as_millis().to_string();
        let lag = self.on_lag.map(|policy| match policy {
            LagPolicy::Disconnect => "disconnect".to_owned(),
            LagPolicy::Skip => "skip".to_owned(),
            LagPolicy::Replay => "replay".to_owned(),
        });
        let words = [
            ("max-conns", (max_conns < variant.max_conns).then(|| max_conns.to_string())),
            ("line", self.line_limit.map(|bytes| bytes.to_string())),
            ("log", log.map(|bytes| bytes.to_string())),
            ("grace", self.grace.map(ms)),
            ("lag", lag),
            ("idle", self.idle_timeout.map(ms)),
            ("greeting", self.greeting.as_deref().map(escaped)),
            ("away", self.resume_window.map(ms)),
            ("history", self.history.map(|count| count.to_string())),
        ];
        Ok(words.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?))).collect())
    }
}

/// Encodes text with percent escapes (RFC 3986, section 2.1): blanks, commas and all else that has a
/// meaning on its way.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        settings: Settings,
    }

    fn words(args: &[&str]) -> Result<Vec<String>, String> {
        words_for(8, args)
    }

    /// The words for a program that was built for eight chat clients.
    fn words_for(max_conns: usize, args: &[&str]) -> Result<Vec<String>, String> {
        let variant =
            Variant { max_conns: 8, ..Variant::of(parlour_boards::named("lm3s6965evb").expect("a row")) };
        let cli = Cli::try_parse_from([&["run"], args].concat()).map_err(|error| error.to_string())?;
        cli.settings.words(&variant, max_conns).map_err(|error| error.to_string())
    }

    #[test]
    fn only_what_was_chosen_is_passed_on() {
        assert_eq!(words(&[]), Ok(vec![]));
        let all = [
            "--line-limit=80",
            "--log-size=2kB",
            "--grace=300ms",
            "--on-lag=skip",
            "--idle-timeout=1m",
            "--greeting=50% off, naïve",
            "--history=5",
        ];
        let expected = [
            "max-conns=2",
            "line=80",
            "log=2048",
            "grace=300",
            "lag=skip",
            "idle=60000",
            "greeting=50%25%20off%2C%20na%C3%AFve",
            "history=5",
        ];
        assert_eq!(words_for(2, &all).expect("good settings"), expected);
    }

    #[test]
    fn a_greeting_is_as_long_as_the_board_has_memory_for() {
        assert!(words(&[&format!("--greeting={}", "x".repeat(GREETING))]).is_ok());
        let error = words(&[&format!("--greeting={}", "x".repeat(GREETING + 1))]);
        let words = "--greeting takes at most 96 bytes on this board, and 97 were asked for";
        assert_eq!(error, Err(words.to_owned()));
    }

    #[test]
    fn a_board_cannot_be_larger_than_it_was_built() {
        for (arg, limit) in [
            ("--line-limit=129", "at most 128 bytes on this board, and 129"),
            ("--log-size=2049", "at most 2048 bytes on this board, and 4096"),
        ] {
            let error = words(&[arg]).expect_err(arg);
            assert!(error.contains(limit), "{error}");
        }
    }

    #[test]
    fn a_log_holds_four_of_the_longest_lines() {
        let error = words(&["--log-size=512"]).expect_err("too small");
        assert!(error.contains("--log-size must be at least"), "{error}");
        assert_eq!(
            words(&["--log-size=512", "--line-limit=16"]),
            Ok(vec!["line=16".into(), "log=512".into()])
        );
    }

    #[test]
    fn every_policy_has_a_word() {
        for policy in ["disconnect", "skip", "replay"] {
            assert_eq!(words(&[&format!("--on-lag={policy}")]), Ok(vec![format!("lag={policy}")]));
        }
    }

    #[test]
    fn clients_come_back_to_boards_with_memory_for_it() {
        let error = words(&["--resume-window=1m"]).expect_err("a small board");
        assert!(error.contains("no memory for it"), "{error}");
        let variant = Variant::of(parlour_boards::named("riscv32-virt").expect("a row"));
        let cli = Cli::try_parse_from(["run", "--resume-window=1m"]).expect("a duration");
        assert_eq!(cli.settings.words(&variant, 64).expect("good settings"), ["away=60000"]);
    }

    #[test]
    fn times_are_checked() {
        assert!(words(&["--idle-timeout=0s"]).expect_err("zero").contains("--idle-timeout"));
        assert!(words(&["--grace=50days"]).expect_err("long").contains("49 days"));
        assert_eq!(words(&["--grace=0s"]), Ok(vec!["grace=0".into()]));
    }
}
