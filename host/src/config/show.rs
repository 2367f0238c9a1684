//! Prints the options in force, as a configuration file.

use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use toml::Value;

use super::{CommandLine, OPTION, options};
use crate::output::print;

/// Prints the options in force. The output is a configuration file, in which the defaults are comments. Each line says
/// where its option comes from.
///
/// # Panics
/// The command line of `line` is not one of `command` with the options of the server.
pub fn show(line: &CommandLine, command: &Command) -> ExitCode {
    let matches = command.clone().get_matches_from(&line.arguments);
    let (_, matches) = matches.subcommand().expect("the command that shows the options");
    let options = options();
    let shown =
        options.get_arguments().filter(|option| option.get_id() != OPTION && option.get_long().is_some());
    let text: String = shown.map(|option| line_of(line, matches, option)).collect();
    print(text);
    ExitCode::SUCCESS
}

fn line_of(line: &CommandLine, matches: &ArgMatches, option: &Arg) -> String {
    let name = option.get_long().unwrap_or_default();
    let id = option.get_id().as_str();
    let (Some(values), Some(source)) = (matches.get_raw(id), matches.value_source(id)) else {
        return format!("# {name} is not given{}\n", default_of(option));
    };
    let values: Vec<_> = values.map(|value| value_of(option, &value.to_string_lossy())).collect();
    let value = match (option.get_action(), &values[..]) {
        (ArgAction::Append, _) | (_, []) => Value::Array(values),
        (_, [value, ..]) => value.clone(),
    };
    let of_file = line.of_file.iter().find(|(option, _)| option == name);
    match (source, of_file) {
        (ValueSource::DefaultValue, _) => format!("# {name} = {value}\n"),
        (_, Some((_, place))) => format!("{name} = {value} # {place}\n"),
        (_, None) => format!("{name} = {value} # the command line\n"),
    }
}

fn value_of(option: &Arg, text: &str) -> Value {
    let is_flag = option.get_num_args().is_some_and(|range| range.min_values() == 0);
    match (text.parse(), text.parse()) {
        (Ok(is_on), _) if is_flag => Value::Boolean(is_on),
        (_, Ok(number)) => Value::Integer(number),
        _ => Value::String(text.to_owned()),
    }
}

/// What the help says of the default, if it is more than a value.
fn default_of(option: &Arg) -> String {
    let help = option.get_help().map(ToString::to_string).unwrap_or_default();
    // The lines after the first are about what may follow a value.
    let first = help.lines().next().unwrap_or_default();
    let default = first.split_once("[default: ").and_then(|(_, rest)| rest.split_once(']'));
    let words = default.map(|(default, _)| default.split_whitespace().collect::<Vec<_>>().join(" "));
    words.map(|default| format!("; the default is: {default}")).unwrap_or_default()
}
