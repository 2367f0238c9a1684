//! What the limits count of one client: its address, and how fast it sends lines. A build without the
//! feature `large` has `unbounded.rs` in place of this file.

use core::net::IpAddr;

use crate::config::Bound;
use crate::ids::Instant;
#[cfg(feature = "save")]
use crate::save::{Damaged, Visit, Visitor};

/// How far ahead of its rate a client may be.
const BURST_US: u64 = 1_000_000;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    peer: Option<IpAddr>,
    /// Lines that it may send in a second.
    rate: Option<u32>,
    /// The rate limit's theoretical arrival time (ITU-T I.371), in microseconds.
    rate_at_us: u64,
}

impl Account {
    pub(crate) const NONE: Self = Self { peer: None, rate: None, rate_at_us: 0 };

    /// The account of a newcomer to a listener with this rate.
    pub(crate) fn new(peer: Option<IpAddr>, rate: Option<Bound>) -> Self {
        let account = Self { peer, ..Self::NONE };
        Self { rate: account.allowed(rate), ..account }
    }

    /// Its listener has another rate now.
    pub(crate) fn change_rate(&mut self, rate: Option<Bound>) {
        let rate_at_us = rate.map_or(0, |_| self.rate_at_us);
        *self = Self { rate_at_us, ..Self::new(self.peer, rate) };
    }

    /// The lines that it may send in a second.
    pub(crate) fn rate(&self) -> Option<u32> {
        self.rate
    }

    /// The address that it comes from, if it has one.
    pub(crate) fn peer(&self) -> Option<IpAddr> {
        self.peer
    }

    /// The network that it comes from, if it has an address.
    pub(crate) fn network(&self) -> Option<u64> {
        self.peer.map(Bound::network)
    }

    /// How much a bound allows it.
    pub(crate) fn allowed(&self, bound: Option<Bound>) -> Option<u32> {
        bound?.of(self.peer)
    }

    /// Whether it may send a line.
    pub(crate) fn is_within_rate(&self, now: Instant) -> bool {
        let at_us = self.rate_at_us;
        at_us <= BURST_US || at_us - BURST_US <= now.as_millis().saturating_mul(1_000)
    }

    /// Counts lines that it has sent.
    pub(crate) fn charge(&mut self, now: Instant, lines: u32) {
        let Some(rate) = self.rate else { return };
        let now_us = now.as_millis().saturating_mul(1_000);
        self.rate_at_us = self.rate_at_us.max(now_us) + u64::from(lines) * 1_000_000 / u64::from(rate.max(1));
    }

    /// When it may send a line, if it is above its rate.
    pub(crate) fn may_send_at(&self) -> Instant {
        Instant::from_millis(self.rate_at_us.saturating_sub(BURST_US).div_ceil(1_000))
    }
}

#[cfg(feature = "save")]
impl Visit for Account {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let Self { peer, rate, rate_at_us } = self;
        let mut bits = match *peer {
            None => [0, 0],
            Some(IpAddr::V4(address)) => [4, u128::from(address.to_bits())],
            Some(IpAddr::V6(address)) => [6, address.to_bits()],
        };
        for half in &mut bits {
            let mut halves = [*half as u64, (*half >> 64) as u64];
            halves.visit(visitor)?;
            *half = u128::from(halves[0]) | u128::from(halves[1]) << 64;
        }
        *peer = match bits {
            [0, 0] => None,
            [4, bits] => Some(IpAddr::V4(u32::try_from(bits).map_err(|_| Damaged)?.into())),
            [6, bits] => Some(IpAddr::V6(bits.into())),
            _ => return Err(Damaged),
        };
        visitor.option(rate, 0)?;
        visitor.counter(rate_at_us)
    }
}
