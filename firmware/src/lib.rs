//! The hub on microcontrollers: this crate will hold the driver that feeds
//! [`parlour_core`] from smoltcp's socket set, one file for each board and one
//! for each network interface.
//!
//! Today it compiles on the host and holds nothing else, so that the workspace
//! has its final shape.
#![no_std]
#![forbid(unsafe_code)]

pub use parlour_core as core;
