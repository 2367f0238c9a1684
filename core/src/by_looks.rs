//! Things that have a name, sorted by what the name looks like. The time to find one grows with the
//! logarithm of their number.

use crate::name::Looks;
use crate::sorted::Sorted;

/// The list does not keep the looks: `looks_of` returns those of a thing. It is sorted by both of their
/// numbers.
#[derive(Debug)]
pub(crate) struct ByLooks<'a>(Sorted<'a>);

impl<'a> ByLooks<'a> {
    /// A list with two places for each thing.
    pub(crate) const fn new(places: &'a mut [u32]) -> Self {
        Self(Sorted::new(places))
    }

    /// The things that share a number with these looks.
    pub(crate) fn alike(
        &self,
        looks: Looks,
        looks_of: impl Fn(u32) -> Looks + Copy,
    ) -> impl Iterator<Item = u32> {
        looks.into_iter().flat_map(move |look| {
            let first = self.place(look, looks_of);
            let entries = (first..).map_while(|place| self.0.get(place));
            entries.take_while(move |entry| look_of(*entry, looks_of) == look).map(|entry| entry >> 1)
        })
    }

    pub(crate) fn enter(&mut self, thing: u32, looks_of: impl Fn(u32) -> Looks + Copy) {
        for (which, look) in (0..).zip(looks_of(thing)) {
            self.0.insert(self.place(look, looks_of), thing << 1 | which);
        }
    }

    pub(crate) fn remove(&mut self, thing: u32, looks_of: impl Fn(u32) -> Looks + Copy) {
        for (which, look) in (0..).zip(looks_of(thing)) {
            self.0.remove(self.place(look, looks_of), thing << 1 | which);
        }
    }

    fn place(&self, look: u64, looks_of: impl Fn(u32) -> Looks + Copy) -> usize {
        self.0.place(|entry| look_of(entry, looks_of) < look)
    }
}

/// An entry is a thing, and which number of its looks.
fn look_of(entry: u32, looks_of: impl Fn(u32) -> Looks) -> u64 {
    looks_of(entry >> 1)[(entry & 1) as usize]
}

/// Whether a kept name is this one, apart from case.
pub(crate) fn is_same(kept: &[u8], name: &str) -> bool {
    let lower =
        |text: &str| text.chars().flat_map(char::to_lowercase).eq(name.chars().flat_map(char::to_lowercase));
    core::str::from_utf8(kept).is_ok_and(lower)
}
