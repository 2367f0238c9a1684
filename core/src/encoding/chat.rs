//! The encoding of the chat: each record is a line that people read. A reason of the server is in
//! brackets, and a reason of the client follows a colon. So a client cannot fake a reason of the server.

use crate::io::Cause;
use crate::record::{Kind, Parts};

const END: &[u8] = b"\r\n";

/// A record as a line.
pub(crate) fn parts<'t>(kind: Kind, name: &'t [u8], text: &'t [u8]) -> Parts<'t> {
    match kind {
        Kind::Say => [b"<", name, b"> ", text, END],
        Kind::Action => [b"* ", name, b" ", text, END],
        Kind::Direct => [b"[", name, b"] ", text, END],
        Kind::Sent => [b"[to ", name, b"] ", text, END],
        Kind::Raw => [b"", b"", b"", text, b""],
        Kind::Join => [b"-- ", name, b" joined", b"", END],
        Kind::Part if text.is_empty() => [b"-- ", name, b" left the room", b"", END],
        Kind::Part => [b"-- ", name, b" went to ", text, END],
        Kind::Nick => [b"-- ", name, b" is now ", text, END],
        Kind::Topic => [b"-- ", name, b" set the topic: ", text, END],
        Kind::Server => [b"-- ", b"", b"", text, END],
        Kind::Quit(Cause::Left | Cause::Shutdown) if text.is_empty() => [b"-- ", name, b" left", b"", END],
        Kind::Quit(Cause::Left | Cause::Shutdown) => [b"-- ", name, b" left: ", text, END],
        Kind::Quit(Cause::Kicked) if !text.is_empty() => [b"-- ", name, b" left (kicked: ", text, b")\r\n"],
        Kind::Quit(cause) => [b"-- ", name, left_by(cause), b"", END],
    }
}

/// How others read why somebody left, where it is not the client's own wish.
fn left_by(cause: Cause) -> &'static [u8] {
    match cause {
        Cause::Left | Cause::Shutdown => b" left",
        Cause::Reset => b" left (connection lost)",
        Cause::TimedOut => b" left (timed out)",
        Cause::Lagged => b" left (too slow)",
        Cause::Kicked => b" left (kicked)",
    }
}
