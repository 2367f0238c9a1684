//! The relay: every byte arrives in time, and counts for the rate.

use parlour_core::{Cause, Close, ConnId, OnLag};

use crate::scene::{RELAY, Scene, unusual, usual};

const UNFINISHED_MS: u64 = 200;

/// Two clients that have both sent something, and read all.
fn two(scene: &mut Scene<'_>) -> [ConnId; 2] {
    let both = [(); 2].map(|()| scene.open(RELAY));
    for conn in both {
        scene.say(conn, "hello\n");
    }
    for conn in both {
        scene.receive(conn);
    }
    both
}

#[test]
fn an_unfinished_line_goes_out_in_time_and_not_before() {
    usual(|mut scene| {
        let [alice, bob] = two(&mut scene);
        scene.say(alice, "unfin");
        scene.at(UNFINISHED_MS - 1);
        assert_eq!(scene.receive(bob), "");
        scene.at(UNFINISHED_MS);
        assert_eq!(scene.receive(bob), "unfin");
        // Later bytes have the full time again.
        scene.at(1_000);
        scene.say(alice, "ished");
        scene.at(1_000 + UNFINISHED_MS - 1);
        assert_eq!(scene.receive(bob), "");
        scene.say(alice, "\n");
        assert_eq!(scene.receive(bob), "ished\n");
    });
}

#[test]
fn the_time_of_an_unfinished_line_begins_with_its_first_piece() {
    usual(|mut scene| {
        let [alice, bob] = two(&mut scene);
        scene.say(alice, "un");
        scene.at(UNFINISHED_MS / 2);
        scene.say(alice, "fin");
        scene.at(UNFINISHED_MS - 1);
        assert_eq!(scene.receive(bob), "");
        scene.at(UNFINISHED_MS);
        assert_eq!(scene.receive(bob), "unfin");
    });
}

#[test]
fn the_last_words_of_one_that_breaks_off_are_passed_on() {
    for cause in [Cause::Reset, Cause::TimedOut] {
        usual(|mut scene| {
            let [alice, bob] = two(&mut scene);
            scene.say(alice, "my last wo");
            scene.breaks(alice, cause);
            assert_eq!(scene.receive(bob), "my last wo");
            assert_eq!(scene.hub.count(), 1);
        });
    }
}

#[test]
fn the_last_words_of_one_that_has_ended_are_passed_on_and_it_is_closed() {
    usual(|mut scene| {
        let [alice, bob] = two(&mut scene);
        scene.say(alice, "my last wo");
        scene.half_close(alice);
        assert_eq!(scene.receive(bob), "my last wo");
        assert_eq!(scene.close(alice), Close::Full);
    });
}

#[test]
fn a_relay_that_is_to_wait_cuts_nobody_however_long_it_takes() {
    for (on_lag, close) in [(OnLag::Wait, Close::No), (OnLag::Skip, Close::Abort)] {
        unusual(
            |_, listeners| listeners[2].on_lag = on_lag,
            |mut scene| {
                let [talker, deaf] = two(&mut scene);
                scene.fill_room(talker);
                scene.at(3_600_000);
                assert_eq!(scene.close(deaf), close, "{on_lag:?}");
            },
        );
    }
}

/// Lines that come together are passed on together, and count one by one all the same.
#[cfg(feature = "large")]
#[test]
fn each_relayed_line_counts_against_the_rate() {
    unusual(
        |_, listeners| listeners[2].rate = Some(parlour_core::Bound::for_all(10)),
        |mut scene| {
            let [alice, bob] = two(&mut scene);
            // The hello and these are 41 lines, which take 4.1 s. One second may be ahead.
            scene.say(alice, "x\n".repeat(40));
            assert_eq!(scene.receive(bob), "x\n".repeat(40));
            scene.at(3_099);
            assert_eq!(scene.hub.interest(alice).read, 0);
            scene.at(3_100);
            assert!(scene.hub.interest(alice).read > 0);
        },
    );
}

#[cfg(feature = "large")]
#[test]
fn a_relayed_line_that_comes_in_two_pieces_counts_once() {
    unusual(
        |_, listeners| listeners[2].rate = Some(parlour_core::Bound::for_all(10)),
        |mut scene| {
            let [alice, _] = two(&mut scene);
            // After the hello, ten more are a second and one line.
            for _ in 0..10 {
                assert!(scene.hub.interest(alice).read > 0);
                scene.say(alice, "x");
                scene.say(alice, "y\n");
            }
            assert_eq!(scene.hub.interest(alice).read, 0);
        },
    );
}

#[test]
fn a_relayed_line_waits_for_a_closed_room_even_when_its_author_has_ended() {
    for words in ["my last words\n", "my last words"] {
        usual(|mut scene| {
            let [talker, deaf] = two(&mut scene);
            let alice = scene.open(RELAY);
            scene.fill_room(talker);
            scene.receive(alice);
            scene.say(alice, words);
            scene.half_close(alice);
            scene.at(1_000);
            assert_eq!((scene.receive(talker).as_str(), scene.close(alice)), ("", Close::No), "{words:?}");
            scene.receive(deaf);
            let seen = scene.receive(talker);
            assert!(seen.contains("my last words"), "{seen}");
            scene.receive(alice);
            assert_eq!(scene.close(alice), Close::Full);
        });
    }
}

/// Only an unfinished line has to wait for the rate, and there is none.
#[cfg(feature = "large")]
#[test]
fn one_that_has_used_up_its_rate_and_has_ended_is_closed_at_once() {
    unusual(
        |_, listeners| listeners[2].rate = Some(parlour_core::Bound::for_all(10)),
        |mut scene| {
            let [alice, bob] = two(&mut scene);
            scene.say(alice, "x\n".repeat(40));
            scene.half_close(alice);
            assert_eq!((scene.receive(bob), scene.close(alice)), ("x\n".repeat(40), Close::Full));
        },
    );
}

/// Otherwise an unfinished line would go out with them, and another client's bytes could follow it.
#[test]
fn of_what_has_to_wait_only_whole_lines_are_taken() {
    usual(|mut scene| {
        let [talker, deaf] = two(&mut scene);
        let alice = scene.open(RELAY);
        scene.fill_room(talker);
        scene.receive(alice);
        assert_eq!(scene.offer(alice, b"one\ntwo\nthr"), 8);
        scene.receive(deaf);
        let seen = scene.receive(talker);
        assert!(seen.ends_with("one\ntwo\n"), "{seen}");
    });
}
