//! Members that are behind get what the log still has.

use std::collections::VecDeque;

use parlour_core::{Close, Config, Hub, Input, Instant, Listener, Protocol};
use parlour_memory::Memory;

use crate::scene::{GRACE_MS, LIMITS, Scene, someone_behind, with_hub};

#[test]
fn newcomers_see_the_last_messages_with_their_times() {
    let listeners = [Listener::new(Protocol::Chat)];
    let config = Config { history: 2, ..Config::new(&listeners) };
    let mut memory = Memory::new(&LIMITS);
    let hub = Hub::new(config, LIMITS, memory.storage()).unwrap();
    let mut scene = Scene { hub, now: Instant::from_millis(5_000), wanted: VecDeque::new() };
    let bob = scene.open();
    scene.say(bob, "nobody knows when\n");
    // 2026-11-27 22:59:59 UTC, an hour behind the people.
    scene.hub.handle(scene.now, Input::Clock { unix_ms: 1_795_820_399_000, utc_offset_s: 3_600 });
    scene.say(bob, "at a minute to midnight\n");
    scene.pass(1_000);
    scene.say(bob, "/me sleeps\n");
    scene.take_all(bob);
    let alice = scene.open();
    assert_eq!(
        scene.take_all(alice).lines().skip(1).collect::<Vec<_>>(),
        [
            "-- earlier (2026-11-27 23:59): <guest-1> at a minute to midnight",
            "-- earlier (00:00): * guest-1 sleeps",
            "-- here: guest-1, guest-2"
        ]
    );
    scene.say(alice, "/history 3\n");
    assert_eq!(
        scene.take_all(alice).lines().next(),
        Some("-- earlier: <guest-1> nobody knows when"),
        "a time that is not known is not told"
    );
    for (asked, answer) in [("0", "-- /history needs a number"), ("x", "-- /history needs a number")] {
        scene.say(alice, &format!("/history {asked}\n"));
        assert!(scene.take_all(alice).starts_with(answer), "{asked}");
    }
}

#[test]
fn one_that_is_behind_holds_nothing_and_gets_all_that_the_log_still_has() {
    for piece in [1, 5, 1_000] {
        with_hub(Protocol::Chat, false, |mut scene| {
            // The last one waits for a place, and the room for the one that does not read.
            let [bob, deaf] = someone_behind(&mut scene, 15);
            scene.pass(u64::from(GRACE_MS));
            let mut seen = String::new();
            for number in 15..18 {
                for _ in 0..500 {
                    seen += &scene.take(deaf, piece);
                    scene.hub.handle(scene.now, Input::Tick);
                }
                scene.say(bob, &format!("line {number:03}\n"));
            }
            seen += &scene.take_all(deaf);
            let plain = seen.replace("-- earlier: ", "");
            let said: String = (0..18).map(|number| format!("<bob> line {number:03}\r\n")).collect();
            assert_eq!(plain, said, "in pieces of {piece}");
            assert!(seen.contains("-- earlier") && seen.ends_with("\n<bob> line 017\r\n"), "{seen}");
        });
    }
}

#[test]
fn what_it_says_while_it_is_behind_does_not_come_back() {
    with_hub(Protocol::Chat, false, |mut scene| {
        let [bob, deaf] = someone_behind(&mut scene, 14);
        scene.say(deaf, "mine\n");
        scene.say(bob, "after it\n");
        let seen = scene.say_reading(deaf, "/nick eve\n");
        let seen = (seen + &scene.take_all(deaf)).replace("-- earlier: ", "");
        let told: Vec<_> = seen.lines().filter(|line| !line.starts_with("<bob> line")).collect();
        assert_eq!(told, ["<bob> after it", "-- guest-2 is now eve"]);
        assert!(scene.take_all(bob).contains("<guest-2> mine"));
    });
}

#[test]
fn without_a_driver_that_keeps_records_it_is_told_that_some_are_gone() {
    with_hub(Protocol::Chat, false, |mut scene| {
        let [bob, deaf] = someone_behind(&mut scene, 60);
        let seen = scene.take_all(deaf);
        let lines: Vec<_> = seen.lines().map(|line| line.trim_start_matches("-- earlier: ")).collect();
        let gap = lines.iter().rposition(|line| *line == "-- you missed some messages").expect("a gap");
        let last: Vec<String> =
            (60 - (lines.len() - gap - 1)..60).map(|n| format!("<bob> line {n:03}")).collect();
        assert_eq!(lines[gap + 1..], last, "the newest");
        assert!(last.len() > 5);
        scene.say(bob, "on\n");
        assert_eq!(scene.take_all(deaf), "<bob> on\r\n", "it is attached again");
        assert_eq!(scene.next_wanted(), None);
    });
}

#[test]
fn a_relay_gets_its_bytes_or_is_disconnected() {
    for (lines, is_whole) in [(10, true), (100, false)] {
        with_hub(Protocol::Relay, false, |mut scene| {
            let [bob, deaf] = [scene.open(), scene.open()];
            for number in 0..lines {
                scene.say(bob, &format!("{number:050}\n"));
                scene.pass(u64::from(GRACE_MS));
            }
            let seen = scene.take_all(deaf);
            let said: String = (0..lines).map(|number| format!("{number:050}\n")).collect();
            assert_eq!(seen == said, is_whole);
            assert!(said.starts_with(&seen));
            assert_eq!(scene.hub.interest(deaf).close, if is_whole { Close::No } else { Close::Abort });
            let lagged = scene.hub.stats().lagged;
            assert!(if is_whole { lagged <= 1 } else { lagged >= 2 }, "{lagged} times");
        });
    }
}
