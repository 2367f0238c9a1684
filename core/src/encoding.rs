//! Encodings: how a kind of client sees a record.

pub(crate) mod chat;
