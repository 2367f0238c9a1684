//! What the tests of parlour share.

pub mod board;
pub mod chat;
pub mod client;
pub mod conformance;
pub mod hub;
pub mod imports;
pub mod lines;
pub mod model;
pub mod over_tcp;
pub mod programs;
pub mod seeds;
pub mod server;
pub mod sim;
pub mod swarm;
pub mod sys;
pub mod terminal;
pub mod wire;
