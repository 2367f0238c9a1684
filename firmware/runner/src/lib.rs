//! What `cargo firmware` does: builds the program of a board, bills its memory, runs it in
//! an emulator or on the real board, and shows its log.
//!
//! A board's row in [`BOARDS`](parlour_boards::BOARDS) says everything about it. Nothing here names a
//! board.
//!
//! ```text
//! toolchain    which compiler, and where it has the core library from
//! variant      what a program is built for
//! build        the program, by cargo
//! image, bill  what is in it; what that takes of flash and RAM
//! settings     what can be chosen when it runs
//! run          the emulator, or probe-rs
//! logs         defmt frames as lines of text
//! ```
#![forbid(unsafe_code)]

pub mod bill;
pub mod build;
pub mod image;
pub mod logs;
pub mod run;
pub mod settings;
pub mod toolchain;
pub mod variant;

use std::path::PathBuf;

/// The path of an installed program.
pub fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
