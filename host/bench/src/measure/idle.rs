//! The work with silent connections. It measures their cost to the server, and how long one more client
//! takes to join. It counts no lines. A line of the newcomer must reach a client that was there before,
//! or with an echo server the newcomer itself.

use std::time::{Duration, Instant};

use crate::crowd::{Crowd, Habit};
use crate::error::BenchError;
use crate::lines::{Id, Lines, Verdict};
use crate::plan::{Plan, Replies};
use crate::process::resident_of;
use crate::report::{Idle, Report, Sample, median};

/// How many joins are tried. The median counts.
const JOINS: u32 = 15;
const TURN: Duration = Duration::from_millis(20);
/// If nothing came for this long, nothing more will come.
const QUIET: Duration = Duration::from_millis(50);
/// Progress is shown after this many connections.
const TELL: u32 = 500;

/// The time to join, from connecting: medians in microseconds.
struct Join {
    /// Until the newcomer has the server's first bytes, if it sends any.
    greeted: Option<f64>,
    /// Until a client has a line of the newcomer.
    heard: f64,
}

struct Room<'a> {
    plan: &'a Plan,
    lines: &'a Lines,
    crowd: Crowd,
    replies: Replies,
    /// How many lines newcomers have sent so far.
    number: u64,
    /// The last newcomer, and when it had the server's first bytes.
    newcomer: usize,
    greeted_at: Option<Instant>,
}

/// Runs the work of `plan`.
pub(super) fn measure(plan: &Plan, lines: &Lines, progress: &dyn Fn(&str)) -> Result<Report, BenchError> {
    let server = &plan.pids;
    let mut room = Room {
        plan,
        lines,
        crowd: Crowd::new(&plan.address)?,
        replies: Replies::new(&plan.dialect),
        number: 0,
        newcomer: 0,
        greeted_at: None,
    };
    room.enter()?;
    room.settle()?;
    let empty = room.join()?;
    let before = resident_of(server);
    for client in 0..plan.work.clients {
        room.enter()?;
        if client % TELL == 0 {
            progress(&format!("connecting, {client} of {}", plan.work.clients));
        }
    }
    room.settle()?;
    let after = resident_of(server);
    progress("holding all connections");
    let from = Sample::take(0, server);
    room.hold(plan.duration)?;
    let to = Sample::take(0, server);
    let full = room.join()?;
    let memory_each = before
        .zip(after)
        .map(|(before, after)| after.saturating_sub(before) as f64 / f64::from(plan.work.clients));
    let idle = Idle {
        connections: plan.work.clients,
        memory_each,
        greeted_empty: empty.greeted,
        heard_empty: empty.heard,
        greeted_full: full.greeted,
        heard_full: full.heard,
    };
    Ok(Report { idle: Some(idle), ..from.report(&to, plan.work.to_string(), plan.line, server) })
}

impl Room<'_> {
    /// Connects one more client and sends its introduction.
    fn enter(&mut self) -> Result<usize, BenchError> {
        let client = self.crowd.connect(Habit::Reads)?;
        (self.newcomer, self.greeted_at) = (client, None);
        let hello = (self.plan.dialect.hello)(client, true);
        self.crowd.outbox(client).extend_from_slice(hello.as_bytes());
        self.crowd.flush(client)?;
        // Servers tell the others of a newcomer.
        if client % 16 == 0 {
            self.step(Duration::ZERO)?;
        }
        Ok(client)
    }

    /// Takes the bytes that have come. Returns the number of the last line in them, and whether there
    /// were any bytes.
    fn step(&mut self, timeout: Duration) -> Result<(Option<u64>, bool), BenchError> {
        let (mut came, mut any) = (None, false);
        let (lines, replies) = (self.lines, &mut self.replies);
        let (mut said, newcomer, greeted_at) = (Vec::new(), self.newcomer, &mut self.greeted_at);
        self.crowd.turn(timeout, |client, bytes, reply| {
            any = true;
            if client == newcomer {
                greeted_at.get_or_insert_with(Instant::now);
            }
            let mut taken = 0;
            for line in bytes.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n")) {
                taken += line.len();
                let text = &line[..line.len() - 1];
                let ours = lines.inspect(text, |verdict| {
                    if let Verdict::Whole(id) = verdict {
                        came = came.max(Some(id.number));
                    }
                });
                if !ours {
                    reply.extend(replies.to(client, text).unwrap_or_default());
                    said = text.to_vec();
                }
            }
            taken
        })?;
        match self.crowd.take_closed().is_empty() {
            true => Ok((came, any)),
            false => Err(BenchError::Closed { said: String::from_utf8_lossy(&said).into_owned() }),
        }
    }

    fn settle(&mut self) -> Result<(), BenchError> {
        let mut quiet_at = Instant::now() + QUIET;
        while Instant::now() < quiet_at {
            if self.step(TURN)?.1 {
                quiet_at = Instant::now() + QUIET;
            }
        }
        Ok(())
    }

    fn hold(&mut self, duration: Duration) -> Result<(), BenchError> {
        let until = Instant::now() + duration;
        while Instant::now() < until {
            self.step(TURN)?;
        }
        Ok(())
    }

    /// Measures the time to join: the median of some tries.
    fn join(&mut self) -> Result<Join, BenchError> {
        let (mut greeted, mut heard) = (Vec::new(), Vec::new());
        for _ in 0..JOINS {
            let start = Instant::now();
            let client = self.enter()?;
            let id = Id { sender: 0, number: self.number };
            self.number += 1;
            let outbox = self.crowd.outbox(client);
            outbox.extend_from_slice(self.plan.dialect.before.as_bytes());
            self.lines.write(id, outbox);
            outbox.extend_from_slice(self.plan.dialect.after.as_bytes());
            self.crowd.flush(client)?;
            while self.step(TURN)?.0 != Some(id.number) {
                if start.elapsed() > self.plan.patience {
                    let hint = "is this a server that passes lines on, or an echo server?";
                    return Err(BenchError::Deaf { waiting: 1, clients: 1, hint });
                }
            }
            heard.push(start.elapsed().as_secs_f64() * 1e6);
            greeted.extend(self.greeted_at.map(|at| (at - start).as_secs_f64() * 1e6));
            self.crowd.leave(client);
            self.settle()?;
        }
        Ok(Join { greeted: median(greeted), heard: median(heard).unwrap_or_default() })
    }
}
