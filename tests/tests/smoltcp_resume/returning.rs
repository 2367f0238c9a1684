//! A client that has a session with a driver of smoltcp, and comes back.

use parlour_resume::{Front, Key, Message, Ring, Stream};
use parlour_tests::chat::{Chat, ClientId};
use parlour_tests::wire::{CHAT, Cable, Wire};
use smoltcp::time::Duration;

use crate::WINDOW;

pub(crate) const STEP: Duration = Duration::from_millis(10);
/// Steps until something must have happened.
pub(crate) const STEPS: usize = 20_000;
/// Bytes of text that a client keeps.
pub(crate) const KEPT: usize = 16 * 1024;

/// How a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The server sees a reset.
    Reset,
    /// The server sees an end.
    End,
    /// The server sees nothing.
    HalfOpen,
}

/// A client that has a session, or wants one.
pub(crate) struct Returning<'m> {
    pub(crate) client: ClientId,
    pub(crate) key: Option<Key>,
    pub(crate) stream: Stream<Ring<'m>>,
    /// What has come and is not whole yet.
    pub(crate) wire: Vec<u8>,
    pub(crate) text: String,
    /// Over a new connection, it waits for the server's answer.
    pub(crate) is_resuming: bool,
    /// The server has said that it knows no such session.
    pub(crate) is_refused: bool,
    /// The server has said that the session is over.
    pub(crate) is_over: bool,
    /// Once it has its key: bytes that have come and gone.
    pub(crate) passed: usize,
    /// It is cut after so many.
    pub(crate) cut: Option<(usize, Cut)>,
    /// Whether it acknowledges what it has received.
    pub(crate) acknowledges: bool,
}

impl<'m> Returning<'m> {
    pub(crate) fn new(
        wire: &mut Wire<'_, Cable>,
        memory: &'m mut [u8; KEPT],
        cut: Option<(usize, Cut)>,
    ) -> Self {
        let client = wire.connect(CHAT);
        let mut stream = Stream::new(Ring::new(memory), KEPT);
        stream.say(&Message::New);
        Self {
            client,
            key: None,
            stream,
            wire: Vec::new(),
            text: String::new(),
            is_resuming: false,
            is_refused: false,
            is_over: false,
            passed: 0,
            cut,
            acknowledges: true,
        }
    }

    pub(crate) fn says(&mut self, text: &str) {
        self.stream.push(text.as_bytes());
    }

    /// How many of some bytes pass before it is cut.
    pub(crate) fn passes(&mut self, count: usize) -> usize {
        let left = self.cut.map_or(count, |(at, _)| at - self.passed);
        let count = count.min(left);
        self.passed += if self.key.is_some() { count } else { 0 };
        count
    }

    /// Receives and sends.
    pub(crate) fn step(&mut self, wire: &mut Wire<'_, Cable>) {
        wire.run();
        let bytes = wire.take_all(self.client);
        let count = self.passes(bytes.len());
        self.wire.extend_from_slice(&bytes[..count]);
        self.take();
        if self.acknowledges {
            self.stream.acknowledge(0);
        }
        if !self.is_resuming {
            let bytes = self.stream.unsent().concat();
            let count = self.passes(bytes.len());
            self.stream.note_sent(count);
            wire.sends(self.client, &bytes[..count]);
            wire.run();
        }
        if let Some((_, cut)) = self.cut.take_if(|(at, _)| *at == self.passed) {
            self.breaks(wire, cut);
            self.comes_back(wire);
        }
        wire.advance(STEP);
    }

    pub(crate) fn breaks(&mut self, wire: &mut Wire<'_, Cable>, cut: Cut) {
        match cut {
            Cut::Reset => wire.reset(self.client),
            Cut::End => wire.half_close(self.client),
            Cut::HalfOpen => wire.unplug(self.client),
        }
    }

    pub(crate) fn comes_back(&mut self, wire: &mut Wire<'_, Cable>) {
        self.client = wire.connect(CHAT);
        self.wire.clear();
        self.is_resuming = true;
        let key = self.key.expect("a session");
        wire.sends(self.client, &Message::Resume(key, self.stream.received()).bytes());
    }

    pub(crate) fn take(&mut self) {
        while !self.wire.is_empty() {
            let len = match Front::of(&self.wire) {
                Front::Part => return,
                Front::Text(len) => {
                    // What comes before the answer is for a newcomer.
                    if !self.is_resuming {
                        self.stream.note_text(len);
                        self.text += std::str::from_utf8(&self.wire[..len]).expect("text");
                    }
                    len
                }
                Front::Message(message, len) => {
                    self.hear(message.expect("a message that is known"));
                    len
                }
            };
            self.wire.drain(..len);
        }
    }

    pub(crate) fn hear(&mut self, message: Message) {
        match message {
            Message::Key(key, window) => {
                assert_eq!((self.key.is_none(), window), (true, WINDOW));
                self.key = Some(key);
                self.stream.note_key(window);
            }
            Message::Ack(received) => self.stream.note_ack(received),
            Message::Resumed(received) => {
                assert!(self.is_resuming && self.stream.go_on(received), "{received} bytes");
                self.is_resuming = false;
            }
            Message::Unknown => (self.is_resuming, self.is_refused) = (false, true),
            Message::Bye => self.is_over = true,
            message => panic!("a server does not say {message:?}"),
        }
    }
}

/// Lets time pass until something is so.
#[track_caller]
pub(crate) fn until(
    wire: &mut Wire<'_, Cable>,
    alice: &mut Returning<'_>,
    mut is_so: impl FnMut(&mut Wire<'_, Cable>, &Returning<'_>) -> bool,
) {
    for _ in 0..STEPS {
        alice.step(wire);
        if is_so(wire, alice) {
            return;
        }
    }
    panic!("it does not happen{}; alice has read {:?}", wire.when(), alice.text);
}

#[track_caller]
pub(crate) fn until_read(wire: &mut Wire<'_, Cable>, alice: &mut Returning<'_>, text: &str) {
    until(wire, alice, |_, alice| alice.text.contains(text));
}
