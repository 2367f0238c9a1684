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
        hello: |client, _| format!("NICK b{client}\r\nUSER bench 0 * :bench\r\nJOIN #bench\r\n"),
        before: "PRIVMSG #bench :".into(),
        after: "\r\n".into(),
        answers: || {
            Box::new(|line| line.strip_prefix(b"PING ").map(|token| [b"PONG ", token, b"\n"].concat()))
        },
    }
}

/// The protocol of Redis, version 3. In it a subscriber may also publish.
pub(crate) fn redis(line: usize) -> Dialect {
    Dialect {
        hello: |_, _| "HELLO 3\r\nSUBSCRIBE bench\r\n".into(),
        before: format!("*3\r\n$7\r\nPUBLISH\r\n$5\r\nbench\r\n${}\r\n", line - 1),
        after: "\r\n".into(),
        answers: || Box::new(|_| None),
    }
}

/// The client protocol of NATS.
pub(crate) fn nats(line: usize) -> Dialect {
    Dialect {
        hello: |_, _| {
            "CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":false}\r\nSUB bench 1\r\n".into()
        },
        before: format!("PUB bench {}\r\n", line - 1),
        after: "\r\n".into(),
        answers: || Box::new(pong),
    }
}

fn pong(line: &[u8]) -> Option<Vec<u8>> {
    line.starts_with(b"PING").then(|| b"PONG\r\n".to_vec())
}

/// NATS with a stream `bench` in a file. What is published there comes to the clients out of the stream. The
/// first client makes it.
pub(crate) fn jetstream(line: usize) -> Dialect {
    const STREAM: &str = r#"{"name":"bench","subjects":["bench"],"storage":"file"}"#;
    const CONSUMER: &str = r#"{"stream_name":"bench","config":{"durable_name":"all","deliver_subject":"stored","deliver_policy":"new","ack_policy":"none"}}"#;
    let hello = |client, needs_lines| {
        let mut text = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n".to_owned();
        if needs_lines {
            text += "SUB stored 1\r\n";
        }
        let requests = [("STREAM.CREATE.bench", STREAM), ("CONSUMER.DURABLE.CREATE.bench.all", CONSUMER)];
        for (request, body) in requests.into_iter().filter(|_| client == 0) {
            text += &format!("PUB $JS.API.{request} {}\r\n{body}\r\n", body.len());
        }
        text
    };
    Dialect {
        hello,
        before: format!("PUB bench {}\r\n", line - 1),
        after: "\r\n".into(),
        answers: || Box::new(pong),
    }
}

/// Redis with a stream `bench`. Each client reads it with XREAD, from where it was.
pub(crate) fn redis_stream(line: usize) -> Dialect {
    Dialect {
        // A client that waits in XREAD cannot send.
        hello: |_, needs_lines| if needs_lines { read_behind("$") } else { String::new() },
        before: format!("*5\r\n$4\r\nXADD\r\n$5\r\nbench\r\n$1\r\n*\r\n$1\r\nm\r\n${}\r\n", line - 1),
        after: "\r\n".into(),
        answers: || {
            let mut reader = StreamReader::default();
            Box::new(move |line| reader.answer(line.trim_ascii_end()))
        },
    }
}

/// Asks for what comes into the stream after the entry `id`.
fn read_behind(id: &str) -> String {
    format!("XREAD BLOCK 0 STREAMS bench {id}\r\n")
}

/// Reads the answers to XREAD, to know where to read on.
#[derive(Default)]
struct StreamReader {
    /// How many entries of the answer have not come yet. `None`: their number comes next.
    left: Option<u64>,
}

impl StreamReader {
    /// What to send after this line of an answer.
    fn answer(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        let text = str::from_utf8(line).ok()?;
        match (self.left, text) {
            // The name of the stream.
            (_, "bench") => self.left = None,
            (None, _) => self.left = Some(text.strip_prefix('*')?.parse().ok()?),
            (Some(left @ 1..), _) if is_id(text) => {
                self.left = Some(left - 1);
                return (left == 1).then(|| read_behind(text).into_bytes());
            }
            _ => {}
        }
        None
    }
}

/// Whether this is the number of an entry, such as 1700000000000-0.
fn is_id(text: &str) -> bool {
    text.split_once('-')
        .is_some_and(|(ms, number)| ms.parse::<u64>().is_ok() && number.parse::<u64>().is_ok())
}
