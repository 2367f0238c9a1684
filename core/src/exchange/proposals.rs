//! Proposals: what clients say, where somebody else decides the order. The hub hands each line to the
//! driver, and appends it when the driver gives it back, with its place in the order. Alone, a hub
//! appends at once, and nothing of this is called.
//!
//! A client may say more lines before the first one is decided. All else that it does waits for that, so
//! the others never see that it left before they see what it said.

use super::Exchange;
use crate::conn::Slot;
use crate::ids::ConnId;
use crate::limits::PROPOSAL_HEADER as HEADER;
use crate::log::{Stamp, before};
use crate::queue::{Buffers, Entry, Queue};
use crate::record::{Identity, Kind, Record, RoomRef};
use crate::room::{Membership, RoomIndex};
#[cfg(feature = "save")]
use crate::save::{Damaged, Visit, Visitor, ensure};

/// A line that a client wants to say; see [`crate::Hub::next_proposal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal<'p> {
    /// Names this proposal. Later ones have higher numbers.
    pub number: u64,
    /// The connection of the author.
    pub conn: ConnId,
    /// The room.
    pub room: RoomRef,
    /// The author.
    pub author: Identity,
    /// What the author is called; empty if it has no name.
    pub name: &'p str,
    /// [`Kind::Say`], [`Kind::Action`] or [`Kind::Raw`].
    pub kind: Kind,
    /// As in [`Record::is_torn`].
    pub is_torn: bool,
    /// The text.
    pub text: &'p [u8],
}

/// The proposals that the driver has not taken yet, in their order.
#[derive(Debug)]
pub(crate) struct Proposals<'a> {
    queue: Queue,
    buffers: Buffers<'a>,
    next: u64,
    /// The first place in the order that is not decided.
    index: u64,
    /// The driver was not told of the last of them.
    has_news: bool,
}

impl<'a> Proposals<'a> {
    /// A queue in this memory.
    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        let size = bytes.len();
        Self { queue: Queue::EMPTY, buffers: Buffers::new(bytes, size), next: 0, index: 0, has_news: false }
    }

    /// The proposal that an entry holds.
    fn read(&self, entry: Entry) -> Option<Proposal<'_>> {
        let (header, rest) = self.queue.text(&self.buffers, entry).split_at_checked(HEADER)?;
        let number = |from: usize, len: usize| {
            let mut bytes = [0; 8];
            bytes[..len].copy_from_slice(&header[from..from + len]);
            u64::from_le_bytes(bytes)
        };
        let (name, text) = rest.split_at_checked(usize::from(header[26]))?;
        Some(Proposal {
            number: entry.seq,
            conn: ConnId { slot: number(0, 4) as u32, generation: number(4, 4) as u32 },
            room: RoomRef::from_u64(number(8, 8)),
            author: Identity::from_u64(number(16, 8)),
            name: core::str::from_utf8(name).unwrap_or_default(),
            kind: Kind::from_code(header[24]),
            is_torn: header[25] != 0,
            text,
        })
    }
}

#[cfg(feature = "save")]
impl Proposals<'_> {
    /// The proposals that wait to be taken. Those that were taken are the driver's.
    pub(super) fn visit(
        &mut self,
        visitor: &mut Visitor<'_>,
        rooms: core::ops::Range<RoomIndex>,
    ) -> Result<(), Damaged> {
        let Self { queue, buffers, next, index, has_news } = self;
        queue.visit(visitor, buffers)?;
        visitor.counter(next)?;
        index.visit(visitor)?;
        has_news.visit(visitor)?;
        let mut entry = self.queue.first(&self.buffers);
        while let Some(found) = entry {
            let proposal = self.read(found).ok_or(Damaged)?;
            ensure(rooms.contains(&proposal.room.room) && proposal.number < self.next)?;
            ensure(proposal.kind.is_message())?;
            entry = self.queue.following(&self.buffers, found);
        }
        Ok(())
    }
}

impl Exchange<'_> {
    /// Whether one more line can be proposed.
    pub(super) fn takes_proposal(&self) -> bool {
        let longest = HEADER + self.limits.longest();
        !self.config.proposes || self.proposals.queue.free(&self.proposals.buffers) >= longest
    }

    /// Whether something that a connection has said is not decided yet.
    pub(crate) fn has_pending(&self, slot: Slot) -> bool {
        self.conns[slot].pending > 0
    }

    /// Proposes that a connection says something.
    pub(super) fn propose(&mut self, slot: Slot, room: RoomIndex, kind: Kind, is_torn: bool, text: &[u8]) {
        let room = self.room_ref(room);
        let conn = &mut self.conns[slot];
        let id = conn.id(slot);
        let mut header = heapless::Vec::<u8, HEADER>::new();
        let name = conn.name.as_bytes();
        for part in [
            &id.slot.to_le_bytes()[..],
            &id.generation.to_le_bytes(),
            &room.as_u64().to_le_bytes(),
            &conn.identity.as_u64().to_le_bytes(),
            &[kind.code(), u8::from(is_torn), name.len() as u8],
        ] {
            // The header has room for its parts.
            let _ = header.extend_from_slice(part);
        }
        let Proposals { queue, buffers, next, has_news, .. } = &mut self.proposals;
        if queue.push(buffers, *next, &[&header, name, text]) {
            *next += 1;
            *has_news = true;
            self.agenda.ask();
            conn.pending = conn.pending.saturating_add(1);
        }
    }

    /// Whether there are proposals that the driver was not told of. Now it is.
    #[cfg(feature = "save")]
    pub(super) fn name_proposals_again(&mut self) {
        self.proposals.has_news = !self.proposals.queue.is_empty();
        self.agenda.ask();
    }

    pub(super) fn has_new_proposals(&mut self) -> bool {
        core::mem::take(&mut self.proposals.has_news)
    }

    /// The first proposal that the driver has not taken.
    pub(crate) fn next_proposal(&self) -> Option<Proposal<'_>> {
        let Proposals { queue, buffers, .. } = &self.proposals;
        self.proposals.read(queue.first(buffers)?)
    }

    /// Drops the proposals up to this one: the driver has taken them.
    pub(crate) fn take_proposals(&mut self, number: u64) {
        let Proposals { queue, buffers, .. } = &mut self.proposals;
        while let Some(entry) = queue.first(buffers)
            && entry.seq <= number
        {
            queue.consume(buffers, entry.len());
        }
    }

    /// Whether a room has place for a record now.
    pub(crate) fn is_room_open(&self, room: RoomIndex) -> bool {
        !self.rooms[room].closed
    }

    /// Appends a record whose place in the order is decided. Returns whether that is done with: it is not
    /// while the room has no place for it.
    pub(crate) fn append_decided(&mut self, index: u64, conn: Option<ConnId>, record: &Record<'_>) -> bool {
        if before(index, self.proposals.index) {
            return true;
        }
        let Some(room) = self.same_room(record.room) else {
            self.decide(index, conn);
            return true;
        };
        if !self.is_room_open(room) {
            return false;
        }
        let &Record { unix_ms, author, kind, name, text, .. } = record;
        let speaker = conn.and_then(|conn| self.conns.find(conn)).filter(|slot| {
            // Only the author passes over its own record.
            self.conns[*slot].identity == author
        });
        let own = speaker.and_then(|slot| self.speaker(slot, room));
        let own = own.filter(|own| self.members[*own].state == Membership::Present);
        let parts = record.pieces();
        let bytes = parts.iter().map(|part| part.len()).sum::<usize>();
        // The hub that decided may have other limits than this one.
        if bytes > self.limits.longest() || name.len() > self.limits.name {
            self.decide(index, conn);
            return true;
        }
        let stamp = Stamp::new((author, kind), unix_ms, &parts);
        let seq = self.next_seq();
        self.rooms[room].count_messages(u32::from(kind.is_message()));
        self.append_pieces(room, seq, own, stamp, &parts, [name.as_bytes(), text]);
        self.decide(index, conn);
        true
    }

    /// One proposal of a connection is decided, or will never be.
    pub(crate) fn decide_one(&mut self, conn: ConnId) {
        if let Some(slot) = self.conns.find(conn) {
            let pending = &mut self.conns[slot].pending;
            *pending = pending.saturating_sub(1);
            if *pending == 0 {
                self.wake(slot);
            }
        }
    }

    fn decide(&mut self, index: u64, conn: Option<ConnId>) {
        self.proposals.index = index.wrapping_add(1);
        if let Some(conn) = conn {
            self.decide_one(conn);
        }
    }
}
