//! The names of connections and rooms, in the spelling in which they are kept.

use super::{Exchange, Name};
use crate::conn::Slot;
use crate::name::{BadName, NAME_BYTES};
use crate::room::RoomIndex;

/// A name as it is kept; empty if the rules allow no name.
pub(crate) struct Spelled {
    bytes: [u8; NAME_BYTES],
    len: usize,
}

impl core::ops::Deref for Spelled {
    type Target = str;

    fn deref(&self) -> &str {
        let bytes = self.bytes.get(..self.len).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Exchange<'_> {
    /// A name in the spelling in which it is kept.
    ///
    /// # Errors
    /// It is no name.
    pub(crate) fn spelled(&self, name: &str) -> Result<Spelled, BadName> {
        let mut spelled = Spelled { bytes: [0; NAME_BYTES], len: 0 };
        spelled.len = (self.config.names.spell)(name, &mut spelled.bytes)?;
        let fits = spelled.len <= self.limits.name && !spelled.is_empty();
        if fits { Ok(spelled) } else { Err(BadName::Characters) }
    }

    /// What a connection is called; empty if it has no name.
    pub(crate) fn name(&self, slot: Slot) -> Name {
        self.conns.name(slot)
    }

    /// As [`Exchange::name`], without a copy.
    pub(crate) fn name_text(&self, slot: Slot) -> &str {
        core::str::from_utf8(self.conns[slot].name.as_bytes()).unwrap_or_default()
    }

    /// The connection with a name, however it is spelled.
    pub(crate) fn named(&self, name: &str) -> Option<Slot> {
        self.conns.bearer(&self.spelled(name).ok()?)
    }

    /// Another connection whose name looks like this one, and whether it is the same name.
    pub(crate) fn look_alike(&self, slot: Slot, name: &Spelled) -> Option<(Slot, bool)> {
        let other = self.conns.look_alike(slot, name)?;
        Some((other, self.conns.bearer(name).is_some()))
    }

    /// Gives a connection a name that nobody else has.
    pub(crate) fn rename(&mut self, slot: Slot, name: &Spelled) {
        self.conns.set_name(slot, name);
        self.stats.renamed += 1;
    }

    /// Gives a newcomer the lowest free `guest-N`.
    pub(crate) fn name_guest(&mut self, slot: Slot) {
        self.conns.set_guest_name(slot);
    }

    /// The room with a name, however it is spelled.
    pub(crate) fn room_named(&self, name: &str) -> Option<RoomIndex> {
        self.rooms.called(&self.spelled(name).ok()?)
    }

    /// Another room whose name looks like this one.
    pub(crate) fn room_look_alike(&self, name: &Spelled) -> Option<RoomIndex> {
        self.rooms.look_alike(name)
    }

    /// Makes a room; see [`super::rooms::Rooms::make`].
    pub(crate) fn has_free_room(&self) -> bool {
        self.rooms.has_free()
    }

    pub(crate) fn make_room(&mut self, name: &Spelled) -> Option<RoomIndex> {
        let room = self.rooms.make(name)?;
        self.note_made(room);
        Some(room)
    }

    pub(crate) fn room_name(&self, room: RoomIndex) -> Name {
        self.rooms.name(room)
    }
}
