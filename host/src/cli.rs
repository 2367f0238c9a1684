//! The command line of the program.

use std::ffi::OsString;

use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  parlour                                        chat on port 5000, echo on 7777
  nc 127.0.0.1 5000                              a chat client
  parlour --chat 0.0.0.0:5000                    chat for the whole network

  Merge NMEA sentences of several receivers into one stream:
  parlour --relay 4000,in,flush=off,room=nmea --relay 4001,out,room=nmea
  printf '$GPGLL,5,N*00\\r\\n' | nc -N 127.0.0.1 4000  a sender
  nc -N 127.0.0.1 4001 </dev/null >>nmea.log     a receiver";

/// A small chat server that needs no special client; also a relay for lines, and an echo server
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    /// What to do; without one: serve.
    pub command: Option<Command>,
    #[command(flatten)]
    /// The options of the server, if there is no command.
    pub serve: crate::serve::ServeOptions,
}

/// What the program can do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Run the server (the default)
    #[command(after_help = EXAMPLES)]
    Serve(crate::serve::ServeOptions),
    /// Check a configuration file of the server
    Check(crate::config::CheckOptions),
    /// Show which options a server would have, and where each comes from
    Config(crate::serve::ServeOptions),
    /// Play again what `parlour serve --record FILE` has recorded, and print what went in and out
    Replay(crate::replay::ReplayOptions),
    /// Join a chat from this terminal, or from a script
    Join(crate::join::JoinOptions),
    /// Show what was said, from the journal of a server
    History(crate::history::HistoryOptions),
    /// Copy the journal of a server, also while the server writes it
    Backup(crate::backup::BackupOptions),
    /// The load generator was a command once. The old name still says where it is now
    #[command(hide = true, disable_help_flag = true)]
    Bench {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        /// They are not looked at.
        _args: Vec<OsString>,
    },
}
