//! The messages that the operator watches: each line has the name of its room in front.

use parlour_core::{ListenerId, Source};

/// Puts the name of the room in front of each line. Lines may come in pieces, and from different
/// rooms in turn.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// For each listener, the name of its room if it is a relay.
    relays: Vec<String>,
    /// The room of the line that has no end yet.
    unfinished: Option<String>,
}

impl Watched {
    pub(super) fn new(relays: Vec<String>) -> Self {
        Self { relays, unfinished: None }
    }

    /// Adds `bytes` to `out`, with the names in front of the lines.
    pub(super) fn push(&mut self, source: Source<'_>, bytes: &[u8], out: &mut Vec<u8>) {
        let label = self.label(source);
        if self.unfinished.as_ref().is_some_and(|unfinished| *unfinished != label) {
            // The other room's line goes on later, with the name in front again.
            out.push(b'\n');
            self.unfinished = None;
        }
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.unfinished.is_none() {
                out.extend_from_slice(label.as_bytes());
            }
            out.extend_from_slice(line);
            self.unfinished = (!line.ends_with(b"\n")).then(|| label.clone());
        }
    }

    fn label(&self, source: Source<'_>) -> String {
        match source {
            Source::Own => String::new(),
            Source::Room(name) => format!("[{name}] "),
            Source::Relay(ListenerId(index)) => {
                format!("[{}] ", self.relays.get(usize::from(index)).map_or("relay", String::as_str))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_stands_behind_its_room() {
        let mut watched = Watched::new(vec!["lan".into(), "gps".into()]);
        let mut out = Vec::new();
        let gps = Source::Relay(ListenerId(1));
        for (source, bytes) in [
            (Source::Room("lobby"), &b"<ann> hi\n<bob> ho\n"[..]),
            (gps, b"$GPG"),
            (gps, b"LL\n$GP"),
            (Source::Own, b"-- yes\n"),
            (gps, b"GSA\n"),
            (gps, b"$"),
            (Source::Room("den"), b"<ann> hi\n"),
        ] {
            watched.push(source, bytes, &mut out);
        }
        let shown = "[lobby] <ann> hi\n[lobby] <bob> ho\n[gps] $GPGLL\n[gps] $GP\n-- yes\n[gps] GSA\n[gps] $\n\
                     [den] <ann> hi\n";
        assert_eq!(String::from_utf8_lossy(&out), shown);
    }
}
