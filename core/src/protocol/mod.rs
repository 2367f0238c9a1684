//! The protocols, one file for each. A protocol gives the bytes of a listener a meaning. A protocol acts
//! on the exchange, and the hub calls it through [`Behaviour`].

mod chat;
mod command;
#[cfg(feature = "console")]
pub(crate) mod console;
mod echo;
mod foreign;
mod lines;
mod listing;
mod past;
#[cfg(feature = "relay")]
mod relay;

#[cfg(feature = "large")]
pub(crate) use self::past::words;
use crate::config::Protocol;
use crate::conn::Slot;
use crate::exchange::{Exchange, GapText};
use crate::io::Refusal;

/// How a protocol treats its connections.
pub(crate) trait Behaviour {
    /// A connection is new.
    fn opened(&self, _x: &mut Exchange<'_>, _slot: Slot) {}

    /// About how many bytes an open connection would take now. It follows from the same state as
    /// [`Behaviour::received`].
    fn appetite(&self, x: &Exchange<'_>, slot: Slot) -> usize;

    /// Takes as much of the input as it can act on. Returns how much.
    fn received(&self, x: &mut Exchange<'_>, slot: Slot, input: &[u8]) -> usize;

    /// Whether the end of the input can be acted on: there is appetite, or nothing is left that needs
    /// it.
    fn may_end(&self, x: &Exchange<'_>, slot: Slot) -> bool {
        self.appetite(x, slot) > 0
    }

    /// The input has ended, all of it was taken, and [`Behaviour::may_end`] returned true.
    fn ended(&self, x: &mut Exchange<'_>, slot: Slot);

    /// The connection is about to end, but not by its client. The protocol may still act on its input.
    fn last_words(&self, _x: &mut Exchange<'_>, _slot: Slot) {}

    /// Whether a silent connection does not count as idle.
    fn may_be_silent(&self, _x: &Exchange<'_>, _slot: Slot, _idle_ms: u32) -> bool {
        false
    }

    /// The time that was set with [`Exchange::set_timer`] has come.
    fn timer(&self, _x: &mut Exchange<'_>, _slot: Slot) {}

    /// The connection may now be able to go on. In any state, it must free the memberships that it is
    /// leaving.
    fn resume(&self, x: &mut Exchange<'_>, slot: Slot) {
        x.let_go(slot);
    }

    /// Tells the connection something, if the protocol has words.
    fn tell(&self, _x: &mut Exchange<'_>, _slot: Slot, _text: &str) {}

    /// The text for a newcomer that is not let in.
    fn refusal(&self, _refusal: Refusal) -> &'static str {
        ""
    }

    /// The text for a gap. It is empty if a gap does harm. Then a client that lags is disconnected.
    fn gap(&self, _missed: u32) -> GapText {
        GapText::new()
    }
}

/// The longest text of all for a gap.
pub(crate) fn longest_gap() -> GapText {
    chat::gap_text(u32::MAX)
}

/// The behaviour of each protocol that was built in.
pub(crate) fn behaviour(protocol: Protocol) -> &'static dyn Behaviour {
    match protocol {
        Protocol::Echo => &echo::Echo,
        Protocol::Chat => &chat::Chat,
        #[cfg(feature = "relay")]
        Protocol::Relay => &relay::Relay,
        #[cfg(feature = "console")]
        Protocol::Console => &console::Console,
        // The hub lets nobody in to a listener whose protocol was not built in.
        #[cfg(not(all(feature = "relay", feature = "console")))]
        _ => &echo::Echo,
    }
}
