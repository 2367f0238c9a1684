//! How often a room is told of the comings and goings of one address one by one. This file remembers
//! a few addresses that came or went lately. If there are more, a new one replaces the least
//! busy one and inherits what that one had used up. So many addresses together have a limit too.

use crate::ids::Instant;
#[cfg(feature = "save")]
use crate::save::{Damaged, Visit, Visitor};

/// Addresses that are told apart.
const ADDRESSES: usize = if cfg!(feature = "large") { 4 } else { 1 };
/// This many may be told at once, after a while without any.
const BURST: u64 = 20;
/// Then one may be told in this time.
const INTERVAL_MS: u64 = 200;

/// A leaky bucket for each address, as in ITU-T I.371: when the next notice would be due if they came
/// evenly.
#[derive(Debug)]
pub(crate) struct Notices {
    buckets: [(u64, Instant); ADDRESSES],
}

impl Notices {
    pub(crate) const fn new() -> Self {
        Self { buckets: [(0, Instant::ZERO); ADDRESSES] }
    }

    /// Whether one more coming or going of `address` may be told; then it counts.
    pub(crate) fn take(&mut self, address: u64, now: Instant) -> bool {
        let known = |(of, _): &(u64, Instant)| ADDRESSES == 1 || *of == address;
        let idlest = || (0..ADDRESSES).min_by_key(|&at| self.buckets[at].1).unwrap_or(0);
        let at = self.buckets.iter().position(known).unwrap_or_else(idlest);
        let (of, due) = &mut self.buckets[at];
        *of = address;
        if *due > now.after((BURST - 1) * INTERVAL_MS) {
            return false;
        }
        *due = now.max(*due).after(INTERVAL_MS);
        true
    }
}

#[cfg(feature = "save")]
impl Visit for Notices {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let Self { buckets } = self;
        buckets.visit(visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `count`, one a millisecond, may be told.
    fn told(notices: &mut Notices, address: impl Fn(u64) -> u64, from: u64, count: u64) -> usize {
        (from..from + count).filter(|&ms| notices.take(address(ms), Instant::from_millis(ms))).count()
    }

    #[test]
    fn an_address_has_a_burst_and_then_five_a_second() {
        let mut notices = Notices::new();
        assert_eq!(told(&mut notices, |_| 1, 0, 1_000), 24);
        assert_eq!(told(&mut notices, |_| 1, 1_000, 10_000), 50);
        let others = if ADDRESSES > 1 { 10 } else { 1 };
        assert_eq!(
            told(&mut notices, |_| 2, 11_000, 10),
            others,
            "another one has its own, where there are several"
        );
        assert_eq!(told(&mut notices, |_| 1, 20_000, 20), 20, "and after a while a burst again");
    }

    #[test]
    fn many_addresses_are_bounded_together() {
        let mut notices = Notices::new();
        let most = ADDRESSES * (BURST as usize + 5);
        assert!(told(&mut notices, |ms| ms, 0, 1_000) <= most);
    }
}
