//! The options of `join`.

use crate::address::{Address, NoAddress};

const EXIT_CODES: &str = "\
Exit codes:
  0  you left                         1  no connection, or --nick was refused (in a script)
  2  the command line is wrong        3  you were kicked
  4  you were idle for too long       5  you were too slow
  128 and more: ended by a signal";

/// Join the chat on a server: on a terminal with a line editor, in a script as a plain pipe
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXIT_CODES)]
pub struct JoinOptions {
    /// Where the server listens: PORT (on 127.0.0.1), HOST:PORT, [::1]:PORT, unix:PATH, or HOST PORT
    #[arg(value_name = "ADDR")]
    address: String,

    #[arg(hide = true)]
    port: Option<String>,

    /// Take this name. If it is taken, a script ends; on a terminal, parlour waits until it is free
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(super) nick: Option<String>,

    /// Do not ring the bell when somebody mentions you or sends you a direct message
    #[arg(long)]
    pub(super) no_bell: bool,

    /// Show the time before each line
    #[arg(long)]
    pub(super) times: bool,

    /// Leave when the connection is lost, instead of connecting again
    #[arg(long)]
    pub(super) no_retry: bool,
}

/// A name that is one word. The server checks the other rules for names.
fn name(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("write the name as one word");
    }
    Ok(text.to_owned())
}

impl JoinOptions {
    /// The address. `HOST PORT` in two words works as in nc(1).
    pub(super) fn address(&self) -> Result<Address, NoAddress> {
        match &self.port {
            Some(port) if self.address.contains(':') => format!("[{}]:{port}", self.address).parse(),
            Some(port) => format!("{}:{port}", self.address).parse(),
            None => self.address.parse(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        options: super::JoinOptions,
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
