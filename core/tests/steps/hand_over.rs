//! A connection that the driver hands on, because it has found out what the client speaks.

use parlour_core::{Close, Input, Instant, ListenerId};

use crate::scene::{CHAT, ECHO, Scene, usual};

fn speaks(scene: &mut Scene<'_>, conn: parlour_core::ConnId, listener: u8) {
    scene.hub.handle(Instant::from_millis(0), Input::Speaks { conn, listener: ListenerId(listener) });
}

#[test]
fn it_begins_anew_and_nobody_sees_that_it_was_somebody_else() {
    usual(|mut scene| {
        let watcher = scene.guest();
        let conn = scene.open(CHAT);
        // It was to be welcomed as guest-2.
        speaks(&mut scene, conn, ECHO);
        scene.say(conn, "GET / HTTP/1.1\r\n");
        assert_eq!(scene.receive(conn), "GET / HTTP/1.1\r\n");
        scene.at(1_000);
        assert_eq!(scene.receive(watcher), "");
        let next = scene.open(CHAT);
        assert!(scene.receive(next).contains("you are guest-2;"), "the name is free again");
    });
}

#[test]
fn the_other_protocol_welcomes_it() {
    usual(|mut scene| {
        let watcher = scene.guest();
        let conn = scene.open(ECHO);
        scene.say(conn, "nick ann");
        speaks(&mut scene, conn, CHAT);
        let welcome = scene.receive(conn);
        assert!(welcome.starts_with("-- welcome to parlour, you are guest-2;"), "{welcome}");
        scene.say(conn, "hello\n");
        assert_eq!(scene.receive(watcher), "-- guest-2 joined\r\n<guest-2> hello\r\n");
    });
}

#[test]
fn a_listener_that_does_not_exist_changes_nothing_and_nor_does_one_for_a_client_that_leaves() {
    usual(|mut scene| {
        let conn = scene.guest();
        speaks(&mut scene, conn, 99);
        scene.say(conn, "/quit\n");
        speaks(&mut scene, conn, ECHO);
        scene.say(conn, "not an echo\n");
        assert_eq!(scene.receive(conn), "");
        assert_eq!(scene.hub.interest(conn).close, Close::Write);
    });
}
