//! One encoding, the chat's: a small board has no other, and no rings.

use super::Exchange;
use super::outbox::GapText;
use crate::config::Config;
use crate::conn::Slot;
use crate::limits::{Limits, LimitsError};
use crate::log::{Position, Stamp};
use crate::record::{Identity, Kind};
use crate::room::{MemberIndex, RoomIndex};

impl Exchange<'_> {
    pub(super) fn choose_encoding(&mut self, _: Slot) {}

    /// Bytes of the longest record or reply.
    pub(super) fn longest(&self, _: Slot) -> usize {
        self.limits.longest()
    }

    pub(crate) fn pin_rings(&mut self) -> Result<(), LimitsError> {
        Ok(())
    }

    pub(super) fn is_rendered(&self, _: Slot, _: Option<RoomIndex>) -> bool {
        true
    }

    pub(super) fn log_for(&mut self, _: Slot, room: RoomIndex) -> RoomIndex {
        room
    }

    pub(super) fn leave_log(&mut self, _: MemberIndex) {}

    /// Whether the log of a room takes so many more records.
    pub(super) fn fits(&self, room: RoomIndex, count: usize) -> bool {
        self.rooms[room].log.fits(count, self.limits.longest())
    }

    pub(super) fn rings_fit(&self, _: RoomIndex, _: usize) -> bool {
        true
    }

    pub(super) fn refresh_rings(&mut self, _: RoomIndex) {}

    pub(super) fn render(
        &mut self,
        _: (RoomIndex, Position),
        _: Stamp,
        _: Option<MemberIndex>,
        _: [&[u8]; 2],
    ) {
    }

    pub(super) fn tell_rendered<T>(
        &mut self,
        _: Slot,
        _: u64,
        _: (Kind, Identity),
        _: &[u8],
        _: &[T],
    ) -> Option<bool> {
        None
    }

    pub(super) fn tell_again_rendered(
        &mut self,
        _: Slot,
        _: (RoomIndex, Position),
        _: u64,
        _: bool,
    ) -> Option<bool> {
        None
    }

    pub(super) fn render_notice(&self, _: Slot, _: &[u8]) -> Option<GapText> {
        None
    }
}

/// Checks that no listener has an encoding.
///
/// # Errors
/// One has.
pub(crate) fn check(config: &Config<'_>, _: &Limits, _: &[u8]) -> Result<(), LimitsError> {
    let has_encoding = config.listeners.iter().any(|listener| listener.encoding.is_some());
    if has_encoding { Err(LimitsError::NoSuchEncoding) } else { Ok(()) }
}
