//! What the tests of parlour share.

#[cfg(feature = "programs")]
pub mod board;
pub mod chat;
#[cfg(feature = "programs")]
pub mod client;
pub mod conformance;
pub mod hub;
pub mod imports;
pub mod lines;
pub mod model;
#[cfg(feature = "programs")]
pub mod over_tcp;
#[cfg(feature = "programs")]
pub mod programs;
pub mod seeds;
#[cfg(feature = "programs")]
pub mod server;
pub mod sim;
#[cfg(feature = "programs")]
pub mod swarm;
#[cfg(feature = "programs")]
pub mod sys;
#[cfg(feature = "programs")]
pub mod terminal;
#[cfg(feature = "programs")]
pub mod wire;
