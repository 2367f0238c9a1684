//! What a record looks like to a client, once more: by plain functions, which share nothing with the hub.
//! And the encodings that the hub itself uses.

#[path = "../../../core/tests/json/mod.rs"]
mod json;

use parlour_core::{Cause, Encoding, Kind, Record, Sink};

use self::json::Json;
use super::said::{Said, Where};

/// The encodings of a hub.
pub(super) const ENCODINGS: &[&dyn Encoding] = &[&Json, &Brief];

/// How far local time is ahead of UTC.
pub(super) const OFFSET_S: i32 = 3_600;

/// An encoding that hides who comes and goes, and knows no past.
#[derive(Debug)]
struct Brief;

impl Encoding for Brief {
    fn render(&self, record: &Record<'_>, _: bool, out: &mut Sink<'_>) {
        let parts: &[&[u8]] = match record.kind {
            Kind::Server => &[b"!", record.text, b"\n"],
            kind if kind.is_message() => &[record.name.as_bytes(), b"|", record.text, b"\n"],
            _ => &[],
        };
        parts.iter().for_each(|part| out.push(part));
    }

    fn longest(&self, text: usize, name: usize) -> usize {
        text + name + 2
    }
}

/// How a client sees records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    Chat,
    Json,
    Brief,
}

impl View {
    /// Its index in [`ENCODINGS`].
    pub(super) fn encoding(self) -> Option<u8> {
        match self {
            View::Chat => None,
            View::Json => Some(0),
            View::Brief => Some(1),
        }
    }

    /// The bytes of a record; none if the encoding hides it.
    pub(super) fn of(self, said: &Said, is_past: bool) -> Vec<u8> {
        match self {
            View::Chat => [if is_past { mark(said) } else { Vec::new() }, chat_line(said)].concat(),
            View::Json => json_object(said, is_past),
            View::Brief if said.kind == Kind::Server => [b"!", &said.text[..], b"\n"].concat(),
            View::Brief if said.kind.is_message() => [said.name.as_bytes(), b"|", &said.text, b"\n"].concat(),
            View::Brief => Vec::new(),
        }
    }

    /// The text of a line that the server tells one client alone; `None` if the line is something else. A
    /// line of the chat does not say which it is.
    pub(super) fn alone(self, line: &[u8]) -> Option<String> {
        let line = std::str::from_utf8(line).ok()?;
        let text = match self {
            View::Chat => line.strip_prefix("-- ")?.strip_suffix("\r\n")?,
            View::Json => {
                let (numbers, rest) = line.split_once(r#","kind":"server","text":""#)?;
                assert!(numbers.starts_with(r#"{"seq":"#) && !numbers.contains("room"), "{line}");
                rest.strip_suffix("\"}\n")?
            }
            View::Brief => line.strip_prefix('!')?.strip_suffix('\n')?,
        };
        let is_escaped = self == View::Json;
        Some(if is_escaped { text.replace("\\\"", "\"").replace("\\\\", "\\") } else { text.to_owned() })
    }
}

/// What stands before a message of the past, if it is not of a relay.
fn mark(said: &Said) -> Vec<u8> {
    let local_minutes = (said.unix_ms / 1_000 + OFFSET_S as u64) % 86_400 / 60;
    match said.kind {
        Kind::Raw => Vec::new(),
        _ if said.unix_ms == 0 => b"-- earlier: ".to_vec(),
        _ => format!("-- earlier ({:02}:{:02}): ", local_minutes / 60, local_minutes % 60).into_bytes(),
    }
}

fn chat_line(said: &Said) -> Vec<u8> {
    let Said { name, text, .. } = said;
    if said.kind == Kind::Raw {
        return [if said.is_torn { &b"\n"[..] } else { b"" }, text].concat();
    }
    let text = String::from_utf8(text.clone()).expect("what may be shown is UTF-8");
    let line = match said.kind {
        Kind::Say => format!("<{name}> {text}"),
        Kind::Action => format!("* {name} {text}"),
        Kind::Join => format!("-- {name} joined"),
        Kind::Part => format!("-- {name} went to {text}"),
        Kind::Nick => format!("-- {name} is now {text}"),
        Kind::Topic => format!("-- {name} set the topic: {text}"),
        Kind::Server => format!("-- {text}"),
        Kind::Quit(Cause::Left) if !text.is_empty() => format!("-- {name} left: {text}"),
        Kind::Quit(Cause::Left) => format!("-- {name} left"),
        Kind::Quit(Cause::Reset) => format!("-- {name} left (connection lost)"),
        Kind::Quit(Cause::Lagged) => format!("-- {name} left (too slow)"),
        other => panic!("{other:?} is not said in this test"),
    };
    format!("{line}\r\n").into_bytes()
}

fn json_object(said: &Said, is_past: bool) -> Vec<u8> {
    let kind = match said.kind {
        Kind::Say => "say",
        Kind::Action => "action",
        Kind::Join => "join",
        Kind::Part => "part",
        Kind::Quit(_) => "quit",
        Kind::Nick => "nick",
        Kind::Topic => "topic",
        Kind::Server => "server",
        Kind::Raw => "raw",
        Kind::Direct | Kind::Sent => panic!("{said:?} is for one client alone"),
    };
    let field = |key: &str, text: &[u8]| match text {
        [] => Vec::new(),
        text => [format!(",\"{key}\":\"").as_bytes(), &escaped(text), b"\""].concat(),
    };
    let place = match &said.place {
        Where::Chat(name) => field("room", name.as_bytes()),
        Where::Relay(listener) => format!(",\"relay\":{}", listener.0).into_bytes(),
    };
    [
        format!(r#"{{"seq":{},"time":{},"kind":"{kind}""#, said.seq, said.unix_ms).into_bytes(),
        place,
        field("name", said.name.as_bytes()),
        field("text", &said.text),
        if is_past { b",\"past\":true}\n".to_vec() } else { b"}\n".to_vec() },
    ]
    .concat()
}

fn escaped(text: &[u8]) -> Vec<u8> {
    let escape = |byte: &u8| match byte {
        b'"' | b'\\' => vec![b'\\', *byte],
        b'\n' => b"\\n".to_vec(),
        0..0x20 => b" ".to_vec(),
        _ => vec![*byte],
    };
    text.iter().flat_map(escape).collect()
}
