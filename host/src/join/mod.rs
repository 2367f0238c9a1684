//! `parlour join`: the client. This file owns its options and the first
//! connection, and chooses between the line editor on a terminal
//! (`session`) and the plain pipe for scripts and for terminals that know no
//! escape sequences (`pipe`).
//!
//! The client knows the chat protocol's lines (docs/protocol.md) and nothing of
//! the hub.

mod commands;
mod connection;
mod cut;
mod editor;
mod keys;
mod lines;
mod link;
mod paint;
mod paste;
mod pipe;
mod presence;
mod roster;
mod screen;
mod session;
mod silence;
mod terminal;
mod wrap;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use connection::reason;
use link::Link;

use crate::address::Address;
use crate::output::complain;

/// The exit code for a command line that makes no sense, as clap has it.
const USAGE: u8 = 2;

const EXIT_CODES: &str = "\
Exit codes:
  0  you left                            1  no connection, or the name was refused to a script
  2  the command line makes no sense     3  you were kicked
  4  you were idle for too long          5  you were too slow
  128 and more: ended by a signal";

/// Join the chat on a server: on a terminal with a line editor, in a script as a plain pipe
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXIT_CODES)]
pub struct Options {
    /// Where the server listens: PORT (on 127.0.0.1), HOST:PORT, [::1]:PORT, unix:PATH, or HOST PORT
    #[arg(value_name = "ADDR")]
    address: String,

    #[arg(hide = true)]
    port: Option<String>,

    /// Take this name, also after connecting again, and as soon as it is free
    #[arg(long, value_name = "NAME", value_parser = name)]
    nick: Option<String>,

    /// Do not ring the bell on being named or addressed
    #[arg(long)]
    no_bell: bool,

    /// Show the time before each line
    #[arg(long)]
    times: bool,

    /// Leave when the connection breaks
    #[arg(long)]
    no_retry: bool,
}

/// A name that is one word; what else the server asks of names it says itself.
fn name(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("a name is one word");
    }
    Ok(text.to_owned())
}

impl Options {
    /// The two words of `HOST PORT` are those that nc(1) takes.
    fn address(&self) -> Result<Address, String> {
        match &self.port {
            Some(port) if self.address.contains(':') => format!("[{}]:{port}", self.address).parse(),
            Some(port) => format!("{}:{port}", self.address).parse(),
            None => self.address.parse(),
        }
    }
}

/// Runs the client until its user leaves or the connection is lost for good.
/// Returns the process's exit code.
pub fn run(options: &Options) -> ExitCode {
    let address = match options.address() {
        Ok(address) => address,
        Err(why) => {
            complain(format_args!("error: {why}"));
            return ExitCode::from(USAGE);
        }
    };
    let (connection, addresses) = match link::connect(&address) {
        Ok(connected) => connected,
        Err(error) => {
            complain(format_args!("Unable to connect to {address}: {}", reason(&error)));
            return ExitCode::FAILURE;
        }
    };
    let outcome = if is_for_editing() {
        session::run(options, &address, Link::new(connection, addresses))
    } else {
        pipe::run(options, connection)
    };
    outcome.unwrap_or_else(|error| {
        complain(format_args!("parlour: {}", reason(&error)));
        ExitCode::FAILURE
    })
}

/// Whether someone types and reads at a terminal that can move its cursor.
fn is_for_editing() -> bool {
    let term = std::env::var("TERM").unwrap_or_default();
    io::stdin().is_terminal() && io::stdout().is_terminal() && !matches!(term.as_str(), "" | "dumb")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        options: super::Options,
    }

    #[track_caller]
    fn check(words: &[&str], expected: Option<&str>) {
        let cli = Cli::try_parse_from([&["join"], words].concat()).expect("options");
        let address = cli.options.address().map(|address| address.to_string());
        assert_eq!(address.ok().as_deref(), expected);
    }

    #[test]
    fn a_name_is_one_word() {
        for name in ["", "bob\n/quit", "bob /quit", "bob\u{2028}", "\x1b[2J", "bob\r"] {
            assert!(Cli::try_parse_from(["join", "7000", "--nick", name]).is_err(), "{name:?}");
        }
        assert!(Cli::try_parse_from(["join", "7000", "--nick", "na\u{308}me_1"]).is_ok());
    }

    #[test]
    fn an_address_is_one_of_the_servers_or_two_words() {
        check(&["7000"], Some("127.0.0.1:7000"));
        check(&["example.org:7000"], Some("example.org:7000"));
        check(&["unix:/run/chat"], Some("unix:/run/chat"));
        check(&["example.org", "7000"], Some("example.org:7000"));
        check(&["::1", "7000"], Some("[::1]:7000"));
        check(&["example.org"], None);
        check(&["example.org", "x"], None);
    }
}
