//! The file of a Unix socket, and the lock beside it. Only the process that holds the lock may make,
//! replace or remove the file. So two servers that start at once cannot both take a path, and neither
//! removes the other's file.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

/// The right to make a socket file at a path. There is no file at the path now.
#[derive(Debug)]
pub(super) struct Claim {
    path: PathBuf,
    lock: Lock,
}

/// This process's own socket file. Dropping it removes the file and then the lock.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    id: (u64, u64),
    /// Dropped after the socket file is gone.
    _lock: Lock,
}

impl Claim {
    /// Takes the path. A socket file on which nobody listens any more is removed.
    ///
    /// # Errors
    /// Another program uses the path, or the file there is not a socket, or a system call failed.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let lock = Lock::take(path)?;
        remove_stale(path)?;
        Ok(Self { path: path.to_owned(), lock })
    }

    /// Call this when the socket file has been made.
    ///
    /// # Errors
    /// Somebody has removed the file since.
    pub(super) fn made(self) -> io::Result<SocketFile> {
        let id = id(&fs::symlink_metadata(&self.path)?);
        Ok(SocketFile { path: self.path, id, _lock: self.lock })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        remove_own(&self.path, self.id);
    }
}

/// The lock of a path: a locked file beside it, removed when dropped. If a program was killed, its
/// lock file stays but is no longer locked.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    fn take(socket: &Path) -> io::Result<Self> {
        let mut path = socket.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let about = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        loop {
            // Do not follow a link: it could lead to a file that was never meant as a lock.
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW);
            let file = options.open(&path).map_err(about)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(in_use()),
                Err(TryLockError::Error(error)) => return Err(about(error)),
            }
            // The last holder may just have removed the file. Then this lock protects nothing.
            if is_at(&path, id(&file.metadata()?)) {
                return Ok(Self { path, file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Ok(metadata) = self.file.metadata() {
            remove_own(&self.path, id(&metadata));
        }
    }
}

fn in_use() -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, "it is in use by another program")
}

/// Device and inode, which identify a file. No other file gets them as long as this one is open or
/// bound.
fn id(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn is_at(path: &Path, wanted: (u64, u64)) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| id(&metadata) == wanted)
}

/// Removes a file if it is still the same. Only the holder of the lock may call this.
fn remove_own(path: &Path, own: (u64, u64)) {
    if is_at(path, own) {
        // If somebody else removed the file, there is nothing left to do.
        let _ = fs::remove_file(path);
    }
}

/// Removes a socket file if nobody listens on it.
fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(file) if !file.file_type().is_socket() => {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "there is a file of that name that is not a socket",
            ));
        }
        Ok(_) => {}
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        // Another program listens. Its backlog may be full (connect(2)).
        Ok(()) => Err(in_use()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(in_use()),
        Err(error) => Err(error),
    }
}
