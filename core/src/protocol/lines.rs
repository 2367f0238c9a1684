//! From bytes to lines that are fit to be shown, for the protocols that read
//! line by line.

use crate::conn::{Slot, State};
use crate::exchange::Exchange;
use crate::line::Step;
use crate::text::{TooLong, clean};

/// Whether a line was acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Yes,
    /// It has to wait until some of the connection's output is gone.
    NotNow,
}

/// A protocol that reads lines.
pub(crate) trait LineReader {
    /// Whether a line could be acted on.
    fn is_ready(&self, x: &Exchange<'_>, slot: Slot) -> bool;

    /// Acts on a line, which is not empty, and UTF-8 that is fit to be shown.
    fn line(&self, x: &mut Exchange<'_>, slot: Slot, text: &[u8]) -> Done;

    /// Acts on the plain lines at the front of the input, as far as it knows a shorter way
    /// for them than one by one; returns how much of it was used. None is unfinished.
    fn plain_lines(&self, _x: &mut Exchange<'_>, _slot: Slot, _input: &[u8]) -> usize {
        0
    }
}

/// Acts on the lines in the input; returns how much of it was used.
pub(crate) fn received(reader: &impl LineReader, x: &mut Exchange<'_>, slot: Slot, input: &[u8]) -> usize {
    let mut used = 0;
    while used < input.len() && reader.is_ready(x, slot) {
        let rest = &input[used..];
        if x.conn(slot).line.is_at_start() {
            let count = reader.plain_lines(x, slot, rest);
            if count > 0 {
                used += count;
                continue;
            }
        }
        let (count, step) = x.conn_mut(slot).line.next(rest);
        used += count;
        match step {
            Step::More => {}
            Step::Direct(len) => {
                if act(reader, x, slot, &rest[..len]) == Done::NotNow {
                    postpone(x, slot, &rest[..len]);
                }
            }
            Step::Buffered => act_on_buffered(reader, x, slot),
            Step::TooLong => {
                x.charge(slot, 1);
                tell_too_long(x, slot);
            }
            Step::Answer(answer) => {
                x.tell(slot, &[&answer]);
            }
        }
    }
    // Who has left is not listened to.
    if x.conn(slot).state == State::Open { used } else { input.len() }
}

fn postpone(x: &mut Exchange<'_>, slot: Slot, line: &[u8]) {
    let conn = x.conn_mut(slot);
    conn.line.text().push(line);
    conn.postponed = true;
}

/// Acts on the line that had to wait, if one had.
pub(crate) fn resume(reader: &impl LineReader, x: &mut Exchange<'_>, slot: Slot) {
    if core::mem::take(&mut x.conn_mut(slot).postponed) {
        act_on_buffered(reader, x, slot);
    }
}

/// Acts on a last line that has no ending.
pub(crate) fn ended(reader: &impl LineReader, x: &mut Exchange<'_>, slot: Slot) {
    if x.conn(slot).line.is_unfinished() {
        act_on_buffered(reader, x, slot);
    }
}

fn act_on_buffered(reader: &impl LineReader, x: &mut Exchange<'_>, slot: Slot) {
    let mut line = core::mem::take(&mut x.conn_mut(slot).line);
    let done = act(reader, x, slot, line.as_bytes());
    if done == Done::Yes {
        line.text().clear();
    }
    let conn = x.conn_mut(slot);
    conn.line = line;
    conn.postponed = done == Done::NotNow;
}

fn act(reader: &impl LineReader, x: &mut Exchange<'_>, slot: Slot, raw: &[u8]) -> Done {
    x.charge(slot, 1);
    let scratch = core::mem::take(&mut x.scratch);
    let done = match clean(raw, x.limits.line, scratch) {
        Ok(b"") => Done::Yes,
        Ok(text) => reader.line(x, slot, text),
        Err(TooLong) => {
            tell_too_long(x, slot);
            Done::Yes
        }
    };
    x.scratch = scratch;
    done
}

fn tell_too_long(x: &mut Exchange<'_>, slot: Slot) {
    let limit = x.limits.line;
    tell(x, slot, format_args!("line too long (limit {limit} bytes), not sent"));
}

/// Tells a connection something in the server's name. There is room for it
/// whenever the connection is ready.
pub(crate) fn tell(x: &mut Exchange<'_>, slot: Slot, text: core::fmt::Arguments<'_>) {
    /// Text that goes into the scratch buffer as far as it fits.
    struct Scratch<'a>(crate::text::Text<'a>);
    impl core::fmt::Write for Scratch<'_> {
        fn write_str(&mut self, s: &str) -> core::fmt::Result {
            self.0.push(s.as_bytes());
            Ok(())
        }
    }
    let mut line = [0; 256];
    let mut line = Scratch(crate::text::Text::new(&mut line));
    let _ = core::fmt::Write::write_fmt(&mut line, text);
    x.tell(slot, &[b"-- ", line.0.as_bytes(), b"\r\n"]);
}
