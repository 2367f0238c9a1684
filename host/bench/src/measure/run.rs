//! One work from the first connection to the report. It connects, finds out who gets which lines, fills
//! the buffers of clients that never read, warms up, measures, and waits for the last lines. `feed` sends. It
//! has one thread. Only the wait for all connections blocks.

mod feed;

use std::time::{Duration, Instant};

use self::feed::FILLER;
use super::audit::Audit;
use crate::crowd::{Crowd, Habit};
use crate::error::BenchError;
use crate::lines::{Audience, Book, Lines, Pace, Rounds, Schedule, Stream};
use crate::plan::{Kind, Plan};
use crate::report::{Latency, Report, Sample, Stall};

/// The longest wait for the system. A phase ends at most this much too late.
const TURN: Duration = Duration::from_millis(20);
/// How often a line is sent to find out who receives it.
const PROBE: Duration = Duration::from_millis(100);
/// If nothing came for this long, nothing more will come.
const QUIET: Duration = Duration::from_millis(100);
/// How often progress is shown.
const TELL: Duration = Duration::from_millis(250);
/// Bytes that fill the buffers of both systems for a client that does not read: more than Linux' largest
/// send buffer, which is 4 MiB by default.
const FILL: usize = 6 << 20;
/// How many lines ahead filling may be, the same as in `fan`.
const FILL_AHEAD: u64 = 4096;

/// How a phase ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    InTime,
    /// The server has stopped passing lines on.
    Stopped,
    /// The server disconnected a client that reads.
    Closed,
}

/// The pace of one sender that may be this many lines ahead of the receivers, without end.
fn window(ahead: u64) -> Pace {
    Pace::Window { ahead, end: u64::MAX }
}

/// A work that runs.
pub(super) struct Run<'a> {
    plan: &'a Plan,
    crowd: Crowd,
    book: Book,
    audit: Option<Audit>,
    progress: &'a dyn Fn(&str),
    told: Instant,
    /// How many clients are in the ledger, and how many of them send. The senders come first.
    receivers: usize,
    senders: usize,
    /// How many of the receivers never read. They are the last ones.
    stalled: usize,
    stalled_closed: u32,
    /// How many times one of them came back, and the number up to which the filler sends since then.
    came_back: u32,
    filler_end: u64,
    arrived: Instant,
    deliveries: u64,
}

/// Runs the work of `plan`.
pub(super) fn measure(plan: &Plan, lines: Lines, progress: &dyn Fn(&str)) -> Result<Report, BenchError> {
    let mut run = Run::new(plan, lines, progress)?;
    run.connect()?;
    run.probe()?;
    run.measure()
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, lines: Lines, progress: &'a dyn Fn(&str)) -> Result<Self, BenchError> {
        let (clients, ahead) = (plan.work.clients as usize, u64::from(plan.work.depth));
        let (receivers, senders, audience, pace) = match plan.work.kind {
            Kind::Latency if plan.come_back => (clients + 1, FILLER + 1, Audience::Others, window(ahead)),
            Kind::Fan | Kind::Latency | Kind::Idle => (clients + 1, 1, Audience::Others, window(ahead)),
            Kind::Lockstep | Kind::Ahead => (clients, clients, Audience::Others, window(ahead)),
            Kind::Gather => (clients + 1, clients, Audience::Last, window(ahead)),
            Kind::Echo => (clients, clients, Audience::Sender, Pace::Echo { ahead }),
        };
        Ok(Self {
            plan,
            crowd: Crowd::new(&plan.address)?,
            book: Book::new(lines, (receivers, senders), audience, pace, &plan.dialect),
            audit: Audit::open(plan)?,
            progress,
            told: Instant::now(),
            receivers,
            senders,
            stalled: plan.stall as usize,
            stalled_closed: 0,
            came_back: 0,
            filler_end: 0,
            arrived: Instant::now(),
            deliveries: 0,
        })
    }

    /// The clients in the ledger that read and are still connected.
    fn readers(&self) -> impl Iterator<Item = usize> + '_ {
        let ledger = &self.book.ledger;
        (0..self.receivers - self.stalled)
            .filter(|&client| self.crowd.is_open(client) && ledger.listens(client))
    }

    fn connect(&mut self) -> Result<(), BenchError> {
        let count = self.receivers + self.plan.idle as usize;
        for client in 0..count {
            let stalls = (self.receivers - self.stalled..self.receivers).contains(&client);
            self.crowd.connect(if stalls { Habit::Stalls } else { Habit::Reads })?;
            self.greet(client)?;
            if client % 16 == 0 {
                self.step(Duration::ZERO)?;
                self.expect_all_open()?;
                self.tell(|_| format!("connecting, {client} of {count}"));
            }
        }
        Ok(())
    }

    fn greet(&mut self, client: usize) -> Result<(), BenchError> {
        self.book.replies.begin_anew(client);
        let needs_lines = match self.plan.work.kind {
            Kind::Fan | Kind::Latency => client > 0,
            Kind::Gather => client >= self.senders,
            Kind::Lockstep | Kind::Ahead | Kind::Echo | Kind::Idle => true,
        };
        let hello = (self.plan.dialect.hello)(client, needs_lines);
        self.crowd.outbox(client).extend_from_slice(hello.as_bytes());
        self.crowd.flush(client)
    }

    fn tell(&mut self, text: impl FnOnce(&Self) -> String) {
        if self.told.elapsed() >= TELL {
            let text = text(self);
            (self.progress)(&text);
            self.told = Instant::now();
        }
    }

    /// Waits for the system and takes the bytes that have come.
    fn step(&mut self, timeout: Duration) -> Result<(), BenchError> {
        let book = &mut self.book;
        self.crowd.turn(timeout, |client, bytes, reply| book.received(client, bytes, reply))?;
        if self.book.ledger.deliveries != self.deliveries {
            self.deliveries = self.book.ledger.deliveries;
            self.arrived = Instant::now();
        }
        Ok(())
    }

    /// Notes which clients the server disconnected. Returns whether one of them reads. Clients that
    /// never read connect again, if the plan says so.
    fn note_closed(&mut self) -> Result<bool, BenchError> {
        let never_read = self.receivers - self.stalled..self.receivers;
        let closed = self.crowd.take_closed();
        let (stalled, others): (Vec<_>, Vec<_>) =
            closed.into_iter().partition(|client| never_read.contains(client));
        self.stalled_closed += stalled.len() as u32;
        self.book.ledger.faults.closed += others.len() as u64;
        if self.plan.come_back {
            stalled.into_iter().try_for_each(|client| self.come_back(client))?;
        }
        Ok(!others.is_empty())
    }

    fn come_back(&mut self, client: usize) -> Result<(), BenchError> {
        if self.crowd.connect_again(client)? {
            self.greet(client)?;
            self.came_back += 1;
            if self.senders > FILLER {
                self.filler_end = self.book.ledger.sent(FILLER) + self.fill_lines();
            }
        }
        Ok(())
    }

    /// How many lines fill the buffers of a client that does not read.
    fn fill_lines(&self) -> u64 {
        (FILL / self.plan.line) as u64
    }

    fn expect_all_open(&mut self) -> Result<(), BenchError> {
        if self.note_closed()? {
            return Err(BenchError::Closed { said: String::from_utf8_lossy(&self.book.said).into_owned() });
        }
        Ok(())
    }

    /// Puts a line of `sender` into its outbox.
    fn write_line(&mut self, sender: usize) {
        let id = self.book.ledger.send(sender);
        let outbox = self.crowd.outbox(sender);
        outbox.extend_from_slice(self.plan.dialect.before.as_bytes());
        self.book.lines.write(id, outbox);
        outbox.extend_from_slice(self.plan.dialect.after.as_bytes());
    }

    /// Sends lines until all receivers get them. Newcomers may miss the first ones.
    fn probe(&mut self) -> Result<(), BenchError> {
        let echo = self.book.ledger.audience == Audience::Sender;
        let give_up = Instant::now() + self.plan.patience;
        let mut next = Instant::now();
        loop {
            let now = Instant::now();
            let waiting = self.readers().filter(|&client| self.has_seen(client).is_none()).count();
            if waiting == 0 && (echo || self.readers().all(|client| self.has_seen_all(client))) {
                break;
            }
            if now >= give_up {
                return Err(self.deaf(waiting));
            }
            if now >= next && waiting > 0 {
                let senders = if echo && self.book.ledger.sent(0) > 0 {
                    0
                } else if echo {
                    self.senders
                } else {
                    1
                };
                for sender in 0..senders {
                    self.write_line(sender);
                    self.crowd.flush(sender)?;
                }
                next = now + PROBE;
            }
            self.step(TURN)?;
            self.expect_all_open()?;
            self.tell(|_| format!("waiting for the first line, {waiting} have none"));
        }
        self.settle()?;
        if self.book.ledger.audience == Audience::Others && self.book.ledger.next(0, 0) > 0 {
            self.book.ledger.audience = Audience::All;
        }
        Ok(())
    }

    /// The number of the line after the last one that `client` saw while probing.
    fn has_seen(&self, client: usize) -> Option<u64> {
        let sender = if self.book.ledger.audience == Audience::Sender { client } else { 0 };
        let next = self.book.ledger.next(client, sender);
        // It is not known yet whether the sender sees its own lines.
        (next > 0 || (sender == client && self.book.ledger.audience != Audience::Sender)).then_some(next)
    }

    fn has_seen_all(&self, client: usize) -> bool {
        client == 0 || self.has_seen(client) == Some(self.book.ledger.sent(0))
    }

    fn deaf(&self, waiting: usize) -> BenchError {
        let echo = self.book.ledger.audience == Audience::Sender;
        let hint = match echo {
            true => "is this an echo server? If it is not, use fan",
            false if self.book.ledger.next(0, 0) > 0 => {
                "only the sender got its own; is this an echo server? If it is, use echo"
            }
            false => "is this a server that passes lines on?",
        };
        BenchError::Deaf { waiting, clients: self.receivers - self.stalled, hint }
    }

    /// Waits until nothing comes any more.
    fn settle(&mut self) -> Result<(), BenchError> {
        let mut quiet_at = Instant::now() + QUIET;
        while Instant::now() < quiet_at {
            self.book.heard.clear();
            self.step(TURN)?;
            if !self.book.heard.is_empty() {
                quiet_at = Instant::now() + QUIET;
            }
        }
        Ok(())
    }

    fn measure(&mut self) -> Result<Report, BenchError> {
        self.begin();
        let mut ended = Ended::InTime;
        let mut stall = None;
        if self.stalled > 0 {
            let (how, longest_pause) = self.fill()?;
            ended = how;
            stall = Some(longest_pause);
            self.book.pace = window(self.plan.work.depth.into());
        }
        let first = self.book.ledger.sent(0);
        if self.plan.work.kind == Kind::Latency {
            self.book.pace =
                Pace::Schedule(Schedule::new(Instant::now(), self.plan.rate, self.plan.burst, first));
            self.book.stream = None;
        }
        let mut from = self.sample()?;
        if ended == Ended::InTime {
            ended = self.drive(self.plan.warmup, "warming up")?;
        }
        if self.plan.work.kind == Kind::Latency {
            self.book.record_latency();
        }
        if ended == Ended::InTime {
            from = self.sample()?;
            ended = self.drive(self.plan.duration, "measuring")?;
        }
        let to = self.sample()?;
        if ended != Ended::Stopped {
            self.drain()?;
        }
        let readers: Vec<_> = self.readers().collect();
        readers.into_iter().for_each(|client| self.book.ledger.close(client));
        let latency = self.book.latency.as_ref().map(|(_, histogram)| histogram);
        let report = from.report(&to, self.plan.work.to_string(), self.plan.line, &self.plan.pids);
        let faults = self.book.ledger.faults;
        let finish = |audit: &Audit| audit.finish(self.plan, &self.book, &report);
        Ok(Report {
            faults,
            stored: self.audit.as_ref().map(finish).transpose()?,
            stopped: ended == Ended::Stopped || (report.deliveries == 0 && faults.lost > 0),
            latency: latency.filter(|histogram| !histogram.is_empty()).map(Latency::of),
            stall: stall.map(|longest_pause| Stall {
                stalled: self.plan.stall,
                longest_pause: longest_pause.as_secs_f64(),
                closed: self.stalled_closed,
                came_back: self.came_back,
            }),
            ..report
        })
    }

    /// This moment.
    fn sample(&mut self) -> Result<Sample, BenchError> {
        self.audit.as_mut().map(Audit::mark).transpose()?;
        Ok(Sample::take(self.deliveries, &self.plan.pids))
    }

    /// From now on every line counts, and clients send by the work's pace.
    fn begin(&mut self) {
        self.book.ledger.begin();
        match self.plan.work.kind {
            Kind::Lockstep | Kind::Ahead => {
                self.book.pace = Pace::Rounds(Rounds::new(self.plan.work.depth.into(), &self.book.ledger));
            }
            Kind::Fan | Kind::Latency => self.book.stream = Some(Stream::new(0)),
            Kind::Gather | Kind::Echo | Kind::Idle => {}
        }
        self.book.heard = (0..self.senders).collect();
        self.deliveries = 0;
        self.arrived = Instant::now();
    }

    /// Sends until the buffers of the clients that never read are full. Stops if one has come back,
    /// because that could go on without end. Also returns the longest time in which no other client
    /// received anything.
    fn fill(&mut self) -> Result<(Ended, Duration), BenchError> {
        let mut end = self.book.ledger.sent(0) + self.fill_lines();
        let mut longest = Duration::ZERO;
        loop {
            self.book.pace = Pace::Window { ahead: FILL_AHEAD, end };
            let before = self.arrived;
            self.feed()?;
            self.step(TURN)?;
            longest = longest.max(self.arrived - before).max(self.arrived.elapsed());
            if self.note_closed()? {
                return Ok((Ended::Closed, longest));
            }
            if self.came_back > 0 {
                end = self.book.ledger.sent(0);
            }
            if self.book.ledger.sent(0) == end && self.outstanding() == 0 {
                return Ok((Ended::InTime, longest));
            }
            if self.arrived.elapsed() > self.plan.patience {
                return Ok((Ended::Stopped, longest));
            }
            self.tell(|run| {
                let sent = run.book.ledger.sent(0);
                format!("filling the buffers of clients that never read, {sent} of {end} lines")
            });
        }
    }

    /// Lets all clients go on for `duration`.
    fn drive(&mut self, duration: Duration, phase: &str) -> Result<Ended, BenchError> {
        let start = Instant::now();
        let before = self.deliveries;
        loop {
            let timeout = self.feed()?;
            self.step(timeout)?;
            let now = Instant::now();
            if self.note_closed()? {
                return Ok(Ended::Closed);
            }
            if now - start >= duration {
                return Ok(Ended::InTime);
            }
            if now.saturating_duration_since(self.arrived) > self.plan.patience && self.outstanding() > 0 {
                return Ok(Ended::Stopped);
            }
            self.tell(|run| {
                let seconds = (now - start).as_secs_f64();
                let rate = (run.deliveries - before) as f64 / seconds / 1e6;
                let of = duration.as_secs_f64();
                format!("{phase}, {seconds:.1} of {of:.1} s, {rate:.3} million deliveries a second")
            });
        }
    }

    /// How many lines the reading clients have yet to get.
    fn outstanding(&self) -> u64 {
        self.readers().map(|client| self.book.ledger.outstanding(client)).sum()
    }

    /// Waits for the lines that are still on their way, and a moment longer for stray ones.
    fn drain(&mut self) -> Result<(), BenchError> {
        self.arrived = Instant::now();
        while self.outstanding() > 0 && self.arrived.elapsed() <= self.plan.patience {
            self.step(TURN)?;
            self.note_closed()?;
            self.tell(|run| format!("waiting for the last lines, {} have not come", run.outstanding()));
        }
        self.settle()
    }
}
