//! The simulation: a hub on a network that is made up, in virtual time, in one
//! thread, and the same for the same seed.
//!
//! [`World`] is an honest driver of the hub with its connections; [`Peer`] a
//! client's end of one; [`run`] a whole random life of a hub from a seed, with what
//! is checked about it; [`siege`] a room that others attack.

mod life;
mod net;
mod part;
mod peer;
mod run;
pub mod siege;
mod streams;
mod talker;
mod world;

pub use net::Read;
pub use peer::Peer;
pub use run::run;
pub use world::{Counters, READ_SIZE, SocketId, Weather, World};
