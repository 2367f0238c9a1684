//! Long answers, given line by line as the private queue has room.

use crate::conn::{Listing, Slot};
use crate::exchange::Exchange;
use crate::limits::LOBBY;
use crate::protocol::command::Command;
use crate::protocol::lines::tell;
use crate::room::{Membership, RoomIndex};
use crate::text::{Text, clipped};

/// Where a line of names is broken, in bytes, if the line limit is not lower.
const NAMES_WIDTH: usize = 400;

/// Bytes of a long answer that wait at once at the most, and a line. More would go out
/// no sooner, and each connection would need the memory for it.
const AT_ONCE: u32 = 2048;

/// Names that a newcomer is told at the most: in a large room it would have to wait for
/// them longer than for all else.
const NAMES_HERE: u32 = 1000;

/// What a newcomer to a room is told first.
pub(crate) const HERE: Listing = Listing::Here { from: 0, left: NAMES_HERE };

/// Goes on with a connection's long answer until it is given, or the queue holds
/// enough of it or has no room for another line.
pub(crate) fn resume(x: &mut Exchange<'_>, slot: Slot, table: &[Command]) {
    while x.conn(slot).listing != Listing::None {
        if x.conn(slot).queue.used() >= AT_ONCE || x.queue_free(slot) < x.limits.longest() {
            x.conn_mut(slot).blocked = true;
            return;
        }
        let next = match x.conn(slot).listing {
            Listing::None => Listing::None,
            Listing::Greeting(from) => greet(x, slot, from),
            Listing::Here { from, left } => list_here(x, slot, from, left),
            Listing::Who { room, from } => list_who(x, slot, room, from),
            Listing::Rooms(from) => list_room(x, slot, from),
            Listing::Help(from) => list_command(x, slot, table, from),
        };
        x.conn_mut(slot).listing = next;
    }
}

/// One line of the greeting; behind the last one the welcome.
fn greet(x: &mut Exchange<'_>, slot: Slot, from: usize) -> Listing {
    let greeting = x.config.greeting;
    let rest = greeting.get(from..).unwrap_or_default().trim_end_matches('\n');
    if rest.is_empty() {
        let name = x.name(slot);
        let parts: [&[u8]; 3] =
            [b"-- welcome to parlour, you are ", &name, b"; /help lists the commands\r\n"];
        x.tell(slot, &parts);
        return Listing::None;
    }
    let line = rest.split('\n').next().unwrap_or_default();
    // A line that is longer than lines may be goes out in pieces.
    let line = clipped(line, x.limits.line);
    x.tell(slot, &[b"-- ", line.trim_end_matches('\r').as_bytes(), b"\r\n"]);
    let end = from + line.len();
    Listing::Greeting(end + usize::from(greeting.as_bytes().get(end) == Some(&b'\n')))
}

/// One line for a newcomer of who is in its room.
fn list_here(x: &mut Exchange<'_>, slot: Slot, from: Slot, left: u32) -> Listing {
    let Some(room) = x.room_of(slot) else { return Listing::None };
    let (told, next) = list_names(x, slot, room, from, left, [b"-- here", b""]);
    match next {
        None => Listing::None,
        Some(from) if told < left => Listing::Here { from, left: left - told },
        Some(_) => {
            let others = x.rooms[room as usize].present.saturating_sub(NAMES_HERE);
            tell(x, slot, format_args!("and {others} others; /who lists all"));
            Listing::None
        }
    }
}

/// One line for who asked who is in a room.
fn list_who(x: &mut Exchange<'_>, slot: Slot, room: RoomIndex, from: Slot) -> Listing {
    let name = x.room_name(room);
    match list_names(x, slot, room, from, u32::MAX, [b"-- in ", &name]) {
        (_, Some(from)) => Listing::Who { room, from },
        (_, None) => Listing::None,
    }
}

/// One line of at most so many names, from those of the connections in slots from `from`
/// on. Returns how many it has, and the slot of the first in the room that it has not.
fn list_names(
    x: &mut Exchange<'_>,
    slot: Slot,
    room: RoomIndex,
    from: Slot,
    most: u32,
    [heading, label]: [&[u8]; 2],
) -> (u32, Option<Slot>) {
    let width = NAMES_WIDTH.min(x.limits.line);
    let scratch = core::mem::take(&mut x.scratch);
    let mut line = Text::new(scratch);
    let (mut count, mut next) = (0, None);
    for other in from..x.slots().end {
        let is_in = x.memberships(other).iter().any(|m| m.state == Membership::Present && m.room == room);
        if !is_in {
            continue;
        }
        let name = x.conn(other).name.as_bytes();
        let comma: &[u8] = if line.is_empty() { b"" } else { b", " };
        if count == most || count > 0 && line.as_bytes().len() + comma.len() + name.len() > width {
            next = Some(other);
            break;
        }
        line.push(comma);
        line.push(name);
        count += 1;
    }
    if count > 0 || from == 0 {
        let names = if line.is_empty() { b"nobody" } else { line.as_bytes() };
        x.tell(slot, &[heading, label, b": ", names, b"\r\n"]);
    }
    x.scratch = scratch;
    (count, next)
}

/// One line about the first room from `from` on in which somebody is.
fn list_room(x: &mut Exchange<'_>, slot: Slot, from: RoomIndex) -> Listing {
    let listed = (from as usize..x.rooms.len()).find(|&index| {
        let room = &x.rooms[index];
        let is_lobby = room.name.as_bytes() == LOBBY.as_bytes();
        room.owner.is_none() && (room.present > 0 || is_lobby && room.pinned)
    });
    let Some(index) = listed else { return Listing::None };
    let room = &x.rooms[index];
    let name = core::str::from_utf8(room.name.as_bytes()).unwrap_or_default();
    let topic = heapless::Vec::<u8, { crate::limits::TOPIC_BYTES }>::from_slice(room.topic.as_bytes());
    let topic = topic.unwrap_or_default();
    let before_topic = if topic.is_empty() { "" } else { "; " };
    let mut line = heapless::String::<{ crate::limits::NAME_BYTES + 32 }>::new();
    let _ = core::fmt::write(&mut line, format_args!("{name}: {} here{before_topic}", room.present));
    x.tell(slot, &[b"-- ", line.as_bytes(), &topic, b"\r\n"]);
    Listing::Rooms(index as RoomIndex + 1)
}

/// One line about a command.
fn list_command(x: &mut Exchange<'_>, slot: Slot, table: &[Command], from: usize) -> Listing {
    let Some(Command { name, arguments, help, .. }) = table.get(from) else { return Listing::None };
    let space = if arguments.is_empty() { "" } else { " " };
    tell(x, slot, format_args!("/{name}{space}{arguments}: {help}"));
    Listing::Help(from + 1)
}
