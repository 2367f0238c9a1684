//! Chat: rooms and names, line by line. The rules have numbers in docs/protocol.md.

use crate::conn::{Arrival, Listing, NONE, Slot, State};
use crate::event::{Cause, Instant, Refusal};
use crate::exchange::Exchange;
use crate::limits::{LOBBY, MOMENT_MS, Protocol};
use crate::log::Kind;
use crate::name::{BadName, NAME_BYTES};
use crate::protocol::command::{self, Command, split_word};
use crate::protocol::lines::{self, Done, LineReader, tell};
use crate::protocol::{Behaviour, listing};
use crate::room::{Membership, RoomIndex};
use crate::text::{Decimal, Text, clipped, plain_line};
use crate::transmit::GapText;

/// The chat protocol.
pub(crate) struct Chat;

const COMMANDS: &[Command] = &[
    Command { name: "help", arguments: "", help: "list the commands", run: command::help },
    Command { name: "join", arguments: "ROOM", help: "go to another room", run: join },
    Command { name: "me", arguments: "TEXT", help: "say what you do", run: me },
    Command { name: "msg", arguments: "NAME TEXT", help: "send a direct message", run: msg },
    Command { name: "nick", arguments: "NAME", help: "take another name", run: nick },
    Command { name: "ping", arguments: "", help: "check that the server answers", run: ping },
    Command { name: "quit", arguments: "[REASON]", help: "leave", run: quit },
    Command { name: "rooms", arguments: "", help: "list the rooms", run: command::rooms },
    Command { name: "topic", arguments: "[TEXT]", help: "show or set the room's topic", run: topic },
    Command { name: "who", arguments: "[ROOM]", help: "list who is in a room", run: command::who },
];

impl Behaviour for Chat {
    fn opened(&self, x: &mut Exchange<'_>, slot: Slot) {
        x.set_guest_name(slot);
        x.conn_mut(slot).listing = Listing::Greeting(0);
        x.wake(slot);
    }

    fn appetite(&self, x: &Exchange<'_>, slot: Slot) -> usize {
        if self.is_ready(x, slot) { x.appetite(slot) } else { 0 }
    }

    fn received(&self, x: &mut Exchange<'_>, slot: Slot, input: &[u8]) -> usize {
        lines::received(self, x, slot, input)
    }

    fn may_end(&self, x: &Exchange<'_>, slot: Slot) -> bool {
        let conn = x.conn(slot);
        can_act(x, slot) && !conn.postponed && (x.within_rate(slot) || !conn.line.is_unfinished())
    }

    fn ended(&self, x: &mut Exchange<'_>, slot: Slot) {
        lines::ended(self, x, slot);
        if !x.conn(slot).postponed {
            x.close(slot, Cause::Left, Instant::NEVER);
        }
    }

    fn timer(&self, x: &mut Exchange<'_>, slot: Slot) {
        let conn = x.conn_mut(slot);
        if conn.arrival == Arrival::New && !conn.line.spoke && conn.line.is_unfinished() {
            conn.arrival = Arrival::Late;
            x.set_timer(slot, x.now.after(MOMENT_MS));
        } else {
            introduce(x, slot);
        }
    }

    fn resume(&self, x: &mut Exchange<'_>, slot: Slot) {
        if x.conn(slot).state != State::Open {
            return depart(x, slot);
        }
        listing::resume(x, slot, COMMANDS);
        if x.conn(slot).listing == Listing::None && x.room_of(slot).is_none() {
            // It has been greeted. It comes in when there is place to tell it who is there.
            if x.queue_free(slot) < x.limits.longest() {
                x.conn_mut(slot).blocked = true;
            } else if let Some(lobby) = x.room_named(LOBBY) {
                come_in(x, slot, lobby);
                x.set_timer(slot, x.now.after(MOMENT_MS));
                listing::resume(x, slot, COMMANDS);
            }
        }
        if can_act(x, slot) {
            lines::resume(self, x, slot);
        } else if x.conn(slot).postponed {
            x.conn_mut(slot).blocked = true;
        }
    }

    fn tell(&self, x: &mut Exchange<'_>, slot: Slot, text: &str) {
        tell(x, slot, &[text]);
    }

    fn refusal(&self, refusal: Refusal) -> &'static str {
        match refusal {
            Refusal::Full => "-- server is full\r\n",
            Refusal::PerPeer => "-- too many connections from your address\r\n",
            Refusal::ShuttingDown => "-- server is shutting down\r\n",
        }
    }

    fn gap(&self, missed: u32) -> GapText {
        gap_text(missed)
    }
}

impl LineReader for Chat {
    fn is_ready(&self, x: &Exchange<'_>, slot: Slot) -> bool {
        can_act(x, slot) && !x.conn(slot).postponed && x.within_rate(slot)
    }

    fn waits(&self, x: &mut Exchange<'_>, slot: Slot, has_waited: bool) -> bool {
        x.waits_for_turn(slot, has_waited)
    }

    fn line(&self, x: &mut Exchange<'_>, slot: Slot, text: &[u8]) -> Done {
        match text.strip_prefix(b"/") {
            Some(command) if !command.starts_with(b"/") => {
                let done = command::run(COMMANDS, x, slot, command);
                // After a `/nick`, so that the others see one line only.
                introduce(x, slot);
                done
            }
            escaped => {
                introduce(x, slot);
                // The line is lent for a moment. A copy of it would cost more than all the rest.
                let name = core::mem::take(&mut x.conn_mut(slot).name);
                let text = escaped.unwrap_or(text);
                x.say(slot, Kind::Message, &[b"<", name.as_bytes(), b"> ", text, b"\r\n"]);
                x.conn_mut(slot).name = name;
                Done::Yes
            }
        }
    }

    fn leave(&self, x: &mut Exchange<'_>, slot: Slot) {
        quit(x, slot, "");
    }

    /// Says messages that can be copied without a closer look. Most lines are so.
    fn plain_lines(&self, x: &mut Exchange<'_>, slot: Slot, input: &[u8]) -> usize {
        // With a rate, each line counts before the next one.
        let is_plain = x.conn(slot).arrival == Arrival::Told && x.rate(slot).is_none();
        let Some(member) = x.only_membership(slot).filter(|_| is_plain) else { return 0 };
        if x.room_to_wait_for(slot, false).is_some() {
            return 0;
        }
        let scratch = core::mem::take(&mut x.scratch);
        let mut heading = Text::new(scratch);
        for part in [b"<", x.conn(slot).name.as_bytes(), b"> "] {
            heading.push(part);
        }
        let (limit, mut used) = (x.limits.line, 0);
        x.say_all(member, heading.as_bytes(), || {
            loop {
                let rest = &input[used..];
                let (len, count) = plain_line(rest).filter(|(len, _)| *len <= limit)?;
                // It may be a command, or show nothing.
                if matches!(rest[0], b'/' | b' ' | b'\t') {
                    return None;
                }
                used += count;
                if len > 0 {
                    return Some(&rest[..len]);
                }
            }
        });
        x.scratch = scratch;
        used
    }
}

/// Whether a line can be acted on: its answer has a place.
fn can_act(x: &Exchange<'_>, slot: Slot) -> bool {
    let conn = x.conn(slot);
    conn.state == State::Open
        && conn.listing == Listing::None
        && conn.turn.room == NONE
        && x.queue_free(slot) >= x.limits.longest()
        && x.room_of(slot).is_some()
}

/// The notice of a gap, for every protocol that shows lines.
pub(crate) fn gap_text(missed: u32) -> GapText {
    let mut text = GapText::new();
    for part in ["-- you missed ", Decimal::new(missed as usize).as_str(), " messages\r\n"] {
        // There is room for all digits.
        let _ = text.extend_from_slice(part.as_bytes());
    }
    text
}

// --- Coming and going ---

/// The kinds of events in a sum.
const CAME: usize = 0;
const LEFT: usize = 1;

/// Lets a connection into a room, and tells it who is there.
fn come_in(x: &mut Exchange<'_>, slot: Slot, room: RoomIndex) {
    x.join(slot, room, Membership::Present);
    x.conn_mut(slot).listing = listing::for_newcomer(x, room);
}

/// Tells the others in its room that a connection is there, unless they know.
fn introduce(x: &mut Exchange<'_>, slot: Slot) {
    if x.conn(slot).arrival == Arrival::Told || x.conn(slot).state != State::Open {
        return;
    }
    let Some(member) = x.member_in(slot, &[Membership::Present]) else { return };
    x.conn_mut(slot).arrival = Arrival::Told;
    let (room, name, seq) = (x.members[member as usize].room, x.name(slot), x.next_seq());
    x.tell_or_count((room, CAME), slot, seq, Some(member), &[b"-- ", &name, b" joined\r\n"]);
}

/// Lets a connection that is closing, or gone, leave its rooms.
fn depart(x: &mut Exchange<'_>, slot: Slot) {
    let conn = x.conn(slot);
    let reason = conn.cause.reason().as_bytes();
    // Only an operator gives a reason.
    let given =
        if cfg!(feature = "console") && conn.cause == Cause::Kicked { conn.line.as_bytes() } else { b"" };
    let given = heapless::Vec::<u8, 128>::from_slice(&given[..given.len().min(128)]).unwrap_or_default();
    let farewell: Farewell<'_> = match (reason, &given[..]) {
        (b"", _) => [b" left", b"", b""],
        (reason, b"") => [b" left (", reason, b")"],
        (_, given) => [b" left (kicked: ", given, b")"],
    };
    leave_rooms(x, slot, Membership::Leaving, farewell);
}

/// The text after the name of a client that leaves.
type Farewell<'t> = [&'t [u8]; 3];

/// Leaves every room in which the connection is in this `way`, and tells those that knew of it. A reason
/// of the server is in brackets, and a reason of the client follows a colon. So a client cannot fake a
/// reason of the server.
fn leave_rooms(x: &mut Exchange<'_>, slot: Slot, way: Membership, farewell: Farewell<'_>) {
    let is_told = x.conn(slot).arrival == Arrival::Told && !x.shutting_down;
    let (name, seq) = (x.name(slot), x.next_seq());
    let [verb, words, end] = farewell;
    for member in x.members_of(slot) {
        if x.members[member as usize].state == way {
            let room = x.members[member as usize].room;
            x.leave(member, Membership::Leaving);
            if is_told {
                let parts: &[&[u8]] = &[b"-- ", &name, verb, words, end, b"\r\n"];
                x.tell_or_count((room, LEFT), slot, seq, None, parts);
            }
            x.leave(member, Membership::Draining);
        }
    }
}

/// Tells a room how many came and left without a notice.
pub(crate) fn tell_sum(x: &mut Exchange<'_>, room: RoomIndex) {
    let [came, left] = x.take_untold(room);
    let [came, left] = [came, left].map(|count| Decimal::new(count as usize));
    let (came, left) = (came.as_str().as_bytes(), left.as_str().as_bytes());
    let seq = x.next_seq();
    x.append(room, seq, None, Kind::Notice, &[b"-- others: ", came, b" joined, ", left, b" left\r\n"]);
}

// --- Commands ---

fn nick(x: &mut Exchange<'_>, slot: Slot, arguments: &str) -> Done {
    let old = x.name(slot);
    let name = match x.spelled(arguments) {
        Ok(name) => name,
        Err(error) => {
            tell(x, slot, &["bad name: ", why_bad(error)]);
            return Done::Yes;
        }
    };
    if name.as_bytes() == old.as_slice() {
        tell(x, slot, &["you are ", &name, " already"]);
    } else if let Some(other) = x.look_alike(slot, &name) {
        let other = x.name(other);
        if x.bearer(&name).is_some() {
            tell(x, slot, &["the name ", &name, " is taken"]);
        } else {
            x.tell(
                slot,
                &[b"-- the name ", name.as_bytes(), b" looks like ", &other, b", which is taken\r\n"],
            );
        }
    } else {
        x.set_name(slot, &name);
        x.stats.renamed += 1;
        let parts: &[&[u8]] = &[b"-- ", &old, b" is now ", name.as_bytes(), b"\r\n"];
        if x.conn(slot).arrival == Arrival::Told {
            x.announce(slot, parts);
        } else {
            x.tell(slot, parts);
        }
    }
    Done::Yes
}

fn why_bad(error: BadName) -> &'static str {
    match error {
        BadName::Characters => "1 to 24 letters, digits, - or _",
        BadName::Reserved => "it looks like one of the server's own words",
    }
}

fn me(x: &mut Exchange<'_>, slot: Slot, arguments: &str) -> Done {
    if arguments.is_empty() {
        tell(x, slot, &["/me needs a text, as in /me waves"]);
    } else {
        introduce(x, slot);
        let name = x.name(slot);
        x.say(slot, Kind::Message, &[b"* ", &name, b" ", arguments.as_bytes(), b"\r\n"]);
    }
    Done::Yes
}

fn msg(x: &mut Exchange<'_>, slot: Slot, arguments: &str) -> Done {
    let (to, text) = split_word(arguments);
    if to.is_empty() || text.is_empty() {
        tell(x, slot, &["/msg needs a name and a text, as in /msg bob hello"]);
        return Done::Yes;
    }
    let listeners = x.config.listeners;
    let found = x.named(to).filter(|&other| {
        let conn = x.conn(other);
        let listener = listeners.get(usize::from(conn.listener.0));
        conn.state == State::Open && listener.is_some_and(|listener| listener.protocol == Protocol::Chat)
    });
    let Some(found) = found else {
        let shown = clipped(to, NAME_BYTES);
        tell(x, slot, &["nobody here is called ", shown]);
        return Done::Yes;
    };
    let (from, to) = (x.name(slot), x.name(found));
    if x.tell(found, &[b"[", &from, b"] ", text.as_bytes(), b"\r\n"]) {
        x.tell(slot, &[b"[to ", &to, b"] ", text.as_bytes(), b"\r\n"]);
    } else {
        x.tell(slot, &[b"-- ", &to, b" takes no more messages now, not sent\r\n"]);
    }
    Done::Yes
}

fn join(x: &mut Exchange<'_>, slot: Slot, arguments: &str) -> Done {
    let name = match x.spelled(arguments) {
        Ok(name) => name,
        Err(error) => {
            tell(x, slot, &["bad room name: ", why_bad(error)]);
            return Done::Yes;
        }
    };
    let known = x.room_named(&name);
    if known.is_some() && x.room_of(slot) == known {
        tell(x, slot, &["you are in ", &name, " already"]);
        return Done::Yes;
    }
    if let Some(other) = x.room_look_alike(&name).filter(|_| known.is_none()) {
        let other = x.room_name(other);
        x.tell(
            slot,
            &[b"-- the room name ", name.as_bytes(), b" looks like ", &other, b", which exists already\r\n"],
        );
        return Done::Yes;
    }
    if !x.may_join(slot, known) {
        x.conn_mut(slot).blocked = true;
        return Done::NotNow;
    }
    let Some(room) = known.or_else(|| x.new_room(&name)) else {
        tell(x, slot, &["there are too many rooms already; /rooms lists them"]);
        return Done::Yes;
    };
    let name = x.room_name(room);
    leave_rooms(x, slot, Membership::Present, [b" went to ", &name, b""]);
    x.conn_mut(slot).arrival = Arrival::New;
    come_in(x, slot, room);
    x.tell(slot, &[b"-- you are in ", &name, b"\r\n"]);
    tell_topic(x, slot, false);
    x.wake(slot);
    Done::Yes
}

fn topic(x: &mut Exchange<'_>, slot: Slot, arguments: &str) -> Done {
    let Some(room) = x.room_of(slot) else { return Done::Yes };
    if arguments.is_empty() {
        tell_topic(x, slot, true);
        return Done::Yes;
    }
    introduce(x, slot);
    let topic = &mut x.rooms[room as usize].topic;
    topic.set(arguments.as_bytes());
    let kept = &arguments.as_bytes()[..topic.as_bytes().len()];
    let name = x.name(slot);
    x.announce(slot, &[b"-- ", &name, b" set the topic: ", kept, b"\r\n"]);
    Done::Yes
}

fn tell_topic(x: &mut Exchange<'_>, slot: Slot, even_none: bool) {
    let Some(room) = x.room_of(slot) else { return };
    let topic = x.rooms[room as usize].topic.as_bytes();
    let topic = heapless::Vec::<u8, { crate::limits::TOPIC_BYTES }>::from_slice(topic).unwrap_or_default();
    if !topic.is_empty() {
        x.tell(slot, &[b"-- topic: ", &topic, b"\r\n"]);
    } else if even_none {
        tell(x, slot, &["no topic"]);
    }
}

fn ping(x: &mut Exchange<'_>, slot: Slot, _: &str) -> Done {
    tell(x, slot, &["pong"]);
    Done::Yes
}

fn quit(x: &mut Exchange<'_>, slot: Slot, reason: &str) -> Done {
    let farewell: Farewell<'_> =
        if reason.is_empty() { [b" left", b"", b""] } else { [b" left: ", reason.as_bytes(), b""] };
    leave_rooms(x, slot, Membership::Present, farewell);
    x.close_soon(slot, Cause::Left);
    Done::Yes
}
