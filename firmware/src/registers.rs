//! Registers of a chip: the one place that reads and writes addresses.
#![allow(unsafe_code)]

/// A block of registers, each of 32 bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registers {
    base: usize,
    len: usize,
}

impl Registers {
    /// The block of `len` bytes at `base`.
    ///
    /// # Safety
    /// All of it must be registers. It must be safe for memory to read and write them at any time.
    pub(crate) const unsafe fn new(base: usize, len: usize) -> Self {
        Self { base, len }
    }

    /// Reads the register `offset` bytes behind the first.
    pub(crate) fn read(&self, offset: usize) -> u32 {
        let address = self.address(offset);
        // SAFETY: it lies in the block, and is aligned.
        unsafe { address.read_volatile() }
    }

    /// Writes the register `offset` bytes behind the first.
    pub(crate) fn write(&self, offset: usize, value: u32) {
        let address = self.address(offset);
        // SAFETY: it lies in the block, and is aligned.
        unsafe { address.write_volatile(value) }
    }

    fn address(&self, offset: usize) -> *mut u32 {
        assert!(offset < self.len && offset.is_multiple_of(4), "a register of the block");
        core::ptr::with_exposed_provenance_mut(self.base + offset)
    }
}
