//! Lines for people, as in the chat.

use parlour_core::{Kind, Record, RoomRef};
use parlour_journal::{Gap, Item, Stored};

use super::moment::local_text;
use crate::output::neutral;

/// Adds the lines of an item. `has_rooms`: they have the room in front.
pub(super) fn print(item: &Item, has_rooms: bool, out: &mut Vec<u8>) {
    match item {
        Item::Gap(gap) => line(gap.unix_ms, "", &format!("-- {} here", missing(gap)), out),
        Item::Said(room, stored) => {
            let room = if has_rooms { format!("[{room}] ") } else { String::new() };
            let bytes = match stored.kind {
                Kind::Raw => stored.text.clone(),
                // Only bytes of a relay are torn. Nobody knows what the file says.
                _ => Record { is_torn: false, ..stored.record(RoomRef::NONE) }.pieces().concat(),
            };
            lines(stored, &room, &String::from_utf8_lossy(&bytes), out);
        }
    }
}

/// What is missing in a gap.
pub(super) fn missing(gap: &Gap) -> String {
    match *gap {
        Gap { messages: 0, records, .. } => format!("{records} events are missing"),
        Gap { messages: 1, .. } => "1 message is missing".to_owned(),
        Gap { messages, .. } => format!("{messages} messages are missing"),
    }
}

/// The bytes of a relay may have several lines. All of them get the time, so nobody can make a line of their own.
fn lines(stored: &Stored, room: &str, text: &str, out: &mut Vec<u8>) {
    let whole = text.strip_suffix('\n').unwrap_or(text);
    for text in whole.split('\n') {
        line(stored.unix_ms, room, text.strip_suffix('\r').unwrap_or(text), out);
    }
}

fn line(unix_ms: u64, room: &str, text: &str, out: &mut Vec<u8>) {
    if unix_ms != 0 {
        out.extend_from_slice(local_text(unix_ms).as_bytes());
        out.push(b' ');
    }
    out.extend_from_slice(neutral(room).as_bytes());
    out.extend_from_slice(neutral(text).as_bytes());
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: Kind, name: &str, text: &[u8], has_rooms: bool, expected: &str) {
        let (name, text) = (name.to_owned(), text.to_vec());
        let stored = Stored { seq: 1, unix_ms: 0, client: 7, name, kind, is_torn: true, text };
        let mut out = Vec::new();
        print(&Item::Said("den".to_owned(), stored), has_rooms, &mut out);
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
    }

    #[test]
    fn a_message_is_a_line_that_harms_no_terminal() {
        check(Kind::Say, "bob", b"hi", false, "<bob> hi\n");
        check(Kind::Action, "bob", b"waves", true, "[den] * bob waves\n");
        check(Kind::Say, "b\x1b[2J", b"a\x07\xff", false, "<b\u{fffd}[2J> a\u{fffd}\u{fffd}\n");
        check(Kind::Raw, "", b"one\r\ntwo\n", true, "[den] one\n[den] two\n");
        check(Kind::Raw, "", b"half", true, "[den] half\n");
        check(Kind::Raw, "", b"\n", true, "[den] \n");
    }

    #[test]
    fn a_gap_counts_messages_or_else_events() {
        let gap = Gap { first: 1, last: 9, records: 5, messages: 0, unix_ms: 0 };
        assert_eq!(missing(&gap), "5 events are missing");
        assert_eq!(missing(&Gap { messages: 1, ..gap }), "1 message is missing");
        assert_eq!(missing(&Gap { messages: 3, ..gap }), "3 messages are missing");
    }
}
