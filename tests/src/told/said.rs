//! What was said: records with memory of their own.

use parlour_core::{Identity, Kind, ListenerId, Place, Record, RoomRef};

use super::render::View;

/// A room, by what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Where {
    Chat(String),
    Relay(ListenerId),
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) seq: u64,
    pub(super) unix_ms: u64,
    pub(super) room: RoomRef,
    pub(super) place: Where,
    pub(super) author: Identity,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) is_torn: bool,
    pub(super) text: Vec<u8>,
}

impl Said {
    pub(super) fn new(record: &Record<'_>) -> Self {
        let Record { seq, unix_ms, room, place, author, name, kind, is_torn, text } = *record;
        let place = match place {
            Place::Chat(name) => Where::Chat(name.to_owned()),
            Place::Relay(listener) => Where::Relay(listener),
            Place::Private => panic!("{record:?} was told to one client alone"),
        };
        let (name, text) = (name.to_owned(), text.to_vec());
        Self { seq, unix_ms, room, place, author, name, kind, is_torn, text }
    }

    pub(super) fn record(&self) -> Record<'_> {
        let &Said { seq, unix_ms, room, ref place, author, ref name, kind, is_torn, ref text } = self;
        let place = match place {
            Where::Chat(name) => Place::Chat(name),
            Where::Relay(listener) => Place::Relay(*listener),
        };
        Record { seq, unix_ms, room, place, author, name, kind, is_torn, text }
    }

    /// Whether its author gets it back.
    pub(super) fn comes_back(&self) -> bool {
        matches!(self.kind, Kind::Nick | Kind::Topic)
    }
}

/// How many bytes, and how many records, a room was told from a record on, as these clients see it.
pub(super) fn size_from(said: &[Said], index: usize, view: View) -> (usize, usize) {
    let of_room = said[index..].iter().filter(|other| other.room == said[index].room);
    let lengths = of_room.map(|said| view.of(said, false).len()).filter(|len| *len > 0);
    lengths.fold((0, 0), |(bytes, count), len| (bytes + len, count + 1))
}
