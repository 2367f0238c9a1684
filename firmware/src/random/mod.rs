//! Sources of randomness, one file each. They know no boards.

pub(crate) mod virtio;
