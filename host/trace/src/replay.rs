//! Plays a trace to a hub, and holds against it what the hub does now. The hub has a tape of its own: what would be
//! written now must be what was written then.

use std::error::Error;
use std::fmt;
use std::io::{self, Read, Write};

use parlour_core::{
    Answer, ConnId, Followed, FollowerId, Following, Hub, Instant, LimitsError, Listener, ListenerId, Output,
    RestoreError,
};
use parlour_memory::Memory;

use crate::block::STEPS;
use crate::encoding::encode;
use crate::entry::{Entry, Room};
use crate::header::Known;
use crate::reader::{Next, ReadError, Reader};
use crate::show::Line;
use crate::sink::Sink;
use crate::sum::Sum;
use crate::tape::Taped;

/// A replay in which all went as it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// How many steps were played.
    pub steps: u64,
    /// Where the replay ended.
    pub end: End,
    /// The checksum of all that has gone out.
    pub sum: u32,
}

/// Where a replay ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At the end of the trace.
    Whole,
    /// Where the file ends too early. The server was killed, or could not write any more.
    Cut,
    /// At the step that was asked for.
    Until,
}

/// Why a replay fails.
#[derive(Debug)]
pub enum ReplayError {
    /// The trace cannot be read.
    Read(ReadError),
    /// The hub had rules for names, or an encoding, that this program does not know.
    Unknown(String),
    /// There is not enough memory for the hub.
    Memory,
    /// There is no such hub.
    Hub(RestoreError),
    /// It went otherwise than it was recorded.
    Differs {
        /// The first step at which that shows.
        step: u64,
        /// What was recorded, and what happens now.
        what: String,
        /// The version of parlour that recorded it.
        version: String,
    },
    /// A line could not be shown.
    Show(io::Error),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Unknown(what) => write!(f, "the trace needs {what}, which this parlour does not have"),
            Self::Memory => f.write_str("there is not enough memory for a hub with the limits of the trace"),
            Self::Hub(error) => write!(f, "the trace begins with a hub that cannot be: {error}"),
            Self::Differs { step, what, version } => {
                write!(f, "step {step} differs from what parlour {version} recorded: {what}")
            }
            Self::Show(error) => error.fmt(f),
        }
    }
}

impl Error for ReplayError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Read(error) => Some(error),
            Self::Hub(error) => Some(error),
            Self::Show(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ReadError> for ReplayError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<LimitsError> for ReplayError {
    fn from(error: LimitsError) -> Self {
        Self::Hub(RestoreError::Limits(error))
    }
}

/// Replays a trace up to and including step `until`, or all of it. `show` gets a line for all that went in or out.
///
/// # Errors
/// The trace cannot be replayed, or it goes otherwise now.
pub fn replay<R: Read>(
    reader: &mut Reader<R>,
    known: Known<'_>,
    until: Option<u64>,
    show: Option<&mut dyn Write>,
) -> Result<Replayed, ReplayError> {
    let header = reader.header().clone();
    let listeners: Vec<_> = header.listeners.iter().map(Listener::from).collect();
    let labels: Vec<_> = header.labels.iter().map(String::as_str).collect();
    let names = find(known.names, &header.names, "the rules for names")?;
    let encodings = header.encodings.iter().map(|name| find(known.encodings, name, "the encoding"));
    let encodings = encodings.collect::<Result<Vec<_>, _>>()?;
    let config = header.config(&listeners, &labels, names, &encodings);
    header.limits.check()?;
    if !Memory::suffices(&header.limits) {
        return Err(ReplayError::Memory);
    }
    let mut memory = Memory::new(&header.limits);
    let hub = match &header.saved {
        None => Hub::new(config, header.limits, memory.storage())?,
        Some(bytes) => {
            Hub::restore(config, header.limits, memory.storage(), bytes).map_err(ReplayError::Hub)?
        }
    };
    let mut player = Player::new(hub, header.version.clone(), show);
    while until != Some(player.steps) {
        match reader.next()? {
            Next::Cut => return Ok(player.ended(End::Cut)),
            Next::Entry(Entry::End { sum }, _) => {
                player.check(sum)?;
                return Ok(player.ended(End::Whole));
            }
            Next::Entry(entry, bytes) => player.play(&entry, bytes)?,
        }
    }
    Ok(player.ended(End::Until))
}

fn find<T: Copy>(known: &[(&str, T)], name: &str, what: &str) -> Result<T, ReplayError> {
    let found = known.iter().find(|(known, _)| *known == name).map(|(_, found)| *found);
    found.ok_or_else(|| ReplayError::Unknown(format!("{what} `{name}`")))
}

/// What the tape of a replay is heard by.
#[derive(Default)]
struct Ear {
    /// The last step as it would be written now.
    step: Vec<u8>,
    shows: bool,
    lines: Vec<Line>,
}

impl Sink for Ear {
    fn step(&mut self, _: Instant, step: &Entry<'_>, _: &Sum) {
        self.step.clear();
        encode(step, &mut self.step);
    }

    fn sent(&mut self, conn: ConnId, bytes: &[u8]) {
        match self.lines.last_mut() {
            _ if !self.shows => {}
            Some(Line::Sent(_, sent)) => sent.extend_from_slice(bytes),
            _ => self.lines.push(Line::Sent(conn, bytes.to_vec())),
        }
    }

    fn asked(&mut self, hub: &Hub<'_>, output: Output) {
        if self.shows
            && let Output::Changed { conn } = output
        {
            self.lines.extend(Line::closing(conn, hub.interest(conn).close));
        }
    }

    fn read(&mut self, follower: FollowerId, followed: &Followed<'_>) {
        if self.shows {
            self.lines.push(Line::read(follower, followed));
        }
    }
}

/// A replay that goes on.
struct Player<'a, 's> {
    hub: Taped<'a, Ear>,
    now: Instant,
    steps: u64,
    /// Of the parlour that recorded the trace.
    version: String,
    show: Option<&'s mut dyn Write>,
}

impl<'a, 's> Player<'a, 's> {
    fn new(hub: Hub<'a>, version: String, show: Option<&'s mut dyn Write>) -> Self {
        let mut hub = Taped::new(hub);
        hub.record(Ear { shows: show.is_some(), ..Ear::default() });
        Self { hub, now: Instant::default(), steps: 0, version, show }
    }

    /// Plays an entry whose bytes are these.
    fn play(&mut self, entry: &Entry<'_>, bytes: &[u8]) -> Result<(), ReplayError> {
        match *entry {
            Entry::Later { ms } => {
                self.now = Instant::from_millis(self.now.as_millis().saturating_add(ms));
                return Ok(());
            }
            Entry::Check { sum } | Entry::End { sum } => return self.check(sum),
            Entry::Output => drop(self.hub.next_output()),
            Entry::Follow { grace_ms, scope, .. } => drop(self.hub.follow(Following { grace_ms, scope })),
            Entry::Unfollow { follower } => self.hub.unfollow(FollowerId::from_u64(follower)),
            Entry::ReadAgain { follower } => self.hub.read_again(FollowerId::from_u64(follower)),
            Entry::Watch { conn, .. } => drop(self.hub.watch(conn.into())),
            Entry::Read { follower } => drop(self.hub.read(FollowerId::from_u64(follower))),
            Entry::Reconfigure { ref choices, .. } => {
                // Whether it was taken is compared below.
                let _ = self.hub.reconfigure(self.now, choices.config());
            }
            _ => self.hand_in(entry)?,
        }
        self.steps += 1;
        self.compare(entry, bytes)?;
        self.show()
    }

    fn hand_in(&mut self, entry: &Entry<'_>) -> Result<(), ReplayError> {
        let mut room = Room::default();
        let rests = &self.hub.tape.as_ref().expect("a replay has a tape").rests;
        let damaged = ReadError::Damaged(self.steps);
        let input = entry.input(rests, &mut room).ok_or(damaged)?;
        let line = self.show.as_ref().and_then(|_| Line::input(&input));
        let answer = self.hub.handle(self.now, input);
        if self.show.is_some() {
            let refusal = match (answer, entry) {
                (Answer::Refused { refusal }, Entry::Accepted { listener, .. }) => {
                    Some(self.hub.refusal_text(ListenerId(*listener), refusal))
                }
                _ => None,
            };
            let lines = &mut self.hub.tape.as_mut().expect("a replay has a tape").sink.lines;
            lines.splice(0..0, line.map(|line| line.answered(answer)));
            lines.extend(refusal.map(|text| Line::Refusal(text.to_owned())));
        }
        Ok(())
    }

    /// Compares the step with what would be written now.
    fn compare(&mut self, entry: &Entry<'_>, bytes: &[u8]) -> Result<(), ReplayError> {
        let now = &self.hub.tape.as_ref().expect("a replay has a tape").sink.step;
        if now == bytes {
            return Ok(());
        }
        let what = match (entry, postcard::from_bytes::<Entry<'_>>(now)) {
            (Entry::Sent { conn, .. }, _) => {
                format!("other bytes go to {}", crate::show::name((*conn).into()))
            }
            (then, Ok(now)) => format!("recorded was {then:?}, and now it is {now:?}"),
            (then, Err(_)) => format!("recorded was {then:?}"),
        };
        Err(self.differs(what))
    }

    fn check(&self, sum: u32) -> Result<(), ReplayError> {
        if sum == self.sum() {
            return Ok(());
        }
        Err(self.differs(format!("other output has gone out in the last {STEPS} steps or fewer")))
    }

    fn differs(&self, what: String) -> ReplayError {
        ReplayError::Differs { step: self.steps, what, version: self.version.clone() }
    }

    fn sum(&self) -> u32 {
        self.hub.tape.as_ref().map_or(0, |tape| tape.sum.value())
    }

    /// Shows the lines of the last step.
    fn show(&mut self) -> Result<(), ReplayError> {
        let Some(show) = &mut self.show else { return Ok(()) };
        let lines = &mut self.hub.tape.as_mut().expect("a replay has a tape").sink.lines;
        let (step, s) = (self.steps, self.now.as_millis() as f64 / 1e3);
        lines
            .drain(..)
            .try_for_each(|line| writeln!(show, "{step:>7} {s:>9.3}  {line}"))
            .map_err(ReplayError::Show)
    }

    fn ended(&self, end: End) -> Replayed {
        Replayed { steps: self.steps, end, sum: self.sum() }
    }
}
