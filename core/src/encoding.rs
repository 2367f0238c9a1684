//! Encodings: how a kind of client sees a record. The chat's is always there. A driver may bring others.

pub(crate) mod chat;

use core::fmt;

use crate::record::Record;

/// How a kind of client sees records. It is for output only; the listener's [`crate::Protocol`] reads the input.
/// A record is rendered once for a room, however many of its members have this encoding.
///
/// The texts that the hub tells one client alone are records too: [`crate::Place::Private`] is where they
/// are told. So a client of an encoding gets nothing that was not rendered by it.
pub trait Encoding: fmt::Debug + Sync {
    /// Writes a record into `out`. An encoding that writes nothing hides the record from its clients.
    /// `is_past`: the client did not get it when it was said, because it came later or was too slow. To one that
    /// was away ([`crate::Input::Away`]) it is false. The same record with the same `is_past` always makes the
    /// same bytes.
    fn render(&self, record: &Record<'_>, is_past: bool, out: &mut Sink<'_>);

    /// The most bytes that it writes for a record whose text, and whose two names, have at most so many
    /// bytes. The names are the author's and the room's. If it writes more for a record, it hides this record
    /// from its clients.
    fn longest(&self, text: usize, name: usize) -> usize;
}

/// Where an encoding writes one record.
#[derive(Debug)]
pub struct Sink<'s> {
    /// The memory, of which the second part follows the first.
    parts: [&'s mut [u8]; 2],
    len: usize,
    is_full: bool,
}

impl<'s> Sink<'s> {
    /// A sink that writes into memory in two parts.
    pub(crate) fn new(parts: [&'s mut [u8]; 2]) -> Self {
        Self { parts, len: 0, is_full: false }
    }

    /// Writes more bytes. If they do not fit, nothing of the record is shown.
    pub fn push(&mut self, bytes: &[u8]) {
        self.is_full |= bytes.len() > self.free();
        if self.is_full {
            return;
        }
        let [left, right] = &mut self.parts;
        let at = self.len.min(left.len());
        let (here, rest) = bytes.split_at(bytes.len().min(left.len() - at));
        left[at..at + here.len()].copy_from_slice(here);
        if !rest.is_empty() {
            let at = self.len + here.len() - left.len();
            right[at..at + rest.len()].copy_from_slice(rest);
        }
        self.len += bytes.len();
    }

    /// How many more bytes fit.
    pub fn free(&self) -> usize {
        let [left, right] = &self.parts;
        left.len() + right.len() - self.len
    }

    /// Bytes that were written. None if something did not fit: half a record would run into the next one.
    pub(crate) fn len(&self) -> usize {
        if self.is_full { 0 } else { self.len }
    }

    /// Whether something was left out.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }
}

impl fmt::Write for Sink<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        if self.is_full { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_goes_on_in_the_second_part_and_never_further() {
        for cut in 0..=8 {
            let mut memory = [0; 8];
            let (left, right) = memory.split_at_mut(cut);
            let mut sink = Sink::new([left, right]);
            for piece in [b"abc".as_slice(), b"", b"de"] {
                sink.push(piece);
            }
            assert_eq!((sink.len(), sink.free()), (5, 3));
            for piece in [b"fghi", b"x".as_slice()] {
                sink.push(piece);
                assert!(sink.is_full() && sink.len() == 0, "what does not fit is left out as a whole");
            }
            assert_eq!(&memory, b"abcde\0\0\0");
        }
    }
}
