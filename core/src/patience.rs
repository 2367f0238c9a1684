//! The patience of a room: how long its members still wait for those that do not read.
//! Plain arithmetic on the times that it is given; it knows no members.
//!
//! A closed room uses up its patience as fast as time passes. An open room gets it back, sixteen
//! times slower, until it has all of it again. So whatever clients do, the members of a room never
//! wait longer than the grace period at once, and in the long run less than a tenth of the time.
//! Short waits do not count. A wait costs nothing if it ends soon because somebody read, and if all
//! waiting members then get their turn: a receiver that is slow but steady sets the pace, as in a
//! pipe. When no patience is left, members that have just taken something get a moment to take more.

use crate::ids::Instant;
#[cfg(feature = "save")]
use crate::save::{Damaged, Visit, Visitor};

/// A wait up to this long is free if it ends because somebody has read. A room with no patience left
/// waits no longer than this for anybody.
const FREE_MS: u64 = 200;
/// A room with no patience left waits no longer than this for a client that takes nothing.
const MOMENT_MS: u32 = 50;
/// How many times longer it takes to get patience back than to use it up. A power of two: small
/// machines have no division.
const RECOVERY: u64 = 16;

/// The patience that is left, and since when the room is open, or closed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// In parts of a millisecond, of which there are [`RECOVERY`].
    left: u64,
    since: Instant,
}

impl Patience {
    /// The most patience that a room can have.
    pub(crate) const fn full(grace_ms: u32) -> Self {
        Self { left: grace_ms as u64 * RECOVERY, since: Instant::ZERO }
    }

    /// The room closes.
    pub(crate) fn close(&mut self, now: Instant, grace_ms: u32) {
        let recovered = self.left.saturating_add(now.millis_since(self.since));
        *self = Self { left: recovered.min(Self::full(grace_ms).left), since: now };
    }

    /// The room opens, because all members that held the log have read, or because some were dealt with.
    /// `lines_waited_ms` is how long lines have waited for their turn, perhaps since an earlier wait. A
    /// wait that ends with a place for too few of them is not free.
    pub(crate) fn open(&mut self, now: Instant, is_by_force: bool, lines_waited_ms: u64) {
        let waited = now.millis_since(self.since);
        if is_by_force || waited.max(lines_waited_ms) > FREE_MS {
            self.left = self.left.saturating_sub(waited.saturating_mul(RECOVERY));
        }
        self.since = now;
    }

    /// While the room is closed: when its patience ends.
    pub(crate) fn ends_at(&self) -> Instant {
        self.since.after(self.left / RECOVERY)
    }

    /// While the room is closed and its patience has ended: until when it still waits for a
    /// member that last took something at `taken_at`, in ms that wrap around.
    pub(crate) fn waits_until(&self, now: Instant, taken_at: u32) -> Instant {
        now.or_after(taken_at, MOMENT_MS).min(self.since.after(FREE_MS))
    }
}

#[cfg(feature = "save")]
impl Visit for Patience {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let Self { left, since } = self;
        left.visit(visitor)?;
        since.visit(visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE_MS: u32 = 5_000;

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    /// Closes a room at each of these times, for this long. Returns how long it would wait the next
    /// time, at `then`.
    #[track_caller]
    fn check(waits: &[(u64, u64, bool)], then: u64, left_ms: u64) {
        let mut patience = Patience::full(GRACE_MS);
        for &(from, ms, is_by_force) in waits {
            patience.close(at(from), GRACE_MS);
            patience.open(at(from + ms), is_by_force, 0);
        }
        patience.close(at(then), GRACE_MS);
        assert_eq!(patience.ends_at().millis_since(at(then)), left_ms);
    }

    #[test]
    fn a_room_that_never_waited_has_the_whole_grace_however_late() {
        check(&[], 0, 5_000);
        check(&[], 3_600_000, 5_000);
    }

    #[test]
    fn a_wait_uses_it_up_and_it_comes_back_sixteen_times_slower() {
        check(&[(0, 2_000, false)], 2_000, 3_000);
        check(&[(0, 2_000, true)], 18_000, 4_000);
        check(&[(0, 5_000, true)], 5_000, 0);
        check(&[(0, 5_000, true)], 85_000, 5_000);
        check(&[(0, 5_000, true)], 5_000_000, 5_000);
    }

    #[test]
    fn without_patience_only_those_that_have_just_taken_something_have_a_moment() {
        let mut patience = Patience::full(0);
        patience.close(at(1_000), 0);
        let waits_until = |now, taken_at| patience.waits_until(at(now), taken_at);
        assert_eq!(waits_until(1_000, 900), at(1_000));
        assert_eq!(waits_until(1_000, 990), at(1_040));
        assert_eq!(waits_until(1_170, 1_165), at(1_200));
        assert_eq!(waits_until(1_200, 1_199), at(1_200));
    }

    #[test]
    fn only_a_short_wait_that_ends_by_reading_is_free() {
        check(&[(0, 200, false)], 200, 5_000);
        check(&[(0, 201, false)], 201, 4_799);
        check(&[(0, 200, true)], 200, 4_800);
    }

    #[test]
    fn short_waits_are_not_free_while_lines_wait_from_one_to_the_next() {
        let mut patience = Patience::full(GRACE_MS);
        patience.close(at(0), GRACE_MS);
        patience.open(at(150), false, 150);
        patience.close(at(150), GRACE_MS);
        patience.open(at(300), false, 300);
        patience.close(at(300), GRACE_MS);
        assert_eq!(patience.ends_at(), at(300 + 4_850));
    }

    #[test]
    fn what_comes_back_is_counted_in_parts_of_a_millisecond() {
        let mut patience = Patience::full(GRACE_MS);
        patience.close(at(0), GRACE_MS);
        patience.open(at(5_000), true, 0);
        // Open for 1 ms at a time: a sixteenth of each counts.
        for round in 0..1_000 {
            let now = 5_000 + 2 * round;
            patience.close(at(now + 1), GRACE_MS);
            patience.open(at(now + 2), false, 0);
        }
        patience.close(at(7_001), GRACE_MS);
        assert_eq!(patience.ends_at(), at(7_001 + 1_001 / 16));
    }
}
