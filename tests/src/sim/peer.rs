//! The client's end of a simulated connection: the bytes that it still has to send, the bytes that it
//! received, and whether it reads.

use parlour_core::ListenerId;

use super::net::{Read, SocketId};
use super::world::World;
use crate::outbox::Outbox;

/// A client's end.
#[derive(Debug)]
pub struct Peer {
    socket: SocketId,
    /// The bytes that it still has to send.
    pub outbox: Outbox,
    /// The received bytes that nobody has looked at yet.
    pub inbox: Vec<u8>,
    /// Whether it reads.
    pub reads: bool,
    end: Option<Read>,
}

impl Peer {
    /// Connects to a listener, over pipes of these capacities.
    pub fn connect(world: &mut World<'_>, listener: ListenerId, up: usize, down: usize) -> Self {
        let socket = world.connect(listener, up, down);
        Self { socket, outbox: Outbox::default(), inbox: Vec::new(), reads: true, end: None }
    }

    /// Its connection.
    pub fn socket(&self) -> SocketId {
        self.socket
    }

    /// Breaks the connection; nothing more comes.
    pub fn reset(&mut self, world: &mut World<'_>) {
        world.reset(self.socket);
        self.outbox.clear();
        self.end = Some(Read::Broken);
    }

    /// Whether the hub, or the network, has ended the connection.
    pub fn is_closed(&self) -> bool {
        self.end.is_some()
    }

    /// Whether the hub closed the connection without breaking it.
    pub fn was_closed_in_order(&self) -> bool {
        self.end == Some(Read::End)
    }

    /// Sends as many bytes as fit. Returns whether any did.
    pub fn send(&mut self, world: &mut World<'_>) -> bool {
        let sent = self.outbox.flush(|bytes| world.send(self.socket, bytes));
        if self.outbox.is_at_end() {
            world.finish(self.socket);
        }
        sent > 0
    }

    /// Receives up to `most` bytes if it reads; says whether anything came.
    pub fn receive(&mut self, world: &mut World<'_>, most: usize) -> bool {
        if !self.reads || self.is_closed() {
            return false;
        }
        match world.receive(self.socket, most, &mut self.inbox) {
            Read::Nothing => false,
            Read::Bytes(_) => true,
            end @ (Read::End | Read::Broken) => {
                self.end = Some(end);
                true
            }
        }
    }

    /// Takes the oldest line of the inbox with its ending, if it is whole.
    pub fn take_line(&mut self) -> Option<Vec<u8>> {
        let end = self.inbox.iter().position(|&byte| byte == b'\n')?;
        Some(self.inbox.drain(..=end).collect())
    }
}
