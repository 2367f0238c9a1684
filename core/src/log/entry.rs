//! An entry of a log's index: where a record starts, and the facts about it, packed into numbers.

use super::Position;
use crate::record::{Identity, Kind, Parts};

/// Where a record starts, and the facts about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) seq: u64,
    pub(crate) start: Position,
    /// How many records further its author's next one in this log stands; 0: not yet.
    pub(super) next_own: u32,
    /// The author and the time, each with more above bit 48: kind and lengths of the parts.
    author: u64,
    time: u64,
}

/// Numbers that a record is stored in.
pub const RECORD_WORDS: usize = 4;

/// A record as it is stored. It is plain numbers, because the system gives zeroed memory that takes no
/// place until it is used.
pub(crate) type Stored = [u64; RECORD_WORDS];

/// Bits of an author or a time.
const LOW: u32 = 48;

/// The facts about a record, as they are stored: its author, kind and time, and how long the parts of
/// its bytes are, apart from the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    author: u64,
    time: u64,
}

impl Stamp {
    /// `unix_ms` is in ms since 1970-01-01 UTC, or 0 if it is not known.
    pub(crate) fn new((author, kind): (Identity, Kind), unix_ms: u64, parts: &Parts<'_>) -> Self {
        let packed = |low: u64, high: usize| low & ((1 << LOW) - 1) | (high as u64) << LOW;
        let [before, name, between, _, end] = parts.map(<[u8]>::len);
        // The longest name has 96 bytes, and what the hub puts around it is short.
        let kind_and_ends = usize::from(kind.code()) | before << 5 | end << 8;
        Self { author: packed(author.as_u64(), kind_and_ends), time: packed(unix_ms, name | between << 8) }
    }
}

impl Stamp {
    /// The entry of a record with these facts.
    #[inline(always)]
    pub(super) fn at(self, seq: u64, start: Position) -> Entry {
        let Self { author, time } = self;
        Entry { seq, start, next_own: 0, author, time }
    }
}

impl Entry {
    /// An entry of which only the place matters.
    #[cfg(feature = "save")]
    pub(super) fn empty(seq: u64, start: Position) -> Self {
        Stamp { author: 0, time: 0 }.at(seq, start)
    }

    /// Whether it stands for a record of which nothing is known; see [`Entry::empty`]. No record has parts
    /// without bytes and an author without a number.
    pub(super) fn is_empty(&self) -> bool {
        self.author == 0 && self.time == 0
    }

    pub(crate) fn kind(&self) -> Kind {
        Kind::from_code((self.author >> LOW) as u8 & 31)
    }

    pub(crate) fn author(&self) -> Identity {
        Identity::from_u64(self.author)
    }

    /// In ms since 1970-01-01 UTC; 0 if it is not known.
    pub(crate) fn unix_ms(&self) -> u64 {
        self.time & ((1 << LOW) - 1)
    }

    /// Whether a line of another relay client was ended before this one; see [`crate::Record::is_torn`].
    pub(crate) fn is_torn(&self) -> bool {
        self.kind() == Kind::Raw && (self.time >> (LOW + 8)) as u8 > 0
    }

    /// Bytes of a record besides its text.
    #[cfg(feature = "save")]
    pub(super) fn len_without_text(&self) -> usize {
        let byte = |word: u64, shift: u32| (word >> shift) as u8 as usize;
        let before = byte(self.author, LOW + 5) & 7;
        before + byte(self.time, LOW) + byte(self.time, LOW + 8) + byte(self.author, LOW + 8)
    }

    /// Where the name and the text of a record stand in its bytes, of which there are `len`.
    pub(crate) fn places(&self, len: usize) -> [core::ops::Range<usize>; 2] {
        let byte = |word: u64, shift: u32| (word >> shift) as u8 as usize;
        let before = byte(self.author, LOW + 5) & 7;
        let name_end = before + byte(self.time, LOW);
        let text_at = name_end + byte(self.time, LOW + 8);
        [before..name_end, text_at..len - byte(self.author, LOW + 8)]
    }
}

impl From<Entry> for Stored {
    fn from(Entry { seq, start, next_own, author, time }: Entry) -> Self {
        [seq, u64::from(start) | u64::from(next_own) << 32, author, time]
    }
}

impl From<Stored> for Entry {
    fn from([seq, place, author, time]: Stored) -> Self {
        Self { seq, start: place as u32, next_own: (place >> 32) as u32, author, time }
    }
}
