//! What the operator sees: the answers of the hub, and what is said in the rooms that the operator
//! watches. Each line of a room has the room's name in front.

use parlour_core::{Identity, ListenerId, Place, Record};

/// Puts the name of the room in front of each line. Lines of a relay may come in pieces, and from different
/// clients in turn.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// For each listener, the name of its room if it is a relay.
    relays: Vec<String>,
    /// What stands in front of the line that has no end yet, and its author.
    unfinished: Option<(String, Identity)>,
}

impl Watched {
    pub(super) fn new(relays: Vec<String>) -> Self {
        Self { relays, unfinished: None }
    }

    /// Adds an answer of the hub to `out`.
    pub(super) fn answer(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.push((String::new(), Identity::HUB), bytes, out);
    }

    /// Adds something that was said to `out`, with the room in front of each line.
    pub(super) fn show(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let label = match record.place {
            Place::Chat(name) => format!("[{name}] "),
            Place::Relay(ListenerId(index)) => {
                format!("[{}] ", self.relays.get(usize::from(index)).map_or("relay", String::as_str))
            }
        };
        // A line that broke off ends in any case, because this record has another author.
        let bytes = Record { is_torn: false, ..*record }.pieces().concat();
        self.push((label, record.author), &bytes, out);
    }

    fn push(&mut self, by: (String, Identity), bytes: &[u8], out: &mut Vec<u8>) {
        if self.unfinished.as_ref().is_some_and(|unfinished| *unfinished != by) {
            // The other line goes on later, with the name in front again.
            out.push(b'\n');
            self.unfinished = None;
        }
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.unfinished.is_none() {
                out.extend_from_slice(by.0.as_bytes());
            }
            out.extend_from_slice(line);
            self.unfinished = (!line.ends_with(b"\n")).then(|| by.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_stands_behind_its_room_and_no_line_has_two_authors() {
        let mut watched = Watched::new(vec!["lan".into(), "gps".into()]);
        let mut out = Vec::new();
        for (room, author, bytes) in [
            ("[lobby] ", 0, &b"<ann> hi\n<bob> ho\n"[..]),
            ("[gps] ", 1, b"$GPG"),
            ("[gps] ", 1, b"LL\n$GP"),
            ("", 0, b"-- yes\n"),
            ("[gps] ", 1, b"GSA\n"),
            ("[gps] ", 1, b"$"),
            ("[gps] ", 2, b"$GPVTG\n$"),
            ("[den] ", 2, b"<ann> hi\n"),
        ] {
            watched.push((room.to_owned(), Identity::from_u64(author)), bytes, &mut out);
        }
        let shown = "[lobby] <ann> hi\n[lobby] <bob> ho\n[gps] $GPGLL\n[gps] $GP\n-- yes\n[gps] GSA\n[gps] $\n\
                     [gps] $GPVTG\n[gps] $\n[den] <ann> hi\n";
        assert_eq!(String::from_utf8_lossy(&out), shown);
    }
}
