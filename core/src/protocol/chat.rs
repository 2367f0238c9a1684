//! Chat: rooms and names, line by line. The rules are numbered in the README.

use crate::conn::{Listing, Slot, State};
use crate::event::{Cause, Instant, Refusal};
use crate::exchange::Exchange;
use crate::limits::{LOBBY, NAME_BYTES, Protocol};
use crate::log::Kind;
use crate::protocol::command::{self, Command, split_word};
use crate::protocol::lines::{self, Done, LineReader, tell};
use crate::protocol::{Behaviour, listing};
use crate::room::Membership;
use crate::text::{Text, clipped, is_name, plain_line};
use crate::transmit::GapText;

/// The chat protocol.
pub(crate) struct Chat;

const BAD_NAME: &str = "1 to 24 letters, digits, - or _";

const COMMANDS: &[Command] = &[
    Command { name: "help", arguments: "", help: "list the commands", run: command::help },
    Command { name: "join", arguments: "ROOM", help: "go to another room", run: join },
    Command { name: "me", arguments: "TEXT", help: "say what you do", run: me },
    Command { name: "msg", arguments: "NAME TEXT", help: "say something to one only", run: msg },
    Command { name: "nick", arguments: "NAME", help: "take another name", run: nick },
    Command { name: "ping", arguments: "", help: "ask for a sign of life", run: ping },
    Command { name: "quit", arguments: "[REASON]", help: "leave", run: quit },
    Command { name: "rooms", arguments: "", help: "list the rooms", run: command::rooms },
    Command { name: "topic", arguments: "[TEXT]", help: "show or set the room's topic", run: topic },
    Command { name: "who", arguments: "[ROOM]", help: "list who is in a room", run: command::who },
];

impl Behaviour for Chat {
    fn opened(&self, x: &mut Exchange<'_>, slot: Slot) {
        x.set_guest_name(slot);
        x.conn_mut(slot).listing = Listing::Greeting(0);
        if let Some(lobby) = x.room_or_new(LOBBY.as_bytes()) {
            x.join(slot, lobby, Membership::Joining);
        }
        x.wake(slot);
    }

    fn appetite(&self, x: &Exchange<'_>, slot: Slot) -> usize {
        match x.room_of(slot) {
            Some(room) if self.is_ready(x, slot) => x.place_in(room),
            _ => 0,
        }
    }

    fn received(&self, x: &mut Exchange<'_>, slot: Slot, input: &[u8]) -> usize {
        lines::received(self, x, slot, input)
    }

    fn ended(&self, x: &mut Exchange<'_>, slot: Slot) {
        lines::ended(self, x, slot);
        if !x.conn(slot).postponed {
            x.close(slot, Cause::Left, Instant::NEVER);
        }
    }

    fn resume(&self, x: &mut Exchange<'_>, slot: Slot) {
        if x.conn(slot).state != State::Open {
            return depart(x, slot);
        }
        listing::resume(x, slot, COMMANDS);
        if x.conn(slot).listing == Listing::None {
            arrive(x, slot);
            listing::resume(x, slot, COMMANDS);
        }
        if can_act(x, slot) {
            lines::resume(self, x, slot);
        } else if x.conn(slot).postponed {
            x.conn_mut(slot).blocked = true;
        }
    }

    fn tell(&self, x: &mut Exchange<'_>, slot: Slot, text: &str) {
        tell(x, slot, format_args!("{text}"));
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

    fn line(&self, x: &mut Exchange<'_>, slot: Slot, text: &[u8]) -> Done {
        match text.strip_prefix(b"/") {
            Some(command) if !command.starts_with(b"/") => command::run(COMMANDS, x, slot, command),
            escaped => {
                // Lent out for a moment: a copy of it would cost more than all the rest.
                let name = core::mem::take(&mut x.conn_mut(slot).name);
                let text = escaped.unwrap_or(text);
                x.say(slot, Kind::Message, &[b"<", name.as_bytes(), b"> ", text, b"\r\n"]);
                x.conn_mut(slot).name = name;
                Done::Yes
            }
        }
    }

    /// Says messages that need no closer look than to be copied. Most lines are so.
    fn plain_lines(&self, x: &mut Exchange<'_>, slot: Slot, input: &[u8]) -> usize {
        // With a rate, each line counts before the next one.
        let Some(member) = x.only_membership(slot).filter(|_| x.config.rate.is_none()) else { return 0 };
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
                if rest[0] == b'/' {
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

/// Whether a line can be acted on: all that it may lead to has a place.
fn can_act(x: &Exchange<'_>, slot: Slot) -> bool {
    let conn = x.conn(slot);
    conn.state == State::Open
        && conn.listing == Listing::None
        && x.queue_free(slot) >= x.limits.longest()
        && x.memberships(slot).iter().all(|member| match member.state {
            Membership::Present => !x.rooms[member.room as usize].closed,
            Membership::Joining => false,
            _ => true,
        })
}

/// The notice of a gap, for every protocol that shows lines.
pub(crate) fn gap_text(missed: u32) -> GapText {
    let mut text = heapless::String::<48>::new();
    let _ = core::fmt::write(&mut text, format_args!("-- you missed {missed} messages\r\n"));
    text.into_bytes()
}

// --- Coming and going ---

/// Lets a newcomer to a room in, once the room can be told.
fn arrive(x: &mut Exchange<'_>, slot: Slot) {
    let Some(member) = x.member_in(slot, &[Membership::Joining]) else { return };
    let room = x.members[member as usize].room;
    if !x.takes_notice(room) {
        return;
    }
    if x.queue_free(slot) < x.limits.longest() {
        x.conn_mut(slot).blocked = true;
        return;
    }
    let name = x.name(slot);
    let seq = x.next_seq();
    x.append(room, seq, None, Kind::Notice, &[b"-- ", &name, b" joined\r\n"]);
    x.admit(member);
    x.conn_mut(slot).listing = listing::HERE;
    // Who has just connected was told by the welcome where it is.
    if core::mem::replace(&mut x.conn_mut(slot).welcomed, true) {
        let name = x.room_name(room);
        x.tell(slot, &[b"-- you are in ", &name, b"\r\n"]);
        tell_topic(x, slot, false);
    }
}

/// Tells the rooms that somebody has left, once all of them can be told at once.
fn depart(x: &mut Exchange<'_>, slot: Slot) {
    let leaving = |x: &Exchange<'_>, m: u32| x.members[m as usize].state == Membership::Leaving;
    let all_take_it = x
        .members_of(slot)
        .filter(|&m| leaving(x, m))
        .all(|m| x.shutting_down || x.takes_notice(x.members[m as usize].room));
    if !all_take_it {
        return;
    }
    let name = x.name(slot);
    let mut reason = heapless::Vec::<u8, 128>::new();
    let conn = x.conn(slot);
    let given = conn.line.as_bytes();
    let given =
        if conn.cause == Cause::Kicked && !given.is_empty() { given } else { conn.cause.reason().as_bytes() };
    let _ = reason.extend_from_slice(&given[..given.len().min(128)]);
    let seq = x.next_seq();
    for member in x.members_of(slot) {
        if leaving(x, member) {
            if !x.shutting_down {
                tell_left(x, x.members[member as usize].room, seq, &name, &reason);
            }
            x.leave(member, Membership::Draining);
        }
    }
}

fn tell_left(x: &mut Exchange<'_>, room: u32, seq: u64, name: &[u8], reason: &[u8]) {
    let (open, close): (&[u8], &[u8]) = if reason.is_empty() { (b"", b"") } else { (b" (", b")") };
    x.append(room, seq, None, Kind::Notice, &[b"-- ", name, b" left", open, reason, close, b"\r\n"]);
}

/// Leaves every room at once; that is possible whenever a line may be acted on.
fn leave_rooms(x: &mut Exchange<'_>, slot: Slot, reason: &str) {
    let name = x.name(slot);
    let seq = x.next_seq();
    for member in x.members_of(slot) {
        if x.members[member as usize].state == Membership::Present {
            let room = x.members[member as usize].room;
            x.leave(member, Membership::Leaving);
            tell_left(x, room, seq, &name, reason.as_bytes());
            x.leave(member, Membership::Draining);
        }
    }
}

// --- Commands ---

fn nick(x: &mut Exchange<'_>, slot: Slot, arguments: &str) -> Done {
    let name = arguments;
    let old = x.name(slot);
    if !is_name(name) || name.len() > x.limits.name {
        tell(x, slot, format_args!("bad name: {BAD_NAME}"));
    } else if name.as_bytes() == old.as_slice() {
        tell(x, slot, format_args!("you are {name} already"));
    } else if x.named(name.as_bytes()).is_some_and(|other| other != slot) {
        tell(x, slot, format_args!("the name {name} is taken"));
    } else {
        x.set_name(slot, name.as_bytes());
        x.announce(slot, &[b"-- ", &old, b" is now ", name.as_bytes(), b"\r\n"]);
    }
    Done::Yes
}

fn me(x: &mut Exchange<'_>, slot: Slot, arguments: &str) -> Done {
    if arguments.is_empty() {
        tell(x, slot, format_args!("/me wants a text"));
    } else {
        let name = x.name(slot);
        x.say(slot, Kind::Message, &[b"* ", &name, b" ", arguments.as_bytes(), b"\r\n"]);
    }
    Done::Yes
}

fn msg(x: &mut Exchange<'_>, slot: Slot, arguments: &str) -> Done {
    let (to, text) = split_word(arguments);
    if to.is_empty() || text.is_empty() {
        tell(x, slot, format_args!("/msg wants a name and a text"));
        return Done::Yes;
    }
    let listeners = x.config.listeners;
    let found = x.named(to.as_bytes()).filter(|&other| {
        let conn = x.conn(other);
        let listener = listeners.get(usize::from(conn.listener.0));
        conn.state == State::Open && listener.is_some_and(|listener| listener.protocol == Protocol::Chat)
    });
    let Some(found) = found else {
        let shown = clipped(to, NAME_BYTES);
        tell(x, slot, format_args!("nobody here is called {shown}"));
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
    let name = arguments;
    if !is_name(name) || name.len() > x.limits.name {
        tell(x, slot, format_args!("bad room name: {BAD_NAME}"));
        return Done::Yes;
    }
    let Some(room) = x.room_or_new(name.as_bytes()) else {
        tell(x, slot, format_args!("there are too many rooms already"));
        return Done::Yes;
    };
    if x.room_of(slot) == Some(room) {
        tell(x, slot, format_args!("you are in {name} already"));
        return Done::Yes;
    }
    if x.join(slot, room, Membership::Joining).is_none() {
        x.conn_mut(slot).blocked = true;
        return Done::NotNow;
    }
    leave_rooms(x, slot, "");
    x.wake(slot);
    Done::Yes
}

fn topic(x: &mut Exchange<'_>, slot: Slot, arguments: &str) -> Done {
    let Some(room) = x.room_of(slot) else { return Done::Yes };
    if arguments.is_empty() {
        tell_topic(x, slot, true);
        return Done::Yes;
    }
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
        tell(x, slot, format_args!("no topic"));
    }
}

fn ping(x: &mut Exchange<'_>, slot: Slot, _: &str) -> Done {
    tell(x, slot, format_args!("pong"));
    Done::Yes
}

fn quit(x: &mut Exchange<'_>, slot: Slot, reason: &str) -> Done {
    leave_rooms(x, slot, reason);
    x.close_soon(slot, Cause::Left);
    Done::Yes
}
