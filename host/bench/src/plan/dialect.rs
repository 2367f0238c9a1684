//! How a server wants lines to be said to it. Servers of raw lines want them as
//! they are; for others a line is put into a frame, a newcomer introduces itself,
//! and some lines want an answer. In what comes back the load generator finds
//! its lines whatever stands around them.

/// A server's way of taking lines.
#[derive(Clone, Debug)]
pub struct Dialect {
    /// What client number so-and-so says first.
    pub hello: fn(usize) -> String,
    /// What stands before a line.
    pub before: String,
    /// What stands after a line: its end at least.
    pub after: String,
    /// What to answer to a line of the server's own, if it wants an answer.
    pub answer: fn(&[u8]) -> Option<Vec<u8>>,
}

impl Dialect {
    /// Lines as they are, each with an LF.
    pub fn raw() -> Self {
        Self { hello: |_| String::new(), before: String::new(), after: "\n".into(), answer: |_| None }
    }
}
