//! Puts lines together from bytes that arrive in any pieces, and takes telnet
//! commands (RFC 854) out of them. Knows nothing of what a line means.

use crate::text::{Text, find2};

const LF: u8 = b'\n';
const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
const SB: u8 = 250;
const SE: u8 = 240;

/// Bytes in a subnegotiation at the most. No option is ever agreed on, so that
/// an honest peer begins none; a dishonest one must not stay in it.
const LONGEST_SUB: u16 = 512;

/// Where in a telnet command the input stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Telnet {
    #[default]
    Text,
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
    /// A line: the first so many bytes of the input that was given.
    Direct(usize),
    /// A line: it stands in [`Line::text`].
    Buffered,
    /// A line has grown beyond the limit; the rest of it will be passed over.
    TooLong,
    /// A telnet request to be answered with these bytes.
    Answer([u8; 3]),
}

/// The unfinished line of a connection.
#[derive(Debug, Default)]
pub(crate) struct Line<'a> {
    /// Room for the limit, a CR, and one byte more that a relay uses for its LF.
    text: Text<'a>,
    too_long: bool,
    telnet: Telnet,
}

impl<'a> Line<'a> {
    pub(crate) const EMPTY: Self = Self { text: Text::EMPTY, too_long: false, telnet: Telnet::Text };

    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        Self { text: Text::new(bytes), ..Self::EMPTY }
    }

    pub(crate) fn clear(&mut self) {
        (self.too_long, self.telnet) = (false, Telnet::Text);
        self.text.clear();
    }

    pub(crate) fn text(&mut self) -> &mut Text<'a> {
        &mut self.text
    }

    /// The line that stands in the buffer, without the CR of its ending.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        strip_cr(self.text.as_bytes())
    }

    /// Whether the next byte is the first of a line.
    pub(crate) fn is_at_start(&self) -> bool {
        self.text.is_empty() && !self.too_long && self.telnet == Telnet::Text
    }

    /// Whether a line has begun that could still be finished.
    pub(crate) fn is_unfinished(&self) -> bool {
        !self.text.is_empty() && !self.too_long
    }

    /// Uses up input until something is to be done; returns how much it used.
    pub(crate) fn next(&mut self, input: &[u8]) -> (usize, Step) {
        let mut used = 0;
        while used < input.len() {
            if self.telnet != Telnet::Text {
                let was_too_long = self.too_long;
                let (taken, answer) = self.telnet(input[used]);
                used += usize::from(taken);
                match answer {
                    Some(answer) => return (used, Step::Answer(answer)),
                    None if self.too_long && !was_too_long => return (used, Step::TooLong),
                    None => continue,
                }
            }
            let rest = &input[used..];
            let end = find2(rest, LF, IAC);
            let part = &rest[..end.unwrap_or(rest.len())];
            let at_lf = end.is_some_and(|at| rest[at] == LF);
            if at_lf && used == 0 && self.text.is_empty() && !self.too_long {
                let line = strip_cr(part);
                let step = if line.len() > self.limit() { Step::TooLong } else { Step::Direct(line.len()) };
                return (part.len() + 1, step);
            }
            used += part.len() + usize::from(end.is_some());
            let was_too_long = self.too_long;
            self.push(part);
            if at_lf {
                let too_long = self.too_long || self.as_bytes().len() > self.limit();
                self.too_long = false;
                if !too_long {
                    return (used, Step::Buffered);
                }
                self.text.clear();
            } else if end.is_some() {
                self.telnet = Telnet::Command;
            }
            if !was_too_long && (self.too_long || at_lf) {
                return (used, Step::TooLong);
            }
        }
        (used, Step::More)
    }

    /// Bytes in a line at the most.
    pub(crate) fn limit(&self) -> usize {
        self.text.capacity() - 2
    }

    fn push(&mut self, part: &[u8]) {
        if self.too_long {
            return;
        }
        let fitted = self.text.push(part) == part.len();
        if !fitted || self.as_bytes().len() > self.limit() {
            self.too_long = true;
            self.text.clear();
        }
    }

    /// Looks at one byte of a telnet command: whether it belongs to the command,
    /// and what is to be answered. Every option is refused (RFC 1143: a request is
    /// answered, an answer is not).
    fn telnet(&mut self, byte: u8) -> (bool, Option<[u8; 3]>) {
        let (state, taken, answer) = match (self.telnet, byte) {
            (Telnet::Command, IAC) => {
                self.push(&[IAC]);
                (Telnet::Text, true, None)
            }
            (Telnet::Command, WILL | WONT | DO | DONT) => (Telnet::Option(byte), true, None),
            (Telnet::Command, SB) => (Telnet::Sub(0), true, None),
            (Telnet::Command, SE..) => (Telnet::Text, true, None),
            // No telnet but stray bytes, which must not eat the end of a line.
            (Telnet::Command, _) => {
                self.push(&[IAC]);
                (Telnet::Text, false, None)
            }
            (Telnet::Option(verb), LF | b'\r') => {
                self.push(&[IAC, verb]);
                (Telnet::Text, false, None)
            }
            (Telnet::Option(WILL), option) => (Telnet::Text, true, Some([IAC, DONT, option])),
            (Telnet::Option(DO), option) => (Telnet::Text, true, Some([IAC, WONT, option])),
            (Telnet::Sub(LONGEST_SUB..), _) => (Telnet::Text, false, None),
            (Telnet::Sub(len), IAC) => (Telnet::SubCommand(len), true, None),
            (Telnet::SubCommand(_), SE) | (Telnet::Option(_) | Telnet::Text, _) => (Telnet::Text, true, None),
            (Telnet::Sub(len) | Telnet::SubCommand(len), _) => (Telnet::Sub(len + 1), true, None),
        };
        self.telnet = state;
        (taken, answer)
    }
}

fn strip_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Said = heapless::Vec<heapless::String<16>, 32>;

    /// What the steps come to when `input` arrives in pieces of `size`.
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
                };
                if step == Step::Buffered {
                    line.clear();
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
    fn lines_end_in_lf_or_cr_lf() {
        check(b"one\r\ntwo\n\nthree\r\r\n", &["one", "two", "", "three\r"]);
    }

    #[test]
    fn a_line_of_the_limit_is_a_line_and_a_longer_one_is_passed_over() {
        check(b"12345678\r\n12345678\n123456789\nnext\n", &["12345678", "12345678", "TOO LONG", "next"]);
        check(b"123456789\r\n12345678901234567890\nx\n", &["TOO LONG", "TOO LONG", "x"]);
        check(b"12345678\xff\xff\xff\xff9\nx\n", &["TOO LONG", "x"]);
    }

    #[test]
    fn telnet_commands_are_taken_out_and_requests_refused() {
        check(b"a\xff\xfb\x01b\xff\xfd\x03c\xff\xfc\x05\xff\xf1\n", &["254 1", "252 3", "abc"]);
    }

    #[test]
    fn stray_bytes_do_not_eat_the_end_of_a_line() {
        let mut bytes = [0; 10];
        let mut line = Line::new(&mut bytes);
        for (input, text) in [(&b"a\xff\n"[..], &b"a\xff"[..]), (b"a\xff\xfe\r\n", b"a\xff\xfe")] {
            assert_eq!(line.next(input), (input.len(), Step::Buffered));
            assert_eq!(line.as_bytes(), text);
            line.clear();
        }
    }

    #[test]
    fn a_subnegotiation_without_an_end_is_given_up() {
        let mut bytes = [0; 10];
        let mut line = Line::new(&mut bytes);
        line.next(&[IAC, SB]);
        line.next(&[0; LONGEST_SUB as usize]);
        assert_eq!(line.next(b"x\n"), (2, Step::Direct(1)));
    }

    #[test]
    fn a_subnegotiation_may_hold_line_ends() {
        check(b"a\xff\xfa\x18\n\xff\xff\n\xff\xf0b\n", &["ab"]);
    }
}
