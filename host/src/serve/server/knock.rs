//! Newcomers that may be clients who come back. While somebody has a session, a newcomer to the chat has a moment
//! to say so, before it is greeted. A client that comes back says it at once.

use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant as Clock};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::door::Newcomer;
use crate::resume::{Key, Message, Sieve};

/// How long this moment is. A person does not notice it.
const MOMENT: Duration = Duration::from_millis(50);
/// The most bytes of a message.
const LONGEST: usize = 128;

/// The newcomers that have this moment.
#[derive(Debug, Default)]
pub(super) struct Knocking(Vec<(Clock, Newcomer)>);

/// What a newcomer has said.
pub(super) enum Knock {
    /// It is a newcomer.
    New,
    /// It comes back, and has received so many bytes.
    Back(Key, u64),
}

impl Knocking {
    /// Gives a newcomer its moment. Returns the descriptor to watch.
    pub(super) fn wait(&mut self, now: Clock, newcomer: Newcomer) -> RawFd {
        let fd = newcomer.socket.as_raw_fd();
        self.0.push((now + MOMENT, newcomer));
        fd
    }

    /// When the first of these moments is over.
    pub(super) fn next_at(&self) -> Option<Clock> {
        self.0.first().map(|(until, _)| *until)
    }

    /// The next newcomer that has said something, or whose moment is over.
    pub(super) fn next(&mut self, now: Clock) -> Option<(Newcomer, Knock)> {
        let heard =
            self.0.iter().map(|(until, newcomer)| newcomer.hear().or((*until <= now).then_some(Knock::New)));
        let (index, knock) =
            heard.enumerate().find_map(|(index, knock)| knock.map(|knock| (index, knock)))?;
        Some((self.0.remove(index).1, knock))
    }

    /// All of them.
    pub(super) fn close(&mut self) -> impl Iterator<Item = Newcomer> + use<> {
        std::mem::take(&mut self.0).into_iter().map(|(_, newcomer)| newcomer)
    }
}

impl Newcomer {
    /// What it says first. `None`: nothing yet. The bytes stay in the socket, unless it comes back.
    fn hear(&self) -> Option<Knock> {
        let mut bytes = [0; LONGEST];
        let count = match recv(&self.socket, &mut bytes, RecvFlags::PEEK) {
            Ok((count, _)) => count,
            Err(Errno::AGAIN | Errno::INTR) => return None,
            // What is wrong shows when it is read.
            Err(_) => 0,
        };
        let mut text = Vec::new();
        Some(match Sieve::default().take(&bytes[..count], &mut text) {
            (len, Some(Message::Resume(key, received))) if text.is_empty() => {
                // These bytes are there.
                let _ = recv(&self.socket, &mut bytes[..len], RecvFlags::empty());
                Knock::Back(key, received)
            }
            _ => Knock::New,
        })
    }
}
