//! Puts a paste into the typed line, and finds the lines that this makes. It knows no editor.

/// The result of a paste at the cursor of a typed line.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Paste {
    /// The complete lines, without empty ones.
    pub(super) lines: Vec<String>,
    /// The text behind the last line ending, which the user goes on typing.
    pub(super) typed: String,
    /// Where the paste ended in this text, in bytes.
    pub(super) cursor: usize,
}

impl Paste {
    /// Puts `pasted` between `before` and `after` the cursor. Terminals send CR as a line ending.
    pub(super) fn new(before: &str, pasted: &str, after: &str) -> Self {
        let pasted = pasted.replace("\r\n", "\n").replace('\r', "\n");
        let text = clean(&format!("{before}{pasted}"));
        let (complete, last) = text.rsplit_once('\n').unwrap_or(("", &text));
        Self {
            lines: complete.split('\n').filter(|line| !line.is_empty()).map(str::to_owned).collect(),
            typed: format!("{last}{after}"),
            cursor: last.len(),
        }
    }

    /// How many lines the paste has, with the incomplete one.
    pub(super) fn count(&self) -> usize {
        self.lines.len() + usize::from(self.cursor > 0)
    }

    /// All lines, with the incomplete one.
    pub(super) fn all(self) -> Vec<String> {
        let rest = (!self.typed.is_empty()).then_some(self.typed);
        self.lines.into_iter().chain(rest).collect()
    }
}

/// `text` without control characters other than tabs and line endings.
fn clean(text: &str) -> String {
    text.chars().filter(|&c| matches!(c, '\t' | '\n') || !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::Paste;

    #[track_caller]
    fn check(before: &str, pasted: &str, after: &str, lines: &[&str], typed: &str, count: usize) {
        let paste = Paste::new(before, pasted, after);
        assert_eq!(paste.lines, lines);
        assert_eq!(paste.typed.split_at(paste.cursor), typed.split_once('|').expect("a cursor"));
        assert_eq!(paste.count(), count);
    }

    #[test]
    fn a_paste_within_a_line_is_typed() {
        check("he", "ll", "o", &[], "hell|o", 1);
    }

    #[test]
    fn complete_lines_are_told_from_the_rest() {
        check("", "a\rb\rc", "", &["a", "b"], "c|", 3);
        check("x", "a\r\nb\n", "y", &["xa", "b"], "|y", 2);
    }

    #[test]
    fn empty_lines_and_control_characters_are_left_out() {
        check("", "a\r\r\x1b[1mb\t\r", "", &["a", "[1mb\t"], "|", 2);
    }

    #[test]
    fn a_confirmed_paste_is_sent_to_its_end() {
        assert_eq!(Paste::new("", "a\rb", "c").all(), ["a", "bc"]);
    }
}
