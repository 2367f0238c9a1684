//! Where pages can be had, a room waits for a moment only, whatever those that do not read have done before; and who is
//! behind for too long is disconnected.

use parlour_core::{Cause, ConnId, Input, Protocol};

use crate::scene::{GRACE_MS, LIMITS, Scene, with_hub_behind};

/// How long a room waits at most for one that can read later what it has not read.
const MOMENT_MS: u64 = 50;

/// Long lines are said until the log was full many times over. The room may wait for a moment, and only once.
fn talk(scene: &mut Scene<'_>, bob: ConnId) {
    let mut waited_ms = 0;
    for number in 0..200 {
        let line = format!("{number:050}\n");
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            rest = &rest[scene.hub.handle(scene.now, Input::Received { conn: bob, bytes: rest }).taken()..];
            scene.take_all(bob);
            // Everybody is offered everything.
            scene.pass(0);
            if !rest.is_empty() {
                scene.pass(1);
                waited_ms += 1;
                assert!(waited_ms <= MOMENT_MS, "the room waits at line {number}");
            }
        }
    }
}

fn pair(scene: &mut Scene<'_>) -> [ConnId; 2] {
    let [bob, eve] = [scene.open(), scene.open()];
    scene.take_all(bob);
    scene.say(bob, "/nick bob\n");
    scene.pass(1_000);
    scene.take_all(bob);
    scene.take_all(eve);
    [bob, eve]
}

fn is_there(scene: &Scene<'_>, conn: ConnId) -> bool {
    scene.hub.ending(conn).is_none() && scene.hub.protocol(conn).is_some()
}

#[test]
fn a_room_waits_no_more_than_a_moment_for_one_that_reads_nothing() {
    with_hub_behind(Protocol::Chat, true, None, |mut scene| {
        let [bob, eve] = pair(&mut scene);
        talk(&mut scene, bob);
        assert!(scene.hub.stats().lagged > 0);
        assert!(is_there(&scene, eve));
    });
}

#[test]
fn nor_for_one_that_has_read_half_of_a_line_and_has_much_that_waits_for_it() {
    for taken in 1..60 {
        with_hub_behind(Protocol::Chat, true, None, |mut scene| {
            let [bob, eve] = pair(&mut scene);
            scene.say(bob, "one line that is long enough to be cut in many places\n");
            scene.take(eve, taken);
            // Direct messages wait for it until there is no place for the shortest of them.
            for text in ["a long one that takes much place", "one", "."] {
                let line = format!("/msg guest-2 {text}\n");
                for _ in 0..LIMITS.queue / text.len() {
                    scene.say(bob, &line);
                    scene.take_all(bob);
                }
            }
            talk(&mut scene, bob);
            assert!(scene.hub.stats().lagged > 0, "cut at {taken}");
            assert!(is_there(&scene, eve), "cut at {taken}");
        });
    }
}

#[test]
fn nor_for_one_that_has_left_and_does_not_read_what_was_said_before() {
    for taken in [0, 7] {
        with_hub_behind(Protocol::Chat, true, None, |mut scene| {
            let [bob, eve] = pair(&mut scene);
            scene.say(bob, "one line\n");
            scene.take(eve, taken);
            scene.say(eve, "/join den\n");
            talk(&mut scene, bob);
            assert!(scene.hub.stats().lagged > 0);
            let seen = scene.take_all(eve);
            let first = &"<bob> one line"[taken..];
            assert!(seen.contains(first) && seen.contains("den"), "{seen}");
        });
    }
}

#[test]
fn one_that_never_catches_up_is_disconnected_after_the_limit() {
    const LIMIT_MS: u32 = 60_000;
    with_hub_behind(Protocol::Chat, true, Some(LIMIT_MS), |mut scene| {
        let [bob, eve] = pair(&mut scene);
        talk(&mut scene, bob);
        scene.pass(u64::from(LIMIT_MS - GRACE_MS));
        assert!(is_there(&scene, eve), "too early");
        scene.pass(u64::from(GRACE_MS));
        assert_eq!(scene.hub.ending(eve).map(|(cause, _)| cause), Some(Cause::Lagged));
        assert!(is_there(&scene, bob));
    });
}

#[test]
fn one_that_has_caught_up_has_the_whole_limit_again() {
    const LIMIT_MS: u32 = 60_000;
    with_hub_behind(Protocol::Chat, false, Some(LIMIT_MS), |mut scene| {
        let [bob, eve] = pair(&mut scene);
        for _ in 0..4 {
            // Without pages it is left behind after the grace.
            let lagged = scene.hub.stats().lagged;
            while scene.hub.stats().lagged == lagged {
                scene.say(bob, "the same line, many times\n");
                scene.take_all(bob);
            }
            scene.pass(u64::from(LIMIT_MS / 2));
            scene.take_all(eve);
        }
        assert!(is_there(&scene, eve));
    });
}
