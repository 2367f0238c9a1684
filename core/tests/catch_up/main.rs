//! Catch-up: members that stand behind the log get what they have missed, from the log and from the
//! driver's pages, each line once and in order.
#![cfg(all(feature = "large", feature = "relay"))]

mod log;
mod moments;
mod pages;
mod scene;
