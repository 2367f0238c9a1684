//! The hub names as changed every connection that needs a look, and no other.

use parlour_core::ConnId;
#[cfg(feature = "console")]
use parlour_core::{Following, Output, Scope};

use crate::scene::{CHAT, ECHO, Scene, usual};

#[cfg(feature = "console")]
fn all_outputs(scene: &mut Scene<'_>) -> Vec<Output> {
    std::iter::from_fn(|| scene.hub.next_output()).take(100).collect()
}

fn all_named(scene: &mut Scene<'_>) -> Vec<ConnId> {
    std::iter::from_fn(|| scene.next_changed()).take(100).collect()
}

#[test]
fn one_that_has_taken_all_is_not_named_and_one_that_has_more_to_take_is() {
    usual(|mut scene| {
        let [talker, alice] = [(); 2].map(|()| scene.guest());
        scene.receive(talker);
        scene.name_all();
        scene.say(talker, "hello\n");
        all_named(&mut scene);
        scene.take(alice, 3);
        assert_eq!(all_named(&mut scene), [alice]);
        scene.take(alice, 1_000);
        assert_eq!(all_named(&mut scene), []);
    });
}

#[test]
fn one_that_has_taken_what_was_said_to_all_is_named_for_what_was_said_to_it_alone() {
    usual(|mut scene| {
        let [talker, alice] = [(); 2].map(|()| scene.guest());
        scene.receive(talker);
        scene.say(talker, "hello\n");
        scene.say(talker, "/msg guest-2 psst\n");
        all_named(&mut scene);
        let to_all = "<guest-1> hello\r\n";
        assert_eq!(scene.take(alice, to_all.len()), to_all);
        assert_eq!(all_named(&mut scene), [alice]);
        assert_eq!(scene.take(alice, 1_000), "[guest-1] psst\r\n");
    });
}

/// Otherwise the driver would never read from it again.
#[test]
fn an_echo_that_has_place_again_is_named() {
    usual(|mut scene| {
        let echo = scene.open(ECHO);
        while scene.offer(echo, &[b'x'; 100]) > 0 {}
        scene.name_all();
        scene.take(echo, usize::MAX);
        assert_eq!(all_named(&mut scene), [echo]);
        assert!(scene.hub.interest(echo).read > 0);
    });
}

/// Otherwise the driver would look, offer the same bytes again, and never stop.
#[test]
fn one_of_which_nothing_was_taken_is_not_named() {
    usual(|mut scene| {
        let [talker, _deaf] = [(); 2].map(|()| scene.guest());
        // Its last line waits for the room.
        scene.fill_room(talker);
        scene.name_all();
        assert_eq!(scene.offer(talker, b"more\n"), 0);
        assert_eq!(all_named(&mut scene), []);
    });
}

#[test]
fn an_echo_that_has_no_place_for_more_is_not_named() {
    usual(|mut scene| {
        let echo = scene.open(ECHO);
        while scene.offer(echo, &[b'x'; 100]) > 0 {}
        scene.name_all();
        assert_eq!(scene.offer(echo, b"more"), 0);
        assert_eq!(all_named(&mut scene), []);
    });
}

/// The members of a room are named in a circle, into which a newcomer may come anywhere.
#[test]
fn nobody_is_left_out_because_a_newcomer_came_meanwhile() {
    usual(|mut scene| {
        let [talker, bob, carol] = [(); 3].map(|()| scene.guest());
        for conn in [talker, bob] {
            scene.receive(conn);
        }
        scene.name_all();
        scene.say(talker, "1\n");
        while scene.next_changed().expect("bob is named") != bob {}
        scene.say(talker, "2\n");
        let newcomer = scene.open(CHAT);
        let named = all_named(&mut scene);
        assert!([bob, carol, newcomer].iter().all(|conn| named.contains(conn)), "{named:?}");
    });
}

#[cfg(feature = "console")]
#[test]
fn a_follower_is_named_once_when_there_is_news_and_before_all_connections() {
    usual(|mut scene| {
        let [talker, alice] = [(); 2].map(|()| scene.guest());
        let follower = scene.hub.follow(Following { grace_ms: None, scope: Scope::All }).expect("a place");
        scene.receive(alice);
        scene.name_all();
        scene.say(talker, "1\n2\n");
        assert_eq!(scene.hub.next_output(), Some(Output::News { follower }));
        assert!(scene.hub.has_news(follower), "it has not read yet");
        let outputs = all_outputs(&mut scene);
        assert!(outputs.contains(&Output::Changed { conn: alice }), "{outputs:?}");
        assert!(!outputs.contains(&Output::News { follower }), "nothing is asked for twice");
        scene.say(talker, "3\n");
        assert_eq!(scene.hub.next_output(), Some(Output::News { follower }), "there is more of it");
        scene.say(talker, "4\n");
        scene.hub.unfollow(follower);
        assert!(!all_outputs(&mut scene).contains(&Output::News { follower }), "it is gone");
    });
}
