//! A queue of bytes in memory that it was given.

use crate::Store;

/// A queue of bytes. It holds as many as its memory has.
#[derive(Debug, Default)]
pub struct Ring<'a> {
    bytes: &'a mut [u8],
    first: usize,
    len: usize,
}

impl<'a> Ring<'a> {
    /// An empty one.
    pub const fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, first: 0, len: 0 }
    }

    /// How many more bytes it takes.
    pub fn place(&self) -> usize {
        self.bytes.len() - self.len
    }
}

impl Store for Ring<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn as_slices(&self) -> (&[u8], &[u8]) {
        let until_end = self.len.min(self.bytes.len() - self.first);
        (&self.bytes[self.first..][..until_end], &self.bytes[..self.len - until_end])
    }

    /// # Panics
    /// If there is no place.
    fn extend(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.place(), "the owner looks how much place there is");
        let mut next = self.first + self.len;
        if next >= self.bytes.len() {
            next -= self.bytes.len();
        }
        let (left, right) = bytes.split_at(bytes.len().min(self.bytes.len() - next));
        self.bytes[next..][..left.len()].copy_from_slice(left);
        self.bytes[..right.len()].copy_from_slice(right);
        self.len += bytes.len();
    }

    fn drop_first(&mut self, count: usize) {
        let count = count.min(self.len);
        self.len -= count;
        self.first += count;
        if self.len == 0 {
            self.first = 0;
        } else if self.first >= self.bytes.len() {
            self.first -= self.bytes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::VecDeque;

    use super::*;

    #[test]
    fn it_is_a_queue_wherever_it_begins_in_its_memory() {
        let (mut memory, mut model, mut next) = ([0; 7], VecDeque::new(), 0_u8);
        let mut ring = Ring::new(&mut memory);
        for step in 0..2_000_usize {
            let count = step * step / 3 % 8;
            if step % 2 == 0 {
                let count = count.min(ring.place());
                let bytes: std::vec::Vec<u8> = (0..count).map(|at| next.wrapping_add(at as u8)).collect();
                next = next.wrapping_add(count as u8);
                ring.extend(&bytes);
                model.extend(bytes);
            } else {
                ring.drop_first(count);
                model.drain(..count.min(model.len()));
            }
            let (left, right) = ring.as_slices();
            assert!(left.iter().chain(right).eq(&model), "step {step}");
            assert_eq!((ring.len(), ring.place()), (model.len(), 7 - model.len()));
        }
    }
}
