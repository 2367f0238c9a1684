//! The client on a terminal: one loop over keys, socket, signals and time. It
//! owns what the keys and the server's lines bring about; how lines are edited,
//! drawn and sent the files beside it know.

use std::io;
use std::os::fd::RawFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::Options;
use super::connection::{Full, reason};
use super::editor::Editor;
use super::keys::{Key, Keys};
use super::lines::{Kind, Lines, is_quit, own_line};
use super::link::{Change, Link};
use super::paint::Colours;
use super::paste::Paste;
use super::screen::Screen;
use super::terminal::{Signal, Terminal, stop_job};
use crate::address::Address;
use crate::poll::{Poller, Select};

/// Pasting more lines than this is asked about first.
const PASTE_LINES: usize = 5;
/// How long the rest of an escape sequence may take.
const ESCAPE_TIME: Duration = Duration::from_millis(100);
/// How long leaving waits for the server.
const LEAVE_TIME: Duration = Duration::from_secs(1);
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
        nick: None,
        wanted_nick: options.nick.clone(),
        has_quit: false,
        end: None,
    };
    session.connected();
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
    Ok(match end {
        End::Left => ExitCode::SUCCESS,
        End::Lost => ExitCode::FAILURE,
        // As a shell counts it.
        End::Signalled(number) => ExitCode::from(128 + number),
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
    /// One's own name, as the server said.
    nick: Option<String>,
    /// When half an escape sequence is given up.
    escape_until: Option<Instant>,
    /// The name to ask for on every new connection.
    wanted_nick: Option<String>,
    /// One asked the server to close the connection.
    has_quit: bool,
    end: Option<End>,
}

/// Why a line was not sent.
#[derive(Debug)]
enum NotSent {
    Down,
    Full,
}

impl NotSent {
    fn text(&self) -> &'static str {
        match self {
            Self::Down => "not sent: there is no connection",
            Self::Full => "not sent: the server does not take what was sent before",
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
        let deadline = self.link.deadline().into_iter().chain(self.escape_until).min();
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
        self.take_change(change);
        Ok(())
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
                self.screen.begin(terminal.columns());
            }
            Some(Signal::Continued) => {
                terminal.take_over()?;
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
        if !line.is_empty() && self.send_lines(&[line]) {
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
        if let Err(cause) = self.send(bytes.as_bytes()) {
            self.screen.notice(cause.text());
            return false;
        }
        for line in lines {
            if let Some(own) = own_line(line, self.nick.as_deref()) {
                self.screen.own(&own);
            }
            self.editor.remember(line);
            self.has_quit |= is_quit(line);
        }
        true
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), NotSent> {
        let connection = self.link.connection().ok_or(NotSent::Down)?;
        connection.push(bytes)?;
        connection.flush();
        Ok(())
    }

    fn take_change(&mut self, change: Change) {
        match change {
            Change::None => {}
            Change::Received(bytes) => self.receive(&bytes),
            Change::Connected => {
                self.screen.notice(&format!("connected to {} again", self.address));
                self.connected();
            }
            Change::Lost(lost, pause) => {
                let rest = self.lines.rest();
                rest.iter().for_each(|line| self.show(line));
                self.nick = None;
                if self.has_quit {
                    self.end = Some(End::Left);
                } else if self.options.no_retry {
                    self.screen.notice(&format!("connection lost: {lost}"));
                    self.end = Some(End::Lost);
                } else {
                    self.screen.notice(&format!("connection lost: {lost}; {}", again(pause)));
                }
            }
            Change::Failed(error, pause) => {
                self.screen.notice(&format!("unable to connect: {}; {}", reason(&error), again(pause)));
            }
        }
    }

    fn connected(&mut self) {
        if let Some(nick) = &self.wanted_nick {
            let command = format!("/nick {nick}\n");
            if let Err(cause) = self.send(command.as_bytes()) {
                self.screen.notice(cause.text());
            }
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
        while let Some(line) = self.lines.next() {
            self.show(&line);
        }
    }

    fn show(&mut self, line: &str) {
        let kind = Kind::of(line);
        self.screen.line(line, self.nick.as_deref());
        if !self.options.no_bell && kind.calls(self.nick.as_deref()) {
            self.screen.bell();
        }
        if let Some(nick) = kind.new_nick(self.nick.as_deref()) {
            if self.nick.is_some() {
                self.wanted_nick = Some(nick.to_owned());
            }
            self.nick = Some(nick.to_owned());
        }
    }
}

fn again(pause: Duration) -> String {
    format!("trying again in {} s", pause.as_secs())
}
