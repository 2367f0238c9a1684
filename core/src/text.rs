//! Text: a bounded buffer, the characters that may be shown, and the search for line endings. Knows
//! nothing of connections or rooms.

/// An empty slice, for storage that is not given out yet.
pub(crate) const fn no_memory<'a, T>() -> &'a mut [T] {
    &mut []
}

/// The start of a text: whole characters, at most this many bytes.
pub(crate) fn clipped(text: &str, most: usize) -> &str {
    // Unlike an index, this cannot panic. The message of a panic would need much code.
    text.split_at_checked(text.floor_char_boundary(most)).map_or(text, |(start, _)| start)
}

/// Text of bounded length in memory that somebody else provided.
#[derive(Debug, Default)]
pub(crate) struct Text<'a> {
    bytes: &'a mut [u8],
    len: u32,
}

impl<'a> Text<'a> {
    pub(crate) const EMPTY: Self = Self::new(no_memory());

    pub(crate) const fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, len: 0 }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len as usize]
    }

    /// The memory that it was given.
    pub(crate) fn into_bytes(self) -> &'a mut [u8] {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn free(&self) -> usize {
        self.bytes.len() - self.len as usize
    }

    pub(crate) fn capacity(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// Its bytes, of this length, to be written over; `None` if it has no room for so many.
    #[cfg(feature = "save")]
    pub(crate) fn resized(&mut self, len: usize) -> Option<&mut [u8]> {
        let bytes = self.bytes.get_mut(..len)?;
        self.len = len as u32;
        Some(bytes)
    }

    /// Appends as much of `more` as fits, and returns how much.
    pub(crate) fn push(&mut self, more: &[u8]) -> usize {
        let len = self.len as usize;
        let part = more.len().min(self.bytes.len() - len);
        self.bytes[len..len + part].copy_from_slice(&more[..part]);
        self.len += part as u32;
        part
    }

    /// Appends a character. Returns whether it fitted.
    fn push_char(&mut self, c: char) -> bool {
        let mut utf8 = [0; 4];
        let utf8 = c.encode_utf8(&mut utf8).as_bytes();
        self.free() >= utf8.len() && self.push(utf8) > 0
    }

    /// Removes the last character, if there is one.
    fn pop(&mut self) -> bool {
        while self.len > 0 {
            self.len -= 1;
            // The bytes of a character that are not its first.
            if self.bytes[self.len as usize] & 0xC0 != 0x80 {
                break;
            }
        }
        true
    }

    /// Replaces the text by as much of `new` as fits without cutting a character.
    pub(crate) fn set(&mut self, new: &[u8]) {
        self.clear();
        let mut part = new.len().min(self.bytes.len());
        while part < new.len() && part > 0 && new[part] & 0xC0 == 0x80 {
            part -= 1;
        }
        self.push(&new[..part]);
    }
}

/// A number in decimal digits. The formatting of the standard library takes a kilobyte of code.
#[derive(Debug)]
pub(crate) struct Decimal {
    digits: [u8; 20],
    first: usize,
}

impl Decimal {
    pub(crate) fn new(number: usize) -> Self {
        let (mut digits, mut first, mut rest) = ([b'0'; 20], 20, number);
        while rest > 0 || first == 20 {
            first -= 1;
            digits[first] += (rest % 10) as u8;
            rest /= 10;
        }
        Self { digits, first }
    }

    pub(crate) fn as_str(&self) -> &str {
        core::str::from_utf8(&self.digits[self.first..]).unwrap_or_default()
    }
}

/// Erases the character before it; DEL does the same.
pub(crate) const ERASE_CHARACTER: u8 = 0x08;
/// Erases all of the line before it.
pub(crate) const ERASE_LINE: u8 = 0x15;

/// The text did not fit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Makes `raw` fit to be shown. It drops erased characters, control characters other than tab, and
/// characters that change the direction of text. A character that would break the line becomes a space.
/// Invalid UTF-8 becomes U+FFFD, or `?` if the text would grow beyond `limit`. `scratch` is at least as
/// long as the limit. It holds the result if that differs from `raw`.
pub(crate) fn clean<'a>(raw: &'a [u8], limit: usize, scratch: &'a mut [u8]) -> Result<&'a [u8], TooLong> {
    if raw.len() > limit {
        return Err(TooLong);
    }
    if core::str::from_utf8(raw).is_ok_and(|text| text.chars().all(is_shown)) {
        return Ok(raw);
    }
    let (scratch, _) = scratch.split_at_mut(limit.min(scratch.len()));
    let mut out = Text::new(scratch);
    let fits = [char::REPLACEMENT_CHARACTER, '?'].into_iter().any(|replacement| {
        out.clear();
        clean_into(&mut out, raw, replacement)
    });
    let Text { bytes, len } = out;
    if fits { Ok(&bytes[..len as usize]) } else { Err(TooLong) }
}

/// Appends the part of `raw` that may be shown. Returns whether all of it fitted.
fn clean_into(out: &mut Text<'_>, raw: &[u8], replacement: char) -> bool {
    for chunk in raw.utf8_chunks() {
        for c in chunk.valid().chars() {
            let fits = match c {
                '\x08' | '\x7f' => out.pop(),
                '\x15' => {
                    out.clear();
                    true
                }
                // Some programs break the line here, and the rest could pose as a line of its own.
                '\u{2028}' | '\u{2029}' => out.push_char(' '),
                c => !is_shown(c) || out.push_char(c),
            };
            if !fits {
                return false;
            }
        }
        if !chunk.invalid().is_empty() && !out.push_char(replacement) {
            return false;
        }
    }
    true
}

/// Whether a character can be shown as it is. These are not shown: control characters; the separators of
/// lines and paragraphs; overrides, embeddings and isolates of the bidirectional algorithm (UAX #9); the
/// byte order mark.
fn is_shown(c: char) -> bool {
    match c {
        '\t' => true,
        '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => false,
        c => !c.is_control(),
    }
}

/// A line without the invisible characters at its start. They could hide that it is a command. It is
/// empty if nothing in it is visible.
pub(crate) fn visible(line: &[u8]) -> &[u8] {
    let text = core::str::from_utf8(line).unwrap_or_default();
    let text = text.trim_start_matches(|c: char| matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}'));
    let is_blank = |c: char| c.is_whitespace() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}');
    if text.chars().all(is_blank) { b"" } else { text.as_bytes() }
}

/// A line of printable ASCII and tabs at the start of `input`. It can be shown as it is. Returns the
/// length of its text, and its bytes with the ending. `None` only means that the line needs a closer
/// look.
pub(crate) fn plain_line(input: &[u8]) -> Option<(usize, usize)> {
    let mut from = 0;
    loop {
        let at = from + count_printable(&input[from..]);
        match input.get(at)? {
            b'\n' => return Some((at, at + 1)),
            b'\r' if input.get(at + 1) == Some(&b'\n') => return Some((at, at + 2)),
            b'\t' => from = at + 1,
            _ => return None,
        }
    }
}

/// How many printable ASCII characters the text begins with, sixteen bytes at a time. It is not inlined:
/// with few registers left it takes half as long again.
#[inline(never)]
fn count_printable(text: &[u8]) -> usize {
    let (chunks, rest) = text.as_chunks::<16>();
    for (index, chunk) in chunks.iter().enumerate() {
        // Without a branch, compilers turn it into one comparison of vectors.
        if chunk.iter().fold(false, |found, &byte| found | is_special(byte)) {
            let both = u128::from_le_bytes(*chunk);
            let (low, high) = (specials(both as u64), specials((both >> 64) as u64));
            let at = if low == 0 { 64 + high.trailing_zeros() } else { low.trailing_zeros() };
            return 16 * index + at as usize / 8;
        }
    }
    let at = rest.iter().position(|&byte| is_special(byte));
    text.len() - rest.len() + at.unwrap_or(rest.len())
}

/// Sets the high bit of the first special byte in a word. The high bits of later bytes may be wrong.
fn specials(word: u64) -> u64 {
    // A byte below 0x20 borrows, 0x7F carries, and a byte above it has its high bit set.
    (word.wrapping_sub(ONES * 0x20) | word.wrapping_add(ONES) | word) & HIGHS
}

fn is_special(byte: u8) -> bool {
    !(0x20..0x7F).contains(&byte)
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The first place in `text` with one of these bytes. It looks at eight bytes at a time.
pub(crate) fn find<const N: usize>(text: &[u8], bytes: [u8; N]) -> Option<usize> {
    // The lowest high bit that is set marks the first zero byte (Knuth, TAOCP 4A, 7.1.3).
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let (chunks, rest) = text.as_chunks::<8>();
    for (index, chunk) in chunks.iter().enumerate() {
        let word = u64::from_le_bytes(*chunk);
        let found = bytes.iter().fold(0, |found, &byte| found | zero(word ^ (ONES * u64::from(byte))));
        if found != 0 {
            return Some(8 * index + found.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|byte| bytes.contains(byte))?;
    Some(text.len() - rest.len() + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &[u8], shown: &str) {
        let mut scratch = [0; 64];
        assert_eq!(clean(raw, 64, &mut scratch), Ok(shown.as_bytes()));
    }

    #[test]
    fn clean_keeps_text_and_tabs() {
        check(b"a\tb ~", "a\tb ~");
        check("grüß \u{1F600}".as_bytes(), "grüß \u{1F600}");
    }

    #[test]
    fn clean_removes_every_kind_of_control_character() {
        check(b"\x1b[31mred\x07\x00", "[31mred");
        check("a\u{9b}31mb\u{85}".as_bytes(), "a31mb");
    }

    #[test]
    fn clean_removes_what_turns_text_around_or_breaks_its_line() {
        for c in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}').chain(['\u{feff}']) {
            let mut utf8 = [0; 4];
            check(c.encode_utf8(&mut utf8).as_bytes(), "");
        }
        check("a\u{2028}b\u{2029}c".as_bytes(), "a b c");
        // Honest text uses marks that only give the direction of a neutral character. They turn nothing
        // around.
        check("a\u{200f}b\u{200e}".as_bytes(), "a\u{200f}b\u{200e}");
    }

    #[test]
    fn what_shows_nothing_is_empty_and_hides_nothing() {
        for blank in ["", " ", "\t \u{a0}", "\u{200b}", "\u{3000}\u{2060}"] {
            assert_eq!(visible(blank.as_bytes()), b"", "{blank:?}");
        }
        assert_eq!(visible("\u{200b}\u{2060}/msg".as_bytes()), b"/msg");
        assert_eq!(visible(b" indented "), b" indented ");
    }

    #[test]
    fn clean_erases_characters_and_lines() {
        check(b"hellp\x08o", "hello");
        check("gr\u{fc}\x7f\u{fc}\u{1F600}\x08\x08\u{fc}n".as_bytes(), "gr\u{fc}n");
        check(b"\x08\x7fa\x08\x08\x08b", "b");
        check(b"secret\x15public", "public");
        check(b"a\xff\x08b", "ab");
    }

    #[test]
    fn clean_replaces_invalid_bytes() {
        check(b"a\xffb\xc3", "a\u{FFFD}b\u{FFFD}");
    }

    #[test]
    fn the_limit_counts_the_bytes_that_were_sent() {
        let clean = |raw: &[u8]| {
            clean(raw, 10, &mut [0; 16]).map(heapless::Vec::<u8, 16>::from_slice).map(Result::unwrap)
        };
        let shown = |text: &str| Ok(heapless::Vec::from_slice(text.as_bytes()).unwrap());
        assert_eq!(clean(b"1234567890"), shown("1234567890"));
        assert_eq!(clean(b"12345678901"), Err(TooLong));
        assert_eq!(clean(b"1234567\xff"), shown("1234567\u{FFFD}"));
        assert_eq!(clean(b"12345678\xff"), shown("12345678?"));
        assert_eq!(clean(&[0xFF; 10]), shown("??????????"));
        assert_eq!(clean(&[0x08; 11]), Err(TooLong));
        assert_eq!(clean("12345678\u{e9}".as_bytes()), shown("12345678\u{e9}"));
    }

    #[test]
    fn numbers_are_written_in_digits() {
        for (number, digits) in [(0, "0"), (7, "7"), (10, "10"), (4_294_967_295, "4294967295")] {
            assert_eq!(Decimal::new(number).as_str(), digits);
        }
    }

    #[test]
    fn find_finds_the_first_of_all_at_every_place() {
        let bytes = [b'\n', 0xFF, b'\r'];
        for len in 0..40 {
            for at in 0..len {
                for (first, second) in [(0, 1), (1, 2), (2, 0)] {
                    let mut text = [b'x'; 40];
                    text[at] = bytes[first];
                    if at + 1 < len {
                        text[at + 1] = bytes[second];
                    }
                    assert_eq!(find(&text[..len], bytes), Some(at));
                    assert_eq!(find(&text[..at], bytes), None);
                }
            }
        }
    }

    #[test]
    fn a_plain_line_holds_no_byte_that_is_not_printable_ascii_or_a_tab() {
        for at in 0..40 {
            for byte in 0..=255 {
                let mut text = [b'x'; 50];
                (text[at], text[45]) = (byte, b'\n');
                let expected = match byte {
                    b'\n' => Some((at, at + 1)),
                    b'\t' | b' '..=b'~' => Some((45, 46)),
                    _ => None,
                };
                assert_eq!(plain_line(&text), expected, "{byte} at {at}");
                assert_eq!(plain_line(&text[..45]), expected.filter(|&(len, _)| len < 45));
            }
        }
        assert_eq!(plain_line(b"ab\tc\r\nd"), Some((4, 6)));
        assert_eq!(plain_line(b"abc\rd\n"), None);
        assert_eq!(plain_line(b"abc\r"), None);
    }

    #[test]
    fn a_text_is_clipped_between_characters_and_a_short_one_not_at_all() {
        for (most, start) in [(0, ""), (1, "a"), (2, "a"), (3, "aé"), (4, "aéb"), (5, "aéb")] {
            assert_eq!(clipped("aéb", most), start);
        }
    }

    #[test]
    fn as_much_is_appended_as_there_is_room_for() {
        let mut bytes = [0; 4];
        let mut text = Text::new(&mut bytes);
        for (more, fitted, all) in [("abc", 3, "abc"), ("def", 1, "abcd"), ("g", 0, "abcd"), ("", 0, "abcd")]
        {
            assert_eq!((text.push(more.as_bytes()), text.as_bytes()), (fitted, all.as_bytes()));
            assert_eq!((text.free(), text.capacity()), (4 - all.len(), 4));
        }
        text.clear();
        assert_eq!((text.is_empty(), text.free()), (true, 4));
    }

    #[test]
    fn set_cuts_between_characters() {
        let mut bytes = [0; 4];
        let mut text = Text::new(&mut bytes);
        for (new, kept) in [("aéé", "aé"), ("ab", "ab"), ("", ""), ("abcd", "abcd"), ("éé", "éé")] {
            text.set(new.as_bytes());
            assert_eq!(text.as_bytes(), kept.as_bytes());
        }
        text.set(&[0x80; 5]);
        assert!(text.is_empty(), "where there is no character none is kept");
    }
}
