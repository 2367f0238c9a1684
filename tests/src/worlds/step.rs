//! The inputs of a small world, as its driver makes them.

use parlour_core::{Close, Protocol};

use super::state::{GAP, Room, Run};
use super::{CLIENTS, World};

/// An input. The number is the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The first client that is not there comes.
    Accept,
    /// It sends a line, or the rest of one.
    Say(usize),
    /// It sends half a line.
    Half(usize),
    /// It sends the command to go to the other room.
    Join(usize),
    /// It sends the command to leave.
    Quit(usize),
    /// Its transport takes all that is lent.
    Take(usize),
    /// Its transport takes one byte.
    TakeOne(usize),
    /// It sends no more.
    End(usize),
    /// Its connection breaks.
    Fail(usize),
    /// It is closed, as the hub asked.
    Close(usize),
    /// Time goes on to the next deadline.
    Tick,
    /// The hub must end.
    Shutdown,
}

impl Run<'_> {
    /// The inputs that a driver could make now, and that could change something.
    pub(super) fn possible(&mut self, world: &World) -> Vec<Step> {
        let mut steps = Vec::new();
        if !self.hub.is_shutting_down() {
            steps.push(Step::Shutdown);
            if self.clients.iter().any(Option::is_none) {
                steps.push(Step::Accept);
            }
        }
        if self.hub.next_deadline().is_some() {
            steps.push(Step::Tick);
        }
        for index in 0..CLIENTS {
            let Some(client) = self.clients[index].clone() else { continue };
            let interest = self.hub.interest(client.conn);
            if interest.read > 0 && interest.close == Close::No && !client.ended {
                steps.push(Step::Say(index));
                if !client.half {
                    steps.push(Step::Half(index));
                }
                if !client.half && world.protocol == Protocol::Chat && client.room != Room::None {
                    steps.extend([Step::Join(index), Step::Quit(index)]);
                }
            }
            if interest.write {
                steps.push(Step::Take(index));
                // One piece of each line is enough. Half a notice of a gap hides what comes behind it: the
                // properties look at that.
                let output = self.output(client.conn);
                if !client.begun && !output.iter().map(|(_, byte)| byte).take(GAP.len()).eq(GAP) {
                    steps.push(Step::TakeOne(index));
                }
            }
            if !client.ended {
                steps.push(Step::End(index));
            }
            if interest.close != Close::No {
                steps.push(Step::Close(index));
            }
            steps.push(Step::Fail(index));
        }
        steps
    }
}
