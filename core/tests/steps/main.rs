//! The hub's duties to its clients, step by step through its public interface, with one file for each
//! matter. The models of the random tests only *allow* much of this. These tests demand it.

#[cfg(feature = "large")]
mod addresses;
mod counts;
mod endings;
#[cfg(all(feature = "console", feature = "large", feature = "relay"))]
mod followers;
mod hand_over;
mod idle;
#[cfg(all(feature = "console", feature = "large", feature = "relay"))]
mod known;
mod lag;
mod lines;
mod named;
mod names;
#[cfg(all(feature = "console", feature = "large", feature = "relay"))]
mod operator;
mod reconfigured;
#[cfg(feature = "relay")]
mod relay;
mod scene;
mod turns;
