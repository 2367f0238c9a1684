//! Relay: the bytes of one client go verbatim to all others of its listener.
//!
//! What is passed on are whole lines, so that no other client's bytes come in
//! between; an unfinished line only when it is too long or takes too long.

use crate::conn::{NONE, Slot, State};
use crate::event::{Cause, Instant};
use crate::exchange::Exchange;
use crate::log::Kind;
use crate::protocol::Behaviour;
use crate::room::Membership;

/// The relay protocol.
pub(crate) struct Relay;

impl Behaviour for Relay {
    fn opened(&self, x: &mut Exchange<'_>, slot: Slot) {
        // Every relay listener has its room from the start.
        if let Some(room) = x.room_owned(x.conn(slot).listener) {
            x.join(slot, room, Membership::Present);
        }
    }

    fn appetite(&self, x: &Exchange<'_>, slot: Slot) -> usize {
        if is_ready(x, slot) { x.appetite(slot) } else { 0 }
    }

    fn received(&self, x: &mut Exchange<'_>, slot: Slot, input: &[u8]) -> usize {
        let mut used = 0;
        while used < input.len() && is_ready(x, slot) {
            let rest = &input[used..];
            used += if x.conn(slot).line.is_unfinished() {
                go_on_with_line(x, slot, rest)
            } else {
                relay_lines(x, slot, rest)
            };
        }
        used
    }

    fn may_end(&self, x: &Exchange<'_>, slot: Slot) -> bool {
        let conn = x.conn(slot);
        !conn.postponed && (x.within_rate(slot) || !conn.line.is_unfinished())
    }

    fn ended(&self, x: &mut Exchange<'_>, slot: Slot) {
        relay_kept(x, slot, false);
        if !x.conn(slot).postponed {
            x.close(slot, Cause::Left, Instant::NEVER);
        }
    }

    fn broke(&self, x: &mut Exchange<'_>, slot: Slot) {
        relay_kept(x, slot, false);
    }

    fn timer(&self, x: &mut Exchange<'_>, slot: Slot) {
        if x.conn(slot).postponed {
            return;
        }
        if x.within_rate(slot) {
            relay_kept(x, slot, false);
        } else {
            // The end of the line may be there, and is not read yet.
            let at = x.rate_allows_at(slot).after(u64::from(x.config.unfinished_ms));
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

fn is_ready(x: &Exchange<'_>, slot: Slot) -> bool {
    x.within_rate(slot) && !x.conn(slot).postponed
}

/// Relays the whole lines at the front of the input, as many as fit one
/// record; or keeps what is there of an unfinished one, unless it is too long.
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
    } else {
        x.set_timer(slot, x.now.after(u64::from(x.config.unfinished_ms)));
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

/// Relays what was kept, if it need not wait for its turn.
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
    if let Some(member) = x.member_in(slot, &[Membership::Present]) {
        x.say_in(member, Kind::Message, &[bytes]);
    }
}
