//! Who hears a tape: a file, or a replay that compares.

use parlour_core::{ConnId, Followed, FollowerId, Hub, Instant, Output};

use crate::entry::Entry;
use crate::sum::Sum;

/// What a tape is heard by.
pub(crate) trait Sink {
    /// A call to the hub, at this time. `sum` is the checksum after it.
    fn step(&mut self, now: Instant, step: &Entry<'_>, sum: &Sum);

    /// Bytes that this step has sent to a connection.
    fn sent(&mut self, _: ConnId, _: &[u8]) {}

    /// What the hub asks of the driver.
    fn asked(&mut self, _: &Hub<'_>, _: Output) {}

    /// What a follower has read.
    fn read(&mut self, _: FollowerId, _: &Followed<'_>) {}
}
