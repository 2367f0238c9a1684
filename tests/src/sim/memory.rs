//! The memory of a hub in a test, owned by whoever runs it.

use parlour_core::{Conn, Limits, Listener, Member, Record, Room, Storage};

/// Everything that a hub borrows; empty until a hub is made in it.
#[derive(Debug, Default)]
pub struct Memory<'a> {
    listeners: Vec<Listener>,
    conns: Vec<Conn<'a>>,
    members: Vec<Member>,
    rooms: Vec<Room<'a>>,
    records: Vec<Record>,
    bytes: Vec<u8>,
}

impl<'a> Memory<'a> {
    /// Makes place for a hub of these limits and listeners, and lends it.
    pub fn lend(&'a mut self, limits: &Limits, listeners: &[Listener]) -> (&'a [Listener], Storage<'a>) {
        fn filled<T>(count: usize, empty: impl FnMut() -> T) -> Vec<T> {
            std::iter::repeat_with(empty).take(count).collect()
        }
        *self = Self {
            listeners: listeners.to_vec(),
            conns: filled(limits.conns, || Conn::EMPTY),
            members: filled(limits.members(), || Member::EMPTY),
            rooms: filled(limits.rooms, || Room::EMPTY),
            records: filled(limits.all_records(), || Record::EMPTY),
            bytes: vec![0; limits.bytes()],
        };
        let storage = Storage {
            conns: &mut self.conns,
            members: &mut self.members,
            rooms: &mut self.rooms,
            records: &mut self.records,
            bytes: &mut self.bytes,
        };
        (&self.listeners, storage)
    }
}
