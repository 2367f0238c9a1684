//! Network interfaces, one file each, as devices of smoltcp. They know their
//! registers and frames, and nothing of boards.

#[cfg(feature = "nucleo-f429zi")]
pub(crate) mod embassy;
#[cfg(feature = "lm3s6965evb")]
pub(crate) mod stellaris;
#[cfg(feature = "riscv32-virt")]
pub(crate) mod virtio;
