//! Members that are behind get what the driver keeps.

use parlour_core::{Close, ConnId, Input, Protocol, RoomRef, Span, Wanted};
#[cfg(feature = "console")]
use parlour_core::{Followed, FollowerId, Following, Identity, Kind, ListenerId, Place, Record, Scope};

use crate::scene::{Scene, kept, someone_behind, with_hub};

/// Where a page begins.
fn from(wanted: Wanted) -> u64 {
    let Span::From(from) = wanted.span else { panic!("{wanted:?} is the history of a newcomer") };
    from
}

/// The hub's numbers of bob's lines, as it asks for them.
fn first_wanted(scene: &mut Scene<'_>, deaf: ConnId) -> (String, Wanted) {
    let seen = scene.take_all(deaf);
    let wanted = scene.next_wanted().expect("a page is wanted");
    assert_eq!((wanted.conn, scene.next_wanted()), (deaf, None), "it asks once");
    (seen, wanted)
}

#[test]
fn pages_fill_what_the_log_has_not_whatever_happens_to_them() {
    // How the pages come: all at once, one record at a time, doubled, beginning too early.
    for way in 0..4 {
        with_hub(Protocol::Chat, true, |mut scene| {
            let [bob, deaf] = someone_behind(&mut scene, 60);
            let (mut seen, first) = first_wanted(&mut scene, deaf);
            let texts: Vec<String> = (0..61).map(|number| format!("line {number:03}")).collect();
            // What it has taken are lines from 0 on, and each line is one number of the order.
            let told = seen.lines().count() as u64;
            let record = |seq: u64| {
                let number = seq.wrapping_sub(from(first)).wrapping_add(told);
                kept(first.room, seq, texts.get(number as usize).map_or("before all", String::as_str))
            };
            let mut wanted = Some(first);
            let mut pages = 0;
            while let Some(page) = wanted {
                let count = page.until.wrapping_sub(from(page));
                let all: Vec<_> = (0..count).map(|step| record(from(page).wrapping_add(step))).collect();
                let early = [record(from(page).wrapping_sub(1))];
                let begin = all[..1].to_vec();
                match way {
                    0 => drop(scene.page(page, &all)),
                    1 => drop(scene.page(page, &all[..1])),
                    2 => {
                        assert!(scene.page(page, &all) > 0);
                        assert_eq!(scene.page(page, &all), 0, "the same page again");
                    }
                    _ => drop(scene.page(page, &[&early[..], &begin[..]].concat())),
                }
                pages += 1;
                assert!(pages < 100, "way {way}: it asks for ever");
                seen += &scene.take_all(deaf);
                wanted = scene.next_wanted();
            }
            scene.say(bob, "line 060\n");
            seen += &scene.take_all(deaf);
            let said: String = texts.iter().map(|text| format!("<bob> {text}\r\n")).collect();
            assert_eq!(seen.replace("-- earlier: ", ""), said, "way {way}");
            assert!(seen.ends_with("\n<bob> line 060\r\n"));
        });
    }
}

#[test]
fn records_that_nobody_has_are_given_up_and_told() {
    for way in ["never", "empty", "of another room", "useless"] {
        with_hub(Protocol::Chat, true, |mut scene| {
            let [bob, deaf] = someone_behind(&mut scene, 60);
            let (_, wanted) = first_wanted(&mut scene, deaf);
            let elsewhere = RoomRef::from_u64(wanted.room.as_u64() + 1);
            let text = "not asked for";
            match way {
                "never" => {
                    scene.pass(4_999);
                    assert_eq!(scene.take_all(deaf), "");
                    scene.pass(1);
                }
                "empty" => assert_eq!(scene.page(wanted, &[]), 0),
                "of another room" => {
                    assert_ne!(elsewhere, wanted.room);
                    assert_eq!(scene.page(wanted, &[kept(elsewhere, from(wanted), text)]), 0);
                }
                _ => {
                    let before = from(wanted).wrapping_sub(1);
                    assert_eq!(scene.page(wanted, &[kept(wanted.room, before, text)]), 1);
                }
            }
            let seen = scene.take_all(deaf);
            assert!(
                seen.starts_with("-- you missed some messages\r\n-- earlier: <bob> line 0"),
                "{way}: {seen}"
            );
            assert!(!seen.contains(text));
            // Now it comes. It is too late.
            assert_eq!(scene.page(wanted, &[kept(wanted.room, from(wanted), text)]), 0);
            scene.say(bob, "on\n");
            assert_eq!(scene.take_all(deaf), "<bob> on\r\n", "{way}");
        });
    }
}

#[test]
fn what_is_missing_within_the_pages_is_told_where_it_is_missing() {
    for missing in [0, 5] {
        with_hub(Protocol::Chat, true, |mut scene| {
            let [_, deaf] = someone_behind(&mut scene, 60);
            let (_, wanted) = first_wanted(&mut scene, deaf);
            let seq = |step: u64| from(wanted).wrapping_add(step);
            let begin = kept(wanted.room, seq(0), "first");
            assert_eq!(scene.page_after_gap(wanted, &[begin]), 1);
            assert_eq!(scene.take_all(deaf), "-- earlier: <bob> first\r\n", "nothing is missing before it");
            let wanted = scene.next_wanted().expect("the rest");
            let texts = ["early", "first", "later"];
            let seqs = [from(wanted).wrapping_sub(1), seq(1 + missing), seq(2 + missing)];
            let records = [0, 1, 2].map(|at| kept(wanted.room, seqs[at], texts[at]));
            // What begins too early has no gap where the hub wants it.
            assert_eq!(
                scene.page_after_gap(wanted, &records[usize::from(missing > 0)..]),
                if missing > 0 { 2 } else { 3 }
            );
            let notice = if missing > 0 { "-- you missed some messages\r\n" } else { "" };
            let said = format!("{notice}-- earlier: <bob> first\r\n-- earlier: <bob> later\r\n");
            assert_eq!(scene.take_all(deaf), said, "{missing} are missing");
            assert_eq!(scene.next_wanted().map(from), Some(seq(3 + missing)));
        });
    }
}

#[test]
fn a_relay_client_is_disconnected_where_records_are_missing_within_the_pages() {
    with_hub(Protocol::Relay, true, |mut scene| {
        let [bob, deaf] = [scene.open(), scene.open()];
        for number in 0..100 {
            scene.say(bob, &format!("{number:050}\n"));
            scene.pass(100);
        }
        let (_, wanted) = first_wanted(&mut scene, deaf);
        let record = kept(wanted.room, from(wanted).wrapping_add(1), "not told");
        assert_eq!(scene.page_after_gap(wanted, &[record]), 0);
        assert_eq!(scene.hub.interest(deaf).close, Close::Abort);
        assert_eq!(scene.take_all(deaf), "");
    });
}

#[test]
fn one_that_leaves_while_it_is_behind_leaves_nothing_behind() {
    with_hub(Protocol::Chat, true, |mut scene| {
        for round in 0..10 {
            let [bob, deaf] = someone_behind(&mut scene, 40);
            match round % 3 {
                0 => drop(scene.say_reading(deaf, "/join den\n")),
                1 => drop(scene.hub.handle(scene.now, Input::Closed { conn: deaf })),
                _ => drop(scene.say_reading(deaf, "/quit\n")),
            }
            let wanted = scene.next_wanted();
            for conn in [bob, deaf] {
                scene.take_all(conn);
                scene.hub.handle(scene.now, Input::Closed { conn });
            }
            if let Some(wanted) = wanted {
                assert_eq!(scene.page(wanted, &[]), 0);
            }
            assert_eq!(scene.hub.count(), 0, "round {round}");
        }
    });
}

/// What was said, as a driver keeps it.
#[cfg(feature = "console")]
#[derive(Default)]
struct Kept(Vec<(u64, RoomRef, Identity, Kind, Vec<u8>)>);

#[cfg(feature = "console")]
impl Kept {
    fn keep(&mut self, scene: &mut Scene<'_>, follower: FollowerId) {
        while let Some(followed) = scene.hub.read(follower) {
            let Followed::Record(record) = followed else {
                panic!("a follower without a grace lost something")
            };
            let Record { seq, room, author, kind, text, .. } = record;
            self.0.push((seq, room, author, kind, text.to_vec()));
            scene.hub.handle(scene.now, Input::Committed { follower, seq });
        }
    }

    /// Answers with up to three records.
    fn answer(&self, scene: &mut Scene<'_>, wanted: Wanted) {
        let Wanted { room, .. } = wanted;
        let from = from(wanted);
        let records: Vec<_> = self
            .0
            .iter()
            .filter(|(seq, place, ..)| *place == room && (seq.wrapping_sub(from) as i64) >= 0)
            .take(3)
            .map(|&(seq, room, author, kind, ref text)| {
                let place = Place::Chat("");
                Record { seq, unix_ms: 0, room, place, author, name: "x", kind, is_torn: false, text }
            })
            .collect();
        scene.hub.handle(scene.now, Input::Page { wanted, has_gap: false, records: &records });
    }
}

#[cfg(feature = "console")]
#[test]
fn one_that_is_behind_in_two_rooms_gets_all_that_was_said_in_both() {
    with_hub(Protocol::Chat, true, |mut scene| {
        let [bob, carol, deaf] = [0, 0, 1].map(|listener| scene.open_at(ListenerId(listener)));
        let follower = scene.hub.follow(Following { grace_ms: None, scope: Scope::All }).expect("a place");
        for conn in [carol, deaf] {
            scene.say(conn, "/join den\n");
        }
        let mut seen = scene.take_all(deaf);
        let mut kept = Kept::default();
        for number in 0..60 {
            scene.say(bob, &format!("of bob {number}\n"));
            scene.say(carol, &format!("of carol {number}\n"));
            scene.take_all(bob);
            scene.take_all(carol);
            kept.keep(&mut scene, follower);
        }
        let mut pages = 0;
        loop {
            let more = scene.take_all(deaf);
            let wanted = scene.next_wanted();
            if more.is_empty() && wanted.is_none() {
                break;
            }
            seen += &more;
            if let Some(wanted) = wanted {
                pages += 1;
                assert!(pages < 1_000, "it asks for ever");
                kept.answer(&mut scene, wanted);
            }
        }
        assert!(pages > 10, "{pages} pages: the logs cannot have all of that");
        for name in ["bob", "carol"] {
            let of = format!("of {name} ");
            let numbers: Vec<u32> =
                seen.lines().filter_map(|line| line.split_once(&of)?.1.parse().ok()).collect();
            assert_eq!(numbers, (0..60).collect::<Vec<_>>(), "{name}");
        }
        for (conn, name) in [(bob, "bob"), (carol, "carol")] {
            scene.say(conn, &format!("of {name} now\n"));
            assert!(scene.take_all(deaf).ends_with(&format!("of {name} now\r\n")), "it is attached again");
        }
    });
}

#[test]
fn one_that_leaves_while_it_is_behind_gets_the_pages_that_it_needs_and_no_more() {
    for ending in ["/quit\n", "/join den\n"] {
        with_hub(Protocol::Chat, true, |mut scene| {
            let [bob, deaf] = someone_behind(&mut scene, 60);
            let (mut seen, first) = first_wanted(&mut scene, deaf);
            let told = seen.lines().count() as u64;
            scene.say(deaf, ending);
            for number in 60..80 {
                scene.say(bob, &format!("line {number:03}\n"));
                scene.take_all(bob);
            }
            let texts: Vec<String> = (0..80).map(|number| format!("line {number:03}")).collect();
            let (mut wanted, mut pages) = (Some(first), 0);
            while let Some(page) = wanted {
                let number = |seq: u64| seq.wrapping_sub(from(first)).wrapping_add(told);
                assert!(pages < 100 && (pages == 0 || number(page.until) <= 60), "{page:?}");
                let seqs = (0..page.until.wrapping_sub(from(page))).map(|step| from(page).wrapping_add(step));
                let all: Vec<_> =
                    seqs.map(|seq| kept(page.room, seq, &texts[number(seq).min(79) as usize])).collect();
                scene.page(page, &all);
                assert_eq!(scene.hub.interest(deaf).close, Close::No);
                seen += &scene.take_all(deaf);
                wanted = scene.next_wanted();
                pages += 1;
            }
            let said: String = texts[..60].iter().map(|text| format!("<bob> {text}\r\n")).collect();
            let seen = seen.replace("-- earlier: ", "");
            let of_bob: String = seen.split_inclusive('\n').filter(|line| line.starts_with('<')).collect();
            assert_eq!(of_bob, said, "{ending:?}");
            let close = if ending == "/quit\n" { Close::Write } else { Close::No };
            assert_eq!(scene.hub.interest(deaf).close, close);
        });
    }
}

#[test]
fn one_that_leaves_does_not_wait_for_ever_for_a_page() {
    with_hub(Protocol::Chat, true, |mut scene| {
        let [_, deaf] = someone_behind(&mut scene, 60);
        let (_, wanted) = first_wanted(&mut scene, deaf);
        scene.hub.handle(scene.now, Input::PeerClosed { conn: deaf });
        scene.pass(4_999);
        assert_eq!((scene.hub.interest(deaf).close, scene.take_all(deaf).as_str()), (Close::No, ""));
        scene.pass(1);
        let seen = scene.take_all(deaf);
        assert!(seen.starts_with("-- you missed some messages\r\n-- earlier: <bob> line 0"), "{seen}");
        assert!(seen.ends_with("line 059\r\n"), "{seen}");
        assert_eq!(scene.hub.interest(deaf).close, Close::Full);
        assert_eq!(scene.page(wanted, &[]), 0);
    });
}
