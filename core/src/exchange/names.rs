//! The names of connections, and the numbers of guests.

use super::{Exchange, Name};
use crate::conn::Slot;
use crate::text::Decimal;

impl Exchange<'_> {
    pub(crate) fn name(&self, slot: Slot) -> Name {
        Name::from_slice(self.conn(slot).name.as_bytes()).unwrap_or_default()
    }

    /// Gives a connection a name that nobody else has.
    pub(crate) fn set_name(&mut self, slot: Slot, name: &[u8]) {
        self.unname(slot);
        self.enter_name(slot, name);
        self.conn_mut(slot).name.set(name);
        if let Some(guest) = self.guest_number(name) {
            self.conns[guest as usize].guest_taken = true;
        }
    }

    /// Gives the lowest free `guest-N`.
    pub(crate) fn set_guest_name(&mut self, slot: Slot) {
        let free = (self.guest_hint as usize..self.conns.len()).find(|&n| !self.conns[n].guest_taken);
        // There are as many numbers as connections, and this one has none.
        let Some(free) = free else { return };
        self.guest_hint = free as u32 + 1;
        let mut name = Name::new();
        for part in ["guest-", Decimal::new(free + 1).as_str()] {
            // Every name has room for it, as the limits are checked.
            let _ = name.extend_from_slice(part.as_bytes());
        }
        self.set_name(slot, &name);
    }

    pub(super) fn unname(&mut self, slot: Slot) {
        let name = self.name(slot);
        if name.is_empty() {
            return;
        }
        self.remove_name(&name);
        if let Some(guest) = self.guest_number(&name) {
            self.conns[guest as usize].guest_taken = false;
            self.guest_hint = self.guest_hint.min(guest);
        }
        self.conn_mut(slot).name.clear();
    }

    /// N - 1 if the name is `guest-N` with an N that newcomers are given.
    fn guest_number(&self, name: &[u8]) -> Option<u32> {
        let (guest, number) = name.split_at_checked(6)?;
        let number = core::str::from_utf8(number).ok()?;
        let number: u32 = (number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0'))
            .then(|| number.parse().ok())??;
        (guest.eq_ignore_ascii_case(b"guest-") && number as usize <= self.conns.len()).then(|| number - 1)
    }
}
