//! Clients that hold up a room are dealt with, and nobody else is harmed.

use parlour_core::{Cause, Close, Config, ConnId, Listener, OnLag};

use crate::scene::{CHAT, GRACE_MS, RECORDS, Scene, unusual, usual};

fn with_skip(test: impl FnOnce(Scene<'_>)) {
    unusual(|_, listeners| listeners[0].on_lag = OnLag::Skip, test);
}

/// Says lines until the room is closed. `near` reads all of them but the last.
fn close_room(scene: &mut Scene<'_>, talker: ConnId, near: ConnId, line: &str) {
    for _ in 0..=RECORDS {
        assert_eq!(scene.hub.next_deadline(), None, "nothing else is to come");
        scene.receive(near);
        scene.say(talker, line);
        if scene.hub.next_deadline().is_some() {
            return;
        }
    }
    panic!("the room takes everything");
}

#[test]
fn one_that_skips_is_known_to_have_missed_messages_until_it_was_told() {
    unusual(
        |_, listeners| listeners[usize::from(CHAT)].on_lag = OnLag::Skip,
        |mut scene| {
            let (talker, deaf) = (scene.guest(), scene.guest());
            scene.receive(talker);
            assert_eq!((scene.hub.missed(deaf), scene.hub.stats().lagged), (None, 0));
            scene.fill_room(talker);
            scene.at(GRACE_MS);
            let (missed, gap) = scene.hub.missed(deaf).expect("a gap");
            assert_eq!(scene.hub.stats().lagged, 1);
            assert!(scene.receive(deaf).contains(&format!("-- you missed {missed} messages\r\n")));
            assert_eq!(scene.hub.missed(deaf), None);
            scene.fill_room(talker);
            scene.at(3 * GRACE_MS);
            assert_ne!(scene.hub.missed(deaf).expect("another gap").1, gap);
        },
    );
}

#[test]
fn one_that_is_nearly_up_to_date_is_not_cut_together_with_one_that_is_far_behind() {
    // Where the log has no bytes left, and where its index has no records left.
    for line in [format!("{}\n", "x".repeat(100)), "x\n".to_owned()] {
        usual(|mut scene| {
            let [talker, near, far] = [(); 3].map(|()| scene.guest());
            scene.receive(talker);
            scene.receive(near);
            scene.at(1_000);
            close_room(&mut scene, talker, near, &line);
            // Nobody takes anything from now on.
            scene.at(1_000 + GRACE_MS - 1);
            assert_eq!([near, far].map(|conn| scene.close(conn)), [Close::No; 2]);
            scene.at(1_000 + GRACE_MS);
            assert_eq!([near, far].map(|conn| scene.close(conn)), [Close::No, Close::Abort]);
            assert_eq!(scene.hub.stats().lagged, 1);
            assert!(scene.receive(near).contains(line.trim_end()), "it misses nothing");
        });
    }
}

#[test]
fn one_that_skips_reads_its_half_line_to_the_end_and_how_many_it_missed() {
    with_skip(|mut scene| {
        let [talker, slow] = [(); 2].map(|()| scene.guest());
        scene.receive(talker);
        scene.at(1_000);
        let before = scene.hub.stats().records;
        scene.say(talker, "the first line\n");
        assert_eq!(scene.take(slow, 15), "<guest-1> the f");
        for _ in 0..RECORDS {
            if scene.hub.next_deadline().is_none() {
                scene.say(talker, "x\n");
            }
        }
        scene.at(1_000 + GRACE_MS);
        let missed = scene.hub.stats().records - before - 1;
        scene.say(talker, "what is current\n");
        let seen = scene.receive(slow);
        let want = format!("irst line\r\n-- you missed {missed} messages\r\n<guest-1> what is current\r\n");
        assert_eq!((seen, scene.close(slow)), (want, Close::No));
        assert_eq!(scene.hub.stats().lagged, 1);
    });
}

/// Lets a member that reads nothing skip. Returns how many messages it missed.
fn skip(scene: &mut Scene<'_>, talker: ConnId, from_ms: u64) -> u64 {
    scene.receive(talker);
    scene.at(from_ms);
    let before = scene.hub.stats().records;
    for _ in 0..RECORDS {
        if scene.hub.next_deadline().is_none() {
            scene.say(talker, "x\n");
        }
    }
    scene.at(from_ms + GRACE_MS);
    scene.hub.stats().records - before
}

#[test]
fn how_many_one_missed_goes_out_together_with_what_comes_next() {
    for part in [0, 1, 20] {
        with_skip(|mut scene| {
            let [talker, slow] = [(); 2].map(|()| scene.guest());
            let missed = skip(&mut scene, talker, 1_000);
            scene.say(talker, "what is current\n");
            let seen = scene.take(slow, part) + &scene.take(slow, usize::MAX);
            assert_eq!(seen, format!("-- you missed {missed} messages\r\n<guest-1> what is current\r\n"));
            assert_eq!(scene.receive(slow), "");
        });
    }
}

/// It has read a part of the notice. The number in that notice must not change any more.
#[test]
fn one_that_skips_again_while_it_reads_how_many_it_missed_is_told_of_the_others_next() {
    // Numbers wrap around long before, or long after.
    for (part, origin) in [("-- you missed ", 0), ("-- y", 0), ("-- y", u64::MAX - 10_000)] {
        let test = |mut scene: Scene<'_>| {
            let [talker, slow] = [(); 2].map(|()| scene.guest());
            let missed = skip(&mut scene, talker, 1_000);
            assert_eq!(scene.take(slow, part.len()), part);
            scene.say(talker, "one more\n");
            let again = 1 + skip(&mut scene, talker, 10_000);
            scene.say(talker, "what is current\n");
            let seen = part.to_owned() + &scene.receive(slow);
            let notices = format!("-- you missed {missed} messages\r\n-- you missed {again} messages\r\n");
            assert_eq!(seen, notices + "<guest-1> what is current\r\n");
        };
        let skips = |config: &mut Config<'_>, listeners: &mut [Listener; 4]| {
            (config.origin, listeners[0].on_lag) = (origin, OnLag::Skip);
        };
        unusual(skips, test);
    }
}

/// If a room has no patience left, each member still has a moment after it took something, or came.
#[test]
fn one_that_has_just_come_has_a_moment_even_where_there_is_no_patience() {
    unusual(
        |config, _| config.grace_ms = 0,
        |mut scene| {
            let talker = scene.guest();
            scene.at(1_000);
            let newcomer = scene.open(CHAT);
            scene.fill_room(talker);
            scene.at(1_049);
            assert_eq!(scene.close(newcomer), Close::No);
            scene.at(1_050);
            assert_eq!(scene.close(newcomer), Close::Abort);
        },
    );
}

/// Comings and goings are told even while nobody may speak: two in full, and the rest in a sum when
/// there is place again.
#[test]
fn a_closed_room_keeps_place_for_two_notices() {
    for at_once in [1, 2 * RECORDS] {
        usual(|mut scene| {
            let [talker, deaf, carol, dave, eve] = [(); 5].map(|()| scene.guest());
            for conn in [talker, deaf, carol, dave] {
                scene.receive(conn);
            }
            scene.at(1_000);
            for _ in 0..RECORDS {
                scene.receive(talker);
                if scene.hub.next_deadline().is_none() {
                    scene.offer(talker, "x\n".repeat(at_once).as_bytes());
                }
            }
            for conn in [carol, dave, eve] {
                scene.breaks(conn, Cause::Reset);
            }
            let seen = scene.take(deaf, usize::MAX);
            assert_eq!(seen.matches("<guest-1> x").count(), RECORDS - 2, "{at_once} lines at once");
            let left = |name: &str| seen.contains(&format!("-- {name} left"));
            assert_eq!(["guest-3", "guest-4", "guest-5"].map(left), [true, true, false], "{seen}");
            scene.receive(deaf);
            scene.at(3_000);
            assert!(scene.receive(deaf).ends_with("-- others: 0 joined, 1 left\r\n"));
        });
    }
}

/// Half a line must not be left out, and its rest needs a place.
#[test]
fn one_that_cannot_skip_because_its_queue_is_full_is_cut() {
    for is_full in [false, true] {
        with_skip(|mut scene| {
            let [talker, slow] = [(); 2].map(|()| scene.guest());
            scene.receive(talker);
            scene.say(talker, format!("{}\n", "y".repeat(100)));
            assert_eq!(scene.take(slow, 15), "<guest-1> yyyyy");
            if is_full {
                let message = format!("/msg guest-2 {}\n", "z".repeat(100));
                let mut answer = String::new();
                for _ in 0..5 {
                    scene.say(talker, &message);
                    answer = scene.receive(talker);
                }
                assert!(answer.contains("takes no more messages now"), "{answer}");
            }
            scene.fill_room(talker);
            scene.at(GRACE_MS);
            let close = if is_full { Close::Abort } else { Close::No };
            assert_eq!(scene.close(slow), close);
        });
    }
}

#[cfg(feature = "console")]
#[test]
fn nobody_waits_longer_than_a_moment_for_an_operator_who_watches() {
    const MOMENT_MS: u64 = 500;
    usual(|mut scene| {
        let (talker, deaf, operator) = (scene.guest(), scene.guest(), scene.open(crate::scene::CONSOLE));
        let watcher = scene.hub.watch(operator).unwrap();
        scene.at(1_000);
        scene.fill_room(talker);
        // The room goes on waiting for a client.
        scene.at(1_000 + MOMENT_MS);
        assert_eq!((scene.offer(talker, b"x\n"), scene.close(deaf)), (0, Close::No));
        assert_eq!(scene.hub.stats().lagged, 1);
        // Once the client reads, an operator that does not read holds up nobody.
        for _ in 0..2 * RECORDS {
            scene.receive(deaf);
            scene.say(talker, "x\n");
        }
        assert!(scene.read(watcher)[0].starts_with("lost "));
    });
}
