//! Commands: a table with a line for each. The help is made from it too.

use crate::conn::Slot;
use crate::exchange::Exchange;
use crate::limits::LOBBY;
use crate::protocol::lines::{Done, set_listing, tell};
use crate::session::Listing;
use crate::text::clipped;

/// A command that can be typed after a slash.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static str,
    pub(crate) help: &'static str,
    pub(crate) run: fn(&mut Exchange<'_>, Slot, &str) -> Done,
}

/// Runs the command that `text`, without its slash, names.
pub(crate) fn run(table: &[Command], x: &mut Exchange<'_>, slot: Slot, text: &[u8]) -> Done {
    let (name, arguments) = split_word(core::str::from_utf8(text).unwrap_or_default());
    match table.iter().find(|command| command.name.eq_ignore_ascii_case(name)) {
        Some(command) => (command.run)(x, slot, arguments),
        None => {
            let shown = clipped(name, 40);
            tell(x, slot, &["unknown command /", shown, "; /help lists the commands"]);
            Done::Yes
        }
    }
}

/// The first word, and the text after the white space that follows it.
pub(crate) fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim_matches([' ', '\t']);
    match text.split_once([' ', '\t']) {
        Some((word, rest)) => (word, rest.trim_start_matches([' ', '\t'])),
        None => (text, ""),
    }
}

// The commands that clients and operators share.

/// `/help`
pub(crate) fn help(x: &mut Exchange<'_>, slot: Slot, _: &str) -> Done {
    start(x, slot, Listing::Help(0))
}

/// `/rooms`
pub(crate) fn rooms(x: &mut Exchange<'_>, slot: Slot, _: &str) -> Done {
    start(x, slot, Listing::Rooms(0))
}

/// `/who [ROOM]`
pub(crate) fn who(x: &mut Exchange<'_>, slot: Slot, arguments: &str) -> Done {
    let (name, _) = split_word(arguments);
    let room = match name {
        "" => x.room_of(slot).or_else(|| x.room_named(LOBBY)),
        name => x.room_named(name),
    };
    match room {
        Some(room) => {
            let room = x.room_ref(room);
            return start(x, slot, Listing::Who { room, from: 0 });
        }
        None => tell(x, slot, &["there is no such room; /rooms lists them"]),
    }
    Done::Yes
}

/// Begins a long answer. It goes on when the connection is woken.
pub(crate) fn start(x: &mut Exchange<'_>, slot: Slot, listing: Listing) -> Done {
    set_listing(x, slot, listing);
    x.wake(slot);
    Done::Yes
}
