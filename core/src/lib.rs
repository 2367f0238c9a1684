//! The hub of parlour as a state machine: many connections share rooms, and what one
//! client says reaches the others. No I/O, no clock, no allocation, no `unsafe`. A *driver*
//! tells the hub what happened, and does what the hub asks for. The same core runs under
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
//! **A broadcast is one append**, whatever the number of receivers. Everything after a
//! connection's cursor still has to be sent to it. That is one piece of memory, or two
//! where the ring wraps. One vectored write sends it, however many messages it holds.
//! Beside the bytes is an index of *records*: who said it, when, what kind of record it is, and which
//! part of the bytes is the text ([`Record`]). With the index, a cursor jumps over the
//! connection's own records. All rooms share one series of sequence numbers, which merges
//! a connection's cursors in several rooms into one order. If one event concerns several
//! rooms, its record has the same number in each of them, and a connection gets it once.
//!
//! **A private queue** for each connection holds what is for it alone: replies,
//! direct messages, echoed bytes. Each entry has the sequence number at which it was made,
//! and goes out in that place among the records.
//!
//! **A record is stored once.** What a kind of client sees is an [`Encoding`] of it. The chat's lines are the
//! record itself. If a member of a room has another encoding, the room has a *ring* for it: one more log, in
//! which each record is rendered once, however many read it ([`Limits::rings`]).
//!
//! **The log is finite**, and the hub overwrites nothing that a member still has to read.
//! If a room has no space for the longest line, it is closed: its members' lines wait, TCP
//! slows the senders down, and nothing is lost.
//!
//! **A room has patience**, at most the grace period. A closed room uses it up. While the room
//! is open, the patience comes back sixteen times slower. When it is used up, the members that
//! hold the log are disconnected. Where a gap does no harm, they may jump ahead instead, and are
//! told how much they missed ([`OnLag`]). A short wait costs no patience: at most 200 ms, ended because
//! they have read, and followed by a turn for all members that waited. So a receiver that is slow but
//! steady sets the pace. For members that the driver can show later what they missed ([`OnLag::Replay`]), a
//! room waits no longer than such a moment.
//! The room has the patience, not each member. So a client does not get more of it by reading a
//! byte, by connecting again, or by bringing others.
//!
//! **Turns are fair.** While a room is closed, each member may hand in one more line. When the
//! room opens, it gets these lines in the order in which they arrived. So no member speaks twice
//! before the others have spoken once.
//!
//! **Work is bounded.** One call of [`Hub::handle`] works for a few hundred connections at most,
//! whatever the input. The next calls do the rest, and [`Hub::next_deadline`] asks for them at
//! once. In [`Hub::next_output`], the members of busy rooms take turns with connections that have
//! something of their own. So a driver may stop in the middle and see which others are ready.
//!
//! **Followers** read records without being a connection: an operator's console, a journal, a bridge. A
//! follower reads all rooms, or some, in the order of the sequence numbers ([`Hub::read`]). When it
//! has done with a record, it commits it ([`Input::Committed`]). Until then the record is held. If a
//! follower keeps a room closed for longer than its own grace, it jumps ahead, and reads how much it
//! lost ([`Lost`]).
//!
//! **Catch-up.** A member reads the log from a cursor, and holds what comes after it. Or it is behind: it
//! has only the sequence number up to which it has read, and holds nothing. What it has not read then goes
//! out through its private queue, marked as past, until its cursor is in the log again. Newcomers are shown the last messages of their
//! room in this way ([`Config::history`]), and so are members that are too slow ([`OnLag::Replay`]).
//! A client whose peer cannot be reached for a while is behind too, and is told later what it missed, unmarked
//! ([`Input::Away`]).
//! The hub takes what they need from the log as long as it is there. When it is overwritten, the hub asks
//! the driver for it ([`Output::Wanted`], [`Input::Page`]). Clients that ask for old messages, or for those with
//! some words ([`Hub::words`]), are told them in the same way, but stay in the log where they are.
//!
//! **Proposals.** Alone, a hub appends what a client says at once. If somebody else decides the order, a
//! journal that stores first, or a cluster, the hub hands each line to the driver
//! ([`Hub::next_proposal`]), and appends it when the driver gives it back ([`Input::Decided`]).
//!
//! **Memory** comes from [`Storage`] at the start. [`Limits`] says how much: for 100,000
//! connections or for 8.
//!
//! # The driver's part
//!
//! Bytes, readiness and time go in through [`Hub::handle`]. After a turn of inputs the
//! driver asks for the outputs, and acts on each. It may do so later: [`Hub::interest`] and [`Hub::transmit`]
//! say at any time what is wanted now, and nothing is gone before the driver says that it was done.
//! [`Input::Received`] answers how many bytes the hub took, and the driver keeps the
//! others (in its socket, if possible). [`Hub::send`] lends bytes to a function, which returns how many
//! of them were sent. [`Hub::transmit`] and [`Input::Sent`] are the two halves of that, for a trace. Every input is allowed in every state: the hub ignores the id of
//! a connection that is gone.
//!
//! A whole driver, for a network of one peer that has already typed its lines:
//!
//! ```
//! use parlour_core::*;
//!
//! let limits = Limits {
//!     conns: 4, rooms: 2, rooms_per_conn: 2, members: 8, catch_ups: 4, name: 32, line: 128, queue: 512,
//!     proposals: 0, log: 4096, records: 64, followers: 0, rings: 0,
//! };
//! let mut conns = [const { Conn::EMPTY }; 4];
//! let mut members = [const { Member::EMPTY }; 8];
//! let mut catch_ups = [CatchUp::EMPTY; 4];
//! let mut rooms = [const { Room::EMPTY }; 2];
//! let (mut order, mut records) = ([0; 16], [[0; RECORD_WORDS]; 128]);
//! let mut bytes = vec![0; limits.bytes()];
//! let storage = Storage {
//!     conns: &mut conns,
//!     members: &mut members,
//!     catch_ups: &mut catch_ups,
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
//! hub.handle(now, Input::Accepted { listener: ListenerId(0), peer: None }).opened().unwrap();
//! while hub.count() > 0 {
//!     // What changed wants something: to be read, to be written to, to be closed.
//!     while let Some(output) = hub.next_output() {
//!         let Output::Changed { conn } = output else { continue };
//!         if hub.interest(conn).read > 0 && !received.is_empty() {
//!             let taken = hub.handle(now, Input::Received { conn, bytes: &received }).taken();
//!             received.drain(..taken);
//!         }
//!         let count = hub.transmit(conn).map(|slice| sent.extend_from_slice(slice)).count();
//!         if count > 0 {
//!             hub.handle(now, Input::Sent { conn, count: sent.len() }); // a real socket may take less
//!             print!("{}", String::from_utf8_lossy(&std::mem::take(&mut sent)));
//!         }
//!         match hub.interest(conn).close {
//!             Close::No => {}
//!             Close::Write => drop(hub.handle(now, Input::PeerClosed { conn })), // this peer closes as well
//!             Close::Full | Close::Abort => drop(hub.handle(now, Input::Closed { conn })),
//!         }
//!     }
//!     // Nothing is ready: a real driver waits for its sockets here, but no longer than this.
//!     now = hub.next_deadline().unwrap_or(now);
//!     hub.handle(now, Input::Tick);
//! }
//! assert_eq!(hub.stats().accepted, 1);
//! ```
//!
//! The driver of smoltcp hands a socket's receive buffer to `Received` and dequeues the
//! bytes that the hub took. The driver of select(2) reads into one buffer for all connections,
//! and keeps leftovers. A driver does not read from a connection without read interest. The
//! interest also says how many bytes to offer.
//! A simulator makes up the inputs. So do the fuzzer and the replay of a trace.
//!
//! # The rooms of this house
//!
//! From the ground up. Each module imports only from those above it in this list.
//!
//! ```text
//! ids, name            the vocabulary: ids, time, causes, rules for names
//! clock                the time of day
//! record, encoding/*   what was said, and how a kind of client sees it
//! config, limits       choices and sizes
//! io                   what the driver tells the hub, and what the hub asks of it
//! text                 bounded text, and which characters may be shown
//! save                 a hub as bytes
//! account, notices     how much one client, and one address, may do
//! patience             how long a room waits
//! sorted, by_looks     a table in an order; one in the order of what names look like
//! log, queue, line     a room's log; a private queue; lines from bytes
//! session              what a protocol keeps for a connection
//! conn, room           one connection; one room, and one membership, which ties the two
//! timeline             what a follower still has to read
//! waiting              whose line waits for a room
//! worklist             which connections and rooms have something to do
//! deadlines            when each connection will have something to do
//! exchange/*           the tables of all that, and the operations on them; what goes out next
//! protocol/*           what the bytes of a listener mean
//! hub                  inputs in; interest, bytes, deadlines out
//! ```
//!
//! A small board leaves out the feature `large`. Then `unbounded` replaces `account`, and no
//! client and no address has a limit. Files called `scan` replace those called `index`: to find a name,
//! the hub looks at each connection. `every` replaces `active`: a connection has few rooms, and the hub looks at
//! each of them.
//!
//! With the feature `save`, a hub becomes bytes (`Hub::save`), and bytes become a hub (`Hub::restore`), in
//! memory of the same size or more. Each type has a `visit` beside its fields, which does both. A new field
//! needs a line there.
//!
//! # Where new things go
//!
//! A **protocol**, such as IRC, needs a file in `protocol/` that implements `Behaviour`, a line in the
//! table there, one in [`Protocol`], and one in `session` for what it keeps for each connection. It acts
//! through the verbs of the exchange alone. A driver that finds out later what a client speaks hands the
//! client on ([`Input::Speaks`]).
//!
//! An **encoding**, such as JSON or IRC's lines, implements [`Encoding`], in any crate.
//!
//! A **journal** or a bridge is a driver's: a follower that reads everything ([`Scope::All`]), and pages
//! for those that are behind.
//!
//! A **board** needs no change here. It is a driver, and [`Limits`].
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(all(feature = "relay", feature = "console")),
    allow(dead_code, reason = "some things are for a protocol that was not built in")
)]

#[cfg_attr(not(feature = "large"), path = "unbounded.rs")]
mod account;
#[cfg(feature = "large")]
mod by_looks;
mod clock;
mod config;
mod conn;
mod deadlines;
mod encoding;
mod exchange;
mod hub;
mod ids;
mod io;
mod limits;
mod line;
mod log;
mod name;
mod notices;
mod patience;
mod protocol;
mod queue;
mod record;
mod room;
#[cfg(feature = "save")]
mod save;
mod session;
#[cfg(feature = "large")]
mod sorted;
mod text;
#[cfg(feature = "console")]
mod timeline;
mod waiting;
mod worklist;

pub use config::{Bound, Config, Direction, Joining, LABEL_BYTES, Listener, OnLag, Protocol, RelayRules};
pub use conn::Conn;
pub use encoding::{Encoding, Sink};
#[cfg(feature = "large")]
pub use exchange::Proposal;
pub use exchange::{CatchUp, Stats, Transmit};
pub use hub::{Hub, ReconfigureError, Storage};
#[cfg(feature = "console")]
pub use ids::FollowerId;
pub use ids::{Cause, ConnId, Instant, ListenerId};
pub use io::{Answer, Close, Input, Interest, Output, Refusal};
#[cfg(feature = "console")]
pub use io::{Following, Scope};
#[cfg(feature = "large")]
pub use io::{Span, Wanted};
pub use limits::{Limits, LimitsError};
pub use log::RECORD_WORDS;
pub use name::{BadName, Looks, NAME_BYTES, NAME_CHARS, NameRules, RESERVED};
#[cfg(feature = "console")]
pub use protocol::console::console_commands;
#[cfg(feature = "console")]
pub use record::{Followed, Lost};
pub use record::{Identity, Kind, Place, Record, RoomRef};
pub use room::{Member, Room};
#[cfg(feature = "save")]
pub use save::RestoreError;
