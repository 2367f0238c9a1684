//! Resuming: a client whose connection has broken goes on over another one, as if nothing had happened
//! (docs/protocol.md, "Resuming").
//!
//! Each side counts the bytes of text that it has received, and keeps those that it has sent until the other
//! side has acknowledged them ([`Stream`]). What the two say about that ([`Message`]) stands between the
//! bytes of text, and is no part of it: each message is a subnegotiation of telnet (RFC 855). A client that
//! knows nothing of this never sees one.

mod sieve;
mod stream;

use std::fmt;
use std::io;
use std::str::FromStr;

pub(crate) use self::sieve::Sieve;
pub(crate) use self::stream::Stream;

/// The most bytes of text that a client sends before the server has used them and acknowledged that. So many the
/// server takes in even while a room waits. If there were more, the client's acknowledgements would stand
/// behind text that nobody reads, and the client would look as if it did not read.
pub(crate) const INPUT: usize = 16 * 1024;

/// Bytes of telnet: "interpret as command", and the beginning and the end of a subnegotiation.
const IAC: u8 = 255;
const SB: u8 = 250;
const SE: u8 = 240;
/// The number of the option. IANA has given it to nobody.
const OPTION: u8 = 82;
/// What each message begins and ends with.
const START: [u8; 3] = [IAC, SB, OPTION];
const END: [u8; 2] = [IAC, SE];
/// The most bytes between these.
const LONGEST: usize = 96;

/// What lets a client resume its session. It is secret.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    /// Names the session on the server.
    pub(crate) session: u64,
    secret: [u8; 16],
}

impl Key {
    /// A new key, which nobody can guess.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(crate) fn new(session: u64) -> io::Result<Self> {
        let mut secret = [0; 16];
        let count = rustix::rand::getrandom(&mut secret, rustix::rand::GetRandomFlags::empty())?;
        if count == secret.len() {
            Ok(Self { session, secret })
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// Whether it is the same. This takes as long for every other key.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let differences = self.secret.iter().zip(&other.secret).fold(0, |all, (a, b)| all | (a ^ b));
        std::hint::black_box(differences) == 0 && self.session == other.session
    }
}

/// No log must show it.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("session", &self.session).finish_non_exhaustive()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:032x}", self.session, u128::from_be_bytes(self.secret))
    }
}

impl FromStr for Key {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (session, secret) = text.split_once('-').ok_or(())?;
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if secret.len() != 32 || !is_hex(secret) || !is_hex(session) {
            return Err(());
        }
        let session = u64::from_str_radix(session, 16).map_err(drop)?;
        let secret = u128::from_str_radix(secret, 16).map_err(drop)?.to_be_bytes();
        Ok(Self { session, secret })
    }
}

/// What the two sides say about their session.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Message {
    /// The client wants a session. Text counts from here on.
    New,
    /// The server's answer. Its text counts from here on.
    Key(Key),
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

impl Message {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let text = match self {
            Self::New => "new".to_owned(),
            Self::Key(key) => format!("key {key}"),
            Self::Resume(key, received) => format!("resume {key} {received}"),
            Self::Resumed(received) => format!("resumed {received}"),
            Self::Unknown => "unknown".to_owned(),
            Self::Ack(received) => format!("ack {received}"),
            Self::Bye => "bye".to_owned(),
        };
        out.extend_from_slice(&START);
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(&END);
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode(&mut bytes);
        bytes
    }

    /// Reads what stands between the beginning and the end.
    fn read(text: &[u8]) -> Option<Self> {
        let words: Vec<_> = std::str::from_utf8(text).ok()?.split(' ').collect();
        Some(match words[..] {
            ["new"] => Self::New,
            ["key", key] => Self::Key(key.parse().ok()?),
            ["resume", key, received] => Self::Resume(key.parse().ok()?, received.parse().ok()?),
            ["resumed", received] => Self::Resumed(received.parse().ok()?),
            ["unknown"] => Self::Unknown,
            ["ack", received] => Self::Ack(received.parse().ok()?),
            ["bye"] => Self::Bye,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_bytes_are_no_message() {
        for text in [
            "",
            "New",
            "new ",
            "key 1",
            "key 1-2",
            "ack",
            "ack -1",
            "ack 18446744073709551616",
            "resumed x",
            "key +1-00000000000000000000000000000000",
            "key 1-+0000000000000000000000000000000",
            "resume 1 2",
        ] {
            assert!(Message::read(text.as_bytes()).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_key_is_shown_in_no_log_and_is_another_each_time() {
        let [key, other] = [5, 5].map(|session| Key::new(session).expect("randomness"));
        let again: Key = key.to_string().parse().expect("a key");
        assert!(key.is(&again) && !key.is(&other) && !key.is(&Key { session: 6, ..key }));
        let secret = format!("{key}").split_off(2);
        assert!(!format!("{key:?} {:?}", Message::Resume(key, 1)).contains(&secret));
    }
}
