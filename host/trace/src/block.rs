//! The frame of a file: what it begins with, and blocks. Knows nothing of what they hold.

use std::io::{self, Read, Write};

/// What every trace begins with.
pub(crate) const MAGIC: [u8; 8] = *b"parltrac";
/// The version of the format. It changes with every change of what is written.
pub const VERSION: u32 = 5;
/// The most steps in a block. So a difference that no step shows is found after so many.
pub const STEPS: u32 = 4096;
/// From so many bytes on, a block is full.
pub(crate) const FULL: usize = 64 * 1024;

/// Bytes before the content of a block.
const HEAD: usize = 12;

/// A block that grows until it is written.
#[derive(Debug)]
pub(crate) struct Block {
    /// With place for its head.
    bytes: Vec<u8>,
}

impl Block {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; HEAD] }
    }

    /// Bytes of its content.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - HEAD
    }

    /// Where its content grows.
    pub(crate) fn content(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Writes it, and begins the next one.
    ///
    /// # Errors
    /// Those of the file. A block of more than 4 GiB is `InvalidInput`.
    pub(crate) fn write(&mut self, mut out: impl Write) -> io::Result<()> {
        let (head, content) = self.bytes.split_at_mut(HEAD);
        let len = u32::try_from(content.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        head[..4].copy_from_slice(&len.to_le_bytes());
        head[4..8].copy_from_slice(&crc32fast::hash(content).to_le_bytes());
        let sum = crc32fast::hash(&head[..8]);
        head[8..].copy_from_slice(&sum.to_le_bytes());
        out.write_all(&self.bytes)?;
        self.bytes.truncate(HEAD);
        Ok(())
    }
}

/// What was read of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// All of it.
    Whole,
    /// The file ends in it.
    Cut,
    /// The file ends before it.
    Nothing,
    /// It was changed after it was written.
    Damaged,
}

/// Reads the next block. `content` gets what there is of it.
///
/// # Errors
/// Those of the file.
pub(crate) fn read(mut file: impl Read, content: &mut Vec<u8>) -> io::Result<Found> {
    content.clear();
    let mut head = Vec::with_capacity(HEAD);
    file.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    match head.len() {
        0 => return Ok(Found::Nothing),
        HEAD if crc32fast::hash(&head[..8]) == number(8) => {}
        HEAD => return Ok(Found::Damaged),
        _ => return Ok(Found::Cut),
    }
    // It takes no more memory than the file has bytes, whatever the head says.
    file.take(number(0).into()).read_to_end(content)?;
    if content.len() < number(0) as usize {
        return Ok(Found::Cut);
    }
    let is_sound = crc32fast::hash(content) == number(4);
    Ok(if is_sound { Found::Whole } else { Found::Damaged })
}
