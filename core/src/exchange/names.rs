//! The names of connections, and the numbers of guests.

use super::{Exchange, Name};
use crate::conn::Slot;
use crate::name::{BadName, NAME_BYTES};
use crate::room::RoomIndex;
use crate::text::Decimal;

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
    pub(crate) fn name(&self, slot: Slot) -> Name {
        Name::from_slice(self.conn(slot).name.as_bytes()).unwrap_or_default()
    }

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

    /// The connection with a name, however it is spelled.
    pub(crate) fn named(&self, name: &str) -> Option<Slot> {
        self.bearer(&self.spelled(name).ok()?)
    }

    /// The room with a name, however it is spelled.
    pub(crate) fn room_named(&self, name: &str) -> Option<RoomIndex> {
        self.room_called(&self.spelled(name).ok()?)
    }

    /// Gives a connection a name that nobody else has.
    pub(crate) fn set_name(&mut self, slot: Slot, name: &str) {
        self.unname(slot);
        self.enter_name(slot, name);
        self.conn_mut(slot).name.set(name.as_bytes());
        if let Some(guest) = self.guest_number(name.as_bytes()) {
            self.conns[guest as usize].guest_taken = true;
        }
    }

    /// Gives the lowest free `guest-N`.
    pub(crate) fn set_guest_name(&mut self, slot: Slot) {
        let free = (self.guest_hint as usize..self.conns.len()).find(|&n| !self.conns[n].guest_taken);
        // There are as many numbers as connections, and this one has none.
        let Some(free) = free else { return };
        self.guest_hint = free as u32 + 1;
        let mut name = heapless::String::<NAME_BYTES>::new();
        for part in ["guest-", Decimal::new(free + 1).as_str()] {
            // Every name has room for it: the limits were checked.
            let _ = name.push_str(part);
        }
        self.set_name(slot, &name);
    }

    pub(super) fn unname(&mut self, slot: Slot) {
        let name = self.name(slot);
        if name.is_empty() {
            return;
        }
        self.remove_name(slot);
        if let Some(guest) = self.guest_number(&name) {
            self.conns[guest as usize].guest_taken = false;
            self.guest_hint = self.guest_hint.min(guest);
        }
        self.conn_mut(slot).name.clear();
    }

    /// N - 1 if the name is `guest-N`, and newcomers can get this N.
    fn guest_number(&self, name: &[u8]) -> Option<u32> {
        let (guest, number) = name.split_at_checked(6)?;
        let number = core::str::from_utf8(number).ok()?;
        let number: u32 = (number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0'))
            .then(|| number.parse().ok())??;
        (guest.eq_ignore_ascii_case(b"guest-") && number as usize <= self.conns.len()).then(|| number - 1)
    }
}
