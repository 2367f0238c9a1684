//! The dialect of a server: the form in which it takes lines. Some servers take raw lines. Others want
//! a frame around a line, an introduction from a newcomer, and answers to some of their own lines. The
//! load generator finds its lines in the output, whatever the server puts around them.

/// What a client answers to the server's own lines, one after the other. It may remember the earlier ones.
pub type Answers = Box<dyn FnMut(&[u8]) -> Option<Vec<u8>>>;

/// A server's way of taking lines.
#[derive(Clone, Debug)]
pub struct Dialect {
    /// The first words of a client, by its number, and whether it needs to receive lines.
    pub hello: fn(usize, bool) -> String,
    /// The text before a line.
    pub before: String,
    /// The text after a line, with at least the line ending.
    pub after: String,
    /// The answers of one client to lines of the server itself, if it wants any.
    pub answers: fn() -> Answers,
}

impl Dialect {
    /// Lines as they are, each with an LF.
    pub fn raw() -> Self {
        Self {
            hello: |_, _| String::new(),
            before: String::new(),
            after: "\n".into(),
            answers: || Box::new(|_| None),
        }
    }
}

/// The answers of all clients.
pub(crate) struct Replies {
    make: fn() -> Answers,
    /// By client. A client that has heard nothing of the server's own may have none yet.
    clients: Vec<Answers>,
}

impl Replies {
    pub(crate) fn new(dialect: &Dialect) -> Self {
        Self { make: dialect.answers, clients: Vec::new() }
    }

    /// What `client` answers to this line of the server's own.
    pub(crate) fn to(&mut self, client: usize, line: &[u8]) -> Option<Vec<u8>> {
        if self.clients.len() <= client {
            self.clients.resize_with(client + 1, self.make);
        }
        (self.clients[client])(line)
    }

    /// A client connects anew. What it has heard before does not count.
    pub(crate) fn begin_anew(&mut self, client: usize) {
        if let Some(answers) = self.clients.get_mut(client) {
            *answers = (self.make)();
        }
    }
}
