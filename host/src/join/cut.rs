//! The reasons for which a server disconnects a client and would do so again. After them the client
//! does not connect again by itself.

use std::fmt;
use std::io::ErrorKind;
use std::process::ExitCode;

use super::connection::Lost;
use super::protocol::Kind;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cut {
    Kicked,
    Idle,
    TooSlow,
}

impl Cut {
    /// The reason that a line of the server announces, if it announces one.
    pub(super) fn announced(line: &str) -> Option<Self> {
        match Kind::of(line) {
            Kind::Server(text) if text.starts_with("you were kicked") => Some(Self::Kicked),
            Kind::Server("you were idle for too long") => Some(Self::Idle),
            _ => None,
        }
    }

    /// The server announces nothing to a client that does not read. It resets the connection.
    pub(super) fn suspected(lost: &Lost, was_slow: bool) -> Option<Self> {
        let is_reset = matches!(lost, Lost::Broken(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe));
        (was_slow && is_reset).then_some(Self::TooSlow)
    }

    /// The exit code of a client that does not come back.
    pub(super) fn exit_code(self) -> ExitCode {
        match self {
            Self::Kicked => 3,
            Self::Idle => 4,
            Self::TooSlow => 5,
        }
        .into()
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kicked => "you were kicked",
            Self::Idle => "you were idle for too long",
            Self::TooSlow => "you were too slow",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::{Cut, Lost};

    #[test]
    fn only_the_server_announces_a_cut() {
        assert_eq!(Cut::announced("-- you were kicked"), Some(Cut::Kicked));
        assert_eq!(Cut::announced("-- you were kicked (spam)"), Some(Cut::Kicked));
        assert_eq!(Cut::announced("-- you were idle for too long"), Some(Cut::Idle));
        assert_eq!(Cut::announced("<bob> you were kicked"), None);
        assert_eq!(Cut::announced("-- server is shutting down"), None);
    }

    #[test]
    fn a_reset_after_a_pause_is_suspicious() {
        let reset = Lost::Broken(ErrorKind::ConnectionReset.into());
        assert_eq!(Cut::suspected(&reset, true), Some(Cut::TooSlow));
        assert_eq!(Cut::suspected(&reset, false), None);
        assert_eq!(Cut::suspected(&Lost::Closed, true), None);
    }
}
