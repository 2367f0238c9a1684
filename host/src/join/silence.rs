//! Finds out whether the server still answers. If the server has been silent for a while and need not
//! answer, a `/ping` makes it answer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::protocol::first_word;

/// If the server sends nothing for this long after a line, it gets a `/ping`.
const ASK_AFTER: Duration = Duration::from_secs(3);
/// How long the answer may take.
const TELL_AFTER: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Silence {
    state: State,
    /// Each `/ping` that has no answer yet: `true` if the user sent it.
    pings: VecDeque<bool>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    /// The server owes no answer.
    #[default]
    Fine,
    /// The server gets a `/ping` at this time.
    Ask(Instant),
    /// The user is told at this time.
    Tell(Instant),
    Told,
}

/// Something that is due now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    Ping,
    /// Tell the user that the server is silent.
    Tell,
}

impl Silence {
    /// For a new connection. The server should send a welcome.
    pub(super) fn connected(&mut self, now: Instant) {
        *self = Self { state: State::Tell(now + TELL_AFTER), pings: VecDeque::new() };
    }

    pub(super) fn lost(&mut self) {
        *self = Self::default();
    }

    /// The user sent `line`.
    pub(super) fn sent(&mut self, line: &str, now: Instant) {
        if first_word(line).eq_ignore_ascii_case("/ping") {
            self.pings.push_back(true);
        }
        if self.state == State::Fine {
            self.state = State::Ask(now + ASK_AFTER);
        }
    }

    /// The server sent something. Returns whether the user had been told of its silence.
    pub(super) fn broken(&mut self) -> bool {
        std::mem::take(&mut self.state) == State::Told
    }

    /// Whether `line` answers a `/ping` that the user did not send.
    pub(super) fn is_answer(&mut self, line: &str) -> bool {
        line == "-- pong" && self.pings.pop_front() == Some(false)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Fine | State::Told => None,
            State::Ask(at) | State::Tell(at) => Some(at),
        }
    }

    pub(super) fn due(&mut self, now: Instant) -> Option<Due> {
        match self.state {
            State::Ask(at) if now >= at => {
                self.state = State::Tell(now + TELL_AFTER);
                self.pings.push_back(false);
                Some(Due::Ping)
            }
            State::Tell(at) if now >= at => {
                self.state = State::Told;
                Some(Due::Tell)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{ASK_AFTER, Due, Silence, TELL_AFTER};

    #[test]
    fn a_server_that_answers_is_not_asked() {
        let now = Instant::now();
        let mut silence = Silence::default();
        silence.sent("hi", now);
        assert!(!silence.broken());
        assert_eq!((silence.deadline(), silence.due(now + ASK_AFTER)), (None, None));
    }

    #[test]
    fn a_silent_server_is_asked_and_then_told_of() {
        let now = Instant::now();
        let mut silence = Silence::default();
        silence.sent("hi", now);
        assert_eq!(silence.due(now), None);
        let now = now + ASK_AFTER;
        assert_eq!((silence.due(now), silence.due(now)), (Some(Due::Ping), None));
        let now = now + TELL_AFTER;
        silence.sent("still there?", now);
        assert_eq!((silence.due(now), silence.due(now)), (Some(Due::Tell), None));
        assert!(silence.broken() && !silence.broken());
    }

    #[test]
    fn a_server_that_does_not_welcome_is_told_of() {
        let now = Instant::now();
        let mut silence = Silence::default();
        silence.connected(now);
        assert_eq!(silence.due(now + TELL_AFTER), Some(Due::Tell));
    }

    #[test]
    fn the_answer_to_the_user_is_shown() {
        let now = Instant::now();
        let mut silence = Silence::default();
        silence.sent("/ping", now);
        silence.due(now + ASK_AFTER);
        assert!(!silence.is_answer("-- pong"));
        assert!(!silence.is_answer("<bob> -- pong"));
        assert!(silence.is_answer("-- pong"));
        assert!(!silence.is_answer("-- pong"));
    }
}
