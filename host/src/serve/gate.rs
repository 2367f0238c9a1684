//! The gate limits how fast clients of one address come in. Newcomers above the rate wait here. Their
//! sockets are accepted already, so newcomers of other addresses do not wait behind them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant as Clock};

use parlour_core::Bound;

/// How many newcomers may wait at once. One more is turned away.
const PLACES: usize = 64;
/// From this many remembered addresses on, those that are within their rate are forgotten.
const MANY: usize = 1024;

/// What becomes of a newcomer.
#[derive(Debug)]
pub(crate) enum Verdict<T> {
    /// It comes in now.
    In(T),
    /// It waits.
    Waits,
    /// It is turned away, because too many wait already.
    Away(T),
}

/// Lets newcomers in, or lets them wait.
#[derive(Debug)]
pub(crate) struct Gate<T> {
    /// Newcomers of one address in a second. `None` means any number.
    rate: Option<Bound>,
    /// For each network, when its next newcomer is due if they come evenly (GCRA, ITU-T I.371). One
    /// second's worth may come at once.
    due: HashMap<u64, Clock>,
    waiting: Vec<(Clock, T)>,
}

impl<T> Gate<T> {
    /// A gate that lets in this many newcomers of one address in a second. `None` means any number.
    pub(crate) fn new(rate: Option<Bound>) -> Self {
        Self { rate, due: HashMap::new(), waiting: Vec::new() }
    }

    /// Changes the rate. Newcomers that wait keep their turn.
    pub(crate) fn set_rate(&mut self, rate: Option<Bound>) {
        self.rate = rate;
    }

    /// A newcomer has come from `peer`. A newcomer without an address always comes in.
    pub(crate) fn arrive(&mut self, now: Clock, peer: Option<IpAddr>, newcomer: T) -> Verdict<T> {
        let most = self.rate.and_then(|rate| rate.of(peer));
        let Some((peer, most)) = peer.zip(most) else { return Verdict::In(newcomer) };
        let interval = Duration::from_secs(1) / most;
        if self.due.len() >= MANY {
            self.due.retain(|_, due| *due > now);
        }
        let due = self.due.entry(Bound::network(peer)).or_insert(now);
        let enters_at = (*due).max(now) + interval - Duration::from_secs(1).max(interval);
        if enters_at > now && self.waiting.len() >= PLACES {
            return Verdict::Away(newcomer);
        }
        *due = (*due).max(now) + interval;
        if enters_at <= now {
            return Verdict::In(newcomer);
        }
        self.waiting.push((enters_at, newcomer));
        Verdict::Waits
    }

    /// When the next waiting newcomer comes in.
    pub(crate) fn next_at(&self) -> Option<Clock> {
        self.waiting.iter().map(|(at, _)| *at).min()
    }

    /// A newcomer that has waited long enough, if there is one.
    pub(crate) fn enter(&mut self, now: Clock) -> Option<T> {
        let index = self.waiting.iter().position(|(at, _)| *at <= now)?;
        Some(self.waiting.remove(index).1)
    }

    /// Empties the gate and returns the newcomers that waited.
    pub(crate) fn close(&mut self) -> impl Iterator<Item = T> + use<T> {
        std::mem::take(&mut self.waiting).into_iter().map(|(_, newcomer)| newcomer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRANGER: &str = "192.0.2.1";

    fn arrive(gate: &mut Gate<u32>, now: Clock, peer: &str) -> &'static str {
        match gate.arrive(now, Some(peer.parse().unwrap()), 0) {
            Verdict::In(_) => "in",
            Verdict::Waits => "waits",
            Verdict::Away(_) => "away",
        }
    }

    #[test]
    fn a_seconds_worth_comes_in_at_once_and_the_others_evenly() {
        let (mut gate, start) = (Gate::new(Some(Bound::for_all(4))), Clock::now());
        let verdicts: Vec<_> = (0..6).map(|_| arrive(&mut gate, start, STRANGER)).collect();
        assert_eq!(verdicts, ["in", "in", "in", "in", "waits", "waits"]);
        assert_eq!(arrive(&mut gate, start, "192.0.2.2"), "in", "others do not wait for them");
        let mut entered = Vec::new();
        while let Some(at) = gate.next_at() {
            assert!(gate.enter(at - Duration::from_millis(1)).is_none());
            assert!(gate.enter(at).is_some());
            entered.push((at - start).as_millis());
        }
        assert_eq!(entered, [250, 500]);
    }

    #[test]
    fn one_a_second_comes_in_at_a_rate_of_one() {
        let (mut gate, start) = (Gate::new(Some(Bound::for_all(1))), Clock::now());
        let at = |secs| start + Duration::from_secs(secs);
        let verdicts = [0, 1, 2, 2].map(|secs| arrive(&mut gate, at(secs), STRANGER));
        assert_eq!(verdicts, ["in", "in", "in", "waits"]);
    }

    #[test]
    fn those_of_one_ipv6_network_are_counted_together() {
        let (mut gate, now) = (Gate::new(Some(Bound::for_all(1))), Clock::now());
        let verdicts = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"];
        assert_eq!(verdicts.map(|peer| arrive(&mut gate, now, peer)), ["in", "waits", "in"]);
    }

    #[test]
    fn local_ones_and_those_without_an_address_may_be_spared() {
        let (mut gate, now) = (Gate::new(Some(Bound { most: 1, spares_local: true })), Clock::now());
        let peers = ["127.0.0.1", "127.0.0.1", "::1", "::1", STRANGER, STRANGER];
        assert_eq!(peers.map(|peer| arrive(&mut gate, now, peer)), ["in", "in", "in", "in", "in", "waits"]);
        assert!(matches!(gate.arrive(now, None, 0), Verdict::In(_)));
    }

    #[test]
    fn no_more_wait_than_there_are_places() {
        let (mut gate, now) = (Gate::new(Some(Bound::for_all(1))), Clock::now());
        let away = (0..PLACES + 10).filter(|_| arrive(&mut gate, now, STRANGER) == "away").count();
        assert_eq!(away, 9);
        assert_eq!(gate.close().count(), PLACES);
        assert_eq!(gate.next_at(), None);
    }
}
