//! Clients of a chat that say much, as fast as they can.
//!
//! Knows how their lines look; knows nothing of the server.

use std::env;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::Range;
use std::thread::{self, JoinHandle};

use crate::client::{Client, Stream};

/// The bytes of each line behind its number. It is as long as what people write.
const FILL: &str = "and then some more of what people write when they have much to say";

/// How many lines go out in one write.
const AT_ONCE: usize = 1000;

/// How many times as much is said as in an ordinary run. `PARLOUR_LOAD=20` lets tests say twenty times as much.
///
/// # Panics
/// If the environment asks for something that is no number.
#[must_use]
pub fn load() -> usize {
    env::var("PARLOUR_LOAD").map_or(1, |text| text.parse().expect("PARLOUR_LOAD is a number"))
}

/// The line with this number.
#[must_use]
pub fn line(number: usize) -> String {
    format!("{number:07} {FILL}")
}

/// The number of a line, unless somebody else has said it, or not all of it is there.
#[must_use]
pub fn number(line: &[u8]) -> Option<usize> {
    let number = line.strip_suffix(FILL.as_bytes())?.strip_suffix(b" ")?;
    str::from_utf8(number).ok()?.parse().ok()
}

/// A client that has a name, and has said nothing.
#[derive(Debug)]
pub struct Talker {
    stream: TcpStream,
}

impl Talker {
    /// Enters a chat that listens on TCP. Nobody may talk there yet.
    ///
    /// # Panics
    /// If the server does not welcome it.
    #[must_use]
    pub fn named(address: &str, name: &str) -> Self {
        match Client::named(address, name).into_stream() {
            Stream::Tcp(stream) => Self { stream },
            Stream::Unix(_) => panic!("{address} is no address of TCP"),
        }
    }

    /// Says the lines with these numbers as fast as the server takes them, and leaves. The thread ends when the
    /// server has taken all of them.
    #[must_use]
    pub fn talk(self, numbers: Range<usize>) -> JoinHandle<()> {
        let Self { mut stream } = self;
        thread::spawn(move || {
            let mut heard = stream.try_clone().expect("a socket");
            // One that talks alone hears nothing.
            heard.set_read_timeout(None).expect("a socket");
            let listener = thread::spawn(move || io::copy(&mut heard, &mut io::sink()));
            let mut numbers = numbers.peekable();
            while numbers.peek().is_some() {
                let lines: String =
                    numbers.by_ref().take(AT_ONCE).map(|number| line(number) + "\n").collect();
                stream.write_all(lines.as_bytes()).expect("the server takes it");
            }
            stream.shutdown(Shutdown::Write).expect("a socket");
            listener.join().expect("no panic").expect("the server closes in order");
        })
    }
}
