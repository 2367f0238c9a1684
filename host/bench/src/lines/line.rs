//! The lines that the load generator sends. This module writes them, and judges those that come back.
//! It knows no connections and remembers nothing.
//!
//! ```text
//! bench-epdk-aaah-aaaaaaaaaaaaaack-QRSTUVWXYZabcdef...
//!       run  from number           filler that depends on both
//! ```
//!
//! Numbers are hexadecimal with the digits `a` to `p`. A few instructions read eight of these digits,
//! which matters at tens of millions of lines a second.
//!
//! A server may put anything before and after. Every byte in between is known.

use memchr::memmem::Finder;

/// `bench-RUN-`, which marks the lines of this run.
const MARK: usize = 11;
/// The mark, the sender, the number, and their dashes.
const HEAD: usize = MARK + 5 + 17;
/// How parlour begins a line that it tells again, to a newcomer. It is no delivery.
const PAST: &[u8] = b"-- earlier";
const FIRST_DIGIT: u8 = b'a';
/// The filler repeats these letters. Each line starts at another one.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Length of the shortest line with its LF, in bytes.
pub const SHORTEST_LINE: usize = HEAD + 7;
/// Length of the longest line with its LF, in bytes.
pub const LONGEST_LINE: usize = 16 * 1024;

/// The sender of a line and its number, both from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) sender: u32,
    pub(crate) number: u64,
}

/// The judgement on a line that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Every byte is as it was sent.
    Whole(Id),
    /// Bytes are missing.
    Cut(Option<Id>),
    /// Some bytes are not as they were sent.
    Corrupt(Option<Id>),
}

/// The lines of one run, all of one length.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    mark: [u8; MARK],
    finder: Finder<'static>,
    /// Bytes of a line without its LF.
    len: usize,
    /// The alphabet, repeated. The filler of every line is a part of it.
    filler: Vec<u8>,
}

impl Lines {
    /// The lines of run `run`, of `bytes` bytes with their LF.
    pub(crate) fn new(run: u16, bytes: usize) -> Self {
        let len = bytes.clamp(SHORTEST_LINE, LONGEST_LINE) - 1;
        let mut mark = *b"bench-aaaa-";
        write_digits(&mut mark[6..10], run.into());
        let filler = ALPHABET.iter().copied().cycle().take(len - HEAD + ALPHABET.len()).collect();
        Self { mark, finder: Finder::new(&mark).into_owned(), len, filler }
    }

    /// Appends a line, without LF.
    pub(crate) fn write(&self, id: Id, to: &mut Vec<u8>) {
        let mut head = *b"bench-aaaa-aaaa-aaaaaaaaaaaaaaaa-";
        head[..MARK].copy_from_slice(&self.mark);
        write_digits(&mut head[MARK..MARK + 4], id.sender.into());
        write_digits(&mut head[MARK + 5..MARK + 21], id.number);
        to.extend_from_slice(&head);
        to.extend_from_slice(self.filler(id));
    }

    fn filler(&self, id: Id) -> &[u8] {
        let from = u64::from(id.sender).wrapping_add(id.number) as usize % ALPHABET.len();
        &self.filler[from..][..self.len - HEAD]
    }

    /// Judges a line that came, without its LF. Nothing if the server itself said it, or tells it again.
    pub(crate) fn inspect(&self, line: &[u8], mut found: impl FnMut(Verdict)) -> bool {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // Almost every line ends with the bytes that were sent, after a name or nothing. The few bytes
        // before them have no room for another line.
        if let Some(at) = line.len().checked_sub(self.len)
            && at < HEAD
            && line[at..].starts_with(&self.mark)
            && (at < PAST.len() || !line.starts_with(PAST))
        {
            found(self.judge(&line[at..]));
            return true;
        }
        if line.starts_with(PAST) {
            return false;
        }
        let mut starts = self.finder.find_iter(line).peekable();
        let any = starts.peek().is_some();
        while let Some(start) = starts.next() {
            let end = starts.peek().copied();
            found(match self.judge(&line[start..end.unwrap_or(line.len())]) {
                // The next one begins where its line end should be.
                Verdict::Whole(id) if end.is_some() => Verdict::Cut(Some(id)),
                verdict => verdict,
            });
        }
        any
    }

    /// Judges the bytes from a mark on. Bytes behind a whole line are the server's.
    fn judge(&self, text: &[u8]) -> Verdict {
        let id = text.get(..HEAD).and_then(read_head);
        if text.len() < self.len {
            return Verdict::Cut(id);
        }
        match id {
            Some(id) if text[HEAD..self.len] == *self.filler(id) => Verdict::Whole(id),
            id => Verdict::Corrupt(id),
        }
    }
}

/// The sender and the number in a head. Its mark was recognised already.
fn read_head(head: &[u8]) -> Option<Id> {
    if head[MARK + 4] != b'-' || head[HEAD - 1] != b'-' {
        return None;
    }
    let sender = read_digits(&head[MARK..MARK + 4])?;
    let high = read_digits(&head[MARK + 5..MARK + 13])?;
    let low = read_digits(&head[MARK + 13..MARK + 21])?;
    Some(Id { sender, number: u64::from(high) << 32 | u64::from(low) })
}

fn write_digits(to: &mut [u8], value: u64) {
    for (place, digit) in to.iter_mut().rev().enumerate() {
        *digit = FIRST_DIGIT + (value >> (4 * place)) as u8 % 16;
    }
}

/// The value of up to eight digits, the first one the highest.
fn read_digits(digits: &[u8]) -> Option<u32> {
    let mut eight = [FIRST_DIGIT; 8];
    eight[8 - digits.len()..].copy_from_slice(digits);
    let zeroes = u64::from_ne_bytes([FIRST_DIGIT; 8]);
    // Each byte is now the value of its digit. Bytes that were not digits are larger than 15.
    let values = u64::from_be_bytes(eight).wrapping_sub(zeroes);
    if values & 0xf0f0_f0f0_f0f0_f0f0 != 0 {
        return None;
    }
    let pairs = (values | values >> 4) & 0x00ff_00ff_00ff_00ff;
    let quads = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    Some((quads | quads >> 16) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Id = Id { sender: 7, number: 0x5678_0000_1234_abcd };

    fn line() -> Vec<u8> {
        let mut line = Vec::new();
        Lines::new(0x4f3a, 64).write(ID, &mut line);
        line
    }

    #[track_caller]
    fn check(line: &[u8], expected: &[Verdict]) {
        let mut found = Vec::new();
        let any = Lines::new(0x4f3a, 64).inspect(line, |verdict| found.push(verdict));
        assert_eq!((found.as_slice(), any), (expected, !expected.is_empty()));
    }

    #[test]
    fn digits_are_read_as_they_are_written() {
        for value in [0, 1, 15, 16, 0x1234_abcd, u32::MAX] {
            let mut digits = [0; 8];
            write_digits(&mut digits, value.into());
            assert_eq!(read_digits(&digits), Some(value));
            for at in 0..8 {
                for wrong in [0, b'`', b'q', 255] {
                    let mut digits = digits;
                    digits[at] = wrong;
                    assert_eq!(read_digits(&digits), None, "{digits:?}");
                }
            }
        }
    }

    #[test]
    fn a_line_is_found_whatever_stands_around_it() {
        assert_eq!(line().len(), 63);
        for (before, after) in
            [("", ""), ("", "\r"), ("<guest-17> ", "\r"), (":a!b@c PRIVMSG #x :", " (12:30)")]
        {
            let whole = [before.as_bytes(), &line(), after.as_bytes()].concat();
            check(&whole, &[Verdict::Whole(ID)]);
        }
    }

    #[test]
    fn other_lines_are_the_servers() {
        for text in ["", "\r", "-- welcome", "bench-aaaa-aaah-aaaaaaaabcdeklmn-", "bench-epdk"] {
            check(text.as_bytes(), &[]);
        }
    }

    #[test]
    fn a_line_that_is_told_again_is_no_delivery() {
        for before in [
            "-- earlier: <guest-1> ",
            "-- earlier (09:30): <guest-17> ",
            "-- earlier (2026-11-27 23:59): <b> ",
        ] {
            check(&[before.as_bytes(), &line(), b"\r"].concat(), &[]);
        }
    }

    #[test]
    fn a_line_with_bytes_missing_is_cut() {
        check(&line()[..62], &[Verdict::Cut(Some(ID))]);
        check(&line()[..20], &[Verdict::Cut(None)]);
        let hole = [&line()[..40], &line()[41..]].concat();
        check(&hole, &[Verdict::Cut(Some(ID))]);
    }

    #[test]
    fn two_lines_without_an_end_between_are_told_apart() {
        check(&[line(), line()].concat(), &[Verdict::Cut(Some(ID)), Verdict::Whole(ID)]);
        let cut = [&line()[..40], &line()].concat();
        check(&cut, &[Verdict::Cut(Some(ID)), Verdict::Whole(ID)]);
    }

    #[test]
    fn a_line_with_another_byte_is_corrupt() {
        for (at, id) in [(12, None), (20, None), (32, None), (33, Some(ID)), (62, Some(ID))] {
            let mut line = line();
            line[at] = b'!';
            check(&line, &[Verdict::Corrupt(id)]);
        }
    }
}
