//! A terminal's screen as SVG: text that can be selected, in the colours that the terminal shows.
//!
//! Knows vt100's screen; knows nothing of what stands on it.

use std::fmt::Write as _;

use vt100::{Cell, Color, Screen};

const COLUMNS: u16 = 80;
const ROWS: u16 = 18;

/// Pixels. The width of a column fits most monospace fonts of this size; `textLength` makes the
/// others fit.
const FONT: u16 = 14;
const COLUMN: u16 = 8;
const ROW: u16 = 19;
const MARGIN: u16 = 14;
const TITLE_BAR: u16 = 34;
/// From the top of a row to the foot of its letters.
const BASELINE: u16 = 14;

const GROUND: &str = "#16191d";
const BAR: &str = "#2a2f36";
const TEXT: &str = "#d5dae0";

/// How some cells look.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Look {
    text: String,
    ground: String,
    bold: bool,
    dim: bool,
    italic: bool,
}

impl Look {
    fn of(cell: &Cell, is_cursor: bool) -> Self {
        let (text, ground) = (color(cell.fgcolor(), TEXT), color(cell.bgcolor(), GROUND));
        let (text, ground) = if cell.inverse() != is_cursor { (ground, text) } else { (text, ground) };
        Self { text, ground, bold: cell.bold(), dim: cell.dim(), italic: cell.italic() }
    }
}

/// Cells side by side that look alike.
struct Run {
    column: u16,
    columns: u16,
    text: String,
    look: Look,
}

/// Draws the first rows of `screen` in a window with this title.
///
/// # Panics
/// If the screen is smaller, or its cursor is below what is drawn: the picture would lack something.
pub(super) fn draw(screen: &Screen, title: &str) -> String {
    assert!(screen.cursor_position().0 < ROWS, "the session has no more than {ROWS} rows");
    let (width, height) = (2 * MARGIN + COLUMNS * COLUMN, TITLE_BAR + 2 * MARGIN + ROWS * ROW);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" xml:space=\"preserve\" font-size=\"{FONT}\" \
         font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\">\n\
         <title>A chat in a terminal: {title}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{BAR}\"/>\n\
         <path d=\"M0 {TITLE_BAR}h{width}v{rest}a8 8 0 0 1 -8 8h-{inner}a8 8 0 0 1 -8 -8z\" fill=\"{GROUND}\"/>\n\
         <text x=\"{MARGIN}\" y=\"22\" fill=\"{TEXT}\">$ {title}</text>\n",
        rest = height - TITLE_BAR - 8,
        inner = width - 16,
    );
    for row in 0..ROWS {
        for run in runs(screen, row) {
            draw_run(&mut svg, row, &run);
        }
    }
    svg += "</svg>\n";
    svg
}

fn runs(screen: &Screen, row: u16) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for column in 0..COLUMNS {
        let cell = screen.cell(row, column).expect("the screen is as large as the picture");
        let look = Look::of(cell, screen.cursor_position() == (row, column));
        let text = if cell.has_contents() { cell.contents() } else { " " };
        match runs.last_mut() {
            Some(run) if run.look == look => {
                run.text += text;
                run.columns += 1;
            }
            _ => runs.push(Run { column, columns: 1, text: text.to_owned(), look }),
        }
    }
    runs
}

fn draw_run(svg: &mut String, row: u16, run: &Run) {
    let Run { column, columns, text, look } = run;
    let (x, y) = (MARGIN + column * COLUMN, TITLE_BAR + MARGIN + row * ROW);
    if look.ground != GROUND {
        let width = columns * COLUMN;
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{ROW}\" fill=\"{}\"/>",
            look.ground
        );
    }
    // Spaces at the ends are places without a mark.
    let word = text.trim();
    if word.is_empty() {
        return;
    }
    let before = (text.len() - text.trim_start().len()) as u16;
    let (x, length) = (x + before * COLUMN, word.chars().count() * usize::from(COLUMN));
    let baseline = y + BASELINE;
    let _ = write!(svg, "<text x=\"{x}\" y=\"{baseline}\" textLength=\"{length}\" fill=\"{}\"", look.text);
    for (is_so, attribute) in [
        (look.bold, " font-weight=\"bold\""),
        (look.dim, " opacity=\"0.65\""),
        (look.italic, " font-style=\"italic\""),
    ] {
        *svg += if is_so { attribute } else { "" };
    }
    let _ = writeln!(svg, ">{}</text>", escaped(word));
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A colour as SVG has it; `default` where the terminal has its own.
fn color(color: Color, default: &str) -> String {
    match color {
        Color::Default => default.to_owned(),
        Color::Rgb(red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
        Color::Idx(index) => {
            let (red, green, blue) = of_palette(index);
            format!("#{red:02x}{green:02x}{blue:02x}")
        }
    }
}

/// A colour of xterm's 256: sixteen, a cube of 6 x 6 x 6, and 24 greys.
fn of_palette(index: u8) -> (u8, u8, u8) {
    match index {
        0..=15 => {
            let level = |bit: u8| {
                if index & bit == 0 {
                    0
                } else if index < 8 {
                    205
                } else {
                    255
                }
            };
            (level(1), level(2), level(4))
        }
        16..=231 => {
            let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
            let cube = index - 16;
            (level(cube / 36), level(cube / 6 % 6), level(cube % 6))
        }
        232.. => {
            let grey = 8 + 10 * (index - 232);
            (grey, grey, grey)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{draw, of_palette};

    #[test]
    fn colours_are_those_of_xterm() {
        assert_eq!(of_palette(9), (255, 0, 0));
        assert_eq!(of_palette(67), (95, 135, 175));
        assert_eq!(of_palette(255), (238, 238, 238));
    }

    #[test]
    fn text_has_its_place_and_its_look() {
        let size = |count| std::num::NonZeroU16::new(count).unwrap();
        let mut parser = vt100::Parser::new(size(24), size(80), 0);
        parser.process(b"\x1b[1;38;5;67m<bob>\x1b[m a & b\r\n\x1b[7mme\x1b[m");
        let svg = draw(parser.screen(), "title");
        for part in [
            "<text x=\"14\" y=\"62\" textLength=\"40\" fill=\"#5f87af\" font-weight=\"bold\">&lt;bob&gt;</text>",
            "<text x=\"62\" y=\"62\" textLength=\"40\" fill=\"#d5dae0\">a &amp; b</text>",
            // The cursor looks like them.
            "<rect x=\"14\" y=\"67\" width=\"24\" height=\"19\" fill=\"#d5dae0\"/>",
            " fill=\"#16191d\">me</text>",
        ] {
            assert!(svg.contains(part), "{part} is not in\n{svg}");
        }
    }
}
