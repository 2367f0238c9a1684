//! The conversation with the server: what the client sends and when, and how it takes the server's
//! lines, its silence, and the loss and return of the connection. It knows no keys.

use std::error::Error;
use std::fmt;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use super::channel::{Change, Channel};
use super::connection::{Connection, Full};
use super::cut::Cut;
use super::display::Display;
use super::options::JoinOptions;
use super::presence::Presence;
use super::protocol::{Kind, own_line, told_limit};
use super::roster::Roster;
use super::silence::{Due, Silence};
use super::uplink::Uplink;
use crate::address::Address;
use crate::output::LineSplitter;
use crate::output::reason;

/// If a reset comes within this time after a pause in reading, the pause counts as its cause.
const SLOW_TIME: Duration = Duration::from_secs(10);

/// Why a line was not sent.
#[derive(Debug)]
pub(super) enum NotSent {
    Down,
    Full(Full),
    NotThere(String),
    /// The line is too long by this many bytes.
    TooLong(usize),
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down => f.write_str("there is no connection"),
            Self::Full(full) => full.fmt(f),
            Self::NotThere(why) => f.write_str(why),
            Self::TooLong(excess) => write!(f, "the line is too long by {excess} bytes"),
        }
    }
}

impl Error for NotSent {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Full(full) => Some(full),
            Self::Down | Self::NotThere(_) | Self::TooLong(_) => None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Chat<'a> {
    options: &'a JoinOptions,
    address: Address,
    channel: Channel,
    splitter: LineSplitter,
    pub(super) roster: Roster,
    presence: Presence,
    silence: Silence,
    /// The connection was lost, and the server has not yet welcomed a new one.
    has_been_lost: bool,
    /// Why the server is about to end the connection, or has ended it.
    cut: Option<Cut>,
    /// How many bytes a line may have, if the server has said so.
    line_limit: Option<usize>,
    /// When reading last paused, because of the terminal or a stop.
    slow_at: Option<Instant>,
}

impl<'a> Chat<'a> {
    /// Begins the conversation over a new connection.
    pub(super) fn new(
        options: &'a JoinOptions,
        address: Address,
        uplink: Uplink,
        display: &mut Display,
    ) -> Self {
        let mut chat = Self {
            options,
            address,
            channel: Channel::new(uplink),
            splitter: LineSplitter::default(),
            roster: Roster::default(),
            presence: Presence::new(options.nick.clone()),
            silence: Silence::default(),
            has_been_lost: false,
            cut: None,
            line_limit: None,
            slow_at: None,
        };
        chat.connected(display, Instant::now());
        chat
    }

    /// The descriptor to wait for, whether to read it, and whether to write it.
    pub(super) fn interest(&self) -> Option<(RawFd, bool, bool)> {
        self.channel.interest()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadlines = [self.channel.deadline(), self.presence.deadline(), self.silence.deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// The server was not read for a while.
    pub(super) fn was_slow(&mut self) {
        self.slow_at = Some(Instant::now());
    }

    /// Why the server ended the connection, or is about to.
    pub(super) fn cut(&self) -> Option<Cut> {
        self.cut
    }

    /// Ends the conversation. Returns the connection, if there is one.
    pub(super) fn into_connection(self) -> Option<Connection> {
        self.channel.into_connection()
    }

    /// Connects again, if the client waits for the user to ask for it. Returns whether it waited.
    pub(super) fn connect_again(&mut self, display: &mut Display) -> bool {
        let was_parked = self.channel.unpark(Instant::now());
        if was_parked {
            display.notice(&format!("connecting to {}", self.address));
        }
        was_parked
    }

    /// Goes on. Call it when the descriptor is `ready`, when the deadline has come, or at any other
    /// time. Returns whether the connection is lost for good.
    pub(super) fn step(&mut self, ready: bool, display: &mut Display, now: Instant) -> bool {
        let change = self.channel.step(ready, now);
        let is_over = self.take_change(change, display, now);
        self.ask(display, now);
        is_over
    }

    // --- What is said ---

    /// Sends all of `lines`, or says why none was sent. Returns whether it did.
    pub(super) fn send_lines(&mut self, lines: &[String], display: &mut Display) -> bool {
        let bytes: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        let obstacle = lines.iter().find_map(|line| self.obstacle(line));
        if let Err(cause) = obstacle.map_or_else(|| self.send(bytes.as_bytes()), Err) {
            display.notice(&format!("not sent: {cause}"));
            return false;
        }
        let now = Instant::now();
        for line in lines {
            if let Some(own) = own_line(line, self.presence.nick()) {
                display.own(&own);
            }
            self.presence.sent(line);
            // Another kind of server need not answer, and would pass the question on as a message.
            if self.presence.is_known() {
                self.silence.sent(line, now);
            }
        }
        true
    }

    /// Tries to send `line`, even if the client has a reason not to.
    pub(super) fn send_last(&mut self, line: &str) {
        // The user leaves, even if it cannot be sent.
        let _ = self.send(format!("{line}\n").as_bytes());
    }

    /// Why `line` must not be sent now.
    fn obstacle(&mut self, line: &str) -> Option<NotSent> {
        if !self.channel.is_open() {
            return Some(NotSent::Down);
        }
        let excess = line.len().saturating_sub(self.line_limit.unwrap_or(usize::MAX));
        let too_long = (excess > 0).then_some(NotSent::TooLong(excess));
        too_long.or_else(|| self.presence.obstacle(line).map(NotSent::NotThere))
    }

    /// Sends the requests that are due.
    fn ask(&mut self, display: &mut Display, now: Instant) {
        if let Some(request) = self.presence.request(now) {
            self.say(&request, display);
        }
        match self.silence.due(now) {
            Some(Due::Ping) => self.say("/ping\n", display),
            Some(Due::Tell) => display.notice("the server does not answer"),
            None => {}
        }
    }

    /// Sends a request of the client itself.
    fn say(&mut self, commands: &str, display: &mut Display) {
        if let Err(cause) = self.send(commands.as_bytes()) {
            display.notice(&format!("not sent: {cause}"));
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), NotSent> {
        if !self.channel.is_open() {
            return Err(NotSent::Down);
        }
        self.channel.push(bytes).map_err(NotSent::Full)
    }

    // --- What is heard ---

    fn take_change(&mut self, change: Change, display: &mut Display, now: Instant) -> bool {
        match change {
            Change::None => {}
            Change::Received(bytes) => self.receive(&bytes, display, now),
            Change::Connected(unsaid) => {
                for line in String::from_utf8_lossy(&unsaid).lines() {
                    display.notice(&format!("perhaps not sent: {line}"));
                }
                self.connected(display, now);
            }
            Change::Resumed => {
                self.has_been_lost = false;
                display.notice(&format!("connected to {} again", self.address));
            }
            Change::Lost { lost, pause, is_kept: true } if self.cut.is_none() && !self.options.no_retry => {
                self.silence.lost();
                self.has_been_lost = true;
                display.notice(&format!("connection lost: {lost}; {}", again(pause)));
            }
            Change::Lost { lost, pause, .. } => {
                let rest = self.splitter.rest();
                rest.iter().for_each(|line| self.hear(line, display, now));
                self.silence.lost();
                self.has_been_lost = true;
                let was_slow = self.slow_at.is_some_and(|at| now - at < SLOW_TIME);
                self.cut = self.cut.or(Cut::suspected(&lost, was_slow));
                if self.options.no_retry {
                    display.notice(&format!("connection lost: {lost}"));
                    return true;
                }
                if let Some(cut) = self.cut {
                    self.channel.park();
                    display.notice(&format!("{cut}; Enter connects again, Ctrl-C leaves"));
                } else {
                    display.notice(&format!("connection lost: {lost}; {}", again(pause)));
                }
            }
            Change::Failed(error, pause) => {
                display.notice(&format!("unable to connect: {}; {}", reason(&error), again(pause)));
            }
        }
        false
    }

    fn connected(&mut self, display: &mut Display, now: Instant) {
        self.cut = None;
        self.line_limit = None;
        self.silence.connected(now);
        let commands = self.presence.connected();
        self.say(&commands, display);
    }

    fn receive(&mut self, bytes: &[u8], display: &mut Display, now: Instant) {
        if self.silence.broken() {
            display.notice("the server answers again");
        }
        self.splitter.push(bytes);
        while let Some(line) = self.splitter.next() {
            self.hear(&line, display, now);
        }
    }

    fn hear(&mut self, line: &str, display: &mut Display, now: Instant) {
        if self.silence.is_answer(line) || self.roster.is_ignored(line) {
            return;
        }
        self.roster.heard(line);
        self.cut = Cut::announced(line);
        if let Kind::Server(text) = Kind::of(line)
            && let Some(limit) = told_limit(text)
        {
            self.take_back(limit, display);
        }
        let heard = self.presence.heard(line, now);
        if heard.is_welcome && !self.options.no_retry {
            self.channel.ask();
        }
        if heard.is_welcome && std::mem::take(&mut self.has_been_lost) {
            display.notice(&format!("connected to {} again", self.address));
        }
        let nick = self.presence.nick();
        if !heard.is_hidden {
            display.line(line, nick);
        }
        if let Some(notice) = heard.notice {
            display.notice(&notice);
        }
        if !self.options.no_bell && Kind::of(line).calls(nick) {
            display.prompt.bell();
        }
    }

    /// The server allows `limit` bytes in a line. A line that was too long goes back to be edited.
    fn take_back(&mut self, limit: usize, display: &mut Display) {
        self.line_limit = Some(limit);
        let prompt = &mut display.prompt;
        let long = prompt.last_that(|line| line.len() > limit).map(str::to_owned);
        if let Some(line) = long.filter(|_| prompt.text().is_empty()) {
            prompt.replace(&line, line.len());
        }
    }
}

fn again(pause: Duration) -> String {
    match pause.as_secs() {
        0 => "trying again".to_owned(),
        secs => format!("trying again in {secs} s"),
    }
}
