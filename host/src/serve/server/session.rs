//! What a link has that can be resumed.

use crate::resume::{Key, Stream};

#[derive(Debug)]
pub(super) struct Session {
    pub(super) key: Key,
    pub(super) stream: Stream,
    /// The client has said that it does not come back.
    pub(super) is_over: bool,
    /// The client was told that.
    pub(super) has_said_bye: bool,
}
