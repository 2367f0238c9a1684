//! Small worlds, searched whole: every order of inputs for three connections, in the smallest memory that
//! limits allow, to some depth. The search goes breadth first. So the first list of inputs that fails is
//! the shortest one, and it is printed as it would stand in a test.
//!
//! A state is the bytes of a saved hub, and the little that its driver knows. Of the states that were
//! seen, only a hash is kept, and how they were reached. `PARLOUR_WORLDS=N` searches N inputs deeper than
//! usual.

mod checks;
mod drain;
mod state;
mod step;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;
use std::{env, thread};

use parlour_core::{OnLag, Protocol};

use self::state::State;
pub use self::step::Step;

/// Clients of a world.
pub(crate) const CLIENTS: usize = 3;

/// A small world.
#[derive(Clone, Copy, Debug)]
pub struct World {
    /// What it is about.
    pub name: &'static str,
    /// The protocol of the clients.
    pub protocol: Protocol,
    /// What happens to those that lag.
    pub on_lag: OnLag,
    /// The inputs before the search begins.
    pub start: &'static [Step],
    /// How many inputs deep an ordinary run searches.
    pub depth: usize,
}

/// What a search has found.
#[derive(Clone, Copy, Debug)]
pub struct Searched {
    /// Different states.
    pub states: usize,
    /// How many inputs lead to the farthest of them.
    pub depth: usize,
}

/// A state that was seen: the state from which it was reached, and by which input.
type Seen = (u32, Step);

/// A state that others may be reached from, and its place among those that were seen.
type Open = (u32, State);

/// A state that was found.
struct Found {
    hash: u128,
    from: u32,
    step: Step,
    /// Nothing, if the search does not go on from it.
    state: Option<State>,
}

impl World {
    /// Searches the world, as deep as the environment asks.
    ///
    /// # Panics
    /// If a state is reached in which something is wrong.
    #[must_use]
    pub fn search(&self) -> Searched {
        let more = env::var("PARLOUR_WORLDS").map_or(0, |more| more.parse().expect("a number of inputs"));
        let began = Instant::now();
        let start = self.replay(self.start);
        let mut hashes = HashSet::from([start.hash()]);
        let mut seen: Vec<Seen> = vec![(0, Step::Tick)];
        let mut frontier: Vec<Open> = vec![(0, start)];
        let mut depth = 0;
        while !frontier.is_empty() {
            depth += 1;
            let mut next = Vec::new();
            let is_last = depth == self.depth + more;
            for found in self.expand_all(&frontier, &hashes, &seen, is_last) {
                for Found { hash, from, step, state } in found {
                    if hashes.insert(hash) {
                        let place = u32::try_from(seen.len()).expect("not so many states");
                        seen.push((from, step));
                        next.extend(state.map(|state| (place, state)));
                    }
                }
            }
            frontier = next;
            println!("  {depth} inputs: {} states, {:.1?}", seen.len(), began.elapsed());
        }
        println!("{}: {} states, {depth} inputs deep, in {:.1?}", self.name, seen.len(), began.elapsed());
        Searched { states: seen.len(), depth }
    }

    /// Plays inputs one after the other, and checks each state.
    ///
    /// # Panics
    /// If something is wrong in one of them.
    #[must_use]
    pub fn replay(&self, steps: &[Step]) -> State {
        steps.iter().fold(State::first(self), |state, step| {
            let next = state.after(self, *step);
            next.check_drain(self);
            next
        })
    }

    /// The states behind those of the frontier, found by as many threads as there are processors.
    fn expand_all(
        &self,
        frontier: &[Open],
        hashes: &HashSet<u128>,
        seen: &[Seen],
        is_last: bool,
    ) -> Vec<Vec<Found>> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            let parts = frontier.chunks(frontier.len().div_ceil(threads));
            let workers: Vec<_> =
                parts.map(|part| scope.spawn(|| self.expand(part, hashes, seen, is_last))).collect();
            workers.into_iter().map(|worker| worker.join().expect("every state is as it should be")).collect()
        })
    }

    fn expand(&self, part: &[Open], hashes: &HashSet<u128>, seen: &[Seen], is_last: bool) -> Vec<Found> {
        let (mut found, mut found_here) = (Vec::new(), HashSet::new());
        for (place, state) in part {
            for step in state.possible(self) {
                let checked = catch_unwind(AssertUnwindSafe(|| {
                    let next = state.after(self, step);
                    let hash = next.hash();
                    let is_new = !hashes.contains(&hash) && found_here.insert(hash);
                    is_new.then(|| {
                        next.check_drain(self);
                        Found { hash, from: *place, step, state: (!is_last).then_some(next) }
                    })
                }));
                match checked {
                    Ok(next) => found.extend(next),
                    Err(_) => panic!("{}", self.how_to_replay(seen, *place, step)),
                }
            }
        }
        found
    }

    /// A test that fails in the same way.
    fn how_to_replay(&self, seen: &[Seen], mut place: u32, last: Step) -> String {
        let mut steps = vec![last];
        while place != 0 {
            let (from, step) = seen[place as usize];
            steps.push(step);
            place = from;
        }
        steps.extend(self.start.iter().rev());
        steps.reverse();
        format!("{}: it fails again with world.replay(&{steps:?})", self.name)
    }
}
