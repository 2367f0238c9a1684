//! What is wrong in a configuration file, and where.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Something that is wrong in a configuration file.
#[derive(Debug)]
pub struct ConfigError {
    path: PathBuf,
    /// The line and the column, from 1 on; the column counts characters. `None`: the file as a whole.
    place: Option<(usize, usize)>,
    what: String,
}

impl ConfigError {
    /// The file as a whole.
    pub(super) fn of_file(path: &Path, what: impl fmt::Display) -> Self {
        Self { path: path.to_owned(), place: None, what: what.to_string() }
    }

    /// The text at this byte of the file.
    pub(super) fn at(path: &Path, text: &str, byte: usize, what: impl fmt::Display) -> Self {
        Self { place: Some(place(text, byte)), ..Self::of_file(path, what) }
    }

    /// Options that do not go together.
    pub(super) fn of_options(path: &Path, error: &clap::Error) -> Self {
        let what = match (error.kind(), error.get(ContextKind::InvalidArg)) {
            (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing))) => {
                format!("there is an option that needs {}", missing.join(" and "))
            }
            _ => first_line(error),
        };
        Self::of_file(path, what)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some((line, column)) = self.place {
            write!(f, "{line}:{column}:")?;
        }
        write!(f, " {}", self.what)
    }
}

impl Error for ConfigError {}

/// Why the value of an option is wrong.
pub(super) fn reason(option: &str, error: &clap::Error) -> String {
    let strings = |kind| match error.get(kind) {
        Some(ContextValue::Strings(strings)) => strings.join(", "),
        Some(ContextValue::String(string)) => string.clone(),
        _ => String::new(),
    };
    match error.kind() {
        ErrorKind::InvalidValue => format!(
            "{option}: `{}` is none of: {}",
            strings(ContextKind::InvalidValue),
            strings(ContextKind::ValidValue)
        ),
        ErrorKind::ValueValidation => {
            let why = error.source().map_or_else(|| first_line(error), ToString::to_string);
            format!("{option}: {why}")
        }
        ErrorKind::UnknownArgument => match strings(ContextKind::SuggestedArg) {
            none if none.is_empty() => format!("there is no option `{option}`; see parlour serve --help"),
            similar => {
                let similar = similar.trim_start_matches('-');
                format!("there is no option `{option}`; there is `{similar}`")
            }
        },
        _ => first_line(error),
    }
}

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}
