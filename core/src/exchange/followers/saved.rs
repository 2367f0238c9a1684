//! Followers as bytes.

use super::{Follower, Followers};
use crate::conn::NONE;
use crate::exchange::{Conns, Rooms};
use crate::record::Lost;
use crate::room::Room;
use crate::save::{Damaged, Visit, Visitor, ensure};

impl Followers<'_> {
    /// The followers that there may be, and that each holds what the rooms say that it reads.
    pub(in crate::exchange) fn visit(
        &mut self,
        visitor: &mut Visitor<'_>,
        conns: &Conns<'_>,
        rooms: &mut Rooms<'_>,
    ) -> Result<(), Damaged> {
        let Self { table } = self;
        let saved = visitor.limits().followers;
        for follower in table.get_mut(..saved).ok_or(Damaged)? {
            follower.visit(visitor)?;
        }
        if !visitor.is_reading() {
            return Ok(());
        }
        for (place, follower) in table.iter().enumerate() {
            let Follower { is_there, conn, timeline, .. } = follower;
            let is_connected = |slot| conns.slots().contains(&slot) && conns[slot].is_there();
            ensure(!is_there || *conn == NONE || is_connected(*conn))?;
            let is_same = |other: &Follower<'_>| other.is_there && other.conn == *conn;
            ensure(!is_there || *conn == NONE || !table[..place].iter().any(is_same))?;
            for room in rooms.indices() {
                let Room { readers, log, .. } = &mut rooms[room];
                ensure(*is_there || !readers.has(place))?;
                readers.set(place, log.next_record());
            }
            // In each room it has all records from one on.
            for (room, number) in timeline.backwards() {
                ensure(rooms.indices().contains(&room))?;
                let Room { readers, log, .. } = &mut rooms[room];
                ensure(readers.has(place) && number.wrapping_add(1) == readers.first(place))?;
                ensure(log.holds(number))?;
                readers.set(place, number);
            }
        }
        for room in rooms.indices() {
            let found = &rooms[room];
            let is_read = |(_, number)| number != found.log.next_record();
            ensure(!found.is_free() || !found.is_followed())?;
            ensure(!found.is_deserted() || found.is_free() || found.readers.each().any(is_read))?;
        }
        Ok(())
    }
}

/// Of a place that is free, only the generation is saved: the next follower gets all else anew.
impl Visit for Follower<'_> {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let Self {
            is_there,
            generation,
            grace_ms,
            reads_all,
            conn,
            timeline,
            has_news,
            lost,
            knows_lost,
            waits_since,
        } = self;
        is_there.visit(visitor)?;
        generation.visit(visitor)?;
        if !*is_there {
            return Ok(());
        }
        visitor.option(grace_ms, 0)?;
        reads_all.visit(visitor)?;
        conn.visit(visitor)?;
        timeline.visit(visitor)?;
        has_news.visit(visitor)?;
        visitor.option(lost, Lost { first: 0, last: 0, records: 0, messages: 0 })?;
        knows_lost.visit(visitor)?;
        waits_since.visit(visitor)
    }
}
