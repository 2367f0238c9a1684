//! Names: which client has one, which names look alike, and which guest numbers are free again.

use parlour_core::ConnId;
#[cfg(feature = "large")]
use parlour_core::NameRules;

#[cfg(feature = "large")]
use crate::scene::unusual;
use crate::scene::{Scene, usual};

/// The answer to a connection's line.
fn answer(scene: &mut Scene<'_>, conn: ConnId, line: &str) -> String {
    scene.receive(conn);
    scene.say(conn, format!("{line}\n"));
    scene.receive(conn)
}

#[test]
fn a_guest_gets_the_lowest_number_that_nobody_has() {
    usual(|mut scene| {
        let [first, second, third] = [(); 3].map(|()| scene.guest());
        answer(&mut scene, second, "/nick bob");
        let fourth = scene.guest();
        assert_eq!(answer(&mut scene, fourth, "/nick alice"), "-- guest-2 is now alice\r\n");
        answer(&mut scene, first, "/nick carol");
        answer(&mut scene, third, "/nick GUEST-2");
        // Numbers 1 and 3 are free, and 2 was taken without being given.
        for number in [1, 3, 4] {
            let guest = scene.guest();
            let told = answer(&mut scene, guest, &format!("/nick guest-{number}"));
            assert_eq!(told, format!("-- you are guest-{number} already\r\n"));
        }
    });
}

/// There can be eight clients. So no guest gets a higher number, or one that begins with a zero.
#[test]
fn a_name_that_only_looks_like_a_guests_takes_no_number_away() {
    for name in ["guest-9", "guest-02", "guest-0", "guest-", "guest-2x", "guests2", "guest", "xuest-2"] {
        usual(|mut scene| {
            let first = scene.guest();
            let told = answer(&mut scene, first, &format!("/nick {name}"));
            assert_eq!(told, format!("-- guest-1 is now {name}\r\n"));
            for number in 1..8 {
                let guest = scene.guest();
                let told = answer(&mut scene, guest, &format!("/nick guest-{number}"));
                assert_eq!(told, format!("-- you are guest-{number} already\r\n"), "beside {name}");
            }
        });
    }
}

/// No newcomer gets a number while somebody else has it.
#[test]
fn a_number_that_somebody_took_as_a_name_is_not_given_to_another() {
    for number in 1..=8 {
        usual(|mut scene| {
            let first = scene.guest();
            answer(&mut scene, first, "/nick alice");
            answer(&mut scene, first, &format!("/nick guest-{number}"));
            let expected = (1..=8).filter(|&other| other != number);
            for other in expected {
                let guest = scene.guest();
                let told = answer(&mut scene, guest, &format!("/nick guest-{other}"));
                assert_eq!(told, format!("-- you are guest-{other} already\r\n"), "beside {number}");
            }
        });
    }
}

/// The scene's names have 32 bytes at the most.
#[test]
fn a_name_may_have_as_many_bytes_as_the_limits_say_and_no_more() {
    for (name, fits) in [("ä".repeat(16), true), ("ä".repeat(16) + "b", false), ("ä".repeat(24), false)] {
        usual(|mut scene| {
            let alice = scene.guest();
            let told = answer(&mut scene, alice, &format!("/nick {name}"));
            let want = if fits { "-- guest-1 is now " } else { "-- bad name: " };
            assert!(told.starts_with(want), "{told}");
            let told = answer(&mut scene, alice, &format!("/join {name}"));
            let want = if fits { "-- you are in " } else { "-- bad room name: " };
            assert!(told.starts_with(want), "{told}");
        });
    }
}

/// Two names look alike if the first or last letter of one is the first or last letter of the other. A
/// guest's name looks like no other name.
#[cfg(feature = "large")]
fn with_looks(test: impl FnOnce(Scene<'_>)) {
    fn looks(name: &str) -> [u64; 2] {
        let lower = |byte: &u8| u64::from(byte.to_ascii_lowercase());
        let [first, last] = [name.as_bytes().first(), name.as_bytes().last()].map(|b| b.map_or(0, lower));
        if name.starts_with("guest-") { [1_000 + last; 2] } else { [first, last] }
    }
    unusual(|config, _| config.names = NameRules { looks, ..NameRules::PLAIN }, test);
}

#[cfg(feature = "large")]
#[test]
fn who_looks_like_somebody_else_in_either_way_is_refused_until_that_one_is_gone() {
    // The common letter may be in another place.
    for (name, looks_alike) in [("arno", true), ("rome", true), ("emma", true), ("bob", false)] {
        for comes_first in [false, true] {
            with_looks(|mut scene| {
                let [mut alice, mut bob] = [(); 2].map(|()| scene.guest());
                let carol = scene.guest();
                answer(&mut scene, carol, "/nick xy");
                if comes_first {
                    (alice, bob) = (bob, alice);
                }
                answer(&mut scene, alice, "/nick alice");
                let told = answer(&mut scene, bob, &format!("/nick {name}"));
                let want = format!("-- the name {name} looks like alice, which is taken\r\n");
                assert_eq!(told == want, looks_alike, "{told}");
                assert_eq!(told.contains(" is now "), !looks_alike, "{told}");
                let told = answer(&mut scene, bob, "/nick ALICE");
                assert_eq!(told, "-- the name ALICE is taken\r\n");
                // One may look like oneself.
                let told = answer(&mut scene, alice, "/nick ae");
                assert_eq!(told, "-- alice is now ae\r\n");
                answer(&mut scene, alice, "/nick zz");
                let told = answer(&mut scene, carol, &format!("/nick {name}"));
                assert_eq!(told.contains(" is now "), looks_alike, "{told}");
            });
        }
    }
}

#[cfg(feature = "large")]
#[test]
fn only_whoever_has_the_very_name_is_found_by_it() {
    with_looks(|mut scene| {
        let [alice, bob] = [(); 2].map(|()| scene.guest());
        answer(&mut scene, alice, "/nick alice");
        for name in ["arno", "rome", "emma", "ae"] {
            let told = answer(&mut scene, bob, &format!("/msg {name} psst"));
            assert_eq!(told, format!("-- nobody here is called {name}\r\n"));
        }
        scene.receive(alice);
        answer(&mut scene, bob, "/msg aLice psst");
        assert_eq!(scene.receive(alice), "[guest-2] psst\r\n");
    });
}

#[cfg(feature = "large")]
#[test]
fn a_room_that_looks_like_another_in_either_way_is_not_made_until_that_one_is_gone() {
    for (name, looks_alike) in [("darn", true), ("gin", true), ("nod", true), ("bar", false)] {
        with_looks(|mut scene| {
            let [alice, bob] = [(); 2].map(|()| scene.guest());
            answer(&mut scene, alice, "/join den");
            let told = answer(&mut scene, bob, &format!("/join {name}"));
            let want = format!("-- the room name {name} looks like den, which exists already\r\n");
            assert_eq!(told == want, looks_alike, "{told}");
            assert_eq!(told.starts_with("-- you are in "), !looks_alike, "{told}");
            answer(&mut scene, bob, "/join DEN");
            for conn in [alice, bob] {
                answer(&mut scene, conn, "/join lobby");
            }
            let told = answer(&mut scene, bob, &format!("/join {name}"));
            assert!(told.starts_with("-- you are in "), "{told}");
        });
    }
}
