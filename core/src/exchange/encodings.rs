//! Encodings other than the chat's. Each room has a ring for every encoding of its members, and renders a record
//! once for each ring. A ring is a log: cursors, own records and holds work in it as in the room's own.

use super::Exchange;
use super::outbox::{GAP_BYTES, GapText};
use crate::config::{Config, Listener, Protocol};
use crate::conn::{NONE, Slot};
use crate::encoding::{Encoding, Sink};
use crate::ids::ListenerId;
use crate::limits::{ENTRY_HEADER, LOBBY, Limits, LimitsError};
use crate::log::{Log, Position, Stamp, before};
use crate::record::{Identity, Kind, Place, Record, RoomRef};
use crate::room::{Member, MemberIndex, Room, RoomIndex};
use crate::text::Text;

impl<'a> Exchange<'a> {
    /// The encoding with this index.
    pub(super) fn encoding_at(&self, index: u8) -> Option<&'a dyn Encoding> {
        self.config.encodings.get(usize::from(index)).copied()
    }

    /// The encoding of a connection, unless it is the chat's.
    fn encoding(&self, slot: Slot) -> Option<&'a dyn Encoding> {
        self.encoding_at(self.conns[slot].encoding?)
    }

    /// Gives a newcomer the encoding of its listener.
    pub(super) fn choose_encoding(&mut self, slot: Slot) {
        self.conns[slot].encoding = self.listener(slot).and_then(|listener| listener.encoding);
        let longest =
            self.encoding(slot).map_or(self.limits.longest(), |found| self.limits.longest_in(found));
        self.conns[slot].longest = longest;
    }

    /// Bytes of the longest record or reply that a connection gets.
    pub(super) fn longest(&self, slot: Slot) -> usize {
        self.conns[slot].longest
    }

    // --- The rings of rooms ---

    /// Gives the lobby and the relays' rooms, which stay, a ring for each encoding of their clients.
    pub(crate) fn pin_rings(&mut self) -> Result<(), LimitsError> {
        for (index, listener) in self.config.listeners.iter().enumerate() {
            let &Listener { protocol, encoding: Some(encoding), relay, .. } = listener else { continue };
            let room = match protocol {
                Protocol::Chat => self.room_named(LOBBY),
                Protocol::Relay => self.rooms.owned(relay.shares.unwrap_or(ListenerId(index as u8))),
                Protocol::Echo | Protocol::Console => None,
            };
            if let Some(room) = room {
                self.ring_for(room, encoding).ok_or(LimitsError::TooFewRings)?;
            }
        }
        Ok(())
    }

    /// The ring of a room in an encoding. If it has none, it gets one.
    fn ring_for(&mut self, room: RoomIndex, encoding: u8) -> Option<RoomIndex> {
        let longest = self.limits.longest_in(self.encoding_at(encoding)?);
        self.rooms.ring_in(room, encoding).or_else(|| self.rooms.add_ring(room, encoding, longest))
    }

    /// Whether a room has, or can get, a ring in the encoding of a connection; `None`: a room that is made
    /// for it.
    pub(super) fn is_rendered(&self, slot: Slot, room: Option<RoomIndex>) -> bool {
        let Some(encoding) = self.conns[slot].encoding else { return true };
        room.is_some_and(|room| self.rooms.ring_in(room, encoding).is_some()) || self.rooms.has_free_ring()
    }

    /// The log that a new member of a room reads.
    pub(super) fn log_for(&mut self, slot: Slot, room: RoomIndex) -> RoomIndex {
        let encoding = self.conns[slot].encoding;
        let Some(index) = encoding.and_then(|encoding| self.ring_for(room, encoding)) else { return room };
        let ring = &mut self.rooms[index];
        if ring.members == 0 {
            ring.log.forget();
        }
        ring.members += 1;
        index
    }

    /// A membership is about to be freed. If nobody else reads its ring, the ring is free again, unless the
    /// room stays.
    pub(super) fn leave_log(&mut self, index: MemberIndex) {
        let Member { room, log, .. } = self.members[index];
        if log == room {
            return;
        }
        let ring = &mut self.rooms[log];
        ring.members -= 1;
        if ring.members == 0 && !self.rooms[room].pinned {
            self.rooms.remove_ring(room, log);
        }
    }

    /// Whether all logs of a room take so many more records.
    #[inline(always)]
    pub(super) fn fits(&self, room: RoomIndex, count: usize) -> bool {
        self.rooms[room].log.fits(count, self.limits.longest()) && self.rings_fit(room, count)
    }

    /// Whether all rings of a room do.
    #[inline(always)]
    pub(super) fn rings_fit(&self, room: RoomIndex, count: usize) -> bool {
        !self.rooms[room].has_rings() || self.each_ring_fits(room, count)
    }

    #[cold]
    fn each_ring_fits(&self, room: RoomIndex, count: usize) -> bool {
        self.rooms.rings(room).all(|(_, ring)| ring.members == 0 || ring.log.fits(count, ring.longest))
    }

    /// Finds the hold of each ring of a room.
    pub(super) fn refresh_rings(&mut self, room: RoomIndex) {
        let mut index = self.rooms[room].next_ring;
        while index != NONE {
            let Room { log, next_ring, .. } = &self.rooms[index];
            let (following, mut hold) = (*next_ring, log.head());
            for member in self.members_in(room).filter(|member| member.holds() && member.log == index) {
                if before(member.position, hold) {
                    hold = member.position;
                }
            }
            self.rooms[index].log.set_hold(hold);
            index = following;
        }
    }

    // --- Rendering ---

    /// Renders the last record of a room, which has this number, name and text, for each of its rings.
    /// `own`: the author's membership, if the author does not get it back.
    #[cold]
    pub(super) fn render(
        &mut self,
        (room, number): (RoomIndex, Position),
        stamp: Stamp,
        own: Option<MemberIndex>,
        [name, text]: [&[u8]; 2],
    ) {
        let reference = self.room_ref(room);
        let log = &mut self.rooms[room].log;
        let entry = log.record(number);
        if let Some(own) = own.filter(|own| self.members[*own].log == room) {
            self.members[own].appended_own(log, entry.start, number);
        }
        // The name is lent for a moment.
        let title = core::mem::take(&mut self.rooms[room].name);
        let utf8 = |bytes| core::str::from_utf8(bytes).unwrap_or_default();
        let record = Record {
            seq: entry.seq,
            unix_ms: entry.unix_ms(),
            room: reference,
            place: match self.rooms[room].owner {
                Some(listener) => Place::Relay(listener),
                None => Place::Chat(utf8(title.as_bytes())),
            },
            author: entry.author(),
            name: utf8(name),
            kind: entry.kind(),
            is_torn: entry.is_torn(),
            text,
        };
        let mut next = self.rooms[room].next_ring;
        while next != NONE {
            let index = next;
            let Room { log, encoding, longest, members, next_ring, .. } = &mut self.rooms[index];
            next = *next_ring;
            let encoding = self.config.encodings.get(usize::from(*encoding));
            if let Some(encoding) = encoding.filter(|_| *members > 0) {
                let start = log.head();
                let Some(number) = append(log, *encoding, *longest, stamp, &record) else { continue };
                if let Some(own) = own.filter(|own| self.members[*own].log == index) {
                    self.members[own].appended_own(log, start, number);
                }
            }
        }
        self.rooms[room].name = title;
    }

    /// Puts a text for one connection alone into its private queue, in its encoding. `None`: that is the
    /// chat's.
    pub(super) fn tell_rendered<T: AsRef<[u8]>>(
        &mut self,
        slot: Slot,
        seq: u64,
        (kind, author): (Kind, Identity),
        name: &[u8],
        parts: &[T],
    ) -> Option<bool> {
        let encoding = self.encoding(slot)?;
        let memory = core::mem::take(&mut self.rendered);
        let (place, rest) = memory.split_at_mut(self.limits.longest().min(memory.len()));
        let mut text = Text::new(place);
        for part in parts {
            text.push(part.as_ref());
        }
        let record = Record {
            seq,
            unix_ms: self.unix_ms(),
            room: RoomRef::NONE,
            place: Place::Private,
            author,
            name: core::str::from_utf8(name).unwrap_or_default(),
            kind,
            is_torn: false,
            text: text.as_bytes(),
        };
        let most = self.longest(slot).min(rest.len());
        let mut sink = Sink::new([&mut rest[..most], &mut []]);
        encoding.render(&record, false, &mut sink);
        let len = sink.len();
        let told = self.enqueue(slot, seq, &[&rest[..len]]);
        self.rendered = memory;
        Some(told)
    }

    /// Tells a connection a record of a room again, in its encoding, at a place in the order. `None`: its
    /// encoding is the chat's.
    pub(super) fn tell_again_rendered(
        &mut self,
        slot: Slot,
        (room, number): (RoomIndex, Position),
        seq: u64,
        is_past: bool,
    ) -> Option<bool> {
        self.enqueue_rendered(slot, seq, |exchange, encoding, sink| {
            if let Some(record) = exchange.record(room, number) {
                encoding.render(&record, is_past, sink);
            }
        })
    }

    /// Tells a connection a record of a page in its encoding. `None`: that is the chat's.
    pub(super) fn tell_page_rendered(
        &mut self,
        slot: Slot,
        record: &Record<'_>,
        is_past: bool,
    ) -> Option<bool> {
        let place = self.place_among_output(slot, record.seq);
        self.enqueue_rendered(slot, place, |_, encoding, sink| encoding.render(record, is_past, sink))
    }

    fn enqueue_rendered(
        &mut self,
        slot: Slot,
        seq: u64,
        render: impl FnOnce(&mut Self, &dyn Encoding, &mut Sink<'_>),
    ) -> Option<bool> {
        let encoding = self.encoding(slot)?;
        let memory = core::mem::take(&mut self.rendered);
        // Other encodings may have more memory.
        let most = self.longest(slot).min(memory.len());
        let mut sink = Sink::new([&mut memory[..most], &mut []]);
        render(self, encoding, &mut sink);
        let len = sink.len();
        let told = self.enqueue(slot, seq, &[&memory[..len]]);
        self.rendered = memory;
        Some(told)
    }

    /// Renders the notice of a gap; `None`: the connection has the chat's encoding. It is rendered anew for
    /// each of its parts that is sent, so nothing in it may change meanwhile.
    pub(super) fn render_notice(&self, slot: Slot, text: &[u8]) -> Option<GapText> {
        Some(notice(self.encoding(slot)?, self.conns[slot].gap.seq, text).unwrap_or_default())
    }
}

/// Renders a record into a log. Returns its number, unless the encoding hides it, or writes too much.
fn append(
    log: &mut Log<'_>,
    encoding: &dyn Encoding,
    longest: usize,
    stamp: Stamp,
    record: &Record<'_>,
) -> Option<Position> {
    let mut sink = Sink::new(log.ahead(longest));
    encoding.render(record, false, &mut sink);
    let len = sink.len();
    (len > 0).then(|| log.append_written(record.seq, stamp, len))
}

/// The notice of a gap in an encoding; `None`: it is too long.
fn notice(encoding: &dyn Encoding, seq: u64, text: &[u8]) -> Option<GapText> {
    let record = Record {
        seq,
        unix_ms: 0,
        room: RoomRef::NONE,
        place: Place::Private,
        author: Identity::HUB,
        name: "",
        kind: Kind::Server,
        is_torn: false,
        text,
    };
    let mut memory = [0; GAP_BYTES];
    let mut sink = Sink::new([&mut memory, &mut []]);
    encoding.render(&record, false, &mut sink);
    let (len, is_full) = (sink.len(), sink.is_full());
    if is_full { None } else { GapText::from_slice(&memory[..len]).ok() }
}

/// Checks the encodings of all listeners.
///
/// # Errors
/// The first rule that one of them breaks. `text` is the longest notice of a gap.
pub(crate) fn check(config: &Config<'_>, limits: &Limits, text: &[u8]) -> Result<(), LimitsError> {
    for encoding in config.listeners.iter().filter_map(|listener| listener.encoding) {
        let found = config.encodings.get(usize::from(encoding));
        let encoding = *found.ok_or(LimitsError::NoSuchEncoding)?;
        let longest = limits.longest_in(encoding);
        if limits.log / 4 < longest {
            return Err(LimitsError::LogTooSmall { least: longest.saturating_mul(4) });
        }
        if limits.queue < longest + ENTRY_HEADER {
            return Err(LimitsError::QueueTooSmall { least: longest + ENTRY_HEADER });
        }
        notice(encoding, u64::MAX, text).ok_or(LimitsError::NoticeTooLong)?;
    }
    Ok(())
}
