//! Small servers to compare with. Some do only what the kernel demands of every server. Others are a
//! few lines on a popular runtime. Each listens on a port of 127.0.0.1 until it is ended.

mod chat;
mod limit;

use std::io;

/// A reference program.
pub(crate) struct Reference {
    pub(crate) name: &'static str,
    /// Serves on a port. Returns only with an error.
    pub(crate) serve: fn(u16) -> io::Result<()>,
}

pub(crate) const REFERENCES: [Reference; 4] = [
    Reference { name: "limit-fan", serve: |port| limit::serve(port, limit::Duty::Fan) },
    Reference { name: "limit-echo", serve: |port| limit::serve(port, limit::Duty::Echo) },
    Reference { name: "tokio-chat", serve: |port| chat::serve(port, chat::Duty::Chat) },
    Reference { name: "tokio-echo", serve: |port| chat::serve(port, chat::Duty::Echo) },
];
