//! The hub on microcontrollers: [`Driver`] feeds [`parlour_core`] from the sockets of
//! a smoltcp `SocketSet`. It runs wherever smoltcp does: on the boards of this
//! crate's program, in a firmware of one's own, and in tests on the host.
#![no_std]
#![forbid(unsafe_code)]

mod address;
pub mod board;
mod driver;
mod options;
pub mod sizes;

pub use address::{Address, Addressing};
pub use driver::{Clock, Driver, Link, Links, Note, Shortage};
pub use options::{Options, Service};
pub use parlour_core as core;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
