//! Sorted lists of indices: connections by name and by address, rooms by name. The time to find one
//! grows with the logarithm of their number. To insert or remove one moves those after it. This is
//! one `memmove`, and no choice of names can make it worse.

/// The list knows nothing of the things. Each call gives the order.
#[derive(Debug)]
pub(crate) struct Sorted<'a> {
    indices: &'a mut [u32],
    len: u32,
}

impl<'a> Sorted<'a> {
    /// A list with room for all elements of the slice.
    pub(crate) const fn new(indices: &'a mut [u32]) -> Self {
        Self { indices, len: 0 }
    }

    /// How many come before a place. `comes_before` is true for those and for no others.
    pub(crate) fn place(&self, comes_before: impl Fn(u32) -> bool) -> usize {
        self.indices[..self.len as usize].partition_point(|&index| comes_before(index))
    }

    /// The index in a place.
    pub(crate) fn get(&self, place: usize) -> Option<u32> {
        self.indices[..self.len as usize].get(place).copied()
    }

    /// Puts an index into a place.
    pub(crate) fn insert(&mut self, place: usize, index: u32) {
        self.indices.copy_within(place..self.len as usize, place + 1);
        self.indices[place] = index;
        self.len += 1;
    }

    /// Takes out an index that is in a place, or after others that are equal to it.
    pub(crate) fn remove(&mut self, place: usize, index: u32) {
        let mut rest = self.indices[..self.len as usize].iter().skip(place);
        let Some(behind) = rest.position(|other| *other == index) else { return };
        self.indices.copy_within(place + behind + 1..self.len as usize, place + behind);
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_those_that_are_equal_the_right_one_goes() {
        for gone in 0..4 {
            let mut indices = [0; 4];
            let mut sorted = Sorted::new(&mut indices);
            (0..4).for_each(|index| sorted.insert(0, index));
            sorted.remove(0, gone);
            assert!(sorted.len == 3 && !sorted.indices[..3].contains(&gone));
            sorted.remove(0, gone);
            assert_eq!(sorted.len, 3, "what is not there stays away");
        }
    }

    #[test]
    fn what_came_is_found_and_what_went_is_not() {
        let keys = [7, 3, 9, 1, 5];
        let mut indices = [0; 5];
        let mut sorted = Sorted::new(&mut indices);
        for index in 0..5 {
            let place = sorted.place(|other| keys[other as usize] < keys[index as usize]);
            sorted.insert(place, index);
        }
        let find = |sorted: &Sorted<'_>, key| {
            sorted
                .get(sorted.place(|other| keys[other as usize] < key))
                .filter(|&at| keys[at as usize] == key)
        };
        assert_eq!([1, 3, 5, 7, 9].map(|key| find(&sorted, key)), [3, 1, 4, 0, 2].map(Some));
        assert_eq!(find(&sorted, 4), None);
        for (key, left) in [(9, 4), (1, 3), (5, 2), (7, 1), (3, 0)] {
            let index = find(&sorted, key).unwrap();
            sorted.remove(sorted.place(|other| keys[other as usize] < key), index);
            assert_eq!((find(&sorted, key), sorted.len), (None, left));
        }
    }
}
