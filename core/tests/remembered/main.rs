//! What a hub is told of the time before it began: the history of its rooms, and their topics; and what its clients
//! ask for of that time.
#![cfg(feature = "large")]

mod looks;
mod scene;

use parlour_core::{Close, Identity, Input, Instant, RoomRef, Span};

use crate::scene::{HISTORY, ORIGIN, earlier, with_hub};

#[test]
fn a_newcomer_is_shown_what_was_said_before_the_hub_began() {
    for most in [1, 7, 1_000] {
        shows_what_was_said_before(most);
    }
}

/// In pages of at most so many records.
fn shows_what_was_said_before(most: usize) {
    with_hub(|mut scene| {
        let alice = scene.open();
        assert_eq!(scene.hub.identity(alice).map(Identity::as_u64), Some(77));
        assert_eq!(scene.lines(alice), [""; 0], "it waits for the driver");
        let mut seen = Vec::new();
        let mut pages = 0;
        while let Some(wanted) = scene.wanted() {
            assert_eq!(wanted.until, ORIGIN);
            let taken = scene.answer(wanted, 100, most);
            assert!(taken == 0 || scene.answer(wanted, 100, most) == 0, "the same page again");
            seen.extend(scene.lines(alice));
            pages += 1;
            assert!(pages < 50, "it asks for ever");
        }
        assert!(pages > 1, "its queue is too small for all of that");
        assert_eq!(seen, [earlier(70..100), vec!["-- here: guest-1".to_owned()]].concat());
        // What the log has need not be asked for.
        scene.say(alice, "new 1\nnew 2\n");
        let bob = scene.open();
        scene.lines(bob);
        let wanted = scene.wanted().expect("the rest");
        assert_eq!(wanted.span, Span::Last(HISTORY - 2));
        scene.answer(wanted, 2, most);
        scene.answer_all(2, most);
        let new = ["-- earlier: <guest-1> new 1", "-- earlier: <guest-1> new 2", "-- here: guest-1, guest-2"];
        assert_eq!(scene.lines(bob), [earlier(0..2), new.map(str::to_owned).to_vec()].concat());
        scene.say(alice, "now\n");
        assert_eq!(scene.lines(bob), ["<guest-1> now"]);
    });
}

#[test]
fn without_an_answer_a_newcomer_waits_for_five_seconds_and_is_shown_the_rest() {
    for answer in [None, Some(0)] {
        with_hub(|mut scene| {
            let alice = scene.open();
            scene.lines(alice);
            let wanted = scene.wanted().expect("the history");
            let early = Input::Received { conn: alice, bytes: b"typed meanwhile\n" };
            assert_eq!(scene.hub.handle(scene.now, early).taken(), 0, "its answers would come too early");
            match answer {
                Some(kept) => drop(scene.answer(wanted, kept, 9)),
                None => {
                    scene.now = Instant::from_millis(4_900);
                    scene.hub.handle(scene.now, Input::Tick);
                    assert_eq!(scene.lines(alice), [""; 0]);
                    scene.now = Instant::from_millis(5_100);
                    scene.hub.handle(scene.now, Input::Tick);
                }
            }
            assert_eq!(scene.lines(alice), ["-- here: guest-1"], "{answer:?}");
            assert_eq!(scene.answer(wanted, 10, 9), 0, "too late");
        });
    }
}

#[test]
fn one_that_has_to_leave_does_not_wait_for_its_history() {
    with_hub(|mut scene| {
        let alice = scene.open();
        scene.lines(alice);
        let wanted = scene.wanted().expect("the history");
        scene.hub.handle(scene.now, Input::Shutdown);
        assert_eq!(scene.lines(alice), ["-- server is shutting down"]);
        assert_eq!(scene.hub.interest(alice).close, Close::Write);
        assert_eq!(scene.answer(wanted, 10, 9), 0, "nobody waits for it");
    });
}

#[test]
fn a_topic_from_before_is_told_to_those_that_wait_and_never_replaces_a_newer_one() {
    with_hub(|mut scene| {
        let alice = scene.open();
        scene.lines(alice);
        let wanted = scene.wanted().expect("the history");
        let room = wanted.room;
        scene.hub.handle(scene.now, Input::Topic { room, topic: "bees" });
        scene.answer(wanted, 1, 9);
        scene.answer_all(1, 9);
        assert_eq!(scene.lines(alice), ["-- topic: bees", "-- earlier: <eve> old 0", "-- here: guest-1"]);
        scene.hub.handle(scene.now, Input::Topic { room, topic: "wasps" });
        scene.say(alice, "/topic\n");
        assert_eq!(scene.lines(alice), ["-- topic: bees"]);
        let gone = RoomRef::from_u64(room.as_u64() + (1 << 32));
        scene.hub.handle(scene.now, Input::Topic { room: gone, topic: "ants" });
        assert_eq!(scene.hub.room(gone), None);
    });
}
