//! Replaces `index.rs` in a build without the feature `large`: the hub looks at each room.

use core::marker::PhantomData;

use super::Rooms;
use crate::name::Looks;
use crate::room::RoomIndex;

#[derive(Debug)]
pub(super) struct Index<'a>(PhantomData<&'a ()>);

impl<'a> Index<'a> {
    pub(super) fn new(_: &'a mut [u32], _: fn(&str) -> Looks) -> Self {
        Self(PhantomData)
    }
}

impl Rooms<'_> {
    pub(crate) fn called(&self, name: &str) -> Option<RoomIndex> {
        let is_called = |room: &RoomIndex| {
            let called = self[*room].name.as_bytes();
            !self[*room].is_deserted() && called.eq_ignore_ascii_case(name.as_bytes())
        };
        self.indices().find(is_called)
    }

    pub(crate) fn look_alike(&self, _: &str) -> Option<RoomIndex> {
        None
    }

    pub(super) fn enter(&mut self, _: RoomIndex, _: &str) {}

    pub(super) fn remove(&mut self, _: RoomIndex) {}
}
