//! What a driver keeps of what was said, and the pages that it makes of it.

use parlour_core::{Identity, Kind, Place, Record, RoomRef, Span, Wanted};

/// A record with memory of its own.
#[derive(Debug)]
pub struct Kept {
    seq: u64,
    room: RoomRef,
    author: Identity,
    name: String,
    kind: Kind,
    is_torn: bool,
    text: Vec<u8>,
}

impl Kept {
    /// A record that a follower has read.
    #[must_use]
    pub fn new(record: &Record<'_>) -> Self {
        let Record { seq, room, author, name, kind, is_torn, text, .. } = *record;
        Self { seq, room, author, name: name.to_owned(), kind, is_torn, text: text.to_vec() }
    }

    /// The record as it was, but for its time.
    #[must_use]
    pub fn record(&self) -> Record<'_> {
        let &Kept { seq, room, author, ref name, kind, is_torn, ref text } = self;
        Record { seq, unix_ms: 0, room, place: Place::Private, author, name, kind, is_torn, text }
    }
}

/// All that is wanted, of what was kept in this order.
pub fn wanted(kept: &[Kept], Wanted { room, span, until, .. }: Wanted) -> impl Iterator<Item = &Kept> {
    let comes_before = |a: u64, b: u64| (a.wrapping_sub(b) as i64) < 0;
    let is_wanted = |kept: &&Kept| kept.room == room && comes_before(kept.seq, until);
    let here: Vec<_> = kept.iter().filter(is_wanted).collect();
    let from = match span {
        Span::From(from) => here.iter().position(|kept| !comes_before(kept.seq, from)),
        Span::Last(count) => {
            let messages = |(_, kept): &(usize, &&Kept)| kept.kind.is_message();
            here.iter().enumerate().filter(messages).map(|(at, _)| at).rev().take(count as usize).last()
        }
    };
    here.into_iter()
        .skip(from.unwrap_or(usize::MAX))
        .filter(move |kept| matches!(span, Span::From(_)) || kept.kind.is_message())
}
