//! The client for scripts, when standard input or output is not a terminal. Bytes go from the input to
//! the server and from the server to the output. Neither side is read faster than the other takes.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::channel::{Change, Channel};
use super::connection::Lost;
use super::cut::Cut;
use super::farewell::Farewell;
use super::options::JoinOptions;
use super::presence::Presence;
use super::uplink::Uplink;
use crate::output::{LineSplitter, complain};
use crate::poll::{Poller, Select};

/// If this many bytes wait for the output, the server is not read.
const OUTPUT_BYTES: usize = 64 * 1024;
/// A pipe that is writable takes this many bytes without blocking: `PIPE_BUF` of pipe(7).
const WRITE_BYTES: usize = 4096;
/// The most bytes of input in one read.
const INPUT_BYTES: usize = 16 * 1024;
/// How long a server that has taken everything may be silent before it closes.
const SILENCE: Duration = Duration::from_secs(10);
/// How long a server may take to answer `/nick`.
const NAME_TIME: Duration = Duration::from_secs(10);
/// How often to look whether the server has taken everything.
const LOOK: Duration = Duration::from_millis(100);

/// Runs the client between standard input and output.
pub(super) fn run(options: &JoinOptions, uplink: Uplink) -> io::Result<ExitCode> {
    let mut presence = Presence::new(options.nick.clone());
    let mut channel = Channel::new(uplink);
    // Nothing was sent yet, so there is room.
    let _ = channel.push(presence.connected().as_bytes());
    let mut pipe = Pipe {
        channel,
        may_resume: !options.no_retry,
        output: File::from(io::stdout().as_fd().try_clone_to_owned()?),
        text: Text::new(io::stdout().is_terminal()),
        unwritten: Vec::new(),
        heard: LineSplitter::default(),
        presence,
        name_until: options.nick.as_ref().map(|_| Instant::now() + NAME_TIME),
        refused: None,
        cut: None,
        input_ended: false,
        said_end: false,
        farewell: Farewell::default(),
        output_closed: false,
        lost: None,
        broken: None,
        active: Instant::now(),
    };
    while !pipe.is_done() {
        pipe.step()?;
    }
    Ok(pipe.end())
}

#[derive(Debug)]
struct Pipe {
    channel: Channel,
    /// Whether a session that breaks goes on over another connection.
    may_resume: bool,
    output: File,
    text: Text,
    unwritten: Vec<u8>,
    /// Cuts the server's output into lines.
    heard: LineSplitter,
    presence: Presence,
    /// Until when the server may answer `/nick`. Until it does, no input is sent.
    name_until: Option<Instant>,
    /// Why the server refused the name.
    refused: Option<String>,
    cut: Option<Cut>,
    input_ended: bool,
    /// The server knows that the input has ended.
    said_end: bool,
    farewell: Farewell,
    /// Nobody reads the output any more.
    output_closed: bool,
    lost: Option<Lost>,
    /// Why the last connection of the session was lost.
    broken: Option<Lost>,
    /// When bytes last moved, or could have moved if our own output had taken them.
    active: Instant,
}

impl Pipe {
    fn step(&mut self) -> io::Result<()> {
        let (input, output) = (io::stdin().as_raw_fd(), self.output.as_raw_fd());
        let mut select = Select::default();
        select.watch(output, false, !self.unwritten.is_empty());
        let mut socket = None;
        if self.lost.is_none() {
            let may_say = self.name_until.is_none() && !self.channel.is_full();
            select.watch(input, may_say && !self.input_ended, false);
            socket = self.channel.interest();
            if let Some((fd, read, write)) = socket {
                select.watch(fd, read && self.unwritten.len() < OUTPUT_BYTES, write);
            }
        }
        let now = Instant::now();
        let deadlines = self.name_until.into_iter().chain(self.channel.deadline());
        let deadlines = deadlines.chain(self.said_end.then(|| now + LOOK));
        select.wait(deadlines.min().map(|until| until.saturating_duration_since(now)))?;

        if select.readable().any(|fd| fd == input) {
            self.read_input()?;
        }
        if self.lost.is_none() {
            let is_ready = socket
                .is_some_and(|(fd, ..)| select.readable().chain(select.writable()).any(|ready| ready == fd));
            let change = self.channel.step(is_ready && self.unwritten.len() < OUTPUT_BYTES, Instant::now());
            self.take_change(change);
        }
        if select.writable().any(|fd| fd == output) {
            self.write_output()?;
        }
        if self.input_ended && !self.said_end && !self.channel.has_outgoing() && self.channel.is_up() {
            self.channel.finish();
            if !self.channel.has_outgoing() {
                self.channel.end_output();
                self.said_end = true;
                self.active = Instant::now();
            }
        }
        if self.name_until.is_some_and(|until| Instant::now() >= until) {
            self.refused = Some("the server does not answer".to_owned());
        }
        if !self.unwritten.is_empty() || self.channel.pending() > 0 {
            self.active = Instant::now();
        }
        Ok(())
    }

    fn read_input(&mut self) -> io::Result<()> {
        let mut buffer = [0; INPUT_BYTES];
        match rustix::io::read(io::stdin(), &mut buffer) {
            Ok(0) => {
                self.input_ended = true;
                self.farewell.finish();
            }
            Ok(len) => {
                self.farewell.push(&buffer[..len]);
                // The input is read only while there is room.
                let _ = self.channel.push(&buffer[..len]);
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn take_change(&mut self, change: Change) {
        match change {
            Change::None => {}
            Change::Received(bytes) => {
                self.active = Instant::now();
                self.text.convert(&bytes, &mut self.unwritten);
                self.hear(&bytes);
            }
            Change::Resumed => {
                self.active = Instant::now();
                self.said_end = false;
            }
            Change::Lost { lost, is_kept, .. } if is_kept && self.may_resume && self.cut.is_none() => {
                self.broken = Some(lost);
            }
            Change::Lost { lost, .. } => self.end_with(lost),
            // A server that is there and does not listen has ended.
            Change::Failed(error, _) if error.kind() != ErrorKind::ConnectionRefused => {}
            Change::Failed(error, _) => self.end_with(Lost::Broken(error)),
            // A script must not go on as if nothing had happened.
            Change::Connected(_) => {
                let lost = self.broken.take().unwrap_or(Lost::Closed);
                self.end_with(lost);
            }
        }
    }

    fn end_with(&mut self, lost: Lost) {
        self.text.finish(&mut self.unwritten);
        self.lost = Some(lost);
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.heard.push(bytes);
        for line in &mut self.heard {
            self.cut = Cut::announced(&line);
            let heard = self.presence.heard(&line, self.active);
            if heard.is_welcome && self.may_resume {
                self.channel.ask();
            }
            match heard.has_name {
                Some(true) => self.name_until = None,
                Some(false) => self.refused = Some(line.trim_start_matches("-- ").to_owned()),
                None => {}
            }
        }
    }

    fn write_output(&mut self) -> io::Result<()> {
        match self.output.write(&self.unwritten[..self.unwritten.len().min(WRITE_BYTES)]) {
            Ok(len) => drop(self.unwritten.drain(..len)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.output_closed = true,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        let is_silent = self.said_end && self.active.elapsed() >= SILENCE;
        let is_over = self.lost.is_some() || self.refused.is_some() || is_silent;
        self.output_closed || (self.unwritten.is_empty() && is_over)
    }

    /// Says what went wrong, if anything did.
    fn end(&mut self) -> ExitCode {
        if let Some(why) = &self.refused {
            complain(why);
            return ExitCode::FAILURE;
        }
        let Some(lost) = &self.lost else { return ExitCode::SUCCESS };
        if let Some(cut) = self.cut {
            complain(cut);
            return cut.exit_code();
        }
        // The end of the input counts as one more byte until the server has it.
        let is_taken = matches!(lost, Lost::Closed) && self.said_end && self.channel.pending() <= 1;
        if is_taken || self.farewell.has_come() || self.output_closed {
            return ExitCode::SUCCESS;
        }
        complain(format_args!("connection lost: {lost}"));
        ExitCode::FAILURE
    }
}

/// How the server's text changes on its way out.
#[derive(Debug)]
enum Text {
    /// Another program reads it, so only CR LF becomes LF. `true` if the last byte was a CR, which is
    /// held back until the next byte comes.
    Plain(bool),
    /// A terminal shows it, so it must be harmless.
    Neutral(LineSplitter),
}

impl Text {
    fn new(is_terminal: bool) -> Self {
        if is_terminal { Self::Neutral(LineSplitter::default()) } else { Self::Plain(false) }
    }

    fn convert(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Plain(has_cr) => {
                for &byte in bytes {
                    if *has_cr && byte != b'\n' {
                        out.push(b'\r');
                    }
                    *has_cr = byte == b'\r';
                    out.extend((!*has_cr).then_some(byte));
                }
            }
            Self::Neutral(lines) => {
                lines.push(bytes);
                for line in lines {
                    out.extend_from_slice(line.as_bytes());
                    out.push(b'\n');
                }
            }
        }
    }

    /// The bytes that were held back. Nothing may follow.
    fn finish(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Plain(has_cr) => out.extend(std::mem::take(has_cr).then_some(b'\r')),
            Self::Neutral(lines) => {
                if let Some(line) = lines.rest() {
                    out.extend_from_slice(line.as_bytes());
                    out.push(b'\n');
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[track_caller]
    fn check(is_terminal: bool, pieces: &[&str], expected: &str) {
        let mut text = Text::new(is_terminal);
        let mut out = Vec::new();
        for piece in pieces {
            text.convert(piece.as_bytes(), &mut out);
        }
        text.finish(&mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn for_programs_only_line_ends_change() {
        check(false, &["a\r\n\x1b[2J\r", "\nb\rc\r\r", "\n\r"], "a\n\x1b[2J\nb\rc\r\n\r");
    }

    #[test]
    fn for_terminals_text_is_neutral() {
        check(true, &["a\r\n\x1b[", "2J\r\nb"], "a\n\u{fffd}[2J\nb\n");
    }
}
