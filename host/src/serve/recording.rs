//! Records what happens in a file. A thread writes it, so that a slow disk holds up nobody.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread;
use std::time::Duration;

use parlour_core::{Config, Limits};
use parlour_trace::{Header, Writer};

use crate::{names, output};

/// A trace that is being written.
pub(super) type Recording = Writer<Aside>;

/// Pieces that wait for the disk, at most: 16 MiB and more. A disk may stand still for some time.
const HELD: usize = 256;
const STACK: usize = 64 * 1024;
/// How long the end of the server waits for the disk.
const PATIENCE: Duration = Duration::from_secs(1);

/// Begins to record a hub that is new. The file is made, and only its owner may read it: clients say in confidence
/// what is in it.
///
/// # Errors
/// The file cannot be made or written, or there is no thread left.
pub(super) fn start(path: &Path, config: &Config<'_>, limits: &Limits) -> io::Result<Recording> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Writer::new(Aside::start(file)?, &Header::new(config, limits, names::LABEL, &[]))
}

/// Says that nothing more is recorded.
pub(super) fn report(error: &io::Error) {
    tracing::error!("nothing more is recorded: {}", output::reason(error));
}

/// A file that another thread writes.
#[derive(Debug)]
pub(crate) struct Aside {
    pieces: SyncSender<Vec<u8>>,
    /// Gets how it went, at the end or at the first error.
    ended: Receiver<io::Result<()>>,
}

impl Aside {
    fn start(mut file: File) -> io::Result<Self> {
        let (pieces, taken) = mpsc::sync_channel::<Vec<u8>>(HELD);
        let (sender, ended) = mpsc::channel();
        let work = move || {
            let written = taken.iter().try_for_each(|piece| file.write_all(&piece));
            drop(taken);
            // Nobody may ask.
            let _ = sender.send(written);
        };
        thread::Builder::new().name("record".into()).stack_size(STACK).spawn(work)?;
        Ok(Self { pieces, ended })
    }

    /// Waits until all is written.
    ///
    /// # Errors
    /// Those of the file, and `TimedOut` if the disk takes too long.
    pub(super) fn finish(self) -> io::Result<()> {
        drop(self.pieces);
        self.ended.recv_timeout(PATIENCE).unwrap_or_else(|_| Err(too_slow()))
    }
}

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.pieces.try_send(bytes.to_vec()) {
            Ok(()) => Ok(bytes.len()),
            Err(TrySendError::Full(_)) => Err(too_slow()),
            // The thread ends early only if the file cannot be written.
            Err(TrySendError::Disconnected(_)) => {
                let error = self.ended.recv_timeout(PATIENCE).ok().and_then(Result::err);
                Err(error.unwrap_or_else(|| ErrorKind::BrokenPipe.into()))
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn too_slow() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "the disk is too slow")
}
