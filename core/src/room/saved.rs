//! A room and a membership as bytes.

#[cfg(feature = "console")]
use super::Readers;
use super::{Member, Membership, Room};
use crate::conn::NONE;
use crate::ids::{ConnId, ListenerId};
#[cfg(feature = "console")]
use crate::limits::FOLLOWERS;
use crate::save::{Damaged, Visit, Visitor, ensure};

impl Room<'_> {
    /// Its places in lists, and the members that wait for it, are saved with those. Which members have
    /// nothing to read follows from their cursors. `seq`: the number of the next record. The rooms that stay
    /// are those of the configuration.
    pub(crate) fn visit(&mut self, visitor: &mut Visitor<'_>, seq: u64) -> Result<(), Damaged> {
        let Self {
            log,
            name,
            looks: _,
            topic,
            owner,
            unfinished_by,
            pinned,
            generation,
            next_free,
            first,
            last,
            members,
            present,
            named,
            unnamed,
            closed,
            loosened,
            patience,
            waiting: _,
            busy_since,
            untold,
            tell_at,
            #[cfg(feature = "console")]
            readers,
            next_in: _,
            idle: _,
            messages,
            next_ring,
            encoding: _,
            longest: _,
        } = self;
        let stays = (*pinned, *owner, name.is_empty());
        log.visit(visitor, seq)?;
        if visitor.is_reading() {
            log.check_parts()?;
        }
        visitor.ring(next_ring)?;
        name.visit(visitor)?;
        topic.visit(visitor)?;
        visitor.option(owner, ListenerId(0))?;
        visitor.option(unfinished_by, ConnId { slot: 0, generation: 0 })?;
        pinned.visit(visitor)?;
        ensure((*pinned, *owner) == (stays.0, stays.1) && (!*pinned || name.is_empty() == stays.2))?;
        for number in [generation, next_free, first, last, members, present, named, unnamed, messages] {
            number.visit(visitor)?;
        }
        closed.visit(visitor)?;
        loosened.visit(visitor)?;
        patience.visit(visitor)?;
        busy_since.visit(visitor)?;
        untold.visit(visitor)?;
        #[cfg(feature = "console")]
        readers.visit(visitor)?;
        tell_at.visit(visitor)
    }

    /// The same for a ring, in which a log is all there is.
    pub(crate) fn visit_ring(&mut self, visitor: &mut Visitor<'_>, seq: u64) -> Result<(), Damaged> {
        let Self { log, members, next_ring, encoding, longest, .. } = self;
        if visitor.is_reading() {
            // It follows from the encoding.
            *longest = 0;
        }
        log.visit(visitor, seq)?;
        members.visit(visitor)?;
        encoding.visit(visitor)?;
        visitor.ring(next_ring)
    }
}

/// Which record a follower reads first in a room follows from its timeline.
#[cfg(feature = "console")]
impl Visit for Readers {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let Self { places, numbers: _, holds_since, are_alone } = self;
        places.visit(visitor)?;
        ensure(u32::from(*places) < 1 << FOLLOWERS)?;
        holds_since.visit(visitor)?;
        are_alone.visit(visitor)
    }
}

impl Visit for Member {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let Self {
            state,
            room,
            conn,
            sibling,
            previous,
            next,
            position,
            end,
            own,
            last_own,
            own_ahead,
            is_behind,
            taken_at,
            log,
            standing: _,
            beside: _,
        } = self;
        let all = [
            Membership::Free,
            Membership::Feeding,
            Membership::Present,
            Membership::Leaving,
            Membership::Draining,
        ];
        visitor.variant(state, &all)?;
        sibling.visit(visitor)?;
        if *state == Membership::Free {
            return Ok(());
        }
        for number in [&mut *room, conn, previous, next, position, end, own, last_own, taken_at] {
            number.visit(visitor)?;
        }
        let mut ring = if *log == *room { NONE } else { *log };
        visitor.ring(&mut ring)?;
        *log = if ring == NONE { *room } else { ring };
        own_ahead.visit(visitor)?;
        is_behind.visit(visitor)
    }
}
