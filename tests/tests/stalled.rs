//! Many clients that read nothing for a long time, and then all of it: the journal has it for them, and nobody
//! else notices.

use std::io::Read;
use std::ops::Range;
use std::thread;
use std::time::Instant;

use parlour_tests::chat::Talk;
use parlour_tests::client::{Client, ConnectOptions, Stream};
use parlour_tests::journals::{folder, rows, text};
use parlour_tests::server::{Poller, Server};
use parlour_tests::talkers::{self, Talker, load};
use parlour_tests::with_each_poller;

with_each_poller! {
    those_that_stall_hold_up_nobody_and_read_all_of_it_later,
}

/// The server's memory must stay below this, however much is said.
const MOST_MEMORY_KIB: u64 = 64 << 10;

/// A client that reads fast: it looks at each line where it lies.
struct Reader {
    stream: Stream,
    bytes: Vec<u8>,
    /// The bytes that it has and has not looked at.
    rest: Range<usize>,
}

impl Reader {
    fn new(client: Client) -> Self {
        Self { stream: client.into_stream(), bytes: vec![0; 64 << 10], rest: 0..0 }
    }

    /// The next line, without its ending.
    fn line(&mut self) -> &[u8] {
        let mut looked_at = 0;
        loop {
            let rest = &self.bytes[self.rest.clone()][looked_at..];
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line = self.rest.start..self.rest.start + looked_at + end;
                self.rest.start = line.end + 1;
                return self.bytes[line].trim_ascii_end();
            }
            looked_at = self.rest.len();
            self.bytes.copy_within(self.rest.clone(), 0);
            self.rest = 0..looked_at;
            let count = self.stream.read(&mut self.bytes[looked_at..]).expect("a line in time");
            assert!(count > 0, "it was disconnected");
            self.rest.end += count;
        }
    }

    /// Reads ann's lines up to the one before `lines`: each once, in order, marked as earlier or not. Nothing may
    /// be missed. Returns how many were not marked.
    fn read_all(&mut self, lines: usize) -> usize {
        let (mut next, mut unmarked) = (0, 0);
        while next < lines {
            let line = self.line();
            let marked = line.strip_prefix(b"-- earlier (").and_then(|rest| rest.get(b"00:00): ".len()..));
            if let Some(said) = marked.unwrap_or(line).strip_prefix(b"<ann> ") {
                assert!(talkers::number(said) == Some(next), "{:?} is not line {next}", line.escape_ascii());
                next += 1;
                unmarked += usize::from(marked.is_none());
            } else {
                assert!(!line.starts_with(b"-- you missed"), "{:?} before line {next}", line.escape_ascii());
            }
        }
        unmarked
    }
}

/// 50 MB are said and 1 GB is read by those that stalled. With `PARLOUR_LOAD=20`, 1 GB is said. It prints how
/// long that took.
fn those_that_stall_hold_up_nobody_and_read_all_of_it_later(poller: Poller) {
    const STALLED: usize = 20;
    const OTHERS: usize = 3;
    let lines = 50_000_000 / talkers::line(0).len() * load();
    let (_folder, path) = folder();
    let mut server = poller.chatting(&["--journal", text(&path), "--rate", "off"]);
    let small = ConnectOptions { receive_buffer: Some(4096), source: None };
    let stalled = [(); STALLED].map(|()| Client::enter_with(server.chat(), small));
    let others = [(); OTHERS].map(|()| Reader::new(Client::enter(server.chat())));
    let ann = Talker::named(server.chat(), "ann");
    let began = Instant::now();
    let others = others.map(|mut other| thread::spawn(move || (other.read_all(lines), other)));
    let ann = ann.talk(0..lines);
    let others = others.map(|other| other.join().expect("it hears everything"));
    let said = began.elapsed();
    ann.join().expect("all was said");
    let (before, began) = (server.memory_kib(), Instant::now());
    let stalled = stalled.map(|client| {
        let mut reader = Reader::new(client);
        thread::spawn(move || {
            reader.read_all(lines);
            reader
        })
    });
    let stalled = stalled.map(|reader| reader.join().expect("it reads everything"));
    println!(
        "{lines} lines said and heard in {said:.1?}, {:?} of them unmarked; {:.0} lines/s read by {STALLED} that stalled; \
         memory {before} KiB before that, {} KiB after it, {} KiB at most",
        others.each_ref().map(|(unmarked, _)| unmarked),
        (STALLED * lines) as f64 / began.elapsed().as_secs_f64(),
        server.memory_kib(),
        server.memory_peak_kib()
    );
    assert!(server.memory_peak_kib() < MOST_MEMORY_KIB, "{} KiB", server.memory_peak_kib());
    // From now on they hear everything with the others.
    let mut bob = Client::named(server.chat(), "bob");
    bob.say("and now?");
    for mut reader in others.into_iter().map(|(_, other)| other).chain(stalled) {
        while reader.line() != b"<bob> and now?" {}
    }
    let log = server.stderr.seen();
    assert!(log.iter().all(|line| !line.contains("too slow")), "nobody is cut off: {log:#?}");
    server.stop();
    assert!(rows(&path, "SELECT CAST(messages AS TEXT) FROM gaps").is_empty());
}

/// How many pages of the journal are read from the disk for so many clients that stall, and then read all of it.
fn pages_read_for(stalled: usize) -> u64 {
    const LINES: usize = 80_000;
    let (_folder, path) = folder();
    let open = ["--max-conns-per-ip", "off", "--max-conns", "200", "--connect-rate", "off", "--rate", "off"];
    let mut command = Server::command(&[&["--chat", "0", "--journal", text(&path)], &open[..]].concat());
    command.env("RUST_LOG", "debug");
    let mut server = Server::launch(command);
    let small = ConnectOptions { receive_buffer: Some(4096), source: None };
    let stalled: Vec<_> = (0..stalled).map(|_| Client::enter_with(server.chat(), small)).collect();
    Talker::named(server.chat(), "ann").talk(0..LINES).join().expect("all was said");
    let stalled: Vec<_> = stalled
        .into_iter()
        .map(|client| thread::spawn(move || Reader::new(client).read_all(LINES)))
        .collect();
    for reader in stalled {
        reader.join().expect("it reads everything");
    }
    server.signal(parlour_tests::sys::SIGTERM);
    let told = server.stderr.wait_for("how many pages", |line| line.contains("read pages of the journal"));
    let (_, pages) = told.rsplit_once("pages=").expect("a number");
    pages.trim().parse().expect("a number")
}

#[test]
fn a_hundred_that_read_the_same_share_its_pages() {
    let (one, hundred) = (pages_read_for(1), pages_read_for(100));
    println!("pages read from the disk: {one} for one reader, {hundred} for a hundred");
    assert!(one > 50, "{one} pages are too few to see anything");
    assert!(hundred < 5 * one, "{hundred} pages for a hundred readers, {one} for one");
}
