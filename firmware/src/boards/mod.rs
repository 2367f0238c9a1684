//! The boards, one file each. The feature with the board's name chooses the file. A board's file defines
//!
//! - `NAME`, its name in the table of boards,
//! - the entry of the program, which sets the chip up and calls [`crate::run`],
//! - what happens in a panic, and where the log goes.

#[cfg(feature = "lm3s6965evb")]
#[path = "lm3s6965evb.rs"]
mod board;
#[cfg(feature = "nucleo-f429zi")]
#[path = "nucleo_f429zi.rs"]
mod board;
#[cfg(feature = "riscv32-virt")]
#[path = "riscv32_virt.rs"]
mod board;

// What several boards have in common.
#[cfg(feature = "emulated")]
mod emulated;
#[cfg(target_arch = "arm")]
mod systick;

pub(crate) use board::NAME;
