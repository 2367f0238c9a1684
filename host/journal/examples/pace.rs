//! How many messages a second the journal takes: `cargo run --release -p parlour-journal --example pace`.

use std::time::Instant;

use parlour_core::{Identity, Kind, Place, Record, RoomRef};
use parlour_journal::{Batch, Event, Journal, Options};

const COUNT: u64 = 2_000_000;

fn main() {
    let folder = tempfile::tempdir_in(".").expect("a folder");
    let (journal, known) =
        Journal::<()>::open(&folder.path().join("pace.db"), Options::default()).expect("a journal");
    let mut batch = Batch::default();
    batch.add_room(1, "lobby");
    let text = [b'x'; 64];
    let start = Instant::now();
    let mut next = known.next_seq;
    while next < COUNT {
        for _ in 0..64 {
            let record = Record {
                seq: next,
                unix_ms: 1_800_000_000_000 + next / 200,
                room: RoomRef::NONE,
                place: Place::Chat("lobby"),
                author: Identity::from_u64(1 + next % 100),
                name: "somebody",
                kind: Kind::Say,
                is_torn: false,
                text: &text,
            };
            batch.push(&record, 1);
            next += 1;
        }
        while !journal.has_place() {
            std::thread::yield_now();
        }
        journal.write(&mut batch);
    }
    let mut stored = 0;
    while stored < COUNT - 1 {
        for event in journal.events() {
            if let Event::Stored(mark) = event {
                stored = mark.seq.unwrap_or(stored);
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{:.0} messages a second", COUNT as f64 / seconds);
}
