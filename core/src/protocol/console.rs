//! The console: the operator's commands go in. Replies come out, with the lines of the rooms that it
//! watches. Nobody in the rooms sees it.

use crate::conn::{Listing, Slot, State};
use crate::event::Cause;
use crate::exchange::Exchange;
use crate::limits::Protocol;
use crate::log::Kind;
use crate::name::NAME_BYTES;
use crate::protocol::chat::gap_text;
use crate::protocol::command::{self, Command, split_word};
use crate::protocol::lines::{self, Done, LineReader, tell};
use crate::protocol::{Behaviour, listing};
use crate::room::Membership;
use crate::text::{Decimal, clipped};
use crate::transmit::GapText;

/// The operator's protocol.
pub(crate) struct Console;

const COMMANDS: &[Command] = &[
    Command { name: "help", arguments: "", help: "list the commands", run: command::help },
    Command { name: "kick", arguments: "NAME [REASON]", help: "disconnect a client", run: kick },
    Command { name: "rooms", arguments: "", help: "list the rooms", run: command::rooms },
    Command { name: "say", arguments: "TEXT", help: "send a message to all rooms", run: say },
    Command { name: "shutdown", arguments: "", help: "tell all clients, then end the server", run: shutdown },
    Command { name: "stats", arguments: "", help: "show how much the server has done", run: stats },
    Command { name: "unwatch", arguments: "ROOM", help: "stop showing what is said in a room", run: unwatch },
    Command { name: "watch", arguments: "ROOM", help: "show what is said in a room", run: watch },
    Command { name: "who", arguments: "[ROOM]", help: "list who is in a room", run: command::who },
];

/// The names of the console's commands, without the slash, for a driver that completes them.
pub fn console_commands() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|command| command.name)
}

impl Behaviour for Console {
    fn opened(&self, x: &mut Exchange<'_>, slot: Slot) {
        // The operator is never a client of another protocol, whatever the first line is.
        x.conn_mut(slot).line.spoke = true;
    }

    fn appetite(&self, x: &Exchange<'_>, slot: Slot) -> usize {
        if self.is_ready(x, slot) { x.limits.line } else { 0 }
    }

    fn received(&self, x: &mut Exchange<'_>, slot: Slot, input: &[u8]) -> usize {
        lines::received(self, x, slot, input)
    }

    fn ended(&self, x: &mut Exchange<'_>, slot: Slot) {
        // It goes on as a watcher: the end of its input ends nothing else.
        lines::ended(self, x, slot);
    }

    fn resume(&self, x: &mut Exchange<'_>, slot: Slot) {
        x.let_go(slot);
        listing::resume(x, slot, COMMANDS);
    }

    fn tell(&self, x: &mut Exchange<'_>, slot: Slot, text: &str) {
        tell(x, slot, &[text]);
    }

    fn gap(&self, missed: u32) -> GapText {
        gap_text(missed)
    }
}

impl LineReader for Console {
    fn is_ready(&self, x: &Exchange<'_>, slot: Slot) -> bool {
        let conn = x.conn(slot);
        conn.state == State::Open
            && conn.listing == Listing::None
            && !conn.postponed
            && x.queue_free(slot) >= x.limits.longest()
    }

    fn line(&self, x: &mut Exchange<'_>, slot: Slot, text: &[u8]) -> Done {
        match text.strip_prefix(b"/") {
            Some(command) => command::run(COMMANDS, x, slot, command),
            None => {
                tell(x, slot, &["commands start with /; /help lists them"]);
                Done::Yes
            }
        }
    }
}

/// Tells the rooms of the chat something in the server's name.
fn say(x: &mut Exchange<'_>, slot: Slot, text: &str) -> Done {
    if text.is_empty() {
        tell(x, slot, &["/say needs a text, as in /say hello"]);
        return Done::Yes;
    }
    let seq = x.next_seq();
    for room in 0..x.rooms.len() {
        if x.rooms[room].is_free() || x.rooms[room].owner.is_some() {
            continue;
        }
        if x.takes_notice(room as u32) {
            x.append(room as u32, seq, None, Kind::Notice, &[b"-- ", text.as_bytes(), b"\r\n"]);
        } else {
            let name = x.room_name(room as u32);
            x.tell(slot, &[b"-- not said in ", &name, b", which waits for a slow client\r\n"]);
        }
    }
    Done::Yes
}

fn kick(x: &mut Exchange<'_>, slot: Slot, arguments: &str) -> Done {
    let (name, reason) = split_word(arguments);
    if name.is_empty() {
        tell(x, slot, &["/kick needs a name, as in /kick bob"]);
        return Done::Yes;
    }
    let Some(found) = x.named(name).filter(|&found| x.conn(found).state == State::Open) else {
        let shown = clipped(name, NAME_BYTES);
        tell(x, slot, &["nobody here is called ", shown]);
        return Done::Yes;
    };
    let reason = clipped(reason, 100);
    let (before, after) = if reason.is_empty() { ("", "") } else { (" (", ")") };
    tell(x, found, &["you were kicked", before, reason, after]);
    let line = &mut x.conn_mut(found).line;
    line.clear();
    line.text().push(reason.as_bytes());
    x.close_soon(found, Cause::Kicked);
    let name = x.name(found);
    x.tell(slot, &[b"-- ", &name, b" is kicked\r\n"]);
    Done::Yes
}

fn stats(x: &mut Exchange<'_>, slot: Slot, _: &str) -> Done {
    let consoles = x.slots().filter(|&other| {
        let conn = x.conn(other);
        let listener = x.config.listener(conn.listener);
        conn.state != State::Free && listener.is_some_and(|l| l.protocol == Protocol::Console)
    });
    let connections = x.count() - consoles.count();
    let rooms = x.rooms.iter().filter(|room| room.present > 0).count();
    let s = x.stats;
    let sums = [s.accepted, s.refused, s.lagged, s.records, s.received_bytes, s.sent_bytes];
    let [connections, rooms] = [connections, rooms].map(Decimal::new);
    // On a 32-bit machine the counts start again at 4 GiB.
    let sums = sums.map(|sum| Decimal::new(sum as usize));
    let [accepted, refused, lagged, records, received, sent] = sums.each_ref().map(Decimal::as_str);
    let (connections, rooms) = (connections.as_str(), rooms.as_str());
    tell(x, slot, &[connections, " connections, ", rooms, " rooms in use"]);
    tell(x, slot, &[accepted, " accepted, ", refused, " refused, ", lagged, " too slow"]);
    tell(x, slot, &[records, " records, ", received, " bytes received, ", sent, " bytes sent"]);
    Done::Yes
}

fn watch(x: &mut Exchange<'_>, slot: Slot, name: &str) -> Done {
    match x.room_named(name) {
        None => tell(x, slot, &["there is no such room; /rooms lists them"]),
        Some(room) if x.may_join(slot, Some(room)) => x.join(slot, room, Membership::Observing),
        Some(_) => tell(x, slot, &["you watch that room already, or you watch too many; /unwatch one first"]),
    }
    Done::Yes
}

fn unwatch(x: &mut Exchange<'_>, slot: Slot, name: &str) -> Done {
    let room = x.room_named(name);
    let watched = x.members_of(slot).find(|&m| {
        let member = &x.members[m as usize];
        member.state == Membership::Observing && Some(member.room) == room
    });
    match watched {
        Some(member) => x.leave(member, Membership::Draining),
        None => tell(x, slot, &["you do not watch that room"]),
    }
    Done::Yes
}

fn shutdown(x: &mut Exchange<'_>, _: Slot, _: &str) -> Done {
    x.shutdown_wanted = true;
    Done::Yes
}
