//! The line on standard error that shows the progress of a work. On a terminal it is one line that
//! changes. Elsewhere a new line is printed now and then.

use std::cell::Cell;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often progress is printed if standard error is not a terminal.
const SELDOM: Duration = Duration::from_secs(2);

/// The progress of one work.
pub(super) struct Status<T> {
    work: T,
    overwrites: bool,
    shown: Cell<Option<Instant>>,
}

impl<T: Display> Status<T> {
    pub(super) fn new(work: T) -> Self {
        Self { work, overwrites: io::stderr().is_terminal(), shown: Cell::new(None) }
    }

    pub(super) fn show(&self, text: &str) {
        let shown = self.shown.get();
        if !self.overwrites && shown.is_some_and(|at| at.elapsed() < SELDOM) {
            return;
        }
        self.shown.set(Some(Instant::now()));
        let (start, end) = if self.overwrites { ("\r\x1b[K", "") } else { ("", "\n") };
        // If standard error is gone, go on.
        let _ = write!(io::stderr(), "{start}{}: {text}{end}", self.work);
    }
}

impl<T> Drop for Status<T> {
    fn drop(&mut self) {
        if self.overwrites {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
