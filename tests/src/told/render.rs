//! What a record looks like to a client. The chat's lines are made here once more, by a plain function that
//! shares nothing with the hub. The other encodings are a driver's, and the hub uses the same functions.

use parlour_core::{Cause, Encoding, Kind, Place, Record, Sink};

use super::said::Said;

/// The encodings of a hub.
pub(super) const ENCODINGS: &[&dyn Encoding] = &[&Json, &Brief];

/// How far local time is ahead of UTC.
pub(super) const OFFSET_S: i32 = 3_600;

/// Each record is an object on a line of its own.
#[derive(Debug)]
struct Json;

impl Encoding for Json {
    fn render(&self, record: &Record<'_>, is_past: bool, out: &mut Sink<'_>) {
        out.push(&json(record, is_past));
    }

    fn longest(&self, text: usize, name: usize) -> usize {
        // Keys and numbers, and each character may get one byte more.
        200 + 2 * (text + 2 * name)
    }
}

/// An encoding that hides who comes and goes, and knows no past.
#[derive(Debug)]
struct Brief;

impl Encoding for Brief {
    fn render(&self, record: &Record<'_>, _: bool, out: &mut Sink<'_>) {
        out.push(&brief(record));
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
            View::Json => json(&said.record(), is_past),
            View::Brief => brief(&said.record()),
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

fn json(record: &Record<'_>, is_past: bool) -> Vec<u8> {
    let kind = match record.kind {
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
    };
    let field = |key: &str, text: &[u8]| match text {
        [] => Vec::new(),
        text => [format!(",\"{key}\":\"").as_bytes(), &escaped(text), b"\""].concat(),
    };
    let place = match record.place {
        Place::Chat(name) => field("room", name.as_bytes()),
        Place::Relay(listener) => format!(",\"relay\":{}", listener.0).into_bytes(),
        Place::Private => Vec::new(),
    };
    [
        format!(r#"{{"seq":{},"time":{},"kind":"{kind}""#, record.seq, record.unix_ms).into_bytes(),
        place,
        field("name", record.name.as_bytes()),
        field("text", record.text),
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

fn brief(record: &Record<'_>) -> Vec<u8> {
    match record.kind {
        Kind::Server => [b"!", record.text, b"\n"].concat(),
        kind if kind.is_message() => [record.name.as_bytes(), b"|", record.text, b"\n"].concat(),
        _ => Vec::new(),
    }
}
