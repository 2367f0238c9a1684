//! The operator: a connection of the hub on standard input and output instead of a socket. As always,
//! the hub decides when to read, write and close. What the operator watches comes from a follower.

use std::time::Instant as Clock;

use parlour_core::{Close, ConnId, Followed, FollowerId, Input, ListenerId};

use super::base::{Base, Target};
use super::leftover::Leftover;
use super::links::Links;
use crate::poll::Poller;
use crate::serve::console::{Console, Typed};
use crate::serve::forget;
use crate::serve::own_commands::{Cutter, Order, WITH_JOURNAL};

/// The console, and its connection of the hub.
#[derive(Debug)]
pub(super) struct Operator {
    console: Box<dyn Console>,
    /// `None` once the hub has closed it. Queued output may still go to standard output.
    id: Option<ConnId>,
    leftover: Leftover,
    cutter: Cutter,
}

impl Operator {
    /// Connects the console to the hub. With `watch` it gets all messages. `None` if the hub has no
    /// place.
    pub(super) fn open<P: Poller>(
        base: &mut Base<'_, P>,
        console: Box<dyn Console>,
        listener: ListenerId,
        watch: bool,
    ) -> Option<Self> {
        let id = base.handle(Input::Accepted { listener, peer: None }).opened().ok()?;
        if watch {
            // A place for this follower was counted.
            let _ = base.hub.watch(id);
        }
        for fd in console.wakers() {
            base.watch(fd, Target::ConsoleWaker, true, false);
        }
        let cutter = Cutter::new(if base.has_journal() { WITH_JOURNAL } else { &[] });
        let mut operator = Self { console, id: Some(id), leftover: Leftover::default(), cutter };
        operator.service(base);
        Some(operator)
    }

    pub(super) fn is(&self, id: ConnId) -> bool {
        self.id == Some(id)
    }

    /// Whether output waits for standard output.
    pub(super) fn is_pending(&self) -> bool {
        self.console.is_pending()
    }

    /// Waits a moment for standard output to take the last bytes.
    pub(super) fn finish(&mut self) {
        self.console.finish();
    }

    /// When the console has something to do.
    pub(super) fn deadline(&self) -> Option<Clock> {
        self.console.deadline()
    }

    /// Does what the console has to do besides reading and writing.
    pub(super) fn wake<P: Poller>(&mut self, base: &mut Base<'_, P>, links: &Links, now: Clock) {
        // The console gives up standard output while the process is stopped.
        base.unwatch(self.console.output_fd());
        let typed = self.console.wake(now, &|| links.names(base));
        self.take(base, &typed);
    }

    /// Reads standard input once.
    pub(super) fn read<P: Poller>(&mut self, base: &mut Base<'_, P>, links: &Links) {
        let typed = self.console.read(&|| links.names(base)).unwrap_or_else(|error| {
            tracing::info!("standard input cannot be read any more: {error}");
            Typed { is_end: true, ..Typed::default() }
        });
        self.take(base, &typed);
    }

    /// Passes the typed commands to the hub, and brings the console up to date.
    fn take<P: Poller>(&mut self, base: &mut Base<'_, P>, typed: &Typed) {
        if let Some(id) = self.id {
            let mut orders = self.cutter.take(&typed.commands);
            if typed.is_end {
                orders.extend(self.cutter.end());
            }
            orders.into_iter().for_each(|order| self.obey(base, order));
            if typed.is_end {
                if let Some((fd, _)) = self.console.input() {
                    base.unwatch(fd);
                }
                self.console.close_input();
                base.handle(Input::PeerClosed { conn: id });
            }
            self.service(base);
        }
        self.flush(base);
    }

    fn obey<P: Poller>(&mut self, base: &mut Base<'_, P>, order: Order) {
        match order {
            Order::Hub(bytes) => self.leftover.extend(&bytes),
            Order::Help => self.console.answer(self.cutter.help().as_bytes()),
            Order::Own(_, text) => match forget::whom(&text) {
                Some(whom) => base.forget(whom),
                None => self.tell(base, &[forget::USAGE.to_owned()]),
            },
        }
    }

    /// Tells the operator something that the hub does not know.
    pub(super) fn tell<P: Poller>(&mut self, base: &mut Base<'_, P>, lines: &[String]) {
        for line in lines {
            self.console.answer(format!("-- {line}\n").as_bytes());
        }
        self.flush(base);
    }

    /// Does what the hub wants with the connection.
    pub(super) fn service<P: Poller>(&mut self, base: &mut Base<'_, P>) {
        let Some(id) = self.id else { return };
        self.leftover.offer(base, id);
        // In the order in which it happened: an answer comes after what its command has brought about.
        self.read_records(base);
        self.transmit(base, id);
        self.flush(base);
        let interest = base.hub.interest(id);
        let has_read = self.news(base).is_none();
        if interest.close == Close::Abort || interest.close != Close::No && has_read {
            base.handle(Input::Closed { conn: id });
            self.id = None;
        }
        let read = self.id.is_some() && interest.read > 0 && self.leftover.is_empty();
        if let Some((fd, may_come)) = self.console.input() {
            base.watch(fd, Target::ConsoleInput, read && may_come, false);
        }
    }

    fn transmit<P: Poller>(&mut self, base: &mut Base<'_, P>, id: ConnId) {
        if base.hub.interest(id).write && self.console.has_place() {
            base.send(id, |transmit| {
                let take = |bytes: &[u8]| {
                    self.console.answer(bytes);
                    bytes.len()
                };
                transmit.map(take).sum()
            });
        }
    }

    /// Shows what was said since the last time. What the console has no place for is shown later.
    pub(super) fn watch<P: Poller>(&mut self, base: &mut Base<'_, P>) {
        if self.news(base).is_some() && self.console.has_place() {
            self.service(base);
        }
    }

    /// The follower that reads for the console, if it has something to read.
    fn news<P: Poller>(&self, base: &Base<'_, P>) -> Option<FollowerId> {
        base.hub.watcher(self.id?).filter(|watcher| base.hub.has_news(*watcher))
    }

    /// Shows what the operator watches, as far as the console has place.
    fn read_records<P: Poller>(&mut self, base: &mut Base<'_, P>) {
        let Some(follower) = self.news(base) else { return };
        let (mut last, mut done) = (None, None);
        while self.console.has_place()
            && let Some(followed) = base.hub.read(follower)
        {
            let seq = match followed {
                Followed::Record(record) => {
                    self.console.show(&record);
                    record.seq
                }
                Followed::Lost(lost) => {
                    self.console.answer(format!("-- you missed {} messages\n", lost.messages).as_bytes());
                    lost.last
                }
            };
            // The next event has come, so no record of the last one is left.
            done = last.filter(|last| *last != seq).or(done);
            last = Some(seq);
        }
        if !base.hub.has_news(follower) {
            done = last;
        }
        if let Some(seq) = done {
            base.handle(Input::Committed { follower, seq });
        }
    }

    /// Writes as much as standard output takes, and goes on if that made room.
    pub(super) fn flush<P: Poller>(&mut self, base: &mut Base<'_, P>) {
        let had_place = self.console.has_place();
        self.console.flush();
        let is_pending = self.console.is_pending();
        base.watch(self.console.output_fd(), Target::ConsoleOutput, false, is_pending);
        if self.console.has_place() && !had_place {
            self.service(base);
        }
    }
}
