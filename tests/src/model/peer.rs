//! A connection as the model sees it: the input that was taken from it, and copies of all that waits to
//! be sent to it.

use std::collections::VecDeque;

use parlour_core::{ConnId, Instant};

/// A room, by the order in which the hub of a case has them.
pub(crate) type Room = usize;

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Chat,
    Echo,
    Relay,
    Console,
}

/// Something that waits to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) bytes: Vec<u8>,
    /// The room whose record it is.
    pub(crate) room: Option<Room>,
    /// Whether it counts when it is missed.
    pub(crate) is_message: bool,
    pub(crate) since: Instant,
    /// It tells of so many missed messages.
    pub(crate) gap: Option<u32>,
}

/// Where in its life a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Open,
    /// Nothing more is taken from it; what waits still goes out.
    Closing,
}

pub(crate) struct Peer {
    pub(crate) id: ConnId,
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) life: Life,
    /// When the others are told at the latest that it is there; `None`: they were, or it was
    /// counted among those that came.
    pub(crate) told_by: Option<Instant>,
    /// The rooms whose records it gets.
    pub(crate) rooms: Vec<Room>,
    pub(crate) waiting: VecDeque<Item>,
    /// Bytes of the first item that were sent.
    pub(crate) sent: usize,
    /// Messages missed while the notice of a gap was half sent.
    pub(crate) missed_since: u32,
    /// Input that the hub did not take yet.
    pub(crate) leftover: Vec<u8>,
    /// A line that was taken and waits for its turn.
    pub(crate) postponed: Option<Vec<u8>>,
    /// Input that was taken and is no whole line yet.
    pub(crate) unfinished: Vec<u8>,
    /// The last byte that was taken is a CR that ended a line.
    pub(crate) ended_by_cr: bool,
    /// When that is passed on as it is.
    pub(crate) flush_at: Option<Instant>,
    /// It was not told of in time, because its first line had begun.
    pub(crate) is_late: bool,
    /// A line of a chat's client was taken, or anything of a relay's.
    pub(crate) spoke: bool,
    /// The peer was told to have closed.
    pub(crate) ended: bool,
}

impl Peer {
    pub(crate) fn new(id: ConnId, kind: Kind) -> Self {
        Self {
            id,
            kind,
            name: String::new(),
            life: Life::Open,
            told_by: None,
            rooms: Vec::new(),
            waiting: VecDeque::new(),
            sent: 0,
            missed_since: 0,
            leftover: Vec::new(),
            postponed: None,
            unfinished: Vec::new(),
            ended_by_cr: false,
            flush_at: None,
            is_late: false,
            spoke: false,
            ended: false,
        }
    }

    /// Something for it alone.
    pub(crate) fn tell(&mut self, bytes: impl Into<Vec<u8>>, now: Instant) {
        let bytes = bytes.into();
        if !bytes.is_empty() {
            self.waiting.push_back(Item { bytes, room: None, is_message: false, since: now, gap: None });
        }
    }

    /// The next output, in one piece: all that waits. But if a notice of a gap is half sent and does not
    /// tell of everything that was missed, the rest of that notice.
    pub(crate) fn expected(&self) -> Vec<u8> {
        let count = if self.missed_since > 0 { 1 } else { self.waiting.len() };
        let all: Vec<u8> =
            self.waiting.iter().take(count).flat_map(|item| item.bytes.iter().copied()).collect();
        all[self.sent..].to_vec()
    }

    /// Bytes of a half sent notice of a gap that are still to go.
    pub(crate) fn rest_of_gap(&self) -> usize {
        match self.waiting.front() {
            Some(Item { bytes, gap: Some(_), .. }) if self.sent > 0 => bytes.len() - self.sent,
            _ => 0,
        }
    }

    /// The first `count` bytes of what waits have gone.
    pub(crate) fn commit(&mut self, count: usize) {
        self.sent += count;
        while let Some(first) = self.waiting.front() {
            if self.sent < first.bytes.len() {
                return;
            }
            self.sent -= first.bytes.len();
            let was_gap = first.gap.is_some();
            let since = first.since;
            self.waiting.pop_front();
            if was_gap && self.missed_since > 0 {
                let missed = std::mem::take(&mut self.missed_since);
                self.waiting.push_front(gap_item(missed, since));
            }
        }
        assert_eq!(self.sent, 0, "no more is committed than waits");
    }

    /// Loses the waiting records of a room, because it lagged. Returns whether there were any.
    pub(crate) fn skip(&mut self, room: Room, now: Instant) -> bool {
        if !self.waiting.iter().any(|item| item.room == Some(room)) {
            return false;
        }
        if self.sent > 0 && self.waiting[0].room == Some(room) {
            // The half sent record is finished, as if it were for this peer alone.
            self.waiting[0].room = None;
        }
        let missed =
            self.waiting.iter().filter(|item| item.room == Some(room) && item.is_message).count() as u32;
        self.waiting.retain(|item| item.room != Some(room));
        let half_sent = self.sent > 0;
        match self.waiting.iter_mut().enumerate().find(|(_, item)| item.gap.is_some()) {
            Some((0, _)) if half_sent => self.missed_since += missed,
            Some((_, item)) => *item = gap_item(item.gap.unwrap_or(0) + missed, item.since),
            None => self.waiting.push_back(gap_item(missed, now)),
        }
        true
    }

    /// Whether something of a room waits.
    pub(crate) fn is_behind(&self, room: Room) -> bool {
        self.waiting.iter().any(|item| item.room == Some(room))
    }
}

fn gap_item(missed: u32, since: Instant) -> Item {
    let bytes = format!("-- you missed {missed} messages\r\n").into_bytes();
    Item { bytes, room: None, is_message: false, since, gap: Some(missed) }
}
