//! What has to be done, and when: connections that have changed or may go on, rooms that have news, and
//! deadlines.

use super::conns::Conns;
use super::members::Members;
use super::rooms::Rooms;
use crate::conn::{NONE, Slot};
use crate::deadlines::Deadlines;
use crate::ids::Instant;
use crate::limits::NAMED_AT_ONCE;
use crate::room::{Room, RoomIndex};
#[cfg(feature = "save")]
use crate::save::{Damaged, Visit, Visitor};
use crate::worklist::Worklist;

/// The lists of work. They run through the connections and the rooms themselves.
#[derive(Debug)]
pub(crate) struct Agenda {
    deadlines: Deadlines,
    /// Connections.
    changed: Worklist,
    woken: Worklist,
    /// Connections that want a page.
    #[cfg(feature = "large")]
    wanting: Worklist,
    /// The number of the next page that one of them wants.
    #[cfg(feature = "large")]
    next_page: u32,
    /// The driver may have to be asked for more than to look at connections. That is seldom.
    #[cfg(any(feature = "large", feature = "console"))]
    has_requests: bool,
    /// Rooms to which something was appended. Rooms that opened while somebody waited. Rooms that are
    /// closed, or have something to tell later, and when the first of these is due.
    changed_rooms: Worklist,
    opened_rooms: Worklist,
    pending_rooms: Worklist,
    room_due: Instant,
    /// How many connections were named as changed.
    named: u32,
}

impl Agenda {
    pub(crate) const fn new() -> Self {
        Self {
            deadlines: Deadlines::new(),
            changed: Worklist::new(0),
            woken: Worklist::new(1),
            #[cfg(feature = "large")]
            wanting: Worklist::new(2),
            #[cfg(feature = "large")]
            next_page: 0,
            #[cfg(any(feature = "large", feature = "console"))]
            has_requests: false,
            changed_rooms: Worklist::new(0),
            opened_rooms: Worklist::new(1),
            pending_rooms: Worklist::new(2),
            room_due: Instant::NEVER,
            named: 0,
        }
    }

    // --- Connections ---

    /// Its interest or its output may have changed.
    pub(super) fn touch(&mut self, conns: &mut Conns<'_>, slot: Slot) {
        self.changed.push(conns.all_mut(), slot);
    }

    /// The next connection that may have changed. The members of busy rooms may be many. They take turns
    /// with connections that have something of their own.
    pub(super) fn next_changed(
        &mut self,
        conns: &mut Conns<'_>,
        rooms: &mut Rooms<'_>,
        members: &Members<'_>,
    ) -> Option<Slot> {
        loop {
            let slot = if (self.named / NAMED_AT_ONCE).is_multiple_of(2) {
                self.changed.pop(conns.all_mut()).or_else(|| self.next_listener(rooms, members))
            } else {
                self.next_listener(rooms, members).or_else(|| self.changed.pop(conns.all_mut()))
            }?;
            self.named = self.named.wrapping_add(1);
            if conns[slot].is_there() {
                return Some(slot);
            }
        }
    }

    /// The next member that has something of a room to read. The rooms take turns.
    fn next_listener(&mut self, rooms: &mut Rooms<'_>, members: &Members<'_>) -> Option<Slot> {
        while let Some(room) = self.changed_rooms.pop(rooms.all_mut()) {
            let Room { first, mut named, mut unnamed, .. } = rooms[room];
            let mut found = None;
            while unnamed > 0 && found.is_none() {
                let member = &members[if named == NONE { first } else { named }];
                (named, unnamed) = (member.next, unnamed - 1);
                found = (member.position != member.end(rooms.log(member.log()))).then_some(member.conn);
            }
            (rooms[room].named, rooms[room].unnamed) = (named, unnamed);
            if found.is_some() {
                if unnamed > 0 {
                    self.changed_rooms.push(rooms.all_mut(), room);
                }
                return found;
            }
        }
        None
    }

    /// The members of a room have something to read.
    pub(super) fn touch_members(&mut self, rooms: &mut Rooms<'_>, room: RoomIndex) {
        let Room { members, unnamed, .. } = &mut rooms[room];
        *unnamed = *members;
        self.changed_rooms.push(rooms.all_mut(), room);
    }

    /// Its protocol may now be able to go on.
    pub(super) fn wake(&mut self, conns: &mut Conns<'_>, slot: Slot) {
        self.woken.push(conns.all_mut(), slot);
    }

    /// The next connection whose protocol may go on. Of those whose line waits for a room, the next one
    /// comes only after the one before has spoken, and only if the room still has place, and somebody
    /// `may_speak` at all.
    pub(super) fn next_woken(
        &mut self,
        conns: &mut Conns<'_>,
        rooms: &mut Rooms<'_>,
        may_speak: bool,
    ) -> Option<Slot> {
        while let Some(slot) = self.woken.pop(conns.all_mut()) {
            if !matches!(conns[slot].state, crate::conn::State::Free { .. }) {
                return Some(slot);
            }
        }
        while let Some(room) = self.opened_rooms.first().filter(|_| may_speak) {
            let Room { closed, waiting, .. } = &mut rooms[room];
            if !*closed && let Some(slot) = waiting.pop(conns.all_mut()) {
                return Some(slot);
            }
            self.opened_rooms.pop(rooms.all_mut());
        }
        None
    }

    /// Whether a connection may go on now.
    pub(super) fn is_behind(&self, may_speak: bool) -> bool {
        self.woken.first().or(self.opened_rooms.first().filter(|_| may_speak)).is_some()
    }

    /// It wants a page of records, which gets this number.
    #[cfg(feature = "large")]
    pub(super) fn want(&mut self, conns: &mut Conns<'_>, slot: Slot) -> u32 {
        self.wanting.push(conns.all_mut(), slot);
        let following = self.next_page.wrapping_add(1);
        core::mem::replace(&mut self.next_page, following)
    }

    /// It still wants the page that it wanted.
    #[cfg(feature = "save")]
    pub(super) fn want_again(&mut self, conns: &mut Conns<'_>, slot: Slot) {
        self.wanting.push(conns.all_mut(), slot);
    }

    /// The next connection that wanted a page.
    #[cfg(feature = "large")]
    pub(super) fn next_wanted(&mut self, conns: &mut Conns<'_>) -> Option<Slot> {
        self.wanting.pop(conns.all_mut())
    }

    /// There is something to ask the driver for; see `requests`.
    #[cfg(any(feature = "large", feature = "console"))]
    pub(super) fn ask(&mut self) {
        self.has_requests = true;
    }

    #[cfg(any(feature = "large", feature = "console"))]
    pub(super) fn has_requests(&self) -> bool {
        self.has_requests
    }

    /// Everything was asked for.
    #[cfg(any(feature = "large", feature = "console"))]
    pub(super) fn asked(&mut self) {
        self.has_requests = false;
    }

    // --- Deadlines ---

    /// Notes a deadline of a connection. A deadline that is put off or dropped needs no call. Then the
    /// connection is looked at once for nothing.
    pub(super) fn arm(&mut self, conns: &mut Conns<'_>, slot: Slot, at: Instant) {
        self.deadlines.arm(conns.all_mut(), slot, at);
    }

    /// When the first deadline of a connection or a room comes.
    pub(super) fn deadline(&self, conns: &Conns<'_>) -> Option<Instant> {
        let room_due = (self.room_due != Instant::NEVER).then_some(self.room_due);
        self.deadlines.first(conns.all()).into_iter().chain(room_due).min()
    }

    /// The next connection of which a deadline has come. The caller must note its other deadlines again.
    pub(super) fn next_due(&mut self, conns: &mut Conns<'_>, now: Instant) -> Option<Slot> {
        self.deadlines.pop(conns.all_mut(), now)
    }

    // --- Rooms ---

    /// A room has opened while somebody waited, or somebody waits for a room that is open.
    pub(super) fn opened(&mut self, rooms: &mut Rooms<'_>, room: RoomIndex) {
        self.opened_rooms.push(rooms.all_mut(), room);
    }

    /// Notes that a room has something to do at this time.
    pub(super) fn pend(&mut self, rooms: &mut Rooms<'_>, room: RoomIndex, at: Instant) {
        self.pending_rooms.push(rooms.all_mut(), room);
        self.room_due = self.room_due.min(at);
    }

    /// The rooms that have noted something to do, if it is time for one of them. The caller must look at
    /// all of them, and note those that have something left.
    pub(super) fn take_pending_rooms(&mut self, now: Instant) -> Worklist {
        if self.room_due > now {
            return Worklist::new(2);
        }
        self.room_due = Instant::NEVER;
        core::mem::replace(&mut self.pending_rooms, Worklist::new(2))
    }

    // --- As bytes ---

    #[cfg(feature = "save")]
    pub(super) fn visit(
        &mut self,
        visitor: &mut Visitor<'_>,
        conns: &mut Conns<'_>,
        rooms: &mut Rooms<'_>,
    ) -> Result<(), Damaged> {
        let Self {
            deadlines,
            changed,
            woken,
            #[cfg(feature = "large")]
            wanting,
            #[cfg(feature = "large")]
            next_page,
            #[cfg(any(feature = "large", feature = "console"))]
            has_requests,
            changed_rooms,
            opened_rooms,
            pending_rooms,
            room_due,
            named,
        } = self;
        deadlines.visit(visitor, conns.all_mut())?;
        for list in [changed, woken] {
            list.visit(visitor, conns.all_mut())?;
        }
        #[cfg(feature = "large")]
        wanting.visit(visitor, conns.all_mut())?;
        #[cfg(feature = "large")]
        next_page.visit(visitor)?;
        #[cfg(any(feature = "large", feature = "console"))]
        has_requests.visit(visitor)?;
        for list in [changed_rooms, opened_rooms, pending_rooms] {
            list.visit(visitor, rooms.all_mut())?;
        }
        room_due.visit(visitor)?;
        named.visit(visitor)
    }
}
