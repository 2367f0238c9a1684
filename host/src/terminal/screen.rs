//! Makes the bytes that show lines and, below them, the typed line. It draws the typed line again when
//! a line came above it. It writes nothing itself: `take` gives the bytes.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::wrap::{Span, rows};
use crate::output::neutral;

/// The fewest columns. With fewer, the typed line could not be shown at all.
const LEAST_COLUMNS: usize = 4;

/// The indent of a line's rows behind the first one, if there is room.
const INDENT: usize = 4;

/// The bytes to write, and the content of the last row. After the calls that belong together, call
/// `prompt` to draw the typed line, and then `take`.
#[derive(Debug)]
pub(super) struct Screen {
    columns: usize,
    out: String,
    /// The typed line as it was drawn last. Empty if it is not on the screen.
    drawn: String,
    /// The column of the cursor after that.
    cursor: usize,
}

impl Screen {
    pub(super) fn new(columns: usize) -> Self {
        Self { columns: columns.max(LEAST_COLUMNS), out: String::new(), drawn: String::new(), cursor: 0 }
    }

    /// A line, which must be harmless. Its rows behind the first one leave the space below the `margin`
    /// free, and a bit more.
    pub(super) fn line(&mut self, margin: Option<Span>, line: Vec<Span>) {
        self.make_room();
        let indent = INDENT + margin.as_ref().map_or(0, |margin| margin.text.len());
        let spans: Vec<_> = margin.into_iter().chain(line).collect();
        for row in rows(&spans, self.columns, indent.min(self.columns / 4)) {
            self.out += &row;
            self.out += "\r\n";
        }
    }

    /// Lines with the colours that they have.
    pub(super) fn finished(&mut self, lines: &str) {
        if lines.is_empty() {
            return;
        }
        self.make_room();
        for line in lines.lines() {
            self.out += line;
            self.out += "\r\n";
        }
    }

    pub(super) fn bell(&mut self) {
        self.out.push('\x07');
    }

    /// Draws `label` and as much of `text` around `cursor` (in bytes) as fits. Does nothing if the screen
    /// shows the same already.
    pub(super) fn prompt(&mut self, label: &str, text: &str, cursor: usize) {
        // The last column stays free, because a character there may move the cursor to the next row.
        let label = window(label, 0, self.columns / 2).0;
        let label_columns = label.width();
        let (visible, column) = window(text, cursor, self.columns - 1 - label_columns);
        let column = label_columns + column;
        let drawn = label + &visible;
        if drawn != self.drawn || column != self.cursor {
            // Give the column as a number: terminals do not agree on the width of some characters.
            self.out += &format!("\r{drawn}\x1b[K\x1b[{}G", column + 1);
            self.drawn = drawn;
            self.cursor = column;
        }
    }

    /// The terminal has `columns` now, and has wrapped its rows.
    pub(super) fn resize(&mut self, columns: usize) {
        self.columns = columns.max(LEAST_COLUMNS);
        let rows_above = self.cursor / self.columns;
        if rows_above > 0 {
            self.out += &format!("\x1b[{rows_above}A");
        }
        self.erase();
    }

    /// The terminal has `columns`, and another program may have written on it.
    pub(super) fn begin(&mut self, columns: usize) {
        self.columns = columns.max(LEAST_COLUMNS);
        self.drawn.clear();
    }

    /// Clears the whole screen.
    pub(super) fn clear(&mut self) {
        self.out += "\x1b[H\x1b[2J";
        self.drawn.clear();
    }

    /// Takes the typed line off the screen.
    pub(super) fn erase(&mut self) {
        self.out += "\r\x1b[J";
        self.drawn.clear();
    }

    /// How many bytes there are for the terminal.
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    /// The bytes for the terminal.
    pub(super) fn take(&mut self) -> String {
        std::mem::take(&mut self.out)
    }

    fn make_room(&mut self) {
        if !self.drawn.is_empty() {
            self.erase();
        }
    }
}

/// The part of `text` that is shown in `columns`, and the cursor's column there.
///
/// If the text does not fit, it moves by half the columns at a time. Otherwise it would slide at every
/// key.
fn window(text: &str, cursor: usize, columns: usize) -> (String, usize) {
    // A pasted text may be long, and it is drawn again and again: no more than what shows is copied.
    let cells = || text.grapheme_indices(true).map(|(start, grapheme)| (start, cell(grapheme)));
    let cursor_column: usize =
        cells().take_while(|&(start, _)| start < cursor).map(|(_, cell)| cell.width()).sum();
    let half = (columns / 2).max(1);
    let first = if cursor_column < columns { 0 } else { (cursor_column / half - 1) * half };

    // The first column shows that there is more to the left.
    let mut visible = if first > 0 { "<".to_owned() } else { String::new() };
    let start = first + visible.len();
    let mut column = 0;
    for (_, cell) in cells() {
        let end = column + cell.width();
        if end > first + columns {
            break;
        }
        if column >= start {
            visible += &cell;
        } else {
            // The other half of a wide character.
            visible.extend(std::iter::repeat_n(' ', end.saturating_sub(start)));
        }
        column = end;
    }
    (visible, cursor_column - first)
}

/// A grapheme as the typed line shows it.
fn cell(grapheme: &str) -> Cow<'_, str> {
    if grapheme == "\t" { " ".into() } else { neutral(grapheme) }
}

#[cfg(test)]
mod tests {
    use super::{Screen, Span, window};

    /// A line without colours.
    fn plain(text: &str) -> Vec<Span> {
        vec![Span::new("", text)]
    }

    #[test]
    fn a_text_that_fits_is_shown_whole() {
        assert_eq!(window("hello", 5, 10), ("hello".into(), 5));
        assert_eq!(window("a\tb\u{202e}", 2, 10), ("a b\u{fffd}".into(), 2));
    }

    #[test]
    fn a_long_text_is_shown_around_the_cursor() {
        let text = "0123456789abcdefghij";
        assert_eq!(window(text, 0, 10), ("0123456789".into(), 0));
        assert_eq!(window(text, 9, 10), ("0123456789".into(), 9));
        assert_eq!(window(text, 10, 10), ("<6789abcde".into(), 5));
        assert_eq!(window(text, 20, 10), ("<ghij".into(), 5));
    }

    #[test]
    fn wide_characters_count_twice_and_joined_ones_once() {
        assert_eq!(window("漢字x", 6, 10), ("漢字x".into(), 4));
        assert_eq!(window("👩‍👩‍👧x", "👩‍👩‍👧".len(), 10), ("👩‍👩‍👧x".into(), 2));
        assert_eq!(window("e\u{301}x", 3, 10), ("e\u{301}x".into(), 1));
    }

    #[test]
    fn a_wide_character_cut_by_an_edge_is_not_shown() {
        assert_eq!(window("漢字漢字", 0, 5), ("漢字".into(), 0));
        assert_eq!(window("x漢漢漢漢漢", 16, 6), ("<漢漢".into(), 5));
    }

    #[test]
    fn the_cursor_is_always_inside_and_the_text_never_too_wide() {
        use unicode_width::UnicodeWidthStr;
        let text = "a漢b👩‍👩‍👧ce\u{301}字字字 defgh漢";
        for columns in 2..20 {
            for (cursor, _) in text.char_indices() {
                let (visible, column) = window(text, cursor, columns);
                assert!(
                    visible.width() <= columns && column < columns,
                    "{columns} {cursor} {visible:?} {column}"
                );
            }
        }
    }

    #[test]
    fn the_typed_line_is_drawn_again_below_what_came() {
        let mut screen = Screen::new(80);
        screen.prompt("> ", "hel", 3);
        assert_eq!(screen.take(), "\r> hel\x1b[K\x1b[6G");
        screen.line(None, plain("<bob> hi"));
        screen.prompt("> ", "hel", 3);
        assert_eq!(screen.take(), "\r\x1b[J<bob> hi\r\n\r> hel\x1b[K\x1b[6G");
    }

    #[test]
    fn a_long_line_takes_rows_that_are_indented() {
        for (columns, indent) in [(20, 4), (8, 2), (4, 1), (1, 1)] {
            let mut screen = Screen::new(columns);
            screen.line(None, plain(&format!("<a>{}<bob> I resign", " ".repeat(columns))));
            let out = screen.take();
            let mut rows = out.lines();
            assert!(rows.next().is_some_and(|row| row.starts_with("<a>")), "{out}");
            assert!(rows.all(|row| row.starts_with(&" ".repeat(indent))), "{out}");
        }
    }

    #[test]
    fn nothing_stands_below_a_margin() {
        let mut screen = Screen::new(44);
        let margin = || Some(Span::new("", "09:05 "));
        screen.line(margin(), plain("<bob> hi"));
        screen.line(margin(), plain(&format!("<me> {}", "long ".repeat(8))));
        let long = "long ".repeat(6);
        assert_eq!(
            screen.take(),
            format!("09:05 <bob> hi\r\n09:05 <me> {}\r\n          long long\r\n", long.trim())
        );
    }

    #[test]
    fn finished_lines_stand_above_the_typed_one() {
        let mut screen = Screen::new(8);
        screen.prompt("> ", "hel", 3);
        screen.take();
        screen.finished("\x1b[2mlonger than the row\x1b[0m\nnext\n");
        screen.prompt("> ", "hel", 3);
        let expected = "\r\x1b[J\x1b[2mlonger than the row\x1b[0m\r\nnext\r\n\r> hel\x1b[K\x1b[6G";
        assert_eq!(screen.take(), expected);
    }

    #[test]
    fn nothing_is_drawn_when_nothing_changed() {
        let mut screen = Screen::new(80);
        screen.prompt("> ", "hel", 3);
        screen.take();
        screen.prompt("> ", "hel", 3);
        assert_eq!(screen.take(), "");
    }

    #[test]
    fn a_narrower_terminal_has_wrapped_the_typed_line() {
        let mut screen = Screen::new(20);
        screen.prompt("> ", "0123456789abcd", 14);
        screen.take();
        screen.resize(10);
        assert_eq!(screen.take(), "\x1b[1A\r\x1b[J");
    }
}
