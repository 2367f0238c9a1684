//! Replaces `index.rs` in a build without the feature `large`. With a few dozen connections, looking
//! at each one is as fast, and takes less code and memory.

use core::marker::PhantomData;

use super::Exchange;
use crate::conn::{Slot, State};
use crate::limits::{Bound, Limits};
use crate::room::RoomIndex;

pub(crate) struct Index<'a>(PhantomData<&'a ()>);

impl<'a> Index<'a> {
    pub(crate) fn new(_: &'a mut [u32], _: &Limits) -> Self {
        Self(PhantomData)
    }
}

impl Exchange<'_> {
    pub(crate) fn bearer(&self, name: &str) -> Option<Slot> {
        self.slots().find(|&slot| {
            let conn = self.conn(slot);
            conn.state != State::Free && conn.name.as_bytes().eq_ignore_ascii_case(name.as_bytes())
        })
    }

    pub(crate) fn look_alike(&self, slot: Slot, name: &str) -> Option<Slot> {
        self.bearer(name).filter(|other| *other != slot)
    }

    pub(super) fn enter_name(&mut self, _: Slot, _: &str) {}

    pub(super) fn remove_name(&mut self, _: Slot) {}

    pub(super) fn room_called(&self, name: &str) -> Option<RoomIndex> {
        let is_called = |room: &RoomIndex| {
            let called = self.rooms[*room as usize].name.as_bytes();
            !called.is_empty() && called.eq_ignore_ascii_case(name.as_bytes())
        };
        (0..self.rooms.len() as RoomIndex).find(is_called)
    }

    pub(crate) fn room_look_alike(&self, _: &str) -> Option<RoomIndex> {
        None
    }

    pub(super) fn enter_room(&mut self, _: RoomIndex, _: &str) {}

    pub(super) fn remove_room(&mut self, _: RoomIndex) {}

    pub(crate) fn is_crowded(&self, _: Slot, _: Option<Bound>) -> bool {
        false
    }

    pub(super) fn enter_address(&mut self, _: Slot) {}

    pub(super) fn remove_address(&mut self, _: Slot) {}
}
