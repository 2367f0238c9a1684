//! The names of connections, and the numbers of guests.

use core::fmt::Write;

use super::{Exchange, Name};
use crate::conn::{Slot, State};

impl Exchange<'_> {
    pub(crate) fn name(&self, slot: Slot) -> Name {
        Name::from_slice(self.conn(slot).name.as_bytes()).unwrap_or_default()
    }

    /// Who bears `name`, without regard to ASCII case.
    pub(crate) fn named(&self, name: &[u8]) -> Option<Slot> {
        self.slots().find(|&slot| {
            let conn = self.conn(slot);
            conn.state != State::Free && conn.name.as_bytes().eq_ignore_ascii_case(name)
        })
    }

    pub(crate) fn set_name(&mut self, slot: Slot, name: &[u8]) {
        self.unname(slot);
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
        let mut name = heapless::String::<16>::new();
        let _ = write!(name, "guest-{}", free + 1);
        self.set_name(slot, name.as_bytes());
    }

    pub(super) fn unname(&mut self, slot: Slot) {
        if let Some(guest) = self.guest_number(&self.name(slot)) {
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
