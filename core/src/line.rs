//! Puts lines together from bytes that arrive in any pieces, and takes telnet
//! commands (RFC 854, RFC 855) out of them. Knows nothing of what a line means.

#[cfg(feature = "save")]
use crate::save::{Damaged, Visit, Visitor};
use crate::text::{ERASE_CHARACTER, ERASE_LINE, Text, find};

const LF: u8 = b'\n';
const CR: u8 = b'\r';
const NUL: u8 = 0;
/// The byte of Ctrl-D if the terminal does not act on it: the end of the input.
const EOT: u8 = 4;

const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
const SB: u8 = 250;
const EL: u8 = 248;
const EC: u8 = 247;
const AYT: u8 = 246;
const IP: u8 = 244;
const SE: u8 = 240;
/// The first command of RFC 1184, which goes on where RFC 854 begins.
const EOF: u8 = 236;

/// After this many bytes of a subnegotiation, the end of a line ends it too. No option is ever agreed
/// on, so an honest peer begins none. A dishonest peer must not stay in it.
const LONG_SUB: u16 = 512;

/// Where the input stands: in the text of a line, behind its end, or in a telnet command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Text,
    /// After a CR that has ended a line. An LF or NUL belongs to it.
    Ended,
    /// Behind IAC.
    Command,
    /// Behind IAC and WILL, WONT, DO or DONT.
    Option(u8),
    /// Within a subnegotiation, so many bytes of it.
    Sub(u16),
    /// Behind an IAC within a subnegotiation.
    SubCommand(u16),
}

/// What [`Line::next`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing to act on; all input was used.
    More,
    /// A line: this many bytes at the start of the input.
    Direct(usize),
    /// A line: it is in [`Line::text`].
    Buffered,
    /// A line has grown beyond the limit. The rest of it will be ignored.
    TooLong,
    /// A telnet request. Answer it with these bytes.
    Answer([u8; 3]),
    /// The peer asks whether anybody is there.
    AreYouThere,
    /// The peer wants to leave.
    Leave,
}

/// The unfinished line of a connection.
#[derive(Debug, Default)]
pub(crate) struct Line<'a> {
    /// Room for the limit, and two bytes more: with them a relay keeps the end of a line.
    text: Text<'a>,
    too_long: bool,
    place: Place,
}

impl<'a> Line<'a> {
    pub(crate) const EMPTY: Self = Self { text: Text::EMPTY, too_long: false, place: Place::Text };

    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        Self { text: Text::new(bytes), ..Self::EMPTY }
    }

    pub(crate) fn clear(&mut self) {
        (self.too_long, self.place) = (false, Place::Text);
        self.text.clear();
    }

    pub(crate) fn text(&mut self) -> &mut Text<'a> {
        &mut self.text
    }

    /// The line in the buffer, or the part that is there.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Whether the next byte is the first of a line.
    pub(crate) fn is_at_start(&self) -> bool {
        self.place == Place::Text && self.is_empty()
    }

    /// Whether there is no part of a line.
    fn is_empty(&self) -> bool {
        self.text.is_empty() && !self.too_long
    }

    /// Whether a line has begun that could still be finished.
    pub(crate) fn is_unfinished(&self) -> bool {
        !self.text.is_empty() && !self.too_long
    }

    /// Uses up input until there is something to do. Returns how much it used.
    pub(crate) fn next(&mut self, input: &[u8]) -> (usize, Step) {
        let mut used = 0;
        while used < input.len() {
            let rest = &input[used..];
            if self.place != Place::Text {
                let (taken, step) = self.leave_place(rest[0]);
                used += usize::from(taken);
                match step {
                    Step::More => continue,
                    step => return (used, step),
                }
            }
            if rest[0] == EOT && self.is_empty() {
                return (used + 1, Step::Leave);
            }
            let Some(end) = find(rest, [LF, CR, IAC]) else {
                let step = self.push(rest);
                return (input.len(), step);
            };
            let (part, byte) = (&rest[..end], rest[end]);
            if byte == IAC {
                self.place = Place::Command;
                used += end + 1;
                match self.push(part) {
                    Step::More => continue,
                    step => return (used, step),
                }
            }
            // A CR with its LF is taken at once, so that the next line is found at a start.
            let ending = if byte == CR && rest.get(end + 1) == Some(&LF) { 2 } else { 1 };
            if byte == CR && ending == 1 {
                self.place = Place::Ended;
            }
            if used == 0 && self.is_empty() {
                let step = if end > self.limit() { Step::TooLong } else { Step::Direct(end) };
                return (end + ending, step);
            }
            used += end + ending;
            let step = self.end(part);
            if step != Step::More {
                return (used, step);
            }
        }
        (used, Step::More)
    }

    /// Bytes in a line at the most.
    pub(crate) fn limit(&self) -> usize {
        self.text.capacity() - 2
    }

    /// Adds to the line, unless it is too long already or becomes so.
    fn push(&mut self, part: &[u8]) -> Step {
        if self.too_long {
            return Step::More;
        }
        if self.as_bytes().len() + part.len() <= self.limit() {
            self.text.push(part);
            return Step::More;
        }
        self.too_long = true;
        self.text.clear();
        Step::TooLong
    }

    /// Adds the last part to the line. A line that is too long is reported once.
    fn end(&mut self, part: &[u8]) -> Step {
        let step = self.push(part);
        if core::mem::take(&mut self.too_long) { step } else { Step::Buffered }
    }

    /// Looks at one byte after the end of a line or in a telnet command. Decides whether it belongs
    /// there, and what to do. Every option is refused (RFC 1143: a request is answered, an answer is
    /// not).
    fn leave_place(&mut self, byte: u8) -> (bool, Step) {
        let place = core::mem::take(&mut self.place);
        let stay = |line: &mut Self, place| {
            line.place = place;
            (true, Step::More)
        };
        match (place, byte) {
            (Place::Ended, LF | NUL) => (true, Step::More),
            (Place::Text | Place::Ended, _) => (false, Step::More),
            (Place::Command, IAC) => (true, self.push(&[IAC])),
            (Place::Command, WILL | WONT | DO | DONT) => stay(self, Place::Option(byte)),
            (Place::Command, SB) => stay(self, Place::Sub(0)),
            (Place::Command, EC) => (true, self.push(&[ERASE_CHARACTER])),
            (Place::Command, EL) => (true, self.push(&[ERASE_LINE])),
            (Place::Command, AYT) => (true, Step::AreYouThere),
            (Place::Command, IP) => (true, Step::Leave),
            (Place::Command, EOF..) => (true, Step::More),
            // This is not telnet but a stray byte. It must not swallow the end of a line.
            (Place::Command, _) => (false, self.push(&[IAC])),
            (Place::Option(WILL), option) => (true, Step::Answer([IAC, DONT, option])),
            (Place::Option(DO), option) => (true, Step::Answer([IAC, WONT, option])),
            (Place::Option(_), _) => (true, Step::More),
            (Place::Sub(LONG_SUB..), LF | CR) => {
                self.text.clear();
                self.place = if byte == CR { Place::Ended } else { Place::Text };
                (true, if core::mem::take(&mut self.too_long) { Step::More } else { Step::TooLong })
            }
            (Place::Sub(len), IAC) => stay(self, Place::SubCommand(len)),
            (Place::SubCommand(_), SE) => (true, Step::More),
            // Another command ends a subnegotiation that has no end of its own.
            (Place::SubCommand(_), EOF..=254) => {
                self.place = Place::Command;
                (false, Step::More)
            }
            (Place::Sub(len) | Place::SubCommand(len), _) => stay(self, Place::Sub(len.saturating_add(1))),
        }
    }
}

#[cfg(feature = "save")]
impl Visit for Line<'_> {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let Self { text, too_long, place } = self;
        text.visit(visitor)?;
        too_long.visit(visitor)?;
        place.visit(visitor)
    }
}

#[cfg(feature = "save")]
impl Visit for Place {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let all =
            [Self::Text, Self::Ended, Self::Command, Self::Option(0), Self::Sub(0), Self::SubCommand(0)];
        visitor.variant(self, &all)?;
        match self {
            Self::Text | Self::Ended | Self::Command => Ok(()),
            Self::Option(byte) => byte.visit(visitor),
            Self::Sub(len) | Self::SubCommand(len) => len.visit(visitor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Said = heapless::Vec<heapless::String<16>, 32>;

    /// All steps together if `input` arrives in pieces of `size`.
    fn steps(input: &[u8], size: usize) -> Said {
        let mut bytes = [0; 10];
        let mut line = Line::new(&mut bytes);
        let mut said = Said::new();
        for mut piece in input.chunks(size) {
            while !piece.is_empty() {
                let (used, step) = line.next(piece);
                let text = match step {
                    Step::More => None,
                    Step::Direct(len) => Some(heapless::String::try_from(str(&piece[..len])).unwrap()),
                    Step::Buffered => Some(heapless::String::try_from(str(line.as_bytes())).unwrap()),
                    Step::TooLong => Some(heapless::String::try_from("TOO LONG").unwrap()),
                    Step::Answer([_, verb, option]) => Some(heapless::format!("{verb} {option}").unwrap()),
                    Step::AreYouThere => Some(heapless::String::try_from("THERE?").unwrap()),
                    Step::Leave => Some(heapless::String::try_from("LEAVE").unwrap()),
                };
                if step == Step::Buffered {
                    line.text().clear();
                }
                if let Some(text) = text {
                    said.push(text).unwrap();
                }
                piece = &piece[used..];
            }
        }
        said
    }

    fn str(bytes: &[u8]) -> &str {
        core::str::from_utf8(bytes).unwrap()
    }

    #[track_caller]
    fn check(input: &[u8], want: &[&str]) {
        for size in 1..=input.len() {
            let got = steps(input, size);
            assert!(
                got.iter().map(heapless::String::as_str).eq(want.iter().copied()),
                "pieces of {size}: {got:?}"
            );
        }
    }

    #[test]
    fn lines_end_as_every_client_ends_them() {
        check(b"one\r\ntwo\n\nthree\r\r\n", &["one", "two", "", "three", ""]);
        check(b"one\r\0two\r\0\r\0", &["one", "two", ""]);
        check(b"one\rtwo\r\rthree\n", &["one", "two", "", "three"]);
        check(b"one\r\n\r\n\ntwo\r", &["one", "", "", "two"]);
    }

    #[test]
    fn a_line_that_a_cr_ends_does_not_wait_for_what_comes_next() {
        let mut bytes = [0; 10];
        let mut line = Line::new(&mut bytes);
        assert_eq!(line.next(b"one\r"), (4, Step::Direct(3)));
        assert_eq!(line.next(b"\n"), (1, Step::More));
        assert!(line.is_at_start());
    }

    #[test]
    fn both_bytes_of_an_ending_that_are_there_are_taken_at_once() {
        let mut bytes = [0; 10];
        let mut line = Line::new(&mut bytes);
        assert_eq!(line.next(b"one\r\ntwo"), (5, Step::Direct(3)));
        assert!(line.is_at_start());
        assert_eq!(line.next(b"t"), (1, Step::More));
        assert_eq!(line.next(b"wo\r\nthree"), (4, Step::Buffered));
    }

    #[test]
    fn a_line_of_the_limit_is_a_line_and_a_longer_one_is_passed_over() {
        check(b"12345678\r\n12345678\n123456789\nnext\n", &["12345678", "12345678", "TOO LONG", "next"]);
        check(b"123456789\r\n12345678901234567890\rx\n", &["TOO LONG", "TOO LONG", "x"]);
        check(b"12345678\xff\xff\xff\xff9\nx\n", &["TOO LONG", "x"]);
    }

    #[test]
    fn every_telnet_command_is_taken_out() {
        for command in EOF..SB {
            let said: &[&str] = match command {
                AYT => &["THERE?", "ab"],
                IP => &["LEAVE", "ab"],
                EC => &["a\x08b"],
                EL => &["a\x15b"],
                _ => &["ab"],
            };
            check(&[b'a', IAC, command, b'b', LF], said);
        }
    }

    #[test]
    fn requests_for_every_option_are_refused_and_answers_are_not_answered() {
        for option in 0..=255 {
            let asked = [IAC, WILL, option, IAC, WONT, option, IAC, DO, option, IAC, DONT, option, b'x', LF];
            let dont: heapless::String<16> = heapless::format!("{DONT} {option}").unwrap();
            let wont: heapless::String<16> = heapless::format!("{WONT} {option}").unwrap();
            check(&asked, &[&dont, &wont, "x"]);
        }
    }

    #[test]
    fn a_stray_byte_does_not_eat_the_end_of_a_line() {
        let mut bytes = [0; 10];
        let mut line = Line::new(&mut bytes);
        assert_eq!(line.next(b"a\xff\n"), (3, Step::Buffered));
        assert_eq!(line.as_bytes(), b"a\xff");
    }

    #[test]
    fn ctrl_d_leaves_at_the_start_of_a_line_only() {
        check(b"\x04", &["LEAVE"]);
        check(b"a\x04b\r\x04", &["a\x04b", "LEAVE"]);
    }

    #[test]
    fn a_subnegotiation_may_be_of_any_length_and_hold_line_ends() {
        check(b"a\xff\xfa\x18\n\xff\xff\r\xff\xf0b\n", &["ab"]);
        let mut bytes = [0; 10];
        let mut line = Line::new(&mut bytes);
        line.next(b"a\xff\xfa");
        for _ in 0..1_000 {
            assert_eq!(line.next(&[0; 100]), (100, Step::More));
        }
        assert_eq!(line.next(b"\xff\xf0b\n"), (4, Step::Buffered));
        assert_eq!(line.as_bytes(), b"ab");
    }

    #[test]
    fn a_subnegotiation_without_an_end_ends_with_a_command_or_a_line() {
        check(b"a\xff\xfa\x18x\xff\xfd\x01b\n", &["252 1", "ab"]);
        let given_up = |input: &[u8]| {
            let mut bytes = [0; 10];
            let mut line = Line::new(&mut bytes);
            line.next(b"a\xff\xfa");
            line.next(&[0; LONG_SUB as usize]);
            assert_eq!(line.next(input), (2, Step::TooLong));
            line.next(&input[2..]).1
        };
        assert_eq!(given_up(b"x\nok\n"), Step::Direct(2));
        assert_eq!(given_up(b"x\rok\n"), Step::Direct(2));
        assert_eq!(given_up(b"x\r\nok\n"), Step::Buffered);
        assert_eq!(given_up(b"x\r\0ok\n"), Step::Buffered);
    }
}
