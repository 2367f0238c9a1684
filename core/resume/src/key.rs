//! The key of a session.

use core::fmt;
use core::hint::black_box;
use core::str::FromStr;

/// What lets a client resume its session. It is secret.
#[derive(Clone, Copy)]
pub struct Key {
    /// Names the session on the server.
    pub session: u64,
    secret: [u8; 16],
}

/// A text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoKey;

impl Key {
    /// A key with these random bytes, which nobody must be able to guess.
    pub const fn new(session: u64, secret: [u8; 16]) -> Self {
        Self { session, secret }
    }

    /// Whether it is the same. This takes as long for every other key.
    pub fn is(&self, other: &Self) -> bool {
        let differences = self.secret.iter().zip(&other.secret).fold(0, |all, (a, b)| all | (a ^ b));
        black_box(differences) == 0 && self.session == other.session
    }
}

/// No log must show it.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("session", &self.session).finish_non_exhaustive()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-", self.session)?;
        self.secret.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Key {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        let (session, secret) = text.split_once('-').ok_or(NoKey)?;
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if secret.len() != 32 || !is_hex(secret) || !is_hex(session) {
            return Err(NoKey);
        }
        let session = u64::from_str_radix(session, 16).map_err(|_| NoKey)?;
        let mut key = Self::new(session, [0; 16]);
        for (index, byte) in key.secret.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&secret[2 * index..][..2], 16).map_err(|_| NoKey)?;
        }
        Ok(key)
    }
}
