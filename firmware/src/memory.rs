//! All memory of the program. Each part is a static of its own, so the bill of memory can name it.
//!
//! A static that is not zero at first takes flash as well. So the tables are empty vectors, and the
//! program fills them when it starts.

use parlour_boards::Board;
use parlour_core::{CatchUp, Conn, Limits, Listener, Member, RECORD_WORDS, Room, Storage};
use parlour_firmware::{GREETING, limits, services, socket_options, sockets};
#[cfg(feature = "sessions")]
use parlour_smoltcp::Session;
use parlour_smoltcp::{Driver, Links, SocketOptions};
use smoltcp::iface::{Interface, SocketStorage};
use static_cell::ConstStaticCell;

use crate::boards;
use crate::choices::MAX_CONNS;

/// The board that the program is built for.
pub(crate) const BOARD: &Board = parlour_boards::named(boards::NAME).expect("a row in the table of boards");

const LIMITS: Limits = limits(BOARD, MAX_CONNS);
/// The driver's sockets.
const LINK_COUNT: usize = SocketOptions::links(&services(BOARD, MAX_CONNS));
const ALL_SOCKETS: usize = sockets(BOARD, MAX_CONNS);
const BUFFER_BYTES: usize = socket_options(BOARD).bytes(&services(BOARD, MAX_CONNS));

#[cfg(feature = "sessions")]
const SESSION_BYTE_COUNT: usize = parlour_firmware::session_options(BOARD).bytes(BOARD.sizes.sessions);
const _: () = assert!(
    cfg!(feature = "sessions") == (BOARD.sizes.sessions > 0),
    "a board has the feature `sessions` if it has memory for some",
);

type Filled<T, const N: usize> = ConstStaticCell<heapless::Vec<T, N>>;

static CONNS: Filled<Conn<'static>, { LIMITS.conns }> = ConstStaticCell::new(heapless::Vec::new());
static MEMBERS: Filled<Member, { LIMITS.members }> = ConstStaticCell::new(heapless::Vec::new());
static CATCH_UPS: Filled<CatchUp, { LIMITS.catch_ups }> = ConstStaticCell::new(heapless::Vec::new());
static ROOMS: Filled<Room<'static>, { LIMITS.rooms }> = ConstStaticCell::new(heapless::Vec::new());
static ORDER: ConstStaticCell<[u32; LIMITS.order()]> = ConstStaticCell::new([0; LIMITS.order()]);
static RECORDS: ConstStaticCell<[[u64; RECORD_WORDS]; LIMITS.all_records()]> =
    ConstStaticCell::new([[0; RECORD_WORDS]; LIMITS.all_records()]);
static BYTES: ConstStaticCell<[u8; LIMITS.bytes()]> = ConstStaticCell::new([0; LIMITS.bytes()]);
static SOCKETS: Filled<SocketStorage<'static>, ALL_SOCKETS> = ConstStaticCell::new(heapless::Vec::new());
static SOCKET_BUFFERS: ConstStaticCell<[u8; BUFFER_BYTES]> = ConstStaticCell::new([0; BUFFER_BYTES]);
static LINKS: ConstStaticCell<Links<LINK_COUNT>> = ConstStaticCell::new(Links::new());
#[cfg(feature = "sessions")]
static SESSIONS: Filled<Session<'static>, { BOARD.sizes.sessions }> =
    ConstStaticCell::new(heapless::Vec::new());
#[cfg(feature = "sessions")]
static SESSION_BYTES: ConstStaticCell<[u8; SESSION_BYTE_COUNT]> =
    ConstStaticCell::new([0; SESSION_BYTE_COUNT]);
static DRIVER: ConstStaticCell<Option<Driver<'static>>> = ConstStaticCell::new(None);
static INTERFACE: ConstStaticCell<Option<Interface>> = ConstStaticCell::new(None);
static LISTENERS: ConstStaticCell<Option<[Listener; 2]>> = ConstStaticCell::new(None);
static GREETING_TEXT: ConstStaticCell<Option<heapless::String<GREETING>>> = ConstStaticCell::new(None);

/// The statics, ready to be used.
pub(crate) struct Statics {
    pub(crate) sockets: &'static mut [SocketStorage<'static>],
    pub(crate) interface: &'static mut Option<Interface>,
    pub(crate) driver: DriverStatics,
}

/// The memory of the driver and its hub.
pub(crate) struct DriverStatics {
    pub(crate) storage: Storage<'static>,
    pub(crate) buffers: &'static mut [u8],
    pub(crate) links: &'static mut Links<LINK_COUNT>,
    #[cfg(feature = "sessions")]
    pub(crate) sessions: (&'static mut [Session<'static>], &'static mut [u8]),
    pub(crate) driver: &'static mut Option<Driver<'static>>,
    pub(crate) listeners: &'static mut Option<[Listener; 2]>,
    pub(crate) greeting: &'static mut Option<heapless::String<GREETING>>,
}

/// Takes all of it. Call it once.
pub(crate) fn take() -> Statics {
    let driver = DriverStatics {
        storage: Storage {
            conns: fill(&CONNS, || Conn::EMPTY),
            members: fill(&MEMBERS, || Member::EMPTY),
            catch_ups: fill(&CATCH_UPS, || CatchUp::EMPTY),
            rooms: fill(&ROOMS, || Room::EMPTY),
            order: ORDER.take(),
            records: RECORDS.take(),
            bytes: BYTES.take(),
        },
        buffers: SOCKET_BUFFERS.take(),
        links: LINKS.take(),
        #[cfg(feature = "sessions")]
        sessions: (fill(&SESSIONS, || Session::EMPTY), SESSION_BYTES.take()),
        driver: DRIVER.take(),
        listeners: LISTENERS.take(),
        greeting: GREETING_TEXT.take(),
    };
    Statics { sockets: fill(&SOCKETS, || SocketStorage::EMPTY), interface: INTERFACE.take(), driver }
}

fn fill<T: Send, const N: usize>(vector: &'static Filled<T, N>, empty: impl Fn() -> T) -> &'static mut [T] {
    let vector = vector.take();
    while vector.push(empty()).is_ok() {}
    vector
}
