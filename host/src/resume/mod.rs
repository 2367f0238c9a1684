//! Resuming on a computer: keys from the system, and memory that grows as it is needed. The rest is in the crate
//! `parlour-resume`.

mod sieve;
mod stream;

use std::io;

pub(crate) use parlour_resume::{Key, Message, WINDOW as INPUT};
use rustix::rand::{GetRandomFlags, getrandom};

pub(crate) use self::sieve::Sieve;
pub(crate) use self::stream::Stream;

/// A new key, which nobody can guess.
///
/// # Errors
/// The system has no randomness.
pub(crate) fn new_key(session: u64) -> io::Result<Key> {
    let mut secret = [0; 16];
    let count = getrandom(&mut secret, GetRandomFlags::empty())?;
    if count == secret.len() {
        Ok(Key::new(session, secret))
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
