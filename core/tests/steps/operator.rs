//! What an operator learns: the clients' names and addresses, where something was said, and why a
//! connection ends.

use parlour_core::{Cause, Input, Instant};

use crate::scene::{CONSOLE, RELAY, Scene, unusual, usual};

#[test]
fn who_shows_the_operator_where_clients_come_from() {
    for (labels, address, expected) in [
        (&[][..], Some("192.0.2.1"), "-- in lobby: guest-1 (192.0.2.1)\r\n"),
        (&["lan"], Some("2001:db8::1"), "-- in lobby: guest-1 (2001:db8::1 lan)\r\n"),
        (&["lan"], None, "-- in lobby: guest-1 (lan)\r\n"),
        (&["", "other"], None, "-- in lobby: guest-1\r\n"),
        (&["a-name-that-is-too-long-to-be-shown"], None, "-- in lobby: guest-1 (a-name-that-is-too-l)\r\n"),
    ] {
        unusual(
            |config, _| config.labels = labels,
            |mut scene| {
                let client = scene.accept_from(address.map(|text| text.parse().unwrap())).unwrap();
                scene.receive(client);
                let operator = scene.open(CONSOLE);
                scene.say(operator, "/who\n");
                assert_eq!(scene.receive(operator), expected);
                // The others are not told.
                scene.say(client, "/who\n");
                assert_eq!(scene.receive(client), "-- in lobby: guest-1\r\n");
            },
        );
    }
}

#[test]
fn what_is_watched_comes_with_its_room() {
    usual(|mut scene| {
        let (operator, other) = (scene.open(CONSOLE), scene.open(CONSOLE));
        let watcher = scene.hub.watch(operator).unwrap();
        assert_eq!([operator, other].map(|conn| scene.hub.watcher(conn)), [Some(watcher), None]);
        let (client, feeder) = (scene.guest(), scene.open(RELAY));
        scene.read(watcher);
        scene.say(client, "hi\n");
        scene.say(feeder, "$GPGLL\n");
        scene.say(operator, "/nonsense\n");
        assert_eq!(scene.read(watcher), ["lobby: <guest-1> hi", "relay 2: $GPGLL"]);
        let answer = "-- unknown command /nonsense; /help lists the commands\r\n";
        assert_eq!((scene.receive(operator).as_str(), scene.receive(other).as_str()), (answer, ""));
    });
}

#[test]
fn only_consoles_watch() {
    usual(|mut scene| {
        let guest = scene.guest();
        assert_eq!((scene.hub.watch(guest), scene.hub.watcher(guest)), (None, None));
    });
}

#[test]
fn an_operator_chooses_the_rooms_to_watch() {
    usual(|mut scene| {
        let operator = scene.open(CONSOLE);
        let (alice, bob) = (scene.guest(), scene.guest());
        scene.say(bob, "/join den\n");
        scene.say(operator, "/watch den\n/watch den\n/watch nowhere\n/unwatch lobby\n");
        let answers = "-- you watch that room already\r\n-- there is no such room; /rooms lists them\r\n\
                       -- you do not watch that room\r\n";
        assert_eq!(scene.receive(operator), answers);
        let watcher = scene.hub.watcher(operator).unwrap();
        let speak = |scene: &mut Scene<'_>| {
            scene.say(alice, "in the lobby\n");
            scene.say(bob, "in the den\n");
        };
        speak(&mut scene);
        assert_eq!(scene.read(watcher), ["den: <guest-2> in the den"]);
        speak(&mut scene);
        scene.say(operator, "/watch lobby\n/unwatch den\n");
        speak(&mut scene);
        // What was not read is not of interest any more.
        assert_eq!(scene.read(watcher), ["lobby: <guest-1> in the lobby"]);
        // It goes with its connection.
        scene.breaks(operator, Cause::Reset);
        assert_eq!(scene.hub.watcher(operator), None);
        speak(&mut scene);
        assert_eq!(scene.read(watcher), [""; 0]);
    });
}

#[test]
fn no_more_watch_than_there_are_followers() {
    usual(|mut scene| {
        let operators = [(); 4].map(|()| scene.open(CONSOLE));
        for operator in operators {
            scene.say(operator, "/watch lobby\n");
        }
        assert_eq!(
            operators.map(|operator| scene.hub.watcher(operator).is_some()),
            [true, true, true, false]
        );
        assert_eq!(scene.receive(operators[3]), "-- too many others watch; nobody else can\r\n");
        assert_eq!(scene.hub.watch(operators[3]), None);
        scene.breaks(operators[0], Cause::Reset);
        assert!(scene.hub.watch(operators[3]).is_some());
    });
}

#[test]
fn a_name_and_the_reason_of_an_end_are_known_until_the_driver_has_closed() {
    usual(|mut scene| {
        let operator = scene.open(CONSOLE);
        let client = scene.guest();
        assert_eq!((scene.hub.name(client), scene.hub.stats().renamed), ("guest-1", 0));
        scene.say(client, "/nick ann\n/nick ann\n");
        assert_eq!((scene.hub.name(client), scene.hub.stats().renamed), ("ann", 1));
        assert_eq!(scene.hub.ending(client), None);
        scene.say(operator, "/kick ann too loud\n");
        assert_eq!(scene.hub.ending(client), Some((Cause::Kicked, "too loud")));
        assert_eq!(scene.hub.name(client), "ann");
        scene.receive(client);
        scene.hub.handle(Instant::from_millis(0), Input::Closed { conn: client });
        assert_eq!((scene.hub.name(client), scene.hub.ending(client)), ("", None));
        let other = scene.guest();
        scene.say(other, "/quit bye\n");
        assert_eq!(scene.hub.ending(other), Some((Cause::Left, "")));
    });
}
