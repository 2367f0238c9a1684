//! The server's journal during a run: how much it gets, and in the end whether it has every line.

use std::thread;
use std::time::{Duration, Instant};

use crate::error::BenchError;
use crate::journal::JournalFile;
use crate::lines::{Book, Stock};
use crate::plan::Plan;
use crate::report::{Report, Stored};

/// How often to look for further rows.
const LOOK: Duration = Duration::from_millis(20);
/// If no row came for this long after the last line, none will come.
const QUIET: Duration = Duration::from_millis(100);

/// A journal, and the rows that it had at some moments.
#[derive(Debug)]
pub(super) struct Audit {
    file: JournalFile,
    /// At the beginning.
    before: i64,
    /// At the beginning and at the end of the measurement.
    window: [i64; 2],
}

impl Audit {
    /// Opens the journal of `plan`, if it has one.
    pub(super) fn open(plan: &Plan) -> Result<Option<Self>, BenchError> {
        let Some(path) = &plan.journal else { return Ok(None) };
        let file = JournalFile::open(path)?;
        let before = file.last_row()?;
        Ok(Some(Self { file, before, window: [before; 2] }))
    }

    /// The measurement ends now. What was marked last was its beginning.
    pub(super) fn mark(&mut self) -> Result<(), BenchError> {
        self.window = [self.window[1], self.file.last_row()?];
        Ok(())
    }

    /// Waits until the journal has all lines, and judges them. If no line came for the plan's patience, the rest is
    /// lost.
    pub(super) fn finish(&self, plan: &Plan, book: &Book, report: &Report) -> Result<Stored, BenchError> {
        let mut stock = Stock::new(book);
        let (mut row, mut measured) = (self.before, 0);
        let mut came = Instant::now();
        loop {
            let last = self.file.read(row, |message| {
                let before = stock.count();
                stock.take(message.author, &message.bytes);
                if self.window[0] < message.row && message.row <= self.window[1] {
                    measured += stock.count() - before;
                }
            })?;
            if last > row {
                (row, came) = (last, Instant::now());
            }
            let patience = if stock.is_complete() { QUIET } else { plan.patience };
            if came.elapsed() > patience {
                break;
            }
            thread::sleep(LOOK);
        }
        let nanoseconds = report.cpu_server.map(|percent| percent / 100.0 * report.seconds * 1e9);
        Ok(Stored {
            stored: measured as f64 / report.seconds,
            cpu_stored: nanoseconds.filter(|_| measured > 0).map(|used| used / measured as f64),
            journal_faults: stock.close(),
        })
    }
}
