//! Long answers. They go out line by line, as the private queue has room.

use crate::config::Protocol;
use crate::conn::Slot;
use crate::exchange::{Exchange, Origin};
use crate::limits::LOOKS_AT_ONCE;
use crate::protocol::command::Command;
#[cfg(feature = "large")]
use crate::protocol::lines::drop_kept_line;
use crate::protocol::lines::{set_listing, talk, tell};
use crate::record::RoomRef;
use crate::room::RoomIndex;
use crate::session::Listing;
use crate::text::{Decimal, Text, clipped};

/// Where a line of names is broken, in bytes, if the line limit is not lower.
const NAMES_WIDTH: usize = 400;

/// The most bytes of a long answer that wait at once, besides one line. More would not go out sooner,
/// and each connection would need memory for them.
const AT_ONCE: u32 = 2048;

/// The most names that a newcomer is told. In a large room it would wait longer for the names than for
/// all else.
const NAMES_HERE: u32 = 1000;

/// The most steps of a long answer at once. Most steps make a line. Some only find that many slots hold
/// nobody of the room.
const STEPS_AT_ONCE: u32 = 16;

/// What a newcomer to a room is told: who is there.
pub(crate) const HERE: Listing = Listing::Here { from: 0, left: NAMES_HERE };

// Each kind of answer has a function that is not inlined: a small machine has no stack for the names and
// topics of all of them at once.

/// Goes on with a connection's long answer. It stops at the end, when the queue holds enough or has no
/// room for another line, and when others should have their turn.
pub(crate) fn resume(x: &mut Exchange<'_>, slot: Slot, table: &[Command]) {
    for _ in 0..STEPS_AT_ONCE {
        if talk(x, slot).listing == Listing::None {
            return;
        }
        if x.queue_used(slot) >= AT_ONCE || !x.takes_a_line(slot) {
            return x.block(slot);
        }
        let next = match talk(x, slot).listing {
            Listing::None => Listing::None,
            Listing::Greeting(from) => greet(x, slot, from),
            // First it is told what was said before.
            Listing::Here { .. } if x.is_behind(slot) => return,
            #[cfg(feature = "large")]
            Listing::Looking if x.looks_back(slot) => return,
            #[cfg(feature = "large")]
            Listing::Looking => {
                drop_kept_line(x, slot);
                Listing::None
            }
            Listing::Past { next, end } => tell_past(x, slot, next, end),
            Listing::Here { from, left } => list_here(x, slot, from, left),
            Listing::Who { room, from } => list_who(x, slot, room, from),
            Listing::Rooms(from) => list_room(x, slot, from),
            Listing::Help(from) => list_command(x, slot, table, from),
        };
        set_listing(x, slot, next);
    }
    x.pause(slot);
}

/// One line of the greeting. After the last one, the welcome.
#[inline(never)]
fn greet(x: &mut Exchange<'_>, slot: Slot, from: usize) -> Listing {
    let greeting = x.config().greeting;
    let rest = greeting.get(from..).unwrap_or_default().trim_end_matches('\n');
    if rest.is_empty() {
        let name = x.name(slot);
        let parts: [&[u8]; 3] = [b"welcome to parlour, you are ", &name, b"; /help lists the commands"];
        x.note(slot, &parts);
        return Listing::None;
    }
    let line = rest.split('\n').next().unwrap_or_default();
    // A line above the line limit goes out in pieces.
    let line = clipped(line, x.limits().line);
    x.note(slot, &[line.trim_end_matches('\r')]);
    let end = from + line.len();
    Listing::Greeting(end + usize::from(greeting.as_bytes().get(end) == Some(&b'\n')))
}

/// One message from before, of a client's room.
#[inline(never)]
fn tell_past(x: &mut Exchange<'_>, slot: Slot, next: u32, end: u32) -> Listing {
    match x.room_of(slot).and_then(|room| x.tell_message_in(slot, room, next..end)) {
        Some(next) => Listing::Past { next, end },
        None => Listing::None,
    }
}

/// One line for a newcomer of who is in its room.
#[inline(never)]
fn list_here(x: &mut Exchange<'_>, slot: Slot, from: Slot, left: u32) -> Listing {
    let Some(room) = x.room_of(slot) else { return Listing::None };
    let (told, next) = list_names(x, slot, room, from, left, [b"here", b""]);
    match next {
        None => Listing::None,
        Some(from) if told < left => Listing::Here { from, left: left - told },
        Some(_) => {
            let others = x.present(room).saturating_sub(NAMES_HERE);
            tell(x, slot, &["and ", Decimal::new(others as usize).as_str(), " others; /who lists all"]);
            Listing::None
        }
    }
}

/// One line for a client that asked who is in a room.
#[inline(never)]
fn list_who(x: &mut Exchange<'_>, slot: Slot, place: RoomRef, from: Slot) -> Listing {
    let Some(room) = x.same_room(place) else { return Listing::None };
    let name = x.room_name(room);
    match list_names(x, slot, room, from, u32::MAX, [b"in ", &name]) {
        (_, Some(from)) => Listing::Who { room: place, from },
        (_, None) => Listing::None,
    }
}

/// One line of names, at most this many, of the connections in slots from `from` on. There is no line if
/// many slots in a row hold nobody of the room. Returns how many names it has, and the slot to go on
/// with.
fn list_names(
    x: &mut Exchange<'_>,
    slot: Slot,
    room: RoomIndex,
    from: Slot,
    most: u32,
    [heading, label]: [&[u8]; 2],
) -> (u32, Option<Slot>) {
    let width = NAMES_WIDTH.min(x.limits().line);
    let is_operator = cfg!(feature = "console") && x.session(slot).protocol() == Protocol::Console;
    let scratch = core::mem::take(x.scratch());
    let mut line = Text::new(scratch);
    let end = piece_end(from, x.slots().end);
    let (mut count, mut next) = (0, (end < x.slots().end).then_some(end));
    for other in from..end {
        if !x.is_in(other, room) {
            continue;
        }
        let name = x.name_text(other).as_bytes();
        let origin = if is_operator { x.origin(other) } else { Origin::new() };
        let comma: &[u8] = if line.is_empty() { b"" } else { b", " };
        let len = line.as_bytes().len() + comma.len() + name.len() + origin.len();
        if count == most || count > 0 && len > width {
            next = Some(other);
            break;
        }
        line.push(comma);
        line.push(name);
        line.push(origin.as_bytes());
        count += 1;
    }
    if x.present(room) == 0 {
        line.push(b"nobody");
        next = None;
    }
    if !line.is_empty() {
        x.note(slot, &[heading, label, b": ", line.as_bytes()]);
    }
    *x.scratch() = scratch;
    (count, next)
}

/// The end of the slots, or rooms, that one step looks at, from this one on. In a small table it is the
/// end of the table.
fn piece_end(from: u32, all: u32) -> u32 {
    if cfg!(feature = "large") { all.min(from.saturating_add(LOOKS_AT_ONCE)) } else { all }
}

/// One line about the first room from `from` on that somebody is in. There is no line if many in a row
/// are empty.
#[inline(never)]
fn list_room(x: &mut Exchange<'_>, slot: Slot, from: RoomIndex) -> Listing {
    let all = x.room_indices().end;
    let end = piece_end(from, all);
    let Some(room) = (from..end).find(|room| x.is_listed(*room)) else {
        return if end < all { Listing::Rooms(end) } else { Listing::None };
    };
    let (name, topic) = (x.room_name(room), x.topic(room));
    let before_topic: &[u8] = if topic.is_empty() { b"" } else { b"; " };
    let count = Decimal::new(x.present(room) as usize);
    let parts: [&[u8]; 6] = [&name, b": ", count.as_str().as_bytes(), b" here", before_topic, &topic];
    x.note(slot, &parts);
    Listing::Rooms(room + 1)
}

/// One line about a command.
#[inline(never)]
fn list_command(x: &mut Exchange<'_>, slot: Slot, table: &[Command], from: usize) -> Listing {
    let Some(Command { name, arguments, help, .. }) = table.get(from) else { return Listing::None };
    let space = if arguments.is_empty() { "" } else { " " };
    tell(x, slot, &["/", name, space, arguments, ": ", help]);
    Listing::Help(from + 1)
}
