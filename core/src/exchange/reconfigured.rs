//! What another configuration changes for those who are connected.

use crate::config::Config;
use crate::exchange::Exchange;

impl<'a> Exchange<'a> {
    /// Takes another configuration, which has the same listeners.
    pub(crate) fn reconfigure(&mut self, config: Config<'a>) {
        let Config { names, encodings, .. } = self.config;
        self.config = Config { names, encodings, ..config };
        self.rooms.set_grace(config.grace_ms);
        for slot in self.slots() {
            if !self.is_open(slot) {
                continue;
            }
            let rate = self.listener(slot).and_then(|listener| listener.rate);
            self.conns[slot].account.change_rate(rate);
            // It may be allowed to go on, and all that is due at some time may be due earlier.
            self.wake(slot);
            self.touch(slot);
            self.arm(slot, self.now);
        }
    }
}
