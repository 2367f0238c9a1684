//! The dialects of servers with a protocol of their own: the shortest way into a room `bench`, and the
//! frame around a message. All of these protocols pass a message on in a line of its own, or at the end
//! of a line. There the load generator finds it.

use parlour_bench::Dialect;

/// The most bytes in a line for IRC: 512 (RFC 2812, section 2.3), less the prefix that the server puts
/// before a message.
pub(crate) const LONGEST_IRC_LINE: usize = 512 - 112;

/// IRC (RFC 2812).
pub(crate) fn irc(_line: usize) -> Dialect {
    Dialect {
        hello: |client| format!("NICK b{client}\r\nUSER bench 0 * :bench\r\nJOIN #bench\r\n"),
        before: "PRIVMSG #bench :".into(),
        after: "\r\n".into(),
        answer: |line| line.strip_prefix(b"PING ").map(|token| [b"PONG ", token, b"\n"].concat()),
    }
}

/// The protocol of Redis, version 3. In it a subscriber may also publish.
pub(crate) fn redis(line: usize) -> Dialect {
    Dialect {
        hello: |_| "HELLO 3\r\nSUBSCRIBE bench\r\n".into(),
        before: format!("*3\r\n$7\r\nPUBLISH\r\n$5\r\nbench\r\n${}\r\n", line - 1),
        after: "\r\n".into(),
        answer: |_| None,
    }
}

/// The client protocol of NATS.
pub(crate) fn nats(line: usize) -> Dialect {
    Dialect {
        hello: |_| "CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":false}\r\nSUB bench 1\r\n".into(),
        before: format!("PUB bench {}\r\n", line - 1),
        after: "\r\n".into(),
        answer: |line| line.starts_with(b"PING").then(|| b"PONG\r\n".to_vec()),
    }
}
