//! One side of a session, whose connection is read into a buffer.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};

use parlour_resume::{self as resume, Message, Store};

use super::Sieve;

/// From this size on, memory that is hardly used is freed.
const MUCH: usize = 8 * 1024;

/// Text that may have to be sent again.
#[derive(Debug, Default)]
pub(crate) struct Queue(VecDeque<u8>);

impl Store for Queue {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn as_slices(&self) -> (&[u8], &[u8]) {
        self.0.as_slices()
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    fn drop_first(&mut self, count: usize) {
        self.0.drain(..count);
        if self.0.capacity() > MUCH && self.0.len() < self.0.capacity() / 4 {
            self.0.shrink_to_fit();
        }
    }
}

#[derive(Debug)]
pub(crate) struct Stream {
    counts: resume::Stream<Queue>,
    sieve: Sieve,
    /// The server was asked for a key.
    awaits_key: bool,
}

impl Deref for Stream {
    type Target = resume::Stream<Queue>;

    fn deref(&self) -> &Self::Target {
        &self.counts
    }
}

impl DerefMut for Stream {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.counts
    }
}

impl Stream {
    /// The side that gives the key. Nothing was sent or received yet. `window`: the most bytes that are sent before
    /// they are acknowledged.
    pub(crate) fn new(window: usize) -> Self {
        let counts = resume::Stream::new(Queue::default(), window);
        Self { counts, sieve: Sieve::default(), awaits_key: false }
    }

    /// The side that asks for the key. With the key comes another window.
    pub(crate) fn asking(window: usize) -> Self {
        Self { awaits_key: true, ..Self::new(window) }
    }

    /// Text that may not have arrived.
    pub(crate) fn take_unacknowledged(&mut self) -> Vec<u8> {
        self.counts.take_store().0.into()
    }

    /// Takes what has come, and adds its text to `text`. Returns the messages but the acknowledgements.
    pub(crate) fn take(&mut self, mut bytes: &[u8], text: &mut Vec<u8>) -> Vec<Message> {
        let mut messages = Vec::new();
        while !bytes.is_empty() {
            let before = text.len();
            let (count, message) = self.sieve.take(bytes, text);
            bytes = &bytes[count..];
            self.counts.note_text(text.len() - before);
            match message {
                Some(Message::Ack(received)) => self.counts.note_ack(received),
                Some(Message::Key(_, window)) if std::mem::take(&mut self.awaits_key) => {
                    self.counts.note_key(window);
                    messages.extend(message);
                }
                Some(Message::Key(..)) => {}
                message => messages.extend(message),
            }
        }
        messages
    }

    /// The client is back over another connection, and has used so many bytes. Returns false if that cannot be, and
    /// then nothing has changed.
    pub(crate) fn welcome_back(&mut self, received: u64) -> bool {
        let can_resume = self.counts.welcome_back(received);
        if can_resume {
            self.sieve = Sieve::default();
        }
        can_resume
    }

    /// The server goes on over another connection. It has so many bytes, and may not have used all of them. Returns
    /// false if that cannot be, and then nothing has changed.
    pub(crate) fn go_on(&mut self, received: u64) -> bool {
        let can_resume = self.counts.go_on(received);
        if can_resume {
            self.sieve = Sieve::default();
        }
        can_resume
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resume::new_key;

    const WINDOW: usize = 64 * 1024;

    /// What is to be sent, as it would go over a connection.
    fn send(stream: &mut Stream, most: usize) -> Vec<u8> {
        let bytes: Vec<u8> = stream.unsent().concat().into_iter().take(most).collect();
        stream.note_sent(bytes.len());
        bytes
    }

    fn random() -> impl FnMut(u64) -> u64 {
        let mut rng = 1_u64;
        move |below| {
            rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (rng >> 33) % below
        }
    }

    /// The client speaks to a server that uses what it has received a piece at a time, and both are cut apart
    /// now and then.
    #[test]
    fn text_arrives_once_and_in_order_wherever_the_connection_breaks() {
        let mut random = random();
        for _ in 0..300 {
            let (mut client, mut server) = (Stream::new(WINDOW), Stream::new(WINDOW));
            let (mut said, mut heard) = (Vec::new(), Vec::new());
            let mut used = 0;
            // What is on its way in each direction.
            let mut wires = [Vec::new(), Vec::new()];
            for _ in 0..300 {
                match random(9) {
                    0 => {
                        // It breaks, and comes back.
                        wires = [Vec::new(), Vec::new()];
                        assert!(server.welcome_back(client.received()));
                        let length = Message::Resumed(server.received()).bytes().len();
                        let answer = send(&mut server, length);
                        let (_, message) = Sieve::default().take(&answer, &mut Vec::new());
                        let Some(Message::Resumed(received)) = message else { panic!("{message:?}") };
                        assert!(client.go_on(received));
                    }
                    1..4 => {
                        let text: Vec<u8> = (0..random(9_000)).map(|_| random(255) as u8).collect();
                        let text = &text[..text.len().min(client.place())];
                        client.push(text);
                        said.extend_from_slice(text);
                    }
                    4 | 5 => wires[0].extend(send(&mut client, random(9_000) as usize)),
                    6 => {
                        used += random(9_000).min((heard.len() - used) as u64) as usize;
                        server.acknowledge(heard.len() - used);
                    }
                    _ => {
                        wires[1].extend(send(&mut server, random(100) as usize));
                        let count = wires[0].len().min(random(9_000) as usize);
                        let bytes: Vec<u8> = wires[0].drain(..count).collect();
                        assert!(server.take(&bytes, &mut heard).is_empty());
                        let back = std::mem::take(&mut wires[1]);
                        client.take(&back, &mut Vec::new());
                    }
                }
                assert!(said.starts_with(&heard) && heard.len() - used <= WINDOW);
            }
            // Nothing is stuck.
            while heard.len() < said.len() {
                let rest = [std::mem::take(&mut wires[0]), send(&mut client, usize::MAX)].concat();
                server.take(&rest, &mut heard);
                server.acknowledge(0);
                let back = [std::mem::take(&mut wires[1]), send(&mut server, usize::MAX)].concat();
                client.take(&back, &mut Vec::new());
            }
            assert_eq!(heard, said);
        }
    }

    #[test]
    fn only_the_side_that_asked_takes_a_key() {
        let bytes = Message::Key(new_key(1).expect("randomness"), 512).bytes();
        let (mut server, mut client) = (Stream::new(WINDOW), Stream::asking(WINDOW));
        for stream in [&mut server, &mut client] {
            stream.take(b"text", &mut Vec::new());
        }
        assert!(server.take(&bytes, &mut Vec::new()).is_empty());
        assert_eq!((server.place(), server.received()), (WINDOW, 4));
        assert_eq!(client.take(&bytes, &mut Vec::new()).len(), 1);
        assert_eq!((client.place(), client.received()), (512, 0));
        assert!(client.take(&bytes, &mut Vec::new()).is_empty());
    }

    #[test]
    fn memory_that_was_needed_once_is_freed() {
        let mut stream = Stream::new(WINDOW);
        stream.push(&[b'x'; WINDOW]);
        send(&mut stream, usize::MAX);
        stream.take(&Message::Ack(WINDOW as u64 - 1).bytes(), &mut Vec::new());
        assert_eq!(stream.kept(), 1);
        assert!(stream.counts.take_store().0.capacity() < MUCH);
    }
}
