//! What goes in and out, as lines for people. Bytes are in quotes. What cannot be shown in them is escaped as in Rust,
//! so the bytes can be found out exactly.

use std::fmt::{self, Write};
use std::net::IpAddr;

use parlour_core::{Answer, Cause, Close, ConnId, Followed, FollowerId, Input, ListenerId, Place, Refusal};

/// One line.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    Clock {
        unix_ms: u64,
        utc_offset_s: i32,
    },
    Accepted(ListenerId, Option<IpAddr>, Option<Result<ConnId, Refusal>>),
    Speaks(ConnId, ListenerId),
    /// The bytes, and how many of them the hub did not take.
    Received(ConnId, Vec<u8>, usize),
    PeerClosed(ConnId),
    Away(ConnId),
    Back(ConnId),
    Known(ConnId, u64),
    Failed(ConnId, Cause),
    Closed(ConnId),
    Notice(String),
    Shutdown,
    Sent(ConnId, Vec<u8>),
    Refusal(String),
    Closing(ConnId, &'static str),
    Read(FollowerId, String),
}

/// How a connection is called.
pub(crate) fn name(conn: ConnId) -> String {
    format!("#{}.{}", conn.slot(), conn.as_u64() >> 32)
}

impl Line {
    /// An input before its answer is known. Inputs that say little have no line.
    pub(crate) fn input(input: &Input<'_>) -> Option<Self> {
        Some(match *input {
            Input::Clock { unix_ms, utc_offset_s } => Line::Clock { unix_ms, utc_offset_s },
            Input::Accepted { listener, peer } => Line::Accepted(listener, peer, None),
            Input::Speaks { conn, listener } => Line::Speaks(conn, listener),
            Input::Received { conn, bytes } => Line::Received(conn, bytes.to_vec(), 0),
            Input::PeerClosed { conn } => Line::PeerClosed(conn),
            Input::Away { conn } => Line::Away(conn),
            Input::Back { conn } => Line::Back(conn),
            Input::Known { conn, identity } => Line::Known(conn, identity.as_u64()),
            Input::Failed { conn, cause } => Line::Failed(conn, cause),
            Input::Closed { conn } => Line::Closed(conn),
            Input::Notice { text } => Line::Notice(text.to_owned()),
            Input::Shutdown => Line::Shutdown,
            // Of what is sent, the bytes are shown.
            Input::Sent { .. }
            | Input::Page { .. }
            | Input::Topic { .. }
            | Input::Proposed { .. }
            | Input::Decided { .. }
            | Input::Withdrawn { .. }
            | Input::Committed { .. }
            | Input::Tick => return None,
        })
    }

    /// The same with the answer.
    pub(crate) fn answered(self, answer: Answer) -> Self {
        match self {
            Line::Accepted(listener, peer, _) => Line::Accepted(listener, peer, Some(answer.opened())),
            Line::Received(conn, bytes, _) => {
                let left = bytes.len() - answer.taken();
                Line::Received(conn, bytes, left)
            }
            line => line,
        }
    }

    /// What the hub wants of the driver, if it wants to close a connection.
    pub(crate) fn closing(conn: ConnId, close: Close) -> Option<Self> {
        let how = match close {
            Close::No => return None,
            Close::Write => "close the sending side",
            Close::Full => "close",
            Close::Abort => "reset",
        };
        Some(Line::Closing(conn, how))
    }

    /// What a follower has read.
    pub(crate) fn read(follower: FollowerId, followed: &Followed<'_>) -> Self {
        let text = match followed {
            Followed::Record(record) => {
                let room = match record.place {
                    Place::Chat(name) => name.to_owned(),
                    Place::Relay(ListenerId(index)) => format!("relay {index}"),
                    Place::Private => String::new(),
                };
                format!("[{room}] {}", Quoted(&record.pieces().concat()))
            }
            Followed::Lost(lost) => format!("missed {} messages", lost.messages),
        };
        Line::Read(follower, text)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Clock { unix_ms, utc_offset_s } => {
                write!(
                    f,
                    "in   it is {unix_ms} ms since 1970, and local time is {utc_offset_s} s ahead of UTC"
                )
            }
            Line::Accepted(ListenerId(listener), peer, welcome) => {
                f.write_str("in   ")?;
                match welcome {
                    Some(Ok(conn)) => write!(f, "{} connected", name(*conn))?,
                    Some(Err(refusal)) => write!(f, "refused ({})", reason(*refusal))?,
                    None => f.write_str("connected")?,
                }
                write!(f, " to listener {listener}")?;
                peer.iter().try_for_each(|peer| write!(f, " from {peer}"))
            }
            Line::Speaks(conn, ListenerId(listener)) => {
                write!(f, "in   {} speaks as listener {listener} does", name(*conn))
            }
            Line::Received(conn, bytes, left) => {
                write!(f, "in   {} {}", name(*conn), Quoted(bytes))?;
                if *left > 0 { write!(f, ", but not the last {left} bytes") } else { Ok(()) }
            }
            Line::PeerClosed(conn) => write!(f, "in   {} sends no more", name(*conn)),
            Line::Away(conn) => write!(f, "in   {} is away", name(*conn)),
            Line::Back(conn) => write!(f, "in   {} is back", name(*conn)),
            Line::Known(conn, identity) => write!(f, "in   {} is client {identity} of before", name(*conn)),
            Line::Failed(conn, cause) => write!(f, "in   {} broke: {}", name(*conn), cause.reason()),
            Line::Closed(conn) => write!(f, "in   {} is closed", name(*conn)),
            Line::Notice(text) => write!(f, "in   notice {}", Quoted(text.as_bytes())),
            Line::Shutdown => f.write_str("in   shutdown"),
            Line::Sent(conn, bytes) => write!(f, "out  {} {}", name(*conn), Quoted(bytes)),
            Line::Refusal(text) => write!(f, "out  refused {}", Quoted(text.as_bytes())),
            Line::Closing(conn, how) => write!(f, "out  {} {how}", name(*conn)),
            Line::Read(follower, text) => write!(f, "out  follower {} {text}", follower.as_u64() & 0xff),
        }
    }
}

fn reason(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Full => "the server is full",
        Refusal::PerPeer => "its address has too many connections",
        Refusal::ShuttingDown => "the server is shutting down",
    }
}

/// Bytes in quotes. Characters that can be seen stand for themselves.
struct Quoted<'b>(&'b [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c == '\'' { f.write_char(c)? } else { write!(f, "{}", c.escape_debug())? }
            }
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::Quoted;

    #[test]
    fn bytes_can_be_found_out_and_command_no_terminal() {
        for (bytes, shown) in [
            (&b"don't\r\n"[..], r#""don't\r\n""#),
            ("\"é 漢\" \\".as_bytes(), r#""\"é 漢\" \\""#),
            (b"\x1b[2J\xff\0", r#""\u{1b}[2J\xff\0""#),
            ("\u{202e}\u{9b}".as_bytes(), r#""\u{202e}\u{9b}""#),
        ] {
            assert_eq!(Quoted(bytes).to_string(), shown);
        }
    }
}
