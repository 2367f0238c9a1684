//! A hub that tells a tape of everything that changes it. The driver uses it in place of the hub.

use std::io::{self, Write};
use std::ops::Deref;

use parlour_core::{
    Answer, Config, ConnId, Followed, FollowerId, Following, Hub, Input, Instant, Output, ReconfigureError,
    Transmit,
};

use crate::entry::{Conn, Entry};
use crate::header::Choices;
use crate::rests::Rests;
use crate::sink::Sink;
use crate::sum::Sum;
use crate::writer::Writer;

#[derive(Debug)]
pub(crate) struct Tape<S> {
    pub(crate) sink: S,
    now: Instant,
    pub(crate) sum: Sum,
    pub(crate) rests: Rests,
}

/// A hub, and a tape if there is one. It lends the getters of the [`Hub`]; the other methods have the names that they
/// have there. Without a tape it does what the hub does and nothing else.
#[derive(Debug)]
pub struct Taped<'a, S> {
    pub(crate) hub: Hub<'a>,
    // On the heap, because few servers record.
    pub(crate) tape: Option<Box<Tape<S>>>,
}

impl<'a, S> Deref for Taped<'a, S> {
    type Target = Hub<'a>;

    fn deref(&self) -> &Hub<'a> {
        &self.hub
    }
}

impl<'a, S> Taped<'a, S> {
    /// A hub without a tape.
    pub fn new(hub: Hub<'a>) -> Self {
        Self { hub, tape: None }
    }

    /// Puts a tape in. The hub is as the trace says, new or saved.
    pub fn record(&mut self, sink: S) {
        let (now, sum, rests) = (Instant::default(), Sum::default(), Rests::default());
        self.tape = Some(Box::new(Tape { sink, now, sum, rests }));
    }

    /// The hub as bytes, for a tape that is put in now; see [`Header::in_the_middle`](crate::Header::in_the_middle).
    pub fn saved(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.hub.save(&mut |part| bytes.extend_from_slice(part));
        bytes
    }
}

impl<W: Write> Taped<'_, Writer<W>> {
    /// Whether a tape has steps that were not written yet.
    pub fn is_behind(&self) -> bool {
        self.tape.as_ref().is_some_and(|tape| tape.sink.is_behind())
    }

    /// Writes them.
    pub fn flush(&mut self) {
        if let Some(tape) = &mut self.tape {
            tape.sink.flush(&tape.sum);
        }
    }

    /// Takes a tape out on which nothing can be written any more. Returns why.
    pub fn take_broken(&mut self) -> Option<io::Error> {
        let error = self.tape.as_mut()?.sink.take_error()?;
        self.tape = None;
        Some(error)
    }

    /// Ends the trace, and takes the tape out. Returns what was written to, and why it was not written to the end.
    pub fn end(&mut self) -> Option<(W, Option<io::Error>)> {
        let tape = self.tape.take()?;
        Some(tape.sink.end(&tape.sum))
    }
}

#[expect(private_bounds, reason = "the sinks are the writer and the replay")]
impl<'a, S: Sink> Taped<'a, S> {
    /// See [`Hub::handle`].
    pub fn handle(&mut self, now: Instant, input: Input<'_>) -> Answer {
        match &mut self.tape {
            None => self.hub.handle(now, input),
            Some(tape) => tape.handle(&mut self.hub, now, input),
        }
    }

    /// See [`Hub::send`].
    pub fn send(
        &mut self,
        now: Instant,
        conn: ConnId,
        write: impl FnOnce(Transmit<'_, 'a>) -> usize,
    ) -> usize {
        let Some(tape) = &mut self.tape else { return self.hub.send(now, conn, write) };
        let count = write(self.hub.transmit(conn));
        tape.handle(&mut self.hub, now, Input::Sent { conn, count });
        count
    }

    /// See [`Hub::next_output`].
    pub fn next_output(&mut self) -> Option<Output> {
        let output = self.hub.next_output();
        if let Some(tape) = &mut self.tape {
            tape.sum.output(&self.hub, output);
            if let Some(output) = output {
                tape.sink.asked(&self.hub, output);
            }
            tape.note(&Entry::Output);
        }
        output
    }

    /// See [`Hub::reconfigure`].
    ///
    /// # Errors
    /// As there.
    pub fn reconfigure(&mut self, now: Instant, config: Config<'a>) -> Result<(), ReconfigureError> {
        let done = self.hub.reconfigure(now, config);
        if let Some(tape) = &mut self.tape {
            tape.now = tape.now.max(now);
            let choices = Box::new(Choices::from(&config));
            tape.note(&Entry::Reconfigure { choices, is_taken: done.is_ok() });
        }
        done
    }

    /// See [`Hub::follow`].
    pub fn follow(&mut self, following: Following) -> Option<FollowerId> {
        let follower = self.hub.follow(following);
        self.note(|| {
            let Following { grace_ms, scope } = following;
            Entry::Follow { grace_ms, scope, follower: follower.map(FollowerId::as_u64) }
        });
        follower
    }

    /// See [`Hub::unfollow`].
    pub fn unfollow(&mut self, follower: FollowerId) {
        self.hub.unfollow(follower);
        self.note(|| Entry::Unfollow { follower: follower.as_u64() });
    }

    /// See [`Hub::read`].
    pub fn read(&mut self, follower: FollowerId) -> Option<Followed<'_>> {
        let followed = self.hub.read(follower);
        if let Some(tape) = &mut self.tape {
            tape.sum.followed(followed.as_ref());
            if let Some(followed) = &followed {
                tape.sink.read(follower, followed);
            }
            tape.note(&Entry::Read { follower: follower.as_u64() });
        }
        followed
    }

    /// See [`Hub::read_again`].
    pub fn read_again(&mut self, follower: FollowerId) {
        self.hub.read_again(follower);
        self.note(|| Entry::ReadAgain { follower: follower.as_u64() });
    }

    /// See [`Hub::watch`].
    pub fn watch(&mut self, conn: ConnId) -> Option<FollowerId> {
        let follower = self.hub.watch(conn);
        self.note(|| Entry::Watch { conn: Conn::from(conn), follower: follower.map(FollowerId::as_u64) });
        follower
    }

    fn note(&mut self, step: impl FnOnce() -> Entry<'static>) {
        if let Some(tape) = &mut self.tape {
            tape.note(&step());
        }
    }
}

impl<S: Sink> Tape<S> {
    // Out of the way of those that do not record.
    #[inline(never)]
    fn handle(&mut self, hub: &mut Hub<'_>, now: Instant, input: Input<'_>) -> Answer {
        match input {
            Input::Sent { conn, count } => self.send(hub, conn, count),
            Input::Closed { conn } => self.sum.close(hub.interest(conn).close),
            _ => {}
        }
        let answer = hub.handle(now, input);
        // To the hub, time does not go back either.
        self.now = self.now.max(now);
        let check = if matches!(input, Input::Sent { .. }) { self.sum.value() } else { 0 };
        let step = Entry::of(input, answer, &self.rests, check);
        self.sink.step(self.now, &step, &self.sum);
        match input {
            Input::Received { conn, bytes } => self.rests.note(conn, bytes, answer.taken()),
            Input::Closed { conn } | Input::Failed { conn, .. } => self.rests.forget(conn),
            _ => {}
        }
        answer
    }

    /// Adds what is being sent to the checksum.
    fn send(&mut self, hub: &mut Hub<'_>, conn: ConnId, mut count: usize) {
        for bytes in hub.transmit(conn) {
            if count == 0 {
                break;
            }
            let part = &bytes[..bytes.len().min(count)];
            self.sum.bytes(part);
            self.sink.sent(conn, part);
            count -= part.len();
        }
    }

    fn note(&mut self, step: &Entry<'_>) {
        self.sink.step(self.now, step, &self.sum);
    }
}
