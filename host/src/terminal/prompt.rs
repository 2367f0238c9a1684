//! The prompt: the line that is typed at the bottom of the terminal, and the lines above it. This
//! file owns what keys do before the program has to know of them: editing, the history, pastes,
//! completion, questions and stopping.
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
/// How often a program in the background looks whether it is in the foreground again: a shell need
/// not tell it.
const LOOK: Duration = Duration::from_secs(1);
/// How much typing is read at once.
const TYPED_BYTES: usize = 4096;

const LABEL: &str = "> ";

/// What the user did that the program has to act on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Input {
    /// Enter: `text` is the line. It stays there until `accept` or `replace`.
    Entered,
    /// Lines were pasted, several only with the user's consent. If they are taken, `typed` goes on
    /// being typed, with the cursor at so many bytes.
    Pasted { lines: Vec<String>, typed: String, cursor: usize },
    /// The user does not want several lines that were pasted.
    PasteRefused,
    /// The answer to the question of `ask`: whether it was yes.
    Answered(bool),
    /// Tab: the word before the cursor may be `complete`d.
    Tab,
    /// Ctrl-C, where it is a key.
    Interrupt,
    /// Ctrl-D on an empty line.
    End,
    /// Something that is not UTF-8, which is not typed.
    NotUtf8,
}

/// What a signal brought about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Woken {
    /// The program was stopped for a while.
    Resumed,
    /// A signal of this number asks the program to end.
    End(u8),
}

/// A word that Tab completes: where it begins, what it can be, and which of that is shown.
#[derive(Debug)]
struct Completion {
    start: usize,
    words: Vec<String>,
    shown: usize,
}

/// A question, whose answer is the next key.
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
    /// When half an escape sequence is given up.
    escape_until: Option<Instant>,
    /// When to look whether the terminal can be had.
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

    /// Whether there may be keys: in the background they go to another program.
    pub(crate) fn has_keys(&self) -> bool {
        self.tty.is_held()
    }

    /// Readable when there are keys.
    pub(crate) fn keys_fd(&self) -> RawFd {
        self.tty.fd()
    }

    /// Readable when a signal came.
    pub(crate) fn signal_fd(&self) -> RawFd {
        self.tty.signal_fd()
    }

    /// Writable when the terminal takes more, after it was behind.
    pub(crate) fn output_fd(&self) -> RawFd {
        self.tty.output_fd()
    }

    /// How many bytes are to be shown that the terminal did not take yet.
    pub(crate) fn pending(&self) -> usize {
        self.tty.pending() + self.screen.len()
    }

    /// Whether the terminal takes less than is to be shown.
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
                // What was typed so far is not for the shell.
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

    /// Reads the keys that there are. Returns whether the terminal is still there.
    ///
    /// # Errors
    /// Those of read(2).
    pub(crate) fn read_keys(&mut self) -> io::Result<bool> {
        let mut buffer = [0; TYPED_BYTES];
        let Some(len) = self.tty.read(&mut buffer)? else { return Ok(false) };
        self.keys.push(&buffer[..len]);
        self.escape_until = None;
        Ok(true)
    }

    /// Takes the terminal back when its time has come.
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

    /// The next thing that the user did.
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

    /// Takes the typed line as done with, into the history.
    pub(crate) fn accept(&mut self) {
        let line = self.editor.text().to_owned();
        self.editor.remember(&line);
        self.editor.replace("", 0);
    }

    /// Keeps `line` in the history.
    pub(crate) fn remember(&mut self, line: &str) {
        self.editor.remember(line);
    }

    /// The newest line of the history that satisfies `wanted`.
    pub(crate) fn last_that(&self, wanted: impl Fn(&str) -> bool) -> Option<&str> {
        self.editor.last_that(wanted)
    }

    /// Puts `text` in the place of the line, the cursor at `cursor` bytes.
    pub(crate) fn replace(&mut self, text: &str, cursor: usize) {
        self.editor.replace(text, cursor);
    }

    /// Puts the first of `words` in the place of what stands between `start`, in bytes, and the
    /// cursor. Further Tabs put the others there.
    pub(crate) fn complete(&mut self, start: usize, words: Vec<String>) {
        let Some(shown) = words.len().checked_sub(1) else { return self.bell() };
        self.show_next(Completion { start, words, shown });
    }

    /// Asks the user `question`, to be answered by `y` or another key.
    pub(crate) fn ask(&mut self, question: &str) {
        self.question = Some(Question::Of(question.to_owned()));
    }

    // --- What is shown ---

    /// Shows a line, which is harmless already; with a `margin`, nothing else stands below that.
    pub(crate) fn line(&mut self, margin: Option<Span>, line: Vec<Span>) {
        self.screen.line(margin, line);
    }

    /// Shows lines as they are, with their colours.
    pub(crate) fn finished(&mut self, lines: &str) {
        self.screen.finished(lines);
    }

    pub(crate) fn bell(&mut self) {
        self.screen.bell();
    }

    /// Brings the terminal up to date, as far as it takes that now.
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

    /// Begins again, after something else may have written on the terminal.
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
