//! Replaces `index.rs` in a build without the feature `large`. With a few dozen connections, looking
//! at each one is as fast, and takes less code and memory.

use core::marker::PhantomData;

use super::Conns;
use crate::config::Bound;
use crate::conn::{Slot, State};
use crate::name::Looks;

#[derive(Debug)]
pub(super) struct Index<'a>(PhantomData<&'a ()>);

impl<'a> Index<'a> {
    pub(super) fn new(_: &'a mut [u32], _: fn(&str) -> Looks) -> Self {
        Self(PhantomData)
    }
}

impl Conns<'_> {
    pub(crate) fn bearer(&self, name: &str) -> Option<Slot> {
        self.slots().find(|&slot| {
            let conn = &self[slot];
            !matches!(conn.state, State::Free { .. })
                && conn.name.as_bytes().eq_ignore_ascii_case(name.as_bytes())
        })
    }

    pub(crate) fn look_alike(&self, slot: Slot, name: &str) -> Option<Slot> {
        self.bearer(name).filter(|other| *other != slot)
    }

    pub(super) fn enter_name(&mut self, _: Slot, _: &str) {}

    pub(super) fn remove_name(&mut self, _: Slot) {}

    pub(crate) fn is_crowded(&self, _: Slot, _: Option<Bound>) -> bool {
        false
    }

    pub(super) fn enter_address(&mut self, _: Slot) {}

    pub(super) fn remove_address(&mut self, _: Slot) {}
}
