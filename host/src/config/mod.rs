//! The server's configuration file: TOML, with the options of the command line by the same names.
//!
//! ```text
//!  parlour.toml ── file ──► arguments ──┐
//!                                       ├─► one command line ──► clap, which checks all of it
//!  the arguments that were given ───────┘
//! ```
//!
//! The file becomes arguments, so an option means the same in both places. What was given wins.

mod error;
mod file;
mod show;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command};

pub use self::error::ConfigError;
use self::file::File;
pub use self::show::show;
use crate::output::{complain, print};
use crate::serve::{self, Reread, ServeOptions};

/// The option that names the file.
const OPTION: &str = "config";
/// The commands that read it.
const COMMANDS: [&str; 2] = ["serve", "config"];

/// The options of `check`.
#[derive(Clone, Debug, Args)]
pub struct CheckOptions {
    /// The configuration file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// A command line, and where its options come from.
#[derive(Debug)]
pub struct CommandLine {
    /// The arguments, with those of the file before those that were given.
    pub arguments: Vec<OsString>,
    /// For each option of the file: its name, and where it stands.
    of_file: Vec<(String, String)>,
    /// The command line as it was given, and the file that it names.
    given: Vec<OsString>,
    path: Option<PathBuf>,
}

impl CommandLine {
    /// The command line that was `given`. If it names a configuration file, it gets all options of the file that
    /// it does not have itself.
    ///
    /// # Errors
    /// The file cannot be read, or is wrong: all that is wrong in it.
    pub fn with_file(command: &Command, given: Vec<OsString>) -> Result<Self, Vec<ConfigError>> {
        let alone = |given: Vec<OsString>| {
            Ok(Self { arguments: given.clone(), of_file: Vec::new(), given, path: None })
        };
        // What is wrong in what was given is told when the whole command line is checked.
        let lenient = command.clone().ignore_errors(true);
        let Ok(matches) = lenient.try_get_matches_from(&given) else { return alone(given) };
        let (at, options) = match matches.subcommand() {
            None => (1, &matches),
            Some((name, options)) if COMMANDS.contains(&name) => (2, options),
            Some(_) => return alone(given),
        };
        let Some(path) = options.get_one::<PathBuf>(OPTION) else { return alone(given) };
        let file = File::read(path)?;
        let path = path.clone();
        let is_left = |name: &str| !is_given(options, name);
        let (mut arguments, mut of_file) = (given.clone(), Vec::new());
        let rest = arguments.split_off(at.min(arguments.len()));
        for entry in file.entries.into_iter().filter(|entry| is_left(&entry.option)) {
            of_file.push((entry.option, format!("{}:{}", path.display(), entry.line)));
            arguments.extend(entry.arguments);
        }
        arguments.extend(rest);
        Ok(Self { arguments, of_file, given, path: Some(path) })
    }

    /// Whether it names a configuration file.
    pub fn has_file(&self) -> bool {
        self.path.is_some()
    }

    /// Reads the file again. The options are checked as far as they alone tell.
    ///
    /// # Errors
    /// All that is wrong in the file.
    pub fn reread(&self, command: &Command) -> Result<Reread, Vec<ConfigError>> {
        let path = self.path.as_deref().unwrap_or_else(|| Path::new(""));
        let now = Self::with_file(command, self.given.clone())?;
        let then = self.matches(command).map_err(|error| vec![ConfigError::of_options(path, &error)])?;
        let now = now.matches(command).map_err(|error| vec![ConfigError::of_options(path, &error)])?;
        let options = <ServeOptions as clap::FromArgMatches>::from_arg_matches(&now)
            .map_err(|error| vec![ConfigError::of_options(path, &error)])?;
        serve::check(&options).map_err(|why| vec![ConfigError::of_file(path, why)])?;
        let raw = |matches: &ArgMatches, name: &str| {
            let values = matches.get_raw(&id_of(name)).into_iter().flatten();
            values.map(ToOwned::to_owned).collect::<Vec<OsString>>()
        };
        let all = self::options();
        let names = all.get_arguments().filter_map(clap::Arg::get_long);
        let changed = names.filter(|name| raw(&then, name) != raw(&now, name)).map(str::to_owned).collect();
        Ok(Reread { options, changed })
    }

    /// What the options of the server are.
    fn matches(&self, command: &Command) -> Result<ArgMatches, clap::Error> {
        let mut matches = command.clone().try_get_matches_from(&self.arguments)?;
        Ok(matches.remove_subcommand().map_or(matches, |(_, options)| options))
    }
}

fn is_given(options: &ArgMatches, name: &str) -> bool {
    options.value_source(&id_of(name)) == Some(ValueSource::CommandLine)
}

/// What clap calls the option with this name.
fn id_of(name: &str) -> String {
    name.replace('-', "_")
}

/// The options of the server, as a command of their own.
fn options() -> Command {
    ServeOptions::augment_args(Command::new("parlour"))
}

/// Checks a configuration file. Exit code 0: a server can start with it, as far as the file alone tells.
pub fn check(options: &CheckOptions) -> ExitCode {
    match find_faults(options) {
        Ok(()) => {
            print(format_args!("{}: good\n", options.file.display()));
            ExitCode::SUCCESS
        }
        Err(faults) => {
            faults.iter().for_each(complain);
            ExitCode::from(2)
        }
    }
}

fn find_faults(CheckOptions { file: path }: &CheckOptions) -> Result<(), Vec<ConfigError>> {
    let file = File::read(path)?;
    let arguments = file.entries.into_iter().flat_map(|entry| entry.arguments);
    let arguments = [OsString::from("parlour")].into_iter().chain(arguments);
    let matches = self::options().try_get_matches_from(arguments);
    let parsed =
        matches.and_then(|matches| <ServeOptions as clap::FromArgMatches>::from_arg_matches(&matches));
    let parsed = parsed.map_err(|error| vec![ConfigError::of_options(path, &error)])?;
    serve::check(&parsed).map_err(|why| vec![ConfigError::of_file(path, why)])
}
