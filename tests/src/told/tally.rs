//! What cases lead to. A test looks whether they lead everywhere.

use std::collections::BTreeMap;

/// What must happen in some cases, or they show little.
pub const WHAT: &[&str] = &[
    "history",
    "late",
    "counted gap",
    "gap of any length",
    "page",
    "stale page",
    "decision",
    "decision without a record",
    "decision put off",
    "withdrawal",
    "move",
    "move with something unread",
    "look",
    "look at nothing",
    "look in vain",
    "cut",
    "restored",
];

/// How often something has happened.
#[derive(Clone, Debug, Default)]
pub struct Tally(BTreeMap<&'static str, usize>);

impl Tally {
    /// One of [`WHAT`] has happened.
    pub(super) fn note(&mut self, what: &'static str) {
        debug_assert!(WHAT.contains(&what));
        *self.0.entry(what).or_default() += 1;
    }

    /// How often this has happened.
    #[must_use]
    pub fn count(&self, what: &str) -> usize {
        self.0.get(what).copied().unwrap_or_default()
    }

    /// Counts what has happened elsewhere too.
    pub fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(what, count)| *self.0.entry(what).or_default() += count);
    }
}
