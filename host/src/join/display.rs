//! The display: the lines of the chat in their colours, with the time if the user wants it, and the
//! client's own notices. It owns the prompt below them.

use super::paint::Colours;
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
        self.show(self.colours.paint(line, nick));
    }

    /// Shows a line that the user sent.
    pub(super) fn own(&mut self, line: &str) {
        self.show(self.colours.own(&neutral(line)));
    }

    /// Shows a notice of the client itself.
    pub(super) fn notice(&mut self, text: &str) {
        self.line(&neutral(&format!("-- {text}")), None);
    }

    fn show(&mut self, line: Vec<Span>) {
        let time = self.has_times.then(|| {
            let (hour, minute) = sys::local_time();
            self.colours.time(&format!("{hour:02}:{minute:02} "))
        });
        self.prompt.line(time, line);
    }
}
