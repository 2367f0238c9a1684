//! How connections end. Queued output goes out, and no side is closed too early or too late.

use parlour_core::{Close, Refusal};

use crate::scene::{CHAT, ECHO, FLUSH_MS, usual};

/// With input unread, closing both sides would reset the connection and take the last lines from
/// the peer.
#[test]
fn the_sending_side_is_closed_first_and_the_other_when_the_peer_closes_too() {
    usual(|mut scene| {
        let alice = scene.guest();
        scene.say(alice, "/ping\n/quit\n");
        assert_eq!(scene.close(alice), Close::No, "something is still to be sent");
        scene.say(alice, "what nobody reads any more\n");
        assert_eq!(scene.receive(alice), "-- pong\r\n");
        assert_eq!(scene.close(alice), Close::Write);
        scene.half_close(alice);
        assert_eq!(scene.close(alice), Close::Full);
    });
}

#[test]
fn a_peer_that_has_ended_and_read_all_is_closed_at_once() {
    usual(|mut scene| {
        let alice = scene.guest();
        scene.half_close(alice);
        assert_eq!(scene.close(alice), Close::Full);
    });
}

#[test]
fn a_peer_that_does_not_close_its_side_has_a_second_for_it() {
    usual(|mut scene| {
        let alice = scene.guest();
        scene.say(alice, "/quit\n");
        scene.receive(alice);
        scene.at(999);
        assert_eq!(scene.close(alice), Close::Write);
        scene.at(1_000);
        assert_eq!(scene.close(alice), Close::Full, "nothing is lost, so there is no need for a reset");
    });
}

#[test]
fn at_the_end_what_is_queued_has_all_of_its_time() {
    usual(|mut scene| {
        let (alice, bob) = (scene.guest(), scene.guest());
        scene.receive(alice);
        scene.say(bob, "hello\n");
        scene.at(1_000);
        scene.shut_down();
        scene.at(1_000 + FLUSH_MS - 1);
        assert_eq!(scene.close(alice), Close::No);
        assert_eq!(scene.receive(alice), "<guest-2> hello\r\n-- server is shutting down\r\n");
        assert_eq!(scene.close(alice), Close::Write);
        // Bob has read nothing of it.
        assert_eq!(scene.close(bob), Close::No);
        scene.at(1_000 + FLUSH_MS);
        assert_eq!(scene.close(bob), Close::Abort);
    });
}

/// An echo client that has ended its input may read its bytes back as slowly as it likes. If the server
/// ends, it may not.
#[test]
fn the_end_hurries_those_that_were_closing_already() {
    usual(|mut scene| {
        let echo = scene.open(ECHO);
        scene.say(echo, "hello");
        scene.half_close(echo);
        scene.at(3_600_000);
        assert_eq!(scene.close(echo), Close::No, "nobody has to wait for it");
        scene.shut_down();
        scene.at(3_600_000 + FLUSH_MS - 1);
        assert_eq!(scene.close(echo), Close::No);
        scene.at(3_600_000 + FLUSH_MS);
        assert_eq!(scene.close(echo), Close::Abort);
    });
}

#[test]
fn the_end_gives_no_more_time_to_those_that_were_closing_already() {
    usual(|mut scene| {
        let alice = scene.guest();
        scene.say(alice, "/ping\n/quit\n");
        scene.at(1_000);
        scene.shut_down();
        scene.at(FLUSH_MS - 1);
        assert_eq!(scene.close(alice), Close::No);
        scene.at(FLUSH_MS);
        assert_eq!(scene.close(alice), Close::Abort);
    });
}

#[test]
fn when_all_have_gone_the_hub_has_ended_and_lets_nobody_in() {
    usual(|mut scene| {
        let alice = scene.guest();
        scene.shut_down();
        assert!(scene.hub.is_shutting_down());
        let newcomer = scene.accept(CHAT);
        assert_eq!(newcomer, Err(Refusal::ShuttingDown));
        scene.receive(alice);
        scene.half_close(alice);
        assert_eq!(scene.hub.count(), 1);
        scene.is_closed(alice);
        assert_eq!(scene.hub.count(), 0);
    });
}

#[test]
fn a_listener_that_there_is_not_lets_nobody_in() {
    usual(|mut scene| {
        let newcomer = scene.accept(99);
        assert_eq!(newcomer, Err(Refusal::Full));
        assert_eq!((scene.hub.count(), scene.hub.stats().refused), (0, 1));
    });
}

/// Its last lines are said as soon as there is place for them.
#[test]
fn the_last_line_of_one_that_has_ended_waits_for_a_closed_room() {
    usual(|mut scene| {
        let [talker, deaf, alice] = [(); 3].map(|()| scene.guest());
        scene.receive(talker);
        scene.fill_room(talker);
        scene.receive(alice);
        scene.say(alice, "my last words");
        scene.half_close(alice);
        scene.at(1_000);
        assert_eq!(scene.receive(talker), "", "nobody can say anything");
        assert_eq!(scene.close(alice), Close::No);
        scene.receive(deaf);
        let seen = scene.receive(talker);
        assert!(seen.starts_with("<guest-3> my last words\r\n"), "{seen}");
        scene.receive(alice);
        assert_eq!(scene.close(alice), Close::Full);
    });
}

#[test]
fn the_last_line_of_one_that_has_ended_waits_for_a_place_for_its_answer() {
    usual(|mut scene| {
        let (alice, bob) = (scene.guest(), scene.guest());
        scene.receive(alice);
        scene.say(alice, "/ping");
        // Four of these leave no place for another entry.
        let message = format!("/msg guest-1 {}\n", "z".repeat(110));
        for _ in 0..5 {
            scene.say(bob, &message);
            scene.receive(bob);
        }
        scene.half_close(alice);
        let seen = scene.receive(alice);
        assert_eq!(seen.lines().filter(|line| line.starts_with("[guest-2] zzz")).count(), 4);
        assert!(seen.ends_with("-- pong\r\n"), "{seen}");
        assert_eq!(scene.close(alice), Close::Full);
    });
}

/// A console goes on as a watcher. Bytes after the end of its input are no command.
#[cfg(feature = "console")]
#[test]
fn nothing_is_taken_from_one_that_has_ended() {
    usual(|mut scene| {
        let operator = scene.open(crate::scene::CONSOLE);
        scene.half_close(operator);
        assert_eq!(scene.hub.interest(operator).read, 0);
        assert_eq!(scene.offer(operator, b"/stats\n"), 0);
        assert_eq!((scene.receive(operator).as_str(), scene.close(operator)), ("", Close::No));
    });
}

#[cfg(feature = "console")]
#[test]
fn one_that_was_kicked_reads_why_and_its_sending_side_is_closed_first() {
    usual(|mut scene| {
        let (alice, operator) = (scene.guest(), scene.open(crate::scene::CONSOLE));
        scene.say(operator, "/kick guest-1 go\n");
        assert_eq!(scene.close(alice), Close::No);
        let seen = scene.receive(alice);
        assert!(seen.contains("go"), "{seen}");
        assert_eq!(scene.close(alice), Close::Write);
    });
}
