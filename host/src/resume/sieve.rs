//! Takes messages out of the bytes of a connection, in whatever pieces these come.

use parlour_resume::{Front, IAC, Message};

#[derive(Debug, Default)]
pub(crate) struct Sieve {
    /// What may be the beginning of a message.
    held: Vec<u8>,
}

impl Sieve {
    /// Whether there is nothing but text in some bytes. Then they need not be taken.
    pub(crate) fn is_text(&self, bytes: &[u8]) -> bool {
        self.held.is_empty() && !bytes.contains(&IAC)
    }

    /// Takes bytes up to the end of the next message, and adds the text among them to `text`. Returns how many
    /// bytes that were, and the message if there is one.
    pub(crate) fn take(&mut self, bytes: &[u8], text: &mut Vec<u8>) -> (usize, Option<Message>) {
        if self.is_text(bytes) {
            text.extend_from_slice(bytes);
            return (bytes.len(), None);
        }
        for (index, byte) in bytes.iter().enumerate() {
            if let Some(message) = self.take_byte(*byte, text) {
                return (index + 1, Some(message));
            }
        }
        (bytes.len(), None)
    }

    fn take_byte(&mut self, byte: u8, text: &mut Vec<u8>) -> Option<Message> {
        if self.held.is_empty() && byte != IAC {
            text.push(byte);
            return None;
        }
        self.held.push(byte);
        match Front::of(&self.held) {
            Front::Part => None,
            Front::Message(message, _) => {
                // It is seldom needed.
                self.held = Vec::new();
                message
            }
            Front::Text(_) => {
                text.append(&mut self.held);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resume::{INPUT, new_key};

    /// The text and the messages among some bytes that come in pieces of one size.
    fn sieve(bytes: &[u8], size: usize) -> (Vec<u8>, Vec<Message>) {
        let (mut sieve, mut text, mut messages) = (Sieve::default(), Vec::new(), Vec::new());
        for mut piece in bytes.chunks(size) {
            while !piece.is_empty() {
                let (count, message) = sieve.take(piece, &mut text);
                piece = &piece[count..];
                messages.extend(message);
            }
        }
        (text, messages)
    }

    #[test]
    fn each_message_is_found_in_whatever_pieces_it_comes() {
        let key = new_key(u64::MAX).expect("randomness");
        for message in [
            Message::New,
            Message::Key(key, INPUT),
            Message::Key(key, 512),
            Message::Resume(key, u64::MAX),
            Message::Resumed(7),
            Message::Unknown,
            Message::Ack(0),
            Message::Bye,
        ] {
            let bytes = message.bytes();
            let all = [b"a\xff\xfd\x01b".as_slice(), &bytes, b"c", &bytes].concat();
            for size in 1..=all.len() {
                let (text, found) = sieve(&all, size);
                assert_eq!(text, b"a\xff\xfd\x01bc", "{message:?} in pieces of {size}");
                let found: Vec<_> = found.iter().map(Message::bytes).collect();
                assert_eq!(found, [bytes.clone(), bytes.clone()], "in pieces of {size}");
            }
        }
    }

    #[test]
    fn what_only_looks_like_a_message_is_text() {
        let long = [b"\xff\xfa\x52".as_slice(), &[b'x'; 200], b"\xff\xf0"].concat();
        for text in [b"a\xff\xfa\x18b\xff\xf0".as_slice(), b"\xff\xffx", b"\xff\xfd\x01", &long] {
            for size in 1..=text.len() {
                let (taken, messages) = sieve(text, size);
                assert_eq!((taken.as_slice(), messages.len()), (text, 0), "in pieces of {size}");
            }
        }
    }

    #[test]
    fn a_message_that_nobody_knows_is_dropped() {
        assert_eq!(sieve(b"a\xff\xfa\x52tea please\xff\xf0b", 3).0, b"ab");
    }
}
