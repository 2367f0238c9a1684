//! Clients that do not read, where a server has a journal: nobody waits for them, not for a moment.
//!
//! The journal is in memory, and the flood is one that it can take, so no room waits for it. A pause counts if it is longer than half a second: a busy machine
//! makes shorter ones without any attack.

use std::time::{Duration, Instant};

use parlour_tests::journals::text;
use parlour_tests::server::Poller;
use parlour_tests::speech::{Parked, SIEGE, SMALL, Speech, besiege};
use parlour_tests::with_each_poller;

with_each_poller! {
    one_who_never_reads_does_not_silence_the_room_and_is_not_cut,
    twenty_who_never_read_do_not_silence_the_room_and_are_not_cut,
    one_who_reads_just_in_time_does_not_silence_the_room,
    those_who_ask_for_more_than_they_read_and_change_rooms_do_not_silence_the_room,
}

/// Lets a room be attacked, and checks that it is never silent.
fn withstand<A: FnMut(&mut Speech)>(poller: Poller, begin: impl FnOnce(&mut Speech) -> A) {
    /// A quarter of what comes through without an attack.
    const LEAST_LINES: usize = 100;
    const NOTICED: Duration = Duration::from_millis(500);
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    let path = folder.path().join("journal");
    let mut talk = Speech::start(poller, &["--journal", text(&path), "--rate", "5000"], 1);
    let attack = begin(&mut talk);
    let siege = besiege(talk, attack);
    let (lines, silent, longest) = (siege.lines, siege.silent(NOTICED), siege.longest());
    println!("{lines} lines came through in {SIEGE:?}; {longest:?} was the longest pause");
    assert!(
        lines >= LEAST_LINES && silent.is_zero(),
        "{lines} lines, silence of {silent:?}, {longest:?} at once"
    );
}

/// Lets so many clients ask for something and never read. Client number `n` sends `asks(n)`.
fn park(poller: Poller, count: usize, asks: impl Fn(usize) -> Vec<u8>) {
    withstand(poller, |talk| {
        let address = talk.server.chat().to_owned();
        let mut parked: Vec<_> = (0..count).map(|number| Parked::new(&address, &asks(number))).collect();
        move |_| {
            for client in &mut parked {
                client.come_back();
                assert_eq!(client.cut, 0, "nobody is cut");
            }
        }
    });
}

fn one_who_never_reads_does_not_silence_the_room_and_is_not_cut(poller: Poller) {
    park(poller, 1, |_| Vec::new());
}

fn twenty_who_never_read_do_not_silence_the_room_and_are_not_cut(poller: Poller) {
    park(poller, 20, |_| Vec::new());
}

fn one_who_reads_just_in_time_does_not_silence_the_room(poller: Poller) {
    const SELDOM: Duration = Duration::from_millis(880);
    /// Enough to read everything.
    const A_MOMENT: Duration = Duration::from_millis(50);
    withstand(poller, |talk| {
        let address = talk.server.chat().to_owned();
        let slow = talk.swarm.connect(&address, SMALL);
        let mut wakes = Instant::now() + SELDOM;
        move |talk: &mut Speech| {
            assert!(!talk.swarm.is_closed(slow), "nobody is cut");
            if wakes.elapsed() > A_MOMENT {
                wakes += SELDOM;
            }
            talk.swarm.set_reading(slow, wakes < Instant::now());
            talk.swarm.take_all(slow);
        }
    });
}

/// Each fills its queue to another point, so some of them leave the lobby in the middle of a line.
fn those_who_ask_for_more_than_they_read_and_change_rooms_do_not_silence_the_room(poller: Poller) {
    park(poller, 12, |number| {
        let helps = |count| "/help\n".repeat(count);
        format!("{}/join room{number}\n{}/join lobby\n", helps(number), helps(7 * number)).into_bytes()
    });
}
