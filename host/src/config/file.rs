//! Reads the file. Each option is checked alone, so all that is wrong is told at once.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use clap::error::ErrorKind;
use clap::{ArgAction, Command};
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::error::{ConfigError, reason};
use super::{OPTION, options};
use crate::output;

/// A file without an error in any option.
#[derive(Debug)]
pub(super) struct File {
    /// In the order of the file.
    pub(super) entries: Vec<Entry>,
}

/// An option of the file.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its name, without dashes in front.
    pub(super) option: String,
    pub(super) line: usize,
    /// What stands for it on a command line.
    pub(super) arguments: Vec<OsString>,
}

impl File {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, Vec<ConfigError>> {
        let unreadable = |error| {
            vec![ConfigError::of_file(path, format_args!("cannot be read: {}", output::reason(&error)))]
        };
        let text = fs::read_to_string(path).map_err(unreadable)?;
        let (table, faults) = DeTable::parse_recoverable(&text);
        if !faults.is_empty() {
            let byte = |fault: &toml::de::Error| fault.span().map_or(0, |span| span.start);
            let at = |fault| ConfigError::at(path, &text, byte(fault), one_line(fault.message()));
            return Err(faults.iter().map(at).collect());
        }
        let command = options();
        let mut entries: Vec<_> = table.get_ref().iter().collect();
        entries.sort_unstable_by_key(|(key, _)| key.span().start);
        let (mut good, mut faults) = (Vec::new(), Vec::new());
        for (key, value) in entries {
            let at = |byte, what| ConfigError::at(path, &text, byte, what);
            match read_entry(&command, key.get_ref(), value) {
                Ok(arguments) => good.push(Entry {
                    option: key.get_ref().to_string(),
                    line: text[..key.span().start].matches('\n').count() + 1,
                    arguments,
                }),
                Err(Fault::Option(what)) => faults.push(at(key.span().start, what)),
                Err(Fault::Value(byte, what)) => faults.push(at(byte, what)),
            }
        }
        if faults.is_empty() { Ok(Self { entries: good }) } else { Err(faults) }
    }
}

/// What is wrong with an option.
enum Fault {
    /// Its name.
    Option(String),
    /// A value, which begins at this byte of the file.
    Value(usize, String),
}

/// The arguments for an option of the file.
fn read_entry(command: &Command, name: &str, value: &Spanned<DeValue<'_>>) -> Result<Vec<OsString>, Fault> {
    if matches!(value.get_ref(), DeValue::Table(_)) {
        return Err(Fault::Option(format!("`{name}` is a table; options are in none")));
    }
    if name == OPTION {
        return Err(Fault::Option("a configuration file cannot name another".to_owned()));
    }
    let Some(option) = command.get_arguments().find(|option| option.get_long() == Some(name)) else {
        let unknown = command.clone().try_get_matches_from(["parlour", &format!("--{name}")]);
        return Err(Fault::Option(unknown.err().map_or_else(String::new, |error| reason(name, &error))));
    };
    let values = match value.get_ref() {
        DeValue::Array(values) if matches!(option.get_action(), ArgAction::Append) => values.iter().collect(),
        _ => vec![value],
    };
    let argument = |value: &Spanned<DeValue<'_>>| {
        let at = |what| Fault::Value(value.span().start, what);
        let is_flag = option.get_num_args().is_some_and(|range| range.min_values() == 0);
        let text = text_of(value.get_ref(), is_flag).map_err(|what| at(format!("{name}: {what}")))?;
        let argument = format!("--{name}={text}");
        match command.clone().try_get_matches_from(["parlour", &argument]) {
            // Whether what it needs is there is seen when all options are known.
            Err(error) if error.kind() != ErrorKind::MissingRequiredArgument => Err(at(reason(name, &error))),
            _ => Ok(argument.into()),
        }
    };
    values.into_iter().map(argument).collect()
}

/// A value, as a command line has it. `is_flag`: the option is on or off.
fn text_of(value: &DeValue<'_>, is_flag: bool) -> Result<String, String> {
    let wanted = if is_flag { "true or false" } else { "a text in quotes, or a number" };
    let wrong = |what| Err(format!("{what}, where {wanted} was expected"));
    match value {
        DeValue::Boolean(is_on) if is_flag => Ok(is_on.to_string()),
        DeValue::Boolean(is_on) => wrong(format!("`{is_on}`")),
        DeValue::String(_) | DeValue::Integer(_) if is_flag => wrong("another value".to_owned()),
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => number_of(number).map_or_else(|| wrong("a huge number".to_owned()), Ok),
        DeValue::Float(number) => wrong(format!("`{}`", number.as_str())),
        DeValue::Datetime(_) => wrong("a date".to_owned()),
        DeValue::Array(_) => wrong("a list".to_owned()),
        DeValue::Table(_) => wrong("a table".to_owned()),
    }
}

fn number_of(number: &DeInteger<'_>) -> Option<String> {
    i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string())
}

/// The parser explains in several lines what it expected.
fn one_line(message: &str) -> String {
    message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(", ")
}
