//! Who is there: the table of connections, their names and addresses, and their private queues.

#[cfg_attr(not(feature = "large"), path = "conns/scan.rs")]
mod index;

use core::net::IpAddr;
use core::ops::{Index, IndexMut, Range};

use crate::account::Account;
use crate::config::Listener;
use crate::conn::{Conn, Gap, NONE, Slot, State};
use crate::ids::{ConnId, Instant, ListenerId};
use crate::name::{Looks, NAME_BYTES};
use crate::queue::Buffers;
use crate::record::Identity;
#[cfg(feature = "save")]
use crate::save::{Damaged, Visit, Visitor, check_list, ensure};
use crate::session::Session;
use crate::text::Decimal;

/// A copy of a name.
pub(crate) type Name = heapless::Vec<u8, NAME_BYTES>;

/// The table of connections. The index is the slot.
#[derive(Debug)]
pub(crate) struct Conns<'a> {
    slots: &'a mut [Conn<'a>],
    buffers: Buffers<'a>,
    index: index::Index<'a>,
    /// Connections in the table.
    count: u32,
    /// The free slot to be used next, and the first that was never used.
    free: Slot,
    unused: Slot,
    /// No guest's number below this one is free.
    guest_hint: u32,
    /// The identity that the next connection gets.
    next_identity: u64,
}

impl<'a> Index<Slot> for Conns<'a> {
    type Output = Conn<'a>;

    fn index(&self, slot: Slot) -> &Conn<'a> {
        &self.slots[slot as usize]
    }
}

impl<'a> IndexMut<Slot> for Conns<'a> {
    fn index_mut(&mut self, slot: Slot) -> &mut Conn<'a> {
        &mut self.slots[slot as usize]
    }
}

impl<'a> Conns<'a> {
    /// A table of free slots. `places` is the memory for the index.
    pub(crate) fn new(
        slots: &'a mut [Conn<'a>],
        buffers: Buffers<'a>,
        places: &'a mut [u32],
        looks: fn(&str) -> Looks,
        first_identity: u64,
    ) -> Self {
        let index = index::Index::new(places, looks);
        Self {
            slots,
            buffers,
            index,
            count: 0,
            free: NONE,
            unused: 0,
            guest_hint: 0,
            next_identity: first_identity.max(1),
        }
    }

    /// Connections in the table, those that are closing included.
    pub(crate) fn count(&self) -> usize {
        self.count as usize
    }

    /// Every slot that is, or was, in use.
    pub(crate) fn slots(&self) -> Range<Slot> {
        0..self.unused
    }

    /// All slots, for lists that run through them.
    pub(super) fn all(&self) -> &[Conn<'a>] {
        self.slots
    }

    /// All slots, for lists that run through them.
    pub(super) fn all_mut(&mut self) -> &mut [Conn<'a>] {
        self.slots
    }

    /// The slot that `id` names, unless the connection is gone.
    pub(crate) fn find(&self, id: ConnId) -> Option<Slot> {
        let conn = self.slots.get(id.slot as usize)?;
        (conn.is_there() && conn.generation == id.generation).then_some(id.slot)
    }

    /// Takes a free slot for a newcomer, and gives it an identity.
    pub(super) fn open(
        &mut self,
        listener: (ListenerId, &Listener),
        peer: Option<IpAddr>,
        now: Instant,
    ) -> Option<Slot> {
        let slot = if self.free != NONE {
            let slot = self.free;
            self.free = match self[slot].state {
                State::Free { next } => next,
                _ => NONE,
            };
            slot
        } else if (self.unused as usize) < self.slots.len() {
            self.unused += 1;
            self.unused - 1
        } else {
            return None;
        };
        self.count += 1;
        let identity = Identity::from_u64(self.next_identity);
        self.next_identity += 1;
        let conn = &mut self[slot];
        conn.open(Account::new(peer, None), now);
        conn.identity = identity;
        self.enter_address(slot);
        self.begin_anew(slot, listener);
        Some(slot)
    }

    /// Makes a connection a new client of a listener. It has no name, and nothing waits to be sent to it.
    pub(super) fn begin_anew(&mut self, slot: Slot, (id, listener): (ListenerId, &Listener)) {
        self.unname(slot);
        self.clear_queue(slot);
        let conn = &mut self[slot];
        (conn.listener, conn.account) = (id, Account::new(conn.account.peer(), listener.rate));
        conn.line.clear();
        (conn.gap, conn.blocked, conn.paused) = (Gap::NONE, false, false);
        conn.session = Session::new(listener.protocol);
    }

    /// Frees the slot of a connection of which nothing is left.
    pub(super) fn release(&mut self, slot: Slot) {
        self.unname(slot);
        self.remove_address(slot);
        self.clear_queue(slot);
        let next = core::mem::replace(&mut self.free, slot);
        let conn = &mut self[slot];
        #[cfg(feature = "console")]
        if conn.reason.capacity() > 0 {
            *conn.line.text() = core::mem::take(&mut conn.reason);
        }
        conn.state = State::Free { next };
        conn.generation = conn.generation.wrapping_add(1);
        self.count -= 1;
    }

    /// The network that a connection comes from; 0 if it has no address.
    pub(crate) fn network_of(&self, slot: Slot) -> u64 {
        self[slot].account.network().unwrap_or(0)
    }

    // --- Private queues ---

    pub(super) fn buffers(&self) -> &Buffers<'a> {
        &self.buffers
    }

    /// Appends a text to a private queue, if it fits; or, `in_order`, puts it before all that are newer.
    pub(super) fn put(&mut self, slot: Slot, seq: u64, parts: &[&[u8]], in_order: bool) -> bool {
        let queue = &mut self.slots[slot as usize].queue;
        if in_order {
            queue.insert(&mut self.buffers, seq, parts)
        } else {
            queue.push(&mut self.buffers, seq, parts)
        }
    }

    /// Puts a text before all others of a private queue, if it fits.
    pub(super) fn push_front(&mut self, slot: Slot, seq: u64, parts: &[&[u8]]) -> bool {
        self.slots[slot as usize].queue.push_front(&mut self.buffers, seq, parts)
    }

    /// Removes bytes that were sent from the front of a private queue.
    pub(super) fn consume(&mut self, slot: Slot, count: usize) {
        self.slots[slot as usize].queue.consume(&mut self.buffers, count);
    }

    pub(super) fn clear_queue(&mut self, slot: Slot) {
        self.slots[slot as usize].queue.clear(&mut self.buffers);
    }

    /// How long a text the private queue of a connection would take.
    pub(crate) fn queue_free(&self, slot: Slot) -> usize {
        self[slot].queue.free(&self.buffers)
    }

    // --- Names ---

    pub(crate) fn name(&self, slot: Slot) -> Name {
        Name::from_slice(self[slot].name.as_bytes()).unwrap_or_default()
    }

    /// Gives a connection a name that nobody else has.
    pub(crate) fn set_name(&mut self, slot: Slot, name: &str) {
        self.unname(slot);
        self.enter_name(slot, name);
        self[slot].name.set(name.as_bytes());
        if let Some(guest) = self.guest_number(name.as_bytes()) {
            self[guest].guest_taken = true;
        }
    }

    /// Gives the lowest free `guest-N`.
    pub(crate) fn set_guest_name(&mut self, slot: Slot) {
        let free = (self.guest_hint as usize..self.slots.len()).find(|&n| !self.slots[n].guest_taken);
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

    fn unname(&mut self, slot: Slot) {
        let name = self.name(slot);
        if name.is_empty() {
            return;
        }
        self.remove_name(slot);
        if let Some(guest) = self.guest_number(&name) {
            self[guest].guest_taken = false;
            self.guest_hint = self.guest_hint.min(guest);
        }
        self[slot].name.clear();
    }

    /// N - 1 if the name is `guest-N`, and newcomers can get this N.
    fn guest_number(&self, name: &[u8]) -> Option<u32> {
        let (guest, number) = name.split_at_checked(6)?;
        let number = core::str::from_utf8(number).ok()?;
        let number: u32 = (number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0'))
            .then(|| number.parse().ok())??;
        (guest.eq_ignore_ascii_case(b"guest-") && number as usize <= self.slots.len()).then(|| number - 1)
    }

    // --- As bytes ---

    /// The connections in the slots that are or were in use. Who can be found by a name or an address,
    /// and which numbers of guests are free, follows from them.
    #[cfg(feature = "save")]
    pub(super) fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let Self { slots, buffers, index: _, count, free, unused, guest_hint: _, next_identity } = self;
        count.visit(visitor)?;
        free.visit(visitor)?;
        unused.visit(visitor)?;
        visitor.counter(next_identity)?;
        for conn in slots.get_mut(..*unused as usize).ok_or(Damaged)? {
            conn.visit(visitor, buffers)?;
        }
        if visitor.is_reading() {
            self.check_slots()?;
            self.slots().try_for_each(|slot| self.enter_again(slot))?;
        }
        Ok(())
    }

    /// Checks that each slot is taken, or free to be taken once.
    #[cfg(feature = "save")]
    fn check_slots(&self) -> Result<(), Damaged> {
        let used = &self.slots[..self.unused as usize];
        let next_free = |conn: &Conn<'_>| match conn.state {
            State::Free { next } => Some(next),
            _ => None,
        };
        let free = used.iter().filter_map(next_free).count();
        check_list(self.free, free, |slot| next_free(used.get(slot as usize)?))?;
        ensure(used.len() - free == self.count as usize)
    }

    /// Enters a connection that was read into the indices.
    #[cfg(feature = "save")]
    fn enter_again(&mut self, slot: Slot) -> Result<(), Damaged> {
        if matches!(self[slot].state, State::Free { .. }) {
            return Ok(());
        }
        self.enter_address(slot);
        let name = self.name(slot);
        let name = core::str::from_utf8(&name).map_err(|_| Damaged)?;
        if !name.is_empty() {
            self.enter_name(slot, name);
        }
        if let Some(guest) = self.guest_number(name.as_bytes()) {
            self[guest].guest_taken = true;
        }
        Ok(())
    }
}
