//! The prompt: the line that is typed at the bottom of the terminal, and the lines above it. This file
//! owns all that keys do without the program: editing, the history, pastes, completion, questions and
//! stopping.
//!
//! The owner waits until one of the descriptors is ready or the deadline has come. It then calls
//! `read_signals`, `read_keys` and `tick`, takes every `next_input`, and at the end calls `draw`.

use std::io;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use super::editor::Editor;
use super::keys::{Key, Keys};
use super::modes::SignalKeys;
use super::paste::Paste;
use super::screen::Screen;
use super::signals::Signal;
use super::tty::{Tty, stop_job};
use super::wrap::Span;

/// How long the rest of an escape sequence may take.
const ESCAPE_TIME: Duration = Duration::from_millis(100);
/// How often a program in the background checks whether it is in the foreground again. A shell need
/// not tell it.
const LOOK: Duration = Duration::from_secs(1);
/// The most bytes of typing in one read.
const TYPED_BYTES: usize = 4096;

const LABEL: &str = "> ";

/// An input of the user that the program must act on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Input {
    /// Enter: `text` is the line. It stays there until `accept` or `replace`.
    Entered,
    /// Lines were pasted. If there are several, the user has agreed. If the program takes them, `typed`
    /// stays in the typed line, with the cursor at byte `cursor`.
    Pasted { lines: Vec<String>, typed: String, cursor: usize },
    /// Several lines were pasted, and the user does not want them.
    PasteRefused,
    /// The answer to the question of `ask`. `true` means yes.
    Answered(bool),
    /// Tab: the word before the cursor may be `complete`d.
    Tab,
    /// Ctrl-C, if it is a key.
    Interrupt,
    /// Ctrl-D on an empty line.
    End,
    /// Bytes that are not UTF-8. They are not typed.
    NotUtf8,
}

/// The effect of a signal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Woken {
    /// The program was stopped for a while.
    Resumed,
    /// The signal of this number asks the program to end.
    End(u8),
}

/// A word that Tab completes: where it begins, its candidates, and which of them is shown.
#[derive(Debug)]
struct Completion {
    start: usize,
    words: Vec<String>,
    shown: usize,
}

/// A question. The next key is the answer.
#[derive(Debug)]
enum Question {
    /// Whether to send the lines of a paste.
    Paste(Vec<String>),
    Of(String),
}

/// The terminal with a line that is typed.
#[derive(Debug)]
pub(crate) struct Prompt {
    tty: Tty,
    keys: Keys,
    editor: Editor,
    screen: Screen,
    completion: Option<Completion>,
    question: Option<Question>,
    /// When to give up half an escape sequence.
    escape_until: Option<Instant>,
    /// When to check whether the terminal can be taken back.
    look_at: Option<Instant>,
}

impl Prompt {
    /// Takes the terminal over until the value is dropped, or a panic. The signals `ends` ask the
    /// program to end.
    ///
    /// # Errors
    /// There are no descriptors or threads left, or the terminal is gone.
    pub(crate) fn enter(signal_keys: SignalKeys, ends: &[i32]) -> io::Result<Self> {
        let tty = Tty::enter(signal_keys, ends)?;
        let mut prompt = Self {
            screen: Screen::new(tty.columns()),
            tty,
            keys: Keys::default(),
            editor: Editor::default(),
            completion: None,
            question: None,
            escape_until: None,
            look_at: None,
        };
        prompt.begin();
        Ok(prompt)
    }

    // --- What to wait for ---

    /// Whether keys may come. In the background they go to another program.
    pub(crate) fn has_keys(&self) -> bool {
        self.tty.is_held()
    }

    /// A descriptor that is readable when there are keys.
    pub(crate) fn keys_fd(&self) -> RawFd {
        self.tty.fd()
    }

    /// A descriptor that is readable when a signal came.
    pub(crate) fn signal_fd(&self) -> RawFd {
        self.tty.signal_fd()
    }

    /// A descriptor that is writable when a slow terminal takes more.
    pub(crate) fn output_fd(&self) -> RawFd {
        self.tty.output_fd()
    }

    /// How many bytes the terminal did not take yet.
    pub(crate) fn pending(&self) -> usize {
        self.tty.pending() + self.screen.len()
    }

    /// Whether the terminal takes less than it is given.
    pub(crate) fn is_behind(&self) -> bool {
        self.tty.pending() > 0
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        [self.escape_until, self.look_at].into_iter().flatten().min()
    }

    // --- What happened ---

    /// Acts on the signals that came.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn read_signals(&mut self) -> io::Result<Option<Woken>> {
        match self.tty.signal() {
            Some(Signal::Resized) if self.tty.is_held() => self.screen.resize(self.tty.columns()),
            Some(Signal::Resized) => self.screen.begin(self.tty.columns()),
            Some(Signal::Stop) => {
                // Keys that were typed before the stop are not for the shell.
                self.read_keys()?;
                self.erase()?;
                self.tty.stop()?;
                self.begin();
                return Ok(Some(Woken::Resumed));
            }
            Some(Signal::Continued) => {
                self.tty.take_over()?;
                self.begin();
                return Ok(Some(Woken::Resumed));
            }
            Some(Signal::End(number)) => return Ok(Some(Woken::End(number))),
            None => {}
        }
        Ok(None)
    }

    /// Reads the keys. Returns whether the terminal is still there.
    ///
    /// # Errors
    /// The errors of read(2).
    pub(crate) fn read_keys(&mut self) -> io::Result<bool> {
        let mut buffer = [0; TYPED_BYTES];
        let Some(len) = self.tty.read(&mut buffer)? else { return Ok(false) };
        self.keys.push(&buffer[..len]);
        self.escape_until = None;
        Ok(true)
    }

    /// Takes the terminal back, if it is time and the program is in the foreground.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn tick(&mut self, now: Instant) -> io::Result<()> {
        if self.look_at.take_if(|at| now >= *at).is_some() {
            self.tty.take_over()?;
            self.begin();
        }
        Ok(())
    }

    /// The next input of the user.
    ///
    /// # Errors
    /// The program cannot be stopped.
    pub(crate) fn next_input(&mut self, now: Instant) -> io::Result<Option<Input>> {
        loop {
            let is_late = self.escape_until.take_if(|until| now >= *until).is_some();
            let key = self.keys.next().or_else(|| if is_late { self.keys.give_up() } else { None });
            let Some(key) = key else { break };
            let input = self.press(key)?;
            if input.is_some() {
                return Ok(input);
            }
        }
        if self.keys.is_waiting() {
            self.escape_until.get_or_insert(now + ESCAPE_TIME);
        }
        Ok(None)
    }

    // --- The typed line ---

    pub(crate) fn text(&self) -> &str {
        self.editor.text()
    }

    /// The part of the text before the cursor.
    pub(crate) fn before_cursor(&self) -> &str {
        &self.editor.text()[..self.editor.cursor()]
    }

    /// Clears the typed line and keeps it in the history.
    pub(crate) fn accept(&mut self) {
        let line = self.editor.text().to_owned();
        self.editor.remember(&line);
        self.editor.replace("", 0);
    }

    /// Keeps `line` in the history.
    pub(crate) fn remember(&mut self, line: &str) {
        self.editor.remember(line);
    }

    /// The newest line in the history that satisfies `wanted`.
    pub(crate) fn last_that(&self, wanted: impl Fn(&str) -> bool) -> Option<&str> {
        self.editor.last_that(wanted)
    }

    /// Replaces the line by `text`, with the cursor at byte `cursor`.
    pub(crate) fn replace(&mut self, text: &str, cursor: usize) {
        self.editor.replace(text, cursor);
    }

    /// Replaces the text from byte `start` to the cursor by the first of `words`. Further Tabs put the
    /// others there.
    pub(crate) fn complete(&mut self, start: usize, words: Vec<String>) {
        let Some(shown) = words.len().checked_sub(1) else { return self.bell() };
        self.show_next(Completion { start, words, shown });
    }

    /// Asks the user `question`. The key `y` means yes, any other key means no.
    pub(crate) fn ask(&mut self, question: &str) {
        self.question = Some(Question::Of(question.to_owned()));
    }

    // --- What is shown ---

    /// Shows a line, which must be harmless. With a `margin`, its further rows leave the space below
    /// that free.
    pub(crate) fn line(&mut self, margin: Option<Span>, line: Vec<Span>) {
        self.screen.line(margin, line);
    }

    /// Shows lines with the colours that they have.
    pub(crate) fn finished(&mut self, lines: &str) {
        self.screen.finished(lines);
    }

    pub(crate) fn bell(&mut self) {
        self.screen.bell();
    }

    /// Brings the terminal up to date, as far as it takes bytes now.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn draw(&mut self) -> io::Result<()> {
        if self.tty.is_held() {
            match &self.question {
                Some(Question::Paste(lines)) => {
                    self.screen.prompt(&format!("send {} lines? [y/N] ", lines.len()), "", 0);
                }
                Some(Question::Of(question)) => self.screen.prompt(&format!("{question} [y/N] "), "", 0),
                None => {
                    let search = self.editor.searched().map(|pattern| format!("search \"{pattern}\"{LABEL}"));
                    let label = search.as_deref().unwrap_or(LABEL);
                    self.screen.prompt(label, self.editor.text(), self.editor.cursor());
                }
            }
        }
        self.tty.write(self.screen.take().as_bytes())
    }

    /// Takes the typed line off the screen.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn erase(&mut self) -> io::Result<()> {
        if self.tty.is_held() {
            self.screen.erase();
        }
        self.tty.write(self.screen.take().as_bytes())
    }

    /// Draws anew, because another program may have written on the terminal.
    fn begin(&mut self) {
        self.screen.begin(self.tty.columns());
        self.look_at = (!self.tty.is_held()).then(|| Instant::now() + LOOK);
    }

    // --- Keys ---

    fn press(&mut self, key: Key) -> io::Result<Option<Input>> {
        if key == Key::Ctrl('z') {
            stop_job()?;
            return Ok(None);
        }
        if let Some(question) = self.question.take() {
            return Ok(Some(answer(question, matches!(key, Key::Char('y' | 'Y')))));
        }
        if key != Key::Tab {
            self.completion = None;
        }
        if self.editor.searched().is_some() {
            self.editor.handle(&key);
            if self.editor.searched().is_some() || !matches!(key, Key::Enter | Key::Paste(_)) {
                return Ok(None);
            }
        }
        Ok(match key {
            Key::Ctrl('c') => Some(Input::Interrupt),
            Key::Ctrl('d') if self.editor.text().is_empty() => Some(Input::End),
            Key::Ctrl('l') => {
                self.screen.clear();
                None
            }
            Key::Enter => Some(Input::Entered),
            Key::Tab => match self.completion.take() {
                Some(completion) => {
                    self.show_next(completion);
                    None
                }
                None => Some(Input::Tab),
            },
            Key::Invalid => Some(Input::NotUtf8),
            Key::Paste(text) => self.paste(&text),
            key => {
                self.editor.handle(&key);
                None
            }
        })
    }

    fn show_next(&mut self, mut completion: Completion) {
        completion.shown = (completion.shown + 1) % completion.words.len();
        self.editor.exchange(completion.start, &completion.words[completion.shown]);
        self.completion = Some(completion);
    }

    fn paste(&mut self, text: &str) -> Option<Input> {
        let (before, after) = self.editor.text().split_at(self.editor.cursor());
        let paste = Paste::new(before, text, after);
        if paste.count() > 1 {
            self.question = Some(Question::Paste(paste.all()));
            return None;
        }
        let Paste { lines, typed, cursor } = paste;
        if lines.is_empty() {
            self.editor.replace(&typed, cursor);
            return None;
        }
        Some(Input::Pasted { lines, typed, cursor })
    }
}

fn answer(question: Question, is_yes: bool) -> Input {
    match question {
        Question::Paste(lines) if is_yes => Input::Pasted { lines, typed: String::new(), cursor: 0 },
        Question::Paste(_) => Input::PasteRefused,
        Question::Of(_) => Input::Answered(is_yes),
    }
}
