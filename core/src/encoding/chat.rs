//! The encoding of the chat: each record is a line that people read. A reason of the server is in
//! brackets, and a reason of the client follows a colon. So a client cannot fake a reason of the server.

use crate::clock::Clock;
use crate::ids::Cause;
use crate::record::{Kind, Parts, Record};

/// The longest mark.
pub(crate) type Mark = heapless::Vec<u8, 32>;

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

/// What stands before a line that was said before: `-- earlier (09:30): `. Bytes of a relay have no
/// mark.
pub(crate) fn mark(kind: Kind, unix_ms: u64, clock: Clock) -> Mark {
    let mut mark = Mark::new();
    if kind != Kind::Raw {
        let time = clock.text_of(unix_ms);
        let [open, close] = if time.is_empty() { ["", ""] } else { [" (", ")"] };
        for part in ["-- earlier", open, &time, close, ": "] {
            // There is room for the longest time.
            let _ = mark.extend_from_slice(part.as_bytes());
        }
    }
    mark
}

impl<'r> Record<'r> {
    /// The record as members of its room get it: one line with its ending, or the bytes of a relay. It comes
    /// in pieces, of which some are empty.
    pub fn pieces(&self) -> [&'r [u8]; 5] {
        let mut pieces = parts(self.kind, self.name.as_bytes(), self.text);
        if self.is_torn {
            pieces[2] = b"\n";
        }
        pieces
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
