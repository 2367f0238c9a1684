//! All faults stop: everybody reads, everything is decided, every page comes. Then everybody is told
//! everything.

use super::case::Case;

/// Turns until everything is told, at the most.
const TURNS: usize = 300;

impl Case<'_> {
    pub(super) fn settle(&mut self) {
        let mut quiet = 0;
        for turn in 0..TURNS {
            while self.take_proposal() {}
            while self.council.decide(&mut self.rng) {}
            while self.tell_decision() {}
            self.for_all(|case, client| case.offer(client, usize::MAX));
            self.all_read();
            self.hear();
            // A page may have nothing for a client but its own.
            let is_paging = self.terms.is_good && self.store.has_pages();
            while self.store.has_pages() {
                self.answer_a_page();
            }
            // At last so much that pages which never come are given up.
            self.advance(if turn < 40 { 10 } else { 400 });
            quiet = if self.is_quiet() && !is_paging { quiet + 1 } else { 0 };
            if quiet == 3 {
                self.clients.iter_mut().for_each(super::client::Client::is_up_to_date);
                return;
            }
        }
        let shown: Vec<_> = self.clients.iter().map(super::client::Client::shown).collect();
        panic!("it does not come to rest: {shown:#?}");
    }

    /// All clients read everything that waits for them.
    pub(super) fn all_read(&mut self) {
        self.for_all(|case, client| case.read_up_to(client, usize::MAX));
    }

    fn for_all(&mut self, act: impl Fn(&mut Self, usize)) {
        for conn in self.clients.iter().map(|client| client.conn).collect::<Vec<_>>() {
            if let Some(index) = self.clients.iter().position(|client| client.conn == conn) {
                act(self, index);
            }
        }
    }

    fn is_quiet(&self) -> bool {
        let is_done = |client: &super::client::Client| {
            client.knows_all()
                && client.input.is_empty()
                && client.doing.is_empty()
                && (client.relayed.is_empty() || client.listener.relay.unfinished_ms.is_none())
                && !self.hub.interest(client.conn).write
        };
        self.council.is_done() && self.clients.iter().all(is_done)
    }
}
