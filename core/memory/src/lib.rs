//! The memory of a hub, from the heap. The core itself never allocates: it borrows all of its
//! memory from its driver.
//!
//! ```
//! use parlour_core::{Config, Hub, Limits, Listener, Protocol};
//! use parlour_memory::Memory;
//!
//! let limits = Limits {
//!     conns: 4, rooms: 2, rooms_per_conn: 2, members: 8, catch_ups: 4, name: 32, line: 128, queue: 512,
//!     proposals: 0, log: 4096, records: 64, followers: 0, rings: 0,
//! };
//! let chat = [Listener::new(Protocol::Chat)];
//! let mut memory = Memory::new(&limits);
//! let hub = Hub::new(Config::new(&chat), limits, memory.storage()).unwrap();
//! assert_eq!(hub.count(), 0);
//! ```
#![forbid(unsafe_code)]

use parlour_core::{CatchUp, Conn, Limits, Member, RECORD_WORDS, Room, Storage};

/// All the memory of a hub.
#[derive(Debug)]
pub struct Memory<'a> {
    conns: Vec<Conn<'a>>,
    members: Vec<Member>,
    catch_ups: Vec<CatchUp>,
    rooms: Vec<Room<'a>>,
    order: Vec<u32>,
    records: Vec<[u64; RECORD_WORDS]>,
    bytes: Vec<u8>,
}

impl<'a> Memory<'a> {
    /// Allocates the memory of a hub with these limits. The system provides the pages of bytes and
    /// records when they are first used, so unused ones cost nothing.
    pub fn new(limits: &Limits) -> Self {
        fn filled<T>(count: usize, empty: impl FnMut() -> T) -> Vec<T> {
            std::iter::repeat_with(empty).take(count).collect()
        }
        Self {
            conns: filled(limits.conns, || Conn::EMPTY),
            members: filled(limits.members, || Member::EMPTY),
            catch_ups: filled(limits.catch_ups, || CatchUp::EMPTY),
            rooms: filled(limits.all_rooms(), || Room::EMPTY),
            order: vec![0; limits.order()],
            records: vec![[0; RECORD_WORDS]; limits.all_records()],
            bytes: vec![0; limits.bytes()],
        }
    }

    /// Whether the system has so much memory for a hub with these limits.
    pub fn suffices(limits: &Limits) -> bool {
        let parts = [
            limits.conns.saturating_mul(size_of::<Conn<'_>>()),
            limits.members.saturating_mul(size_of::<Member>()),
            limits.catch_ups.saturating_mul(size_of::<CatchUp>()),
            limits.all_rooms().saturating_mul(size_of::<Room<'_>>()),
            limits.order().saturating_mul(size_of::<u32>()),
            limits.all_records().saturating_mul(size_of::<[u64; RECORD_WORDS]>()),
            limits.bytes(),
        ];
        let all = parts.into_iter().fold(0_usize, usize::saturating_add);
        Vec::<u8>::new().try_reserve_exact(all).is_ok()
    }

    /// Lends the memory to a hub.
    pub fn storage(&'a mut self) -> Storage<'a> {
        Storage {
            conns: &mut self.conns,
            members: &mut self.members,
            catch_ups: &mut self.catch_ups,
            rooms: &mut self.rooms,
            order: &mut self.order,
            records: &mut self.records,
            bytes: &mut self.bytes,
        }
    }
}
