//! The settings that change without a new build. An emulated board gets them as words such as
//! `grace=300`. A real board has no way to get them.

use parlour_core::OnLag;
use parlour_firmware::GREETING;

use crate::choices::MAX_CONNS;

/// The choices; `None` is the board's or the hub's default.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) max_conns: usize,
    pub(crate) line: Option<usize>,
    pub(crate) log: Option<usize>,
    pub(crate) grace_ms: Option<u32>,
    pub(crate) idle_ms: Option<u32>,
    pub(crate) on_lag: OnLag,
    /// How many of the last messages a newcomer is shown, if the log still has them.
    pub(crate) history: u32,
    pub(crate) greeting: heapless::String<GREETING>,
    /// How long a client may take to come back.
    #[cfg(feature = "sessions")]
    pub(crate) away_ms: Option<u32>,
}

impl Settings {
    /// All defaults.
    pub(crate) const DEFAULT: Self = Self {
        max_conns: MAX_CONNS,
        line: None,
        log: None,
        grace_ms: None,
        idle_ms: None,
        on_lag: OnLag::Disconnect,
        history: 20,
        greeting: heapless::String::new(),
        #[cfg(feature = "sessions")]
        away_ms: None,
    };
}

#[cfg(feature = "emulated")]
impl Settings {
    /// Applies a word; `None` if the word is unknown.
    pub(crate) fn set(&mut self, word: &str) -> Option<()> {
        let (name, value) = word.split_once('=')?;
        match name {
            "max-conns" => self.max_conns = value.parse().ok()?,
            "line" => self.line = Some(value.parse().ok()?),
            "log" => self.log = Some(value.parse().ok()?),
            "grace" => self.grace_ms = Some(value.parse().ok()?),
            "idle" => self.idle_ms = Some(value.parse().ok()?),
            "lag" if value == "skip" => self.on_lag = OnLag::Skip,
            "lag" if value == "replay" => self.on_lag = OnLag::Replay,
            "lag" if value == "disconnect" => self.on_lag = OnLag::Disconnect,
            "history" => self.history = value.parse().ok()?,
            "greeting" => self.greeting = unescaped(value)?,
            #[cfg(feature = "sessions")]
            "away" => self.away_ms = Some(value.parse().ok()?),
            _ => return None,
        }
        Some(())
    }
}

/// Decodes percent escapes. A word cannot have blanks, so they come as escapes.
#[cfg(feature = "emulated")]
fn unescaped(text: &str) -> Option<heapless::String<GREETING>> {
    let mut bytes = heapless::Vec::<u8, GREETING>::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            byte => byte,
        };
        bytes.push(byte).ok()?;
    }
    heapless::String::from_utf8(bytes).ok()
}
