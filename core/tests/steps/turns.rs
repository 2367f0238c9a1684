//! Turns: nobody speaks twice in a closed room before another has spoken once.

use parlour_core::Cause;

use crate::scene::{CHAT, usual};

#[test]
fn when_a_room_opens_those_that_waited_speak_in_the_order_in_which_they_came() {
    usual(|mut scene| {
        let [talker, deaf, alice, bob, carol] = [(); 5].map(|()| scene.guest());
        scene.fill_room(talker);
        let names = ["guest-5", "guest-3", "guest-4"];
        for conn in [talker, alice, bob, carol] {
            scene.receive(conn);
        }
        for conn in [carol, alice, bob] {
            scene.say(conn, "first\n");
            assert_eq!(scene.offer(conn, b"second\n"), 0, "one line each");
        }
        let mut seen = scene.receive(deaf);
        scene.say(carol, "second\n");
        seen += &scene.receive(deaf);
        let firsts: Vec<String> = names.iter().map(|name| format!("<{name}> first\r\n")).collect();
        let want = format!("{}<guest-5> second\r\n", firsts.concat());
        // The line that the talker had handed in when the room closed comes before them.
        assert!(seen.ends_with(&want), "{seen}");
    });
}

/// A newcomer has its place in the table by then, and comes last.
#[test]
fn one_that_leaves_while_its_line_waits_does_not_keep_the_others_waiting() {
    usual(|mut scene| {
        let [talker, deaf, alice, bob, carol] = [(); 5].map(|()| scene.guest());
        scene.fill_room(talker);
        for conn in [talker, alice, bob, carol] {
            scene.receive(conn);
        }
        for conn in [alice, bob, carol] {
            scene.say(conn, "waits\n");
        }
        scene.breaks(bob, Cause::Reset);
        let newcomer = scene.open(CHAT);
        assert_eq!(newcomer.slot(), bob.slot());
        scene.receive(newcomer);
        scene.say(newcomer, "waits\n");
        let seen = scene.receive(deaf);
        let said: Vec<&str> = seen.lines().filter(|line| line.ends_with("waits")).collect();
        assert_eq!(said, ["<guest-3> waits", "<guest-5> waits", "<guest-4> waits"]);
    });
}
