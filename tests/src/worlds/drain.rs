//! From every state of a small world: when all clients read, everything drains, and all that was used is
//! free again. And when only one of them reads, it does not wait longer than the room has patience.

use parlour_core::Close;

use super::World;
use super::state::{GRACE_MS, Room, Run, State};
use super::step::Step;

/// Turns until everything has drained, at the most.
const TURNS: usize = 60;

/// For so long a member of a room may wait: until its patience ends, and while three lines have their turn
/// after that.
const LONGEST_WAIT_MS: u64 = GRACE_MS as u64 + 3 * 200;

impl State {
    /// Checks what must be true of whatever comes after this state.
    pub(super) fn check_drain(&self, world: &World) {
        self.run(world, |run| {
            run.drain();
            run.all_are_heard();
            run.all_leave();
        });
        let there = self.run(world, |run| run.there());
        for reader in there {
            self.run(world, |run| run.one_reads(reader));
        }
    }
}

impl Run<'_> {
    /// A client reads everything, and closes where the hub asks for it.
    fn read(&mut self, index: usize) {
        for _ in 0..TURNS {
            let conn = self.conn(index);
            let interest = self.hub.interest(conn);
            let step = match interest.close {
                _ if interest.write => Step::Take(index),
                Close::No => return,
                Close::Write if !self.has_ended(index) => Step::End(index),
                Close::Write => return,
                Close::Full | Close::Abort => Step::Close(index),
            };
            self.apply(step);
            if step == Step::Close(index) {
                return;
            }
        }
        panic!("client {index} does not come to an end of what it reads");
    }

    fn has_ended(&self, index: usize) -> bool {
        self.clients[index].as_ref().is_some_and(|client| client.ended)
    }

    /// All read everything, and time goes on, until nothing is left to do.
    fn drain(&mut self) {
        for _ in 0..TURNS {
            self.there().into_iter().for_each(|index| self.read(index));
            let is_done = self.there().into_iter().all(|index| {
                let interest = self.hub.interest(self.conn(index));
                !interest.write && interest.close == Close::No
            });
            match self.hub.next_deadline() {
                None if is_done => return,
                None => {}
                Some(_) => self.apply(Step::Tick),
            }
        }
        panic!("it does not drain");
    }

    /// Whoever is still there can speak, and the others in its room hear it.
    fn all_are_heard(&mut self) {
        for author in self.there() {
            let client = self.clients[author].clone().expect("it is there");
            if client.ended {
                assert!(!self.is_chat(), "client {author} has ended and is still there");
                continue;
            }
            assert!(client.waits.is_none(), "a line of client {author} is stuck");
            assert!(self.hub.interest(client.conn).read > 0, "client {author} is not read");
            let listeners: Vec<_> = self
                .there()
                .into_iter()
                .filter(|index| {
                    *index != author
                        && self.clients[*index].as_ref().is_some_and(|other| other.room == client.room)
                })
                .collect();
            self.apply(Step::Say(author));
            for listener in listeners {
                let conn = self.conn(listener);
                assert!(!self.output(conn).is_empty(), "client {listener} does not hear client {author}");
            }
            self.there().into_iter().for_each(|index| self.read(index));
        }
    }

    /// All leave, and everything is free: slots, names, the other room and memberships.
    fn all_leave(&mut self) {
        for index in self.there() {
            // A relay's client may go on to listen.
            self.apply(if self.is_chat() { Step::End(index) } else { Step::Fail(index) });
        }
        self.drain();
        assert_eq!(self.hub.count(), 1, "only the console is left");
        if self.hub.is_shutting_down() {
            return;
        }
        for index in 0..super::CLIENTS {
            self.apply(Step::Accept);
            let client = self.clients[index].clone().expect("it is there");
            if self.is_chat() {
                assert_eq!(client.name, format!("guest-{}", index + 1), "the names are free");
                self.read(index);
                self.apply(Step::Join(index));
                assert_eq!(self.clients[index].as_ref().map(|client| client.room), Some(Room::Other));
            }
        }
        for index in self.there() {
            self.apply(Step::Fail(index));
        }
        assert_eq!(self.hub.count(), 1, "only the console is left again");
    }

    /// Only one client reads. It speaks, and does not wait for the others longer than it must.
    fn one_reads(&mut self, reader: usize) {
        let mut waits_since = self.now;
        for _ in 0..TURNS {
            self.read(reader);
            let Some(client) = self.clients[reader].clone() else { return };
            let interest = self.hub.interest(client.conn);
            if client.room != Room::Lobby || client.ended || interest.close != Close::No {
                return;
            }
            if client.waits.is_none() {
                waits_since = self.now;
                if interest.read > 0 {
                    self.apply(Step::Say(reader));
                    continue;
                }
            }
            assert!(self.now - waits_since <= LONGEST_WAIT_MS, "client {reader} waits for too long");
            assert!(self.hub.next_deadline().is_some(), "client {reader} waits for ever");
            self.apply(Step::Tick);
        }
    }
}
