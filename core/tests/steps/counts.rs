//! The counts that the hub gives to its driver and to the operator.

use parlour_core::{Input, Instant, Stats};

use crate::scene::{CHAT, ECHO, usual};

#[test]
fn everything_that_happened_is_counted() {
    usual(|mut scene| {
        assert_eq!(scene.hub.stats(), Stats::default());
        let echoes = [(); 3].map(|()| scene.open(ECHO));
        for listener in [99, 99] {
            assert!(scene.accept(listener).is_err());
        }
        for echo in echoes {
            scene.say(echo, "hello");
            assert_eq!(scene.take(echo, 3), "hel");
        }
        let stats = scene.hub.stats();
        assert_eq!((stats.accepted, stats.refused, stats.lagged, stats.records), (3, 2, 0, 0));
        assert_eq!((stats.received_bytes, stats.sent_bytes), (15, 9));
        // An entry of a queue has twelve bytes of its own.
        assert_eq!(stats.queue_most, 5 + 12);
        assert_eq!(scene.hub.count(), 3);
        // Two records: the notice that it came, and its line.
        let alice = scene.open(CHAT);
        scene.receive(alice);
        scene.say(alice, "hello\n");
        assert_eq!(scene.hub.stats().records, 2);
    });
}

#[test]
fn the_most_that_a_log_had_to_keep_is_counted_when_it_is_full() {
    usual(|mut scene| {
        let [talker, _deaf] = [(); 2].map(|()| scene.guest());
        assert_eq!(scene.hub.stats().log_most, 0);
        scene.fill_room(talker);
        let most = scene.hub.stats().log_most;
        // Of 4096 bytes it keeps three lines of 256 free.
        assert!((4096 - 3 * 256 - 256..=4096).contains(&most), "{most}");
    });
}

#[test]
fn a_hub_is_ending_from_the_shutdown_on_and_not_before() {
    usual(|mut scene| {
        scene.guest();
        assert!(!scene.hub.is_shutting_down());
        scene.shut_down();
        assert!(scene.hub.is_shutting_down());
    });
}

#[test]
fn to_be_told_that_nothing_was_sent_changes_nothing() {
    usual(|mut scene| {
        let alice = scene.guest();
        scene.name_all();
        scene.hub.handle(Instant::from_millis(0), Input::Sent { conn: alice, count: 0 });
        assert_eq!(scene.hub.next_output(), None);
    });
}

#[cfg(feature = "console")]
#[test]
fn one_that_watches_reads_what_is_said_in_the_lobby_once_and_of_other_rooms_nothing() {
    usual(|mut scene| {
        let (alice, bob, operator) = (scene.guest(), scene.guest(), scene.open(crate::scene::CONSOLE));
        scene.say(bob, "/join den\n");
        scene.receive(bob);
        let watcher = scene.hub.watch(operator).unwrap();
        assert_eq!(scene.hub.watch(operator), Some(watcher));
        scene.say(bob, "in the den\n");
        scene.say(alice, "in the lobby\n");
        assert_eq!(scene.read(watcher), ["lobby: <guest-1> in the lobby"]);
    });
}
