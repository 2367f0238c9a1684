//! The log, on standard error. Nothing waits for who reads it: lines for which there is no place
//! are lost, and their number is told as soon as lines are taken again.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::pump::{Pump, write_all};

/// How long the end of the process waits for the last lines to be taken.
const LAST_MOMENT: Duration = Duration::from_millis(500);

/// Takes lines, each in one write, and loses those that standard error does not take.
#[derive(Debug)]
pub struct Log {
    pump: Pump,
    lost: Arc<AtomicU64>,
}

impl Log {
    /// Starts the log.
    ///
    /// # Errors
    /// There are no descriptors or threads left.
    pub fn start() -> io::Result<Self> {
        // Not through `Stderr`: while that is locked by a write that blocks, nobody else could
        // complain, and not even panic.
        let output = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        Self::to(output)
    }

    fn to(output: File) -> io::Result<Self> {
        let lost = Arc::new(AtomicU64::new(0));
        let lost_before = Arc::clone(&lost);
        let pump = Pump::start(move |line| {
            let count = lost_before.load(Ordering::Relaxed);
            if count > 0 && write_all(&output, notice(count).as_bytes()).is_ok() {
                lost_before.fetch_sub(count, Ordering::Relaxed);
            }
            if write_all(&output, line).is_err() {
                lost_before.fetch_add(1, Ordering::Relaxed);
            }
            true
        })?;
        Ok(Self { pump, lost })
    }

    /// Waits a moment for the last lines to be taken.
    pub fn finish(&self) {
        self.pump.finish(LAST_MOMENT);
    }
}

impl Write for &Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.pump.send(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn notice(lost: u64) -> String {
    let now = humantime::format_rfc3339_micros(SystemTime::now());
    format!("{now}  WARN {lost} lines of the log are lost, because they were not taken in time\n")
}

#[cfg(test)]
mod tests {
    use super::Log;
    use std::fs::File;
    use std::io::{Read, Write, pipe};

    #[test]
    fn lines_that_nobody_takes_are_lost_and_counted() {
        const LINES: usize = 100_000;
        let (mut reader, writer) = pipe().expect("a pipe");
        let log = Log::to(File::from(std::os::fd::OwnedFd::from(writer))).expect("a log");
        for number in 0..LINES {
            // As one write, which counts as a line.
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
}
