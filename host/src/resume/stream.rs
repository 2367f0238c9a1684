//! One side of a session: bytes in both directions that survive the connection which carries them.

use std::collections::VecDeque;

use super::{END, IAC, LONGEST, Message, START};

/// How many bytes are received between two acknowledgements.
const ACK_EVERY: u64 = 8 * 1024;

#[derive(Debug)]
pub(crate) struct Stream {
    /// The most bytes that it keeps until the other side has acknowledged them. No more are sent before.
    window: usize,
    /// Text of ours that was not acknowledged. It begins after so many bytes of all our text, and this
    /// many of it were sent on the connection that is open now.
    out: VecDeque<u8>,
    start: u64,
    sent: usize,
    /// Messages that go out before the rest of the text.
    messages: Vec<u8>,
    /// How many bytes of text we have received, and how many of these we have acknowledged.
    received: u64,
    acknowledged: u64,
    /// What may be the beginning of a message.
    held: Vec<u8>,
}

impl Stream {
    /// Nothing was sent or received yet. `window`: the most bytes that it keeps.
    pub(crate) fn new(window: usize) -> Self {
        Self {
            window,
            out: VecDeque::new(),
            start: 0,
            sent: 0,
            messages: Vec::new(),
            received: 0,
            acknowledged: 0,
            held: Vec::new(),
        }
    }

    // --- Going out ---

    /// How many more bytes of text it takes now.
    pub(crate) fn place(&self) -> usize {
        self.window.saturating_sub(self.out.len())
    }

    /// Adds text.
    pub(crate) fn push(&mut self, text: &[u8]) {
        self.out.extend(text);
    }

    /// Adds a message.
    pub(crate) fn say(&mut self, message: &Message) {
        message.encode(&mut self.messages);
    }

    /// What is to be sent now, in order.
    pub(crate) fn unsent(&self) -> [&[u8]; 3] {
        let (left, right) = self.out.as_slices();
        let in_left = self.sent.min(left.len());
        [&self.messages, &left[in_left..], &right[self.sent - in_left..]]
    }

    pub(crate) fn has_unsent(&self) -> bool {
        !self.messages.is_empty() || self.sent < self.out.len()
    }

    /// So many bytes of [`Stream::unsent`] were sent.
    pub(crate) fn note_sent(&mut self, count: usize) {
        let of_messages = count.min(self.messages.len());
        self.messages.drain(..of_messages);
        self.sent += count - of_messages;
    }

    /// Keeps no longer what was sent. It cannot be sent again.
    pub(crate) fn forget_sent(&mut self) {
        self.out.drain(..self.sent);
        self.start += std::mem::take(&mut self.sent) as u64;
    }

    /// Text that was not acknowledged.
    pub(crate) fn take_unacknowledged(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out).into()
    }

    /// The other side has so many bytes. Returns false if it cannot have them.
    fn acknowledge(&mut self, received: u64) -> bool {
        let count = received.checked_sub(self.start).and_then(|count| usize::try_from(count).ok());
        let Some(count) = count.filter(|count| *count <= self.out.len()) else { return false };
        self.out.drain(..count);
        self.start = received;
        self.sent = self.sent.saturating_sub(count);
        true
    }

    // --- Coming in ---

    /// How many bytes of text have come.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Takes what has come, and adds its text to `text`. Returns the messages but the acknowledgements.
    pub(crate) fn take(&mut self, bytes: &[u8], text: &mut Vec<u8>) -> Vec<Message> {
        let mut before = text.len();
        let mut messages = Vec::new();
        if self.held.is_empty() && !bytes.contains(&IAC) {
            text.extend_from_slice(bytes);
        } else {
            for byte in bytes {
                let Some(message) = self.take_byte(*byte, text) else { continue };
                if let Message::Key(_) = message {
                    // The server's text counts from here on.
                    (before, self.received, self.acknowledged) = (text.len(), 0, 0);
                }
                messages.push(message);
            }
        }
        self.received += (text.len() - before) as u64;
        if self.received - self.acknowledged >= ACK_EVERY {
            self.acknowledged = self.received;
            self.say(&Message::Ack(self.received));
        }
        messages
    }

    fn take_byte(&mut self, byte: u8, text: &mut Vec<u8>) -> Option<Message> {
        if self.held.is_empty() && byte != IAC {
            text.push(byte);
            return None;
        }
        self.held.push(byte);
        let held = &self.held[..];
        if let Some(inner) = held.strip_prefix(&START).and_then(|rest| rest.strip_suffix(&END)) {
            let message = Message::read(inner);
            self.held.clear();
            let Some(Message::Ack(received)) = message else { return message };
            // An acknowledgement of what was not sent is no reason to keep less.
            if received <= self.start + self.sent as u64 {
                self.acknowledge(received);
            }
        } else if !START.starts_with(held) && !held.starts_with(&START)
            || held.len() > START.len() + LONGEST + END.len()
        {
            text.append(&mut self.held);
        }
        None
    }

    // --- When the connection has broken ---

    /// The other side is back over another connection, and has so many bytes. Returns false if that
    /// cannot be, and then nothing has changed.
    pub(crate) fn resume(&mut self, received: u64) -> bool {
        if !self.acknowledge(received) {
            return false;
        }
        self.sent = 0;
        self.messages.clear();
        self.held.clear();
        true
    }

    /// Whether the other side may have so many bytes.
    pub(crate) fn can_resume(&self, received: u64) -> bool {
        (self.start..=self.start + self.out.len() as u64).contains(&received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What waits to be sent, as it would go over a connection.
    fn send(stream: &mut Stream, most: usize) -> Vec<u8> {
        let bytes: Vec<u8> = stream.unsent().concat().into_iter().take(most).collect();
        stream.note_sent(bytes.len());
        bytes
    }

    #[test]
    fn text_arrives_once_and_in_order_wherever_the_connection_breaks() {
        let mut rng = 1_u64;
        let mut random = move |below: u64| {
            rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (rng >> 33) % below
        };
        for _ in 0..300 {
            let (mut near, mut far) = (Stream::new(64 * 1024), Stream::new(64 * 1024));
            let (mut said, mut heard) = (Vec::new(), Vec::new());
            // What is on its way in each direction.
            let mut wires = [Vec::new(), Vec::new()];
            for _ in 0..200 {
                match random(8) {
                    0 => {
                        // It breaks, and comes back.
                        wires = [Vec::new(), Vec::new()];
                        let (near_has, far_has) = (near.received(), far.received());
                        assert!(far.can_resume(near_has) && far.resume(near_has) && near.resume(far_has));
                    }
                    1..4 => {
                        let text: Vec<u8> = (0..random(9_000)).map(|_| random(255) as u8).collect();
                        let text = &text[..text.len().min(near.place())];
                        near.push(text);
                        said.extend_from_slice(text);
                    }
                    4 | 5 => wires[0].extend(send(&mut near, random(9_000) as usize)),
                    _ => {
                        wires[1].extend(send(&mut far, random(100) as usize));
                        let count = wires[0].len().min(random(9_000) as usize);
                        let bytes: Vec<u8> = wires[0].drain(..count).collect();
                        assert!(far.take(&bytes, &mut heard).is_empty());
                        let back = std::mem::take(&mut wires[1]);
                        near.take(&back, &mut Vec::new());
                    }
                }
                assert!(said.starts_with(&heard));
            }
            let received = far.received();
            assert!(near.resume(received));
            let rest = send(&mut near, usize::MAX);
            far.take(&rest, &mut heard);
            assert_eq!(heard, said);
        }
    }

    #[test]
    fn what_was_not_sent_cannot_have_arrived() {
        let mut stream = Stream::new(64 * 1024);
        stream.push(b"hello");
        send(&mut stream, 2);
        stream.take(b"\xff\xfa\x52ack 3\xff\xf0", &mut Vec::new());
        assert_eq!(stream.out.len(), 5);
        stream.take(b"\xff\xfa\x52ack 2\xff\xf0", &mut Vec::new());
        assert_eq!((stream.out.len(), stream.unsent().concat()), (3, b"llo".to_vec()));
        assert!(!stream.resume(1) && !stream.resume(6) && stream.resume(5));
        assert!(!stream.has_unsent());
    }

    #[test]
    fn what_only_looks_like_a_message_is_text() {
        for text in [b"a\xff\xfa\x18b".as_slice(), b"\xff\xffx", b"\xff\xfd\x01"] {
            let (mut stream, mut taken) = (Stream::new(64 * 1024), Vec::new());
            assert!(stream.take(text, &mut taken).is_empty());
            assert_eq!((&taken[..], stream.received()), (text, text.len() as u64));
        }
        let (mut stream, mut taken) = (Stream::new(64 * 1024), Vec::new());
        let long = [&START[..], &[b'x'; 200]].concat();
        stream.take(&long, &mut taken);
        assert_eq!(taken, long);
    }
}
