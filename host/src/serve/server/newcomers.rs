//! Newcomers: they are accepted, let in at the rate of their address, or told why not.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant as Clock};

use parlour_core::{Event, ListenerId, Refusal};

use super::{Newcomer, Server, Target};
use crate::poll::Poller;
use crate::serve::gate::Verdict;
use crate::serve::listener::{BACKLOG, Failure, Listener};

/// Newcomers that one turn lets in at the most: what they are greeted with, and what the
/// others are told of them, goes out before the next ones come.
const NEWCOMERS: usize = 64;
/// After how long accepting is tried again when the system is short of descriptors.
const STARVED_PAUSE: Duration = Duration::from_secs(1);

impl<P: Poller> Server<'_, P> {
    pub(super) fn watch_listeners(&mut self, read: bool) {
        for index in 0..self.listeners.len() {
            if let Some(fd) = self.listeners[index].as_ref().map(Listener::as_raw_fd) {
                self.watch(fd, Target::Listener(index), read, false);
            }
        }
    }

    /// Listens no more: the addresses are free for a successor at once. Those who have come by now
    /// are told why they are not let in, unless a successor gets the same socket.
    pub(super) fn close_listeners(&mut self) {
        for index in 0..self.listeners.len() {
            let Some(mut listener) = self.listeners[index].take() else { continue };
            self.unwatch(listener.as_raw_fd());
            listener.free_file();
            if listener.is_inherited() {
                continue;
            }
            for _ in 0..BACKLOG {
                match listener.accept() {
                    Ok((socket, peer)) => {
                        self.arrive(Newcomer { listener: ListenerId(index as u8), socket, peer });
                    }
                    Err((Failure::Gone, _)) => {}
                    Err((Failure::Nobody | Failure::Starved | Failure::Broken, _)) => break,
                }
            }
        }
        for newcomer in self.gate.close() {
            self.refuse(&newcomer, Refusal::ShuttingDown);
        }
    }

    pub(super) fn accept(&mut self, index: usize) {
        if self.hub.is_shutting_down() {
            // In this turn the listener will be closed.
            return;
        }
        for _ in 0..NEWCOMERS {
            let Some(listener) = &self.listeners[index] else { return };
            match listener.accept() {
                Ok((socket, peer)) => {
                    self.is_starved = false;
                    self.arrive(Newcomer { listener: ListenerId(index as u8), socket, peer });
                }
                Err((Failure::Nobody, _)) => return,
                Err((Failure::Gone, error)) => tracing::debug!("a newcomer has gone already: {error}"),
                Err((Failure::Starved, error)) => return self.starve(&error),
                Err((Failure::Broken, error)) => return self.give_up(index, &error),
            }
        }
    }

    /// Accepts nobody until a descriptor is free again.
    fn starve(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.is_starved, true) {
            tracing::warn!("newcomers have to wait: {error}");
        }
        self.starved_until = Some(Clock::now() + STARVED_PAUSE);
        self.watch_listeners(false);
    }

    /// Closes a listener that takes nobody any more: a bug, here or in a program that shares it.
    fn give_up(&mut self, index: usize, error: &io::Error) {
        let Some(listener) = self.listeners[index].take() else { return };
        let address = listener.local_address().map(|address| address.to_string()).unwrap_or_default();
        tracing::error!("nobody can come in by {address} any more: {error}");
        self.unwatch(listener.as_raw_fd());
    }

    /// Lets a newcomer in, or wait if many have come from its address lately.
    fn arrive(&mut self, newcomer: Newcomer) {
        let peer = newcomer.peer;
        if !self.access.permits(peer) {
            tracing::debug!(?peer, "denied");
            return;
        }
        match self.gate.arrive(Clock::now(), peer, newcomer) {
            Verdict::In(newcomer) => self.welcome(newcomer),
            Verdict::Waits => tracing::debug!(?peer, "waits, because many came from its address"),
            Verdict::Away(newcomer) => self.refuse(&newcomer, Refusal::PerPeer),
        }
    }

    pub(super) fn welcome(&mut self, newcomer: Newcomer) {
        match self.handle(Event::Accepted(newcomer.listener, newcomer.peer)).opened() {
            Ok(id) => {
                tracing::debug!(peer = ?newcomer.peer, slot = id.slot(), "connected");
                self.open_link(id, newcomer.socket);
            }
            Err(refusal) => self.refuse(&newcomer, refusal),
        }
    }

    /// Tells a newcomer why it is not let in. Nobody may wait for it: what does not fit is lost.
    fn refuse(&self, Newcomer { listener, socket, peer }: &Newcomer, refusal: Refusal) {
        tracing::debug!(?peer, ?refusal, "refused");
        let _ = socket.send(self.hub.refusal_text(*listener, refusal).as_bytes());
        let _ = socket.shutdown(Shutdown::Write);
    }
}
