//! Lines from bytes that come in any pieces: which are shown, which are refused, and what they cost.

use parlour_core::{Cause, ConnId};

use crate::scene::{CHAT, LINE, Scene, usual};

const IAC: u8 = 255;
const WILL: u8 = 251;
const DO: u8 = 253;
const SB: u8 = 250;

/// Alice sends `input` in pieces of `size`. Returns her answers, and the lines that bob sees.
fn said_in_pieces(scene: &mut Scene<'_>, input: &[u8], size: usize) -> (Vec<u8>, String) {
    let (alice, bob) = (scene.guest(), scene.guest());
    scene.receive(alice);
    let mut answer = Vec::new();
    for piece in input.chunks(size) {
        scene.say(alice, piece);
        answer.extend(bytes(scene, alice));
    }
    (answer, scene.receive(bob))
}

fn bytes(scene: &mut Scene<'_>, conn: ConnId) -> Vec<u8> {
    let lent: Vec<u8> = scene.hub.transmit(conn).flatten().copied().collect();
    scene.take(conn, usize::MAX);
    lent
}

/// The option's number is a letter. It must not be taken for text.
#[test]
fn a_telnet_command_in_any_pieces_leaves_the_text_around_it_whole() {
    let input = [b"he", &[IAC, WILL, b'x'][..], b"llo", &[IAC, DO, b'y'], b"\nnext\n"].concat();
    for size in 1..=input.len() {
        usual(|mut scene| {
            let (answer, seen) = said_in_pieces(&mut scene, &input, size);
            assert_eq!(seen, "<guest-1> hello\r\n<guest-1> next\r\n", "pieces of {size}");
            assert_eq!(answer, [255, 254, b'x', 255, 252, b'y'], "pieces of {size}");
        });
    }
}

#[test]
fn a_telnet_command_before_a_line_in_any_pieces_leaves_it_whole() {
    let input = [&[IAC, DO, b'z'][..], b"hello\n"].concat();
    for size in 1..=input.len() {
        usual(|mut scene| {
            let (answer, seen) = said_in_pieces(&mut scene, &input, size);
            assert_eq!((seen.as_str(), &answer[..]), ("<guest-1> hello\r\n", &[255, 252, b'z'][..]));
        });
    }
}

#[test]
fn a_line_that_an_escaped_byte_makes_too_long_is_told_of_once() {
    for tail in [0, 1, 200] {
        let input = [&[b'a'; LINE][..], &[IAC, IAC], &vec![b'b'; tail], b"\nnext\n"].concat();
        for size in [1, 2, 3, LINE, LINE + 1, LINE + 2, LINE + 3, input.len()] {
            usual(|mut scene| {
                let (answer, seen) = said_in_pieces(&mut scene, &input, size);
                assert_eq!(seen, "<guest-1> next\r\n", "{tail} more, in pieces of {size}");
                let answer = String::from_utf8(answer).unwrap();
                let told = "-- line too long (limit 128 bytes), not sent\r\n";
                assert_eq!(answer, told, "{tail} more, in pieces of {size}");
            });
        }
    }
}

/// A line as long as the limit is said, whatever bytes it has. A longer line is not.
#[test]
fn a_line_is_said_up_to_the_limit_and_not_beyond_it() {
    let of_ascii = |len: usize| "a".repeat(len);
    let of_two_bytes = |len: usize| "é".repeat(len / 2) + &"a".repeat(len % 2);
    let of_four_bytes = |len: usize| "a".repeat(len % 4) + &"\u{1F600}".repeat(len / 4);
    let makers: [&dyn Fn(usize) -> String; 3] = [&of_ascii, &of_two_bytes, &of_four_bytes];
    for make in makers {
        for len in [LINE - 1, LINE, LINE + 1] {
            let text = make(len);
            usual(|mut scene| {
                let (_, seen) = said_in_pieces(&mut scene, format!("{text}\n").as_bytes(), usize::MAX);
                let want = if len <= LINE { format!("<guest-1> {text}\r\n") } else { String::new() };
                assert_eq!(seen, want, "{len} bytes");
            });
        }
    }
}

#[test]
fn a_line_of_the_limit_from_which_controls_are_removed_is_said() {
    for len in [LINE - 1, LINE] {
        for text in ["a".repeat(len - 1), "é".repeat((len - 1) / 2) + &"a".repeat((len - 1) % 2)] {
            usual(|mut scene| {
                let (_, seen) = said_in_pieces(&mut scene, format!("\x07{text}\n").as_bytes(), usize::MAX);
                assert_eq!(seen, format!("<guest-1> {text}\r\n"), "{len} bytes");
            });
        }
    }
}

/// The first three bytes of a four-byte character are replaced by a character of three bytes. So the
/// line does not grow.
#[test]
fn a_line_of_the_limit_that_is_as_long_when_it_is_mended_is_said() {
    let mut input = "\u{1F600}".as_bytes()[..3].to_vec();
    input.extend([b'a'; LINE - 3]);
    input.push(b'\n');
    usual(|mut scene| {
        let (_, seen) = said_in_pieces(&mut scene, &input, usize::MAX);
        assert_eq!(seen, format!("<guest-1> \u{FFFD}{}\r\n", "a".repeat(LINE - 3)));
    });
}

/// So a driver reads as much as the hub can use.
#[test]
fn a_client_may_offer_as_much_as_its_room_has_place_for_and_a_line_at_least() {
    usual(|mut scene| {
        let [talker, _deaf] = [(); 2].map(|()| scene.guest());
        let read = |scene: &Scene<'_>| scene.hub.interest(talker).read;
        scene.receive(talker);
        let before = read(&scene);
        assert!((3_000..=4_096).contains(&before), "{before}");
        scene.say(talker, format!("{}\n", "x".repeat(100)));
        // The line is said with a name, and with two bytes for its end.
        assert_eq!(read(&scene), before - "<guest-1> ".len() - 102);
        for _ in 0..40 {
            if read(&scene) > LINE + 2 {
                scene.say(talker, format!("{}\n", "x".repeat(100)));
            }
        }
        assert_eq!(read(&scene), LINE + 2, "the room is closed");
    });
}

/// Otherwise the driver would go on reading from it, in vain.
#[cfg(feature = "large")]
#[test]
fn one_that_uses_up_its_rate_is_named_even_if_it_has_said_nothing() {
    crate::scene::unusual(
        |_, listeners| listeners[0].rate = Some(parlour_core::Bound::for_all(5)),
        |mut scene| {
            let alice = scene.guest();
            scene.name_all();
            let mut lines = 0;
            while scene.hub.interest(alice).read > 0 {
                scene.name_all();
                scene.say(alice, "\n");
                lines += 1;
                assert!(lines < 20, "the rate holds");
            }
            assert_eq!(scene.next_changed(), Some(alice));
        },
    );
}

/// A place for a connection is given to another one when the first is gone.
#[test]
fn nothing_that_one_did_not_finish_is_left_to_the_next() {
    let too_long = "x".repeat(2 * LINE);
    let unfinished: [&[u8]; 5] =
        [b"secret", too_long.as_bytes(), &[IAC], &[IAC, SB, b'x'], &[b'y', IAC, WILL]];
    for unfinished in unfinished {
        usual(|mut scene| {
            let bob = scene.guest();
            let alice = scene.guest();
            scene.say(alice, "hello\n");
            scene.say(alice, unfinished);
            scene.breaks(alice, Cause::Reset);
            scene.is_closed(alice);
            let next = scene.open(CHAT);
            scene.receive(bob);
            scene.say(next, "hi\n");
            let seen = scene.receive(bob);
            assert!(seen.ends_with("<guest-2> hi\r\n"), "{seen}");
            // The next connection is checked for another protocol too.
            scene.breaks(next, Cause::Reset);
            scene.is_closed(next);
            let scanner = scene.open(CHAT);
            scene.receive(scanner);
            scene.say(scanner, "GET / HTTP/1.0\n");
            assert!(scene.receive(scanner).starts_with("HTTP/1.0 400 "));
        });
    }
}

/// A scanner's request may be longer than any line, and come at once.
#[test]
fn a_client_of_another_protocol_is_known_by_the_start_of_a_line_that_is_too_long() {
    for size in [1, 7, LINE, 10 * LINE] {
        usual(|mut scene| {
            let scanner = scene.open(CHAT);
            scene.receive(scanner);
            let input = format!("GET /{} HTTP/1.0\r\n", "a".repeat(2 * LINE));
            for piece in input.as_bytes().chunks(size) {
                scene.say(scanner, piece);
            }
            let answer = scene.receive(scanner);
            assert!(answer.starts_with("HTTP/1.0 400 "), "pieces of {size}: {answer}");
        });
    }
}

/// A client that sends many lines must not keep the others waiting.
#[test]
fn no_more_than_128_lines_of_one_are_read_at_once() {
    usual(|mut scene| {
        let alice = scene.guest();
        assert_eq!(scene.offer(alice, &[b'\r'; 300]), 128);
        assert_eq!(scene.offer(alice, &[b'\r'; 172]), 128);
        assert_eq!(scene.offer(alice, &[b'\r'; 44]), 44);
    });
}

/// A client with a rate limit is looked at from time to time, and goes on with its waiting lines.
#[cfg(feature = "large")]
#[test]
fn half_a_line_waits_for_its_end_however_often_its_author_is_looked_at() {
    crate::scene::unusual(
        |_, listeners| listeners[0].rate = Some(parlour_core::Bound::for_all(100)),
        |mut scene| {
            let [alice, bob] = [(); 2].map(|()| scene.guest());
            scene.say(alice, "hel");
            scene.at(10_000);
            scene.say(alice, "lo\n");
            let seen = scene.receive(bob);
            assert!(seen.ends_with("<guest-1> hello\r\n"), "{seen}");
        },
    );
}

#[test]
fn a_last_line_without_an_end_is_a_request_of_a_scanner_and_the_words_of_a_guest() {
    usual(|mut scene| {
        let [alice, bob] = [(); 2].map(|()| scene.guest());
        let scanner = scene.open(CHAT);
        for conn in [bob, scanner] {
            scene.receive(conn);
        }
        for conn in [alice, scanner] {
            scene.say(conn, "NICK alice");
            scene.half_close(conn);
        }
        assert!(scene.receive(bob).contains("<guest-1> NICK alice\r\n"));
        let answer = scene.receive(scanner);
        assert!(answer.contains("\r\nERROR :This is a chat server"), "{answer}");
    });
}

/// The start may be another protocol's, so it gets a moment more. But nobody listens unseen.
#[test]
fn one_whose_first_line_has_begun_is_announced_a_second_after_it_came() {
    usual(|mut scene| {
        let bob = scene.guest();
        let alice = scene.open(CHAT);
        scene.receive(alice);
        scene.say(alice, "h");
        scene.at(999);
        assert_eq!(scene.receive(bob), "");
        scene.at(1_000);
        assert_eq!(scene.receive(bob), "-- guest-2 joined\r\n");
        scene.say(alice, "i\n");
        assert_eq!(scene.receive(bob), "<guest-2> hi\r\n");
    });
}
