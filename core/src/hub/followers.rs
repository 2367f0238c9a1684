//! What the hub offers to followers. They read records, and are no connections.

use super::Hub;
use crate::config::Protocol;
use crate::ids::{ConnId, FollowerId};
use crate::io::Following;
use crate::limits::WATCH_MS;
use crate::record::{Followed, Lost};

impl Hub<'_> {
    /// Begins to follow. The follower reads what is said in its rooms from now on; direct messages are in no
    /// room. `None`: there are already [`crate::Limits::followers`].
    pub fn follow(&mut self, following: Following) -> Option<FollowerId> {
        self.x.follow(following)
    }

    /// Ends that. What the follower has not committed is not held any more.
    pub fn unfollow(&mut self, follower: FollowerId) {
        self.x.unfollow(follower);
    }

    /// The next record for a follower, or what it lost; `None` if it has read everything. The hub keeps
    /// what was read until it is committed; see [`crate::Input::Committed`]. A record that was committed
    /// never comes again. A record that was not committed is held, or its loss comes in its place.
    pub fn read(&mut self, follower: FollowerId) -> Option<Followed<'_>> {
        self.x.read_on(follower)
    }

    /// Lets a follower read again what it has read and not committed. [`crate::Output::News`] names it, if that
    /// is anything.
    pub fn read_again(&mut self, follower: FollowerId) {
        self.x.read_again(follower);
    }

    /// Whether a follower has something to read. It takes no time to ask.
    pub fn has_news(&self, follower: FollowerId) -> bool {
        self.x.has_news(follower)
    }

    /// What a follower has lost and not committed, whether it has read that or not.
    pub fn lost(&self, follower: FollowerId) -> Option<Lost> {
        self.x.lost(follower)
    }

    /// Lets a connection to a console listener watch the lobby and the rooms of the relays. Returns the
    /// follower that reads for it. `None`: the connection is gone or is not one of a console, or there are already
    /// [`crate::Limits::followers`]. A closed room waits for this follower for half a second. The follower
    /// is gone when the connection is.
    pub fn watch(&mut self, conn: ConnId) -> Option<FollowerId> {
        let slot = self.x.find(conn).filter(|slot| self.x.session(*slot).protocol() == Protocol::Console)?;
        self.x.watch_pinned(slot, WATCH_MS)
    }

    /// The follower that reads for a connection to a console listener. There is one after [`Hub::watch`],
    /// and after the command `/watch`.
    pub fn watcher(&self, conn: ConnId) -> Option<FollowerId> {
        self.x.watcher(self.x.find(conn)?)
    }
}
