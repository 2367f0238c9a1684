//! The log goes to standard error, or among the lines of a console on the same terminal. The process
//! never waits for its reader. Lines without room are lost. As soon as there is room again, the log
//! says how many were lost.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use socket2::Socket;

use super::pump::{PIECE, Pump, pair, write_all};

/// How long the process waits at its end for the last lines to be taken.
const LAST_MOMENT: Duration = Duration::from_millis(500);

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// An object of JSON on each line
    Json,
}

/// Takes lines, each in one write. Drops lines that standard error does not take.
#[derive(Debug)]
pub struct Log {
    format: LogFormat,
    pump: Pump,
    lost: Arc<AtomicU64>,
    diverted: Mutex<Option<Diverted>>,
}

/// The place where lines go instead of standard error, and how many of them were lost there.
#[derive(Debug)]
struct Diverted {
    near: Socket,
    lost: Arc<AtomicU64>,
}

impl Log {
    /// Starts the log.
    ///
    /// # Errors
    /// There are no descriptors or threads left.
    pub fn start(format: LogFormat) -> io::Result<Self> {
        // Not `Stderr`: a write that blocks would keep it locked. Then no other thread could complain,
        // or even panic.
        let output = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        Self::to(output, format)
    }

    fn to(output: File, format: LogFormat) -> io::Result<Self> {
        let lost = Arc::new(AtomicU64::new(0));
        let lost_before = Arc::clone(&lost);
        let pump = Pump::start(move |line| {
            let count = lost_before.load(Ordering::Relaxed);
            if count > 0 && write_all(&output, notice(count, format).as_bytes()).is_ok() {
                lost_before.fetch_sub(count, Ordering::Relaxed);
            }
            if write_all(&output, line).is_err() {
                lost_before.fetch_add(1, Ordering::Relaxed);
            }
            true
        })?;
        Ok(Self { format, pump, lost, diverted: Mutex::default() })
    }

    /// Sends the lines to the returned value instead of standard error, until it is dropped.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub(crate) fn divert(&self) -> io::Result<LogLines> {
        let (near, far) = pair()?;
        far.set_nonblocking(true)?;
        let lost = Arc::new(AtomicU64::new(0));
        let diverted = Diverted { near, lost: Arc::clone(&lost) };
        *self.diverted.lock().unwrap_or_else(PoisonError::into_inner) = Some(diverted);
        Ok(LogLines { format: self.format, far, lost })
    }

    /// Sends a line on, or counts it as lost.
    fn send(&self, line: &[u8]) {
        let mut place = self.diverted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Diverted { near, lost }) = &*place {
            match near.send(line) {
                Ok(_) => return,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    lost.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                // Nobody reads there any more.
                Err(_) => {
                    self.lost.fetch_add(lost.load(Ordering::Relaxed), Ordering::Relaxed);
                    *place = None;
                }
            }
        }
        if self.pump.send(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits a moment for the last lines to be taken.
    pub fn finish(&self) {
        self.pump.finish(LAST_MOMENT);
    }
}

impl Write for &Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.send(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines of a log that go elsewhere than to standard error.
#[derive(Debug)]
pub(crate) struct LogLines {
    format: LogFormat,
    far: Socket,
    lost: Arc<AtomicU64>,
}

impl LogLines {
    /// A descriptor that is readable when there are lines.
    pub(crate) fn fd(&self) -> RawFd {
        self.far.as_raw_fd()
    }

    /// Takes the lines that have come, each with its line ending.
    pub(crate) fn take(&mut self) -> String {
        let mut lines = String::new();
        self.read(|line| lines += &String::from_utf8_lossy(line));
        let count = self.lost.swap(0, Ordering::Relaxed);
        if count > 0 {
            lines += &notice(count, self.format);
        }
        lines
    }

    /// Drops the lines that have come.
    pub(crate) fn lose(&mut self) {
        let mut count = 0;
        self.read(|_| count += 1);
        self.lost.fetch_add(count, Ordering::Relaxed);
    }

    fn read(&mut self, mut take: impl FnMut(&[u8])) {
        let mut line = vec![0; PIECE];
        while let Ok(len @ 1..) = self.far.read(&mut line) {
            take(&line[..len]);
        }
    }
}

fn notice(lost: u64, format: LogFormat) -> String {
    let now = humantime::format_rfc3339_micros(SystemTime::now());
    let text = format!("{lost} lines of the log are lost, because they were not taken in time");
    match format {
        LogFormat::Text => format!("{now}  WARN {text}\n"),
        // There is nothing in it that must be escaped.
        LogFormat::Json => format!("{{\"timestamp\":\"{now}\",\"level\":\"WARN\",\"message\":\"{text}\"}}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Log, LogFormat};
    use std::fs::File;
    use std::io::{Read, Write, pipe};

    #[test]
    fn lines_that_nobody_takes_are_lost_and_counted() {
        const LINES: usize = 100_000;
        let (mut reader, writer) = pipe().expect("a pipe");
        let log = Log::to(File::from(std::os::fd::OwnedFd::from(writer)), LogFormat::Text).expect("a log");
        for number in 0..LINES {
            // In one write, because each write counts as a line.
            (&log).write_all(format!("line {number}\n").as_bytes()).expect("never an error");
        }
        let rest = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).expect("text");
            text
        });
        log.finish();
        drop(log);
        let text = rest.join().expect("the text");
        let count = |text: &str| text.lines().filter(|line| line.starts_with("line ")).count();
        let notices = text.lines().filter_map(|line| line.split_once(" WARN "));
        let number = |text: &str| text.split(' ').next().and_then(|lost| lost.parse::<usize>().ok());
        let lost: usize = notices.map(|(_, text)| number(text).expect("a number")).sum();
        assert!(lost > 0);
        assert_eq!(lost + count(&text), LINES, "each line was written or counted");
    }

    #[test]
    fn the_notice_of_lost_lines_is_json_too() {
        let text = super::notice(7, LogFormat::Json);
        let (start, end) = text.split_once("\",\"level\"").expect("a level");
        assert!(start.starts_with("{\"timestamp\":\"2") && start.ends_with('Z'), "{text}");
        let message = "7 lines of the log are lost, because they were not taken in time";
        assert_eq!(end, format!(":\"WARN\",\"message\":\"{message}\"}}\n"));
    }

    #[test]
    fn diverted_lines_go_to_their_reader_while_there_is_one() {
        let (mut reader, writer) = pipe().expect("a pipe");
        let log = Log::to(File::from(std::os::fd::OwnedFd::from(writer)), LogFormat::Text).expect("a log");
        let say = |line: &str| (&log).write_all(line.as_bytes()).expect("never an error");
        say("before\n");
        let mut lines = log.divert().expect("a reader");
        say("one\n");
        say("two\n");
        assert_eq!(lines.take(), "one\ntwo\n");
        assert_eq!(lines.take(), "");
        let sent = 10_000;
        (0..sent).for_each(|_| say("line\n"));
        let text = lines.take();
        let (taken, notice) = (text.matches("line\n").count(), text.lines().next_back());
        let expected = format!(" {} lines of the log are lost", sent - taken);
        assert!(
            taken < sent && notice.is_some_and(|notice| notice.contains(&expected)),
            "{taken} {notice:?}"
        );
        say("unseen\n");
        lines.lose();
        say("last\n");
        let text = lines.take();
        assert!(text.starts_with("last\n") && text.contains(" 1 lines of the log are lost"), "{text}");
        drop(lines);
        say("after\n");
        log.finish();
        drop(log);
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("text");
        assert_eq!(text, "before\nafter\n");
    }
}
