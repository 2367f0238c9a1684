//! Replaces `followers.rs` in a build without the feature `console`: nobody follows.

use core::marker::PhantomData;

use super::Exchange;
#[cfg(feature = "save")]
use super::{Conns, Rooms};
use crate::conn::Slot;
use crate::ids::Instant;
use crate::log::Position;
use crate::room::RoomIndex;
#[cfg(feature = "save")]
use crate::save::{Damaged, Visitor, ensure};

#[derive(Debug)]
pub(crate) struct Followers<'a>(PhantomData<&'a ()>);

impl<'a> Followers<'a> {
    pub(crate) fn new(_: &'a mut [u32], _: usize) -> Self {
        Self(PhantomData)
    }
}

#[cfg(feature = "save")]
impl Followers<'_> {
    pub(super) fn visit(
        &mut self,
        _: &mut Visitor<'_>,
        _: &Conns<'_>,
        rooms: &mut Rooms<'_>,
    ) -> Result<(), Damaged> {
        // No room waits for followers.
        ensure(rooms.indices().all(|room| !rooms[room].is_deserted() || rooms[room].is_free()))
    }
}

impl Exchange<'_> {
    pub(super) fn unwatch_all(&mut self, _: Slot) {}

    pub(super) fn note_appended(&mut self, _: RoomIndex, _: u64) {}

    pub(super) fn note_made(&mut self, _: RoomIndex) {}

    pub(super) fn held_from(&self, _: RoomIndex, position: Position) -> Position {
        position
    }

    pub(super) fn free_when_read(&mut self, room: RoomIndex) {
        self.rooms.free(room);
    }

    pub(super) fn waits_for_members(&self, room: RoomIndex) -> bool {
        self.rooms[room].closed
    }

    pub(super) fn note_closed(&mut self, _: RoomIndex, _: bool) {}

    pub(super) fn followers_wait_until(&self, _: RoomIndex) -> Instant {
        Instant::NEVER
    }

    pub(super) fn pass_followers(&mut self, _: RoomIndex) {}

    pub(super) fn look_after_deserted(&mut self, _: RoomIndex) {}
}
