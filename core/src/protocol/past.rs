//! What clients ask for of the past: the last messages of their room, and those that have some words.

use crate::conn::Slot;
use crate::exchange::Exchange;
use crate::protocol::command;
#[cfg(feature = "large")]
use crate::protocol::command::split_word;
#[cfg(feature = "large")]
use crate::protocol::lines::kept_line;
use crate::protocol::lines::{Done, tell};
use crate::session::Listing;

/// How the search is called.
#[cfg(feature = "large")]
pub(super) const SEARCH: &str = "search";

/// How many messages `/history` shows if the client does not say.
const HISTORY: u32 = 20;

/// `/history [N]`
pub(super) fn history(x: &mut Exchange<'_>, slot: Slot, arguments: &str) -> Done {
    let count = if arguments.is_empty() { Some(HISTORY) } else { arguments.parse().ok() };
    let Some(count) = count.filter(|count| *count > 0) else {
        tell(x, slot, &["/history needs a number, as in /history 50"]);
        return Done::Yes;
    };
    let Some(room) = x.room_of(slot) else { return Done::Yes };
    #[cfg(feature = "large")]
    if x.config().keeps_records {
        // First it is told what it has missed.
        if x.is_behind(slot) {
            return Done::NotNow;
        }
        if x.look_back(slot, room, count) {
            return command::start(x, slot, Listing::Looking);
        }
    }
    match x.last_messages(room, count) {
        // Not those that are said meanwhile: it is told them anyway.
        Some(records) => command::start(x, slot, Listing::Past { next: records.start, end: records.end }),
        None => {
            tell(x, slot, &["nothing was said here lately"]);
            Done::Yes
        }
    }
}

/// `/search WORDS`
#[cfg(feature = "large")]
pub(super) fn search(x: &mut Exchange<'_>, slot: Slot, arguments: &str) -> Done {
    if !x.config().keeps_records {
        tell(x, slot, &["there is no search here: this server keeps no old messages"]);
        return Done::Yes;
    }
    if !arguments.contains(char::is_alphanumeric) {
        tell(x, slot, &["/search needs words, as in /search green tea"]);
        return Done::Yes;
    }
    let Some(room) = x.room_of(slot) else { return Done::Yes };
    // First it is told what it has missed.
    if x.is_behind(slot) {
        return Done::NotNow;
    }
    if !x.look_for_words(slot, room) {
        tell(x, slot, &["too many clients read old messages now; try again"]);
        return Done::Yes;
    }
    // Its line has the words, so it is kept until they are found.
    command::start(x, slot, Listing::Looking);
    Done::NotNow
}

/// The words that a connection looks for. `space` has as many bytes as the line limit.
#[cfg(feature = "large")]
pub(crate) fn words<'l>(x: &'l Exchange<'_>, slot: Slot, space: &'l mut [u8]) -> Option<&'l str> {
    let (name, words) = split_word(kept_line(x, slot, space)?.strip_prefix('/')?);
    name.eq_ignore_ascii_case(SEARCH).then_some(words)
}
