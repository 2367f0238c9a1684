#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "dhcp")]
mod address;
mod driver;
mod options;

#[cfg(feature = "dhcp")]
pub use address::{Address, Addressing};
pub use driver::{Clock, Driver, Link, Links, Note, Shortage};
#[cfg(feature = "sessions")]
pub use driver::{Session, SessionOptions};
pub use options::{Service, SocketOptions};
pub use parlour_core as core;
