//! Clients of the driver of smoltcp that come back. A connection is cut at every byte of a conversation, in each way
//! in which it can be cut, and what each side reads is what it reads when nothing is cut.

mod returning;

use parlour_resume::{Key, Message};
use parlour_smoltcp::core::{Cause, ListenerId};
use parlour_smoltcp::{Driver, Links, Note, Session, SessionOptions, Shortage};
use parlour_tests::chat::Chat;
use parlour_tests::hub::HubMemory;
use parlour_tests::wire::{CHAT, Cable, Ground, Layout, Wire};
use smoltcp::iface::SocketSet;
use smoltcp::time::Duration;

use crate::returning::{Cut, KEPT, Returning, STEP, STEPS, until, until_read};

const CHATTING: ListenerId = ListenerId(0);
/// A small window, as on a small board.
const WINDOW: usize = 50;

fn plan(clients: usize) -> Layout {
    let mut plan =
        Layout { sessions: Some(SessionOptions::new(CHATTING, WINDOW)), ..Layout::chat_and_echo(clients) };
    plan.setup.limits.conns = clients;
    plan.services[1].clients = 0;
    plan
}

/// Alice comes in, and has a session and her name.
fn enter<'m>(
    wire: &mut Wire<'_, Cable>,
    memory: &'m mut [u8; KEPT],
    cut: Option<(usize, Cut)>,
) -> Returning<'m> {
    let mut alice = Returning::new(wire, memory, cut);
    until(wire, &mut alice, |_, alice| alice.key.is_some());
    alice.says("/nick alice\n");
    until_read(wire, &mut alice, "is now alice\r\n");
    alice
}

/// A conversation of bob with alice. Returns what each of them has read, and how many bytes alice has received and sent
/// meanwhile.
fn converse(cut: Option<(usize, Cut)>) -> ([String; 2], usize) {
    let (mut ground, mut memory) = (Ground::default(), [0; KEPT]);
    let plan = plan(4);
    let mut wire = Wire::new(&mut ground, &plan);
    let bob = wire.person("bob");
    let mut alice = enter(&mut wire, &mut memory, None);
    alice.passed = 0;
    alice.cut = cut;
    let mut heard = String::new();
    for number in 0..3 {
        wire.says(bob, &format!("one {number}\n/msg alice psst {number}"));
        alice.says(&format!("answer {number}\n/who\n/me nods {number}\n"));
        until(&mut wire, &mut alice, |wire, alice| {
            heard += std::str::from_utf8(&wire.take_all(bob)).expect("text");
            let asked = format!("* alice nods {number}\r\n");
            heard.contains(&asked) && alice.text.contains(&format!("[bob] psst {number}\r\n"))
        });
    }
    wire.says(bob, "/topic the end");
    until_read(&mut wire, &mut alice, "-- bob set the topic: the end\r\n");
    let passed = alice.passed;
    alice.says("/quit\n");
    until(&mut wire, &mut alice, |wire, _| {
        heard += std::str::from_utf8(&wire.take_all(bob)).expect("text");
        heard.ends_with("-- alice left\r\n")
    });
    until(&mut wire, &mut alice, |_, alice| alice.is_over);
    assert!(alice.cut.is_none(), "it was cut");
    ([heard, alice.text], passed)
}

#[test]
fn a_conversation_that_is_cut_at_any_byte_is_the_same() {
    let (whole, bytes) = converse(None);
    assert!(bytes > 300, "{bytes} bytes");
    for cut in [Cut::Reset, Cut::End, Cut::HalfOpen] {
        for at in 1..bytes + "/quit\n".len() {
            let (cut_short, _) = converse(Some((at, cut)));
            assert_eq!(cut_short, whole, "{cut:?} after {at} bytes");
        }
    }
}

/// Both say so much that what is on its way fills every buffer, and the room waits for alice.
#[test]
fn acknowledgements_get_through_while_the_room_waits() {
    const LINES: usize = 200;
    let (mut ground, mut memory) = (Ground::default(), [0; KEPT]);
    let plan = plan(4);
    let mut wire = Wire::new(&mut ground, &plan);
    let [bob, carol] = wire.people(["bob", "carol"]);
    let mut alice = enter(&mut wire, &mut memory, None);
    wire.take_notes();
    let before = alice.text.len();
    let (mut of_bob, mut of_alice) = (String::new(), String::new());
    for number in 0..LINES {
        let line = |name: &str| format!("{name} says {number} {}\n", "x".repeat(40));
        wire.says(bob, line("bob").trim_end());
        of_bob += &format!("<bob> {}", line("bob").replace('\n', "\r\n"));
        alice.says(&line("alice"));
        of_alice += &format!("<alice> {}", line("alice").replace('\n', "\r\n"));
    }
    let mut heard = String::new();
    until(&mut wire, &mut alice, |wire, alice| {
        wire.take_all(bob);
        heard += std::str::from_utf8(&wire.take_all(carol)).expect("text");
        alice.text.len() - before >= of_bob.len() && heard.matches("<alice>").count() == LINES
    });
    assert_eq!(alice.text[before..], of_bob);
    let lines_of =
        |name: &str| heard.split_inclusive('\n').filter(|line| line.starts_with(name)).collect::<String>();
    assert_eq!((lines_of("<bob>"), lines_of("<alice>")), (of_bob, of_alice));
    assert_eq!(wire.take_notes(), [], "nobody was cut");
}

#[test]
fn one_that_is_away_holds_nobody_up_and_is_told_how_much_is_gone() {
    const LINES: usize = 300;
    let (mut ground, mut memory) = (Ground::default(), [0; KEPT]);
    let plan = plan(4);
    let mut wire = Wire::new(&mut ground, &plan);
    let [bob, carol] = wire.people(["bob", "carol"]);
    let mut alice = enter(&mut wire, &mut memory, None);
    wire.until_pong(bob);
    wire.until_pong(carol);
    alice.breaks(&mut wire, Cut::Reset);
    wire.run();
    let before = wire.now();
    for number in 0..LINES {
        wire.says(bob, &format!("line {number}"));
        wire.sees(carol, &format!("<bob> line {number}"));
    }
    assert_eq!(wire.now(), before, "nobody waits");
    let from = alice.text.len();
    alice.comes_back(&mut wire);
    until_read(&mut wire, &mut alice, &format!("<bob> line {}\r\n", LINES - 1));
    let mut lines = alice.text[from..].lines();
    let missed = lines.next().and_then(|line| line.strip_prefix("-- you missed ")?.strip_suffix(" messages"));
    let missed: usize = missed.expect("a notice").parse().expect("a number");
    let rest: Vec<_> = (missed..LINES).map(|number| format!("<bob> line {number}")).collect();
    assert!(missed > 0 && lines.eq(rest.iter()), "{}", &alice.text[from..]);
    alice.says("back\n");
    until(&mut wire, &mut alice, |wire, _| wire.take_all(bob).ends_with(b"<alice> back\r\n"));
}

#[test]
fn one_that_stays_away_has_left_when_its_time_is_over() {
    let (mut ground, mut memory) = (Ground::default(), [0; KEPT]);
    let plan = plan(4);
    let mut wire = Wire::new(&mut ground, &plan);
    let bob = wire.person("bob");
    let mut alice = enter(&mut wire, &mut memory, None);
    wire.until_pong(bob);
    wire.take_notes();
    alice.breaks(&mut wire, Cut::Reset);
    wire.run();
    let went = wire.now();
    assert!(matches!(wire.take_notes()[..], [Note::Away(_, Cause::Reset)]));
    wire.sees(bob, "-- alice left (connection lost)");
    assert_eq!(wire.now() - went, Duration::from_secs(300));
    assert!(matches!(wire.take_notes()[..], [Note::Broken(_, Cause::Reset)]));
    // She is a newcomer then, and told so.
    alice.comes_back(&mut wire);
    until_read(&mut wire, &mut alice, "-- welcome to parlour, you are guest-1");
    assert!(alice.is_refused);
}

#[test]
fn those_that_are_away_make_place_for_newcomers_the_longest_first() {
    let (mut ground, mut memories) = (Ground::default(), [[0; KEPT]; 2]);
    let plan = plan(3);
    let mut wire = Wire::new(&mut ground, &plan);
    let bob = wire.person("bob");
    let [mut alice, mut carol] = memories.each_mut().map(|memory| Returning::new(&mut wire, memory, None));
    for (client, name) in [(&mut alice, "alice"), (&mut carol, "carol")] {
        until(&mut wire, client, |_, client| client.key.is_some());
        client.says(&format!("/nick {name}\n"));
        until_read(&mut wire, client, &format!("is now {name}\r\n"));
    }
    wire.until_pong(bob);
    for client in [&mut alice, &mut carol] {
        client.breaks(&mut wire, Cut::Reset);
        wire.advance(STEP);
    }
    wire.sees_nothing(bob);
    wire.person("dave");
    wire.sees(bob, "-- alice left (connection lost)");
    wire.sees(bob, "-- guest-1 joined");
    wire.sees(bob, "-- guest-1 is now dave");
    carol.comes_back(&mut wire);
    until(&mut wire, &mut carol, |_, carol| !carol.is_resuming);
    carol.says("here I am\n");
    until(&mut wire, &mut carol, |wire, _| wire.take_all(bob).ends_with(b"<carol> here I am\r\n"));
    assert!(!carol.is_refused);
}

#[test]
fn only_the_key_opens_a_session_and_it_is_worth_nothing_after_quit() {
    let (mut ground, mut memory) = (Ground::default(), [0; KEPT]);
    let plan = plan(4);
    let mut wire = Wire::new(&mut ground, &plan);
    let bob = wire.person("bob");
    let mut alice = enter(&mut wire, &mut memory, None);
    let key = alice.key.expect("a session");
    let received = alice.stream.received();
    for wrong in [
        Message::Resume(Key::new(key.session, [0; 16]), received),
        Message::Resume(key, received + 1),
        Message::Resume(Key::new(key.session + 1, [0; 16]), received),
    ] {
        let stranger = wire.connect(CHAT);
        wire.sends(stranger, &wrong.bytes());
        wire.run();
        let seen = wire.take_all(stranger);
        assert!(seen.starts_with(&Message::Unknown.bytes()), "{seen:?}");
        assert!(String::from_utf8_lossy(&seen).contains("-- welcome to parlour, you are guest-"));
        wire.reset(stranger);
        wire.run();
    }
    alice.says("still here\n");
    until(&mut wire, &mut alice, |wire, _| wire.take_all(bob).ends_with(b"<alice> still here\r\n"));
    alice.says("/quit\n");
    until(&mut wire, &mut alice, |wire, _| wire.take_all(bob).ends_with(b"-- alice left\r\n"));
    let thief = wire.connect(CHAT);
    wire.sends(thief, &Message::Resume(key, alice.stream.received()).bytes());
    wire.run();
    let seen = wire.take_all(thief);
    assert!(seen.windows(7).any(|part| part == b"unknown"), "{seen:?}");
    // The next one has another.
    let mut memory = [0; KEPT];
    let mut carol = Returning::new(&mut wire, &mut memory, None);
    until(&mut wire, &mut carol, |_, carol| carol.key.is_some());
    let secret = |key: Option<Key>| key.expect("a session").to_string().split_off(2);
    assert_ne!(secret(carol.key), secret(Some(key)));
}

#[test]
fn one_that_has_left_before_it_was_told_all_cannot_come_back() {
    let (mut ground, mut memory) = (Ground::default(), [0; KEPT]);
    let plan = plan(4);
    let mut wire = Wire::new(&mut ground, &plan);
    let bob = wire.person("bob");
    let mut alice = enter(&mut wire, &mut memory, None);
    wire.until_pong(bob);
    alice.acknowledges = false;
    for number in 0..20 {
        wire.says(bob, &format!("line {number}"));
    }
    alice.says("/quit\n");
    until(&mut wire, &mut alice, |wire, _| wire.take_all(bob).ends_with(b"-- alice left\r\n"));
    assert!(!alice.is_over && !alice.text.contains("line 19"), "{}", alice.text);
    let thief = wire.connect(CHAT);
    wire.sends(thief, &Message::Resume(alice.key.expect("a session"), alice.stream.received()).bytes());
    wire.run();
    assert!(wire.take_all(thief).starts_with(&Message::Unknown.bytes()));
}

#[test]
fn a_client_that_comes_back_late_was_greeted_as_a_newcomer_and_has_its_session_all_the_same() {
    let (mut ground, mut memory) = (Ground::default(), [0; KEPT]);
    let plan = plan(4);
    let mut wire = Wire::new(&mut ground, &plan);
    let bob = wire.person("bob");
    let mut alice = enter(&mut wire, &mut memory, None);
    wire.until_pong(bob);
    alice.breaks(&mut wire, Cut::HalfOpen);
    alice.client = wire.connect(CHAT);
    alice.is_resuming = true;
    // The moment is over.
    wire.advance(Duration::from_millis(100));
    let message = Message::Resume(alice.key.expect("a session"), alice.stream.received()).bytes();
    for half in message.chunks(20) {
        assert!(alice.is_resuming);
        wire.sends(alice.client, half);
        alice.step(&mut wire);
    }
    until(&mut wire, &mut alice, |_, alice| !alice.is_resuming);
    alice.says("me again\n");
    until(&mut wire, &mut alice, |wire, _| wire.take_all(bob) == b"<alice> me again\r\n");
    assert_eq!(wire.hub().count(), 2);
}

/// A client that has said that it leaves does not come back.
#[test]
fn one_that_says_goodbye_has_left_when_its_connection_ends() {
    for cut in [Cut::Reset, Cut::End] {
        let (mut ground, mut memory) = (Ground::default(), [0; KEPT]);
        let plan = plan(4);
        let mut wire = Wire::new(&mut ground, &plan);
        let bob = wire.person("bob");
        let mut alice = enter(&mut wire, &mut memory, None);
        wire.until_pong(bob);
        alice.says("bye\n");
        alice.step(&mut wire);
        alice.stream.say(&Message::Bye);
        alice.step(&mut wire);
        alice.breaks(&mut wire, cut);
        wire.sees(bob, "<alice> bye");
        if cut == Cut::End {
            until(&mut wire, &mut alice, |_, alice| alice.stream.is_confirmed());
        }
        wire.sees_where(bob, "that she left", |line| line.starts_with("-- alice left"));
        wire.advance(Duration::from_secs(10));
        wire.half_close(bob);
        wire.advance(Duration::from_secs(10));
        wire.is_at_rest(&plan);
    }
}

#[test]
fn memory_that_is_too_small_is_refused() {
    let make = |receive, bytes| {
        let mut plan = plan(4);
        plan.options.receive = receive;
        let (mut memory, mut links, mut buffers) =
            (HubMemory::default(), Links::<16>::new(), vec![0; plan.options.bytes(&plan.services)]);
        let (mut sessions, mut windows) = ([const { Session::EMPTY }; 2], vec![0; bytes]);
        let (mut sockets, hub) = (SocketSet::new(Vec::new()), memory.hub(&plan.setup));
        let services = &plan.services;
        let driver = Driver::new(hub, services, plan.options, &mut sockets, &mut links, &mut buffers);
        let offered = SessionOptions::new(CHATTING, WINDOW);
        driver.expect("room for all").offer_sessions(offered, &mut sessions, &mut windows).err()
    };
    // An acknowledgement may stand behind a window of text.
    let receive = WINDOW + SessionOptions::MESSAGES;
    assert_eq!(make(receive, 4 * WINDOW), None);
    assert_eq!(make(receive - 1, 4 * WINDOW), Some(Shortage::Bytes));
    assert_eq!(make(receive, 4 * WINDOW - 1), Some(Shortage::Bytes));
}

#[test]
fn without_randomness_nobody_has_a_session() {
    let (mut ground, mut memory) = (Ground::default(), [0; KEPT]);
    let plan = plan(4);
    let mut wire = Wire::new(&mut ground, &plan);
    wire.end_randomness();
    let mut alice = Returning::new(&mut wire, &mut memory, None);
    until(&mut wire, &mut alice, |_, alice| alice.is_refused);
    assert!(alice.key.is_none());
    alice.says("/ping\n");
    until_read(&mut wire, &mut alice, "-- pong\r\n");
    alice.breaks(&mut wire, Cut::Reset);
    wire.run();
    assert!(matches!(wire.take_notes()[..], [Note::Connected(..), Note::Broken(..)]));
}

#[test]
fn a_client_that_acknowledges_nothing_is_one_that_does_not_read() {
    let (mut ground, mut memory) = (Ground::default(), [0; KEPT]);
    let mut plan = plan(4);
    plan.setup.config.grace_ms = 500;
    let mut wire = Wire::new(&mut ground, &plan);
    let [bob, carol] = wire.people(["bob", "carol"]);
    let mut alice = enter(&mut wire, &mut memory, None);
    alice.acknowledges = false;
    let mut number = 0;
    loop {
        alice.step(&mut wire);
        wire.says(bob, &format!("line {number}"));
        number += 1;
        let seen = String::from_utf8(wire.take_all(carol)).expect("text");
        if seen.contains("-- alice left (too slow)\r\n") {
            break;
        }
        assert!(number < STEPS, "she is never cut");
    }
    wire.run();
    let key = alice.key.expect("a session");
    let thief = wire.connect(CHAT);
    wire.sends(thief, &Message::Resume(key, alice.stream.received()).bytes());
    wire.run();
    let seen = wire.take_all(thief);
    assert!(seen.windows(7).any(|part| part == b"unknown"), "{seen:?}");
}
