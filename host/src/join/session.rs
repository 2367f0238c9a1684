//! The client on a terminal: one loop over keys, socket, signals and time. What
//! keys bring about `typing` knows, and what the server does `hearing`; how lines
//! are edited, drawn and sent the files beside it know.

mod hearing;
mod typing;

use std::io;
use std::os::fd::RawFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::Options;
use super::cut::Cut;
use super::editor::Editor;
use super::keys::Keys;
use super::lines::Lines;
use super::link::Link;
use super::paint::Colours;
use super::presence::Presence;
use super::roster::Roster;
use super::screen::Screen;
use super::silence::Silence;
use super::terminal::{Signal, Terminal};
use crate::address::Address;
use crate::poll::{Poller, Select};
use crate::sys;

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
        roster: Roster::default(),
        completion: None,
        question: None,
        escape_until: None,
        presence: Presence::new(options.nick.clone()),
        silence: Silence::default(),
        has_been_lost: false,
        cut: None,
        line_limit: None,
        slow_at: None,
        end: None,
    };
    if let Some(locale) = foreign_locale() {
        session.screen.notice(&format!(
            "the locale {locale} is not UTF-8, and the chat is: other letters than A to Z may look wrong"
        ));
    }
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
    roster: Roster,
    completion: Option<typing::Completion>,
    /// A paste that waits for an answer, as lines.
    question: Option<Vec<String>>,
    presence: Presence,
    silence: Silence,
    /// The connection broke, and another was not welcomed yet.
    has_been_lost: bool,
    /// Why the server is about to end the connection, or has ended it.
    cut: Option<Cut>,
    /// How many bytes a line may have, as far as the server has said.
    line_limit: Option<usize>,
    /// When the server was last not read, because of the terminal or a stop.
    slow_at: Option<Instant>,
    /// When half an escape sequence is given up.
    escape_until: Option<Instant>,
    end: Option<End>,
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
        if self.options.times {
            self.screen.tell_time(sys::local_time());
        }
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

    /// The bytes that bring the terminal up to date.
    fn draw(&mut self) -> String {
        if let Some(lines) = &self.question {
            self.screen.prompt(&format!("send {} lines? [y/N] ", lines.len()), "", 0);
        } else {
            let searching = self.editor.searched().map(|pattern| format!("search {pattern:?}{PROMPT}"));
            let label = searching.as_deref().unwrap_or(PROMPT);
            self.screen.prompt(label, self.editor.text(), self.editor.cursor());
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
}

/// The locale, if it is one whose letters are not UTF-8: those of the C locale are not told.
fn foreign_locale() -> Option<String> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set)?;
    let plain: String = locale.to_lowercase().chars().filter(|&c| c != '-').collect();
    let is_c = matches!(plain.as_str(), "c" | "posix");
    (!is_c && !plain.contains("utf8")).then_some(locale)
}
