//! What a member that looks back wants; see `exchange/look_back.rs`.

#[cfg(feature = "save")]
use crate::save::{Damaged, Visit, Visitor};

/// What one that looks back wants, and what it has got.
#[derive(Clone, Copy, Debug)]
pub(in crate::exchange) struct Look {
    /// It looks for words.
    pub(in crate::exchange) searches: bool,
    /// Messages that it was told.
    pub(in crate::exchange) told: u32,
    /// Some that it should have been told are not there.
    pub(in crate::exchange) lacks_some: bool,
}

impl Look {
    pub(in crate::exchange) const NEW: Self = Self { searches: false, told: 0, lacks_some: false };
}

#[cfg(feature = "save")]
impl Visit for Look {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let Self { searches, told, lacks_some } = self;
        searches.visit(visitor)?;
        told.visit(visitor)?;
        lacks_some.visit(visitor)
    }
}
