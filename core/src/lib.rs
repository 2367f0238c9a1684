//! The hub.
#![no_std]
#![forbid(unsafe_code)]
