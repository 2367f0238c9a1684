//! What the service manager is told, as sd_notify(3) does it: that the server is ready, that it ends, how many clients
//! it has, and that its loop still turns.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant as Clock};

use rustix::time::{ClockId, clock_gettime};

/// How far apart two counts of clients are at least.
const BETWEEN: Duration = Duration::from_secs(2);

/// The service manager that started this process, if one did.
#[derive(Debug, Default)]
pub(super) struct Manager {
    socket: Option<UnixDatagram>,
    /// How often it wants to hear that the loop turns, and when it hears that next.
    watchdog: Option<(Duration, Clock)>,
    /// How many clients it knows of, and since when.
    told: Option<(usize, Clock)>,
    /// When it is told of others.
    tell_at: Option<Clock>,
    is_stopping: bool,
}

impl Manager {
    /// The one that the environment names.
    ///
    /// # Errors
    /// Its socket cannot be used.
    pub(super) fn of_environment() -> io::Result<Self> {
        let Some(path) = env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()) else {
            return Ok(Self::default());
        };
        let socket = UnixDatagram::unbound()?;
        // It is connected now, because files may be out of reach later.
        socket.connect_addr(&address(&path)?)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket: Some(socket), watchdog: watchdog(), ..Self::default() })
    }

    /// All listeners are ready.
    pub(super) fn tell_ready(&self) {
        self.tell("READY=1\n");
    }

    /// The server reads its options again, until it is ready.
    pub(super) fn tell_reload(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\n"));
    }

    /// The server ends. Told once.
    pub(super) fn tell_end(&mut self) {
        if !std::mem::replace(&mut self.is_stopping, true) {
            self.tell("STOPPING=1\nSTATUS=shutting down\n");
        }
    }

    /// When [`Self::tell_state`] has something to tell, if nothing changes.
    pub(super) fn next_at(&self) -> Option<Clock> {
        self.watchdog.map(|(_, at)| at).into_iter().chain(self.tell_at).min()
    }

    /// Tells that the loop turns, and how many clients there are, if that is due.
    pub(super) fn tell_state(&mut self, now: Clock, clients: usize) {
        if self.socket.is_none() {
            return;
        }
        if let Some((interval, at)) = self.watchdog.filter(|(_, at)| *at <= now) {
            self.tell("WATCHDOG=1\n");
            self.watchdog = Some((interval, at.max(now) + interval));
        }
        self.tell_at = match self.told {
            _ if self.is_stopping => None,
            Some((told, _)) if told == clients => None,
            Some((_, since)) if now < since + BETWEEN => Some(since + BETWEEN),
            _ => {
                let s = if clients == 1 { "" } else { "s" };
                self.tell(&format!("STATUS={clients} client{s}\n"));
                self.told = Some((clients, now));
                None
            }
        };
    }

    fn tell(&self, text: &str) {
        if let Some(socket) = &self.socket {
            // A manager that does not listen is told nothing.
            let _ = socket.send(text.as_bytes());
        }
    }
}

fn address(path: &OsStr) -> io::Result<SocketAddr> {
    match path.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(path),
    }
}

/// Half of the time after which the manager takes the server for dead.
fn watchdog() -> Option<(Duration, Clock)> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let is_mine = env::var_os("WATCHDOG_PID").is_none()
        || number("WATCHDOG_PID") == Some(u64::from(std::process::id()));
    let interval = Duration::from_micros(number("WATCHDOG_USEC")?) / 2;
    (is_mine && !interval.is_zero()).then(|| (interval, Clock::now()))
}
