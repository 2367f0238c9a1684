//! parlour on a host: the hub of [`parlour_core`], driven by select(2) or epoll(7), and a terminal
//! client for it.
//!
//! `serve` drives the hub, with the rules of `names`. `config` reads its options from a file. `cli` is the command line. `replay` plays again what it has recorded. `join` is
//! the client. `serve` and `join` wait through `poll`, and their users type in `terminal`. `history` shows a
//! journal, and `backup` copies it. `output` writes to the standard streams. `units` reads sizes and durations. Only `sys` has
//! `unsafe`.

mod address;
pub mod backup;
pub mod cli;
pub mod config;
pub mod history;
pub mod join;
pub mod names;
pub mod output;
mod poll;
pub mod replay;
mod resume;
pub mod serve;
mod sys;
mod terminal;
pub mod units;

pub use self::address::{Address, NoAddress};
