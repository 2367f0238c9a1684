//! The console: the operator's commands go in, and replies come out. Nobody in the rooms sees it. What it
//! watches goes to a follower, which ends with the connection.

use crate::conn::Slot;
use crate::exchange::{Exchange, Stats};
use crate::limits::WATCH_MS;
use crate::name::NAME_BYTES;
use crate::protocol::chat::is_known;
use crate::protocol::command::{self, Command, split_word};
use crate::protocol::lines::{self, Done, LineReader, set_spoke, talk, tell};
use crate::protocol::{Behaviour, listing};
use crate::session::Listing;
use crate::text::{Decimal, clipped};

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
        set_spoke(x, slot);
    }

    fn appetite(&self, x: &Exchange<'_>, slot: Slot) -> usize {
        if self.is_ready(x, slot) { x.limits().line } else { 0 }
    }

    fn received(&self, x: &mut Exchange<'_>, slot: Slot, input: &[u8]) -> usize {
        lines::received(self, x, slot, input)
    }

    fn ended(&self, x: &mut Exchange<'_>, slot: Slot) {
        // It goes on as a watcher: the end of its input ends nothing else.
        lines::ended(self, x, slot);
    }

    fn resume(&self, x: &mut Exchange<'_>, slot: Slot) {
        if x.is_open(slot) {
            listing::resume(x, slot, COMMANDS);
        }
    }

    fn tell(&self, x: &mut Exchange<'_>, slot: Slot, text: &str) {
        tell(x, slot, &[text]);
    }
}

impl LineReader for Console {
    fn is_ready(&self, x: &Exchange<'_>, slot: Slot) -> bool {
        let talk = talk(x, slot);
        x.is_open(slot) && talk.listing == Listing::None && !talk.postponed && x.takes_a_line(slot)
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
    x.proclaim_to_all(text.as_bytes(), |x, room| {
        let name = x.room_name(room);
        let parts: [&[u8]; 3] = [b"not said in ", &name, b", which waits for a slow client"];
        x.note(slot, &parts);
    });
    Done::Yes
}

fn kick(x: &mut Exchange<'_>, slot: Slot, arguments: &str) -> Done {
    let (name, reason) = split_word(arguments);
    if name.is_empty() {
        tell(x, slot, &["/kick needs a name, as in /kick bob"]);
        return Done::Yes;
    }
    let Some(found) = x.named(name).filter(|&found| x.is_open(found)) else {
        let shown = clipped(name, NAME_BYTES);
        tell(x, slot, &["nobody here is called ", shown]);
        return Done::Yes;
    };
    let reason = clipped(reason, 100);
    let (before, after) = if reason.is_empty() { ("", "") } else { (" (", ")") };
    tell(x, found, &["you were kicked", before, reason, after]);
    x.kick(found, is_known(x, found), reason);
    let name = x.name(found);
    x.note::<&[u8]>(slot, &[&name, b" is kicked"]);
    Done::Yes
}

fn stats(x: &mut Exchange<'_>, slot: Slot, _: &str) -> Done {
    let [connections, rooms] = x.load().map(Decimal::new);
    let &Stats { accepted, refused, lagged, records, received_bytes, sent_bytes, .. } = x.stats();
    let sums = [accepted, refused, lagged, records, received_bytes, sent_bytes];
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
        Some(room) => match x.watch(slot, room, WATCH_MS) {
            Some(true) => {}
            Some(false) => tell(x, slot, &["you watch that room already"]),
            None => tell(x, slot, &["too many others watch; nobody else can"]),
        },
    }
    Done::Yes
}

fn unwatch(x: &mut Exchange<'_>, slot: Slot, name: &str) -> Done {
    if !x.room_named(name).is_some_and(|room| x.unwatch(slot, room)) {
        tell(x, slot, &["you do not watch that room"]);
    }
    Done::Yes
}

fn shutdown(x: &mut Exchange<'_>, _: Slot, _: &str) -> Done {
    x.want_shutdown();
    Done::Yes
}
