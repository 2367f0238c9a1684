//! Nobody can come back: a small board has no memory for it.

use parlour_core::{Cause, ConnId};
use smoltcp::iface::SocketSet;
use smoltcp::socket::tcp;
use smoltcp::time::Instant;

use super::{Driver, Note};

impl Driver<'_> {
    pub(super) fn next_of_sessions(&self) -> Option<Instant> {
        None
    }

    pub(super) fn hear_newcomer(
        &mut self,
        _: Instant,
        _: usize,
        _: &mut SocketSet<'_>,
        _: &mut impl FnMut(Note),
    ) {
    }

    pub(super) fn make_place(&mut self, _: Instant, _: &mut impl FnMut(Note)) -> bool {
        false
    }

    pub(super) fn hear_session(&mut self, _: Instant, _: usize, _: ConnId, _: &mut tcp::Socket<'_>) -> bool {
        false
    }

    pub(super) fn has_moved(&self, _: usize, _: ConnId) -> bool {
        false
    }

    pub(super) fn may_end(&mut self, _: Instant, _: usize, _: ConnId) -> bool {
        true
    }

    pub(super) fn has_input(&self, _: usize) -> bool {
        false
    }

    pub(super) fn has_unsent(&self, _: usize) -> bool {
        false
    }

    pub(super) fn write_session(&mut self, _: Instant, _: usize, _: ConnId, _: &mut tcp::Socket<'_>) -> bool {
        false
    }

    pub(super) fn go_away(
        &mut self,
        _: Instant,
        _: usize,
        _: ConnId,
        _: Cause,
        _: &mut tcp::Socket<'_>,
        _: &mut impl FnMut(Note),
    ) -> bool {
        false
    }

    pub(super) fn end_session(&mut self, _: usize) {}

    pub(super) fn attend_absents(&mut self, _: Instant, _: &mut impl FnMut(Note)) {}

    pub(super) fn attend_absent(&mut self, _: Instant, _: ConnId, _: &mut impl FnMut(Note)) {}
}
