//! One side of a session: bytes in both directions that survive the connection which carries them.

use crate::message::{LONGEST, Message};

/// The most bytes that are used between two acknowledgements.
const ACK_EVERY: usize = 4 * 1024;

/// A queue of bytes: the text that may have to be sent again.
pub trait Store {
    /// How many bytes it holds.
    fn len(&self) -> usize;

    /// Whether it holds none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, in two pieces.
    fn as_slices(&self) -> (&[u8], &[u8]);

    /// Adds bytes at the end.
    fn extend(&mut self, bytes: &[u8]);

    /// Drops so many bytes at the front.
    fn drop_first(&mut self, count: usize);
}

/// One side of a session. The owner takes the messages out of what comes, and tells it of them and of the text.
#[derive(Debug)]
pub struct Stream<S> {
    /// The most bytes of text that are sent before the other side has acknowledged them.
    window: usize,
    /// How many bytes are used between two acknowledgements.
    ack_every: usize,
    /// Text that we may have to send again. It begins after so many bytes of all our text, and this many of it were
    /// sent on the connection that is open now.
    out: S,
    start: u64,
    sent: usize,
    /// How many bytes of our text the other side has used.
    confirmed: u64,
    /// Messages that go out before the rest of the text. Then comes the acknowledgement of so many bytes.
    messages: heapless::Vec<u8, { 2 * LONGEST }>,
    owed: Option<u64>,
    /// How many bytes of text we have received, and how many of these we have acknowledged.
    received: u64,
    acknowledged: u64,
}

impl<S> Stream<S> {
    /// Nothing was sent or received yet. `window`: the most bytes that are sent before they are acknowledged. The store
    /// is empty, and has place for so many.
    pub const fn new(out: S, window: usize) -> Self {
        Self {
            window,
            ack_every: ACK_EVERY,
            out,
            start: 0,
            sent: 0,
            confirmed: 0,
            messages: heapless::Vec::new(),
            owed: None,
            received: 0,
            acknowledged: 0,
        }
    }
}

impl<S: Store> Stream<S> {
    /// Changes how many bytes are sent before they are acknowledged.
    pub fn set_window(&mut self, window: usize) {
        self.window = window;
    }

    /// Acknowledges often enough for another side that sends so many bytes before they are acknowledged.
    pub fn acknowledge_for(&mut self, window: usize) {
        self.ack_every = ACK_EVERY.min(window.div_ceil(4));
    }

    // --- Going out ---

    /// Up to where text may be sent, as a place in `out`.
    fn limit(&self) -> usize {
        let limit = self.confirmed.saturating_add(self.window as u64).saturating_sub(self.start);
        usize::try_from(limit).unwrap_or(usize::MAX)
    }

    /// How many more bytes of text it takes now.
    pub fn place(&self) -> usize {
        self.limit().saturating_sub(self.out.len())
    }

    /// Adds text.
    pub fn push(&mut self, text: &[u8]) {
        self.out.extend(text);
    }

    /// Adds a message. Two of them find place, and an acknowledgement waits until they are sent.
    pub fn say(&mut self, message: &Message) {
        let is_said = self.messages.extend_from_slice(&message.bytes()).is_ok();
        debug_assert!(is_said, "there is no place for {message:?}");
    }

    /// What is to be sent now, in order.
    pub fn unsent(&self) -> [&[u8]; 3] {
        let (left, right) = self.out.as_slices();
        let until = self.limit().clamp(self.sent, self.out.len());
        let part = |from: usize, slice| -> &[u8] {
            let within = |place: usize| place.saturating_sub(from).min(<[u8]>::len(slice));
            &slice[within(self.sent)..within(until)]
        };
        [&self.messages, part(0, left), part(left.len(), right)]
    }

    /// Whether something is to be sent now.
    pub fn has_unsent(&self) -> bool {
        !self.messages.is_empty() || self.sent < self.limit().min(self.out.len())
    }

    /// How many bytes of text it keeps.
    pub fn kept(&self) -> usize {
        self.out.len()
    }

    /// How many bytes are to be sent, now or later.
    pub fn pending(&self) -> usize {
        self.messages.len() + self.out.len() - self.sent
    }

    /// So many bytes of [`Stream::unsent`] were sent.
    pub fn note_sent(&mut self, count: usize) {
        let of_messages = count.min(self.messages.len());
        self.messages.drain(..of_messages);
        self.sent += count - of_messages;
        self.say_owed();
    }

    /// Keeps no longer what was sent. It cannot be sent again.
    pub fn forget_sent(&mut self) {
        self.drop_first(self.sent);
    }

    /// Begins anew: nothing was sent or received yet.
    pub fn clear(&mut self) {
        self.out.drop_first(self.out.len());
        (self.start, self.sent, self.confirmed) = (0, 0, 0);
        self.messages.clear();
        self.owed = None;
        (self.received, self.acknowledged) = (0, 0);
    }

    /// Waits for no acknowledgement of what was sent, because the other side can send none any more.
    pub fn confirm_sent(&mut self) {
        self.note_ack(self.start + self.sent as u64);
    }

    /// Whether the other side has used all our text.
    pub fn is_confirmed(&self) -> bool {
        self.confirmed == self.start + self.out.len() as u64
    }

    /// Takes the text that may not have arrived. It cannot be sent again.
    pub fn take_store(&mut self) -> S
    where
        S: Default,
    {
        core::mem::take(&mut self.out)
    }

    fn drop_first(&mut self, count: usize) {
        self.out.drop_first(count);
        self.start += count as u64;
        self.sent = self.sent.saturating_sub(count);
    }

    // --- Coming in ---

    /// How many bytes of text have come.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// So many bytes of text have come.
    pub fn note_text(&mut self, count: usize) {
        self.received += count as u64;
    }

    /// The server has given its key. Its text counts from here on. `window`: see [`Message::Key`].
    pub fn note_key(&mut self, window: usize) {
        (self.received, self.acknowledged) = (0, 0);
        self.window = window;
        self.acknowledge_for(window);
    }

    /// The other side has used so many bytes. An acknowledgement of what was not sent is no reason to keep less.
    pub fn note_ack(&mut self, received: u64) {
        if (self.confirmed..=self.start + self.sent as u64).contains(&received) {
            self.confirmed = received;
            self.drop_first(received.saturating_sub(self.start) as usize);
        }
    }

    /// All that has come was used, but the last `left` bytes of it. Now and then the other side is told.
    pub fn acknowledge(&mut self, left: usize) {
        let used = self.received.saturating_sub(left as u64);
        if used.saturating_sub(self.acknowledged) >= self.ack_every as u64 {
            self.acknowledged = used;
            // If the last one has not gone out, this one takes its place. So they do not pile up.
            self.owed = Some(used);
            self.say_owed();
        }
    }

    /// As [`Stream::acknowledge`], but in any case.
    pub fn acknowledge_all(&mut self) {
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
    pub fn can_resume(&self, received: u64) -> bool {
        (self.start..=self.start + self.out.len() as u64).contains(&received)
    }

    /// The client is back over another connection, and has used so many bytes. Returns false if that cannot be, and
    /// then nothing has changed.
    pub fn welcome_back(&mut self, received: u64) -> bool {
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
    pub fn go_on(&mut self, received: u64) -> bool {
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
        self.messages.clear();
        self.owed = None;
        true
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;
    use crate::{Front, Key, Ring};

    const WINDOW: usize = 500;

    type Side<'a> = Stream<Ring<'a>>;

    fn random() -> impl FnMut(usize) -> usize {
        let mut rng = 1_u64;
        move |below| {
            rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (rng >> 33) as usize % below
        }
    }

    /// What is to be sent, as it would go over a connection.
    fn send(stream: &mut Side<'_>, most: usize) -> Vec<u8> {
        let bytes: Vec<u8> = stream.unsent().concat().into_iter().take(most).collect();
        stream.note_sent(bytes.len());
        bytes
    }

    /// Takes from a wire what is whole. Returns the messages that are no acknowledgements.
    fn take(stream: &mut Side<'_>, wire: &mut Vec<u8>, text: &mut Vec<u8>) -> Vec<Message> {
        let mut messages = Vec::new();
        while !wire.is_empty() {
            let len = match Front::of(wire) {
                Front::Part => break,
                Front::Text(len) => {
                    stream.note_text(len);
                    text.extend_from_slice(&wire[..len]);
                    len
                }
                Front::Message(message, len) => {
                    match message {
                        Some(Message::Ack(received)) => stream.note_ack(received),
                        message => messages.extend(message),
                    }
                    len
                }
            };
            wire.drain(..len);
        }
        messages
    }

    /// The client speaks to a server that uses what it has received a piece at a time, and both are cut apart now
    /// and then.
    #[test]
    fn text_arrives_once_and_in_order_wherever_the_connection_breaks() {
        let mut random = random();
        for _ in 0..300 {
            let mut memory = [[0; WINDOW]; 2];
            let [mut client, mut server] =
                memory.each_mut().map(|memory| Stream::new(Ring::new(memory), WINDOW));
            server.acknowledge_for(WINDOW);
            let (mut said, mut heard, mut used) = (Vec::new(), Vec::new(), 0);
            // What is on its way in each direction.
            let [mut up, mut down] = [Vec::new(), Vec::new()];
            for step in 0..600 {
                // In the end nothing is cut, and all arrives.
                match if step < 300 { random(9) } else { 4 + step % 5 } {
                    0 => {
                        (up, down) = (Vec::new(), Vec::new());
                        assert!(server.welcome_back(client.received()));
                        let length = Message::Resumed(server.received()).bytes().len();
                        let mut answer = send(&mut server, length);
                        let [Message::Resumed(received)] =
                            take(&mut client, &mut answer, &mut Vec::new())[..]
                        else {
                            panic!("{answer:?}")
                        };
                        assert!(client.go_on(received));
                    }
                    1..4 => {
                        let text: Vec<u8> = (0..random(90)).map(|_| random(250) as u8).collect();
                        let text = &text[..text.len().min(client.place())];
                        client.push(text);
                        said.extend_from_slice(text);
                    }
                    4 | 5 => up.extend(send(&mut client, random(90))),
                    6 => {
                        used += random(90).min(heard.len() - used);
                        server.acknowledge(heard.len() - used);
                    }
                    _ => {
                        down.extend(send(&mut server, random(20)));
                        take(&mut server, &mut up, &mut heard);
                        take(&mut client, &mut down, &mut Vec::new());
                    }
                }
                assert!(said.starts_with(&heard) && heard.len() - used <= WINDOW);
            }
            assert_eq!(heard, said);
        }
    }

    #[test]
    fn what_was_not_sent_cannot_have_arrived() {
        let mut memory = [0; WINDOW];
        let mut stream = Stream::new(Ring::new(&mut memory), 7);
        stream.push(b"hello");
        send(&mut stream, 2);
        stream.note_ack(3);
        assert_eq!((stream.kept(), stream.place()), (5, 2));
        stream.note_ack(2);
        stream.note_ack(1);
        assert_eq!((stream.kept(), stream.place(), stream.unsent().concat()), (3, 4, b"llo".to_vec()));
        assert!(!stream.welcome_back(1) && !stream.welcome_back(6) && stream.welcome_back(5));
        assert_eq!(stream.unsent().concat(), Message::Resumed(0).bytes().to_vec());
    }

    #[test]
    fn no_more_is_sent_than_the_other_side_takes() {
        let mut memory = [0; WINDOW];
        let mut stream = Stream::new(Ring::new(&mut memory), WINDOW);
        stream.push(b"some text");
        stream.note_key(4);
        assert_eq!(send(&mut stream, usize::MAX), b"some");
        assert!(!stream.has_unsent() && stream.pending() == 5);
        stream.note_ack(3);
        assert_eq!(send(&mut stream, usize::MAX), b" te");
    }

    #[test]
    fn acknowledgements_do_not_pile_up() {
        let mut memory = [0; WINDOW];
        let mut stream = Stream::new(Ring::new(&mut memory), WINDOW);
        for _ in 0..10_000 {
            stream.note_text(ACK_EVERY);
            stream.acknowledge(0);
        }
        let acks: Vec<_> = (0..3).map(|_| send(&mut stream, usize::MAX)).collect();
        let ack = |times| Message::Ack(times * ACK_EVERY as u64).bytes().to_vec();
        assert_eq!(acks, [ack(1), ack(10_000), Vec::new()]);
    }

    #[test]
    fn one_that_begins_anew_has_neither_sent_nor_received() {
        let (mut memory, mut other) = ([0; WINDOW], [0; WINDOW]);
        let mut stream = Stream::new(Ring::new(&mut memory), WINDOW);
        stream.push(b"hello");
        stream.say(&Message::Key(Key::new(1, [0; 16]), WINDOW));
        send(&mut stream, 3);
        stream.note_text(9_000);
        stream.acknowledge(0);
        stream.clear();
        let new = Stream::new(Ring::new(&mut other), WINDOW);
        let state =
            |stream: &Side<'_>| (stream.place(), stream.received(), stream.pending(), stream.can_resume(1));
        assert_eq!(state(&stream), state(&new));
    }
}
