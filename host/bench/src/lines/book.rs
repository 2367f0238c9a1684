//! Takes the bytes that come. It cuts them into lines, inspects the lines, enters them in the ledger
//! and records their latency. It knows no connections.

use std::time::Instant;

use hdrhistogram::Histogram;
use memchr::memchr;

use super::ledger::{Audience, Ledger};
use super::line::Lines;
use super::pace::Pace;
use super::stream::Stream;
use crate::plan::{Dialect, Replies};

/// The longest latency that is recorded, in nanoseconds. A longer one counts as this.
const LONGEST_LATENCY: u64 = 600_000_000_000;

/// Everything that is known of the lines of a run.
pub(crate) struct Book {
    pub(crate) lines: Lines,
    pub(crate) ledger: Ledger,
    pub(crate) pace: Pace,
    /// Set if only one client sends, as fast as it can.
    pub(crate) stream: Option<Stream>,
    /// Latencies in nanoseconds of the first sender's lines, from this number on.
    pub(crate) latency: Option<(u64, Histogram<u64>)>,
    /// Clients that have received something since the last feeding.
    pub(crate) heard: Vec<usize>,
    /// The last line of the server's own.
    pub(crate) said: Vec<u8>,
    pub(crate) replies: Replies,
}

impl Book {
    /// A book for `receivers`, of which the first `senders` send.
    pub(crate) fn new(
        lines: Lines,
        (receivers, senders): (usize, usize),
        audience: Audience,
        pace: Pace,
        dialect: &Dialect,
    ) -> Self {
        Self {
            lines,
            ledger: Ledger::new(receivers, senders, audience),
            pace,
            stream: None,
            latency: None,
            heard: Vec::new(),
            said: Vec::new(),
            replies: Replies::new(dialect),
        }
    }

    /// Records latencies from the next line on.
    pub(crate) fn record_latency(&mut self) {
        let histogram = Histogram::new_with_bounds(1, LONGEST_LATENCY, 3).expect("bounds in order");
        self.latency = Some((self.ledger.sent(0), histogram));
    }

    /// Takes the whole lines at the front of `bytes`. Returns how many bytes they have. Answers go to
    /// `reply`.
    pub(crate) fn received(&mut self, client: usize, bytes: &[u8], reply: &mut Vec<u8>) -> usize {
        let now = Instant::now();
        let mut at = 0;
        loop {
            at += self.take_stream(client, &bytes[at..]);
            let Some(end) = memchr(b'\n', &bytes[at..]) else { break };
            self.take_line(client, &bytes[at..=at + end], now, reply);
            at += end + 1;
        }
        self.heard.push(client);
        at
    }

    /// Takes the lines at the front that are as expected, many at once.
    fn take_stream(&mut self, client: usize, bytes: &[u8]) -> usize {
        let Some(stream) = &mut self.stream else { return 0 };
        if !self.ledger.expects(client, 0) || !self.ledger.listens(client) {
            return 0;
        }
        let (next, sent) = (self.ledger.next(client, 0), self.ledger.sent(0));
        let (count, len) = stream.matching(bytes, &self.lines, next, sent);
        self.ledger.take_many(client, 0, count);
        len
    }

    fn take_line(&mut self, client: usize, line: &[u8], now: Instant, reply: &mut Vec<u8>) {
        let Self { lines, ledger, pace, stream, latency, .. } = self;
        let text = &line[..line.len() - 1];
        let ours = lines.inspect(text, |verdict| {
            if !ledger.listens(client) {
                return;
            }
            let Some(arrival) = ledger.take(client, verdict) else { return };
            match pace {
                Pace::Rounds(rounds) => rounds.arrived(client, arrival, ledger),
                Pace::Schedule(schedule) => {
                    if let Some((first, histogram)) = latency
                        && arrival.id.sender == 0
                        && arrival.id.number >= *first
                    {
                        let took = now.saturating_duration_since(schedule.due(arrival.id.number));
                        histogram.saturating_record(took.as_nanos() as u64);
                    }
                }
                Pace::Window { .. } | Pace::Echo { .. } => {}
            }
            if let Some(stream) = stream {
                stream.learn(line, lines, arrival.id);
            }
        });
        if !ours {
            reply.extend(self.replies.to(client, text).unwrap_or_default());
            self.said.clear();
            self.said.extend_from_slice(&text[..text.len().min(200)]);
        }
    }
}
