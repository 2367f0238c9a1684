//! A thread that makes blocking calls for a thread that must not block. A pair of sockets joins the
//! two, so the other thread can wait for room as it waits for any descriptor.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, RawFd};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// The most bytes in one piece.
pub(crate) const PIECE: usize = 16 * 1024;
/// The kernel's memory for pieces that the thread has not taken yet, in bytes.
const HELD: usize = 64 * 1024;
const STACK: usize = 64 * 1024;
/// How long to wait before a write is tried again, if another process has made the descriptor
/// non-blocking.
const PAUSE: Duration = Duration::from_millis(10);

/// The near end of the thread.
#[derive(Debug)]
pub(crate) struct Pump {
    near: Socket,
}

impl Pump {
    /// Starts a thread that gives each piece to `take` until that returns `false`.
    ///
    /// # Errors
    /// There are no descriptors or threads left.
    pub(crate) fn start(mut take: impl FnMut(&[u8]) -> bool + Send + 'static) -> io::Result<Self> {
        let (near, far) = pair()?;
        let work = move || {
            let mut piece = vec![0; PIECE];
            loop {
                match (&far).read(&mut piece) {
                    Ok(len @ 1..) if take(&piece[..len]) => {}
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    _ => return,
                }
            }
        };
        thread::Builder::new().name("output".into()).stack_size(STACK).spawn(work)?;
        Ok(Self { near })
    }

    /// Sends a piece of up to [`PIECE`] bytes to the thread: all of it, or nothing.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room now, `InvalidInput` if the piece is too large, and other errors
    /// if the thread has ended.
    pub(crate) fn send(&self, piece: &[u8]) -> io::Result<()> {
        if piece.len() > PIECE {
            return Err(ErrorKind::InvalidInput.into());
        }
        self.near.send(piece).map(drop)
    }

    /// A descriptor that is writable when there is room again.
    pub(crate) fn fd(&self) -> RawFd {
        self.near.as_raw_fd()
    }

    /// Waits until the thread has handled all pieces, for `limit` at most. No more pieces can follow.
    pub(crate) fn finish(&self, limit: Duration) {
        // These calls fail only if the thread has ended already.
        let _ = self.near.shutdown(Shutdown::Write);
        let _ = self.near.set_nonblocking(false);
        let _ = self.near.set_read_timeout(Some(limit));
        // The input ends when the thread drops its socket.
        let _ = (&self.near).read(&mut [0]);
    }
}

/// Two ends for pieces. The first end never blocks, and takes a limited number of pieces ahead.
pub(super) fn pair() -> io::Result<(Socket, Socket)> {
    let (near, far) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None)?;
    near.set_nonblocking(true)?;
    near.set_send_buffer_size(HELD)?;
    Ok((near, far))
}

/// Writes all of `bytes`, even if another process that shares the descriptor has made it non-blocking.
///
/// # Errors
/// The errors of write(2).
pub(crate) fn write_all(mut output: &File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(len) => bytes = &bytes[len..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{PIECE, Pump};
    use std::io::ErrorKind;
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    /// Longer than any test takes, unless it hangs.
    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn all_that_went_in_is_taken_before_the_end() {
        let (sender, taken) = mpsc::channel();
        let pump = Pump::start(move |piece| sender.send(piece.to_vec()).is_ok()).expect("a thread");
        pump.send(b"one\n").expect("place");
        pump.send(&[b'x'; PIECE]).expect("place");
        pump.finish(LONG);
        assert_eq!(taken.try_iter().map(|piece| piece.len()).collect::<Vec<_>>(), [4, PIECE]);
    }

    #[test]
    fn who_does_not_take_holds_up_neither_the_sender_nor_the_end() {
        let (sender, goes_on) = mpsc::channel::<()>();
        let pump = Pump::start(move |_| goes_on.recv().is_ok()).expect("a thread");
        let error = (0..1_000).find_map(|_| pump.send(&[b'x'; 1_000]).err()).expect("an end of the place");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        let start = Instant::now();
        pump.finish(Duration::from_millis(10));
        assert!(start.elapsed() < LONG);
        drop(sender);
    }

    #[test]
    fn nothing_goes_in_that_is_too_long_or_that_nobody_takes() {
        let pump = Pump::start(|_| false).expect("a thread");
        assert_eq!(pump.send(&[b'x'; PIECE + 1]).map_err(|error| error.kind()), Err(ErrorKind::InvalidInput));
        pump.send(b"x").expect("place");
        pump.finish(LONG);
        assert!(pump.send(b"x").is_err());
    }
}
