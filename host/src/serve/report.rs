//! The report writes a line to the log for each client that connects, takes a name, leaves or is
//! refused. Lines above a limit are only counted. So a flood of clients neither fills the log nor
//! takes the time of the others.

use std::time::{Duration, Instant as Clock};

use parlour_core::{Cause, Refusal};

use super::peer::Peer;

/// The most lines in a second.
const LINES: u32 = 100;
const SECOND: Duration = Duration::from_secs(1);

/// Events that got no line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    connected: u32,
    renamed: u32,
    skipped: u32,
    away: u32,
    back: u32,
    disconnected: u32,
    refused: u32,
}

/// Writes to the log what happens.
#[derive(Debug)]
pub(super) struct Report {
    /// The name of each listener in the log.
    listeners: Vec<String>,
    /// How many lines are left in this second, and when it ends.
    lines: u32,
    ends_at: Clock,
    sums: Sums,
}

impl Report {
    pub(super) fn new(listeners: Vec<String>) -> Self {
        Self { listeners, lines: LINES, ends_at: Clock::now() + SECOND, sums: Sums::default() }
    }

    pub(super) fn connected(&mut self, peer: Peer, name: &str) {
        if self.has_place() {
            tracing::info!(%peer, listener = %self.listener(peer), name = shown(name).map(display), "connected");
        } else {
            self.sums.connected += 1;
        }
    }

    pub(super) fn renamed(&mut self, peer: Peer, name: &str) {
        if self.has_place() {
            tracing::info!(%peer, %name, "renamed");
        } else {
            self.sums.renamed += 1;
        }
    }

    /// A client was too slow and jumped ahead.
    pub(super) fn skipped(&mut self, peer: Peer, name: &str, missed: u32) {
        if self.has_place() {
            tracing::info!(%peer, name = shown(name).map(display), missed, "too slow, skips messages");
        } else {
            self.sums.skipped += 1;
        }
    }

    /// The connection of a client has broken, and the client may come back.
    pub(super) fn away(&mut self, peer: Peer, name: &str, cause: Cause) {
        if self.has_place() {
            let reason = cause.reason();
            tracing::info!(%peer, name = shown(name).map(display), reason, "away, may come back");
        } else {
            self.sums.away += 1;
        }
    }

    /// It has come back, from this address.
    pub(super) fn resumed(&mut self, peer: Peer, name: &str) {
        if self.has_place() {
            tracing::info!(%peer, name = shown(name).map(display), "back");
        } else {
            self.sums.back += 1;
        }
    }

    /// A newcomer is a client of the server before this one, with this number in the journal.
    pub(super) fn known_again(&mut self, peer: Peer, client: u64) {
        if self.has_place() {
            tracing::info!(%peer, client, "known from before the restart");
        } else {
            self.sums.back += 1;
        }
    }

    /// A client was disconnected. `given` is the reason that the operator gave, or empty.
    pub(super) fn disconnected(&mut self, peer: Peer, name: &str, cause: Cause, given: &str) {
        if self.has_place() {
            let reason = match cause {
                Cause::Left => "left",
                Cause::Shutdown => "server is shutting down",
                cause => cause.reason(),
            };
            let reason = if given.is_empty() { reason.to_owned() } else { format!("{reason}: {given}") };
            tracing::info!(%peer, name = shown(name).map(display), reason, "disconnected");
        } else {
            self.sums.disconnected += 1;
        }
    }

    pub(super) fn refused(&mut self, peer: Peer, refusal: Refusal) {
        self.turned_away(
            peer,
            match refusal {
                Refusal::Full => "server is full",
                Refusal::PerPeer => "too many connections from its address",
                Refusal::ShuttingDown => "server is shutting down",
            },
        );
    }

    /// A client's address may not connect.
    pub(super) fn denied(&mut self, peer: Peer) {
        self.turned_away(peer, "its address is not allowed");
    }

    fn turned_away(&mut self, peer: Peer, reason: &str) {
        if self.has_place() {
            tracing::info!(%peer, listener = %self.listener(peer), reason, "refused");
        } else {
            self.sums.refused += 1;
        }
    }

    fn listener(&self, peer: Peer) -> &str {
        self.listeners.get(usize::from(peer.listener.0)).map_or("", String::as_str)
    }

    /// Takes one of this second's lines, if any is left. With `RUST_LOG=debug` there is no limit.
    fn has_place(&mut self) -> bool {
        if tracing::enabled!(tracing::Level::DEBUG) {
            return true;
        }
        if self.lines == 0 {
            return false;
        }
        self.lines -= 1;
        true
    }

    /// When [`Report::tell_sums`] has something to log.
    pub(super) fn next_at(&self) -> Option<Clock> {
        (self.sums != Sums::default()).then_some(self.ends_at)
    }

    /// Begins a new second if the last one has ended. Logs the sums of the events that got no line.
    pub(super) fn tell_sums(&mut self, now: Clock) {
        if now < self.ends_at {
            return;
        }
        (self.lines, self.ends_at) = (LINES, now + SECOND);
        self.tell_last_sums();
    }

    /// Tells in a sum what there were no lines for, without waiting for the end of the second.
    pub(super) fn tell_last_sums(&mut self) {
        if self.sums != Sums::default() {
            let Sums { connected, renamed, skipped, away, back, disconnected, refused } =
                std::mem::take(&mut self.sums);
            tracing::info!(
                connected,
                renamed,
                skipped,
                away,
                back,
                disconnected,
                refused,
                "more than {LINES} lines in a second; only counted"
            );
        }
    }
}

/// `None` for an empty text, so the log leaves the field out.
fn shown(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
