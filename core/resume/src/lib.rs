#![doc = include_str!("../README.md")]
//!
//! Each side counts the bytes of text that it has received, and keeps those that it has sent until the other
//! side has acknowledged them ([`Stream`]). What the two say about that ([`Message`]) stands between the
//! bytes of text, and is no part of it: each message is a subnegotiation of telnet (RFC 855). A client that
//! knows nothing of this never sees one. docs/protocol.md, "Resuming", has the rules.
#![no_std]
#![forbid(unsafe_code)]

mod key;
mod message;
mod ring;
mod stream;

pub use key::{Key, NoKey};
pub use message::{Bytes, Front, IAC, LONGEST, Message};
pub use ring::Ring;
pub use stream::{Store, Stream};

/// The most bytes of text that a client sends before the server has used them and acknowledged that, if the
/// server names no other number with the key. So many the server takes in even while a room waits. If there were
/// more, the client's acknowledgements would stand behind text that nobody reads, and the client would look as
/// if it did not read.
pub const WINDOW: usize = 16 * 1024;
