//! Rooms without rings: a small board has the chat's encoding only.

use super::Rooms;

impl Rooms<'_> {
    pub(super) fn free_rings(&mut self) {}
}
