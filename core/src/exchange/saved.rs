//! The exchange as bytes: what is in it, and what must be true of it after it was read. A hub whose bytes
//! pass these checks does not panic later. It may be in a state that no inputs lead to.

use super::catch_up::CatchUp;
use super::lag::RESERVE;
use super::{Exchange, Stats};
use crate::clock::Clock;
use crate::config::Protocol;
use crate::conn::{Conn, NONE, Slot, State};
use crate::ids::{ConnId, Instant};
use crate::limits::Limits;
use crate::room::{Member, Membership, Room, RoomIndex};
use crate::save::{Damaged, Visit, Visitor, ensure};
use crate::session::Listing;

/// The clock stays below this number of ms. So times can be counted in microseconds.
const LATEST_MS: u64 = 1 << 53;
/// Sequence numbers in use are never further apart.
const FARTHEST: u64 = 1 << 62;

impl Exchange<'_> {
    /// The statistics are last. So they can be left out where they do not matter.
    pub(crate) fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let Self {
            config: _,
            limits,
            conns,
            rooms,
            members,
            catch_ups,
            #[cfg(feature = "large")]
            proposals,
            followers,
            agenda,
            notices,
            scratch: _,
            rendered: _,
            now,
            clock,
            seq,
            stats,
            shutdown_wanted,
            shutting_down,
            untold_end,
        } = self;
        now.visit(visitor)?;
        visitor.option(clock, (Clock::UNKNOWN, Instant::ZERO))?;
        seq.visit(visitor)?;
        shutdown_wanted.visit(visitor)?;
        shutting_down.visit(visitor)?;
        untold_end.visit(visitor)?;
        conns.visit(visitor)?;
        members.visit(visitor, limits.conns)?;
        rooms.visit(visitor, *seq)?;
        for room in 0..visitor.limits().rooms as RoomIndex {
            rooms[room].waiting.visit(visitor, conns.all_mut(), room)?;
        }
        agenda.visit(visitor, conns, rooms)?;
        catch_ups.visit(visitor)?;
        #[cfg(feature = "large")]
        proposals.visit(visitor, rooms.indices())?;
        followers.visit(visitor, conns, rooms)?;
        notices.visit(visitor)?;
        stats.visit(visitor)?;
        if visitor.is_reading() {
            self.check(visitor.limits())?;
            self.check_own()?;
            self.list_all_again();
        }
        Ok(())
    }

    /// Makes what follows from other fields: which memberships may have something to read, and in which
    /// encoding connections see records.
    fn list_all_again(&mut self) {
        for slot in self.slots() {
            if matches!(self.conns[slot].state, State::Free { .. }) {
                continue;
            }
            self.choose_encoding(slot);
            let mut next = self.conns[slot].first_member;
            while let Some(member) = self.members.get(next) {
                let index = core::mem::replace(&mut next, member.sibling);
                self.list_again(index);
            }
        }
    }

    /// Checks what each table cannot check alone. `saved`: the limits that it had.
    fn check(&mut self, saved: &Limits) -> Result<(), Damaged> {
        ensure(self.now.as_millis() < LATEST_MS)?;
        let Self { rooms, config, limits, .. } = self;
        let encodings = config.encodings;
        rooms.check_rings(saved.rings, |encoding| {
            encodings.get(usize::from(encoding)).map(|encoding| limits.longest_in(*encoding))
        })?;
        let (mut conns, mut members, mut behind) = (0, 0, 0);
        for slot in self.slots().filter(|slot| !matches!(self.conns[*slot].state, State::Free { .. })) {
            let count = self.check_conn(slot)?;
            conns += usize::from(count > 0);
            members += count;
            behind += self.catch_ups.from(self.conns[slot].catch_up).count();
        }
        let is_used = |&CatchUp { member, .. }: &CatchUp, index| {
            let member = self.members.get(member);
            member.is_some_and(|member| {
                let first = |conn: Slot| self.conns[conn].catch_up;
                self.conns.slots().contains(&member.conn)
                    && self.catch_ups.from(first(member.conn)).any(|(place, _)| place == index)
            })
        };
        self.catch_ups.check(behind, is_used)?;
        self.members.check([conns, members], self.limits.conns)?;
        let mut listed = 0;
        for room in self.rooms.indices() {
            listed += self.check_room(room)?;
            let Room { closed, log, .. } = &self.rooms[room];
            ensure(*closed || log.fits(1 + RESERVE, saved.longest()))?;
            for (index, ring) in self.rooms.rings(room) {
                let readers = self.members_in(room).filter(|member| member.log() == index).count();
                ensure(ring.members as usize == readers)?;
                let longest = self.encoding_at(ring.encoding).map(|encoding| saved.longest_in(encoding));
                let has_place = longest.is_some_and(|longest| ring.log.fits(1 + RESERVE, longest));
                ensure(*closed || readers == 0 || has_place)?;
            }
        }
        ensure(listed == members)
    }

    /// Checks the chains of records that members pass over because they are their own. Each ends in a record
    /// of which no other chain has a part: two chains that met would have the same end.
    fn check_own(&mut self) -> Result<(), Damaged> {
        let Self { rooms, members, .. } = self;
        let members = &*members;
        for room in rooms.indices() {
            let Room { first, next_ring, .. } = rooms[room];
            let mut next_log = Some((room, next_ring));
            while let Some((index, following)) = next_log {
                let log = &mut rooms[index].log;
                let readers = || {
                    let mut next = first;
                    let in_room = core::iter::from_fn(move || {
                        let member = members.get(next)?;
                        next = member.next;
                        Some(member)
                    });
                    in_room.filter(move |member| member.own_ahead && member.log() == index)
                };
                for Member { position, own, last_own, .. } in readers() {
                    log.claim_chain(*position, *own, *last_own)?;
                }
                for member in readers() {
                    log.end_chain(member.last_own);
                    // It reads what is its own before it is gone.
                    let unread = |position| log.head().wrapping_sub(position);
                    ensure(unread(log.end_of(member.last_own)) >= unread(member.end(log)))?;
                }
                next_log = (following != NONE).then(|| (following, rooms[following].next_ring));
            }
        }
        Ok(())
    }

    /// Returns how many memberships a connection has.
    fn check_conn(&self, slot: Slot) -> Result<usize, Damaged> {
        let Conn { listener, session, queue, gap, turn, first_member, catch_up, .. } = &self.conns[slot];
        ensure(self.config.listener(*listener).is_some())?;
        let (mut count, mut may_wait, mut next) = (0, turn.room == NONE, *first_member);
        let looks = || self.catch_ups.from(*catch_up).take(1).filter(|(_, found)| found.is_look());
        // More would be a circle.
        let behind =
            || self.catch_ups.from(*catch_up).skip(looks().count()).take(self.limits.rooms_per_conn + 1);
        let mut of_members = 0;
        while next != NONE {
            let member = self.members.get(next).ok_or(Damaged)?;
            ensure(member.conn == slot && member.state != Membership::Free)?;
            count += 1;
            ensure(count <= self.limits.rooms_per_conn)?;
            self.check_member(member)?;
            ensure(member.is_behind == behind().any(|(_, found)| found.member == next))?;
            ensure(!member.is_behind || member.state != Membership::Feeding)?;
            of_members += usize::from(member.is_behind);
            may_wait |= member.speaks() && member.room == turn.room;
            next = member.sibling;
        }
        let is_behind = of_members + looks().count() > 0;
        ensure(may_wait && behind().count() == of_members && (*catch_up == NONE) != is_behind)?;
        let is_near = |seq: u64| self.seq.wrapping_sub(seq) < FARTHEST;
        for (_, CatchUp { member, next, until, came_at, .. }) in looks() {
            let member = self.members.get(*member).filter(|member| member.conn == slot).ok_or(Damaged)?;
            ensure(member.state == Membership::Present && session.talk().listing == Listing::Looking)?;
            ensure(is_near(*next) && is_near(*until) && came_at.is_some_and(is_near))?;
        }
        for (_, CatchUp { member, next, until, came_at, .. }) in behind() {
            ensure(is_near(*next) && came_at.is_none_or(is_near))?;
            // It reads on, or has left.
            ensure(is_near(*until) == (self.members[*member].state != Membership::Present))?;
        }
        // The numbers of echoed bytes are no places in an order.
        let mut entry = queue.first(self.conns.buffers()).filter(|_| session.protocol() != Protocol::Echo);
        while let Some(found) = entry {
            ensure(self.seq.wrapping_sub(found.seq) < FARTHEST)?;
            entry = queue.following(self.conns.buffers(), found);
        }
        ensure(!gap.open || self.seq.wrapping_sub(gap.seq) < FARTHEST)?;
        if let Listing::Who { room, .. } = session.talk().listing {
            ensure(self.rooms.indices().contains(&room.room))?;
        }
        Ok(count)
    }

    fn check_member(&self, member: &Member) -> Result<(), Damaged> {
        ensure(self.rooms.indices().contains(&member.room))?;
        // It reads the log of its encoding.
        let encoding =
            self.config.listener(self.conns[member.conn].listener).and_then(|found| found.encoding);
        let reads = match encoding {
            Some(encoding) => self.rooms.ring_in(member.room, encoding).ok_or(Damaged)?,
            None => member.room,
        };
        ensure(member.log() == reads)?;
        let log = &self.rooms[reads].log;
        let unread = |position| log.head().wrapping_sub(position);
        if !member.holds() {
            return ensure(!member.own_ahead);
        }
        let end = member.end(log);
        ensure(unread(member.position) <= log.held() && unread(end) <= unread(member.position))?;
        // It reads whole records.
        ensure(log.start_of(log.record_at(end)) == end)
    }

    /// Returns how many memberships are in a room.
    fn check_room(&self, room: RoomIndex) -> Result<usize, Damaged> {
        let Room { first, last, members, present, named, unnamed, .. } = &self.rooms[room];
        let (mut previous, mut next, mut is_named) = (NONE, *first, *named == NONE);
        let (mut count, mut seen) = (0, 0);
        while next != NONE {
            let member = self.members.get(next).ok_or(Damaged)?;
            ensure(member.room == room && member.previous == previous && count < *members)?;
            count += 1;
            seen += u32::from(member.state == Membership::Present);
            is_named |= *named == next;
            previous = core::mem::replace(&mut next, member.next);
            ensure(member.state != Membership::Free)?;
        }
        ensure((count, seen, previous) == (*members, *present, *last) && is_named && *unnamed <= count)?;
        Ok(count as usize)
    }

    /// Looks at everything anew, because the limits are other ones.
    pub(crate) fn fit(&mut self) {
        for room in self.rooms.indices() {
            if !self.rooms[room].is_deserted() {
                self.refresh(room, false);
            }
        }
        for slot in self.slots() {
            self.touch(slot);
            self.wake(slot);
        }
    }

    /// The connections that are there.
    pub(crate) fn ids(&self) -> impl Iterator<Item = ConnId> {
        self.slots().filter(|slot| self.conns[*slot].is_there()).map(|slot| self.id(slot))
    }

    /// How much of the notice of a gap was sent, if a connection must be told of one.
    pub(crate) fn gap_sent(&self, slot: Slot) -> Option<u8> {
        let gap = &self.conns[slot].gap;
        gap.open.then_some(gap.sent)
    }
}

impl Visit for Stats {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let Self {
            accepted,
            refused,
            lagged,
            renamed,
            records,
            received_bytes,
            sent_bytes,
            log_most,
            queue_most,
        } = self;
        for counter in [accepted, refused, lagged, renamed, records, received_bytes, sent_bytes] {
            visitor.counter(counter)?;
        }
        log_most.visit(visitor)?;
        queue_most.visit(visitor)
    }
}
