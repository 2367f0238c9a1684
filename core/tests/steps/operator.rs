//! What an operator learns: the clients' names and addresses, where something was said, and why a
//! connection ends.

use parlour_core::{Cause, Input, Instant, ListenerId, Source};

use crate::scene::{CONSOLE, RELAY, unusual, usual};

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
        let operator = scene.open(CONSOLE);
        scene.hub.watch(operator);
        let (client, feeder) = (scene.guest(), scene.open(RELAY));
        scene.receive(operator);
        scene.say(client, "hi\n");
        scene.say(feeder, "$GPGLL\n");
        scene.say(operator, "/nonsense\n");
        let mut transmit = scene.hub.transmit(operator);
        // A log that wraps around lends a record in two pieces.
        let mut got: Vec<(Source<'_>, Vec<u8>)> = Vec::new();
        while let Some((source, bytes)) = transmit.next_from() {
            match got.last_mut().filter(|(last, _)| *last == source) {
                Some((_, text)) => text.extend(bytes),
                None => got.push((source, bytes.to_vec())),
            }
        }
        let lines = [
            (Source::Room("lobby"), b"<guest-1> hi\r\n".to_vec()),
            (Source::Relay(ListenerId(RELAY)), b"$GPGLL\n".to_vec()),
            (Source::Own, b"-- unknown command /nonsense; /help lists the commands\r\n".to_vec()),
        ];
        assert_eq!(got, lines);
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
