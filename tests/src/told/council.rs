//! Somebody else that decides the order: it shuffles the authors, and is late. What each of them proposes
//! stays in order.

use std::collections::VecDeque;

use fastrand::Rng;
use parlour_core::{ConnId, Hub, Identity, Input, Instant, Kind, Proposal};

use super::said::{Said, Where};

/// Authors that are elsewhere have identities from this number on.
pub(super) const ELSEWHERE: u64 = 1 << 40;

/// A decision.
#[derive(Clone, Debug)]
pub(super) struct Decided {
    pub(super) conn: Option<ConnId>,
    pub(super) said: Said,
}

#[derive(Default)]
pub(super) struct Council {
    /// What was proposed and is not decided, by author.
    proposed: Vec<(Identity, VecDeque<Decided>)>,
    /// The order.
    decided: Vec<Decided>,
    /// How much of it the hub has.
    pub(super) told: usize,
    last_number: Option<u64>,
    /// The hub has said that there are proposals.
    pub(super) knows_of_some: bool,
}

impl Council {
    /// Takes the first proposal of the hub. Returns whose it is.
    pub(super) fn take(
        &mut self,
        hub: &mut Hub<'_>,
        now: Instant,
        unix_ms: u64,
    ) -> Option<(ConnId, Identity)> {
        let Proposal { number, conn, room, author, name, kind, is_torn, text } = hub.next_proposal()?;
        assert!(self.last_number.is_none_or(|last| last < number), "proposals have rising numbers");
        let (name, text) = (name.to_owned(), text.to_vec());
        // The hub knows the room.
        let place = Where::Chat(String::new());
        let said = Said { seq: 0, unix_ms, room, place, author, name, kind, is_torn, text };
        let decided = Decided { conn: Some(conn), said };
        match self.proposed.iter_mut().find(|(other, _)| *other == author) {
            Some((_, proposed)) => proposed.push_back(decided),
            None => self.proposed.push((author, VecDeque::from([decided]))),
        }
        self.last_number = Some(number);
        hub.handle(now, Input::Proposed { number });
        self.knows_of_some &= hub.next_proposal().is_some();
        Some((conn, author))
    }

    /// Decides the first proposal of one of the authors.
    pub(super) fn decide(&mut self, rng: &mut Rng) -> bool {
        self.proposed.retain(|(_, proposed)| !proposed.is_empty());
        let author = rng.choice(0..self.proposed.len());
        let decided = author.and_then(|author| self.proposed[author].1.pop_front());
        self.decided.extend(decided.clone());
        decided.is_some()
    }

    /// Decides what was proposed elsewhere.
    pub(super) fn decide_elsewhere(&mut self, said: Said) {
        self.decided.push(Decided { conn: None, said });
    }

    /// Gives up the first proposal of one of the authors, if all before it were told.
    pub(super) fn withdraw(&mut self, rng: &mut Rng) -> Option<Decided> {
        let (author, proposed) = &mut rng.choice(&mut self.proposed)?;
        let is_next = self.decided[self.told..].iter().all(|decided| decided.said.author != *author);
        if is_next { proposed.pop_front() } else { None }
    }

    /// The decision with this place in the order.
    pub(super) fn decision(&self, index: usize) -> Option<&Decided> {
        self.decided.get(index)
    }

    pub(super) fn is_done(&self) -> bool {
        self.told == self.decided.len() && self.proposed.iter().all(|(_, proposed)| proposed.is_empty())
    }
}

/// The kind of what may be said in a room.
pub(super) fn kind_in(place: &Where, rng: &mut Rng) -> Kind {
    match place {
        Where::Relay(_) => Kind::Raw,
        Where::Chat(_) => [Kind::Say, Kind::Action][rng.usize(..2)],
    }
}
