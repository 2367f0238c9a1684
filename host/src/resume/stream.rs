//! One side of a session: bytes in both directions that survive the connection which carries them.

use std::collections::VecDeque;

use super::{Message, Sieve};

/// How many bytes are used between two acknowledgements.
const ACK_EVERY: u64 = 4 * 1024;
/// From this size on, memory that is hardly used is freed.
const MUCH: usize = 8 * 1024;

#[derive(Debug)]
pub(crate) struct Stream {
    /// The most bytes of text that are sent before the other side has acknowledged them.
    window: usize,
    /// Text that we may have to send again. It begins after so many bytes of all our text, and this many of it were
    /// sent on the connection that is open now.
    out: VecDeque<u8>,
    start: u64,
    sent: usize,
    /// How many bytes of our text the other side has used.
    confirmed: u64,
    /// Messages that go out before the rest of the text. Then comes the acknowledgement of so many bytes.
    messages: Vec<u8>,
    owed: Option<u64>,
    /// How many bytes of text we have received, and how many of these we have acknowledged.
    received: u64,
    acknowledged: u64,
    sieve: Sieve,
}

impl Stream {
    /// Nothing was sent or received yet. `window`: the most bytes that are sent before they are acknowledged.
    pub(crate) fn new(window: usize) -> Self {
        Self {
            window,
            out: VecDeque::new(),
            start: 0,
            sent: 0,
            confirmed: 0,
            messages: Vec::new(),
            owed: None,
            received: 0,
            acknowledged: 0,
            sieve: Sieve::default(),
        }
    }

    pub(crate) fn set_window(&mut self, window: usize) {
        self.window = window;
    }

    // --- Going out ---

    /// Up to where text may be sent, as a place in `out`.
    fn limit(&self) -> usize {
        let limit = self.confirmed.saturating_add(self.window as u64).saturating_sub(self.start);
        usize::try_from(limit).unwrap_or(usize::MAX)
    }

    /// How many more bytes of text it takes now.
    pub(crate) fn place(&self) -> usize {
        self.limit().saturating_sub(self.out.len())
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
        let until = self.limit().clamp(self.sent, self.out.len());
        let part = |from: usize, slice| -> &[u8] {
            let within = |place: usize| place.saturating_sub(from).min(<[u8]>::len(slice));
            &slice[within(self.sent)..within(until)]
        };
        [&self.messages, part(0, left), part(left.len(), right)]
    }

    /// Whether something is to be sent now.
    pub(crate) fn has_unsent(&self) -> bool {
        !self.messages.is_empty() || self.sent < self.limit().min(self.out.len())
    }

    /// How many bytes of text it keeps.
    pub(crate) fn kept(&self) -> usize {
        self.out.len()
    }

    /// How many bytes are to be sent, now or later.
    pub(crate) fn pending(&self) -> usize {
        self.messages.len() + self.out.len() - self.sent
    }

    /// So many bytes of [`Stream::unsent`] were sent.
    pub(crate) fn note_sent(&mut self, count: usize) {
        let of_messages = count.min(self.messages.len());
        self.messages.drain(..of_messages);
        self.sent += count - of_messages;
        self.say_owed();
    }

    /// Keeps no longer what was sent. It cannot be sent again.
    pub(crate) fn forget_sent(&mut self) {
        self.drop_first(self.sent);
    }

    /// Waits for no acknowledgement of what was sent, because the other side can send none any more.
    pub(crate) fn confirm_sent(&mut self) {
        self.confirm(self.start + self.sent as u64);
    }

    /// Whether the other side has used all our text.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.confirmed == self.start + self.out.len() as u64
    }

    /// Text that may not have arrived.
    pub(crate) fn take_unacknowledged(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out).into()
    }

    fn drop_first(&mut self, count: usize) {
        self.out.drain(..count);
        self.start += count as u64;
        self.sent = self.sent.saturating_sub(count);
        if self.out.capacity() > MUCH && self.out.len() < self.out.capacity() / 4 {
            self.out.shrink_to_fit();
        }
    }

    // --- Coming in ---

    /// How many bytes of text have come.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Takes what has come, and adds its text to `text`. Returns the messages but the acknowledgements.
    pub(crate) fn take(&mut self, mut bytes: &[u8], text: &mut Vec<u8>) -> Vec<Message> {
        let mut messages = Vec::new();
        while !bytes.is_empty() {
            let before = text.len();
            let (count, message) = self.sieve.take(bytes, text);
            bytes = &bytes[count..];
            self.received += (text.len() - before) as u64;
            match message {
                Some(Message::Ack(received)) => self.confirm(received),
                Some(Message::Key(key)) => {
                    // The server's text counts from here on.
                    (self.received, self.acknowledged) = (0, 0);
                    messages.push(Message::Key(key));
                }
                message => messages.extend(message),
            }
        }
        messages
    }

    /// The other side has used so many bytes. An acknowledgement of what was not sent is no reason to keep less.
    fn confirm(&mut self, received: u64) {
        if (self.confirmed..=self.start + self.sent as u64).contains(&received) {
            self.confirmed = received;
            self.drop_first(received.saturating_sub(self.start) as usize);
        }
    }

    /// All that has come was used, but the last `left` bytes of it. Now and then the other side is told.
    pub(crate) fn acknowledge(&mut self, left: usize) {
        let used = self.received.saturating_sub(left as u64);
        if used.saturating_sub(self.acknowledged) >= ACK_EVERY {
            self.acknowledged = used;
            // If the last one has not gone out, this one takes its place. So they do not pile up.
            self.owed = Some(used);
            self.say_owed();
        }
    }

    /// As [`Stream::acknowledge`], but in any case.
    pub(crate) fn acknowledge_all(&mut self) {
        if self.received > self.acknowledged {
            self.acknowledged = self.received;
            self.owed = Some(self.received);
            self.say_owed();
        }
    }

    fn say_owed(&mut self) {
        if self.messages.is_empty()
            && let Some(used) = self.owed.take()
        {
            self.say(&Message::Ack(used));
        }
    }

    // --- When the connection has broken ---

    /// Whether the other side may have so many bytes.
    pub(crate) fn can_resume(&self, received: u64) -> bool {
        (self.start..=self.start + self.out.len() as u64).contains(&received)
    }

    /// The client is back over another connection, and has used so many bytes. Returns false if that cannot be, and
    /// then nothing has changed.
    pub(crate) fn welcome_back(&mut self, received: u64) -> bool {
        let can_resume = self.restart(received);
        if can_resume {
            self.confirmed = received;
            self.say(&Message::Resumed(self.received));
            // The last one may be lost.
            self.owed = Some(self.acknowledged);
        }
        can_resume
    }

    /// The server goes on over another connection. It has so many bytes, and may not have used all of them. Returns
    /// false if that cannot be, and then nothing has changed.
    pub(crate) fn go_on(&mut self, received: u64) -> bool {
        let can_resume = self.restart(received);
        if can_resume {
            // It was told.
            self.acknowledged = self.received;
        }
        can_resume
    }

    fn restart(&mut self, received: u64) -> bool {
        if !self.can_resume(received) {
            return false;
        }
        self.drop_first((received - self.start) as usize);
        self.sent = 0;
        (self.messages, self.owed) = (Vec::new(), None);
        self.sieve = Sieve::default();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn what_was_not_sent_cannot_have_arrived() {
        let mut stream = Stream::new(WINDOW);
        stream.push(b"hello");
        send(&mut stream, 2);
        stream.take(b"\xff\xfa\x52ack 3\xff\xf0", &mut Vec::new());
        assert_eq!((stream.out.len(), stream.place()), (5, WINDOW - 5));
        stream.take(b"\xff\xfa\x52ack 2\xff\xf0", &mut Vec::new());
        assert_eq!((stream.out.len(), stream.unsent().concat()), (3, b"llo".to_vec()));
        stream.take(b"\xff\xfa\x52ack 1\xff\xf0", &mut Vec::new());
        assert_eq!(stream.place(), WINDOW - 3, "an older one changes nothing");
        assert!(!stream.go_on(1) && !stream.go_on(6) && stream.go_on(5));
        assert_eq!(stream.pending(), 0);
    }

    #[test]
    fn no_more_is_sent_than_the_other_side_takes_in() {
        let mut stream = Stream::new(4);
        stream.push(b"hello");
        assert_eq!((send(&mut stream, 9), stream.place()), (b"hell".to_vec(), 0));
        assert!(!stream.has_unsent() && stream.pending() == 1);
        stream.take(b"\xff\xfa\x52ack 3\xff\xf0", &mut Vec::new());
        assert_eq!((send(&mut stream, 9), stream.place()), (b"o".to_vec(), 2));
        // What the server has received, it may not have used.
        assert!(stream.go_on(5));
        assert_eq!(stream.place(), 2);
    }

    #[test]
    fn acknowledgements_do_not_pile_up() {
        let mut stream = Stream::new(WINDOW);
        for _ in 0..10_000 {
            stream.take(&[b'x'; ACK_EVERY as usize], &mut Vec::new());
            stream.acknowledge(0);
        }
        assert!(stream.messages.len() < 100, "{} bytes", stream.messages.len());
        let acks: Vec<_> = (0..3).map(|_| send(&mut stream, usize::MAX)).collect();
        let ack = |times: u64| Message::Ack(times * ACK_EVERY).bytes();
        assert_eq!(acks, [ack(1), ack(10_000), Vec::new()]);
    }

    #[test]
    fn memory_that_was_needed_once_is_freed() {
        let mut stream = Stream::new(WINDOW);
        stream.push(&[b'x'; WINDOW]);
        send(&mut stream, usize::MAX);
        stream.take(&Message::Ack(WINDOW as u64 - 1).bytes(), &mut Vec::new());
        assert!(stream.out.len() == 1 && stream.out.capacity() < MUCH);
    }
}
