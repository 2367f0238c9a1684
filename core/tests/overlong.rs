//! An encoding that writes more than it has said: such a record is left out as a whole.
#![cfg(feature = "large")]

use parlour_core::{
    Config, ConnId, Encoding, Hub, Input, Instant, Limits, Listener, ListenerId, Protocol, Record, Sink,
};
use parlour_memory::Memory;

const LIMITS: Limits = Limits {
    conns: 4,
    rooms: 2,
    rooms_per_conn: 2,
    members: 8,
    catch_ups: 4,
    name: 32,
    line: 64,
    queue: 512,
    proposals: 0,
    log: 2048,
    records: 16,
    followers: 0,
    rings: 2,
};
const NOW: Instant = Instant::from_millis(0);

/// What an encoding has said is its longest, besides the text and a name.
#[derive(Debug)]
struct Stars(usize);

impl Encoding for Stars {
    /// A text in stars. One of stars gets many more.
    fn render(&self, record: &Record<'_>, _: bool, out: &mut Sink<'_>) {
        out.push(b"*");
        if record.text.starts_with(b"*") {
            out.push(&[b'*'; 250]);
        }
        out.push(record.text);
        out.push(b"*\n");
    }

    fn longest(&self, text: usize, _: usize) -> usize {
        text + self.0
    }
}

fn say(hub: &mut Hub<'_>, conn: ConnId, text: &str) {
    assert_eq!(hub.handle(NOW, Input::Received { conn, bytes: text.as_bytes() }).taken(), text.len());
}

fn read(hub: &mut Hub<'_>, conn: ConnId) -> String {
    let mut all = Vec::new();
    for _ in 0..9 {
        let lent: Vec<u8> = hub.transmit(conn).flatten().copied().collect();
        hub.handle(NOW, Input::Sent { conn, count: lent.len() });
        hub.handle(NOW, Input::Tick);
        all.extend(lent);
    }
    String::from_utf8(all).unwrap()
}

#[test]
fn a_record_that_is_longer_than_the_longest_is_left_out_as_a_whole() {
    // The other encoding needs more memory, in which the record would have a place.
    let encodings: &[&dyn Encoding] = &[&Stars(3), &Stars(253)];
    let chat = Listener::new(Protocol::Chat);
    let [short, long] = [0, 1].map(|encoding| Listener { encoding: Some(encoding), ..chat });
    let listeners = [chat, short, long];
    let config = Config { encodings, history: 9, ..Config::new(&listeners) };
    let mut memory = Memory::new(&LIMITS);
    let mut hub = Hub::new(config, LIMITS, memory.storage()).unwrap();
    let open = |hub: &mut Hub<'_>, listener: u8| {
        hub.handle(NOW, Input::Accepted { listener: ListenerId(listener), peer: None }).opened().unwrap()
    };
    let [talker, short, long] = [0, 1, 2].map(|listener| open(&mut hub, listener));
    for conn in [short, long] {
        read(&mut hub, conn);
    }
    say(&mut hub, talker, "/nick bob\none\n* two\nthree\n");
    let without = "*one*\n*three*\n";
    let seen = read(&mut hub, short);
    assert!(seen.ends_with(without), "{seen}");
    assert!(read(&mut hub, long).contains("** two*\n*three*\n"));
    // What was said before is rendered anew.
    let late = open(&mut hub, 1);
    let seen = read(&mut hub, late);
    assert!(seen.contains(without) && !seen.contains("two"), "{seen}");
    say(&mut hub, talker, "/msg guest-2 * private\nfour\n");
    assert_eq!(read(&mut hub, short), "*four*\n");
}
