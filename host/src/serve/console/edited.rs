//! The console on a terminal. The operator types commands on a line of their own, below the output of
//! the hub and the log. Only a command, or Ctrl-D after a question, ends the server.

use std::io;
use std::os::fd::RawFd;
use std::time::Instant;

use parlour_core::{Record, console_commands};

use super::streams::{Console, ENOUGH, Names, Typed};
use crate::output::{LineSplitter, Log, LogLines, neutral};
use crate::serve::own_commands::OwnCommand;
use crate::serve::watched::Watched;
use crate::terminal::{self, Input, Prompt, SignalKeys, Span};

/// The terminal with a line that is typed.
#[derive(Debug)]
pub(super) struct Edited {
    prompt: Prompt,
    watched: Watched,
    /// Cuts the hub's output into lines.
    splitter: LineSplitter,
    /// The log, if it goes to the same terminal.
    log: Option<LogLines>,
    listens: bool,
    /// Commands that are not the hub's.
    own: &'static [OwnCommand],
    /// The terminal is gone.
    broken: bool,
}

impl Edited {
    /// # Errors
    /// There are no descriptors or threads left.
    pub(super) fn new(watched: Watched, log: &Log, own: &'static [OwnCommand]) -> io::Result<Self> {
        // The driver catches the signals that end the server.
        let prompt = Prompt::enter(SignalKeys::Signal, &[])?;
        let log = if terminal::shows_errors() { Some(log.divert()?) } else { None };
        let splitter = LineSplitter::default();
        Ok(Self { prompt, watched, splitter, log, listens: true, own, broken: false })
    }

    /// Takes the commands that were typed.
    fn take_inputs(&mut self, now: Instant, names: Names<'_>) -> io::Result<Typed> {
        let mut typed = Typed::default();
        while let Some(input) = self.prompt.next_input(now)? {
            act(&mut self.prompt, input, &mut typed.commands, (names, self.own));
        }
        Ok(typed)
    }

    /// Acts on signals and time, and takes the commands that were typed.
    fn take_signals(&mut self, now: Instant, names: Names<'_>) -> io::Result<Typed> {
        self.prompt.read_signals()?;
        self.prompt.tick(now)?;
        self.take_inputs(now, names)
    }

    fn push(&mut self, lines: &[u8]) {
        if self.broken {
            return;
        }
        self.splitter.push(lines);
        for line in &mut self.splitter {
            self.prompt.line(None, vec![Span::new("", &line)]);
        }
    }

    fn show_log(&mut self) {
        let takes_more = self.has_place() && !self.broken;
        match &mut self.log {
            Some(log) if takes_more => self.prompt.finished(&log.take()),
            Some(log) => log.lose(),
            None => {}
        }
    }

    /// Goes on without the terminal.
    fn lose(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.broken, true) {
            tracing::warn!("the terminal is gone, and the console with it: {error}");
        }
    }
}

/// What can be completed: the names of clients, and commands besides those of the hub.
type Words<'a> = (Names<'a>, &'static [OwnCommand]);

/// Acts on an input of the operator. Appends to `commands` what goes to the hub.
fn act(prompt: &mut Prompt, input: Input, commands: &mut Vec<u8>, words: Words<'_>) {
    let mut command = |prompt: &mut Prompt, line: &str| {
        prompt.line(None, vec![Span::new("", &neutral(&format!("> {line}")))]);
        commands.extend(line.bytes().chain([b'\n']));
    };
    match input {
        Input::Entered => {
            let line = prompt.text().to_owned();
            if !line.trim().is_empty() {
                command(prompt, &line);
                prompt.accept();
            }
        }
        Input::Pasted { lines, typed, cursor } => {
            for line in &lines {
                command(prompt, line);
                prompt.remember(line);
            }
            prompt.replace(&typed, cursor);
        }
        Input::End => prompt.ask("Shut the server down?"),
        Input::Answered(true) => command(prompt, "/shutdown"),
        Input::Answered(false) => notice(prompt, "the server goes on"),
        Input::PasteRefused => notice(prompt, "not sent"),
        Input::Tab => complete(prompt, words),
        Input::NotUtf8 => notice(
            prompt,
            "not typed: the terminal does not send UTF-8; set it to UTF-8 to type letters other than A to Z",
        ),
        // Ctrl-C is a signal here.
        Input::Interrupt => {}
    }
}

fn notice(prompt: &mut Prompt, text: &str) {
    prompt.line(None, vec![Span::new("", &format!("-- {text}"))]);
}

/// Completes the word before the cursor: the command, or the name of a client.
fn complete(prompt: &mut Prompt, (names, own): Words<'_>) {
    let before = prompt.before_cursor();
    let start = before.rfind(' ').map_or(0, |space| space + 1);
    let word = before[start..].to_lowercase();
    let begins = |candidate: &str| candidate.to_lowercase().starts_with(&word);
    let words = match before.split(' ').next() {
        Some(_) if start == 0 => {
            let own = own.iter().map(|command| command.name);
            console_commands().chain(own).map(|name| format!("/{name}")).collect()
        }
        Some("/kick" | "/say" | "/forget") if !word.is_empty() => names(),
        _ => Vec::new(),
    };
    let words = words.iter().filter(|candidate| begins(candidate)).map(|found| format!("{found} ")).collect();
    prompt.complete(start, words);
}

impl Console for Edited {
    fn input(&self) -> Option<(RawFd, bool)> {
        self.listens.then(|| (self.prompt.keys_fd(), self.prompt.has_keys()))
    }

    fn wakers(&self) -> Vec<RawFd> {
        [self.prompt.signal_fd()].into_iter().chain(self.log.as_ref().map(LogLines::fd)).collect()
    }

    fn deadline(&self) -> Option<Instant> {
        self.prompt.deadline()
    }

    fn wake(&mut self, now: Instant, names: Names<'_>) -> Typed {
        self.show_log();
        self.take_signals(now, names).unwrap_or_else(|error| {
            self.lose(&error);
            Typed { is_end: true, ..Typed::default() }
        })
    }

    fn read(&mut self, names: Names<'_>) -> io::Result<Typed> {
        if self.prompt.read_keys()? {
            self.take_inputs(Instant::now(), names)
        } else {
            Ok(Typed { is_end: true, ..Typed::default() })
        }
    }

    fn close_input(&mut self) {
        self.listens = false;
    }

    fn has_place(&self) -> bool {
        self.prompt.pending() < ENOUGH
    }

    fn answer(&mut self, bytes: &[u8]) {
        let mut lines = Vec::new();
        self.watched.answer(bytes, &mut lines);
        self.push(&lines);
    }

    fn show(&mut self, record: &Record<'_>) {
        let mut lines = Vec::new();
        self.watched.show(record, &mut lines);
        self.push(&lines);
    }

    fn output_fd(&self) -> RawFd {
        self.prompt.output_fd()
    }

    fn is_pending(&self) -> bool {
        !self.broken && self.prompt.pending() > 0
    }

    fn flush(&mut self) {
        if !self.broken
            && let Err(error) = self.prompt.draw()
        {
            self.lose(&error);
        }
    }

    fn finish(&mut self) {
        self.show_log();
        if let Some(line) = self.splitter.rest() {
            self.prompt.line(None, vec![Span::new("", &line)]);
        }
        // From now on the log goes to standard error.
        self.log = None;
        if let Err(error) = self.prompt.erase() {
            self.lose(&error);
        }
    }
}
