//! parlour on a host: the hub of [`parlour_core`] driven by select(2), and a
//! terminal client for it.

pub mod join;
mod select;
mod sys;
