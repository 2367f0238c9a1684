//! The terminal client, started as its users start it.

use std::process::Command;

use crate::chat::Talk;
use crate::client::Client;
use crate::server::{Server, binary};
use crate::terminal::Terminal;

/// `parlour join ARGS`, with colours unless the test takes them away. A test that gives it a terminal
/// says which kind. The machine's own environment does not matter.
pub fn join(args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.arg("join").args(args).env_remove("NO_COLOR").env_remove("COLORTERM").env_remove("TERM");
    command
}

/// The client in a terminal, welcomed as guest-1, and bob, who saw it.
#[must_use]
pub fn joined(server: &Server, args: &[&str]) -> (Terminal, Client) {
    let mut bob = Client::named(server.chat(), "bob");
    let terminal = Terminal::start(join(&[args, &[server.port()]].concat()));
    terminal.wait_for("-- welcome to parlour, you are guest-1; /help lists the commands");
    let name = args.iter().position(|arg| *arg == "--nick").map_or("guest-1", |at| args[at + 1]);
    bob.expect_line(&format!("-- {name} joined"));
    (terminal, bob)
}
