//! How large the hub of a board is: its limits, services and sockets. All of it follows from
//! the board's row in the table, and is known when the program is built.
//!
//! The program, its runner and the tests share it. It knows no board by name.
#![no_std]
#![forbid(unsafe_code)]

use parlour_boards::Board;
#[cfg(feature = "sessions")]
use parlour_core::ListenerId;
use parlour_core::{Limits, Listener, OnLag, Protocol};
#[cfg(feature = "sessions")]
use parlour_smoltcp::SessionOptions;
use parlour_smoltcp::{Service, SocketOptions};

/// Ports of the services, chat and echo.
pub const PORTS: [u16; 2] = [5000, 7];

/// Bytes of the longest greeting.
pub const GREETING: usize = 96;

/// One of so many clients can change rooms at once. Each has two memberships until it has received what
/// was said in the room that it left.
const MOVING: usize = 4;

/// Clients that can catch up at once, besides those that come back. A newcomer takes milliseconds to read the little that a log holds,
/// unless it does not read. If all places are taken, a newcomer is shown nothing of what was said before,
/// and a client that is too slow is disconnected.
const CATCHING_UP: usize = 4;

/// Bytes that an entry of a private queue takes besides its text.
const ENTRY: usize = 12;

/// The limits of a board's hub for this many chat clients.
pub const fn limits(board: &Board, max_conns: usize) -> Limits {
    let sizes = &board.sizes;
    let limits = Limits {
        conns: max_conns + sizes.echoes,
        rooms: sizes.rooms,
        rooms_per_conn: 2,
        members: max_conns + sizes.echoes + max_conns.div_ceil(MOVING),
        catch_ups: CATCHING_UP + sizes.sessions,
        name: sizes.name,
        line: sizes.line,
        queue: 0,
        proposals: 0,
        log: sizes.log,
        records: sizes.records,
        followers: 0,
        rings: 0,
    };
    // As small as possible. Text for one client alone then goes out in pieces.
    let queue = limits.longest() + ENTRY;
    Limits { queue, ..limits }
}

/// The services of a board: chat for this many clients, and echo for some.
pub const fn services(board: &Board, max_conns: usize) -> [Service; 2] {
    let refusals = board.sizes.refusals;
    [
        Service { port: PORTS[0], clients: max_conns, refusals },
        Service { port: PORTS[1], clients: board.sizes.echoes, refusals },
    ]
}

/// The places that the program needs in a socket set: the driver's, and one for DHCP.
pub const fn sockets(board: &Board, max_conns: usize) -> usize {
    SocketOptions::links(&services(board, max_conns)) + 1
}

/// The buffers and times of the driver's sockets.
pub const fn socket_options(board: &Board) -> SocketOptions {
    SocketOptions::new(board.sizes.receive, board.sizes.send)
}

/// The sessions of a board that has some: those of the chat.
#[cfg(feature = "sessions")]
pub const fn session_options(board: &Board) -> SessionOptions {
    SessionOptions::new(ListenerId(0), board.sizes.session_window)
}

/// The hub's listeners for the services.
pub const fn listeners(on_lag: OnLag) -> [Listener; 2] {
    [Listener { on_lag, ..Listener::new(Protocol::Chat) }, Listener::new(Protocol::Echo)]
}
