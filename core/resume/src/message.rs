//! What the two sides say about their session, and how that stands among the bytes of a connection.

use core::fmt::Write;

use crate::{Key, WINDOW};

/// Telnet's "interpret as command". Each message begins with this byte.
pub const IAC: u8 = 255;
/// The beginning and the end of a subnegotiation of telnet.
const SB: u8 = 250;
const SE: u8 = 240;
/// The number of the option. IANA has given it to nobody.
const OPTION: u8 = 82;
/// What each message begins and ends with.
const START: [u8; 3] = [IAC, SB, OPTION];
const END: [u8; 2] = [IAC, SE];

/// The most bytes of a message.
pub const LONGEST: usize = 101;

/// The bytes of a message.
pub type Bytes = heapless::Vec<u8, LONGEST>;

/// What the two sides say about their session.
#[derive(Clone, Copy, Debug)]
pub enum Message {
    /// The client wants a session. Text counts from here on.
    New,
    /// The server's answer. Its text counts from here on. The client sends no more than so many bytes of text that are
    /// not acknowledged, and acknowledges a quarter of that at the latest.
    Key(Key, usize),
    /// The client comes back, and has received so many bytes.
    Resume(Key, u64),
    /// The server's answer: it has received so many bytes.
    Resumed(u64),
    /// The server knows no such session. The client is new.
    Unknown,
    /// So many bytes were received.
    Ack(u64),
    /// The client ends its input and does not come back, or the server ends the connection.
    Bye,
}

/// What some bytes of a connection begin with.
#[derive(Clone, Copy, Debug)]
pub enum Front {
    /// So many bytes of text.
    Text(usize),
    /// A message of so many bytes. `None`: one that nobody knows.
    Message(Option<Message>, usize),
    /// What may be a part of a message.
    Part,
}

impl Front {
    /// Looks at bytes that are not empty. [`LONGEST`] of them tell for certain what they begin with.
    pub fn of(bytes: &[u8]) -> Self {
        let is_begun =
            if bytes.len() < START.len() { START.starts_with(bytes) } else { bytes.starts_with(&START) };
        if !is_begun {
            let first = usize::from(bytes.first() == Some(&IAC));
            let rest = bytes[first..].iter().position(|byte| *byte == IAC);
            return Self::Text(rest.map_or(bytes.len(), |rest| first + rest));
        }
        let inner = bytes.get(START.len()..).unwrap_or_default();
        let end = inner.windows(END.len()).position(|end| end == END);
        match end.map(|end| (end, START.len() + end + END.len())) {
            Some((end, len)) if len <= LONGEST => Self::Message(Message::read(&inner[..end]), len),
            None if bytes.len() < LONGEST => Self::Part,
            _ => Self::Text(START.len()),
        }
    }
}

impl Message {
    /// The bytes of it.
    pub fn bytes(&self) -> Bytes {
        let mut bytes = Bytes::new();
        let _ = bytes.extend_from_slice(&START);
        // There is place: a key has 49 characters at most, and a number 20.
        let _ = match self {
            Self::New => write!(bytes, "new"),
            Self::Key(key, WINDOW) => write!(bytes, "key {key}"),
            Self::Key(key, window) => write!(bytes, "key {key} {window}"),
            Self::Resume(key, received) => write!(bytes, "resume {key} {received}"),
            Self::Resumed(received) => write!(bytes, "resumed {received}"),
            Self::Unknown => write!(bytes, "unknown"),
            Self::Ack(received) => write!(bytes, "ack {received}"),
            Self::Bye => write!(bytes, "bye"),
        };
        let _ = bytes.extend_from_slice(&END);
        bytes
    }

    /// Reads what stands between the beginning and the end.
    fn read(text: &[u8]) -> Option<Self> {
        let mut words = core::str::from_utf8(text).ok()?.split(' ');
        let mut next = || words.next();
        let message = match next()? {
            "new" => Self::New,
            "key" => {
                let key = next()?.parse().ok()?;
                let window = next().map_or(Some(WINDOW as u64), number)?;
                Self::Key(key, usize::try_from(window).ok().filter(|window| *window > 0)?)
            }
            "resume" => Self::Resume(next()?.parse().ok()?, number(next()?)?),
            "resumed" => Self::Resumed(number(next()?)?),
            "unknown" => Self::Unknown,
            "ack" => Self::Ack(number(next()?)?),
            "bye" => Self::Bye,
            _ => return None,
        };
        next().is_none().then_some(message)
    }
}

fn number(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = Key::new(u64::MAX, [0xAB; 16]);
    const MESSAGES: [Message; 8] = [
        Message::New,
        Message::Key(KEY, WINDOW),
        Message::Key(KEY, usize::MAX),
        Message::Resume(KEY, u64::MAX),
        Message::Resumed(7),
        Message::Unknown,
        Message::Ack(0),
        Message::Bye,
    ];

    #[test]
    fn each_message_is_found_where_it_begins() {
        for message in MESSAGES {
            let bytes = message.bytes();
            for len in 1..bytes.len() {
                assert!(matches!(Front::of(&bytes[..len]), Front::Part), "{len} bytes of {message:?}");
            }
            let mut more = heapless::Vec::<u8, 200>::from_slice(&bytes).expect("place");
            for _ in 0..3 {
                let Front::Message(Some(found), len) = Front::of(&more) else { panic!("{message:?}") };
                assert_eq!((found.bytes(), len), (bytes.clone(), bytes.len()));
                more.extend_from_slice(b"tea").expect("place");
            }
        }
    }

    #[test]
    fn what_only_looks_like_a_message_is_text() {
        for (bytes, len) in [
            (b"tea".as_slice(), 3),
            (b"tea\xff\xfa\x52bye\xff\xf0", 3),
            (b"\xff\xff\xfa\x52", 1),
            (b"\xff\xfa\x18b\xff\xf0", 4),
            (b"\xff\xfd\x01", 3),
            (b"\xff\xfd\xff", 2),
        ] {
            assert!(matches!(Front::of(bytes), Front::Text(found) if found == len), "{bytes:?}");
        }
        let mut long = [b'x'; LONGEST];
        long[..3].copy_from_slice(&START);
        assert!(matches!(Front::of(&long[..LONGEST - 1]), Front::Part));
        assert!(matches!(Front::of(&long), Front::Text(3)));
    }

    #[test]
    fn a_message_that_nobody_knows_is_none() {
        for text in [
            "",
            "New",
            "new ",
            "tea please",
            "key 1",
            "key 1-2",
            "ack",
            "ack -1",
            "ack +1",
            "ack 1 2",
            "ack 18446744073709551616",
            "resumed x",
            "key +1-00000000000000000000000000000000",
            "key 1-+0000000000000000000000000000000",
            "key 1-00000000000000000000000000000000 0",
            "key 1-00000000000000000000000000000000 1 2",
            "resume 1 2",
        ] {
            let mut bytes = Bytes::from_slice(&START).expect("place");
            bytes.extend_from_slice(text.as_bytes()).expect("place");
            bytes.extend_from_slice(&END).expect("place");
            let found = Front::of(&bytes);
            assert!(matches!(found, Front::Message(None, len) if len == bytes.len()), "{text:?}: {found:?}");
        }
    }

    #[test]
    fn a_key_is_shown_in_no_log_and_is_like_no_other() {
        let other = Key::new(u64::MAX, [0xAC; 16]);
        let mut text = heapless::String::<64>::new();
        write!(text, "{KEY}").expect("place");
        let again: Key = text.parse().expect("a key");
        assert!(KEY.is(&again) && !KEY.is(&other) && !KEY.is(&Key::new(6, [0xAB; 16])));
        let mut shown = heapless::String::<128>::new();
        write!(shown, "{:?}", Message::Resume(KEY, 1)).expect("place");
        assert!(shown.contains("Resume") && !shown.contains("abab"), "{shown}");
    }
}
