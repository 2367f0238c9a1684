//! Replaces `account.rs` in a build without the feature `large`: nothing is counted.

use core::net::IpAddr;

use crate::config::Bound;
use crate::ids::Instant;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Account;

impl Account {
    pub(crate) const NONE: Self = Self;

    pub(crate) fn new(_: Option<IpAddr>, _: Option<Bound>) -> Self {
        Self
    }

    pub(crate) fn change_rate(&mut self, _: Option<Bound>) {}

    pub(crate) fn rate(&self) -> Option<u32> {
        None
    }

    pub(crate) fn peer(&self) -> Option<IpAddr> {
        None
    }

    pub(crate) fn network(&self) -> Option<u64> {
        None
    }

    pub(crate) fn is_within_rate(&self, _: Instant) -> bool {
        true
    }

    pub(crate) fn charge(&mut self, _: Instant, _lines: u32) {}

    pub(crate) fn may_send_at(&self) -> Instant {
        Instant::ZERO
    }
}
