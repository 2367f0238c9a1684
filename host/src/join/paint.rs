//! The look of a line: the colours of its pieces.

use super::protocol::{Kind, in_name};
use crate::terminal::Span;

/// The colours of names on a terminal with 256 colours, as SGR parameters. They are neither too dark
/// for a dark background nor too bright for a light one.
const MANY: [u8; 14] = [28, 30, 32, 63, 64, 67, 98, 100, 130, 133, 135, 160, 164, 166];
/// The colours of names on a terminal with 16 colours.
const FEW: [u8; 6] = [31, 32, 35, 36, 91, 95];

const PLAIN: &str = "";
const BOLD: &str = "1";
const DIM: &str = "2";
const ITALIC: &str = "3";
const REVERSE: &str = "7";

/// The colours that the terminal has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Colours {
    None,
    Few,
    Many,
}

impl Colours {
    /// The colours of the terminal, according to the environment; see no-color.org.
    pub(super) fn of_environment() -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if is_set("NO_COLOR") {
            Self::None
        } else if is_set("COLORTERM") || std::env::var("TERM").is_ok_and(|term| term.contains("256")) {
            Self::Many
        } else {
            Self::Few
        }
    }

    /// A line from the server, for the user called `nick`. The sender's name has its colour. Direct
    /// messages are in italics. A line that mentions the user is bold, with the name reversed. The
    /// server's own lines are dim, and so is what was said before.
    pub(super) fn paint(self, line: &str, nick: Option<&str>) -> Vec<Span> {
        let kind = Kind::of(line);
        let calls = kind.calls(nick);
        match kind {
            _ if self == Self::None => vec![Span::new(PLAIN, line)],
            Kind::Message { name, text } => {
                let mut spans = vec![Span::new(&self.of_name(name, calls), &format!("<{name}> "))];
                spans.extend(said(text, nick.filter(|_| calls)));
                spans
            }
            Kind::Action { name, text } => {
                let mut spans = vec![Span::new(&self.of_name(name, calls), &format!("* {name} "))];
                spans.extend(said(text, nick.filter(|_| calls)));
                spans
            }
            Kind::Direct { name, text } => {
                let text = Span::new(&format!("{BOLD};{ITALIC}"), text);
                vec![Span::new(&self.of_name(name, true), &format!("[{name}] ")), text]
            }
            Kind::DirectTo => vec![Span::new(&format!("{DIM};{ITALIC}"), line)],
            Kind::Server(_) | Kind::Past(_) => vec![Span::new(DIM, line)],
            Kind::Other => vec![Span::new(PLAIN, line)],
        }
    }

    /// A line that the user sent.
    pub(super) fn own(self, line: &str) -> Vec<Span> {
        vec![Span::new(if self == Self::None { PLAIN } else { DIM }, line)]
    }

    /// The time before a line.
    pub(super) fn time(self, time: &str) -> Span {
        Span::new(if self == Self::None { PLAIN } else { DIM }, time)
    }

    /// The colour of `name`. It is the same in every run, by FNV-1a.
    fn of_name(self, name: &str, is_bold: bool) -> String {
        let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
        }) as usize;
        let colour = match self {
            Self::Many => format!("38;5;{}", MANY[hash % MANY.len()]),
            Self::Few | Self::None => FEW[hash % FEW.len()].to_string(),
        };
        if is_bold { format!("{BOLD};{colour}") } else { colour }
    }
}

/// A message, which may mention `nick`.
fn said(text: &str, nick: Option<&str>) -> Vec<Span> {
    let Some(nick) = nick else { return vec![Span::new(PLAIN, text)] };
    let mut spans = Vec::new();
    for piece in text.split_inclusive(|c| !in_name(c)) {
        let word = piece.trim_end_matches(|c| !in_name(c));
        let is_nick = word.to_lowercase() == nick.to_lowercase();
        spans.push(Span::new(if is_nick { REVERSE } else { BOLD }, word));
        spans.push(Span::new(BOLD, &piece[word.len()..]));
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::{Colours, MANY, Span};

    #[track_caller]
    fn check(line: &str, expected: &[(&str, &str)]) {
        let found = Colours::Few.paint(line, Some("alice"));
        let found: Vec<_> = found.iter().filter(|span| !span.text.is_empty()).collect();
        let expected: Vec<_> = expected.iter().map(|(sgr, text)| Span::new(sgr, text)).collect();
        assert_eq!(found, expected.iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_name_has_one_colour() {
        let colour = Colours::Few.of_name("bob", false);
        check("<bob> hi", &[(&colour, "<bob> "), ("", "hi")]);
        check("* Bob waves", &[(&colour, "* Bob "), ("", "waves")]);
        check("-- bob joined", &[("2", "-- bob joined")]);
        check("-- earlier (09:30): <bob> alice?", &[("2", "-- earlier (09:30): <bob> alice?")]);
    }

    #[test]
    fn ones_own_name_stands_out_and_direct_messages_look_different() {
        let colour = Colours::Few.of_name("bob", true);
        check(
            "<bob> Hi, Alice!",
            &[(&colour, "<bob> "), ("1", "Hi"), ("1", ","), ("1", " "), ("7", "Alice"), ("1", "!")],
        );
        check("[bob] hi alice", &[(&colour, "[bob] "), ("1;3", "hi alice")]);
        check("[to bob] hi", &[("2;3", "[to bob] hi")]);
    }

    #[test]
    fn without_colours_there_are_no_attributes() {
        for line in ["<bob> alice", "[bob] hi", "[to bob] hi", "-- bob left", "whatever"] {
            assert_eq!(Colours::None.paint(line, Some("alice")), [Span::new("", line)]);
        }
        assert_eq!(Colours::None.own("<alice> hi"), [Span::new("", "<alice> hi")]);
    }

    /// The relative luminance of a colour of xterm's cube (WCAG 2, "relative luminance").
    fn luminance(colour: u8) -> f64 {
        let channel = |step: u8| {
            let value = f64::from([0, 95, 135, 175, 215, 255][usize::from(step)]) / 255.0;
            if value <= 0.03928 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let cube = colour - 16;
        0.2126 * channel(cube / 36) + 0.7152 * channel(cube / 6 % 6) + 0.0722 * channel(cube % 6)
    }

    #[test]
    fn names_can_be_read_on_black_and_on_white() {
        for colour in MANY {
            let light = luminance(colour) + 0.05;
            let (on_black, on_white) = (light / 0.05, 1.05 / light);
            assert!(on_black >= 3.5 && on_white >= 3.5, "{colour}: {on_black} {on_white}");
        }
    }
}
