//! Traces: all that a driver told its hub, in a file, so that the same can happen again.
//!
//! [`Taped`] is a hub that a driver uses in place of the [`Hub`](parlour_core::Hub). It lends all getters of the
//! hub, and has every method that changes it. So nothing that changes the hub can go past the tape. A [`Writer`]
//! writes what goes on to the tape, and [`replay`] plays it to another hub, in which the same must happen.
//!
//! # The format
//!
//! ```text
//! 8 bytes     "parltrac"
//! u32         the version of the format
//! blocks      the first holds the Header, all others hold entries
//!
//! a block:
//! u32         bytes of its content
//! u32         the CRC of its content
//! u32         the CRC of the 8 bytes before
//! ...         its content, in postcard's encoding
//! ```
//!
//! Numbers are little-endian, and a CRC is CRC-32 (IEEE). The content of a block is one `Entry` after
//! another. The last entry of each block is a checksum of all that has gone out: bytes to connections, what the
//! hub asked of the driver, how it wanted connections to be closed, and what followers read. A [`Writer`] makes a
//! block of at most [`STEPS`] steps. A step is an entry that tells of one call to the hub.
//!
//! The hub is not asked for what does not change it. What the driver decides itself never reaches the hub, so it is
//! not in the trace either: a client that `--deny` refuses, say.
//!
//! # Secrets
//!
//! A trace holds what clients said, also in direct messages, and their addresses. So a file of traces is for its
//! owner alone. Today clients have no secrets besides that: there are no passwords and no keys.
//!
//! A secret must not be in the bytes of [`Input::Received`](parlour_core::Input::Received), because these
//! cannot be changed without changing the replay. So if clients get keys, the driver takes a key out of what it
//! reads, and the hub gets it in an input of its own. The hub only ever asks whether two keys are the same. So
//! `Entry::of` writes a keyed hash in the place of the key. The hash's own key is made for each trace and is not
//! in it. Equal keys stay equal in the replay, and nobody can find them out.
#![forbid(unsafe_code)]

mod block;
mod encoding;
mod entry;
mod header;
mod reader;
mod record;
mod replay;
mod rests;
mod show;
mod sink;
mod sum;
mod tape;
mod writer;

pub use self::block::{STEPS, VERSION};
pub use self::header::{Header, Known};
pub use self::reader::{ReadError, Reader};
pub use self::replay::{End, ReplayError, Replayed, replay};
pub use self::tape::Taped;
pub use self::writer::Writer;
