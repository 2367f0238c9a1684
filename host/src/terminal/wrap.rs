//! Breaks a line into rows, between words. Rows from the second on are indented, so no text in a line
//! can look like the start of another line.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// The columns between two tab stops.
const TAB: usize = 8;

/// A piece of a line with its SGR parameters, which are empty for plain text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Span {
    pub(crate) sgr: String,
    pub(crate) text: String,
}

impl Span {
    pub(crate) fn new(sgr: &str, text: &str) -> Self {
        Self { sgr: sgr.to_owned(), text: text.to_owned() }
    }
}

/// A character as a reader counts them, and its span.
#[derive(Clone, Copy)]
struct Cell<'a> {
    span: usize,
    text: &'a str,
    width: usize,
}

impl Cell<'_> {
    fn is_space(&self) -> bool {
        self.text == " "
    }
}

/// The rows of a line in a terminal with `columns`. The rows behind the first one begin with `indent`
/// spaces.
pub(super) fn rows(spans: &[Span], columns: usize, indent: usize) -> Vec<String> {
    let cells = cells(spans);
    let mut rows = Vec::new();
    let mut start = 0;
    loop {
        let margin = if rows.is_empty() { 0 } else { indent };
        let end = start + fitting(&cells[start..], columns - margin);
        if end == cells.len() {
            rows.push(row(spans, &cells[start..], margin));
            return rows;
        }
        let next = break_before(&cells, start, end, columns - indent);
        rows.push(row(spans, &cells[start..next], margin));
        start = next + cells[next..].iter().take_while(|cell| cell.is_space()).count();
        if start == cells.len() {
            return rows;
        }
    }
}

fn cells(spans: &[Span]) -> Vec<Cell<'_>> {
    let (mut cells, mut column) = (Vec::new(), 0);
    for (span, text) in spans.iter().enumerate().map(|(span, Span { text, .. })| (span, text)) {
        for text in text.graphemes(true) {
            if text == "\t" {
                let count = TAB - column % TAB;
                cells.extend(std::iter::repeat_n(Cell { span, text: " ", width: 1 }, count));
                column += count;
            } else {
                cells.push(Cell { span, text, width: text.width() });
                column += text.width();
            }
        }
    }
    cells
}

/// How many cells fit in the columns, but at least one.
fn fitting(cells: &[Cell<'_>], columns: usize) -> usize {
    let mut used = 0;
    let count = cells
        .iter()
        .take_while(|cell| {
            used += cell.width;
            used <= columns
        })
        .count();
    count.max(1).min(cells.len())
}

/// The best end of a row that begins at `start` and has room until `end`: before the word that does not
/// fit. If that word would not fit the next row of `columns` either, the row ends at `end`.
fn break_before(cells: &[Cell<'_>], start: usize, end: usize, columns: usize) -> usize {
    if cells[end].is_space() {
        return end;
    }
    let Some(space) = cells[start..end].iter().rposition(Cell::is_space) else { return end };
    let word = start + space + 1;
    let width: usize = cells[word..].iter().take_while(|cell| !cell.is_space()).map(|cell| cell.width).sum();
    if width > columns { end } else { word }
}

fn row(spans: &[Span], cells: &[Cell<'_>], margin: usize) -> String {
    let end = cells.iter().rposition(|cell| !cell.is_space()).map_or(0, |last| last + 1);
    let cells = &cells[..end];
    let mut row = " ".repeat(margin);
    for run in cells.chunk_by(|a, b| a.span == b.span) {
        let text: String = run.iter().map(|cell| cell.text).collect();
        match spans[run[0].span].sgr.as_str() {
            "" => row += &text,
            sgr => row += &format!("\x1b[{sgr}m{text}\x1b[0m"),
        }
    }
    if cells.iter().all(|cell| cell.text.is_ascii()) {
        return row;
    }
    // The terminal may take a character for wider than this program does. It must not break the row
    // itself (DECAWM).
    format!("\x1b[?7l{row}\x1b[?7h")
}

#[cfg(test)]
mod tests {
    use super::{Span, rows};

    #[track_caller]
    fn check(text: &str, columns: usize, expected: &[&str]) {
        let found = rows(&[Span::new("", text)], columns, 2);
        let found: Vec<_> =
            found.iter().map(|row| row.trim_start_matches("\x1b[?7l").trim_end_matches("\x1b[?7h")).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_line_that_fits_is_one_row() {
        check("", 10, &[""]);
        check("one two th", 10, &["one two th"]);
        check("漢字漢字漢", 10, &["漢字漢字漢"]);
    }

    #[test]
    fn rows_end_between_words_and_are_indented() {
        check("one two three four", 10, &["one two", "  three", "  four"]);
        check("one two   ", 7, &["one two"]);
    }

    #[test]
    fn nothing_can_be_put_at_the_left_by_spaces() {
        check("<a> hello           <bob> I resign", 20, &["<a> hello", "  <bob> I resign"]);
        check("<a> \t\t\t\t<bob> no", 20, &["<a>", "  <bob> no"]);
        check("<a>                  -- bob left", 10, &["<a>", "  -- bob", "  left"]);
    }

    #[test]
    fn what_is_longer_than_a_row_is_cut() {
        check("<a> 0123456789abcdef", 10, &["<a> 012345", "  6789abcd", "  ef"]);
        check("漢字漢字漢字", 5, &["漢字", "  漢", "  字", "  漢", "  字"]);
        check("漢字", 3, &["漢", "  字"]);
    }

    #[test]
    fn every_row_has_the_colour_of_its_pieces() {
        let spans = [Span::new("31", "<bob> "), Span::new("1", "hi there"), Span::new("", " all")];
        assert_eq!(
            rows(&spans, 9, 2),
            ["\x1b[31m<bob> \x1b[0m\x1b[1mhi\x1b[0m", "  \x1b[1mthere\x1b[0m", "  all"]
        );
    }

    #[test]
    fn a_terminal_breaks_no_row_that_it_holds_for_wider() {
        assert_eq!(rows(&[Span::new("", "…a")], 9, 2), ["\x1b[?7l…a\x1b[?7h"]);
    }
}
