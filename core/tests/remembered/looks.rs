//! `/history` and `/search` where the driver keeps what was said before.

use parlour_core::{Close, ConnId, Input, Instant, Record, Span, Wanted};

use crate::scene::{ORIGIN, Scene, earlier, old, with_config};

/// A client that is shown nothing when it comes.
fn alone(test: impl FnOnce(Scene<'_>, ConnId)) {
    with_config(0, true, |mut scene| {
        let alice = scene.open();
        assert_eq!(scene.lines(alice), ["-- here: guest-1"]);
        test(scene, alice);
    });
}

impl Scene<'_> {
    /// Asks for something of the past. Returns what the driver is asked for.
    fn asks(&mut self, conn: ConnId, line: &str) -> Wanted {
        self.say(conn, line);
        assert_eq!(self.lines(conn), [""; 0], "it waits for the driver");
        self.wanted().expect("a question")
    }

    fn words(&self, wanted: Wanted) -> Option<String> {
        self.hub.words(wanted, &mut [0; 64]).map(str::to_owned)
    }

    /// Answers with these old messages.
    fn finds(&mut self, wanted: Wanted, numbers: &[u64], has_gap: bool) -> usize {
        let texts: Vec<_> = numbers.iter().map(|number| format!("old {number}")).collect();
        let records: Vec<Record<'_>> =
            numbers.iter().zip(&texts).map(|(number, text)| old(wanted.room, *number, text)).collect();
        self.hub.handle(self.now, Input::Page { wanted, has_gap, records: &records }).taken()
    }

    fn wait(&mut self, ms: u64) {
        self.now = Instant::from_millis(self.now.as_millis() + ms);
        self.hub.handle(self.now, Input::Tick);
    }
}

#[test]
fn the_last_messages_are_shown_beyond_the_log() {
    for most in [1, 7, 1_000] {
        alone(|mut scene, alice| {
            let bob = scene.open();
            scene.say(bob, "new 1\nnew 2\n");
            assert_eq!(scene.lines(alice)[1..], ["<guest-2> new 1", "<guest-2> new 2"]);
            scene.lines(bob);
            let wanted = scene.asks(alice, "/history 40\n");
            assert_eq!((wanted.span, wanted.until, wanted.searches), (Span::Last(38), ORIGIN + 1, false));
            // What is said meanwhile is told at once, and not again.
            scene.say(bob, "meanwhile\n");
            assert_eq!(scene.lines(alice), ["<guest-2> meanwhile"]);
            let (mut seen, mut next) = (Vec::new(), Some(wanted));
            while let Some(wanted) = next {
                let taken = scene.answer(wanted, 100, most);
                assert!(taken == 0 || scene.answer(wanted, 100, most) == 0, "the same page again");
                seen.extend(scene.lines(alice));
                next = scene.wanted();
            }
            let new = ["-- earlier: <guest-2> new 1", "-- earlier: <guest-2> new 2"].map(str::to_owned);
            assert_eq!(seen, [earlier(62..100), new.to_vec()].concat());
            scene.say(bob, "later\n");
            assert_eq!(scene.lines(alice), ["<guest-2> later"]);
        });
    }
}

#[test]
fn what_the_log_loses_meanwhile_is_asked_for() {
    alone(|mut scene, alice| {
        let bob = scene.open();
        scene.say(bob, "first\nsecond\n");
        scene.lines(alice);
        let wanted = scene.asks(alice, "/history 9\n");
        let fill = "x".repeat(50);
        for number in 0..40 {
            scene.say(bob, &format!("{number} {fill}\n"));
            scene.lines(alice);
            scene.lines(bob);
        }
        scene.finds(wanted, &[7, 8], false);
        assert_eq!(scene.lines(alice), earlier(7..9));
        let wanted = scene.wanted().expect("the rest of what is before the log");
        scene.finds(wanted, &[], false);
        assert_eq!(scene.lines(alice), [""; 0]);
        let wanted = scene.wanted().expect("what the log had");
        assert!(matches!(wanted.span, Span::From(from) if from == ORIGIN + 1), "{wanted:?}");
        assert_eq!(wanted.until, ORIGIN + 3, "it was told live what came after its question");
        scene.finds(wanted, &[ORIGIN + 1, ORIGIN + 2], false);
        assert_eq!(scene.lines(alice), earlier(ORIGIN + 1..ORIGIN + 3));
        assert_eq!(scene.wanted(), None);
    });
}

#[test]
fn the_log_needs_no_driver() {
    alone(|mut scene, alice| {
        scene.say(alice, "one\ntwo\nthree\n/history 2\n");
        assert_eq!(scene.lines(alice), ["-- earlier: <guest-1> two", "-- earlier: <guest-1> three"]);
        assert_eq!(scene.wanted(), None);
    });
}

#[test]
fn a_large_number_is_no_large_question() {
    alone(|mut scene, alice| {
        assert_eq!(scene.asks(alice, "/history 4000000000\n").span, Span::Last(1_000));
    });
}

#[test]
fn where_nothing_is_found_there_is_an_answer() {
    alone(|mut scene, alice| {
        let wanted = scene.asks(alice, "/history\n");
        scene.answer(wanted, 0, 9);
        assert_eq!(scene.lines(alice), ["-- nothing was said here lately"]);
        let wanted = scene.asks(alice, "/search tea\n");
        scene.finds(wanted, &[], false);
        assert_eq!(scene.lines(alice), ["-- nothing found"]);
    });
}

#[test]
fn a_driver_that_does_not_answer_or_cannot_is_not_waited_for() {
    for (line, end) in [
        ("/history 3\n", "-- older messages cannot be read now; try again later"),
        ("/search tea\n", "-- the search took too long; try other words"),
    ] {
        for answers in [true, false] {
            alone(|mut scene, alice| {
                scene.say(alice, "new\n");
                let wanted = scene.asks(alice, line);
                if answers {
                    scene.finds(wanted, &[], true);
                } else {
                    scene.wait(4_900);
                    assert_eq!(scene.lines(alice), [""; 0]);
                    scene.wait(200);
                }
                let mut seen = scene.lines(alice);
                assert_eq!(seen.pop().as_deref(), Some(end));
                let has_log = line.starts_with("/history");
                assert_eq!(seen, if has_log { vec!["-- earlier: <guest-1> new"] } else { Vec::new() });
                assert_eq!(scene.answer(wanted, 10, 9), 0, "too late");
                assert_eq!(scene.words(wanted), None);
                assert_eq!(scene.lines(alice), [""; 0]);
            });
        }
    }
}

#[test]
fn words_are_lent_while_they_are_looked_for_and_what_is_typed_meanwhile_waits() {
    // The line comes at once, in pieces, or without its end.
    for pieces in [&["/SEARCH  green \ttea* \"x \n"][..], &["/SEA", "RCH  green \ttea* \"x ", "\n"]] {
        alone(|mut scene, alice| {
            pieces[..pieces.len() - 1].iter().for_each(|piece| scene.say(alice, piece));
            let wanted = scene.asks(alice, pieces[pieces.len() - 1]);
            assert_eq!((wanted.span, wanted.until, wanted.searches), (Span::Last(20), ORIGIN, true));
            assert_eq!(scene.words(wanted).as_deref(), Some("green \ttea* \"x"));
            let others = Wanted { number: wanted.number + 1, ..wanted };
            assert_eq!(scene.words(others), None);
            let ping = Input::Received { conn: alice, bytes: b"/ping\n" };
            assert_eq!(scene.hub.handle(scene.now, ping).taken(), 0, "its answer would come first");
            assert_eq!(scene.finds(wanted, &[3, 5, 8], false), 3);
            assert_eq!(scene.finds(wanted, &[3, 5, 8], false), 0, "the same page again");
            let found = [3, 5, 8].map(|number| format!("-- earlier: <eve> old {number}"));
            assert_eq!(scene.lines(alice), [&found[..], &["-- 3 found".to_owned()]].concat());
            assert_eq!((scene.words(wanted), scene.wanted()), (None, None));
            scene.say(alice, "/ping\n");
            assert_eq!(scene.lines(alice), ["-- pong"]);
        });
    }
}

#[test]
fn what_has_no_place_is_asked_for_again_with_the_same_words() {
    alone(|mut scene, alice| {
        let mut next = Some(scene.asks(alice, "/search old\n"));
        let (mut seen, mut pages) = (Vec::new(), 0);
        while let Some(wanted) = next {
            assert_eq!((scene.words(wanted).as_deref(), wanted.until), (Some("old"), ORIGIN));
            scene.answer(wanted, 100, 20);
            seen.extend(scene.lines(alice));
            next = scene.wanted();
            pages += 1;
        }
        assert!(pages > 1, "its queue is too small for all of that");
        let end = "-- the last 20 are shown; the operator can see all with parlour history".to_owned();
        assert_eq!(seen, [earlier(80..100), vec![end]].concat());
    });
}

#[test]
fn a_search_that_did_not_look_at_all_says_so() {
    alone(|mut scene, alice| {
        let wanted = scene.asks(alice, "/search tea\n");
        scene.finds(wanted, &[4], true);
        let end = "-- 1 found; the search took too long for older ones";
        assert_eq!(scene.lines(alice), ["-- earlier: <eve> old 4", end]);
    });
}

#[test]
fn a_search_needs_words_and_a_driver_that_keeps_records() {
    alone(|mut scene, alice| {
        for line in ["/search\n", "/search   \n", "/search \" * -\n"] {
            scene.say(alice, line);
            assert_eq!(scene.lines(alice), ["-- /search needs words, as in /search green tea"], "{line:?}");
        }
        scene.say(alice, "/help\n");
        assert!(scene.lines(alice).iter().any(|line| line.starts_with("-- /search WORDS: ")));
    });
    with_config(0, false, |mut scene| {
        let alice = scene.open();
        scene.lines(alice);
        scene.say(alice, "/search tea\n");
        assert_eq!(scene.lines(alice), ["-- there is no search here: this server keeps no old messages"]);
        scene.say(alice, "/history\n");
        assert_eq!(scene.lines(alice), ["-- nothing was said here lately"]);
        scene.say(alice, "/help\n");
        assert!(!scene.lines(alice).iter().any(|line| line.contains("search")));
    });
}

#[test]
fn one_that_sends_no_more_is_told_all_first_and_one_that_must_go_is_not() {
    for line in ["/search tea\n", "/search tea", "/history 5\n"] {
        alone(|mut scene, alice| {
            scene.say(alice, line);
            scene.hub.handle(scene.now, Input::PeerClosed { conn: alice });
            assert_eq!(scene.lines(alice), [""; 0]);
            assert_eq!(scene.hub.interest(alice).close, Close::No);
            let wanted = scene.wanted().expect("a question");
            scene.finds(wanted, &[4], false);
            let found = scene.lines(alice);
            if !wanted.searches {
                let rest = scene.wanted().expect("whether there is more");
                scene.finds(rest, &[], false);
                scene.lines(alice);
            }
            assert_eq!(found[0], "-- earlier: <eve> old 4");
            assert_eq!(scene.hub.interest(alice).close, Close::Full);
        });
        alone(|mut scene, alice| {
            scene.say(alice, "/search tea\n");
            scene.hub.handle(scene.now, Input::Shutdown);
            assert_eq!(scene.lines(alice), ["-- server is shutting down"]);
            assert_eq!(scene.hub.interest(alice).close, Close::Write);
            let wanted = scene.wanted();
            assert_eq!(wanted.and_then(|wanted| scene.words(wanted)), None);
        });
    }
}

#[test]
fn one_that_is_behind_is_told_what_it_missed_first() {
    alone(|mut scene, alice| {
        let bob = scene.open();
        let fill = "x".repeat(50);
        let (mut said, mut turns) = (0, 0);
        // Alice does not read, so she is left behind.
        while scene.hub.stats().lagged == 0 {
            let line = format!("{said} {fill}\n");
            let input = Input::Received { conn: bob, bytes: line.as_bytes() };
            said += u64::from(scene.hub.handle(scene.now, input).taken() > 0);
            // All are offered what there is.
            assert_eq!(scene.wanted(), None);
            scene.wait(100);
            turns += 1;
            assert!(turns < 1_000, "nobody is left behind");
        }
        scene.lines(bob);
        // She reads a little, so there is place for an answer.
        let mut seen: Vec<u8> = scene.hub.transmit(alice).flatten().copied().collect();
        scene.hub.handle(scene.now, Input::Sent { conn: alice, count: seen.len() });
        scene.say(alice, "/history 2\n");
        for _ in 0..200 {
            scene.lines(alice).iter().for_each(|line| seen.extend(format!("{line}\n").bytes()));
            if let Some(wanted) = scene.wanted() {
                let until = wanted.until.min(ORIGIN + said + 2);
                let Span::From(from) = wanted.span else { panic!("{wanted:?}") };
                let texts: Vec<_> = (from..until).map(|seq| format!("{} {fill}", seq - ORIGIN - 2)).collect();
                let records: Vec<_> =
                    (from..until).zip(&texts).map(|(seq, text)| old(wanted.room, seq, text)).collect();
                scene.hub.handle(scene.now, Input::Page { wanted, has_gap: false, records: &records });
            }
        }
        let seen = String::from_utf8(seen).expect("text");
        let numbers: Vec<u64> = seen
            .lines()
            .filter(|line| line.ends_with(&fill))
            .map(|line| {
                line.split(' ').rev().nth(1).and_then(|number| number.parse().ok()).expect("a number")
            })
            .collect();
        let all: Vec<u64> = (0..said).chain(said - 2..said).collect();
        assert_eq!(numbers, all);
        scene.say(alice, "/ping\n");
        assert_eq!(scene.lines(alice), ["-- pong"]);
    });
}

#[test]
fn one_that_is_away_meanwhile_is_told_what_it_missed_instead() {
    for line in ["/history 40\n", "/search green\n"] {
        alone(|mut scene, alice| {
            let bob = scene.open();
            scene.say(bob, "before\n");
            assert_eq!(scene.lines(alice)[1..], ["<guest-2> before"]);
            let wanted = scene.asks(alice, line);
            assert_eq!(scene.hub.handle(scene.now, Input::Away { conn: alice }).taken(), 1);
            scene.say(bob, "meanwhile\n");
            assert_eq!(scene.finds(wanted, &[7], false), 0, "nobody waits for it any more");
            scene.hub.handle(scene.now, Input::Back { conn: alice });
            let lines = scene.lines(alice);
            assert_eq!(lines.len(), 2, "{lines:?}");
            assert!(
                lines[0].starts_with("-- older messages") || lines[0].contains("took too long"),
                "{lines:?}"
            );
            assert_eq!(lines[1], "<guest-2> meanwhile");
            // Then it may look again.
            let wanted = scene.asks(alice, line);
            scene.finds(wanted, &[7], false);
            assert!(scene.lines(alice).contains(&"-- earlier: <eve> old 7".to_owned()));
            scene.say(bob, "later\n");
            assert_eq!(scene.lines(alice), ["<guest-2> later"]);
        });
    }
}
