//! `parlour backup`: a copy of a journal, also while the server writes it.

mod error;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use parlour_journal::{Backup, BackupError};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use self::error::{exit_code, text};
use crate::output::complain;

/// How often to look for signals, and how often of these times to tell how far it is.
const LOOK: Duration = Duration::from_millis(50);
const TELL: u32 = 10;

const AFTER: &str = "\
Examples:
  parlour backup chat.db saturday.db
  parlour backup --force chat.db /mnt/backup/chat.db

Exit codes:
  0  the copy is made
  1  it was interrupted, or could not be written; there is no copy
  2  the journal cannot be read, the copy is there already, or the command line is wrong";

/// Copy a journal, also while the server writes it
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = AFTER)]
pub struct BackupOptions {
    /// The journal: the file that `parlour --journal FILE` writes
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The copy. It must not be there yet
    #[arg(value_name = "TO")]
    to: PathBuf,

    /// Replace TO if it is there, once the copy is whole
    #[arg(long)]
    force: bool,
}

/// Makes the copy. Returns the process's exit code.
pub fn run(options: &BackupOptions) -> ExitCode {
    match copy(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("parlour: {}", text(&error, options.file.as_path())));
            exit_code(&error)
        }
    }
}

fn copy(options: &BackupOptions) -> Result<(), BackupError> {
    let is_asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, is_asked.clone())
            .map_err(|error| BackupError::File(options.to.clone(), error))?;
    }
    let backup = Backup::prepare(&options.file, &options.to, options.force)?;
    let (handle, part, size) = (backup.interrupt_handle(), backup.part().to_owned(), backup.size()?);
    let (sender, ended) = mpsc::channel();
    let thread = thread::spawn(move || {
        // It is waited for.
        let _ = sender.send(backup.run());
    });
    let mut progress = Progress { is_wanted: io::stderr().is_terminal(), looks: 0, shown: 0 };
    let result = loop {
        match ended.recv_timeout(LOOK) {
            Ok(result) => break result,
            Err(RecvTimeoutError::Timeout) => {}
            // A panic was printed already.
            Err(RecvTimeoutError::Disconnected) => break Err(BackupError::Interrupted),
        }
        if is_asked.load(Ordering::Relaxed) {
            handle.interrupt();
        }
        progress.tell(&part, size);
    };
    let _ = thread.join();
    result
}

/// Tells people at a terminal how far it is.
struct Progress {
    is_wanted: bool,
    looks: u32,
    shown: usize,
}

impl Progress {
    fn tell(&mut self, part: &Path, size: u64) {
        self.looks += 1;
        if !self.is_wanted || !self.looks.is_multiple_of(TELL) {
            return;
        }
        let written = fs::metadata(part).map_or(0, |metadata| metadata.len());
        // The copy may be a little larger than the journal was at the beginning.
        let text = format!("parlour: {}% of {} MB", (written * 100 / size.max(1)).min(99), size / 1_000_000);
        self.shown = self.shown.max(text.len());
        // If nobody sees it, nothing is lost.
        let _ = write!(io::stderr(), "\r{text}");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown > 0 {
            let _ = write!(io::stderr(), "\r{:1$}\r", "", self.shown);
        }
    }
}
