//! What followers read, in which order, and who waits for them.

use parlour_core::{Cause, Close, ConnId, Followed, FollowerId, Following, Input, Kind, Lost, OnLag, Scope};

use crate::scene::{CONSOLE, GRACE_MS, RECORDS, RELAY, Scene, unusual, usual};

/// A grace that is much shorter than that of a room.
const SHORT_MS: u32 = 300;

fn follow(scene: &mut Scene<'_>, grace_ms: Option<u32>) -> FollowerId {
    scene.hub.follow(Following { grace_ms, scope: Scope::All }).unwrap()
}

/// The next thing for a follower to read: the number and the text of a record, or a loss.
fn next(scene: &mut Scene<'_>, follower: FollowerId) -> Result<(u64, String), Option<Lost>> {
    match scene.hub.read(follower) {
        None => Err(None),
        Some(Followed::Lost(lost)) => Err(Some(lost)),
        Some(Followed::Record(record)) => Ok((record.seq, String::from_utf8(record.text.to_vec()).unwrap())),
    }
}

/// The texts of all messages that a follower reads now. It commits nothing.
fn texts(scene: &mut Scene<'_>, follower: FollowerId) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(Followed::Record(record)) = scene.hub.read(follower) {
        if record.kind.is_message() {
            texts.push(String::from_utf8(record.text.to_vec()).unwrap());
        }
    }
    texts
}

fn commit(scene: &mut Scene<'_>, follower: FollowerId, seq: u64) {
    scene.hub.handle(scene.now(), Input::Committed { follower, seq });
}

/// Says lines until the room is closed. The talker reads what it gets. Returns how many lines were said.
fn close_room(scene: &mut Scene<'_>, talker: ConnId, others: &[ConnId]) -> u64 {
    for count in 0..=RECORDS as u64 {
        for conn in others.iter().chain([&talker]) {
            scene.receive(*conn);
        }
        if scene.offer(talker, b"x\n") == 0 || scene.hub.interest(talker).read == 0 {
            return count;
        }
    }
    panic!("the room takes everything");
}

/// Whether a client may speak now.
fn may_speak(scene: &mut Scene<'_>, talker: ConnId) -> bool {
    scene.tick();
    scene.offer(talker, b"x\n") > 0
}

#[test]
fn a_follower_reads_all_rooms_in_one_order_and_those_that_are_made_later() {
    usual(|mut scene| {
        let (alice, bob, feeder, operator) =
            (scene.guest(), scene.guest(), scene.open(RELAY), scene.open(CONSOLE));
        scene.say(alice, "before\n");
        let (all, pinned) = (
            follow(&mut scene, None),
            scene.hub.follow(Following { grace_ms: None, scope: Scope::Pinned }).unwrap(),
        );
        scene.say(alice, "one\n");
        scene.say(feeder, "two\n");
        scene.say(bob, "/join den\n");
        scene.say(bob, "three\n");
        scene.say(operator, "/say four\n");
        scene.say(alice, "/me nods\n");
        scene.say(alice, "five\nsix\n");
        let expected = [
            "lobby: <guest-1> one",
            "relay 2: two",
            "lobby: -- guest-2 went to den",
            "den: -- guest-2 joined",
            "den: <guest-2> three",
            // An event has a record in each room.
            "lobby: -- four",
            "den: -- four",
            "lobby: * guest-1 nods",
            "lobby: <guest-1> five",
            "lobby: <guest-1> six",
        ];
        assert_eq!(scene.read(all), expected);
        let stay: Vec<_> = expected.into_iter().filter(|line| !line.starts_with("den")).collect();
        assert_eq!(scene.read(pinned), stay);
    });
}

#[test]
fn what_is_not_committed_is_read_again_and_what_is_committed_is_not() {
    usual(|mut scene| {
        let (alice, follower) = (scene.guest(), follow_all(&mut scene));
        // The sequence numbers wrap around between these.
        scene.say(alice, "a\nb\nc\nd\ne\n");
        assert!(scene.hub.has_news(follower));
        let read: Vec<_> = (0..3).map(|_| next(&mut scene, follower).unwrap()).collect();
        assert_eq!(read.iter().map(|(_, text)| text.as_str()).collect::<String>(), "abc");
        commit(&mut scene, follower, read[1].0);
        assert_eq!(texts(&mut scene, follower), ["d", "e"]);
        assert!(!scene.hub.has_news(follower));
        scene.hub.read_again(follower);
        assert!(scene.hub.has_news(follower));
        assert_eq!(texts(&mut scene, follower), ["c", "d", "e"]);
        // What was committed before, and what nobody has said yet.
        for nonsense in
            [read[0].0, read[0].0.wrapping_sub(1 << 40), read[0].0.wrapping_add(100), u64::MAX / 2]
        {
            commit(&mut scene, follower, nonsense);
            scene.hub.read_again(follower);
            assert_eq!(texts(&mut scene, follower), ["c", "d", "e"], "{nonsense}");
        }
        // To commit what was not read passes over it.
        scene.hub.read_again(follower);
        commit(&mut scene, follower, read[2].0.wrapping_add(1));
        assert_eq!(texts(&mut scene, follower), ["e"]);
    });
}

fn follow_all(scene: &mut Scene<'_>) -> FollowerId {
    follow(scene, None)
}

#[test]
fn a_room_waits_for_a_follower_without_a_grace_until_it_commits() {
    usual(|mut scene| {
        let (alice, bob, follower) = (scene.guest(), scene.guest(), follow_all(&mut scene));
        scene.at(1_000);
        close_room(&mut scene, alice, &[bob]);
        scene.at(10 * GRACE_MS);
        assert!(!may_speak(&mut scene, alice));
        assert_eq!((scene.close(bob), scene.hub.stats().lagged), (Close::No, 0));
        // To read is not enough.
        let (first, _) = next(&mut scene, follower).unwrap();
        assert!(!may_speak(&mut scene, alice));
        commit(&mut scene, follower, first.wrapping_add(8));
        assert!(may_speak(&mut scene, alice));
        assert_eq!(scene.hub.stats().lagged, 0);
    });
}

#[test]
fn a_follower_that_lags_reads_once_exactly_what_it_lost() {
    usual(|mut scene| {
        let (alice, bob) = (scene.guest(), scene.guest());
        let follower = follow(&mut scene, Some(SHORT_MS));
        scene.at(1_000);
        let before = scene.hub.stats().records;
        scene.say(alice, "the first\n");
        let (first, _) = next(&mut scene, follower).unwrap();
        close_room(&mut scene, alice, &[bob]);
        let records = scene.hub.stats().records - before;
        scene.at(1_000 + u64::from(SHORT_MS) - 1);
        assert!(!may_speak(&mut scene, alice));
        assert_eq!(scene.hub.stats().lagged, 0);
        scene.at(1_000 + u64::from(SHORT_MS));
        let last = first.wrapping_add(records - 1);
        assert_eq!(scene.hub.stats().lagged, 1);
        assert!(scene.hub.has_news(follower));
        scene.say(alice, "what is current\n");
        let lost = Lost { first, last, records, messages: records };
        assert_eq!(scene.hub.lost(follower), Some(lost), "it has not read that");
        assert_eq!(next(&mut scene, follower), Err(Some(lost)));
        assert_eq!(texts(&mut scene, follower), ["x", "what is current"]);
        assert_eq!(next(&mut scene, follower), Err(None));
        // A loss that it has not committed is told again.
        scene.hub.read_again(follower);
        assert_eq!(next(&mut scene, follower), Err(Some(lost)));
        commit(&mut scene, follower, last.wrapping_sub(1));
        scene.hub.read_again(follower);
        assert_eq!(next(&mut scene, follower), Err(Some(lost)));
        assert_eq!(scene.hub.lost(follower), Some(lost));
        commit(&mut scene, follower, last);
        assert_eq!(scene.hub.lost(follower), None);
        scene.hub.read_again(follower);
        assert_eq!(texts(&mut scene, follower), ["x", "what is current"]);
    });
}

#[test]
fn one_that_lags_again_before_it_has_read_so_reads_the_sum() {
    usual(|mut scene| {
        let alice = scene.guest();
        let follower = follow(&mut scene, Some(SHORT_MS));
        scene.at(1_000);
        let before = scene.hub.stats().records;
        close_room(&mut scene, alice, &[]);
        scene.at(1_000 + u64::from(SHORT_MS));
        assert_eq!(scene.hub.stats().lagged, 1);
        // Nobody waits a second time for one that has committed nothing.
        for _ in 0..RECORDS {
            scene.say(alice, "x\n");
            scene.tick();
        }
        assert_eq!((scene.hub.stats().lagged, scene.now().as_millis()), (2, 1_300));
        let records = scene.hub.stats().records - before;
        let Err(Some(lost)) = next(&mut scene, follower) else { panic!("it has lost something") };
        assert_eq!((lost.records, lost.last.wrapping_sub(lost.first) + 1), (lost.messages, lost.messages));
        assert_eq!(lost.records + texts(&mut scene, follower).len() as u64, records);
    });
}

#[test]
fn a_follower_uses_up_no_patience_of_the_members() {
    for grace_ms in [Some(4_000), None] {
        usual(|mut scene| {
            let (alice, deaf) = (scene.guest(), scene.guest());
            let follower = follow(&mut scene, grace_ms);
            scene.at(1_000);
            close_room(&mut scene, alice, &[deaf]);
            // The room waits for the follower alone, for nearly as long as it has patience.
            scene.at(4_900);
            assert!(!may_speak(&mut scene, alice));
            scene.read(follower);
            // Now the room waits for a member, which has all of the patience.
            scene.at(5_000);
            for _ in 0..RECORDS {
                scene.receive(alice);
                scene.offer(alice, b"x\n");
                scene.read(follower);
            }
            scene.at(5_000 + GRACE_MS - 1);
            assert_eq!(scene.close(deaf), Close::No, "{grace_ms:?}");
            scene.at(5_000 + GRACE_MS);
            assert_eq!(scene.close(deaf), Close::Abort, "{grace_ms:?}");
        });
    }
}

/// A member and a follower hold up the same room. Each has its own time.
#[test]
fn a_member_is_not_spared_because_a_follower_is_slow_too() {
    usual(|mut scene| {
        let (alice, deaf) = (scene.guest(), scene.guest());
        let follower = follow_all(&mut scene);
        scene.at(1_000);
        close_room(&mut scene, alice, &[]);
        scene.at(1_000 + GRACE_MS - 1);
        assert_eq!(scene.close(deaf), Close::No);
        scene.at(1_000 + GRACE_MS);
        assert_eq!(scene.close(deaf), Close::Abort);
        assert!(!may_speak(&mut scene, alice), "the follower has not read");
        scene.read(follower);
        assert!(may_speak(&mut scene, alice));
    });
}

#[test]
fn a_relay_that_waits_for_its_clients_does_not_wait_for_a_follower_with_a_grace() {
    let waits =
        |listeners: &mut [parlour_core::Listener; 4]| listeners[usize::from(RELAY)].on_lag = OnLag::Wait;
    unusual(
        |_, listeners| waits(listeners),
        |mut scene| {
            let feeder = scene.open(RELAY);
            let follower = follow(&mut scene, Some(SHORT_MS));
            scene.at(1_000);
            close_room(&mut scene, feeder, &[]);
            scene.at(1_000 + u64::from(SHORT_MS));
            assert!(may_speak(&mut scene, feeder));
            let Err(Some(lost)) = next(&mut scene, follower) else { panic!("it has lost something") };
            assert!(lost.records > 8);
        },
    );
}

#[test]
fn one_that_is_gone_holds_nothing_and_its_id_names_nothing() {
    usual(|mut scene| {
        let (alice, follower) = (scene.guest(), follow_all(&mut scene));
        scene.at(1_000);
        close_room(&mut scene, alice, &[]);
        assert!(!may_speak(&mut scene, alice));
        scene.hub.unfollow(follower);
        assert!(may_speak(&mut scene, alice));
        let successor = follow_all(&mut scene);
        scene.say(alice, "for the successor\n");
        assert_eq!((scene.hub.has_news(follower), texts(&mut scene, follower).len()), (false, 0));
        scene.hub.unfollow(follower);
        assert_eq!(texts(&mut scene, successor), ["for the successor"]);
        let others = [(); 2].map(|()| follow_all(&mut scene));
        assert_eq!(scene.hub.follow(Following { grace_ms: None, scope: Scope::All }), None);
        for other in others {
            scene.hub.unfollow(other);
        }
    });
}

/// A driver that has restored a hub knows its followers from there.
#[cfg(feature = "save")]
#[test]
fn a_hub_names_those_that_are_there() {
    usual(|mut scene| {
        let operator = scene.open(CONSOLE);
        let followers = [follow_all(&mut scene), follow_all(&mut scene), scene.hub.watch(operator).unwrap()];
        assert_eq!(scene.hub.followers().collect::<Vec<_>>(), followers);
        scene.hub.unfollow(followers[0]);
        assert_eq!(scene.hub.followers().collect::<Vec<_>>(), followers[1..]);
    });
}

#[test]
fn what_was_said_in_a_room_that_is_gone_can_be_read_and_the_room_is_another_then() {
    usual(|mut scene| {
        let (alice, follower) = (scene.guest(), follow_all(&mut scene));
        let mut rooms = Vec::new();
        for text in ["old", "new"] {
            scene.say(alice, "/join den\n");
            scene.receive(alice);
            scene.say(alice, format!("{text}\n/topic {text}\n/join lobby\n"));
            scene.receive(alice);
        }
        // The rooms that wait for the follower take all places.
        scene.say(alice, "/join attic\n");
        assert_eq!(scene.receive(alice), "-- there are too many rooms already; /rooms lists them\r\n");
        while let Some(Followed::Record(record)) = scene.hub.read(follower) {
            if record.kind == Kind::Topic {
                assert_eq!(record.place, parlour_core::Place::Chat("den"));
                rooms.push((record.room, String::from_utf8(record.text.to_vec()).unwrap(), record.seq));
            }
        }
        let [(old, first, seq), (new, second, _)] = &rooms[..] else { panic!("two topics: {rooms:?}") };
        assert_eq!((first.as_str(), second.as_str()), ("old", "new"));
        assert_ne!(old, new);
        commit(&mut scene, follower, seq.wrapping_add(2));
        scene.say(alice, "/join attic\n");
        assert!(scene.receive(alice).starts_with("-- you are in attic"));
    });
}

#[test]
fn a_room_that_nobody_is_in_waits_no_longer_than_the_grace_of_a_follower() {
    usual(|mut scene| {
        let alice = scene.guest();
        let follower = follow(&mut scene, Some(SHORT_MS));
        scene.at(1_000);
        for name in ["attic", "den"] {
            scene.say(alice, format!("/join {name}\n"));
            scene.receive(alice);
            scene.say(alice, "x\n/join lobby\n");
            scene.receive(alice);
        }
        scene.at(1_000 + u64::from(SHORT_MS) - 1);
        scene.say(alice, "/join hall\n");
        assert_eq!(scene.receive(alice), "-- there are too many rooms already; /rooms lists them\r\n");
        scene.at(1_000 + u64::from(SHORT_MS));
        scene.say(alice, "/join hall\n");
        assert!(scene.receive(alice).starts_with("-- you are in hall"));
        assert!(scene.read(follower)[0].starts_with("lost "));
    });
}

#[test]
fn a_follower_has_all_its_time_whoever_had_its_place_before() {
    usual(|mut scene| {
        let talker = scene.guest();
        let first = follow(&mut scene, Some(SHORT_MS));
        scene.at(1_000);
        close_room(&mut scene, talker, &[]);
        scene.at(1_100);
        assert!(!may_speak(&mut scene, talker));
        scene.hub.unfollow(first);
        scene.at(1_101);
        assert!(may_speak(&mut scene, talker));
        scene.at(9_000);
        let second = follow(&mut scene, Some(SHORT_MS));
        close_room(&mut scene, talker, &[]);
        scene.at(9_000 + u64::from(SHORT_MS) - 1);
        assert!(!may_speak(&mut scene, talker), "the room waits for it");
        assert!(next(&mut scene, second).is_ok(), "it has lost nothing");
    });
}

/// It was behind before the room was closed, so it has had a part of its time.
#[test]
fn the_time_of_a_follower_counts_from_the_first_thing_that_it_has_not_committed() {
    usual(|mut scene| {
        let talker = scene.guest();
        let follower = follow(&mut scene, Some(SHORT_MS));
        scene.at(1_000);
        scene.say(talker, "the first\n");
        scene.at(1_000 + u64::from(SHORT_MS) - 100);
        close_room(&mut scene, talker, &[]);
        scene.at(1_000 + u64::from(SHORT_MS) - 1);
        assert!(!may_speak(&mut scene, talker), "the room waits for it");
        scene.at(1_000 + u64::from(SHORT_MS));
        assert!(may_speak(&mut scene, talker));
        assert!(matches!(next(&mut scene, follower), Err(Some(_))), "it jumped ahead");
    });
}

/// A room that waits for a client harms no follower that does not keep it closed.
#[test]
fn one_that_has_read_nearly_all_loses_nothing_while_a_room_waits_for_a_client() {
    usual(|mut scene| {
        let (talker, deaf) = (scene.guest(), scene.guest());
        let follower = follow(&mut scene, Some(SHORT_MS));
        scene.at(1_000);
        while let Ok((seq, _)) = {
            scene.receive(talker);
            scene.offer(talker, b"x\n");
            next(&mut scene, follower)
        } {
            // All but the last.
            commit(&mut scene, follower, seq.wrapping_sub(1));
        }
        scene.at(1_000 + GRACE_MS - 1);
        assert!(!may_speak(&mut scene, talker));
        assert_eq!((scene.close(deaf), scene.hub.stats().lagged), (Close::No, 0));
        scene.hub.read_again(follower);
        assert_eq!(texts(&mut scene, follower), ["x"]);
    });
}

/// What it commits makes no place for the longest line. So its time does not begin anew.
#[test]
fn one_that_commits_a_little_at_a_time_keeps_a_room_closed_no_longer_than_its_grace() {
    usual(|mut scene| {
        let talker = scene.guest();
        let follower = follow(&mut scene, Some(SHORT_MS));
        scene.at(1_000);
        scene.say(talker, "x\n".repeat(5));
        scene.fill_room(talker);
        for ms in [100, 200, u64::from(SHORT_MS) - 1] {
            scene.at(1_000 + ms);
            let (seq, text) = next(&mut scene, follower).unwrap();
            assert_eq!(text, "x");
            commit(&mut scene, follower, seq);
            assert!(!may_speak(&mut scene, talker), "{ms} ms");
        }
        scene.at(1_000 + u64::from(SHORT_MS));
        assert!(may_speak(&mut scene, talker));
        assert!(matches!(next(&mut scene, follower), Err(Some(_))), "it jumped ahead");
    });
}

/// A client keeps the room closed all the time. A notice takes the place that the follower has made.
#[test]
fn one_that_keeps_a_room_closed_again_has_its_time_from_its_last_commit_on() {
    usual(|mut scene| {
        let [talker, other, _deaf] = [(); 3].map(|()| scene.guest());
        let follower = follow(&mut scene, Some(SHORT_MS));
        scene.at(1_000);
        close_room(&mut scene, talker, &[other]);
        scene.at(1_100);
        let (first, _) = next(&mut scene, follower).unwrap();
        commit(&mut scene, follower, first);
        scene.at(1_150);
        scene.breaks(other, Cause::Reset);
        scene.at(1_100 + u64::from(SHORT_MS) - 1);
        assert_eq!(scene.hub.stats().lagged, 0);
        assert!(next(&mut scene, follower).is_ok(), "it has lost nothing");
        scene.at(1_100 + u64::from(SHORT_MS));
        assert!(matches!(next(&mut scene, follower), Err(Some(_))), "it jumped ahead");
    });
}
