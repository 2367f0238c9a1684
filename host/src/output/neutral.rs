//! Makes text of others harmless for a terminal. It must neither command the terminal nor reverse the
//! order of a line.

use std::borrow::Cow;

const REPLACEMENT: char = '\u{fffd}';

/// Whether a character could command a terminal or reverse the order of a line: control characters
/// other than tab, line separators, and bidirectional embeddings, overrides and isolates.
pub(crate) fn is_harmful(c: char) -> bool {
    (c.is_control() && c != '\t') || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Replaces the harmful characters of a line by U+FFFD.
pub(crate) fn neutral(line: &str) -> Cow<'_, str> {
    if line.contains(is_harmful) { line.replace(is_harmful, "\u{fffd}").into() } else { line.into() }
}

/// Does the same for bytes that come in pieces. Lines end in LF, and invalid UTF-8 is replaced too. A
/// character goes on only when it is whole, so two pieces cannot make a harmful one.
#[derive(Debug, Default)]
pub(crate) struct Neutral {
    /// The start of a character.
    held: Vec<u8>,
}

impl Neutral {
    /// Adds to `out` the characters that are whole now.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut input = std::mem::take(&mut self.held);
        input.extend_from_slice(bytes);
        let mut rest = &input[..];
        while !rest.is_empty() {
            let (valid, invalid) = match str::from_utf8(rest) {
                Ok(text) => (text.len(), Some(0)),
                Err(error) => (error.valid_up_to(), error.error_len()),
            };
            let (text, tail) = rest.split_at(valid);
            for chunk in String::from_utf8_lossy(text).split_inclusive('\n') {
                let line = chunk.strip_suffix('\n');
                out.extend_from_slice(neutral(line.unwrap_or(chunk)).as_bytes());
                out.extend(line.map(|_| b'\n'));
            }
            match invalid {
                Some(0) => return,
                Some(len) => {
                    out.extend_from_slice(REPLACEMENT.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = &tail[len..];
                }
                None => {
                    self.held = tail.to_vec();
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Neutral, neutral};

    #[test]
    fn whatever_commands_a_terminal_is_replaced() {
        assert_eq!(
            neutral("\x1b[2J\u{9b}2J\x7f\x07\r\n\t"),
            "\u{fffd}[2J\u{fffd}2J\u{fffd}\u{fffd}\u{fffd}\u{fffd}\t"
        );
        assert_eq!(neutral("a\u{202e}b\u{2067}c\u{2028}"), "a\u{fffd}b\u{fffd}c\u{fffd}");
        assert_eq!(neutral("e\u{301} 👩‍👩‍👧 שלום\u{200f}"), "e\u{301} 👩‍👩‍👧 שלום\u{200f}");
    }

    /// Expects this output for every cut of `bytes` into up to three pieces.
    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let mut out = Vec::new();
                let mut filter = Neutral::default();
                for piece in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                    filter.push(piece, &mut out);
                    let so_far = str::from_utf8(&out).expect("whole characters");
                    assert!(expected.starts_with(so_far), "{so_far:?} at {first} and {second}");
                }
                assert_eq!(str::from_utf8(&out), Ok(expected), "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn pieces_make_nothing_harmful() {
        check("漢字 é👩\n".as_bytes(), "漢字 é👩\n");
        check(b"a\xc2\x9b2J\x9b2J", "a\u{fffd}2J\u{fffd}2J");
        check(b"\x1b]0;title\x07\x7f\x00\r\n\t", "\u{fffd}]0;title\u{fffd}\u{fffd}\u{fffd}\u{fffd}\n\t");
        for harmful in [
            '\u{80}', '\u{85}', '\u{9f}', '\u{2028}', '\u{2029}', '\u{202a}', '\u{202e}', '\u{2066}',
            '\u{2069}',
        ] {
            check(format!("a{harmful}b").as_bytes(), "a\u{fffd}b");
        }
        // Overlong forms, surrogates and broken sequences are no UTF-8.
        check(b"\xc0\x9bx", "\u{fffd}\u{fffd}x");
        check(b"\xe0\x82\x9bx", "\u{fffd}\u{fffd}\u{fffd}x");
        check(b"\xed\xa0\x80x", "\u{fffd}\u{fffd}\u{fffd}x");
        check(b"\xe2\x80\x1b[2J", "\u{fffd}\u{fffd}[2J");
        check(b"\xf0\x9f\xc2\x9b", "\u{fffd}\u{fffd}");
    }

    #[test]
    fn half_a_character_waits_for_its_other_half() {
        let (mut filter, mut out) = (Neutral::default(), Vec::new());
        filter.push(b"a\xe6\xbc", &mut out);
        assert_eq!(out, b"a");
        filter.push(b"\xa2", &mut out);
        assert_eq!(out, "a漢".as_bytes());
    }
}
