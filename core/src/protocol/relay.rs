//! Relay: the bytes of one client go unchanged to all others in its room.
//!
//! They go out in whole lines, so the bytes of other clients do not come in between. An unfinished
//! line goes out only if it is too long or takes too long. If its author disconnects before the line
//! has ended, the next client begins a new line.

use crate::conn::{NONE, Slot, State};
use crate::event::{Cause, Instant};
use crate::exchange::Exchange;
use crate::limits::{Direction, RelayRules};
use crate::log::Kind;
use crate::protocol::Behaviour;
use crate::room::{Member, MemberIndex, Membership};

/// The relay protocol.
pub(crate) struct Relay;

impl Behaviour for Relay {
    fn opened(&self, x: &mut Exchange<'_>, slot: Slot) {
        let RelayRules { direction, shares, .. } = *rules(x, slot);
        let way = if direction == Direction::In { Membership::Feeding } else { Membership::Present };
        // Every relay listener has a room of its own or of another listener from the start.
        if let Some(room) = x.room_owned(shares.unwrap_or(x.conn(slot).listener)) {
            x.join(slot, room, way);
        }
    }

    fn appetite(&self, x: &Exchange<'_>, slot: Slot) -> usize {
        if rules(x, slot).direction == Direction::Out {
            usize::MAX
        } else if is_ready(x, slot) {
            x.appetite(slot)
        } else {
            0
        }
    }

    fn received(&self, x: &mut Exchange<'_>, slot: Slot, input: &[u8]) -> usize {
        if rules(x, slot).direction == Direction::Out {
            return input.len();
        }
        let mut used = 0;
        while used < input.len() && is_ready(x, slot) {
            let rest = &input[used..];
            used += if x.conn(slot).line.is_unfinished() {
                go_on_with_line(x, slot, rest)
            } else {
                relay_lines(x, slot, rest)
            };
        }
        x.conn_mut(slot).line.spoke |= used > 0;
        used
    }

    fn may_end(&self, x: &Exchange<'_>, slot: Slot) -> bool {
        let conn = x.conn(slot);
        !conn.postponed && (x.within_rate(slot) || !conn.line.is_unfinished())
    }

    fn ended(&self, x: &mut Exchange<'_>, slot: Slot) {
        self.last_words(x, slot);
        if !only_listens(x, slot) && !x.conn(slot).postponed {
            x.close(slot, Cause::Left, Instant::NEVER);
        }
    }

    fn last_words(&self, x: &mut Exchange<'_>, slot: Slot) {
        if rules(x, slot).unfinished_ms.is_none()
            && x.conn(slot).line.is_unfinished()
            && !x.conn(slot).postponed
        {
            // Only whole lines go out. There is room for the ending, because a line without that room is
            // not kept.
            x.conn_mut(slot).line.text().push(b"\n");
        }
        relay_kept(x, slot, false);
    }

    fn may_be_silent(&self, x: &Exchange<'_>, slot: Slot, idle_ms: u32) -> bool {
        let took_something = |member: &Member| {
            let ago_ms = x.now.wrapping_millis().wrapping_sub(member.taken_at);
            member.state == Membership::Present && ago_ms < idle_ms
        };
        only_listens(x, slot) || x.memberships(slot).iter().any(took_something)
    }

    fn timer(&self, x: &mut Exchange<'_>, slot: Slot) {
        if x.conn(slot).postponed {
            return;
        }
        if x.within_rate(slot) {
            relay_kept(x, slot, false);
        } else if let Some(unfinished_ms) = rules(x, slot).unfinished_ms {
            // The end of the line may have arrived, but was not read yet.
            let at = x.rate_allows_at(slot).after(u64::from(unfinished_ms));
            x.set_timer(slot, at);
        }
    }

    fn resume(&self, x: &mut Exchange<'_>, slot: Slot) {
        x.let_go(slot);
        let conn = x.conn(slot);
        if conn.state == State::Open && conn.postponed && conn.turn.room == NONE {
            relay_kept(x, slot, true);
        }
    }
}

fn rules<'x>(x: &'x Exchange<'_>, slot: Slot) -> &'x RelayRules {
    x.config.listener(x.conn(slot).listener).map_or(&RelayRules::DEFAULT, |listener| &listener.relay)
}

/// Whether a client is there to receive. Its silence is no sign that it is gone, and it stays when its
/// input ends.
fn only_listens(x: &Exchange<'_>, slot: Slot) -> bool {
    match rules(x, slot).direction {
        Direction::Both => !x.conn(slot).line.spoke,
        Direction::In => false,
        Direction::Out => true,
    }
}

fn is_ready(x: &Exchange<'_>, slot: Slot) -> bool {
    x.within_rate(slot) && !x.conn(slot).postponed
}

/// Relays the whole lines at the front of the input, as many as fit one record. Or keeps the start of an
/// unfinished line, unless it is too long.
fn relay_lines(x: &mut Exchange<'_>, slot: Slot, input: &[u8]) -> usize {
    let longest = x.limits.line_buffer();
    let window = &input[..input.len().min(longest)];
    let end = match window.iter().rposition(|&byte| byte == b'\n') {
        Some(at) => at + 1,
        None if window.len() == longest => longest,
        None => 0,
    };
    if end > 0 && !x.waits_for_turn(slot, false) {
        relay(x, slot, &window[..end]);
        return end;
    }
    let kept = if end > 0 { &window[..end] } else { window };
    x.conn_mut(slot).line.text().push(kept);
    if end > 0 {
        x.conn_mut(slot).postponed = true;
    } else if let Some(unfinished_ms) = rules(x, slot).unfinished_ms {
        x.set_timer(slot, x.now.after(u64::from(unfinished_ms)));
    }
    kept.len()
}

/// Adds input to the unfinished line, and relays it when it ends or is full.
fn go_on_with_line(x: &mut Exchange<'_>, slot: Slot, input: &[u8]) -> usize {
    let end = input.iter().position(|&byte| byte == b'\n');
    let part = &input[..end.map_or(input.len(), |at| at + 1)];
    let text = x.conn_mut(slot).line.text();
    let fitted = text.push(part);
    if text.free() == 0 || (end.is_some() && fitted == part.len()) {
        relay_kept(x, slot, false);
    }
    fitted
}

/// Relays the kept part of a line, if it need not wait for its turn.
fn relay_kept(x: &mut Exchange<'_>, slot: Slot, has_waited: bool) {
    if x.conn(slot).line.is_unfinished() {
        if x.waits_for_turn(slot, has_waited) {
            x.conn_mut(slot).postponed = true;
            return;
        }
        let mut line = core::mem::take(x.conn_mut(slot).line.text());
        relay(x, slot, line.as_bytes());
        line.clear();
        *x.conn_mut(slot).line.text() = line;
    }
    let conn = x.conn_mut(slot);
    (conn.postponed, conn.timer) = (false, Instant::NEVER);
}

fn relay(x: &mut Exchange<'_>, slot: Slot, bytes: &[u8]) {
    if x.rate(slot).is_some() {
        let lines = bytes.iter().filter(|&&byte| byte == b'\n').count();
        x.charge(slot, lines.max(1) as u32);
    }
    // Most have a whole line, and get back what the others say.
    if let Some(member) = x.member_in(slot, &[Membership::Present])
        && let room = x.members[member as usize].room
        && x.rooms[room as usize].unfinished_by.is_none()
        && bytes.last() == Some(&b'\n')
    {
        x.append_own(member, bytes);
    } else if let Some(member) = x.member_in(slot, &[Membership::Present, Membership::Feeding]) {
        relay_in_pieces(x, slot, member, bytes);
    }
}

/// Relays bytes that may be half a line, or may follow half a line of another client. If that client is
/// gone, or if only whole lines go out, the two lines must not run together.
#[cold]
fn relay_in_pieces(x: &mut Exchange<'_>, slot: Slot, member: MemberIndex, bytes: &[u8]) {
    let Member { room, state, .. } = x.members[member as usize];
    let is_open =
        |by| !x.shutting_down && x.find(by).is_some_and(|author| x.conn(author).state == State::Open);
    let id = x.conn(slot).id(slot);
    let only_lines = rules(x, slot).unfinished_ms.is_none();
    let is_torn =
        x.rooms[room as usize].unfinished_by.is_some_and(|by| by != id && (only_lines || !is_open(by)));
    x.rooms[room as usize].unfinished_by = (bytes.last() != Some(&b'\n')).then_some(id);
    let (seq, author) = (x.next_seq(), (state == Membership::Present).then_some(member));
    x.append(room, seq, author, Kind::Message, &[if is_torn { b"\n" } else { b"" }, bytes]);
}
