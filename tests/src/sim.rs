//! The simulation: a hub on a simulated network, in virtual time and in one thread. The same seed gives
//! the same run.
//!
//! [`World`] is an honest driver of the hub, with its connections. [`Peer`] is a client's end of a
//! connection. [`run`] plays a random life of a hub from a seed, and checks it; [`recorded`]
//! makes a trace of it. [`siege`] is a room
//! under attack.

mod counters;
mod life;
mod net;
mod part;
mod peer;
mod recording;
mod run;
pub mod siege;
mod store;
mod streams;
mod talker;
mod weather;
mod world;

pub use counters::Counters;
pub use net::{Read, SocketId};
pub use peer::Peer;
pub use run::{recorded, run};
pub use weather::Weather;
pub use world::{READ_SIZE, World};
