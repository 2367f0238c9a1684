//! The idle timeout. A client that says nothing for too long is closed, and no other.

use parlour_core::{Close, Config, Listener};

use crate::scene::{ECHO, Scene, unusual};

const IDLE_MS: u64 = 10_000;

fn with_timeout(test: impl FnOnce(Scene<'_>)) {
    unusual(|config: &mut Config<'_>, _: &mut [Listener; 4]| config.idle_ms = Some(IDLE_MS as u32), test);
}

/// Whether the hub ignores its input.
fn is_closing(scene: &Scene<'_>, conn: parlour_core::ConnId) -> bool {
    scene.hub.interest(conn).read == usize::MAX
}

#[test]
fn one_that_only_listens_is_idle_however_much_the_others_say() {
    with_timeout(|mut scene| {
        let (listener, talker) = (scene.guest(), scene.guest());
        for ms in (0..IDLE_MS).step_by(1_000) {
            scene.at(ms);
            scene.say(talker, "still here\n");
            assert!(scene.receive(listener).contains("still here"));
        }
        scene.at(IDLE_MS - 1);
        assert!(!is_closing(&scene, listener));
        scene.at(IDLE_MS);
        assert!(is_closing(&scene, listener));
        let seen = scene.receive(listener);
        assert!(seen.contains("-- you were idle for too long\r\n"), "{seen}");
        assert!(!is_closing(&scene, talker));
        scene.at(2 * IDLE_MS - 1_001);
        assert!(!is_closing(&scene, talker), "it has said something later");
        scene.at(2 * IDLE_MS - 1_000);
        assert!(is_closing(&scene, talker));
    });
}

/// An echo client that has ended its input reads its bytes back as slowly as it likes.
#[test]
fn one_that_is_closing_is_not_idle_while_it_takes_something() {
    with_timeout(|mut scene| {
        let echo = scene.open(ECHO);
        scene.say(echo, "0123456789");
        scene.half_close(echo);
        for digit in 0..8 {
            scene.at(digit * (IDLE_MS - 1));
            assert_eq!(scene.close(echo), Close::No, "after {digit}");
            assert_eq!(scene.take(echo, 1), digit.to_string());
        }
        let last = 7 * (IDLE_MS - 1);
        scene.at(last + IDLE_MS - 1);
        assert_eq!(scene.close(echo), Close::No);
        scene.at(last + IDLE_MS);
        assert_eq!(scene.close(echo), Close::Abort);
    });
}

/// A driver keeps bytes that were not taken, and offers them again.
#[test]
fn to_offer_again_what_was_not_taken_is_no_sign_of_life_but_more_is() {
    with_timeout(|mut scene| {
        let [same, more] = [(); 2].map(|()| scene.open(ECHO));
        for echo in [same, more] {
            let taken = scene.offer(echo, &[b'x'; 1_000]);
            assert!(taken < 1_000, "it does not read, so its queue is full");
        }
        scene.at(1_000);
        for echo in [same, more] {
            assert_eq!(scene.offer(echo, b"leftover"), 0);
        }
        scene.at(9_000);
        assert_eq!(scene.offer(same, b"leftover"), 0);
        assert_eq!(scene.offer(more, b"leftovers"), 0);
        scene.at(11_000);
        assert_eq!([is_closing(&scene, same), is_closing(&scene, more)], [true, false]);
        scene.at(19_000);
        assert!(is_closing(&scene, more));
    });
}

#[cfg(feature = "console")]
#[test]
fn the_console_is_never_idle() {
    with_timeout(|mut scene| {
        let operator = scene.open(crate::scene::CONSOLE);
        scene.at(10 * IDLE_MS);
        assert!(!is_closing(&scene, operator));
        scene.say(operator, "/stats\n");
        assert!(scene.receive(operator).contains("connections"));
    });
}
