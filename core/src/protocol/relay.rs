//! Relay: the bytes of one client go verbatim to all others of its listener.
//!
//! What is passed on are whole lines, so that no other client's bytes come in
//! between; an unfinished line only when it is too long or takes too long.

use crate::conn::{Slot, State};
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
        match x.room_of(slot) {
            Some(room) if x.within_rate(slot) => x.place_in(room),
            _ => 0,
        }
    }

    fn received(&self, x: &mut Exchange<'_>, slot: Slot, input: &[u8]) -> usize {
        let mut used = 0;
        while used < input.len() && self.appetite(x, slot) > 0 {
            let rest = &input[used..];
            used += if x.conn(slot).line.is_unfinished() {
                go_on_with_line(x, slot, rest)
            } else {
                relay_lines(x, slot, rest)
            };
        }
        used
    }

    fn ended(&self, x: &mut Exchange<'_>, slot: Slot) {
        relay_unfinished(x, slot);
        x.close(slot, Cause::Left, Instant::NEVER);
    }

    fn broke(&self, x: &mut Exchange<'_>, slot: Slot) {
        if self.appetite(x, slot) > 0 {
            relay_unfinished(x, slot);
        }
    }

    fn flush(&self, x: &mut Exchange<'_>, slot: Slot) {
        if self.appetite(x, slot) > 0 {
            relay_unfinished(x, slot);
        }
    }

    fn resume(&self, x: &mut Exchange<'_>, slot: Slot) {
        x.let_go(slot);
        if x.conn(slot).state == State::Open && x.conn(slot).wait_until <= x.now {
            // While it could not be passed on its end was not read either: it gets
            // the time to come.
            let flush_at = x.now.after(u64::from(x.config.unfinished_ms));
            let conn = x.conn_mut(slot);
            if core::mem::replace(&mut conn.wait_extended, true) {
                return self.flush(x, slot);
            }
            conn.wait_until = flush_at;
            x.arm(slot, flush_at);
        }
    }
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
    if end > 0 {
        relay(x, slot, &window[..end]);
        return end;
    }
    let flush_at = x.now.after(u64::from(x.config.unfinished_ms));
    let conn = x.conn_mut(slot);
    (conn.wait_until, conn.wait_extended) = (flush_at, false);
    conn.line.text().push(window);
    x.arm(slot, flush_at);
    window.len()
}

/// Adds input to the unfinished line, and relays it when it ends or is full.
fn go_on_with_line(x: &mut Exchange<'_>, slot: Slot, input: &[u8]) -> usize {
    let end = input.iter().position(|&byte| byte == b'\n');
    let part = &input[..end.map_or(input.len(), |at| at + 1)];
    let text = x.conn_mut(slot).line.text();
    let fitted = text.push(part);
    if text.free() == 0 || (end.is_some() && fitted == part.len()) {
        relay_unfinished(x, slot);
    }
    fitted
}

fn relay_unfinished(x: &mut Exchange<'_>, slot: Slot) {
    let mut line = core::mem::take(x.conn_mut(slot).line.text());
    if !line.is_empty() {
        relay(x, slot, line.as_bytes());
    }
    line.clear();
    let conn = x.conn_mut(slot);
    *conn.line.text() = line;
    conn.wait_until = Instant::NEVER;
}

fn relay(x: &mut Exchange<'_>, slot: Slot, bytes: &[u8]) {
    if x.config.rate.is_some() {
        let lines = bytes.iter().filter(|&&byte| byte == b'\n').count();
        x.charge(slot, lines.max(1) as u32);
    }
    x.say(slot, Kind::Message, &[bytes]);
}
