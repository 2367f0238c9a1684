//! Resuming on a computer: keys from the system, and memory that grows as it is needed. The rest is in the crate
//! `parlour-resume`.

mod sieve;
mod stream;

use std::io;

pub(crate) use parlour_resume::{Key, Message, WINDOW as INPUT};
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::{Digest, Sha256};

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

/// What a file may have of a key: nobody can find the key by it, because nobody can try all keys.
pub(crate) fn hash(key: &Key) -> [u8; 32] {
    Sha256::digest(key.to_string()).into()
}
