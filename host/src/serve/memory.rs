//! The hub's memory on a host: allocated once, at the start.

use std::collections::TryReserveError;

use parlour_core::{Conn, Limits, Member, Record, Room, Storage};

/// Everything that a hub of some limits needs.
#[derive(Debug)]
pub struct Memory<'a> {
    conns: Vec<Conn<'a>>,
    members: Vec<Member>,
    rooms: Vec<Room<'a>>,
    records: Vec<Record>,
    bytes: Vec<u8>,
}

impl<'a> Memory<'a> {
    /// Whether there is as much memory as the limits ask for.
    ///
    /// # Errors
    /// There is not.
    pub fn check(limits: &Limits) -> Result<(), TryReserveError> {
        let records = limits.all_records().saturating_mul(size_of::<Record>());
        Vec::<u8>::new().try_reserve_exact(limits.bytes().saturating_add(records))
    }

    /// Allocates it. The bytes are zeroed by the kernel when they are first
    /// touched: buffers that nobody uses cost nothing.
    pub fn new(limits: &Limits) -> Self {
        fn filled<T>(count: usize, empty: impl FnMut() -> T) -> Vec<T> {
            std::iter::repeat_with(empty).take(count).collect()
        }
        Self {
            conns: filled(limits.conns, || Conn::EMPTY),
            members: filled(limits.members(), || Member::EMPTY),
            rooms: filled(limits.rooms, || Room::EMPTY),
            records: filled(limits.all_records(), || Record::EMPTY),
            bytes: vec![0; limits.bytes()],
        }
    }

    /// Lends it to a hub.
    pub fn storage(&'a mut self) -> Storage<'a> {
        Storage {
            conns: &mut self.conns,
            members: &mut self.members,
            rooms: &mut self.rooms,
            records: &mut self.records,
            bytes: &mut self.bytes,
        }
    }
}
