//! Chat: rooms and names, line by line. The rules have numbers in docs/protocol.md.

use crate::config::Protocol;
use crate::conn::Slot;
use crate::exchange::{Exchange, GapText, Vacancy};
use crate::ids::{Cause, Instant};
use crate::io::Refusal;
use crate::limits::{LOBBY, MOMENT_MS};
use crate::name::{BadName, NAME_BYTES};
use crate::protocol::command::{self, Command, split_word};
use crate::protocol::lines::{self, Done, LineReader, set_listing, talk, tell};
use crate::protocol::{Behaviour, listing, past};
use crate::record::Kind;
use crate::room::{Membership, RoomIndex};
use crate::session::{Arrival, Guest, Listing, Session};
use crate::text::{Decimal, clipped, plain_line};

/// The chat protocol.
pub(crate) struct Chat;

const COMMANDS: &[Command] = &[
    // The first one is only for those that may be in several rooms.
    Command { name: "part", arguments: "[ROOM]", help: "leave one of your rooms", run: part },
    Command { name: "help", arguments: "", help: "list the commands", run: command::help },
    Command {
        name: "history",
        arguments: "[N]",
        help: "show the last messages of the room",
        run: past::history,
    },
    Command { name: "join", arguments: "ROOM", help: "go to another room", run: join },
    Command { name: "me", arguments: "TEXT", help: "say what you do", run: me },
    Command { name: "msg", arguments: "NAME TEXT", help: "send a direct message", run: msg },
    Command { name: "nick", arguments: "NAME", help: "take another name", run: nick },
    Command { name: "ping", arguments: "", help: "check that the server answers", run: ping },
    Command { name: "quit", arguments: "[REASON]", help: "leave", run: quit },
    Command { name: "rooms", arguments: "", help: "list the rooms", run: command::rooms },
    Command { name: "topic", arguments: "[TEXT]", help: "show or set the room's topic", run: topic },
    Command { name: "who", arguments: "[ROOM]", help: "list who is in a room", run: command::who },
    // The last one is listed only where the driver keeps records.
    #[cfg(feature = "large")]
    Command {
        name: past::SEARCH,
        arguments: "WORDS",
        help: "show messages with these words",
        run: past::search,
    },
];

fn commands(x: &Exchange<'_>, slot: Slot) -> &'static [Command] {
    if x.may_be_in_several(slot) { COMMANDS } else { &COMMANDS[1..] }
}

/// The commands that a client is shown.
fn listed(x: &Exchange<'_>, slot: Slot) -> &'static [Command] {
    let all = commands(x, slot);
    let is_hidden = cfg!(feature = "large") && !x.config().keeps_records;
    &all[..all.len() - usize::from(is_hidden)]
}

impl Behaviour for Chat {
    fn opened(&self, x: &mut Exchange<'_>, slot: Slot) {
        x.name_guest(slot);
        set_listing(x, slot, Listing::Greeting(0));
        x.wake(slot);
    }

    fn appetite(&self, x: &Exchange<'_>, slot: Slot) -> usize {
        if self.is_ready(x, slot) { x.appetite(slot) } else { 0 }
    }

    fn received(&self, x: &mut Exchange<'_>, slot: Slot, input: &[u8]) -> usize {
        lines::received(self, x, slot, input)
    }

    fn may_end(&self, x: &Exchange<'_>, slot: Slot) -> bool {
        is_free(x, slot) && !x.has_pending(slot) && (x.within_rate(slot) || !x.line(slot).is_unfinished())
    }

    fn ended(&self, x: &mut Exchange<'_>, slot: Slot) {
        lines::ended(self, x, slot);
        if !talk(x, slot).postponed {
            x.close(slot, Cause::Left, Instant::NEVER);
        }
    }

    fn timer(&self, x: &mut Exchange<'_>, slot: Slot) {
        if arrival(x, slot) == Arrival::New && !talk(x, slot).spoke && x.line(slot).is_unfinished() {
            set_arrival(x, slot, Arrival::Late);
            x.set_timer(slot, x.now().after(MOMENT_MS));
        } else {
            introduce(x, slot);
        }
    }

    fn resume(&self, x: &mut Exchange<'_>, slot: Slot) {
        if !x.is_open(slot) {
            return x.leave_rooms(slot, is_known(x, slot), Kind::Quit(x.cause(slot)), b"");
        }
        listing::resume(x, slot, listed(x, slot));
        if talk(x, slot).listing == Listing::None && x.room_of(slot).is_none() && !talk(x, slot).postponed {
            // It has been greeted. It comes in when there is place to tell it who is there.
            if !x.takes_a_line(slot) {
                x.block(slot);
            } else if let Some(lobby) = x.room_named(LOBBY) {
                come_in(x, slot, lobby);
                x.set_timer(slot, x.now().after(MOMENT_MS));
                listing::resume(x, slot, listed(x, slot));
            }
        }
        if can_act(x, slot) {
            lines::resume(self, x, slot);
        } else if talk(x, slot).postponed {
            x.block(slot);
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
        is_free(x, slot) && x.within_rate(slot)
    }

    fn waits(&self, x: &mut Exchange<'_>, slot: Slot, has_waited: bool) -> bool {
        x.room_of(slot).is_some_and(|room| x.waits_for_turn(slot, room, has_waited))
    }

    fn line(&self, x: &mut Exchange<'_>, slot: Slot, text: &[u8]) -> Done {
        match text.strip_prefix(b"/") {
            // What it does comes after what it has said.
            Some(command) if !command.starts_with(b"/") && x.has_pending(slot) => Done::NotNow,
            Some(command) if !command.starts_with(b"/") => {
                let done = command::run(commands(x, slot), x, slot, command);
                if done == Done::Yes && x.is_open(slot) && x.room_of(slot).is_none() {
                    // It has left a room, and could not go to another one.
                    go_to_lobby(x, slot);
                }
                // After a `/nick`, so that the others see one line only.
                introduce(x, slot);
                done
            }
            escaped => {
                introduce(x, slot);
                if let Some(room) = x.room_of(slot) {
                    x.say(slot, room, Kind::Say, escaped.unwrap_or(text));
                }
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
        let is_plain = is_known(x, slot) && x.rate(slot).is_none() && !x.config().proposes;
        let Some(room) = x.room_of(slot).filter(|room| is_plain && !x.must_wait(*room, false)) else {
            return 0;
        };
        let (limit, mut used) = (x.limits().line, 0);
        x.say_all(slot, room, || {
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
        used
    }
}

/// Whether a line can be acted on: its answer has a place.
fn can_act(x: &Exchange<'_>, slot: Slot) -> bool {
    x.is_open(slot)
        && talk(x, slot).listing == Listing::None
        && !x.is_waiting(slot)
        && x.takes_a_line(slot)
        && (x.room_of(slot).is_some() || is_between_rooms(x, slot) && !x.is_behind(slot))
}

/// Whether a client has left a room with `/join`, and goes to the other one when it has been told the rest.
fn is_between_rooms(x: &Exchange<'_>, slot: Slot) -> bool {
    talk(x, slot).postponed && x.room_of(slot).is_none()
}

/// Whether a line can be acted on, and no other one waits.
fn is_free(x: &Exchange<'_>, slot: Slot) -> bool {
    can_act(x, slot) && !talk(x, slot).postponed
}

fn arrival(x: &Exchange<'_>, slot: Slot) -> Arrival {
    match x.session(slot) {
        Session::Chat(Guest { arrival, .. }) => *arrival,
        _ => Arrival::New,
    }
}

fn set_arrival(x: &mut Exchange<'_>, slot: Slot, new: Arrival) {
    if let Session::Chat(Guest { arrival, .. }) = x.session_mut(slot) {
        *arrival = new;
    }
}

/// Whether the others in its room know that a client is there.
pub(crate) fn is_known(x: &Exchange<'_>, slot: Slot) -> bool {
    arrival(x, slot) == Arrival::Told
}

/// The text for a gap, for every protocol that shows lines.
pub(crate) fn gap_text(missed: u32) -> GapText {
    let mut text = GapText::new();
    for part in ["you missed ", Decimal::new(missed as usize).as_str(), " messages"] {
        // There is room for all digits.
        let _ = text.extend_from_slice(part.as_bytes());
    }
    text
}

// --- Coming and going ---

/// Lets a connection into a room, and tells it who is there.
fn come_in(x: &mut Exchange<'_>, slot: Slot, room: RoomIndex) {
    x.join(slot, room, Membership::Present);
    x.show_history(slot, room);
    set_listing(x, slot, listing::HERE);
}

/// Lets a connection that is between rooms into the lobby.
fn go_to_lobby(x: &mut Exchange<'_>, slot: Slot) {
    if let Some(lobby) = x.room_named(LOBBY) {
        come_in(x, slot, lobby);
        tell(x, slot, &["you are in ", LOBBY]);
        tell_topic(x, slot, false);
        x.wake(slot);
    }
}

/// Tells the others in its room that a connection is there, unless they know.
fn introduce(x: &mut Exchange<'_>, slot: Slot) {
    if is_known(x, slot) || !x.is_open(slot) {
        return;
    }
    let Some(room) = x.room_of(slot) else { return };
    set_arrival(x, slot, Arrival::Told);
    x.tell_joined(slot, room);
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
    } else if let Some((other, is_same)) = x.look_alike(slot, &name) {
        let other = x.name(other);
        if is_same {
            tell(x, slot, &["the name ", &name, " is taken"]);
        } else {
            let parts: [&[u8]; 5] =
                [b"the name ", name.as_bytes(), b" looks like ", &other, b", which is taken"];
            x.note(slot, &parts);
        }
    } else if is_known(x, slot) {
        if x.waits_for_a_room(slot) {
            return Done::NotNow;
        }
        // The record has the old name.
        x.announce(slot, Kind::Nick, name.as_bytes());
        x.rename(slot, &name);
    } else {
        x.rename(slot, &name);
        x.note::<&[u8]>(slot, &[&old, b" is now ", name.as_bytes()]);
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
        if let Some(room) = x.room_of(slot) {
            x.say(slot, room, Kind::Action, arguments.as_bytes());
        }
    }
    Done::Yes
}

fn msg(x: &mut Exchange<'_>, slot: Slot, arguments: &str) -> Done {
    let (to, text) = split_word(arguments);
    if to.is_empty() || text.is_empty() {
        tell(x, slot, &["/msg needs a name and a text, as in /msg bob hello"]);
        return Done::Yes;
    }
    let found =
        x.named(to).filter(|&other| x.is_open(other) && x.session(other).protocol() == Protocol::Chat);
    let Some(found) = found else {
        let shown = clipped(to, NAME_BYTES);
        tell(x, slot, &["nobody here is called ", shown]);
        return Done::Yes;
    };
    if !x.whisper(slot, found, text.as_bytes()) {
        let to = x.name(found);
        x.note::<&[u8]>(slot, &[&to, b" takes no more messages now, not sent"]);
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
    if let Some(room) = known.filter(|room| x.is_in(slot, *room)) {
        let is_there = x.room_of(slot) == known;
        x.join_again(slot, room);
        tell(x, slot, &["you are in ", &name, if is_there { " already" } else { "" }]);
        return Done::Yes;
    }
    if let Some(other) = x.room_look_alike(&name).filter(|_| known.is_none()) {
        let other = x.room_name(other);
        let parts: [&[u8]; 5] =
            [b"the room name ", name.as_bytes(), b" looks like ", &other, b", which exists already"];
        x.note(slot, &parts);
        return Done::Yes;
    }
    match x.place_for(slot, known) {
        Vacancy::Here => {}
        Vacancy::Later => {
            x.block(slot);
            return Done::NotNow;
        }
        Vacancy::Full => {
            tell(x, slot, &["you are in too many rooms; /part ROOM leaves one"]);
            return Done::Yes;
        }
        Vacancy::Unrendered => {
            tell(x, slot, &["there are too many rooms for clients like you; try again later"]);
            return Done::Yes;
        }
        Vacancy::Nowhere => {
            tell(x, slot, &["too many clients change rooms now; try again"]);
            return Done::Yes;
        }
    }
    let can_come = known.is_some() || x.has_free_room();
    if can_come && x.is_behind(slot) && !x.may_be_in_several(slot) {
        // Its lines do not name their room. So it is told the rest of this one before it comes into the other.
        let known = known.map(|room| x.room_name(room));
        let to = known.as_deref().unwrap_or(name.as_bytes());
        x.leave_rooms(slot, is_known(x, slot), Kind::Part, to);
        set_arrival(x, slot, Arrival::New);
        return Done::NotNow;
    }
    let Some(room) = known.or_else(|| x.make_room(&name)) else {
        tell(x, slot, &["there are too many rooms already; /rooms lists them"]);
        return Done::Yes;
    };
    let name = x.room_name(room);
    if x.may_be_in_several(slot) {
        // The others know of it from now on, because it does not always say something in each of its rooms.
        introduce(x, slot);
        come_in(x, slot, room);
        x.tell_joined(slot, room);
    } else {
        x.leave_rooms(slot, is_known(x, slot), Kind::Part, &name);
        set_arrival(x, slot, Arrival::New);
        come_in(x, slot, room);
    }
    x.note::<&[u8]>(slot, &[b"you are in ", &name]);
    tell_topic(x, slot, false);
    x.wake(slot);
    Done::Yes
}

fn part(x: &mut Exchange<'_>, slot: Slot, arguments: &str) -> Done {
    let named = if arguments.is_empty() { x.room_of(slot) } else { x.room_named(arguments) };
    let Some(room) = named.filter(|room| x.is_in(slot, *room)) else {
        tell(x, slot, &["you are not in that room"]);
        return Done::Yes;
    };
    if x.count_rooms(slot) == 1 {
        tell(x, slot, &["you are in no other room; /quit leaves"]);
        return Done::Yes;
    }
    x.leave_room(slot, room);
    if let Some(room) = x.room_of(slot) {
        let name = x.room_name(room);
        x.note::<&[u8]>(slot, &[b"you are in ", &name]);
    }
    Done::Yes
}

fn topic(x: &mut Exchange<'_>, slot: Slot, arguments: &str) -> Done {
    let Some(room) = x.room_of(slot) else { return Done::Yes };
    if arguments.is_empty() {
        tell_topic(x, slot, true);
        return Done::Yes;
    }
    introduce(x, slot);
    let kept = x.set_topic(room, arguments.as_bytes());
    x.announce_in(slot, room, Kind::Topic, &kept);
    Done::Yes
}

fn tell_topic(x: &mut Exchange<'_>, slot: Slot, even_none: bool) {
    let Some(room) = x.room_of(slot) else { return };
    let topic = x.topic(room);
    if !topic.is_empty() {
        x.note::<&[u8]>(slot, &[b"topic: ", &topic]);
    } else if even_none {
        tell(x, slot, &["no topic"]);
    }
}

fn ping(x: &mut Exchange<'_>, slot: Slot, _: &str) -> Done {
    tell(x, slot, &["pong"]);
    Done::Yes
}

fn quit(x: &mut Exchange<'_>, slot: Slot, reason: &str) -> Done {
    x.leave_rooms(slot, is_known(x, slot), Kind::Quit(Cause::Left), reason.as_bytes());
    x.close_soon(slot, Cause::Left);
    Done::Yes
}
