//! parlour on a host: the hub of [`parlour_core`] driven by select(2) or epoll(7),
//! and a terminal client for it.
//!
//! `serve` drives the hub, `join` is the client; both wait through `poll`, and
//! `sys` is the only place with `unsafe`.

pub mod join;
mod poll;
pub mod serve;
mod sys;
