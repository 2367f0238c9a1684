//! The client on a terminal: one loop over keys, socket, signals and time, which acts on typed lines.
//! `chat` takes the server's lines. The terminal edits and draws.

use std::io;
use std::os::fd::RawFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::chat::Chat;
use super::commands::Typed;
use super::display::Display;
use super::options::JoinOptions;
use super::paint::Colours;
use super::protocol::is_quit;
use super::uplink::Uplink;
use crate::address::Address;
use crate::poll::{Poller, Select};
use crate::terminal::{Input, Prompt, SignalKeys, Woken};

/// The signals that end the client.
const END_SIGNALS: [i32; 4] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];
/// How long the client waits for the server when the user leaves.
const LEAVE_TIME: Duration = Duration::from_secs(1);

/// Runs the client on the terminal until its user leaves.
pub(super) fn run(options: &JoinOptions, address: Address, uplink: Uplink) -> io::Result<ExitCode> {
    let prompt = Prompt::enter(SignalKeys::Typed, &END_SIGNALS)?;
    let mut display = Display::new(prompt, Colours::of_environment(), options.times);
    if let Some(locale) = foreign_locale() {
        display.notice(&format!(
            "the locale {locale} is not UTF-8, but the chat is; letters other than A to Z may look wrong"
        ));
    }
    let chat = Chat::new(options, address, uplink, &mut display);
    let mut session = Session { chat, display, end: None };
    let end = loop {
        session.display.prompt.draw()?;
        if let Some(end) = session.end {
            break end;
        }
        session.wait()?;
    };
    let Session { chat, mut display, .. } = session;
    display.prompt.erase()?;
    drop(display);
    let cut = chat.cut();
    if matches!(end, End::Left)
        && let Some(connection) = chat.into_connection()
    {
        connection.finish(LEAVE_TIME)?;
    }
    Ok(match (end, cut) {
        (End::Left | End::Lost, Some(cut)) => cut.exit_code(),
        (End::Left, None) => ExitCode::SUCCESS,
        (End::Lost, None) => ExitCode::FAILURE,
        // The exit code that a shell gives to a signal.
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
    chat: Chat<'a>,
    display: Display,
    end: Option<End>,
}

impl Session<'_> {
    /// Waits until something happens, and acts on it.
    fn wait(&mut self) -> io::Result<()> {
        let prompt = &self.display.prompt;
        let is_behind = prompt.is_behind();
        let (keys, signals) = (prompt.keys_fd(), prompt.signal_fd());
        let mut select = Select::default();
        select.watch(keys, prompt.has_keys(), false);
        select.watch(signals, true, false);
        select.watch(prompt.output_fd(), false, is_behind);
        let interest = self.chat.interest();
        if let Some((fd, read, write)) = interest {
            // The server is read no faster than the terminal shows it.
            select.watch(fd, read && !is_behind, write);
        }
        let deadline = [self.chat.deadline(), prompt.deadline()].into_iter().flatten().min();
        if is_behind {
            self.chat.was_slow();
        }
        select.wait(deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())))?;

        let is_ready = |fd: RawFd| select.readable().chain(select.writable()).any(|ready| ready == fd);
        if is_ready(signals) {
            match self.display.prompt.read_signals()? {
                Some(Woken::Resumed) => self.chat.was_slow(),
                Some(Woken::End(number)) => self.end = Some(End::Signalled(number)),
                None => {}
            }
        }
        if is_ready(keys) && !self.display.prompt.read_keys()? {
            self.end = Some(End::Left);
        }
        let now = Instant::now();
        self.display.prompt.tick(now)?;
        while self.end.is_none()
            && let Some(input) = self.display.prompt.next_input(now)?
        {
            self.act(input);
        }
        let is_lost = self.chat.step(interest.is_some_and(|(fd, ..)| is_ready(fd)), &mut self.display, now);
        if is_lost && self.end.is_none() {
            self.end = Some(End::Lost);
        }
        Ok(())
    }

    /// Acts on an input of the user.
    fn act(&mut self, input: Input) {
        match input {
            Input::Interrupt | Input::End => self.end = Some(End::Left),
            Input::Entered => self.enter(),
            Input::Tab => {
                let prompt = &mut self.display.prompt;
                let (start, words) = self.chat.roster.completions(prompt.before_cursor());
                prompt.complete(start, words);
            }
            Input::NotUtf8 => self.display.notice(
                "not typed: the terminal does not send UTF-8; set it to UTF-8 to type letters other than A to Z",
            ),
            Input::Pasted { lines, typed, cursor } => {
                if self.chat.send_lines(&lines, &mut self.display) {
                    lines.iter().for_each(|line| self.display.prompt.remember(line));
                    self.display.prompt.replace(&typed, cursor);
                    if lines.iter().any(|line| is_quit(line)) {
                        self.end = Some(End::Left);
                    }
                }
            }
            Input::PasteRefused => self.display.notice("not sent"),
            // The client asks no other question.
            Input::Answered(_) => {}
        }
    }

    fn enter(&mut self) {
        let line = self.display.prompt.text().to_owned();
        let typed = Typed::of(&line);
        let is_parked = typed != Typed::Quit && self.chat.connect_again(&mut self.display);
        if !is_parked && !line.is_empty() && self.obey(typed) {
            self.display.prompt.accept();
        }
    }

    /// Acts on a typed line. Returns whether the line can be cleared.
    fn obey(&mut self, typed: Typed<'_>) -> bool {
        let Self { chat, display, .. } = self;
        match typed {
            Typed::Send(line) => return chat.send_lines(&[line], display),
            Typed::Quit => {
                chat.send_last(display.prompt.text());
                self.end = Some(End::Left);
            }
            Typed::Ignore(None) if chat.roster.ignored().is_empty() => display.notice("you ignore nobody"),
            Typed::Ignore(None) => {
                display.notice(&format!("you ignore: {}", chat.roster.ignored().join(", ")));
            }
            Typed::Ignore(Some(name)) => {
                chat.roster.ignore(name);
                display.notice(&format!("you ignore {name}, until you leave or /unignore {name}"));
            }
            Typed::Unignore(name) if chat.roster.unignore(name) => {
                display.notice(&format!("you ignore {name} no longer"));
            }
            Typed::Unignore(name) => display.notice(&format!("you did not ignore {name}")),
            Typed::Reply(text) => match chat.roster.correspondent() {
                Some(name) => return chat.send_lines(&[format!("/msg {name} {text}")], display),
                None => {
                    display.notice("not sent: nobody has sent you a direct message");
                    return false;
                }
            },
            Typed::Lacks(what) => display.notice(what),
        }
        true
    }
}

/// The locale, if its encoding is not UTF-8. The C locale does not name an encoding, so it does not
/// count.
fn foreign_locale() -> Option<String> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set)?;
    let plain: String = locale.to_lowercase().chars().filter(|&c| c != '-').collect();
    let is_c = matches!(plain.as_str(), "c" | "posix");
    (!is_c && !plain.contains("utf8")).then_some(locale)
}
