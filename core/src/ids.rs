//! The vocabulary that all modules share: ids, time, causes. Plain values only; nothing here knows the
//! hub's state.

/// A point in time: milliseconds on a monotonic clock of the driver's choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Instant(u64);

impl Instant {
    /// Later than everything: "no deadline".
    pub(crate) const NEVER: Instant = Instant(u64::MAX);
    /// The clock's zero.
    pub(crate) const ZERO: Instant = Instant(0);

    /// The instant `ms` milliseconds after the clock's zero.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the clock's zero.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Milliseconds from `earlier` to this instant; 0 if `earlier` is not earlier.
    pub const fn millis_since(self, earlier: Instant) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The low bits of the milliseconds.
    pub(crate) const fn wrapping_millis(self) -> u32 {
        self.0 as u32
    }

    /// This many ms after something happened, or this instant if that is past; see
    /// [`Instant::wrapping_millis`].
    pub(crate) const fn or_after(self, happened_at: u32, ms: u32) -> Self {
        let ago_ms = self.wrapping_millis().wrapping_sub(happened_at);
        self.after(ms.saturating_sub(ago_ms) as u64)
    }

    pub(crate) const fn after(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// Names one connection for as long as it lives. When its slot is used again, the
/// generation changes. So the id of a connection that is gone names nothing, and the hub
/// ignores inputs with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConnId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl ConnId {
    /// The connection's place in the table, below [`crate::Limits::conns`]. No two
    /// connections have the same place at the same time, so a driver may use it as the index of
    /// its own table.
    pub const fn slot(self) -> usize {
        self.slot as usize
    }

    /// The id as a number that names it in this hub alone, for a trace.
    pub const fn as_u64(self) -> u64 {
        (self.generation as u64) << 32 | self.slot as u64
    }

    /// The id that [`ConnId::as_u64`] gave this number.
    pub const fn from_u64(number: u64) -> Self {
        Self { slot: number as u32, generation: (number >> 32) as u32 }
    }
}

/// Names one follower for as long as it is there. When its place gets another follower, the generation
/// changes.
#[cfg(feature = "console")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FollowerId {
    pub(crate) index: u8,
    pub(crate) generation: u32,
}

#[cfg(feature = "console")]
impl FollowerId {
    /// The id as a number that names it in this hub alone, for a trace.
    pub const fn as_u64(self) -> u64 {
        (self.generation as u64) << 8 | self.index as u64
    }

    /// The id that [`FollowerId::as_u64`] gave this number.
    pub const fn from_u64(number: u64) -> Self {
        Self { index: number as u8, generation: (number >> 8) as u32 }
    }
}

/// A listener: its index in [`crate::Config::listeners`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ListenerId(pub u8);

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Cause {
    /// The peer closed it, or sent `/quit`.
    Left,
    /// The transport was reset.
    Reset,
    /// The peer sent nothing for too long.
    TimedOut,
    /// The peer held up a room for longer than the room has patience.
    Lagged,
    /// The operator disconnected it.
    Kicked,
    /// The hub ends.
    Shutdown,
}

impl Cause {
    /// As a number below 8, which [`Cause::from_code`] understands.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Cause::Left => 0,
            Cause::Reset => 1,
            Cause::TimedOut => 2,
            Cause::Lagged => 3,
            Cause::Kicked => 4,
            Cause::Shutdown => 5,
        }
    }

    pub(crate) const fn from_code(code: u8) -> Self {
        match code {
            0 => Cause::Left,
            1 => Cause::Reset,
            2 => Cause::TimedOut,
            3 => Cause::Lagged,
            4 => Cause::Kicked,
            _ => Cause::Shutdown,
        }
    }

    /// The cause as the others read it after `left`; empty if there is nothing to say.
    pub const fn reason(self) -> &'static str {
        match self {
            Cause::Left | Cause::Shutdown => "",
            Cause::Reset => "connection lost",
            Cause::TimedOut => "timed out",
            Cause::Lagged => "too slow",
            Cause::Kicked => "kicked",
        }
    }
}
