//! `parlour join`: the client. It makes the first connection, and chooses between the line editor on
//! a terminal (`session`) and the plain pipe for scripts and for terminals that know no escape
//! sequences (`pipe`).
//!
//! The client knows the chat protocol's lines (docs/protocol.md) and nothing of the hub.

mod channel;
mod chat;
mod commands;
mod connection;
mod cut;
mod display;
mod error;
mod farewell;
mod options;
mod paint;
mod pipe;
mod presence;
mod protocol;
mod roster;
mod session;
mod silence;
mod uplink;

use std::process::ExitCode;

use self::error::JoinError;
pub use self::options::JoinOptions;
use self::uplink::Uplink;
use crate::output::complain;
use crate::terminal;

/// Runs the client until its user leaves or the connection is lost for good.
/// Returns the process's exit code.
pub fn run(options: &JoinOptions) -> ExitCode {
    join(options).unwrap_or_else(|error| {
        complain(&error);
        error.exit_code()
    })
}

fn join(options: &JoinOptions) -> Result<ExitCode, JoinError> {
    let address = options.address().map_err(JoinError::Address)?;
    let (connection, addresses) = match uplink::connect(&address) {
        Ok(connected) => connected,
        Err(error) => return Err(JoinError::Connect(address, error)),
    };
    let uplink = Uplink::new(connection, addresses);
    let outcome = if terminal::is_for_editing() {
        session::run(options, address, uplink)
    } else {
        pipe::run(options, uplink)
    };
    outcome.map_err(JoinError::Streams)
}
