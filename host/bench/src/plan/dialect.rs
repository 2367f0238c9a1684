//! The dialect of a server: the form in which it takes lines. Some servers take raw lines. Others want
//! a frame around a line, an introduction from a newcomer, and answers to some of their own lines. The
//! load generator finds its lines in the output, whatever the server puts around them.

/// A server's way of taking lines.
#[derive(Clone, Debug)]
pub struct Dialect {
    /// The first words of a client, by its number.
    pub hello: fn(usize) -> String,
    /// The text before a line.
    pub before: String,
    /// The text after a line, with at least the line ending.
    pub after: String,
    /// The answer to a line of the server itself, if it wants one.
    pub answer: fn(&[u8]) -> Option<Vec<u8>>,
}

impl Dialect {
    /// Lines as they are, each with an LF.
    pub fn raw() -> Self {
        Self { hello: |_| String::new(), before: String::new(), after: "\n".into(), answer: |_| None }
    }
}
