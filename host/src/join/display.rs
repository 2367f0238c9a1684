//! The display: the lines of the chat in their colours, with the time if the user wants it, and the
//! client's own notices. It owns the prompt below them.

use super::paint::Colours;
use super::protocol::Kind;
use crate::output::neutral;
use crate::sys;
use crate::terminal::{Prompt, Span};

/// The prompt and the lines above it.
#[derive(Debug)]
pub(super) struct Display {
    pub(super) prompt: Prompt,
    colours: Colours,
    /// Each line begins with the time.
    has_times: bool,
}

impl Display {
    pub(super) fn new(prompt: Prompt, colours: Colours, has_times: bool) -> Self {
        Self { prompt, colours, has_times }
    }

    /// Shows a line from the server to the user called `nick`. The line is already `neutral`.
    pub(super) fn line(&mut self, line: &str, nick: Option<&str>) {
        let is_past = matches!(Kind::of(line), Kind::Past(_));
        self.show(self.colours.paint(line, nick), is_past);
    }

    /// Shows a line that the user sent.
    pub(super) fn own(&mut self, line: &str) {
        self.show(self.colours.own(&neutral(line)), false);
    }

    /// Shows a notice of the client itself.
    pub(super) fn notice(&mut self, text: &str) {
        self.line(&neutral(&format!("-- {text}")), None);
    }

    /// The time of day is that of now, so it is not put before what `is_past`.
    fn show(&mut self, line: Vec<Span>, is_past: bool) {
        let time = (self.has_times && !is_past).then(|| {
            let (hour, minute) = sys::local_time();
            self.colours.time(&format!("{hour:02}:{minute:02} "))
        });
        self.prompt.line(time, line);
    }
}
