//! The chat protocol's rules as scripts that run against any driver. This file has the trait of
//! drivers, the stage on which a script plays, and the run of all scripts.
//!
//! Knows the rules of docs/protocol.md; knows no sockets, threads or clocks: a driver
//! decides how time passes. What a script asks of time is said with
//! [`Stage::advance`] only, and that nothing came is shown by a `/ping` whose
//! answer comes next, so that no script waits to see nothing.

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;

use crate::chat::{Chat, ClientId, past};
use crate::lines::Next;

mod commands;
mod history;
mod lag;
mod people;
mod text;

/// The treatment of a client that lags for longer than the grace period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLag {
    /// It is disconnected.
    Disconnect,
    /// It jumps ahead.
    Skip,
    /// It gets later what it has missed.
    Replay,
}

/// How a script wants the hub; `None` is the driver's default.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The greeting's text; a line feed separates lines.
    pub greeting: Option<&'static str>,
    /// Chat clients at once.
    pub max_conns: Option<usize>,
    /// The most bytes of a line.
    pub line_limit: Option<usize>,
    /// The bytes of a room's log.
    pub log_size: Option<usize>,
    /// How long a client may lag.
    pub grace_ms: Option<u64>,
    /// The treatment after that.
    pub on_lag: OnLag,
    /// How long a client may send nothing.
    pub idle_timeout_ms: Option<u64>,
    /// How many of the last messages a newcomer sees; `None`: none, unlike the driver's default. Most
    /// scripts are about what comes next.
    pub history: Option<u32>,
}

impl Settings {
    /// All defaults.
    pub const DEFAULT: Self = Self {
        greeting: None,
        max_conns: None,
        line_limit: None,
        log_size: None,
        grace_ms: None,
        on_lag: OnLag::Disconnect,
        idle_timeout_ms: None,
        history: None,
    };
}

/// An ability that a script may need and a driver may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A greeting.
    Greeting,
    /// `max_conns` as asked for.
    MaxConns,
    /// `line_limit` as asked for.
    LineLimit,
    /// `log_size` as asked for.
    LogSize,
    /// `grace_ms` as asked for.
    Grace,
    /// All lag policies.
    OnLag,
    /// An idle timeout.
    IdleTimeout,
    /// `history` as asked for.
    History,
    /// A shutdown on demand.
    Shutdown,
    /// Clients that end only their sending direction.
    HalfClose,
    /// Clients that reset their connection.
    Reset,
    /// Clients that stop reading for a while.
    Stall,
    /// Names of 24 characters, however many bytes a character has.
    LongNames,
    /// Names of letters with marks, and a look at what names look like.
    Looks,
}

/// A driver's description of itself.
#[derive(Clone, Debug)]
pub struct Declared {
    /// Chat clients at once.
    pub clients: usize,
    /// The most rooms.
    pub rooms: usize,
    /// The line limit where a script asks for none.
    pub line_limit: usize,
    /// The abilities that it lacks.
    pub cannot: Vec<Need>,
}

/// Something that runs the hub and clients of it. Calls that send something need
/// not wait until it arrived.
pub trait Driver {
    /// What it is, in a word or two.
    fn name(&self) -> &str;
    /// What it can do.
    fn declared(&self) -> Declared;
    /// Starts a hub with one chat listener; called once, first.
    fn start(&mut self, settings: &Settings);
    /// Connects a new client, whose number is that of earlier calls.
    fn connect(&mut self) -> ClientId;
    /// Sends bytes from a client.
    fn send(&mut self, client: ClientId, bytes: &[u8]);
    /// Ends the sending direction of a client once all before was sent.
    fn half_close(&mut self, client: ClientId);
    /// Breaks the connection of a client; it is not used any more.
    fn reset(&mut self, client: ClientId);
    /// Whether a client reads from now on; all do at first.
    fn set_reading(&mut self, client: ClientId, reads: bool);
    /// The next line that a reading client got, in full with its ending, or the
    /// close. Lets everything move for as long as it may take;
    /// [`Next::Nothing`] says that without more input or [`advance`](Self::advance)
    /// nothing will come.
    fn next(&mut self, client: ClientId) -> Next;
    /// Lets time pass, and everything move meanwhile.
    fn advance(&mut self, ms: u64);
    /// Asks the hub to shut down.
    fn shutdown(&mut self);
}

/// One script.
#[derive(Clone, Copy)]
pub struct Script {
    /// Which behaviour it shows.
    pub name: &'static str,
    /// The rules of docs/protocol.md that it holds the hub to.
    pub rules: &'static [u8],
    /// How many clients it has at a time at most.
    pub clients: usize,
    /// How many rooms it has at a time at most.
    pub rooms: usize,
    /// What else the driver must be able to do.
    pub needs: &'static [Need],
    /// How the hub is to be started.
    pub settings: Settings,
    /// What happens.
    pub play: fn(&mut Stage<'_>),
}

impl Script {
    /// A script of at most three clients and two rooms with default settings.
    const fn new(name: &'static str, rules: &'static [u8], play: fn(&mut Stage<'_>)) -> Self {
        Self { name, rules, clients: 3, rooms: 2, needs: &[], settings: Settings::DEFAULT, play }
    }
}

/// All scripts.
#[must_use]
pub fn scripts() -> Vec<Script> {
    [text::SCRIPTS, people::SCRIPTS, history::SCRIPTS, commands::SCRIPTS, lag::SCRIPTS].concat()
}

/// The outcome of a script.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The hub keeps the rule.
    Passed,
    /// The driver declares that it cannot.
    Impossible(String),
    /// The hub breaks the rule. The text says how.
    Failed(String),
}

/// Plays `script` on a fresh `driver`.
pub fn play(script: &Script, driver: &mut dyn Driver) -> Answer {
    let declared = driver.declared();
    if let Some(lack) = lack(script, &declared) {
        return Answer::Impossible(lack);
    }
    driver.start(&script.settings);
    let line_limit = script.settings.line_limit.unwrap_or(declared.line_limit);
    let mut stage = Stage { driver, line_limit, settings: script.settings, transcript: Vec::new() };
    let result = panic::catch_unwind(AssertUnwindSafe(|| (script.play)(&mut stage)));
    match result {
        Ok(()) => Answer::Passed,
        Err(cause) => {
            let cause = cause.downcast::<String>().map_or_else(|_| "a panic".to_string(), |text| *text);
            Answer::Failed(format!("{cause}\nafter:\n{}", stage.transcript.join("\n")))
        }
    }
}

fn lack(script: &Script, declared: &Declared) -> Option<String> {
    if script.clients > declared.clients {
        return Some(format!("{} clients", script.clients));
    }
    if script.rooms > declared.rooms {
        return Some(format!("{} rooms", script.rooms));
    }
    let need = script.needs.iter().find(|need| declared.cannot.contains(need))?;
    Some(format!("{need:?}"))
}

/// The outcomes of all scripts.
#[derive(Debug)]
pub struct Report {
    driver: String,
    outcomes: Vec<(&'static str, &'static [u8], Answer)>,
}

impl Report {
    /// Collects the outcomes of the scripts that `driver` played.
    #[must_use]
    pub fn new(driver: &str, outcomes: Vec<(Script, Answer)>) -> Self {
        let outcomes = outcomes.into_iter().map(|(script, outcome)| (script.name, script.rules, outcome));
        Self { driver: driver.to_string(), outcomes: outcomes.collect() }
    }

    /// How many scripts the driver declared impossible.
    #[must_use]
    pub fn impossible(&self) -> usize {
        self.outcomes.iter().filter(|(.., outcome)| matches!(outcome, Answer::Impossible(_))).count()
    }

    /// How many scripts failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.outcomes.iter().filter(|(.., outcome)| matches!(outcome, Answer::Failed(_))).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, rules, outcome) in &self.outcomes {
            match outcome {
                Answer::Passed => {}
                Answer::Impossible(lack) => {
                    writeln!(f, "declared impossible: {name} (rules {rules:?}): needs {lack}")?;
                }
                Answer::Failed(cause) => writeln!(f, "FAILED: {name} (rules {rules:?}): {cause}\n")?,
            }
        }
        let (all, impossible, failed) = (self.outcomes.len(), self.impossible(), self.failed());
        let passed = all - impossible - failed;
        write!(f, "{}: {passed} of {all} scripts passed, ", self.driver)?;
        write!(f, "{failed} failed, {impossible} declared impossible")
    }
}

/// Plays all scripts, each on a driver of its own. Plays several at once, because some wait for time to
/// pass. Prints the report.
///
/// # Panics
/// If a driver does outside a script.
pub fn play_all<D: Driver>(side_by_side: usize, fresh: impl Fn() -> D + Sync) -> Report {
    let waiting = Mutex::new(scripts().into_iter());
    let played = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..side_by_side {
            scope.spawn(|| {
                loop {
                    let Some(script) = waiting.lock().expect("no panic").next() else { return };
                    let outcome = play(&script, &mut fresh());
                    played.lock().expect("no panic").push((script, outcome));
                }
            });
        }
    });
    let report = Report::new(fresh().name(), played.into_inner().expect("no panic"));
    println!("{report}");
    report
}

/// Where a script plays: a started hub, its clients, and what they see.
pub struct Stage<'a> {
    driver: &'a mut dyn Driver,
    line_limit: usize,
    settings: Settings,
    transcript: Vec<String>,
}

impl Stage<'_> {
    /// The line limit in force.
    #[must_use]
    pub fn line_limit(&self) -> usize {
        self.line_limit
    }

    /// How the hub was started.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings
    }

    fn note(&mut self, text: String) {
        // Floods would make a failure unreadable.
        const KEPT: usize = 30;
        const WIDTH: usize = 160;
        if self.transcript.len() == KEPT {
            self.transcript.remove(0);
        }
        self.transcript.push(text.chars().take(WIDTH).collect());
    }

    /// Ends the sending direction.
    pub fn half_closes(&mut self, client: ClientId) {
        self.note(format!("  client {client} half-closes"));
        self.driver.half_close(client);
    }

    /// Breaks the connection.
    pub fn resets(&mut self, client: ClientId) {
        self.note(format!("  client {client} resets"));
        self.driver.reset(client);
    }

    /// Stops reading.
    pub fn stalls(&mut self, client: ClientId) {
        self.note(format!("  client {client} stops reading"));
        self.driver.set_reading(client, false);
    }

    /// Reads again.
    pub fn reads_again(&mut self, client: ClientId) {
        self.note(format!("  client {client} reads again"));
        self.driver.set_reading(client, true);
    }

    /// Lets time pass.
    pub fn advance(&mut self, ms: u64) {
        self.note(format!("  {ms} ms pass"));
        self.driver.advance(ms);
    }

    /// Shuts the hub down.
    pub fn shuts_down(&mut self) {
        self.note("  the hub is asked to shut down".to_string());
        self.driver.shutdown();
    }

    /// The next line of `client` must be one of the server that says something
    /// else than `/ping` does; it is returned.
    pub fn is_told(&mut self, client: ClientId) -> String {
        self.sees_where(client, "a line of the server", |line| line.starts_with("-- ") && line != "-- pong")
    }

    /// The next line of `client` must be this one, told again as past.
    pub fn sees_past(&mut self, client: ClientId, text: &str) {
        self.sees_where(client, &format!("{text:?} from before"), |line| past(line).as_deref() == Some(text));
    }

    /// The hub closes the connection of `client`, perhaps after words of its own.
    pub fn sees_goodbye(&mut self, client: ClientId) {
        loop {
            match self.next(client) {
                Next::Closed => return,
                Next::Line(line) if line.starts_with(b"-- ") => {}
                other => panic!("client {client}: {other:?} instead of a close"),
            }
        }
    }
}

impl Chat for Stage<'_> {
    fn newcomer(&mut self) -> ClientId {
        let client = self.driver.connect();
        self.note(format!("  client {client} connects"));
        client
    }

    fn sends(&mut self, client: ClientId, bytes: &[u8]) {
        self.note(format!("  client {client} sends \"{}\"", bytes.escape_ascii()));
        self.driver.send(client, bytes);
    }

    fn next(&mut self, client: ClientId) -> Next {
        let next = self.driver.next(client);
        match &next {
            Next::Line(line) => self.note(format!("  client {client} sees \"{}\"", line.escape_ascii())),
            other => self.note(format!("  client {client}: {other:?}")),
        }
        next
    }
}

/// The names in lines that begin with `head`, sorted; all lines must.
fn names_in(lines: &[String], head: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in lines {
        let list = line.strip_prefix(head).unwrap_or_else(|| panic!("{line:?} does not start with {head:?}"));
        names.extend(list.split(", ").map(str::to_string));
    }
    names.sort();
    names
}
