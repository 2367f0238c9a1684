//! A hub as bytes. This file has the format, and the visitor that goes through all of a hub's fields.
//! Each type says once, next to its fields, what the visitor meets in it, and in which order. The same
//! walk writes the fields and reads them. So what is saved is what is restored, and a new field does not
//! compile before its type says what becomes of it.
//!
//! ```text
//! 8 bytes     "parlour" and a zero
//! u32         the version of the format
//! 13 * u64    the limits
//! u64, ...    how many listeners; for each one its protocol, its encoding, and the listener whose room it
//!             shares
//! ...         the time, the connections, memberships, rooms, lists of work, catch-ups, proposals,
//!             followers
//! 64 bytes    the statistics
//! u64         a checksum of all bytes before it
//! ```
//!
//! Numbers are little-endian. What follows from other fields is not saved: indices of names and
//! addresses, where in its memory a queue begins, and which names of guests are taken. Logs, queues and
//! the timelines of followers are saved as what they hold. So they fit into larger memory.

use core::error::Error;
use core::fmt;
use core::mem::discriminant;

use crate::clock::Clock;
use crate::config::{Config, Protocol};
use crate::ids::{Cause, ConnId, Instant, ListenerId};
use crate::limits::{Limits, LimitsError};
#[cfg(feature = "console")]
use crate::record::Lost;
use crate::record::{Identity, RoomRef};
use crate::text::Text;

const MAGIC: [u8; 8] = *b"parlour\0";
/// It changes with every change of what is saved.
const VERSION: u32 = 5;

/// The link behind the last element of a list.
const END: u32 = u32::MAX;

/// Counters stay below this number. So they never overflow, whatever comes after.
const MOST: u64 = 1 << 63;

/// Why bytes do not become a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RestoreError {
    /// A hub cannot have these limits, this configuration or this storage.
    Limits(LimitsError),
    /// The bytes are not those of a saved hub.
    NotSaved,
    /// They were saved by a hub with another format.
    Version {
        /// The version of the bytes.
        saved: u32,
        /// The version that this build reads and writes.
        wanted: u32,
    },
    /// They were cut or changed after they were saved.
    Damaged,
    /// The limit with this name is lower than it was.
    Smaller(&'static str),
    /// The listeners have other protocols or encodings than they had, or share other rooms.
    Listeners,
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limits(error) => error.fmt(f),
            Self::NotSaved => f.write_str("these are not the bytes of a saved hub"),
            Self::Version { saved, wanted } => {
                write!(f, "the hub was saved in version {saved} of the format, and this is version {wanted}")
            }
            Self::Damaged => f.write_str("the bytes of the saved hub are damaged"),
            Self::Smaller(limit) => write!(f, "the limit `{limit}` is lower than that of the saved hub"),
            Self::Listeners => f.write_str("the saved hub had other listeners"),
        }
    }
}

impl Error for RestoreError {}

/// The bytes are not what a hub saves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damaged;

impl From<Damaged> for RestoreError {
    fn from(_: Damaged) -> Self {
        Self::Damaged
    }
}

/// An error, unless it is as it should be.
pub(crate) fn ensure(is_sound: bool) -> Result<(), Damaged> {
    is_sound.then_some(()).ok_or(Damaged)
}

/// Checks that a linked list has this many elements, each once. `next` returns the link behind an element,
/// and `None` for what cannot be in the list.
pub(crate) fn check_list(
    first: u32,
    count: usize,
    mut next: impl FnMut(u32) -> Option<u32>,
) -> Result<(), Damaged> {
    let mut at = first;
    // A list that ends has no element twice.
    for _ in 0..count {
        at = next(at).ok_or(Damaged)?;
    }
    ensure(at == END)
}

/// Goes through the fields of a hub, and writes or reads each in its place.
pub(crate) struct Visitor<'v> {
    way: Way<'v>,
    /// Those of the hub that was saved.
    limits: Limits,
    /// Where the rings of this hub begin.
    first_ring: u32,
}

enum Way<'v> {
    Write { out: &'v mut dyn FnMut(&[u8]), sum: Sum },
    Read(&'v [u8]),
}

impl<'v> Visitor<'v> {
    fn new(way: Way<'v>, limits: &Limits) -> Self {
        Self { way, limits: *limits, first_ring: limits.rooms as u32 }
    }

    /// Begins to write a hub.
    pub(crate) fn writing(config: &Config<'_>, limits: &Limits, out: &'v mut dyn FnMut(&[u8])) -> Self {
        let mut visitor = Self::new(Way::Write { out, sum: Sum::NEW }, limits);
        let (mut magic, mut version) = (MAGIC, VERSION);
        let is_written = (|| {
            visitor.bytes(&mut magic)?;
            version.visit(&mut visitor)?;
            visitor.facts(config, limits)
        })();
        debug_assert!(is_written.is_ok(), "to write cannot fail");
        visitor
    }

    /// Begins to read a hub of these limits from bytes that are whole.
    ///
    /// # Errors
    /// The bytes are no saved hub, or do not fit this one.
    pub(crate) fn reading(
        config: &Config<'_>,
        limits: &Limits,
        bytes: &'v [u8],
    ) -> Result<Self, RestoreError> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or(RestoreError::NotSaved)?;
        let (version, rest) = rest.split_first_chunk().ok_or(RestoreError::Damaged)?;
        let saved = u32::from_le_bytes(*version);
        if saved != VERSION {
            return Err(RestoreError::Version { saved, wanted: VERSION });
        }
        let (rest, sum) = rest.split_last_chunk().ok_or(RestoreError::Damaged)?;
        let mut found = Sum::NEW;
        found.add(&bytes[..bytes.len() - sum.len()]);
        ensure(found.0 == u64::from_le_bytes(*sum))?;
        let mut visitor = Self::new(Way::Read(rest), limits);
        visitor.facts(config, limits)?;
        Ok(visitor)
    }

    /// What the hub was made with.
    fn facts(&mut self, config: &Config<'_>, limits: &Limits) -> Result<(), RestoreError> {
        let mut saved = *limits;
        let Limits {
            conns,
            rooms,
            rooms_per_conn,
            members,
            catch_ups,
            name,
            line,
            queue,
            proposals,
            log,
            records,
            followers,
            rings,
        } = &mut saved;
        for (limit, now, is_called) in [
            (conns, limits.conns, "conns"),
            (rooms, limits.rooms, "rooms"),
            (rooms_per_conn, limits.rooms_per_conn, "rooms_per_conn"),
            (members, limits.members, "members"),
            (catch_ups, limits.catch_ups, "catch_ups"),
            (name, limits.name, "name"),
            (line, limits.line, "line"),
            (queue, limits.queue, "queue"),
            (proposals, limits.proposals, "proposals"),
            (log, limits.log, "log"),
            (records, limits.records, "records"),
            (followers, limits.followers, "followers"),
            (rings, limits.rings, "rings"),
        ] {
            limit.visit(self)?;
            if *limit > now {
                return Err(RestoreError::Smaller(is_called));
            }
        }
        // Besides one membership for each connection there must be as many as there were.
        if saved.members.saturating_sub(saved.conns) > limits.members - limits.conns {
            return Err(RestoreError::Smaller("members"));
        }
        self.limits = saved;
        let mut count = config.listeners.len();
        count.visit(self)?;
        if count != config.listeners.len() {
            return Err(RestoreError::Listeners);
        }
        for listener in config.listeners {
            let is_now = (listener.protocol, listener.encoding, listener.relay.shares);
            let (mut protocol, mut encoding, mut shares) = is_now;
            let all = [Protocol::Echo, Protocol::Relay, Protocol::Chat, Protocol::Console];
            self.variant(&mut protocol, &all)?;
            self.option(&mut encoding, 0)?;
            self.option(&mut shares, ListenerId(0))?;
            if (protocol, encoding, shares) != is_now {
                return Err(RestoreError::Listeners);
            }
        }
        Ok(())
    }

    /// Ends the bytes: with the checksum, or where nothing may be left.
    pub(crate) fn end(self) -> Result<(), Damaged> {
        match self.way {
            Way::Write { out, sum } => out(&sum.0.to_le_bytes()),
            Way::Read(rest) => ensure(rest.is_empty())?,
        }
        Ok(())
    }

    /// Whether fields are read. If not, they are written and stay as they are.
    pub(crate) fn is_reading(&self) -> bool {
        matches!(self.way, Way::Read(_))
    }

    /// The limits of the hub that was saved.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn bytes(&mut self, bytes: &mut [u8]) -> Result<(), Damaged> {
        match &mut self.way {
            Way::Write { out, sum } => {
                sum.add(bytes);
                out(bytes);
            }
            Way::Read(rest) => {
                let (first, left) = rest.split_at_checked(bytes.len()).ok_or(Damaged)?;
                bytes.copy_from_slice(first);
                *rest = left;
            }
        }
        Ok(())
    }

    /// The place of a ring in the table of rooms, or [`END`]. Rings stand behind the rooms, and now there may
    /// be more of these.
    pub(crate) fn ring(&mut self, place: &mut u32) -> Result<(), Damaged> {
        // While it is read, there may be anything.
        let mut number = if *place == END { END } else { place.wrapping_sub(self.first_ring) };
        number.visit(self)?;
        ensure(number == END || (number as usize) < self.limits.rings)?;
        *place = if number == END { END } else { self.first_ring + number };
        Ok(())
    }

    /// A number that only grows.
    pub(crate) fn counter(&mut self, counter: &mut u64) -> Result<(), Damaged> {
        counter.visit(self)?;
        ensure(*counter < MOST)
    }

    pub(crate) fn option<T: Visit>(&mut self, option: &mut Option<T>, any: T) -> Result<(), Damaged> {
        let mut is_some = option.is_some();
        is_some.visit(self)?;
        match is_some {
            true => option.get_or_insert(any).visit(self),
            false => {
                *option = None;
                Ok(())
            }
        }
    }

    /// Which variant of an enum it is, of `all` of them. What the variant holds comes afterwards.
    pub(crate) fn variant<T: Copy>(&mut self, value: &mut T, all: &[T]) -> Result<(), Damaged> {
        let at = all.iter().position(|other| discriminant(other) == discriminant(value));
        debug_assert!(at.is_some(), "every variant is in the list");
        let mut code = at.unwrap_or(all.len()) as u8;
        code.visit(self)?;
        if self.is_reading() {
            *value = *all.get(usize::from(code)).ok_or(Damaged)?;
        }
        Ok(())
    }
}

/// Something that a visitor can write, and read in its place.
pub(crate) trait Visit {
    /// # Errors
    /// What is read cannot be here.
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged>;
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Visit for $number {
            fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
                let mut bytes = self.to_le_bytes();
                visitor.bytes(&mut bytes)?;
                *self = Self::from_le_bytes(bytes);
                Ok(())
            }
        }
    )*};
}

numbers!(u8 u16 u32 u64 i32);

impl Visit for usize {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let mut number = *self as u64;
        number.visit(visitor)?;
        *self = Self::try_from(number).map_err(|_| Damaged)?;
        Ok(())
    }
}

impl Visit for bool {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let mut byte = u8::from(*self);
        byte.visit(visitor)?;
        *self = byte != 0;
        ensure(byte <= 1)
    }
}

impl<T: Visit, const N: usize> Visit for [T; N] {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        self.iter_mut().try_for_each(|one| one.visit(visitor))
    }
}

impl<A: Visit, B: Visit> Visit for (A, B) {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        self.0.visit(visitor)?;
        self.1.visit(visitor)
    }
}

impl Visit for Instant {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let mut ms = self.as_millis();
        ms.visit(visitor)?;
        *self = Self::from_millis(ms);
        Ok(())
    }
}

impl Visit for Clock {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let Self { unix_ms, utc_offset_s } = self;
        unix_ms.visit(visitor)?;
        utc_offset_s.visit(visitor)
    }
}

impl Visit for ListenerId {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let Self(index) = self;
        index.visit(visitor)
    }
}

impl Visit for ConnId {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let Self { slot, generation } = self;
        slot.visit(visitor)?;
        generation.visit(visitor)
    }
}

impl Visit for Cause {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let mut code = self.code();
        code.visit(visitor)?;
        *self = Self::from_code(code);
        ensure(self.code() == code)
    }
}

impl Visit for Identity {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let Identity(number) = self;
        number.visit(visitor)
    }
}

#[cfg(feature = "console")]
impl Visit for Lost {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let Self { first, last, records, messages } = self;
        first.visit(visitor)?;
        last.visit(visitor)?;
        visitor.counter(records)?;
        visitor.counter(messages)
    }
}

impl Visit for RoomRef {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let Self { room, generation } = self;
        room.visit(visitor)?;
        generation.visit(visitor)
    }
}

impl Visit for Text<'_> {
    fn visit(&mut self, visitor: &mut Visitor<'_>) -> Result<(), Damaged> {
        let mut len = self.as_bytes().len();
        len.visit(visitor)?;
        visitor.bytes(self.resized(len).ok_or(Damaged)?)
    }
}

/// FNV-1a, of 64 bits. It finds accidents. Against those who mean harm, everything that is read is
/// checked.
struct Sum(u64);

impl Sum {
    const NEW: Self = Self(0xcbf2_9ce4_8422_2325);

    fn add(&mut self, bytes: &[u8]) {
        let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        self.0 = bytes.iter().fold(self.0, step);
    }
}

/// What `read` makes of the bytes that `write` has written.
#[cfg(test)]
pub(crate) fn written_and_read<T>(
    write: impl FnOnce(&mut Visitor<'_>) -> Result<(), Damaged>,
    read: impl FnOnce(&mut Visitor<'_>) -> T,
) -> T {
    let limits = Limits {
        conns: 1,
        rooms: 1,
        rooms_per_conn: 1,
        members: 1,
        catch_ups: 0,
        name: 32,
        line: 64,
        queue: 256,
        proposals: 0,
        log: 1024,
        records: 8,
        followers: 0,
        rings: 0,
    };
    let (config, mut bytes) = (Config::new(&[]), heapless::Vec::<u8, 1024>::new());
    let mut out = |part: &[u8]| bytes.extend_from_slice(part).expect("there is place");
    let mut visitor = Visitor::writing(&config, &limits, &mut out);
    write(&mut visitor).and_then(|()| visitor.end()).expect("to write cannot fail");
    read(&mut Visitor::reading(&config, &limits, &bytes).expect("they are whole"))
}
