//! Makes lines from bytes for the protocols that read line by line. The lines are safe to show.

use crate::conn::Slot;
use crate::exchange::Exchange;
use crate::ids::Cause;
use crate::limits::LINES_AT_ONCE;
use crate::line::Step;
use crate::protocol::foreign;
use crate::session::{Listing, Talk};
use crate::text::{Decimal, TooLong, clean, visible};

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

    /// Whether a line has to wait for its turn, if it has not waited already.
    fn waits(&self, _x: &mut Exchange<'_>, _slot: Slot, _has_waited: bool) -> bool {
        false
    }

    /// Acts on a line. It is not empty, and is UTF-8 that may be shown.
    fn line(&self, x: &mut Exchange<'_>, slot: Slot, text: &[u8]) -> Done;

    /// Acts on a request to leave that is not a line: an interrupt, or the end of the input as a
    /// terminal in character mode sends it.
    fn leave(&self, _x: &mut Exchange<'_>, _slot: Slot) {}

    /// Acts on the plain lines at the front of the input, if it has a faster way than one by one.
    /// Returns how much of the input was used. No line in the input is unfinished.
    fn plain_lines(&self, _x: &mut Exchange<'_>, _slot: Slot, _input: &[u8]) -> usize {
        0
    }
}

/// Acts on the lines in the input. Returns how much of it was used.
pub(crate) fn received(reader: &impl LineReader, x: &mut Exchange<'_>, slot: Slot, input: &[u8]) -> usize {
    let (mut used, mut lines) = (0, 0);
    while used < input.len() && lines < LINES_AT_ONCE && reader.is_ready(x, slot) {
        let mut rest = &input[used..];
        if !talk(x, slot).spoke {
            rest = start_of_first_line(x, slot, rest);
        } else if x.line(slot).is_at_start() {
            let count = reader.plain_lines(x, slot, rest);
            if count > 0 {
                used += count;
                continue;
            }
        }
        let (count, step) = x.line_mut(slot).next(rest);
        used += count;
        lines += 1;
        if !talk(x, slot).spoke {
            let whole = match step {
                Step::Direct(len) => Some(&rest[..len]),
                _ => None,
            };
            let is_whole = matches!(step, Step::Direct(_) | Step::Buffered);
            let line = whole.unwrap_or(x.line(slot).as_bytes());
            let (is_empty, answer) = (line.is_empty(), foreign::answer(line, is_whole));
            if let Some(answer) = answer {
                turn_away(x, slot, answer);
                break;
            }
            if step == Step::TooLong || is_whole && !is_empty {
                set_spoke(x, slot);
            }
        }
        match step {
            Step::More => {}
            Step::Direct(len) => {
                x.charge(slot, 1);
                if act(reader, x, slot, &rest[..len], false) == Done::NotNow {
                    postpone(x, slot, &rest[..len]);
                }
            }
            Step::Buffered => {
                x.charge(slot, 1);
                act_on_buffered(reader, x, slot, false);
            }
            Step::TooLong => {
                x.charge(slot, 1);
                tell_too_long(x, slot);
            }
            Step::Answer(answer) => {
                x.tell(slot, &[&answer]);
            }
            Step::AreYouThere => tell(x, slot, &["yes"]),
            Step::Leave => reader.leave(x, slot),
        }
    }
    // Input of a client that has left is ignored.
    if x.is_open(slot) { used } else { input.len() }
}

/// A part of the input that is short enough to check its start before a line can be too long.
fn start_of_first_line<'i>(x: &Exchange<'_>, slot: Slot, input: &'i [u8]) -> &'i [u8] {
    match foreign::STARTS.checked_sub(x.line(slot).as_bytes().len()) {
        None | Some(0) => input,
        Some(most) => &input[..input.len().min(most)],
    }
}

/// Closes the connection of a client of another protocol, with words of that protocol.
fn turn_away(x: &mut Exchange<'_>, slot: Slot, answer: &[u8]) {
    x.tell(slot, &[answer]);
    x.close_soon(slot, Cause::Left);
}

fn postpone(x: &mut Exchange<'_>, slot: Slot, line: &[u8]) {
    x.line_mut(slot).text().push(line);
    set_postponed(x, slot, true);
}

/// What is known of a client that types lines.
pub(crate) fn talk<'x>(x: &'x Exchange<'_>, slot: Slot) -> &'x Talk {
    x.session(slot).talk()
}

/// Notes that a client has said something.
pub(crate) fn set_spoke(x: &mut Exchange<'_>, slot: Slot) {
    if let Some(talk) = x.session_mut(slot).talk_mut() {
        talk.spoke = true;
    }
}

/// Sets what a client is told next, piece by piece.
pub(crate) fn set_listing(x: &mut Exchange<'_>, slot: Slot, listing: Listing) {
    if let Some(talk) = x.session_mut(slot).talk_mut() {
        talk.listing = listing;
    }
}

fn set_postponed(x: &mut Exchange<'_>, slot: Slot, postponed: bool) {
    if let Some(talk) = x.session_mut(slot).talk_mut() {
        talk.postponed = postponed;
    }
}

/// Forgets the line that is kept. What it has asked for was done.
#[cfg(feature = "large")]
pub(crate) fn drop_kept_line(x: &mut Exchange<'_>, slot: Slot) {
    if talk(x, slot).postponed {
        x.line_mut(slot).text().clear();
        set_postponed(x, slot, false);
    }
}

/// The line that is kept, as [`LineReader::line`] gets it. `space` has as many bytes as the line limit.
#[cfg(feature = "large")]
pub(crate) fn kept_line<'l>(x: &'l Exchange<'_>, slot: Slot, space: &'l mut [u8]) -> Option<&'l str> {
    let line = x.line(slot).as_bytes();
    let line = clean(line, x.limits().line, space).ok().filter(|_| talk(x, slot).postponed)?;
    core::str::from_utf8(visible(line)).ok()
}

/// Acts on the line that had to wait, if there is one and its turn has come.
pub(crate) fn resume(reader: &impl LineReader, x: &mut Exchange<'_>, slot: Slot) {
    if talk(x, slot).postponed && !x.is_waiting(slot) {
        act_on_buffered(reader, x, slot, true);
    }
}

/// Acts on a last line that has no ending.
pub(crate) fn ended(reader: &impl LineReader, x: &mut Exchange<'_>, slot: Slot) {
    if !talk(x, slot).spoke
        && let Some(answer) = foreign::answer(x.line(slot).as_bytes(), true)
    {
        turn_away(x, slot, answer);
    } else if x.line(slot).is_unfinished() {
        set_spoke(x, slot);
        x.charge(slot, 1);
        act_on_buffered(reader, x, slot, false);
    }
}

fn act_on_buffered(reader: &impl LineReader, x: &mut Exchange<'_>, slot: Slot, has_waited: bool) {
    let mut line = core::mem::take(x.line_mut(slot));
    let done = act(reader, x, slot, line.as_bytes(), has_waited);
    if done == Done::Yes {
        line.text().clear();
    }
    *x.line_mut(slot) = line;
    set_postponed(x, slot, done == Done::NotNow);
}

fn act(reader: &impl LineReader, x: &mut Exchange<'_>, slot: Slot, raw: &[u8], has_waited: bool) -> Done {
    let scratch = core::mem::take(x.scratch());
    let done = match clean(raw, x.limits().line, scratch).map(visible) {
        Ok(b"") => Done::Yes,
        Ok(_) if reader.waits(x, slot, has_waited) => Done::NotNow,
        Ok(text) => reader.line(x, slot, text),
        Err(TooLong) => {
            tell_too_long(x, slot);
            Done::Yes
        }
    };
    *x.scratch() = scratch;
    done
}

fn tell_too_long(x: &mut Exchange<'_>, slot: Slot) {
    let limit = Decimal::new(x.limits().line);
    tell(x, slot, &["line too long (limit ", limit.as_str(), " bytes), not sent"]);
}

/// Tells a connection something in the server's name. There is room for it
/// whenever the connection is ready.
pub(crate) fn tell(x: &mut Exchange<'_>, slot: Slot, parts: &[&str]) {
    x.note(slot, parts);
}
