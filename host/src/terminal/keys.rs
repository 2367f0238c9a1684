//! Takes a terminal's input apart into keys: UTF-8, control characters, the escape sequences of xterm
//! and similar terminals, bracketed pastes.
//!
//! It knows no descriptor and never waits. Bytes go in as they arrive. Half a sequence is kept until
//! the rest comes.

/// One key, or a paste.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Key {
    Char(char),
    /// The letter, in lower case.
    Ctrl(char),
    Alt(char),
    Enter,
    Tab,
    Backspace,
    Delete,
    Left,
    Right,
    WordLeft,
    WordRight,
    Home,
    End,
    Up,
    Down,
    Escape,
    Paste(String),
    /// Something that is not UTF-8.
    Invalid,
}

/// `push` takes bytes. Then `next` gives the keys until it gives `None`. If it `is_waiting` and nothing
/// comes for a moment, call `give_up`.
#[derive(Debug, Default)]
pub(super) struct Keys {
    bytes: Vec<u8>,
    /// In a paste, how many of the bytes are known not to start its end.
    pasted: Option<usize>,
}

/// The kind of the first bytes, and how many they are.
enum Parsed {
    Key(Key, usize),
    Nothing(usize),
    PasteStart,
    Incomplete,
}

const PASTE_START: &[u8] = b"\x1b[200~";
const PASTE_END: &[u8] = b"\x1b[201~";

impl Keys {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether the bytes so far may be the Escape key or the start of a sequence.
    pub(super) fn is_waiting(&self) -> bool {
        !self.bytes.is_empty() && self.pasted.is_none()
    }

    /// Call this if no more bytes came. A lone Escape was the key. Half a sequence is dropped.
    pub(super) fn give_up(&mut self) -> Option<Key> {
        let escape = self.bytes == b"\x1b";
        self.bytes.clear();
        escape.then_some(Key::Escape)
    }

    /// The whole paste, once its end has come. It looks at every byte once, even if the paste is large
    /// and comes in many pieces.
    fn paste(&mut self, known: usize) -> Option<Key> {
        let found = self.bytes[known..].windows(PASTE_END.len()).position(|window| window == PASTE_END);
        let Some(len) = found.map(|place| known + place) else {
            self.pasted = Some(self.bytes.len().saturating_sub(PASTE_END.len() - 1));
            return None;
        };
        let text = String::from_utf8_lossy(&self.bytes[..len]).into_owned();
        self.bytes.drain(..len + PASTE_END.len());
        self.pasted = None;
        Some(Key::Paste(text))
    }
}

impl Iterator for Keys {
    type Item = Key;

    fn next(&mut self) -> Option<Key> {
        loop {
            if let Some(known) = self.pasted {
                return self.paste(known);
            }
            match parse(&self.bytes) {
                Parsed::Key(key, len) => {
                    self.bytes.drain(..len);
                    return Some(key);
                }
                Parsed::Nothing(len) => drop(self.bytes.drain(..len)),
                Parsed::PasteStart => {
                    self.bytes.drain(..PASTE_START.len());
                    self.pasted = Some(0);
                }
                Parsed::Incomplete => return None,
            }
        }
    }
}

fn parse(bytes: &[u8]) -> Parsed {
    match *bytes {
        [] | [0x1b] => Parsed::Incomplete,
        // The function keys F1 to F5 of the Linux console.
        [0x1b, b'[', b'['] => Parsed::Incomplete,
        [0x1b, b'[', b'[', b'A'..=b'E', ..] => Parsed::Nothing(4),
        [0x1b, b'[' | b'O', ..] => parse_sequence(bytes),
        [0x1b, b']' | b'P' | b'X' | b'^' | b'_', ..] => parse_string(bytes),
        [0x1b, 0x1b, ..] => Parsed::Key(Key::Escape, 1),
        [0x1b, ref rest @ ..] => match parse(rest) {
            Parsed::Key(Key::Char(c), len) => Parsed::Key(alt(c), 1 + len),
            Parsed::Key(_, len) | Parsed::Nothing(len) => Parsed::Nothing(1 + len),
            other @ (Parsed::PasteStart | Parsed::Incomplete) => other,
        },
        [b'\r' | b'\n', ..] => Parsed::Key(Key::Enter, 1),
        [b'\t', ..] => Parsed::Key(Key::Tab, 1),
        [0x7f | 0x08, ..] => Parsed::Key(Key::Backspace, 1),
        [control @ 0x01..=0x1a, ..] => Parsed::Key(Key::Ctrl(char::from(control + 0x60)), 1),
        [0x00..=0x1f, ..] => Parsed::Nothing(1),
        _ => parse_char(bytes),
    }
}

fn parse_char(bytes: &[u8]) -> Parsed {
    let start = &bytes[..bytes.len().min(4)];
    let valid = match str::from_utf8(start) {
        Ok(valid) => valid,
        Err(error) if error.valid_up_to() > 0 => {
            str::from_utf8(&start[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(error) => {
            return error.error_len().map_or(Parsed::Incomplete, |len| Parsed::Key(Key::Invalid, len));
        }
    };
    match valid.chars().next() {
        Some(c) if !c.is_control() => Parsed::Key(Key::Char(c), c.len_utf8()),
        c => Parsed::Nothing(c.map_or(1, char::len_utf8)),
    }
}

/// `ESC [ parameters final` (ECMA-48, section 5.4), or the same with `O`, which some terminals send for
/// function keys.
fn parse_sequence(bytes: &[u8]) -> Parsed {
    if bytes.starts_with(PASTE_START) {
        return Parsed::PasteStart;
    }
    let Some(len) = bytes[2..].iter().position(|byte| !(0x20..=0x3f).contains(byte)) else {
        return Parsed::Incomplete;
    };
    let parameters = &bytes[2..2 + len];
    let key = match (bytes[2 + len], parameters) {
        (b'C', b"1;3" | b"1;5") => Some(Key::WordRight),
        (b'D', b"1;3" | b"1;5") => Some(Key::WordLeft),
        (b'~', b"1" | b"7") => Some(Key::Home),
        (b'~', b"4" | b"8") => Some(Key::End),
        (b'~', b"3") => Some(Key::Delete),
        (b'~', _) => None,
        (last @ 0x40..=0x7e, _) => named(last),
        // Another key begins before the sequence has ended.
        _ => return Parsed::Nothing(2 + len),
    };
    found(key, 3 + len)
}

/// `ESC ]` (OSC), `ESC P` (DCS), `ESC X`, `ESC ^` or `ESC _`, a text, and `ESC \` (ECMA-48, section
/// 5.6). xterm also ends an OSC by BEL. Terminals answer questions in this way. No such text is a key.
fn parse_string(bytes: &[u8]) -> Parsed {
    let Some(len) = bytes[2..].iter().position(u8::is_ascii_control).map(|len| 2 + len) else {
        return Parsed::Incomplete;
    };
    match bytes[len..] {
        [0x1b] => Parsed::Incomplete,
        [0x1b, b'\\', ..] => Parsed::Nothing(len + 2),
        [0x07, ..] => Parsed::Nothing(len + 1),
        // Another key begins before the text has ended.
        _ => Parsed::Nothing(len),
    }
}

fn found(key: Option<Key>, len: usize) -> Parsed {
    key.map_or(Parsed::Nothing(len), |key| Parsed::Key(key, len))
}

fn named(last: u8) -> Option<Key> {
    match last {
        b'A' => Some(Key::Up),
        b'B' => Some(Key::Down),
        b'C' => Some(Key::Right),
        b'D' => Some(Key::Left),
        b'H' => Some(Key::Home),
        b'F' => Some(Key::End),
        _ => None,
    }
}

fn alt(c: char) -> Key {
    match c {
        'b' => Key::WordLeft,
        'f' => Key::WordRight,
        _ => Key::Alt(c),
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Keys};

    #[track_caller]
    fn check(bytes: &[u8], expected: &[Key]) {
        let mut keys = Keys::default();
        keys.push(bytes);
        assert_eq!(keys.by_ref().collect::<Vec<_>>(), expected, "at once");

        let mut keys = Keys::default();
        let mut found = Vec::new();
        for &byte in bytes {
            keys.push(&[byte]);
            found.extend(keys.by_ref());
        }
        assert_eq!(found, expected, "a byte at a time");
    }

    #[test]
    fn characters_of_every_length_are_keys() {
        check("aé漢🦀".as_bytes(), &['a', 'é', '漢', '🦀'].map(Key::Char));
    }

    #[test]
    fn invalid_utf8_is_told() {
        let keys = [Key::Char('a'), Key::Invalid, Key::Invalid, Key::Char('('), Key::Char('b')];
        check(b"a\xff\xc3(b", &keys);
    }

    #[test]
    fn control_characters_are_keys() {
        check(b"\x01\r\n\x7f\x08", &[Key::Ctrl('a'), Key::Enter, Key::Enter, Key::Backspace, Key::Backspace]);
        check("\x1c\0\u{85}".as_bytes(), &[]);
    }

    #[test]
    fn cursor_keys_come_in_both_modes() {
        check(b"\x1b[A\x1bOA\x1b[H\x1b[3~\x1b[4~", &[Key::Up, Key::Up, Key::Home, Key::Delete, Key::End]);
    }

    #[test]
    fn words_are_reached_by_ctrl_and_by_alt() {
        check(
            b"\x1b[1;5C\x1b[1;3D\x1bb\x1bf",
            &[Key::WordRight, Key::WordLeft, Key::WordLeft, Key::WordRight],
        );
    }

    #[test]
    fn unknown_sequences_are_skipped_whole() {
        check(b"\x1b[15~\x1b[<0;1;1Mx\x1bOPy", &[Key::Char('x'), Key::Char('y')]);
    }

    #[test]
    fn function_keys_of_every_terminal_type_nothing() {
        // The console of Linux; VT220; xterm, also with modifiers and with modifyOtherKeys; old xterm.
        for keys in
            ["[[A", "[[B", "[[C", "[[D", "[[E", "[17~", "OP", "[1;5P", "[27;5;13~", "[97;5u", "O5P", "O1;2Q"]
        {
            check(format!("\x1b{keys}x").as_bytes(), &[Key::Char('x')]);
        }
    }

    #[test]
    fn answers_of_the_terminal_type_nothing() {
        // A colour (OSC 11), a name (XTVERSION), a capability (XTGETTCAP), a graphics answer (APC).
        for answer in [
            "]11;rgb:0000/0000/0000\x07",
            "]11;rgb:0000/0000/0000\x1b\\",
            "P>|XTerm(379)\x1b\\",
            "P1+r544e=787465726d\x1b\\",
            "_Gi=1;OK\x1b\\",
        ] {
            check(format!("a\x1b{answer}b").as_bytes(), &[Key::Char('a'), Key::Char('b')]);
        }
    }

    #[test]
    fn what_begins_within_a_sequence_is_not_lost_with_it() {
        check(b"\x1b[1;\x1b[A\x1bO\x1b[B", &[Key::Up, Key::Down]);
        check("\x1b[1\r\x1bOé".as_bytes(), &[Key::Enter, Key::Char('é')]);
        check(b"\x1b]11;rgb\r\x1bPx\x1b[A", &[Key::Enter, Key::Up]);
    }

    #[test]
    fn a_paste_is_one_key_whatever_is_in_it() {
        check(b"\x1b[200~a\rb\x1b[A\x03\x1b[201~c", &[Key::Paste("a\rb\x1b[A\x03".into()), Key::Char('c')]);
    }

    #[test]
    fn a_lone_escape_is_a_key_after_a_pause() {
        let mut keys = Keys::default();
        keys.push(b"\x1b");
        assert_eq!(keys.next(), None);
        assert!(keys.is_waiting());
        assert_eq!(keys.give_up(), Some(Key::Escape));
        assert!(!keys.is_waiting());
    }
}
