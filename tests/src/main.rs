//! Replays random tests.
fn main() {}
