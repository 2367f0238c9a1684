//! Bytes cut into lines, and lines that a thread reads from a pipe.
//!
//! Knows no sockets and nothing of parlour.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How long a test waits for something that must come. After that it is a hang.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The next thing from a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A line with its ending, or the last bytes before a close without one.
    Line(Vec<u8>),
    /// The peer closed and everything before that was handed out.
    Closed,
    /// Nothing by now.
    Nothing,
}

/// Received bytes that are handed out line by line.
#[derive(Debug, Default)]
pub struct LineBuffer {
    bytes: VecDeque<u8>,
    searched: usize,
}

impl LineBuffer {
    /// Adds what was received.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// Takes the oldest line with its ending if it is whole.
    pub fn pop_line(&mut self) -> Option<Vec<u8>> {
        let Some(end) = self.bytes.range(self.searched..).position(|&byte| byte == b'\n') else {
            self.searched = self.bytes.len();
            return None;
        };
        let end = self.searched + end;
        self.searched = 0;
        Some(self.bytes.drain(..=end).collect())
    }

    /// Takes everything, lines or not.
    pub fn pop_all(&mut self) -> Vec<u8> {
        self.searched = 0;
        self.bytes.drain(..).collect()
    }
}

/// The lines that a program writes to a pipe, read by a thread of their own so
/// that the program never waits for the test.
#[derive(Debug)]
pub struct Lines {
    label: String,
    incoming: Receiver<String>,
    seen: Vec<String>,
}

impl Lines {
    /// Starts to read `pipe`; `label` names it in failures.
    pub fn read_from(label: &str, mut pipe: impl Read + Send + 'static) -> Self {
        let (sender, incoming) = mpsc::channel();
        std::thread::spawn(move || {
            let mut lines = LineBuffer::default();
            let mut chunk = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = pipe.read(&mut chunk) {
                lines.push(&chunk[..count]);
                while let Some(line) = lines.pop_line() {
                    if sender.send(trimmed(&line)).is_err() {
                        return;
                    }
                }
            }
            let rest = lines.pop_all();
            if !rest.is_empty() {
                // If the test has stopped listening, that is not a fault of the program.
                let _ = sender.send(trimmed(&rest));
            }
        });
        Self { label: label.to_string(), incoming, seen: Vec::new() }
    }

    /// The next line without its ending; `None` at the end of the pipe, or when
    /// none comes within `timeout`.
    pub fn next_within(&mut self, timeout: Duration) -> Option<String> {
        match self.incoming.recv_timeout(timeout) {
            Ok(line) => {
                self.seen.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    /// Takes lines until one satisfies `wanted`, which is returned.
    pub fn wait_for(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let give_up = Instant::now() + PATIENCE;
        loop {
            match self.next_within(give_up.saturating_duration_since(Instant::now())) {
                Some(line) if wanted(&line) => return line,
                Some(_) => {}
                None => panic!("{}: waited in vain for {what}; seen: {:#?}", self.label, self.seen),
            }
        }
    }

    /// Takes lines until one is `text`.
    pub fn wait_for_line(&mut self, text: &str) {
        self.wait_for(&format!("{text:?}"), |line| line == text);
    }

    /// Closes the pipe as soon as the program writes another line.
    pub fn close(&mut self) {
        self.incoming = mpsc::channel().1;
    }

    /// Takes the lines that are there. Returns all lines that ever came.
    pub fn seen(&mut self) -> &[String] {
        self.seen.extend(self.incoming.try_iter());
        &self.seen
    }

    /// Waits for the end of the pipe. Returns all lines that ever came.
    pub fn to_end(&mut self) -> &[String] {
        while self.next_within(PATIENCE).is_some() {}
        &self.seen
    }
}

fn trimmed(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end_matches(['\r', '\n']).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_whole_however_they_went_in() {
        let mut lines = LineBuffer::default();
        lines.push(b"one\r");
        assert_eq!(lines.pop_line(), None);
        lines.push(b"\ntwo\nthr");
        assert_eq!(lines.pop_line().as_deref(), Some(&b"one\r\n"[..]));
        assert_eq!(lines.pop_line().as_deref(), Some(&b"two\n"[..]));
        assert_eq!(lines.pop_line(), None);
        assert_eq!(lines.pop_all(), b"thr");
    }
}
