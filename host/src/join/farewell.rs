//! Finds out whether a script's input asks the server to close the connection: by `/quit`
//! (docs/protocol.md, rule 19), or by byte 4 at the start of a line (rule 4). It reads lines as the
//! server does.

use super::protocol::is_quit;

/// The byte of Ctrl-D.
const EOT: u8 = 4;
/// How many bytes of a line are looked at.
const START: usize = 64;

/// Give it the input by `push`, in any number of pieces. Call `finish` at the end.
#[derive(Debug, Default)]
pub(super) struct Farewell {
    /// The start of the line that has no end yet.
    line: Vec<u8>,
    has_come: bool,
}

impl Farewell {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match byte {
                b'\r' | b'\n' => self.finish(),
                EOT if self.line.is_empty() => self.has_come = true,
                _ if self.line.len() < START => self.line.push(byte),
                _ => {}
            }
        }
    }

    /// The line has ended.
    pub(super) fn finish(&mut self) {
        let line = String::from_utf8_lossy(&self.line);
        // The server removes these (rules 2 and 3).
        let line = line.replace(|c: char| c == '\u{feff}' || c.is_control() && c != '\t', "");
        self.has_come |= is_quit(&line);
        self.line.clear();
    }

    pub(super) fn has_come(&self) -> bool {
        self.has_come
    }
}

#[cfg(test)]
mod tests {
    use super::Farewell;

    #[track_caller]
    fn check(input: &str, expected: bool) {
        for size in [1, 3, input.len()] {
            let mut farewell = Farewell::default();
            input.as_bytes().chunks(size).for_each(|piece| farewell.push(piece));
            farewell.finish();
            assert_eq!(farewell.has_come(), expected, "{input:?} in pieces of {size} bytes");
        }
    }

    #[test]
    fn every_way_to_leave_is_known() {
        for input in ["a\n/quit", "/quit\r", "/QUIT good night\r\n", "\u{feff}/quit\n", "\x04", "a\r\n\x04"] {
            check(input, true);
        }
    }

    #[test]
    fn what_is_said_is_no_farewell() {
        for input in ["/quite\n", "a /quit\n", " /quit\n", "a\x04\n", "//quit\n", "/qu\nit\n"] {
            check(input, false);
        }
    }
}
