//! Writes a trace.

use std::io::{self, Write};

use parlour_core::Instant;

use crate::block::{Block, FULL, MAGIC, STEPS, VERSION};
use crate::encoding::encode;
use crate::entry::Entry;
use crate::header::Header;
use crate::sink::Sink;
use crate::sum::Sum;

/// Writes a trace into `W`, a block at a time. If that fails once, nothing more is written.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    block: Block,
    /// In the block.
    steps: u32,
    now: Instant,
    error: Option<io::Error>,
    is_broken: bool,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(mut out: W, header: &Header) -> io::Result<Self> {
        let mut block = Block::new();
        out.write_all(&MAGIC)?;
        out.write_all(&VERSION.to_le_bytes())?;
        encode(header, block.content());
        block.write(&mut out)?;
        Ok(Self { out, block, steps: 0, now: Instant::default(), error: None, is_broken: false })
    }

    /// Whether there are steps that are not written yet.
    pub(crate) fn is_behind(&self) -> bool {
        self.steps > 0
    }

    /// Writes the steps that are not written yet.
    pub(crate) fn flush(&mut self, sum: &Sum) {
        if self.is_behind() {
            self.end_block(&Entry::Check { sum: sum.value() });
        }
    }

    /// Writes the end of the trace.
    pub(crate) fn end(mut self, sum: &Sum) -> (W, Option<io::Error>) {
        self.end_block(&Entry::End { sum: sum.value() });
        (self.out, self.error)
    }

    /// Why nothing more is written. It says so once.
    pub(crate) fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    fn end_block(&mut self, last: &Entry<'_>) {
        if self.is_broken {
            return;
        }
        encode(last, self.block.content());
        self.steps = 0;
        if let Err(error) = self.block.write(&mut self.out).and_then(|()| self.out.flush()) {
            (self.is_broken, self.error) = (true, Some(error));
        }
    }
}

impl<W: Write> Sink for Writer<W> {
    fn step(&mut self, now: Instant, step: &Entry<'_>, sum: &Sum) {
        if self.is_broken {
            return;
        }
        if now > self.now {
            encode(&Entry::Later { ms: now.millis_since(self.now) }, self.block.content());
            self.now = now;
        }
        encode(step, self.block.content());
        self.steps += 1;
        if self.steps == STEPS || self.block.len() >= FULL {
            self.end_block(&Entry::Check { sum: sum.value() });
        }
    }
}
