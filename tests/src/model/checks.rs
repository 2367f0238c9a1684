//! Checks of a case beyond the bytes: skips, counts, and that everything drains when the faults stop.

use parlour_core::{Answer, Cause, Close, ConnId, Input, Instant};

use super::case::{Case, ECHO, GRACE_MS, ROOMS};
use super::peer::{Kind, Life, Peer, Room};

impl Case<'_> {
    /// After time has passed: a peer whose output is not what it was has skipped something, and
    /// may have done so only where something waited for it. `before` says how many items waited
    /// for each peer before the time passed.
    pub(super) fn find_skips(&mut self, before: &[usize]) {
        let mut lagged = self.hub.stats().lagged - self.lagged;
        self.lagged += lagged;
        for (index, &before) in before.iter().enumerate() {
            let peer = &self.peers[index];
            let late: Vec<_> = (0..ROOMS).filter(|&room| peer.is_behind(room)).collect();
            if self.hub.interest(peer.id).close == Close::Abort {
                assert!(!late.is_empty() || peer.life == Life::Closing, "cut only for lag");
                continue;
            }
            // While a notice is half sent, what comes behind it cannot be seen.
            let rest = peer.rest_of_gap();
            self.hub.transmit(peer.id).for_each(drop);
            self.hub.handle(self.now, Input::Sent { conn: peer.id, count: rest });
            let lent: Vec<u8> = self.hub.transmit(peer.id).flatten().copied().collect();
            let skipped = subsets(&late).find_map(|rooms| {
                let mut after = skip_all(peer, before, &rooms, self.now).map(|mut after| {
                    after.commit(rest);
                    after
                });
                after.find(|after| after.expected() == lent).map(|after| (after, rooms.len() as u64))
            });
            let Some((after, count)) = skipped else {
                panic!(
                    "peer {index} gets {:?}, and not {:?} less what is late in {late:?} of {:?}",
                    String::from_utf8_lossy(&lent),
                    String::from_utf8_lossy(&peer.expected()),
                    peer.waiting
                        .iter()
                        .map(|item| (item.room, item.bytes.len(), item.since, item.gap))
                        .collect::<Vec<_>>()
                );
            };
            assert!(count <= lagged, "what is skipped is counted");
            lagged -= count;
            let peer = &mut self.peers[index];
            (peer.waiting, peer.sent, peer.missed_since) = (after.waiting, after.sent, after.missed_since);
        }
    }

    /// Checks that the hub lends a peer all that waits for it. Returns the length.
    pub(super) fn check_output(&mut self, peer: usize) -> usize {
        let Peer { id, .. } = self.peers[peer];
        let lent: Vec<u8> = self.hub.transmit(id).flatten().copied().collect();
        let expected = self.peers[peer].expected();
        assert_eq!(
            String::from_utf8_lossy(&lent),
            String::from_utf8_lossy(&expected),
            "what waits for peer {peer}"
        );
        let interest = self.hub.interest(id);
        assert_eq!(
            interest.write,
            !lent.is_empty(),
            "{:?} peer {peer} {:?} {interest:?}",
            self.peers[peer].kind,
            self.peers[peer].life
        );
        lent.len()
    }

    pub(super) fn check_all_output(&mut self) {
        for peer in 0..self.peers.len() {
            self.check_output(peer);
        }
    }

    pub(super) fn check_counts(&self) {
        let count = self.oracles.len() + self.peers.len();
        assert_eq!(self.hub.count(), count, "every connection has one slot, and nobody else has");
    }

    /// Invariant 4.
    pub(super) fn stalled_peer_delays_for_the_grace_at_most(&mut self) {
        for _ in 0..4 {
            self.serve_all_but(None);
        }
        let readers: Vec<_> =
            self.peers.iter().filter(|peer| peer.kind == Kind::Relay).map(|p| p.id).collect();
        let [stalled, .., _] = readers[..] else { return };
        for _ in 0..60 {
            for peer in 0..self.peers.len() {
                let Peer { id, kind, ended, .. } = self.peers[peer];
                if kind == Kind::Relay && id != stalled && !ended {
                    let more = [[0x80 | (id.slot() as u8) << 3; 9].as_slice(), b"\n"].concat();
                    self.peers[peer].leftover.extend(more.repeat(3));
                }
            }
            self.serve_all_but(Some(stalled));
        }
        self.advance(u64::from(GRACE_MS));
        for peer in &mut self.peers {
            peer.leftover.clear();
        }
        // Lines that waited are said now, and may fill the log again; each time there is a moment
        // for those that read.
        for _ in 0..25 * self.peers.len() {
            self.serve_all_but(Some(stalled));
        }
        // A rate limit may still hold back input.
        if self.is_rated {
            return;
        }
        for peer in
            self.peers.iter().filter(|peer| peer.kind == Kind::Relay && !peer.ended && peer.id != stalled)
        {
            assert!(self.hub.interest(peer.id).read > 0, "nobody waits for the stalled one any more");
        }
    }

    /// Every peer but one sends and receives what it can.
    pub(super) fn serve_all_but(&mut self, stalled: Option<ConnId>) {
        self.advance(1);
        self.follow_all();
        for id in self.peers.iter().map(|peer| peer.id).collect::<Vec<_>>() {
            let find = |case: &Self| case.peers.iter().position(|peer| peer.id == id);
            let Some(peer) = find(self).filter(|_| stalled != Some(id)) else { continue };
            self.check_output(peer);
            let len = self.peers[peer].expected().len();
            self.hub.handle(self.now, Input::Sent { conn: id, count: len });
            self.peers[peer].commit(len);
            self.observe();
            if let Some(peer) = find(self) {
                self.offer(peer);
            }
            if let Some(peer) =
                find(self).filter(|&peer| self.hub.interest(self.peers[peer].id).close == Close::Write)
            {
                self.half_close(peer);
            }
        }
    }

    /// Invariant 5.
    pub(super) fn drain_everything(&mut self) {
        let is_drained = |case: &Self| {
            let is_drained =
                |peer: &Peer| peer.leftover.is_empty() && peer.waiting.is_empty() && peer.postponed.is_none();
            case.untold == [0; 2] && case.peers.iter().all(is_drained)
        };
        for round in 0..400 {
            if is_drained(self) {
                break;
            }
            // A rate limit may hold input back for longer.
            self.advance(if round < 300 { 0 } else { 1_000 });
            self.serve_all_but(None);
        }
        // After a while the closed peers are gone, and the others are told of the newcomers.
        for _ in 0..5 {
            self.advance(2_000);
            self.serve_all_but(None);
        }
        assert_eq!(self.untold, [0; 2], "every coming and going was told");
        for peer in &self.peers {
            assert_eq!(peer.leftover.len(), 0, "all input was taken");
            assert!(peer.waiting.is_empty() && peer.postponed.is_none() && peer.told_by.is_none());
            let listens = peer.kind == Kind::Relay && !peer.spoke;
            let open = peer.kind == Kind::Console || listens || !peer.ended;
            assert!(open, "who has ended is closed");
            assert!(peer.ended || self.hub.interest(peer.id).read > 0, "everyone is read again");
        }
    }

    /// Invariant 6.
    pub(super) fn every_slot_is_free_again(&mut self) {
        while !self.peers.is_empty() {
            self.fail(0, Cause::Reset);
        }
        self.check_counts();
        while self.hub.count() < self.limits.conns {
            let outcome = self.hub.handle(self.now, Input::Accepted { listener: ECHO, peer: None });
            assert!(matches!(outcome, Answer::Opened { conn: _ }), "every slot that was left is free");
        }
    }
}

/// Every choice of some of the `rooms`, that of none first.
fn subsets(rooms: &[Room]) -> impl Iterator<Item = Vec<Room>> {
    (0..1u32 << rooms.len()).map(|bits| {
        rooms.iter().enumerate().filter(|(bit, _)| bits & 1 << bit != 0).map(|(_, &room)| room).collect()
    })
}

/// All states that a peer may be in if it skipped `rooms` at some time while the items behind the first
/// `before` were added.
fn skip_all(peer: &Peer, before: usize, rooms: &[Room], now: Instant) -> impl Iterator<Item = Peer> {
    (before..=peer.waiting.len()).filter_map(move |place| {
        let mut after = Peer::new(peer.id, peer.kind);
        (after.waiting, after.sent, after.missed_since) =
            (peer.waiting.clone(), peer.sent, peer.missed_since);
        let added = after.waiting.split_off(place);
        let did_skip = rooms.iter().all(|&room| after.skip(room, now));
        after.waiting.extend(added);
        did_skip.then_some(after)
    })
}
