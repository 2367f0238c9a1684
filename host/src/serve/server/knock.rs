//! Newcomers that may be clients who come back. While somebody has a session, a newcomer to the chat has a moment
//! to say so, before it is greeted. A client that comes back says it at once.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant as Clock};

use rustix::net::{RecvFlags, recv};

use super::newcomer::Newcomer;
use crate::resume::{Key, Message, Sieve};

/// How long this moment is. A person does not notice it.
const MOMENT: Duration = Duration::from_millis(50);
/// How many newcomers may have it at once. If one more comes, the moment of the first is over. So newcomers that say
/// nothing neither take many descriptors nor much time.
const PLACES: usize = 64;
/// The most bytes of a message.
const LONGEST: usize = 128;

/// The newcomers that have this moment, in the order in which they came.
#[derive(Debug)]
pub(super) struct Knocking<T>(VecDeque<Waiting<T>>);

#[derive(Debug)]
struct Waiting<T> {
    until: Clock,
    newcomer: T,
}

/// What a newcomer has said.
pub(super) enum Knock {
    /// It is a newcomer.
    New,
    /// It comes back, and has received so many bytes.
    Back(Key, u64),
}

impl<T: AsRawFd> Knocking<T> {
    pub(super) fn new() -> Self {
        Self(VecDeque::new())
    }

    /// Gives a newcomer its moment. Returns the descriptor to watch.
    pub(super) fn wait(&mut self, now: Clock, newcomer: T) -> RawFd {
        if self.0.len() >= PLACES
            && let Some(first) = self.0.front_mut()
        {
            first.until = now;
        }
        let fd = newcomer.as_raw_fd();
        self.0.push_back(Waiting { until: now + MOMENT, newcomer });
        fd
    }

    /// One of them has said something.
    pub(super) fn note_ready(&mut self, fd: RawFd, now: Clock) {
        if let Some(waiting) = self.0.iter_mut().find(|waiting| waiting.newcomer.as_raw_fd() == fd) {
            waiting.until = now;
        }
    }

    /// When the first of these moments is over.
    pub(super) fn next_at(&self) -> Option<Clock> {
        self.0.iter().map(|waiting| waiting.until).min()
    }

    /// The next newcomer that has said something, or whose moment is over.
    pub(super) fn next(&mut self, now: Clock) -> Option<T> {
        let index = self.0.iter().position(|waiting| waiting.until <= now)?;
        self.0.remove(index).map(|waiting| waiting.newcomer)
    }

    /// All of them.
    pub(super) fn close(&mut self) -> impl Iterator<Item = T> + use<T> {
        std::mem::take(&mut self.0).into_iter().map(|waiting| waiting.newcomer)
    }
}

impl AsRawFd for Newcomer {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl Newcomer {
    /// What it says first. The bytes stay in the socket, unless it comes back.
    pub(super) fn hear(&self) -> Knock {
        let mut bytes = [0; LONGEST];
        // What is wrong shows when it is read.
        let count = recv(&self.socket, &mut bytes, RecvFlags::PEEK).map_or(0, |(count, _)| count);
        let mut text = Vec::new();
        match Sieve::default().take(&bytes[..count], &mut text) {
            (len, Some(Message::Resume(key, received))) if text.is_empty() => {
                // These bytes are there.
                let _ = recv(&self.socket, &mut bytes[..len], RecvFlags::empty());
                Knock::Back(key, received)
            }
            _ => Knock::New,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Number(RawFd);

    impl AsRawFd for Number {
        fn as_raw_fd(&self) -> RawFd {
            self.0
        }
    }

    fn let_in(knocking: &mut Knocking<Number>, now: Clock) -> Vec<RawFd> {
        std::iter::from_fn(|| knocking.next(now)).map(|number| number.0).collect()
    }

    #[test]
    fn a_moment_ends_in_time_or_with_a_word() {
        let (mut knocking, start) = (Knocking::new(), Clock::now());
        for number in 3..6 {
            assert_eq!(knocking.wait(start, Number(number)), number);
        }
        knocking.note_ready(4, start);
        knocking.note_ready(9, start);
        assert_eq!(let_in(&mut knocking, start), [4]);
        assert_eq!(knocking.next_at(), Some(start + MOMENT));
        assert_eq!(let_in(&mut knocking, start + MOMENT), [3, 5]);
        assert_eq!(knocking.next_at(), None);
    }

    #[test]
    fn no_more_wait_than_there_are_places() {
        let (mut knocking, start) = (Knocking::new(), Clock::now());
        for number in 0..2 * PLACES {
            knocking.wait(start, Number(number as RawFd));
            let first = number.checked_sub(PLACES).map(|number| number as RawFd);
            assert_eq!(let_in(&mut knocking, start), Vec::from_iter(first));
        }
        assert_eq!(knocking.close().count(), PLACES);
    }
}
