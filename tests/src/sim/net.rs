//! Simulated TCP: connections made of two pipes of bytes that hold no more than
//! their capacity, deliver late, and can end or break.
//!
//! Knows nothing of the hub and keeps no clock: `now` is an argument.

use std::collections::VecDeque;

/// A simulated connection, as its client names it.
pub type SocketId = usize;

/// The result of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// This many bytes.
    Bytes(usize),
    /// The other side sends no more.
    End,
    /// Nothing yet.
    Nothing,
    /// The connection was reset.
    Broken,
}

/// How the writing side of a pipe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Finished,
    Broken,
}

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Pipe {
    /// With the time when they can be read.
    segments: VecDeque<(u64, VecDeque<u8>)>,
    len: usize,
    capacity: usize,
    /// With the time when it shows.
    end: Option<(u64, End)>,
    /// The reading side is closed: bytes that are written are lost.
    is_deaf: bool,
}

impl Pipe {
    fn new(capacity: usize) -> Self {
        Self { segments: VecDeque::new(), len: 0, capacity, end: None, is_deaf: false }
    }

    /// Bytes that a write takes now.
    pub(super) fn free(&self) -> usize {
        self.capacity - self.len
    }

    fn last_arrival(&self) -> u64 {
        self.segments.back().map_or(0, |(at, _)| *at)
    }

    /// Writes the part of `bytes` that fits, and returns its length. It arrives at `at`, but not before
    /// earlier bytes.
    pub(super) fn write(&mut self, at: u64, bytes: &[u8]) -> usize {
        if self.is_deaf || self.end.is_some() {
            return bytes.len();
        }
        let part = bytes.len().min(self.free());
        if part > 0 {
            let at = at.max(self.last_arrival());
            self.segments.push_back((at, bytes[..part].iter().copied().collect()));
            self.len += part;
        }
        part
    }

    /// Ends the writing side after the written bytes.
    pub(super) fn finish(&mut self, at: u64) {
        if self.end.is_none() {
            self.end = Some((at.max(self.last_arrival()), End::Finished));
        }
    }

    /// Breaks the pipe at once. Bytes under way are lost unless `keeps`.
    pub(super) fn break_off(&mut self, keeps: bool) {
        if !keeps {
            self.segments.clear();
            self.len = 0;
        }
        self.end = Some((0, End::Broken));
    }

    /// Closes the reading side.
    pub(super) fn close_reader(&mut self) {
        self.segments.clear();
        (self.len, self.is_deaf) = (0, true);
    }

    /// Whether a read would find anything.
    pub(super) fn is_readable(&self, now: u64) -> bool {
        self.arrival().is_some_and(|at| at <= now)
    }

    /// When the next read would find something.
    pub(super) fn arrival(&self) -> Option<u64> {
        self.segments.front().map(|(at, _)| *at).or(self.end.map(|(at, _)| at))
    }

    /// Whether bytes can be read now.
    pub(super) fn has_bytes(&self, now: u64) -> bool {
        self.segments.front().is_some_and(|(at, _)| *at <= now)
    }

    pub(super) fn is_broken(&self) -> bool {
        matches!(self.end, Some((_, End::Broken)))
    }

    /// Reads up to `most` bytes that have arrived.
    pub(super) fn read(&mut self, now: u64, most: usize, into: &mut Vec<u8>) -> Read {
        let mut count = 0;
        while count < most
            && let Some((at, segment)) = self.segments.front_mut()
            && *at <= now
        {
            let part = segment.len().min(most - count);
            let (left, right) = segment.as_slices();
            let (left, right) = (&left[..part.min(left.len())], &right[..part.saturating_sub(left.len())]);
            into.extend_from_slice(left);
            into.extend_from_slice(right);
            segment.drain(..part);
            count += part;
            if segment.is_empty() {
                self.segments.pop_front();
            }
        }
        self.len -= count;
        match self.end {
            _ if count > 0 => Read::Bytes(count),
            Some((at, end)) if self.segments.is_empty() && at <= now => match end {
                End::Finished => Read::End,
                End::Broken => Read::Broken,
            },
            _ => Read::Nothing,
        }
    }
}

/// A connection. The client's bytes go up, and the hub's bytes come down.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) up: Pipe,
    pub(super) down: Pipe,
}

impl Socket {
    pub(super) fn new(up: usize, down: usize) -> Self {
        Self { up: Pipe::new(up), down: Pipe::new(down) }
    }

    /// Resets the connection: both sides find it broken.
    pub(super) fn reset(&mut self, keeps_sent: bool) {
        self.up.break_off(keeps_sent);
        self.down.break_off(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_delivers_in_order_not_before_time_and_holds_no_more_than_its_capacity() {
        let (mut pipe, mut got) = (Pipe::new(4), Vec::new());
        assert_eq!(pipe.write(10, b"abc"), 3);
        assert_eq!(pipe.write(5, b"def"), 1);
        assert_eq!(pipe.read(9, 10, &mut got), Read::Nothing);
        assert_eq!(pipe.read(10, 2, &mut got), Read::Bytes(2));
        pipe.finish(0);
        assert_eq!(pipe.read(10, 10, &mut got), Read::Bytes(2));
        assert_eq!(pipe.read(10, 10, &mut got), Read::End);
        assert_eq!(got, b"abcd");
    }

    #[test]
    fn a_reset_loses_what_is_under_way_unless_it_has_arrived() {
        let (mut socket, mut got) = (Socket::new(9, 9), Vec::new());
        socket.up.write(0, b"up");
        socket.down.write(0, b"down");
        socket.reset(true);
        assert_eq!(socket.up.read(0, 9, &mut got), Read::Bytes(2));
        assert_eq!(socket.up.read(0, 9, &mut got), Read::Broken);
        assert_eq!(socket.down.read(0, 9, &mut got), Read::Broken);
    }
}
