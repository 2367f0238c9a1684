//! The client on a terminal: one loop over keys, socket, signals and time. It
//! owns what the keys and the server's lines bring about; how lines are edited,
//! drawn and sent the files beside it know.

use std::io;
use std::os::fd::RawFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::Options;
use super::connection::{Full, reason};
use super::cut::Cut;
use super::editor::Editor;
use super::keys::{Key, Keys};
use super::lines::{Kind, Lines, is_quit, own_line};
use super::link::{Change, Link};
use super::paint::Colours;
use super::paste::Paste;
use super::presence::Presence;
use super::screen::Screen;
use super::silence::{Due, Silence};
use super::terminal::{Signal, Terminal, stop_job};
use crate::address::Address;
use crate::poll::{Poller, Select};

/// Pasting more lines than this is asked about first.
const PASTE_LINES: usize = 5;
/// How long the rest of an escape sequence may take.
const ESCAPE_TIME: Duration = Duration::from_millis(100);
/// How long leaving waits for the server.
const LEAVE_TIME: Duration = Duration::from_secs(1);
/// A reset within this time after the server was not read is put down to that.
const SLOW_TIME: Duration = Duration::from_secs(10);
/// How much typing is read at once.
const TYPED_BYTES: usize = 4096;

const PROMPT: &str = "> ";

/// Runs the client on the terminal until its user leaves.
pub(super) fn run(options: &Options, address: &Address, link: Link) -> io::Result<ExitCode> {
    let mut terminal = Terminal::enter()?;
    let mut session = Session {
        options,
        address,
        link,
        lines: Lines::default(),
        keys: Keys::default(),
        editor: Editor::default(),
        screen: Screen::new(Colours::of_environment(), terminal.columns()),
        question: None,
        escape_until: None,
        presence: Presence::new(options.nick.clone()),
        silence: Silence::default(),
        has_been_lost: false,
        cut: None,
        slow_at: None,
        end: None,
    };
    session.connected(Instant::now());
    let end = loop {
        terminal.write(session.draw().as_bytes())?;
        if let Some(end) = session.end {
            break end;
        }
        session.wait(&mut terminal)?;
    };
    session.screen.erase();
    terminal.write(session.screen.take().as_bytes())?;
    drop(terminal);
    if matches!(end, End::Left)
        && let Some(connection) = session.link.into_connection()
    {
        connection.finish(LEAVE_TIME)?;
    }
    Ok(match (end, session.cut) {
        (End::Left | End::Lost, Some(cut)) => cut.exit_code(),
        (End::Left, None) => ExitCode::SUCCESS,
        (End::Lost, None) => ExitCode::FAILURE,
        // As a shell counts it.
        (End::Signalled(number), _) => ExitCode::from(128 + number),
    })
}

/// Why the loop ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Left,
    Lost,
    Signalled(u8),
}

#[derive(Debug)]
struct Session<'a> {
    options: &'a Options,
    address: &'a Address,
    link: Link,
    lines: Lines,
    keys: Keys,
    editor: Editor,
    screen: Screen,
    /// A paste that waits for an answer, as lines.
    question: Option<Vec<String>>,
    presence: Presence,
    silence: Silence,
    /// The connection broke, and another was not welcomed yet.
    has_been_lost: bool,
    /// Why the server is about to end the connection, or has ended it.
    cut: Option<Cut>,
    /// When the server was last not read, because of the terminal or a stop.
    slow_at: Option<Instant>,
    /// When half an escape sequence is given up.
    escape_until: Option<Instant>,
    end: Option<End>,
}

/// Why a line was not sent.
#[derive(Debug)]
enum NotSent {
    Down,
    Full,
    NotThere(String),
}

impl NotSent {
    fn text(&self) -> &str {
        match self {
            Self::Down => "there is no connection",
            Self::Full => "the server does not take what was sent before",
            Self::NotThere(why) => why,
        }
    }
}

impl From<Full> for NotSent {
    fn from(Full: Full) -> Self {
        Self::Full
    }
}

impl Session<'_> {
    /// Waits until something happens, and does what it asks for.
    fn wait(&mut self, terminal: &mut Terminal) -> io::Result<()> {
        let mut select = Select::default();
        select.watch(terminal.fd(), true, false);
        select.watch(terminal.signal_fd(), true, false);
        select.watch(terminal.output_fd(), false, terminal.is_behind());
        let interest = self.link.interest();
        if let Some((fd, read, write)) = interest {
            // The server is read no faster than the terminal shows it.
            select.watch(fd, read && !terminal.is_behind(), write);
        }
        let deadlines =
            [self.link.deadline(), self.escape_until, self.presence.deadline(), self.silence.deadline()];
        let deadline = deadlines.into_iter().flatten().min();
        if terminal.is_behind() {
            self.slow_at = Some(Instant::now());
        }
        select.wait(deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())))?;

        let is_ready = |fd: RawFd| select.readable().chain(select.writable()).any(|ready| ready == fd);
        if is_ready(terminal.signal_fd()) {
            self.read_signals(terminal)?;
        }
        if is_ready(terminal.fd()) {
            self.read_keys(terminal)?;
        }
        let now = Instant::now();
        if self.escape_until.take_if(|until| now >= *until).is_some()
            && let Some(key) = self.keys.give_up()
        {
            self.press(key)?;
        }
        let is_link_ready = interest.is_some_and(|(fd, ..)| is_ready(fd));
        let change = self.link.step(is_link_ready, now);
        self.take_change(change, now);
        self.ask(now);
        Ok(())
    }

    /// Asks the server what it is time to ask for.
    fn ask(&mut self, now: Instant) {
        if let Some(request) = self.presence.request(now) {
            self.say(&request);
        }
        match self.silence.due(now) {
            Some(Due::Ping) => self.say("/ping\n"),
            Some(Due::Tell) => self.screen.notice("the server does not answer"),
            None => {}
        }
    }

    /// The bytes that bring the terminal up to date.
    fn draw(&mut self) -> String {
        match &self.question {
            Some(lines) => self.screen.prompt(&format!("send {} lines? [y/N] ", lines.len()), "", 0),
            None => self.screen.prompt(PROMPT, self.editor.text(), self.editor.cursor()),
        }
        self.screen.take()
    }

    fn read_signals(&mut self, terminal: &mut Terminal) -> io::Result<()> {
        match terminal.signal() {
            Some(Signal::Resized) => self.screen.resize(terminal.columns()),
            Some(Signal::Stop) => {
                self.screen.erase();
                terminal.write(self.screen.take().as_bytes())?;
                terminal.stop()?;
                self.slow_at = Some(Instant::now());
                self.screen.begin(terminal.columns());
            }
            Some(Signal::Continued) => {
                terminal.take_over()?;
                self.slow_at = Some(Instant::now());
                self.screen.begin(terminal.columns());
            }
            Some(Signal::End(number)) => self.end = Some(End::Signalled(number)),
            None => {}
        }
        Ok(())
    }

    fn read_keys(&mut self, terminal: &Terminal) -> io::Result<()> {
        let mut buffer = [0; TYPED_BYTES];
        let Some(len) = terminal.read(&mut buffer)? else {
            self.end = Some(End::Left);
            return Ok(());
        };
        self.keys.push(&buffer[..len]);
        while self.end.is_none()
            && let Some(key) = self.keys.next()
        {
            self.press(key)?;
        }
        self.escape_until = self.keys.is_waiting().then(|| Instant::now() + ESCAPE_TIME);
        Ok(())
    }

    fn press(&mut self, key: Key) -> io::Result<()> {
        if key == Key::Ctrl('z') {
            return stop_job();
        }
        if let Some(lines) = self.question.take() {
            self.answer(&lines, &key);
            return Ok(());
        }
        match key {
            Key::Ctrl('c') => self.end = Some(End::Left),
            Key::Ctrl('d') if self.editor.text().is_empty() => self.end = Some(End::Left),
            Key::Ctrl('l') => self.screen.clear(),
            Key::Enter => self.enter(),
            Key::Paste(text) => self.paste(&text),
            _ => self.editor.handle(&key),
        }
        Ok(())
    }

    fn enter(&mut self) {
        let line = self.editor.text().to_owned();
        if is_quit(&line) {
            // Whether it can be sent or not.
            let _ = self.send(format!("{line}\n").as_bytes());
            self.end = Some(End::Left);
        } else if self.link.is_parked() {
            self.link.unpark(Instant::now());
            self.screen.notice(&format!("connecting to {}", self.address));
        } else if !line.is_empty() && self.send_lines(&[line]) {
            self.editor.replace("", 0);
        }
    }

    fn paste(&mut self, text: &str) {
        let (before, after) = self.editor.text().split_at(self.editor.cursor());
        let paste = Paste::new(before, text, after);
        if paste.count() > PASTE_LINES {
            self.question = Some(paste.all());
        } else if paste.lines.is_empty() || self.send_lines(&paste.lines) {
            self.editor.replace(&paste.typed, paste.cursor);
        }
    }

    /// Takes a key as the answer to whether to send `lines`: `y` and no other.
    fn answer(&mut self, lines: &[String], key: &Key) {
        if !matches!(key, Key::Char('y' | 'Y')) {
            self.screen.notice("not sent");
        } else if self.send_lines(lines) {
            self.editor.replace("", 0);
        }
    }

    /// Sends all of `lines`, or says why none was sent. Returns whether it did.
    fn send_lines(&mut self, lines: &[String]) -> bool {
        let bytes: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        let obstacle = lines.iter().find_map(|line| self.presence.obstacle(line));
        let sent = match obstacle.filter(|_| self.link.connection().is_some()) {
            Some(why) => Err(NotSent::NotThere(why)),
            None => self.send(bytes.as_bytes()),
        };
        if let Err(cause) = sent {
            self.screen.notice(&format!("not sent: {}", cause.text()));
            return false;
        }
        let now = Instant::now();
        for line in lines {
            if let Some(own) = own_line(line, self.presence.nick()) {
                self.screen.own(&own);
            }
            self.editor.remember(line);
            self.presence.sent(line);
            // Another kind of server owes no answer, and would take a question for something said.
            if self.presence.is_known() {
                self.silence.sent(line, now);
            }
        }
        if lines.iter().any(|line| is_quit(line)) {
            self.end = Some(End::Left);
        }
        true
    }

    /// Sends what the client says for itself.
    fn say(&mut self, commands: &str) {
        if let Err(cause) = self.send(commands.as_bytes()) {
            self.screen.notice(&format!("not sent: {}", cause.text()));
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), NotSent> {
        let connection = self.link.connection().ok_or(NotSent::Down)?;
        connection.push(bytes)?;
        connection.flush();
        Ok(())
    }

    fn take_change(&mut self, change: Change, now: Instant) {
        match change {
            Change::None => {}
            Change::Received(bytes) => self.receive(&bytes, now),
            Change::Connected => self.connected(now),
            Change::Lost(lost, pause) => {
                let rest = self.lines.rest();
                rest.iter().for_each(|line| self.show(line, now));
                self.silence.lost();
                self.has_been_lost = true;
                let was_slow = self.slow_at.is_some_and(|at| now - at < SLOW_TIME);
                self.cut = self.cut.or(Cut::suspected(&lost, was_slow));
                if self.options.no_retry {
                    self.screen.notice(&format!("connection lost: {lost}"));
                    self.end = Some(End::Lost);
                } else if let Some(cut) = self.cut {
                    self.link.park();
                    self.screen.notice(&format!("{cut}; Enter connects again, Ctrl-C leaves"));
                } else {
                    self.screen.notice(&format!("connection lost: {lost}; {}", again(pause)));
                }
            }
            Change::Failed(error, pause) => {
                self.screen.notice(&format!("unable to connect: {}; {}", reason(&error), again(pause)));
            }
        }
    }

    fn connected(&mut self, now: Instant) {
        self.cut = None;
        self.silence.connected(now);
        let commands = self.presence.connected();
        self.say(&commands);
    }

    fn receive(&mut self, bytes: &[u8], now: Instant) {
        if self.silence.broken() {
            self.screen.notice("the server answers again");
        }
        self.lines.push(bytes);
        while let Some(line) = self.lines.next() {
            self.show(&line, now);
        }
    }

    fn show(&mut self, line: &str, now: Instant) {
        if self.silence.is_answer(line) {
            return;
        }
        self.cut = Cut::announced(line);
        let heard = self.presence.heard(line, now);
        if heard.is_welcome && std::mem::take(&mut self.has_been_lost) {
            self.screen.notice(&format!("connected to {} again", self.address));
        }
        let nick = self.presence.nick();
        if !heard.is_hidden {
            self.screen.line(line, nick);
        }
        if let Some(notice) = heard.notice {
            self.screen.notice(&notice);
        }
        if !self.options.no_bell && Kind::of(line).calls(nick) {
            self.screen.bell();
        }
    }
}

fn again(pause: Duration) -> String {
    format!("trying again in {} s", pause.as_secs())
}
