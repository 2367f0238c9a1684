//! What is typed: the keys, the lines that they make, and what becomes of these.

use std::io;
use std::time::Instant;

use super::{End, Session};
use crate::join::commands::Typed;
use crate::join::connection::Full;
use crate::join::keys::Key;
use crate::join::lines::{is_quit, own_line};
use crate::join::paste::Paste;
use crate::join::terminal::stop_job;

/// A word that Tab completes: where it begins, what it can be, and which of that is shown.
#[derive(Debug)]
pub(super) struct Completion {
    start: usize,
    words: Vec<String>,
    shown: usize,
}

/// Why a line was not sent.
#[derive(Debug)]
enum NotSent {
    Down,
    Full,
    NotThere(String),
    /// So many bytes are too many.
    TooLong(usize),
}

impl NotSent {
    fn text(&self) -> String {
        match self {
            Self::Down => "there is no connection".to_owned(),
            Self::Full => "the server does not take what was sent before".to_owned(),
            Self::NotThere(why) => why.clone(),
            Self::TooLong(excess) => format!("the line is too long by {excess} bytes"),
        }
    }
}

impl From<Full> for NotSent {
    fn from(Full: Full) -> Self {
        Self::Full
    }
}

impl Session<'_> {
    pub(super) fn press(&mut self, key: Key) -> io::Result<()> {
        if key == Key::Ctrl('z') {
            return stop_job();
        }
        if let Some(lines) = self.question.take() {
            self.answer(&lines, &key);
            return Ok(());
        }
        if key != Key::Tab {
            self.completion = None;
        }
        if self.editor.searched().is_some() {
            self.editor.handle(&key);
            if self.editor.searched().is_some() || !matches!(key, Key::Enter | Key::Paste(_)) {
                return Ok(());
            }
        }
        match key {
            Key::Ctrl('c') => self.end = Some(End::Left),
            Key::Ctrl('d') if self.editor.text().is_empty() => self.end = Some(End::Left),
            Key::Ctrl('l') => self.screen.clear(),
            Key::Enter => self.enter(),
            Key::Tab => self.complete(),
            Key::Invalid => self.screen.notice(
                "not typed: what the terminal sends is not UTF-8; set it to UTF-8 to type other letters",
            ),
            Key::Paste(text) => self.paste(&text),
            _ => self.editor.handle(&key),
        }
        Ok(())
    }

    fn enter(&mut self) {
        let line = self.editor.text().to_owned();
        let typed = Typed::of(&line);
        if self.link.is_parked() && typed != Typed::Quit {
            self.link.unpark(Instant::now());
            self.screen.notice(&format!("connecting to {}", self.address));
        } else if !line.is_empty() && self.obey(typed) {
            self.editor.remember(&line);
            self.editor.replace("", 0);
        }
    }

    /// Does what a typed line asks for. Returns whether the line is done with.
    fn obey(&mut self, typed: Typed<'_>) -> bool {
        match typed {
            Typed::Send(line) => return self.send_lines(&[line]),
            Typed::Quit => {
                // Whether it can be sent or not.
                let _ = self.send(format!("{}\n", self.editor.text()).as_bytes());
                self.end = Some(End::Left);
            }
            Typed::Ignore(None) if self.roster.ignored().is_empty() => {
                self.screen.notice("you ignore nobody");
            }
            Typed::Ignore(None) => {
                self.screen.notice(&format!("you ignore: {}", self.roster.ignored().join(", ")));
            }
            Typed::Ignore(Some(name)) => {
                self.roster.ignore(name);
                self.screen.notice(&format!("you ignore {name}, until you leave or /unignore {name}"));
            }
            Typed::Unignore(name) if self.roster.unignore(name) => {
                self.screen.notice(&format!("you ignore {name} no longer"));
            }
            Typed::Unignore(name) => self.screen.notice(&format!("you did not ignore {name}")),
            Typed::Reply(text) => match self.roster.correspondent() {
                Some(name) => return self.send_lines(&[format!("/msg {name} {text}")]),
                None => {
                    self.screen.notice("not sent: nobody has sent you a direct message");
                    return false;
                }
            },
            Typed::Lacks(what) => self.screen.notice(what),
        }
        true
    }

    /// Completes the word before the cursor, or shows what else it can be.
    fn complete(&mut self) {
        let completion = self.completion.take().or_else(|| {
            let (start, words) = self.roster.completions(&self.editor.text()[..self.editor.cursor()]);
            let shown = words.len().checked_sub(1)?;
            Some(Completion { start, words, shown })
        });
        let Some(mut completion) = completion else { return self.screen.bell() };
        completion.shown = (completion.shown + 1) % completion.words.len();
        self.editor.exchange(completion.start, &completion.words[completion.shown]);
        self.completion = Some(completion);
    }

    fn paste(&mut self, text: &str) {
        let (before, after) = self.editor.text().split_at(self.editor.cursor());
        let paste = Paste::new(before, text, after);
        if paste.count() > 1 {
            self.question = Some(paste.all());
        } else if paste.lines.is_empty() || self.send_pasted(&paste.lines) {
            self.editor.replace(&paste.typed, paste.cursor);
        }
    }

    /// Takes a key as the answer to whether to send `lines`: `y` and no other.
    fn answer(&mut self, lines: &[String], key: &Key) {
        if !matches!(key, Key::Char('y' | 'Y')) {
            self.screen.notice("not sent");
        } else if self.send_pasted(lines) {
            self.editor.replace("", 0);
        }
    }

    fn send_pasted(&mut self, lines: &[String]) -> bool {
        let is_sent = self.send_lines(lines);
        if is_sent {
            lines.iter().for_each(|line| self.editor.remember(line));
        }
        is_sent
    }

    /// Sends all of `lines`, or says why none was sent. Returns whether it did.
    fn send_lines(&mut self, lines: &[String]) -> bool {
        let bytes: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        let obstacle = lines.iter().find_map(|line| self.obstacle(line));
        if let Err(cause) = obstacle.map_or_else(|| self.send(bytes.as_bytes()), Err) {
            self.screen.notice(&format!("not sent: {}", cause.text()));
            return false;
        }
        let now = Instant::now();
        for line in lines {
            if let Some(own) = own_line(line, self.presence.nick()) {
                self.screen.own(&own);
            }
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

    /// Why `line` must not be sent now.
    fn obstacle(&mut self, line: &str) -> Option<NotSent> {
        self.link.connection()?;
        let excess = line.len().saturating_sub(self.line_limit.unwrap_or(usize::MAX));
        let too_long = (excess > 0).then_some(NotSent::TooLong(excess));
        too_long.or_else(|| self.presence.obstacle(line).map(NotSent::NotThere))
    }

    /// Sends what the client says for itself.
    pub(super) fn say(&mut self, commands: &str) {
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
}
