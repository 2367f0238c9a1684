//! The memory of the private queues: buffers that queues borrow while they hold something.

/// The buffer of a queue that has none.
pub(super) const NO_BUFFER: u32 = u32::MAX;

/// As many buffers as there are queues. The buffer that was given back last is lent next. So only as
/// much memory is used as queues held something at once.
#[derive(Debug)]
pub(crate) struct Buffers<'a> {
    bytes: &'a mut [u8],
    /// Bytes of one.
    pub(super) size: usize,
    /// So many of them are only for what comes before everything else in a queue.
    #[cfg(feature = "large")]
    reserve: usize,
    /// The buffer that is lent next, and the first that was never lent. The first bytes of a free buffer
    /// name the one after it.
    free: u32,
    unused: u32,
}

impl<'a> Buffers<'a> {
    pub(crate) fn new(bytes: &'a mut [u8], size: usize) -> Self {
        Self {
            bytes,
            size,
            #[cfg(feature = "large")]
            reserve: 0,
            free: NO_BUFFER,
            unused: 0,
        }
    }

    /// As [`Buffers::new`], with a reserve for the rest of a half sent line.
    #[cfg(feature = "large")]
    pub(crate) fn with_reserve(bytes: &'a mut [u8], size: usize, reserve: usize) -> Self {
        Self { reserve, ..Self::new(bytes, size) }
    }

    /// A small hub has no pages, so it leaves nobody behind without patience.
    #[cfg(not(feature = "large"))]
    pub(crate) fn with_reserve(bytes: &'a mut [u8], size: usize, _: usize) -> Self {
        Self::new(bytes, size)
    }

    #[cfg(feature = "large")]
    pub(super) fn reserve(&self) -> usize {
        self.reserve
    }

    #[cfg(not(feature = "large"))]
    pub(super) fn reserve(&self) -> usize {
        0
    }

    pub(super) fn borrow(&mut self) -> u32 {
        if self.free == NO_BUFFER {
            self.unused += 1;
            return self.unused - 1;
        }
        let buffer = self.free;
        let mut next = [0; 4];
        next.copy_from_slice(&self.get(buffer)[..4]);
        self.free = u32::from_le_bytes(next);
        buffer
    }

    pub(super) fn give_back(&mut self, buffer: u32) {
        let next = self.free.to_le_bytes();
        self.get_mut(buffer)[..4].copy_from_slice(&next);
        self.free = buffer;
    }

    pub(super) fn get(&self, buffer: u32) -> &[u8] {
        let at = buffer as usize * self.size;
        &self.bytes[at..at + self.size]
    }

    pub(super) fn get_mut(&mut self, buffer: u32) -> &mut [u8] {
        let at = buffer as usize * self.size;
        &mut self.bytes[at..at + self.size]
    }
}
