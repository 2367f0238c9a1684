//! The options of `history`.

use std::path::PathBuf;
use std::time::SystemTime;

use super::moment::Moment;

const AFTER: &str = "\
Examples:
  parlour history chat.db --room lobby --since 2h
  parlour history chat.db --client bob --search 'green tea'
  parlour history chat.db --since 1m --follow
  parlour history chat.db --since 2026-11-28 --until 2026-11-28 --format csv >saturday.csv

Exit codes:
  0  all was shown, or the reader of a pipe had enough
  1  standard output failed
  2  the journal cannot be read, it has no such room or client, or the command line is wrong";

/// Show what was said, from the journal of a server: also while the server writes it
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = AFTER)]
pub struct HistoryOptions {
    /// The journal: the file that `parlour --journal FILE` writes
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,

    /// Show only what was said in this room
    #[arg(long, value_name = "ROOM")]
    pub(super) room: Option<String>,

    /// Show only what this client has said: its number, or any name that it had
    #[arg(long, value_name = "CLIENT")]
    pub(super) client: Option<String>,

    /// Show only what was said since then: how long ago, as in 2h, or a local time, as in 2026-11-28
    /// or "2026-11-28 13:00"
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,

    /// Show only what was said before that time. A day counts to its end
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,

    /// Show only messages with all these words
    #[arg(long, value_name = "WORDS", value_parser = words)]
    pub(super) search: Option<String>,

    /// Show also who came and went, new names and topics
    #[arg(long, conflicts_with = "search")]
    pub(super) all: bool,

    /// Write in this format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,

    /// Go on with what is written later, until Ctrl-C
    #[arg(long, short)]
    pub(super) follow: bool,
}

/// The formats of `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Lines for people, as in the chat
    Text,
    /// A JSON object a line
    Jsonl,
    /// Comma-separated values (RFC 4180) with a header
    Csv,
}

/// Times in ms since 1970.
pub(super) struct Moments {
    pub(super) since: Option<i64>,
    pub(super) until: Option<i64>,
}

impl HistoryOptions {
    pub(super) fn moments(&self, now: SystemTime) -> Moments {
        Moments {
            since: self.since.map(|moment| moment.begin(now) as i64),
            until: self.until.map(|moment| moment.end(now) as i64),
        }
    }
}

/// Something to look for.
fn words(text: &str) -> Result<String, &'static str> {
    if text.contains(char::is_alphanumeric) {
        Ok(text.to_owned())
    } else {
        Err("write a word to look for; marks alone are not in the index")
    }
}
