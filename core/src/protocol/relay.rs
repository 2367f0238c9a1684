//! Relay: the bytes of one client go unchanged to all others in its room.
//!
//! They go out in whole lines, so the bytes of other clients do not come in between. An unfinished
//! line goes out only if it is too long or takes too long. If its author disconnects before the line
//! has ended, the next client begins a new line.

use crate::config::{Direction, RelayRules};
use crate::conn::Slot;
use crate::exchange::Exchange;
use crate::ids::{Cause, Instant};
use crate::protocol::Behaviour;
use crate::room::{Membership, RoomIndex};
use crate::session::{Feed, Session};

/// The relay protocol.
pub(crate) struct Relay;

impl Behaviour for Relay {
    fn opened(&self, x: &mut Exchange<'_>, slot: Slot) {
        let RelayRules { direction, shares, .. } = *rules(x, slot);
        let way = if direction == Direction::In { Membership::Feeding } else { Membership::Present };
        // Every relay listener has a room of its own or of another listener from the start.
        x.join_owned(slot, shares.unwrap_or(x.listener_id(slot)), way);
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
            used += if x.line(slot).is_unfinished() {
                go_on_with_line(x, slot, rest)
            } else {
                relay_lines(x, slot, rest)
            };
        }
        if used > 0
            && let Session::Relay(feed) = x.session_mut(slot)
        {
            feed.spoke = true;
        }
        used
    }

    fn may_end(&self, x: &Exchange<'_>, slot: Slot) -> bool {
        !is_postponed(x, slot)
            && !x.has_pending(slot)
            && (x.within_rate(slot) || !x.line(slot).is_unfinished())
    }

    fn ended(&self, x: &mut Exchange<'_>, slot: Slot) {
        self.last_words(x, slot);
        if !only_listens(x, slot) && !is_postponed(x, slot) {
            x.close(slot, Cause::Left, Instant::NEVER);
        }
    }

    fn last_words(&self, x: &mut Exchange<'_>, slot: Slot) {
        if rules(x, slot).unfinished_ms.is_none() && x.line(slot).is_unfinished() && !is_postponed(x, slot) {
            // Only whole lines go out. There is room for the ending, because a line without that room is
            // not kept.
            x.line_mut(slot).text().push(b"\n");
        }
        relay_kept(x, slot, false);
    }

    fn may_be_silent(&self, x: &Exchange<'_>, slot: Slot, idle_ms: u32) -> bool {
        only_listens(x, slot) || x.took_something_within(slot, idle_ms)
    }

    fn timer(&self, x: &mut Exchange<'_>, slot: Slot) {
        if is_postponed(x, slot) {
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
        if x.is_open(slot) && is_postponed(x, slot) && !x.is_waiting(slot) {
            relay_kept(x, slot, true);
        }
    }
}

fn rules<'x>(x: &'x Exchange<'_>, slot: Slot) -> &'x RelayRules {
    x.listener(slot).map_or(&RelayRules::DEFAULT, |listener| &listener.relay)
}

fn set_postponed(x: &mut Exchange<'_>, slot: Slot, postponed: bool) {
    if let Session::Relay(feed) = x.session_mut(slot) {
        feed.postponed = postponed;
    }
}

fn is_postponed(x: &Exchange<'_>, slot: Slot) -> bool {
    matches!(x.session(slot), Session::Relay(Feed { postponed: true, .. }))
}

/// Whether a client is there to receive. Its silence is no sign that it is gone, and it stays when its
/// input ends.
fn only_listens(x: &Exchange<'_>, slot: Slot) -> bool {
    match rules(x, slot).direction {
        Direction::Both => matches!(x.session(slot), Session::Relay(Feed { spoke: false, .. })),
        Direction::In => false,
        Direction::Out => true,
    }
}

fn is_ready(x: &Exchange<'_>, slot: Slot) -> bool {
    x.within_rate(slot) && !is_postponed(x, slot)
}

/// Relays the whole lines at the front of the input, as many as fit one record. Or keeps the start of an
/// unfinished line, unless it is too long.
fn relay_lines(x: &mut Exchange<'_>, slot: Slot, input: &[u8]) -> usize {
    let longest = x.limits().line_buffer();
    let window = &input[..input.len().min(longest)];
    let end = match window.iter().rposition(|&byte| byte == b'\n') {
        Some(at) => at + 1,
        None if window.len() == longest => longest,
        None => 0,
    };
    if end > 0 && !waits(x, slot, false) {
        relay(x, slot, &window[..end]);
        return end;
    }
    let kept = if end > 0 { &window[..end] } else { window };
    x.line_mut(slot).text().push(kept);
    if end > 0 {
        set_postponed(x, slot, true);
    } else if let Some(unfinished_ms) = rules(x, slot).unfinished_ms {
        x.set_timer(slot, x.now().after(u64::from(unfinished_ms)));
    }
    kept.len()
}

/// Adds input to the unfinished line, and relays it when it ends or is full.
fn go_on_with_line(x: &mut Exchange<'_>, slot: Slot, input: &[u8]) -> usize {
    let end = input.iter().position(|&byte| byte == b'\n');
    let part = &input[..end.map_or(input.len(), |at| at + 1)];
    let text = x.line_mut(slot).text();
    let fitted = text.push(part);
    if text.free() == 0 || (end.is_some() && fitted == part.len()) {
        relay_kept(x, slot, false);
    }
    fitted
}

/// Relays the kept part of a line, if it need not wait for its turn.
fn relay_kept(x: &mut Exchange<'_>, slot: Slot, has_waited: bool) {
    if x.line(slot).is_unfinished() {
        if waits(x, slot, has_waited) {
            set_postponed(x, slot, true);
            return;
        }
        let mut line = core::mem::take(x.line_mut(slot).text());
        relay(x, slot, line.as_bytes());
        line.clear();
        *x.line_mut(slot).text() = line;
    }
    set_postponed(x, slot, false);
    x.stop_timer(slot);
}

/// Whether a line must wait for its turn.
fn waits(x: &mut Exchange<'_>, slot: Slot, has_waited: bool) -> bool {
    x.fed_room(slot).is_some_and(|room| x.waits_for_turn(slot, room, has_waited))
}

fn relay(x: &mut Exchange<'_>, slot: Slot, bytes: &[u8]) {
    if x.rate(slot).is_some() {
        let lines = bytes.iter().filter(|&&byte| byte == b'\n').count();
        x.charge(slot, lines.max(1) as u32);
    }
    let Some(room) = x.fed_room(slot) else { return };
    // Most have a whole line.
    if x.unfinished_by(room).is_none() && bytes.last() == Some(&b'\n') {
        x.pass_on(slot, room, false, bytes);
    } else {
        relay_in_pieces(x, slot, room, bytes);
    }
}

/// Relays bytes that may be half a line, or may follow half a line of another client. If that client is
/// gone, or if only whole lines go out, the two lines must not run together.
#[cold]
fn relay_in_pieces(x: &mut Exchange<'_>, slot: Slot, room: RoomIndex, bytes: &[u8]) {
    let is_open = |by| !x.is_shutting_down() && x.find(by).is_some_and(|author| x.is_open(author));
    let id = x.id(slot);
    let only_lines = rules(x, slot).unfinished_ms.is_none();
    let is_torn = x.unfinished_by(room).is_some_and(|by| by != id && (only_lines || !is_open(by)));
    x.set_unfinished_by(room, (bytes.last() != Some(&b'\n')).then_some(id));
    x.pass_on(slot, room, is_torn, bytes);
}
