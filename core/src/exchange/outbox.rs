//! What goes out to a connection next, and in which order. One walk decides it, both when the hub
//! lends bytes and when it commits those that were sent. So the two cannot differ.
//!
//! The sources are the private queue, the notice of a gap, and one cursor for each room. The walk
//! merges them by sequence number. Records of a room go out in one piece, up to the next record of
//! the connection's own, or to the next record of another source.

use super::Exchange;
use crate::conn::{Conn, Gap, Slot, State};
use crate::encoding::chat;
use crate::limits::ROOMS_PER_CONN;
use crate::log::{Log, Position, before};
use crate::queue::Entry;
use crate::record::Kind;
use crate::room::{MemberIndex, RoomIndex, skip_own};

/// Bytes of the longest notice of a gap. An encoding may make more of it than the chat.
pub(crate) const GAP_BYTES: usize = if cfg!(feature = "large") { 248 } else { 48 };

/// The notice of a gap.
pub(crate) type GapText = heapless::Vec<u8, GAP_BYTES>;

/// A cursor of the walk: a membership's, moved ahead without being committed.
#[derive(Clone, Copy)]
struct Lane {
    member: MemberIndex,
    log: RoomIndex,
    position: Position,
    end: Position,
    own: Position,
    own_ahead: bool,
}

impl Lane {
    fn log<'h>(&self, x: &'h Exchange<'_>) -> &'h Log<'h> {
        x.rooms.log(self.log)
    }

    fn skip_own(&mut self, x: &Exchange<'_>) {
        if self.own_ahead {
            (self.position, self.own, self.own_ahead) =
                skip_own(self.log(x), self.position, self.own, self.own_ahead);
        }
    }

    fn is_done(&self) -> bool {
        !before(self.position, self.end)
    }

    /// Where the run that starts at its position ends: at a record of its own, at a record from `limit` on, or at
    /// the end.
    fn run_end(&self, x: &Exchange<'_>, limit: Option<u64>) -> Position {
        // Most have neither, so the log is not looked up before.
        let own = self.own_ahead.then(|| self.log(x).record(self.own).start);
        let limit = limit.map(|seq| self.log(x).position_of(seq));
        let earlier = |to, position| if before(position, to) { position } else { to };
        own.into_iter().chain(limit).fold(self.end, earlier)
    }

    /// The run from its position up to there. `lane`: its number.
    fn take_run(&mut self, lane: usize, to: Position) -> Run {
        let from = core::mem::replace(&mut self.position, to);
        Run::Room { lane, from, to }
    }
}

/// A piece of output, from one source.
#[derive(Clone, Copy)]
enum Run {
    Queue(Entry),
    Gap { from: usize },
    Room { lane: usize, from: Position, to: Position },
}

/// The walk of one connection. It is kept by the hub and used again, because it is too large to be moved
/// often.
#[derive(Default)]
pub(crate) struct Walk {
    lanes: heapless::Vec<Lane, ROOMS_PER_CONN>,
    entry: Option<Entry>,
    gap: Option<Gap>,
    ends_here: bool,
}

impl Walk {
    /// Begins anew, for a connection.
    fn start(&mut self, x: &Exchange<'_>, slot: Slot) {
        self.lanes.clear();
        for (index, member) in x.reading(slot) {
            let lane = Lane {
                member: index,
                log: member.log(),
                position: member.position,
                end: member.end(x.rooms.log(member.log())),
                own: member.own,
                own_ahead: member.own_ahead,
            };
            // There are never more memberships than the limits allow.
            let _ = self.lanes.push(lane);
        }
        let conn = &x.conns[slot];
        self.entry = conn.queue.first(x.conns.buffers()).filter(|entry| x.may_go_out(conn, entry));
        self.gap = conn.gap.open.then_some(conn.gap);
        self.ends_here = false;
    }

    /// Returns the next piece, and steps over it.
    fn next(&mut self, x: &Exchange<'_>, conn: &Conn<'_>) -> Option<Run> {
        if self.ends_here {
            return None;
        }
        // Most connections have one room and nothing else.
        if let [lane] = &mut self.lanes[..]
            && self.entry.is_none()
            && self.gap.is_none()
        {
            lane.skip_own(x);
            return (!lane.is_done()).then(|| lane.take_run(0, lane.run_end(x, None)));
        }
        self.next_merged(x, conn)
    }

    /// [`Walk::next`] where more than one source may come next.
    fn next_merged(&mut self, x: &Exchange<'_>, conn: &Conn<'_>) -> Option<Run> {
        for lane in &mut self.lanes {
            lane.skip_own(x);
        }
        let (lane, lane_seq) = self.earliest_lane(x);
        let goes_first = |seq: u64| lane_seq.is_none_or(|lane_seq| !before(lane_seq, seq));
        if let Some(gap) = self.gap {
            let before_entry = self.entry.is_none_or(|entry| before(gap.seq, entry.seq));
            if before_entry && goes_first(gap.seq) {
                self.gap = None;
                // More was missed while the notice was half sent. Another one must come right after it.
                self.ends_here = gap.missed > gap.told;
                return Some(Run::Gap { from: usize::from(gap.sent) });
            }
        }
        if let Some(entry) = self.entry.filter(|entry| goes_first(entry.seq)) {
            let following = conn.queue.following(x.conns.buffers(), entry);
            self.entry = following.filter(|entry| x.may_go_out(conn, entry));
            return Some(Run::Queue(entry));
        }
        let (lane, seq) = (lane?, lane_seq?);
        let mut limit = [self.entry.map(|entry| entry.seq), self.gap.map(|gap| gap.seq)]
            .into_iter()
            .flatten()
            .reduce(|a, b| if before(a, b) { a } else { b });
        // An event has a record in each room that it concerns, all with one sequence number. One copy
        // goes out, and the others are passed over.
        let mut copies = false;
        for other in 0..self.lanes.len() {
            if other == lane || self.lanes[other].is_done() {
                continue;
            }
            let other_seq = self.lane_seq(x, other);
            if other_seq == seq {
                let log = self.lanes[other].log(x);
                self.lanes[other].position = log.end_of(log.record_at(self.lanes[other].position));
                copies = true;
            } else if limit.is_none_or(|limit| before(other_seq, limit)) {
                limit = Some(other_seq);
            }
        }
        if copies {
            limit = Some(seq.wrapping_add(1));
        }
        let to = self.lanes[lane].run_end(x, limit);
        Some(self.lanes[lane].take_run(lane, to))
    }

    fn lane_seq(&self, x: &Exchange<'_>, lane: usize) -> u64 {
        let lane = &self.lanes[lane];
        let log = lane.log(x);
        log.record(log.record_at(lane.position)).seq
    }

    /// The lane whose next record was appended first; the first of those lanes with the same record.
    fn earliest_lane(&self, x: &Exchange<'_>) -> (Option<usize>, Option<u64>) {
        let mut earliest = (None, None);
        for lane in (0..self.lanes.len()).filter(|&lane| !self.lanes[lane].is_done()) {
            let seq = self.lane_seq(x, lane);
            if earliest.1.is_none_or(|least| before(seq, least)) {
                earliest = (Some(lane), Some(seq));
            }
        }
        earliest
    }
}

/// The bytes to send to a connection next, in order: slices of the rooms' logs and of its
/// private queue, for one vectored write.
///
/// [`crate::Hub::send`] counts those as sent that the transport took.
pub struct Transmit<'h, 'a> {
    x: &'h Exchange<'a>,
    slot: Option<Slot>,
    walk: &'h mut Walk,
    gap_text: &'h [u8],
    /// The lane of the bytes that were lent last, if it is a room's.
    #[cfg(feature = "save")]
    lane: Option<usize>,
    wrapped: &'h [u8],
}

impl core::fmt::Debug for Transmit<'_, '_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Transmit").field("slot", &self.slot).finish_non_exhaustive()
    }
}

impl<'h, 'a> Transmit<'h, 'a> {
    pub(crate) fn new(
        x: &'h Exchange<'a>,
        walk: &'h mut Walk,
        slot: Option<Slot>,
        gap_text: &'h [u8],
    ) -> Self {
        if let Some(slot) = slot {
            walk.start(x, slot);
        }
        Self {
            x,
            slot,
            walk,
            gap_text,
            #[cfg(feature = "save")]
            lane: None,
            wrapped: &[],
        }
    }
}

impl<'h> Iterator for Transmit<'h, '_> {
    type Item = &'h [u8];

    fn next(&mut self) -> Option<&'h [u8]> {
        if !self.wrapped.is_empty() {
            return Some(core::mem::take(&mut self.wrapped));
        }
        let conn = &self.x.conns[self.slot?];
        let run = self.walk.next(self.x, conn)?;
        #[cfg(feature = "save")]
        {
            self.lane = if let Run::Room { lane, .. } = run { Some(lane) } else { None };
        }
        Some(match run {
            Run::Queue(entry) => conn.queue.text(self.x.conns.buffers(), entry),
            Run::Gap { from } => &self.gap_text[from..],
            Run::Room { lane, from, to } => {
                let (left, right) = self.walk.lanes[lane].log(self.x).slices(from, to);
                self.wrapped = right;
                left
            }
        })
    }
}

#[cfg(feature = "save")]
impl<'h> Transmit<'h, '_> {
    /// As [`Iterator::next`], and the name of the room in which the bytes were said: empty for a relay's,
    /// `None` if they are for this connection alone. For tests.
    pub fn next_of_room(&mut self) -> Option<(Option<&'h str>, &'h [u8])> {
        let bytes = self.next()?;
        let room = self.lane.map(|lane| self.x.members[self.walk.lanes[lane].member].room);
        let name = |room| core::str::from_utf8(self.x.rooms[room].name.as_bytes()).unwrap_or_default();
        Some((room.map(name), bytes))
    }
}

impl Exchange<'_> {
    /// How many messages a connection has missed, if it is told so now: the notice names this number.
    pub(crate) fn gap_to_tell(&mut self, slot: Slot) -> Option<u32> {
        let gap = &mut self.conns[slot].gap;
        if gap.sent == 0 {
            gap.told = gap.missed;
        }
        gap.open.then_some(gap.told)
    }

    /// The number in the notice of a gap that is being sent.
    pub(crate) fn gap_being_told(&self, slot: Slot) -> Option<u32> {
        let gap = &self.conns[slot].gap;
        gap.open.then_some(gap.told)
    }

    /// The notice of a gap as a connection sees it.
    pub(crate) fn notice_of_gap(&self, slot: Slot, text: &[u8]) -> GapText {
        self.render_notice(slot, text).unwrap_or_else(|| {
            let mut notice = GapText::new();
            for part in chat::parts(Kind::Server, b"", text) {
                // There is room for all digits.
                let _ = notice.extend_from_slice(part);
            }
            notice
        })
    }

    /// How many messages a connection has missed, and where among the records.
    pub(crate) fn missed(&self, slot: Slot) -> Option<(u32, u64)> {
        let gap = &self.conns[slot].gap;
        gap.open.then_some((gap.missed, gap.seq))
    }

    /// Counts the first `count` bytes that [`Transmit`] lent as sent. `gap_len` is the length of the
    /// gap's notice. Bytes that were not lent are ignored.
    pub(crate) fn commit(&mut self, walk: &mut Walk, slot: Slot, count: usize, gap_len: usize) {
        let is_news = self.commit_walk(walk, slot, count, gap_len);
        let now = self.now.wrapping_millis();
        let conn = &mut self.conns[slot];
        if let State::Closing { moved_at, .. } = &mut conn.state {
            *moved_at = now;
        }
        let (is_open, waits) = (conn.state.is_open(), conn.blocked || conn.ended);
        // The driver knows that everything is sent. It may not know that more is left to send, or that
        // there is place for answers again.
        if is_news || !is_open {
            self.touch(slot);
        }
        if waits || !is_open {
            self.wake(slot);
        }
    }

    /// Returns whether there is more to send, or place in the private queue again.
    fn commit_walk(&mut self, walk: &mut Walk, slot: Slot, mut count: usize, gap_len: usize) -> bool {
        walk.start(self, slot);
        let (mut from_queue, mut from_gap) = (0, 0);
        while count > 0 {
            let Some(run) = walk.next(self, &self.conns[slot]) else { break };
            let len = match run {
                Run::Queue(entry) => entry.len(),
                Run::Gap { from } => gap_len - from,
                Run::Room { from, to, .. } => to.wrapping_sub(from) as usize,
            };
            let part = len.min(count);
            match run {
                Run::Queue(_) => from_queue += part,
                Run::Gap { .. } => from_gap += part,
                Run::Room { lane, from, .. } => {
                    walk.lanes[lane].position = from.wrapping_add(part as Position);
                }
            }
            self.stats.sent_bytes += part as u64;
            count -= part;
        }
        self.conns.consume(slot, from_queue);
        let conn = &mut self.conns[slot];
        if from_gap > 0 {
            conn.gap.sent += from_gap as u8;
            if usize::from(conn.gap.sent) == gap_len {
                let missed = conn.gap.missed - conn.gap.told;
                conn.gap = Gap { open: missed > 0, missed, seq: conn.gap.seq, ..Gap::NONE };
            }
        }
        let mut has_more = !conn.queue.is_empty() || conn.gap.open;
        for lane in &walk.lanes {
            let member = &mut self.members[lane.member];
            if member.position != lane.position {
                member.taken_at = self.now.wrapping_millis();
            }
            has_more |= self.move_cursor(lane.member, lane.position);
        }
        has_more || from_queue > 0
    }
}
