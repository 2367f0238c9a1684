//! Cuts bytes into lines that are harmless on a terminal.

use super::neutral::neutral;

/// A line is cut at this length, because a server may send one without end.
const LINE_BYTES: usize = 64 * 1024;

/// Puts lines together from pieces. `push` takes bytes, and then `next` gives the complete lines. At
/// the end, `rest` gives the incomplete one.
#[derive(Debug, Default)]
pub(crate) struct LineSplitter {
    bytes: Vec<u8>,
    /// How many of the bytes were given as lines.
    given: usize,
}

impl LineSplitter {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The line without an end, if there is one.
    pub(crate) fn rest(&mut self) -> Option<String> {
        let bytes = self.bytes.split_off(self.given);
        *self = Self::default();
        (!bytes.is_empty()).then(|| neutral(&String::from_utf8_lossy(&bytes)).into_owned())
    }
}

impl Iterator for LineSplitter {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let rest = &self.bytes[self.given..];
        let end = rest.iter().position(|&byte| byte == b'\n');
        let Some(end) = end.or((rest.len() > LINE_BYTES).then_some(LINE_BYTES)) else {
            self.bytes.drain(..self.given);
            self.given = 0;
            return None;
        };
        let line = &rest[..=end];
        let line = line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
        self.given += end + 1;
        Some(neutral(&String::from_utf8_lossy(line)).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{LINE_BYTES, LineSplitter};

    #[track_caller]
    fn check_lines(pieces: &[&[u8]], expected: &[&str]) {
        let mut lines = LineSplitter::default();
        let mut found = Vec::new();
        for piece in pieces {
            lines.push(piece);
            found.extend(lines.by_ref());
        }
        found.extend(lines.rest());
        assert_eq!(found, expected);
    }

    #[test]
    fn lines_end_in_either_ending() {
        check_lines(&[b"a\r\nb\n\r\nc"], &["a", "b", "", "c"]);
        check_lines(&[b"a\r", b"\nb"], &["a", "b"]);
    }

    #[test]
    fn a_character_may_come_in_pieces() {
        check_lines(&[b"\xe6\xbc", b"\xa2\n"], &["漢"]);
        check_lines(&[b"\xe6\xbc", b"\n"], &["\u{fffd}"]);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        check_lines(&[&[b'a'; LINE_BYTES + 2]], &["a".repeat(LINE_BYTES + 1).as_str(), "a"]);
    }
}
