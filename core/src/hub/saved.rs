//! A hub as bytes, and back.

use super::{Hub, Storage};
use crate::config::Config;
use crate::ids::ConnId;
use crate::limits::Limits;
use crate::save::{Damaged, RestoreError, Visitor, ensure};

impl<'a> Hub<'a> {
    /// Saves the hub as bytes, in pieces that `out` gets in order. They hold all of its state but the
    /// configuration. The hub goes on as before. The same state makes the same bytes, and the last 72 of
    /// them are the statistics (64) and a checksum (8).
    pub fn save(&mut self, out: &mut dyn FnMut(&[u8])) {
        let mut visitor = Visitor::writing(self.x.config(), self.x.limits(), out);
        let is_written = self.visit(&mut visitor).and_then(|()| visitor.end());
        debug_assert!(is_written.is_ok(), "to write cannot fail");
    }

    /// Makes a hub from what [`Hub::save`] made of another. Each limit is as it was, or higher. The
    /// listeners have the protocols and encodings that they had, in the same order, and relays share the
    /// rooms that they shared. All else in the configuration may differ. Ids and times go on: the driver uses the ids that
    /// it had, or those of [`Hub::conns`] and `Hub::followers`, and its clock goes on from where it was. A driver
    /// that is not the one that saved calls [`Hub::name_again`]. Proposals that were taken and are not decided are
    /// the driver's to keep.
    ///
    /// Followers read on where they were. If what a follower has read and not committed was not kept, call
    /// `Hub::read_again` for it.
    ///
    /// The bytes may come from anywhere. What they hold is checked. If this returns a hub, the hub does not
    /// panic later and does not leave its memory, but hostile bytes can give it any other state.
    ///
    /// # Errors
    /// The bytes are damaged, or are from a hub that does not fit. Then there is no hub.
    pub fn restore(
        config: Config<'a>,
        limits: Limits,
        storage: Storage<'a>,
        bytes: &[u8],
    ) -> Result<Self, RestoreError> {
        let mut hub = Self::new(config, limits, storage).map_err(RestoreError::Limits)?;
        let mut visitor = Visitor::reading(&config, &limits, bytes)?;
        hub.visit(&mut visitor)?;
        let has_grown = *visitor.limits() != limits;
        visitor.end()?;
        if has_grown {
            hub.x.fit();
        }
        Ok(hub)
    }

    /// Names everything to a driver that takes the hub over: [`Hub::next_output`] returns each connection, the
    /// pages that are asked for, the proposals that were not taken, and the followers that have something to
    /// read, also if another driver has heard of them.
    pub fn name_again(&mut self) {
        self.x.name_again();
    }

    /// The connections in the table that the driver has not let go of.
    pub fn conns(&self) -> impl Iterator<Item = ConnId> {
        self.x.ids()
    }

    /// The followers, with those of the consoles that watch.
    #[cfg(feature = "console")]
    pub fn followers(&self) -> impl Iterator<Item = crate::ids::FollowerId> {
        self.x.follower_ids()
    }

    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        // What is lent is found anew before each use.
        let Self { x, walk: _, gap_text: _ } = self;
        x.visit(visitor)?;
        if visitor.is_reading() {
            self.x.slots().try_for_each(|slot| {
                let told = self.x.gap_being_told(slot).zip(self.x.gap_sent(slot));
                let is_sound = |(told, sent)| usize::from(sent) < self.gap(slot, told).len();
                ensure(told.is_none_or(is_sound))
            })?;
        }
        Ok(())
    }
}
