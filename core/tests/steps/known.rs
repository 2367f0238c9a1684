//! Newcomers that were clients of an earlier hub.

use parlour_core::{ConnId, Followed, Following, Identity, Input, Scope};

use crate::scene::{CHAT, ECHO, Scene, unusual};

/// The first identity of this hub.
const FIRST: u64 = 40;

fn scene(test: impl FnOnce(Scene<'_>)) {
    unusual(|config, _| config.first_identity = FIRST, test);
}

fn know(scene: &mut Scene<'_>, conn: ConnId, identity: u64) -> bool {
    let identity = Identity::from_u64(identity);
    scene.hub.handle(scene.now(), Input::Known { conn, identity }).taken() == 1
}

fn identity(scene: &Scene<'_>, conn: ConnId) -> u64 {
    scene.hub.identity(conn).map_or(0, Identity::as_u64)
}

#[test]
fn what_it_says_from_now_on_is_by_the_author_that_it_was() {
    scene(|mut scene| {
        let follower =
            scene.hub.follow(Following { grace_ms: None, scope: Scope::All }).expect("a free follower");
        let other = scene.guest();
        let conn = scene.open(CHAT);
        assert!(know(&mut scene, conn, 7));
        scene.say(conn, "hello\n");
        assert_eq!(scene.receive(other), "-- guest-2 joined\r\n<guest-2> hello\r\n");
        let mut authors = Vec::new();
        while let Some(Followed::Record(record)) = scene.hub.read(follower) {
            authors.push((record.author.as_u64(), record.text == b"hello"));
        }
        assert_eq!(authors[1..], [(7, false), (7, true)], "{authors:?}");
        assert!(!scene.receive(conn).contains("hello"), "its own line does not come back");
    });
}

#[test]
fn one_that_others_know_of_stays_who_it_is() {
    scene(|mut scene| {
        let conn = scene.guest();
        assert!(!know(&mut scene, conn, 7));
        let late = scene.open(CHAT);
        scene.at(2_000);
        assert!(!know(&mut scene, late, 8));
        assert_eq!([conn, late].map(|conn| identity(&scene, conn)), [FIRST, FIRST + 1]);
    });
}

#[test]
fn nobody_becomes_another_client_of_this_hub_or_the_hub() {
    scene(|mut scene| {
        scene.guest();
        let conn = scene.open(CHAT);
        for other in [0, FIRST, FIRST + 1, FIRST + 2, u64::MAX] {
            assert!(!know(&mut scene, conn, other), "{other}");
        }
        assert_eq!(identity(&scene, conn), FIRST + 1);
        assert!(know(&mut scene, conn, FIRST - 1));
    });
}

#[test]
fn other_protocols_and_clients_that_leave_are_not_known_again() {
    scene(|mut scene| {
        let echo = scene.open(ECHO);
        assert!(!know(&mut scene, echo, 7));
        let conn = scene.open(CHAT);
        scene.say(conn, "/quit\n");
        assert!(!know(&mut scene, conn, 7));
        scene.hub.handle(scene.now(), Input::Closed { conn });
        assert!(!know(&mut scene, conn, 7));
    });
}
