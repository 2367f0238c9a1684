//! JSON lines: an encoding that is nothing like a chat's. Each record is an object on a line of its own.

use std::fmt::{self, Write};

use parlour_core::{Encoding, Kind, Place, Record, Sink};

#[derive(Debug)]
pub(crate) struct Json;

/// Bytes of an object without its texts: the keys, the longest kind, and two numbers of 20 digits.
const FRAME: usize = 200;

impl Encoding for Json {
    fn render(&self, record: &Record<'_>, is_past: bool, out: &mut Sink<'_>) {
        // The hub makes the sink as large as `longest` says.
        let _ = write(record, is_past, out);
    }

    fn longest(&self, text: usize, name: usize) -> usize {
        // A character that needs it gets one byte more.
        FRAME + 2 * (text + 2 * name)
    }
}

fn write(record: &Record<'_>, is_past: bool, out: &mut Sink<'_>) -> fmt::Result {
    write!(out, r#"{{"seq":{},"time":{},"kind":"{}""#, record.seq, record.unix_ms, kind(record.kind))?;
    match record.place {
        Place::Chat(name) => field(out, "room", name.as_bytes()),
        Place::Relay(listener) => write!(out, r#","relay":{}"#, listener.0)?,
        Place::Private => {}
    }
    if !record.name.is_empty() {
        field(out, "name", record.name.as_bytes());
    }
    if !record.text.is_empty() {
        field(out, "text", record.text);
    }
    out.write_str(if is_past { ",\"past\":true}\n" } else { "}\n" })
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Say => "say",
        Kind::Action => "action",
        Kind::Join => "join",
        Kind::Part => "part",
        Kind::Quit(_) => "quit",
        Kind::Nick => "nick",
        Kind::Topic => "topic",
        Kind::Server => "server",
        Kind::Raw => "raw",
        Kind::Direct => "direct",
        Kind::Sent => "sent",
    }
}

fn field(out: &mut Sink<'_>, key: &str, text: &[u8]) {
    for part in [",\"", key, "\":\""] {
        out.push(part.as_bytes());
    }
    for piece in text.split_inclusive(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F)) {
        let (last, plain) = piece.split_last().unwrap_or((&0, &[]));
        match last {
            b'"' | b'\\' => {
                out.push(plain);
                out.push(&[b'\\', *last]);
            }
            b'\n' => {
                out.push(plain);
                out.push(b"\\n");
            }
            0..=0x1F => {
                out.push(plain);
                out.push(b" ");
            }
            _ => out.push(piece),
        }
    }
    out.push(b"\"");
}
