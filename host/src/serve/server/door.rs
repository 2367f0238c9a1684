//! The door accepts newcomers. It lets them in at the rate of their address, or tells them why not.

use std::io;
use std::net::{IpAddr, Shutdown};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant as Clock};

use parlour_core::{Bound, ConnId, Input, ListenerId, Refusal};

use super::base::{Base, Target};
use super::knock::{Knock, Knocking};
use super::links::Links;
use super::newcomer::Newcomer;
use crate::poll::Poller;
use crate::resume::Message;
use crate::serve::access::Access;
use crate::serve::gate::{Gate, Verdict};
use crate::serve::listener::{BACKLOG, Failure, Listener};
use crate::serve::peer::Peer;

/// How many newcomers one turn lets in. Their greetings, and the notices to the others, then go out
/// before the next newcomers come.
const NEWCOMERS: usize = 64;
/// How long to wait before accepting again, when there are no descriptors left.
const STARVED_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Door {
    /// By the hub's number of the listener. `None` once it is closed.
    listeners: Vec<Option<Listener>>,
    access: Access,
    gate: Gate<Newcomer>,
    /// The listeners of the chat, and newcomers to these that may come back.
    chats: Vec<ListenerId>,
    knocking: Knocking<Newcomer>,
    /// When to accept again, after there were no descriptors left.
    starved_until: Option<Clock>,
    /// The log has said that newcomers wait, and nobody was accepted since.
    is_starved: bool,
}

impl Door {
    pub(super) fn new(
        listeners: Vec<Listener>,
        chats: Vec<ListenerId>,
        access: Access,
        gate: Gate<Newcomer>,
    ) -> Self {
        let listeners = listeners.into_iter().map(Some).collect();
        Self {
            listeners,
            access,
            gate,
            chats,
            knocking: Knocking::new(),
            starved_until: None,
            is_starved: false,
        }
    }

    /// Changes which newcomers are let in, and how fast. Clients that are in stay.
    pub(super) fn change_rules(&mut self, access: Access, rate: Option<Bound>) {
        self.access = access;
        self.gate.set_rate(rate);
    }

    pub(super) fn watch<P: Poller>(&self, base: &mut Base<'_, P>, read: bool) {
        for (index, listener) in self.listeners.iter().enumerate() {
            if let Some(listener) = listener {
                base.watch(listener.as_raw_fd(), Target::Listener(index), read, false);
            }
        }
    }

    /// Stops listening, so the addresses are free for the next server at once. Newcomers in the backlog
    /// are told why they are refused, unless another process listens on the same socket.
    pub(super) fn close<P: Poller>(&mut self, base: &mut Base<'_, P>, links: &mut Links) {
        for index in 0..self.listeners.len() {
            let Some(mut listener) = self.listeners[index].take() else { continue };
            base.unwatch(listener.as_raw_fd());
            listener.free_file();
            if listener.is_inherited() {
                continue;
            }
            for _ in 0..BACKLOG {
                match listener.accept() {
                    Ok((socket, address)) => {
                        let peer = Peer::new(ListenerId(index as u8), address);
                        self.arrive(base, links, Newcomer { socket, peer });
                    }
                    Err((Failure::Gone, _)) => {}
                    Err((Failure::Nobody | Failure::Starved | Failure::Broken, _)) => break,
                }
            }
        }
        let knocking = self.knocking.close().inspect(|newcomer| base.unwatch(newcomer.socket.as_raw_fd()));
        let newcomers: Vec<_> = knocking.chain(self.gate.close()).collect();
        for newcomer in newcomers {
            refuse(base, &newcomer, Refusal::ShuttingDown);
        }
    }

    pub(super) fn accept<P: Poller>(&mut self, base: &mut Base<'_, P>, links: &mut Links, index: usize) {
        if base.hub.is_shutting_down() {
            // This turn will close the listener.
            return;
        }
        for _ in 0..NEWCOMERS {
            let Some(listener) = &self.listeners[index] else { return };
            match listener.accept() {
                Ok((socket, address)) => {
                    self.is_starved = false;
                    let peer = Peer::new(ListenerId(index as u8), address);
                    self.arrive(base, links, Newcomer { socket, peer });
                }
                Err((Failure::Nobody, _)) => return,
                Err((Failure::Gone, error)) => tracing::debug!("a client left before it was let in: {error}"),
                Err((Failure::Starved, error)) => return self.starve(base, &error),
                Err((Failure::Broken, error)) => return self.give_up(base, index, &error),
            }
        }
    }

    /// The time of the next [`Door::let_in`].
    pub(super) fn next_at(&self, links: &Links) -> Option<Clock> {
        let starved_until = self.starved_until.map(|at| if links.has_closed() { Clock::now() } else { at });
        starved_until.into_iter().chain(self.gate.next_at()).chain(self.knocking.next_at()).min()
    }

    /// Lets in the newcomers that have waited long enough. Accepts again if a descriptor may be free.
    pub(super) fn let_in<P: Poller>(&mut self, base: &mut Base<'_, P>, links: &mut Links, now: Clock) {
        if self.starved_until.is_some_and(|until| links.has_closed() || until <= now) {
            self.starved_until = None;
            self.watch(base, true);
        }
        links.forget_closed();
        while let Some(newcomer) = self.gate.enter(now) {
            self.let_knock(base, links, newcomer);
        }
        self.end_moments(base, links, now);
    }

    /// A newcomer that has a moment has said something.
    pub(super) fn note_knock(&mut self, fd: RawFd) {
        self.knocking.note_ready(fd, Clock::now());
    }

    /// Lets a newcomer in, if need be after it had a moment to say that it comes back.
    fn let_knock<P: Poller>(&mut self, base: &mut Base<'_, P>, links: &mut Links, newcomer: Newcomer) {
        let may_return = links.has_sessions() || base.awaits_until().is_some();
        if !may_return || !self.chats.contains(&newcomer.peer.listener) {
            welcome(base, links, newcomer);
            return;
        }
        let now = Clock::now();
        let fd = self.knocking.wait(now, newcomer);
        base.watch(fd, Target::Knocking, true, false);
        self.end_moments(base, links, now);
    }

    /// Lets in those that have said something, or whose moment is over.
    fn end_moments<P: Poller>(&mut self, base: &mut Base<'_, P>, links: &mut Links, now: Clock) {
        while let Some(newcomer) = self.knocking.next(now) {
            base.unwatch(newcomer.socket.as_raw_fd());
            match newcomer.hear() {
                Knock::New => {
                    welcome(base, links, newcomer);
                }
                Knock::Back(key, received) => {
                    let Newcomer { socket, peer } = newcomer;
                    if let Some(socket) = links.resume(base, key, received, socket, peer) {
                        let _ = socket.send(&Message::Unknown.bytes());
                        if let Some(id) = welcome(base, links, Newcomer { socket, peer }) {
                            base.know_again(id, peer, &key);
                        }
                    }
                }
            }
        }
    }

    /// Stops accepting until a descriptor may be free again.
    fn starve<P: Poller>(&mut self, base: &mut Base<'_, P>, error: &io::Error) {
        if !std::mem::replace(&mut self.is_starved, true) {
            tracing::warn!("new clients have to wait: {error}");
        }
        self.starved_until = Some(Clock::now() + STARVED_PAUSE);
        self.watch(base, false);
    }

    /// Closes a broken listener. This is a bug, here or in a program that shares the socket.
    fn give_up<P: Poller>(&mut self, base: &mut Base<'_, P>, index: usize, error: &io::Error) {
        let Some(listener) = self.listeners[index].take() else { return };
        let address = listener.local_address().map(|address| address.to_string()).unwrap_or_default();
        tracing::error!("nobody can connect to {address} any more: {error}");
        base.unwatch(listener.as_raw_fd());
    }

    /// Lets a newcomer in. If many have just come from its address, it waits.
    fn arrive<P: Poller>(&mut self, base: &mut Base<'_, P>, links: &mut Links, newcomer: Newcomer) {
        let peer = newcomer.peer;
        if !self.access.permits(peer.ip) {
            base.report.denied(peer);
            return;
        }
        match self.gate.arrive(Clock::now(), peer.ip, newcomer) {
            Verdict::In(newcomer) => self.let_knock(base, links, newcomer),
            Verdict::Waits => tracing::debug!(%peer, "waits, because many clients connect from its address"),
            Verdict::Away(newcomer) => refuse(base, &newcomer, Refusal::PerPeer),
        }
    }
}

/// Lets a newcomer in. `None`: the hub has refused it.
fn welcome<P: Poller>(base: &mut Base<'_, P>, links: &mut Links, newcomer: Newcomer) -> Option<ConnId> {
    let Newcomer { peer, .. } = newcomer;
    match base.handle(Input::Accepted { listener: peer.listener, peer: peer.ip }).opened() {
        Ok(id) => {
            links.open(base, id, newcomer.socket, peer);
            Some(id)
        }
        // Those that are away must not keep others out.
        Err(Refusal::Full) if links.make_place(base, |_| true) => welcome(base, links, newcomer),
        Err(Refusal::PerPeer)
            if links.make_place(base, |other| peer.ip.zip(other).is_some_and(is_counted_as_one)) =>
        {
            welcome(base, links, newcomer)
        }
        Err(refusal) => {
            refuse(base, &newcomer, refusal);
            None
        }
    }
}

/// Whether two addresses count as one.
fn is_counted_as_one((one, other): (IpAddr, IpAddr)) -> bool {
    Bound::network(one) == Bound::network(other)
}

/// Tells a newcomer why it is refused. The server does not wait for it, so text that the socket does
/// not take is lost.
fn refuse<P: Poller>(base: &mut Base<'_, P>, Newcomer { socket, peer }: &Newcomer, refusal: Refusal) {
    base.report.refused(*peer, refusal);
    let _ = socket.send(base.hub.refusal_text(peer.listener, refusal).as_bytes());
    let _ = socket.shutdown(Shutdown::Write);
}
