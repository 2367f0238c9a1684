//! The hub of parlour as a state machine: many connections, rooms, and what one
//! says reaches the others. No I/O, no clock, no allocation, no `unsafe`: a *driver*
//! tells it what happened and does what it asks for. The same core runs under
//! select(2) on a server, under smoltcp on a microcontroller, and in a simulator.
//!
//! # The picture
//!
//! ```text
//!                          the log of a room, a ring of bytes
//!  line of alice           ┌──────────┬─────────┬──────────┬──────────────┐
//!  ───────────────────────►│<bob> yes │<eve> hm │<alice> hi│ free         │
//!      appended once       └──────────┴─▲───────┴──────────┴▲─────────────┘
//!                                       │                   │
//!                          bob's cursor ┘                   └ carol's and alice's cursors:
//!                          (here the log is held)             nothing waits for them
//! ```
//!
//! **A broadcast is one append**, whatever the number of listeners. What waits for
//! a connection is what lies between its cursor and the end of the log: one piece
//! of memory, or two where the ring wraps, sent by one vectored write however
//! many messages it holds. Beside the bytes stands an index of *records*. With it
//! a cursor jumps over the connection's own records; and with the sequence numbers
//! that all rooms share, cursors in several rooms are merged into one order. A record
//! that stands in several rooms under one number, because one event concerns them
//! all, goes out once.
//!
//! **A private queue** for each connection holds what is for it alone: replies,
//! direct messages, echoed bytes. Each entry bears the sequence number at which
//! it was made and goes out in that place among the records.
//!
//! **The log is finite**, and nothing in it is overwritten that somebody still has
//! to read. A room that has no place for the longest line is closed: what its members say waits,
//! TCP slows the senders down, and nothing is lost.
//!
//! **A room has patience**, at most the grace. It is used up while the room is closed, and comes
//! back sixteen times slower while it is open. When it is used up, the members that hold the log are
//! disconnected or, where a gap does no harm, moved on to what is current and told how much they
//! missed ([`OnLag`]), until there is place. A wait of at most 200 ms that ends because they have
//! read is free, if all that wait have their turn then: so a receiver that is slower than the
//! senders, but steady, sets the pace.
//! It is the room that is patient, not each member, so nobody gets more of it by reading a
//! byte, by coming back, or by bringing others.
//!
//! **Turns are fair.** While its room is closed a member may hand in one line more; it
//! is said when the room opens, in the order in which they came. So nobody speaks twice
//! before another has spoken once.
//!
//! **Work is bounded.** No call of [`Hub::handle`] does something for more than some hundred
//! connections, whatever the event: what is left is done by the next ones, for which
//! [`Hub::next_deadline`] asks at once. [`Hub::next_changed`] lets the members of busy rooms, and
//! connections with something of their own, take turns; so a driver may stop in the midst of it and
//! see who else is ready.
//!
//! **Followers that are no sockets**, such as an operator's console, are connections
//! too: to a listener of [`Protocol::Console`], unseen by the others, with a cursor
//! in each room that they watch and under the same rules of lag.
//!
//! **Memory** is what [`Storage`] was given at the start, as large as [`Limits`]
//! say: for 100,000 connections or for 8.
//!
//! # The driver's part
//!
//! Bytes, readiness and time go in by [`Hub::handle`]; after a turn of events the
//! driver asks what has changed and does it. Everything is level-triggered, peek and
//! commit: [`Event::Received`] answers how many bytes were taken, and the driver
//! keeps the others (in its socket, if that can be); [`Hub::transmit`] lends
//! bytes, and [`Event::Sent`] says how many of them went. No event is wrong in any
//! state: the id of a connection that is gone is ignored.
//!
//! A whole driver, for a network of one peer that has typed its lines already:
//!
//! ```
//! use parlour_core::*;
//!
//! let limits = Limits {
//!     conns: 4, rooms: 2, rooms_per_conn: 2, name: 32, line: 128, queue: 512, log: 4096, records: 64,
//! };
//! let mut conns = [const { Conn::EMPTY }; 4];
//! let mut members = [const { Member::EMPTY }; 8];
//! let mut rooms = [const { Room::EMPTY }; 2];
//! let (mut order, mut records) = ([0; 16], [[0; 2]; 128]);
//! let mut bytes = vec![0; limits.bytes()];
//! let storage = Storage {
//!     conns: &mut conns,
//!     members: &mut members,
//!     rooms: &mut rooms,
//!     order: &mut order,
//!     records: &mut records,
//!     bytes: &mut bytes,
//! };
//! let chat = [Listener::new(Protocol::Chat)];
//! let mut hub = Hub::new(Config::new(&chat), limits, storage).unwrap();
//!
//! let (mut received, mut sent) = (b"/nick alice\nhello\n/quit\n".to_vec(), Vec::new());
//! let mut now = Instant::from_millis(0);
//! hub.handle(now, Event::Accepted(ListenerId(0), None)).opened().unwrap();
//! while hub.count() > 0 {
//!     // What changed wants something: to be read, to be written to, to be closed.
//!     while let Some(conn) = hub.next_changed() {
//!         if hub.interest(conn).read > 0 && !received.is_empty() {
//!             let taken = hub.handle(now, Event::Received(conn, &received)).taken();
//!             received.drain(..taken);
//!         }
//!         let count = hub.transmit(conn).map(|slice| sent.extend_from_slice(slice)).count();
//!         if count > 0 {
//!             hub.handle(now, Event::Sent(conn, sent.len())); // a real socket may take less
//!             print!("{}", String::from_utf8_lossy(&std::mem::take(&mut sent)));
//!         }
//!         match hub.interest(conn).close {
//!             Close::No => {}
//!             Close::Write => drop(hub.handle(now, Event::PeerClosed(conn))), // this peer closes as well
//!             Close::Full | Close::Abort => drop(hub.handle(now, Event::Closed(conn))),
//!         }
//!     }
//!     // Nothing is ready: a real driver waits for its sockets here, but no longer than this.
//!     now = hub.next_deadline().unwrap_or(now);
//!     hub.handle(now, Event::Tick);
//! }
//! assert_eq!(hub.stats().accepted, 1);
//! ```
//!
//! The driver of smoltcp hands a socket's receive buffer to `Received` and dequeues
//! what was taken; the driver of select(2) reads into one buffer for all and keeps
//! leftovers. A connection without read interest is not read, and the interest says
//! how much it makes sense to offer.
//! A simulator makes the events up, and so do the fuzzer and the replay of a trace.
//!
//! # The rooms of this house
//!
//! From the ground up; each imports only from below.
//!
//! ```text
//! event, name, limits  the vocabulary: ids, time, events, rules for names, sizes, choices
//! text                 bounded text, and what of it may be shown
//! account, notices     what one client, and one address, may do
//! patience             how long a room waits
//! sorted               a table in an order
//! log, queue, line     a room's log; a private queue; lines from bytes
//! conn, room           the two tables, connections and rooms, with the memberships that tie them
//! waiting              whose line waits for a room
//! worklist             which connections and rooms have something to do
//! deadlines            which connections will have, and when
//! exchange, transmit   what can be done with all that; what goes out next
//! protocol/*           what the bytes of a listener mean
//! hub                  events in; interest, bytes, deadlines out
//! ```
//!
//! A small board leaves out the feature `large`. Then `unbounded` stands in place of `account`: no
//! client and no address is limited. And `exchange/scan` stands in place of `exchange/index`: a name
//! is found by a look at each connection.
//!
//! A new protocol is a file in `protocol/`, a line in its table and one in
//! [`Protocol`].
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(all(feature = "relay", feature = "console")),
    allow(dead_code, reason = "some things are for a protocol that was not built in")
)]

#[cfg_attr(not(feature = "large"), path = "unbounded.rs")]
mod account;
mod conn;
mod deadlines;
mod event;
mod exchange;
mod hub;
mod limits;
mod line;
mod log;
mod name;
mod notices;
mod patience;
mod protocol;
mod queue;
mod room;
#[cfg(feature = "large")]
mod sorted;
mod text;
mod transmit;
mod waiting;
mod worklist;

pub use conn::Conn;
pub use event::{Cause, Close, ConnId, Event, Instant, Interest, ListenerId, Outcome, Refusal};
pub use exchange::Stats;
pub use hub::{Hub, Storage};
pub use limits::{
    Bound, Config, Direction, LABEL_BYTES, Limits, LimitsError, Listener, OnLag, Protocol, RelayRules,
};
pub use name::{BadName, Looks, NAME_BYTES, NAME_CHARS, NameRules, RESERVED};
pub use room::{Member, Room};
pub use transmit::{Source, Transmit};
